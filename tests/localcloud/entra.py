"""The token service's endpoints without a page: discovery, keys, token, device codes, user realm."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from tests.localcloud.claims import parse_claims
from tests.localcloud.clients import check_audience, check_public_flow, unknown_client
from tests.localcloud.errors import EntraError, missing_parameter
from tests.localcloud.policy import check_segment
from tests.localcloud.scopes import OIDC_SCOPES, parse_scope
from tests.localcloud.service import TokenService
from tests.localcloud.state import DeviceSignIn, State
from tests.localcloud.tokens import Issuer

#: No vowels and no characters that look alike, like Entra's user codes (RFC 8628 6.1).
_USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"


def start_device_sign_in(state: State, tenant: str, page: str) -> dict[str, Any]:
    """The answer to a device authorization request (RFC 8628 3.2); codes are typed in at the address `page`."""
    g.tenant = tenant
    check_segment(state.directory, tenant, "invalid_request")
    client_id = request.form.get("client_id")
    if not client_id:
        raise missing_parameter("client_id")
    app = state.directory.find_application(client_id)
    if app is None or not app.public:
        raise unknown_client(client_id, tenant)
    check_audience(state.directory, app, tenant)
    check_public_flow(app)
    scope = request.form.get("scope")
    parse_scope(scope, tenant, state.resources)
    parse_claims(request.form.get("claims"))
    settings = state.settings
    user_code = "".join(secrets.choice(_USER_CODE_LETTERS) for _ in range(9))
    made = DeviceSignIn(
        secrets.token_urlsafe(48),
        user_code,
        app.app_id,
        scope or "",
        tenant,
        request.form.get("claims"),
        state.now() + settings.device_expires_in,
        settings.device_interval,
    )
    state.device_sign_ins[made.device_code] = made
    return {
        "user_code": user_code,
        "device_code": made.device_code,
        "verification_uri": page,
        "expires_in": settings.device_expires_in,
        "interval": settings.device_interval,
        "message": f"To sign in, use a web browser to open the page {page} and enter the code {user_code} to "
        "authenticate.",
    }


def entra_blueprint(state: State, issuer: Issuer, service: TokenService) -> Blueprint:
    """The routes below /{tenant}."""
    pages = Blueprint("entra", __name__)
    base = issuer.base_url

    def refuse(error: EntraError) -> Response:
        body = error.body(state.now(), request.headers.get("client-request-id"), base)
        answer = jsonify(body)
        answer.status_code = error.status_code
        return answer

    pages.register_error_handler(EntraError, refuse)

    def document(tenant: str, version: str) -> Response:
        found = check_segment(state.directory, tenant)
        g.tenant = found.id if found else tenant
        # For organizations and common the issuer depends on who signs in; Entra writes a placeholder.
        tenant_id = found.id if found else "{tenantid}"
        segment = found.id if found else tenant.lower()
        # Both documents lead to the v2.0 endpoints, which are the ones that exist here.
        prefix = f"{base}/{segment}"
        return jsonify(
            {
                "issuer": f"{base}/{tenant_id}/v2.0" if version == "v2.0" else f"{base}/{tenant_id}/",
                "authorization_endpoint": f"{prefix}/oauth2/v2.0/authorize",
                "token_endpoint": f"{prefix}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{prefix}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{prefix}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "scopes_supported": list(OIDC_SCOPES),
                "claims_supported": [
                    "sub",
                    "iss",
                    "aud",
                    "exp",
                    "iat",
                    "nonce",
                    "preferred_username",
                    "name",
                    "tid",
                    "ver",
                    "oid",
                ],
                "request_uri_parameter_supported": False,
                "tenant_region_scope": "EU" if found else None,
                "cloud_instance_name": "localcloud.example",
                "msgraph_host": "graph.localcloud.example",
            }
        )

    @pages.get("/<tenant>/v2.0/.well-known/openid-configuration")
    def discovery(tenant: str) -> Response:
        return document(tenant, "v2.0")

    @pages.get("/<tenant>/.well-known/openid-configuration")
    def discovery_v1(tenant: str) -> Response:
        return document(tenant, "v1")

    @pages.get("/<tenant>/discovery/v2.0/keys")
    @pages.get("/<tenant>/discovery/keys")
    def keys(tenant: str) -> Response:
        check_segment(state.directory, tenant)
        return jsonify({"keys": [{**issuer.key.jwk, "issuer": f"{base}/{{tenantid}}/v2.0"}]})

    @pages.post("/<tenant>/oauth2/v2.0/token")
    def token(tenant: str) -> Any:
        g.tenant = tenant
        g.grant_type = request.form.get("grant_type")
        answer = service.create_token_response()
        answer.headers["x-ms-request-id"] = secrets.token_hex(16)
        return answer

    @pages.post("/<tenant>/oauth2/v2.0/devicecode")
    def devicecode(tenant: str) -> Response:
        return jsonify(start_device_sign_in(state, tenant, f"{base}/device"))

    @pages.get("/common/userrealm/<path:username>")
    def userrealm(username: str) -> Response:
        """What MSAL asks before user name and password: is the account managed here or federated elsewhere?"""
        if request.args.get("api-version") is None:
            raise EntraError("invalid_request", 90014, "The required field 'api-version' is missing.")
        domain = username.rpartition("@")[2].lower()
        known = state.directory.find_tenant(domain)
        return jsonify(
            {
                "ver": "1.0",
                "account_type": "Managed" if known else "Unknown",
                "domain_name": domain,
                "cloud_instance_name": "localcloud.example",
                "cloud_audience_urn": "urn:federation:MicrosoftOnline",
            }
        )

    return pages
