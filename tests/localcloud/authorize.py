"""The authorization endpoint (RFC 6749 4.1.1, OpenID Connect Core 3.1.2): checks a request and starts a sign-in."""

from __future__ import annotations

import re
import secrets
from typing import Any

from authlib.oauth2 import OAuth2Error
from flask import Blueprint, Response, g, redirect, request

from tests.localcloud.claims import parse_claims
from tests.localcloud.clients import Client, check_audience, unknown_client
from tests.localcloud.errors import EntraError, consent_required, mfa_required, missing_parameter
from tests.localcloud.interaction import Asked, Interaction
from tests.localcloud.policy import check_member, check_segment, find_tenant, needs_consent, needs_mfa
from tests.localcloud.responses import deliver, deliver_error, error_page
from tests.localcloud.scopes import parse_scope
from tests.localcloud.service import TokenService
from tests.localcloud.signin import SignIn
from tests.localcloud.state import AuthorizationCode, State
from tests.localcloud.tokens import Issuer, client_info
from tests.localcloud.visitors import Visitors

PROMPTS = (None, "login", "none", "consent", "select_account", "create")
_CHALLENGE = re.compile(r"^[A-Za-z0-9\-._~]{43,128}$")


def issue_code(state: State, asked: Asked, sign_in: SignIn) -> Response:
    """Make a code for what was asked, and hand it to the application."""
    code = AuthorizationCode(
        "1.Local_" + secrets.token_urlsafe(64),
        asked.client_id,
        asked.redirect_uri,
        asked.scope,
        asked.tenant,
        sign_in,
        asked.challenge,
        asked.nonce,
        asked.claims,
        state.now() + state.settings.code_lifetime,
        secrets.token_hex(8),
    )
    state.codes[code.code] = code
    values = {"code": code.code}
    if asked.client_info:
        values["client_info"] = client_info(state.directory.user(sign_in.username))
    if asked.state is not None:
        values["state"] = asked.state
    values["session_state"] = secrets.token_hex(16)
    return deliver(asked.redirect_uri, asked.response_mode, values)


def authorize_blueprint(state: State, issuer: Issuer, service: TokenService, visitors: Visitors) -> Blueprint:
    """The route of the endpoint."""
    pages = Blueprint("authorize", __name__)
    base, routes = issuer.base_url, issuer.routes

    def check_client(tenant: str) -> Client:
        """Tenant, client and redirect address; what is wrong here is never sent to the redirect address."""
        check_segment(state.directory, tenant)
        client_id = request.values.get("client_id")
        if not client_id:
            raise missing_parameter("client_id")
        app = state.directory.find_application(client_id)
        if app is None:
            raise unknown_client(client_id, tenant)
        check_audience(state.directory, app, tenant)
        addresses = request.values.getlist("redirect_uri")
        client = Client(app)
        if len(addresses) != 1 or not client.check_redirect_uri(addresses[0]):
            shown = addresses[0] if addresses else ""
            raise EntraError(
                "invalid_request",
                50011,
                f"The redirect URI '{shown}' specified in the request does not match the redirect URIs "
                f"configured for the application '{app.app_id}'. Make sure the redirect URI sent in the "
                "request matches one added to your application in the Azure portal.",
            )
        return client

    def check_request(tenant: str, client: Client, mode: str) -> Asked:
        """All the rest; refusals go to the application."""
        values = request.values
        if values.get("response_mode") not in (None, "query", "fragment", "form_post"):
            raise EntraError("invalid_request", 70007, "The 'response_mode' value is not supported.")
        if not values.get("response_type"):
            raise missing_parameter("response_type")
        try:
            service.get_consent_grant()
        except EntraError:
            raise
        except OAuth2Error as exc:
            code = {"unsupported_response_type": 70005, "unauthorized_client": 700051}.get(exc.error, 90014)
            raise EntraError(exc.error, code, exc.get_error_description() or "The request is not valid.") from exc
        challenge = values.get("code_challenge")
        if not challenge:
            raise EntraError(
                "invalid_request",
                9002325,
                "Proof Key for Code Exchange is required for cross-origin authorization code redemption.",
            )
        if not _CHALLENGE.match(challenge):
            raise EntraError("invalid_request", 501491, "Invalid size of Code_Challenge parameter.")
        if values.get("code_challenge_method") != "S256":
            raise EntraError("invalid_request", 50148, "The code_challenge_method is not supported; use S256.")
        if values.get("prompt") not in PROMPTS:
            raise EntraError("invalid_request", 90023, f"Unsupported 'prompt' value '{values['prompt']}'.")
        parse_scope(values.get("scope"), tenant, state.resources)
        parse_claims(values.get("claims"))
        return Asked(
            "authorize",
            tenant,
            client.app.app_id,
            values["scope"],
            values.get("claims"),
            values.get("prompt"),
            values.get("login_hint"),
            values["redirect_uri"],
            mode,
            values.get("state"),
            values.get("nonce"),
            challenge,
            values.get("client_info") == "1" and issuer.client_info,
        )

    def silently(asked: Asked, known: list[SignIn]) -> Response:
        """prompt=none: a code or an error, never a page."""
        if asked.login_hint:
            known = [s for s in known if s.username.lower() == asked.login_hint.lower()]
        if not known:
            raise EntraError("login_required", 50058, "A silent sign-in request was sent but no user is signed in.")
        if len(known) > 1:
            raise EntraError(
                "interaction_required",
                16000,
                "Either multiple user identities are available for the "
                "current request or selected account is not supported for "
                "the scenario.",
            )
        user = state.directory.user(known[0].username)
        app = state.directory.application(asked.client_id)
        tenant = find_tenant(state.directory, asked.tenant, user)
        scope = parse_scope(asked.scope, tenant.name, state.resources)
        try:
            check_member(user, tenant, app, base)
        except EntraError as exc:
            raise EntraError("interaction_required", exc.code, exc.text) from exc
        if needs_mfa(tenant, known[0], parse_claims(asked.claims)):
            raise mfa_required(scope.audience, tenant.policy_id, "interaction_required")
        if needs_consent(state, user, app, scope):
            raise consent_required(app.app_id, app.name, "interaction_required")
        return issue_code(state, asked, known[0])

    @pages.route(routes.authorize, methods=["GET", "POST"], defaults=routes.defaults, strict_slashes=False)
    def authorize(tenant: str) -> Any:
        g.tenant = tenant
        try:
            client = check_client(tenant)
        except EntraError as error:
            return error_page(issuer.refusal(error), state.now(), base)
        mode = request.values.get("response_mode") or "query"
        try:
            asked = check_request(tenant, client, mode)
            browser_id, browser = visitors.current()
            if asked.prompt == "none":
                return silently(asked, browser.signed_in())
        except EntraError as error:
            return deliver_error(
                request.values["redirect_uri"],
                mode if mode in ("fragment", "form_post") else "query",
                request.values.get("state"),
                issuer.refusal(error),
                state.now(),
                base,
            )
        made = Interaction(asked, browser_id)
        made.start(browser)
        state.interactions[made.id] = made
        return visitors.remember(redirect(f"{routes.login}/{made.id}", 303), browser_id)

    return pages
