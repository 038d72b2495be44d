"""The token endpoint's grants: Authlib's classes with Entra's refusals and token answers."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import grants
from flask import g

from tests.localcloud.claims import parse_claims
from tests.localcloud.clients import Client, unknown_client
from tests.localcloud.directory import User
from tests.localcloud.errors import EntraError, invalid_grant, missing_parameter
from tests.localcloud.policy import account_disabled, check_password, check_segment, check_silently, find_tenant
from tests.localcloud.scopes import parse_scope
from tests.localcloud.signin import SignIn
from tests.localcloud.state import RefreshToken, State
from tests.localcloud.tokens import Grant, Issuer


class TokenGrant:
    """What all grants here share. Mixed into Authlib's classes, whose `request` and `server` it uses."""

    TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["entra"]
    request: Any
    server: Any

    @property
    def state(self) -> State:
        """The cloud's state."""
        return self.server.state  # type: ignore[no-any-return]

    def authenticate_token_endpoint_client(self) -> Client:
        """Check the tenant first: Entra knows no client without knowing where."""
        check_segment(self.state.directory, self.request.tenant_segment, "invalid_request")
        client: Client = super().authenticate_token_endpoint_client()  # type: ignore[misc]
        self.request.claims = parse_claims(self.request.form.get("claims"))
        return client

    def validate_requested_scope(self) -> None:
        """Done by `parse_scope`, which knows the resource."""

    def issue(
        self, user: User, sign_in: SignIn, scope_text: str | None, family: str, nonce: str | None = None
    ) -> dict[str, Any]:
        """Check what can be checked without a user at the screen, then make the answer."""
        segment = self.request.tenant_segment
        g.user = user.username
        if self.state.revoked_since(user.username, sign_in.at):
            raise invalid_grant(
                50173,
                "The provided grant has expired due to it being revoked, a fresh auth token is "
                "needed. The user might have changed or reset their password.",
                "bad_token",
            )
        tenant = find_tenant(self.state.directory, segment, user, "invalid_request")
        client = self.request.client.app
        scope = parse_scope(scope_text, tenant.name, self.state.resources)
        issuer: Issuer = self.server.issuer
        membership = check_silently(
            self.state, user, tenant, client, scope, sign_in, self.request.claims, issuer.base_url
        )
        return issuer.for_user(
            Grant(
                tenant,
                client,
                user,
                membership,
                sign_in,
                scope,
                scope_text or "",
                self.request.claims,
                family,
                nonce,
                self.request.form.get("client_info") == "1",
            )
        )

    def bound_to_key(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request that may ask for an SSH certificate. Here, that is a token like any other."""
        if "req_cnf" in self.request.form:
            answer["token_type"] = self.request.form["token_type"]
        return answer

    def find_user(self, username: str) -> User:
        """The user of a stored grant; the account may have been disabled since."""
        user = self.state.directory.find_user(username)
        if user is None or user.disabled:
            raise account_disabled()
        return user


class PasswordGrant(TokenGrant, grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 4.3; not for Microsoft accounts ("OAuth 2.0 Resource Owner Password Credentials", Important)."""

    def authenticate_user(self, username: str, password: str) -> User:
        segment = self.request.tenant_segment
        if segment.lower() in ("common", "consumers"):
            raise EntraError(
                "invalid_request",
                9001023,
                "The grant type is not supported over the /common or "
                "/consumers endpoints. Please use the /organizations or "
                "tenant-specific endpoint.",
            )
        known = self.state.directory.find_user(username)
        hidden = known is not None and known.microsoft_account
        return check_password(self.state.directory, segment, "" if hidden else username, password)

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        sign_in = SignIn(user.username, self.state.now())
        return self.issue(user, sign_in, scope, secrets.token_hex(8))


class RefreshGrant(TokenGrant, grants.RefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 6. "Refresh tokens in the Microsoft identity platform": not bound to a resource or tenant; using one
    gives a new one and does not revoke the old one; bound to user and client."""

    INCLUDE_NEW_REFRESH_TOKEN = True

    def _validate_token_scope(self, token: RefreshToken) -> None:
        """Any scope may be asked for."""

    def _validate_request_token(self, client: Client) -> RefreshToken:
        text = self.request.form.get("refresh_token")
        if not text:
            raise missing_parameter("refresh_token")
        token = self.state.refresh_tokens.get(text)
        if token is None:
            raise invalid_grant(9002313, "Invalid request. Request is malformed or invalid.", "bad_token")
        if token.client_id != client.app.app_id:
            # MSAL tries another token of the family when it reads client_mismatch.
            raise invalid_grant(700007, "The grant was issued to another client.", "client_mismatch")
        if token.family in self.state.revoked_families:
            raise invalid_grant(
                50173,
                "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
                "bad_token",
            )
        if token.issued_at + self.state.settings.refresh_token_lifetime <= self.state.now():
            raise invalid_grant(700082, "The refresh token has expired due to inactivity.", "bad_token")
        return token

    def authenticate_user(self, refresh_token: RefreshToken) -> User:
        return self.find_user(refresh_token.sign_in.username)

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """The old one stays good."""

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        token: RefreshToken = self.request.refresh_token
        return self.bound_to_key(self.issue(user, token.sign_in, scope, token.family))


class ApplicationGrant(TokenGrant, grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 4.4 for service principals."""

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        segment, app = self.request.tenant_segment, self.request.client.app
        g.user = app.app_id
        tenant = check_segment(self.state.directory, segment, "invalid_request")
        if tenant is None:
            raise EntraError(
                "invalid_request",
                50059,
                "No tenant-identifying information found in either the request or implied by any provided credentials.",
            )
        principal = app.in_tenant(tenant.id)
        if principal is None:
            raise unknown_client(app.app_id, tenant.name)
        parsed = parse_scope(scope, tenant.name, self.state.resources)
        if parsed.permissions != (".default",):
            raise EntraError(
                "invalid_scope",
                1002012,
                f"The provided value for scope {scope} is not valid. Client "
                "credential flows must have a scope value with /.default "
                "suffixed to the resource identifier (application ID URI).",
            )
        issuer: Issuer = self.server.issuer
        answer = issuer.for_application(tenant, app, principal, parsed, self.request.claims, self.request.appidacr)
        return self.bound_to_key(answer)
