"""The token endpoint's grants: Authlib's classes with Entra's refusals and token answers."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.errors import UnsupportedGrantTypeError
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceCodeGrant
from flask import Flask, g
from flask import request as flask_request

from .claims import parse_claims
from .clients import Client, ClientAuthenticator
from .directory import Person
from .errors import EntraError, invalid_grant, missing_parameter
from .policy import ANY_TENANT, account_disabled, check_password, check_segment, check_silently, find_tenant
from .scopes import parse_scope
from .signin import SignIn
from .state import AuthorizationCode, DeviceSignIn, RefreshToken, State
from .tokens import Grant, Issuer


class TokenService(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server, wired to one cloud."""

    def __init__(self, app: Flask, state: State, issuer: Issuer) -> None:
        self.state = state
        self.issuer = issuer
        super().__init__(app, query_client=self._find_client, save_token=lambda token, request: None)
        self.register_client_auth_method("entra", ClientAuthenticator(state, issuer.base_url))
        self.register_grant(CodeGrant, [Pkce(required=True)])
        for grant in (PasswordGrant, RefreshGrant, ApplicationGrant, DeviceGrant):
            self.register_grant(grant)

    def _find_client(self, client_id: str) -> Client | None:
        app = self.state.directory.find_application(client_id)
        return Client(app) if app else None

    def create_oauth2_request(self, request: Any) -> Any:
        """Authlib's request, plus the tenant segment of the URL that this one was sent to."""
        made = super().create_oauth2_request(request)
        made.tenant_segment = flask_request.view_args["tenant"]
        made.appidacr = "0"
        return made

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Any:
        """Every refusal as Entra's JSON; RFC errors of Authlib itself get the nearest AADSTS number."""
        if not isinstance(error, EntraError):
            error = _translate(error)
        body = error.body(self.state.now(), flask_request.headers.get("client-request-id"), self.issuer.base_url)
        return self.handle_response(error.status_code, body, [("Content-Type", "application/json; charset=utf-8"),
                                                              ("Cache-Control", "no-store")])


def _translate(error: OAuth2Error) -> EntraError:
    if isinstance(error, UnsupportedGrantTypeError):
        if not error.grant_type:
            return missing_parameter("grant_type")
        return EntraError("unsupported_grant_type", 70003,
                          f"The app requested an unsupported grant type '{error.grant_type}'.")
    return EntraError(error.error, {"unauthorized_client": 700021}.get(error.error, 9002313),
                      f"Invalid request. Request is malformed or invalid. {error.get_error_description() or ''}")


class _Grant:
    """What all grants here share. Mixed into Authlib's classes, whose `request` and `server` it uses."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["entra"]
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

    def issue(self, person: Person, sign_in: SignIn, scope_text: str | None, family: str, nonce: str | None = None
              ) -> dict[str, Any]:
        """Check what can be checked without anybody at the screen, then make the answer."""
        segment = self.request.tenant_segment
        g.user = person.username
        if self.state.revoked_since(person.username, sign_in.at):
            raise invalid_grant(50173, "The provided grant has expired due to it being revoked, a fresh auth token is "
                                       "needed. The user might have changed or reset their password.", "bad_token")
        tenant = find_tenant(self.state.directory, segment, person, "invalid_request")
        client = self.request.client.app
        scope = parse_scope(scope_text, tenant.name)
        issuer: Issuer = self.server.issuer
        membership = check_silently(self.state, person, tenant, client, scope, sign_in, self.request.claims,
                                    issuer.base_url)
        return issuer.for_person(Grant(tenant, client, person, membership, sign_in, scope, scope_text or "",
                                       self.request.claims, family, nonce,
                                       self.request.form.get("client_info") == "1"))

    def person(self, username: str) -> Person:
        """The person of a stored grant; the account may have been disabled since."""
        person = self.state.directory.find_person(username)
        if person is None or person.disabled:
            raise account_disabled()
        return person


class PasswordGrant(_Grant, grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 4.3; not for Microsoft accounts ("OAuth 2.0 Resource Owner Password Credentials", Important)."""

    def authenticate_user(self, username: str, password: str) -> Person:
        segment = self.request.tenant_segment
        if segment.lower() in ("common", "consumers"):
            raise EntraError("invalid_request", 9001023, "The grant type is not supported over the /common or "
                                                         "/consumers endpoints. Please use the /organizations or "
                                                         "tenant-specific endpoint.")
        known = self.state.directory.find_person(username)
        hidden = known is not None and known.microsoft_account
        return check_password(self.state.directory, segment, "" if hidden else username, password)

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        sign_in = SignIn(user.username, self.state.now())
        return self.issue(user, sign_in, scope, secrets.token_hex(8))


class RefreshGrant(_Grant, grants.RefreshTokenGrant):  # type: ignore[misc]
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
            raise invalid_grant(50173, "The provided grant has expired due to it being revoked, a fresh auth token is "
                                       "needed.", "bad_token")
        if token.issued_at + self.state.settings.refresh_token_lifetime <= self.state.now():
            raise invalid_grant(700082, "The refresh token has expired due to inactivity.", "bad_token")
        return token

    def authenticate_user(self, refresh_token: RefreshToken) -> Person:
        return self.person(refresh_token.sign_in.username)

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        """The old one stays good."""

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        token: RefreshToken = self.request.refresh_token
        return self.issue(user, token.sign_in, scope, token.family)


class CodeGrant(_Grant, grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 4.1.3. The code is taken before anything is checked: a failed try uses it up as well."""

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode:
        with self.state.lock:
            found = self.state.codes.get(code)
            if found is not None:
                self.state.codes[code] = replace(found, redeemed=True)
        if found is None:
            raise invalid_grant(70000, "The provided value for the 'code' parameter is not valid.")
        if found.client_id != client.app.app_id:
            raise invalid_grant(700007, "The authorization code was issued to another client.")
        if found.redeemed:
            # RFC 6749 4.1.2: revoke what came from the code, since a second redemption means that it leaked.
            self.state.revoked_families.add(found.family)
            raise invalid_grant(54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid "
                                       "code or use an existing refresh token.")
        if found.expires_at <= self.state.now():
            raise invalid_grant(70008, "The provided authorization code or refresh token has expired due to "
                                       "inactivity. Send a new interactive authorization request for this user and "
                                       "resource.")
        if found.tenant.lower() != self.request.tenant_segment.lower() and not self._same_tenant(found):
            raise invalid_grant(700005, "Provided Authorization Code is intended to use against other tenant, thus "
                                        "rejected.")
        if self.request.form.get("redirect_uri") != found.redirect_uri:
            raise invalid_grant(500112, f"The reply address '{self.request.form.get('redirect_uri')}' does not match "
                                        f"the reply address '{found.redirect_uri}' provided when requesting "
                                        "Authorization code.")
        return found

    def _same_tenant(self, code: AuthorizationCode) -> bool:
        """The same tenant under another name (domain instead of GUID, or the home tenant behind organizations)."""
        person = self.person(code.sign_in.username)
        directory = self.state.directory
        names = (code.tenant, self.request.tenant_segment)
        return not all(n.lower() in ANY_TENANT for n in names) and (
            find_tenant(directory, names[0], person).id == find_tenant(directory, names[1], person).id)

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Person:
        return self.person(authorization_code.sign_in.username)

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Kept, marked as redeemed, to recognize a replay."""

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        code: AuthorizationCode = self.request.authorization_code
        return self.issue(user, code.sign_in, self.request.form.get("scope") or code.scope, code.family, code.nonce)


class Pkce(CodeChallenge):  # type: ignore[misc]
    """RFC 7636 with S256 only. The challenge itself is demanded by the authorization endpoint."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]

    def validate_code_verifier(self, grant: Any, result: Any) -> None:
        """A verifier is required and has to fit."""
        if not grant.request.form.get("code_verifier"):
            raise missing_parameter("code_verifier")
        try:
            super().validate_code_verifier(grant, result)
        except OAuth2Error as exc:
            raise invalid_grant(501481, "The Code_Verifier does not match the code_challenge supplied in the "
                                        "authorization request.") from exc


class ApplicationGrant(_Grant, grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 4.4 for service principals."""

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        segment, app = self.request.tenant_segment, self.request.client.app
        g.user = app.app_id
        tenant = check_segment(self.state.directory, segment, "invalid_request")
        if tenant is None:
            raise EntraError("invalid_request", 50059, "No tenant-identifying information found in either the request "
                                                       "or implied by any provided credentials.")
        principal = app.in_tenant(tenant.id)
        if principal is None:
            from .clients import unknown_client
            raise unknown_client(app.app_id, tenant.name)
        parsed = parse_scope(scope, tenant.name)
        if parsed.permissions != (".default",):
            raise EntraError("invalid_scope", 1002012, f"The provided value for scope {scope} is not valid. Client "
                                                       "credential flows must have a scope value with /.default "
                                                       "suffixed to the resource identifier (application ID URI).")
        issuer: Issuer = self.server.issuer
        return issuer.for_application(tenant, app, principal, parsed, self.request.claims, self.request.appidacr)


class DeviceGrant(_Grant, DeviceCodeGrant):  # type: ignore[misc]
    """RFC 8628 3.4 and 3.5 with the error names of "OAuth 2.0 device authorization grant flow"."""

    def query_device_credential(self, device_code: str) -> DeviceSignIn:
        found = self.state.device_sign_ins.get(device_code)
        if found is None or found.status == "redeemed":
            raise EntraError("bad_verification_code", 70018, "Invalid verification code due to User typing in wrong "
                                                             "user code for device code flow.")
        return found

    def validate_device_credential(self, credential: DeviceSignIn) -> Person:
        with self.state.lock:
            now = self.state.now()
            found = self.state.device_sign_ins[credential.device_code]
            if found.expires_at <= now:
                raise EntraError("expired_token", 70020, "The provided value for the input parameter 'device_code' is "
                                                         "not valid. This device code has expired.")
            if found.status == "declined":
                raise EntraError("authorization_declined", 65004, "The end user declined the authorization request.")
            if found.status == "approved" and found.sign_in is not None:
                self.state.device_sign_ins[found.device_code] = replace(found, status="redeemed")
                self.request.sign_in = found.sign_in
                return self.person(found.sign_in.username)
            too_fast = found.last_poll and now - found.last_poll < found.interval - 0.05
            # RFC 8628 3.5: after slow_down the interval is 5 seconds longer, for all further polls.
            interval = found.interval + 5 if too_fast else found.interval
            self.state.device_sign_ins[found.device_code] = replace(found, last_poll=now, interval=interval)
        if too_fast:
            raise EntraError("slow_down", 70016, "OAuth 2.0 device flow error. Polling too fast; wait 5 seconds "
                                                 "longer between requests.")
        raise EntraError("authorization_pending", 70016, "OAuth 2.0 device flow error. Authorization is pending. "
                                                         "Continue polling.")

    def generate_token(self, user: Any = None, scope: Any = None, **_: Any) -> dict[str, Any]:
        return self.issue(user, self.request.sign_in, scope, secrets.token_hex(8))
