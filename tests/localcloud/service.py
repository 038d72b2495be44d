"""The token service: Authlib's authorization server with this cloud's clients, grants and refusals."""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.errors import UnsupportedGrantTypeError
from flask import Flask
from flask import request as flask_request

from tests.localcloud.clients import Client, ClientAuthenticator
from tests.localcloud.codegrants import CodeGrant, DeviceGrant, Pkce
from tests.localcloud.errors import EntraError, missing_parameter
from tests.localcloud.federation import Fetch
from tests.localcloud.grants import ApplicationGrant, PasswordGrant, RefreshGrant
from tests.localcloud.state import State
from tests.localcloud.tokens import Issuer


class TokenService(AuthorizationServer):  # type: ignore[misc]
    """Authlib's server, wired to one cloud."""

    def __init__(self, app: Flask, state: State, issuer: Issuer, fetch: Fetch) -> None:
        self.state = state
        self.issuer = issuer
        super().__init__(app, query_client=self._find_client, save_token=lambda token, request: None)
        self.register_client_auth_method("entra", ClientAuthenticator(state, issuer, fetch))
        self.register_grant(CodeGrant, [Pkce(required=True)])
        for grant in (PasswordGrant, RefreshGrant, ApplicationGrant, DeviceGrant):
            self.register_grant(grant)

    def _find_client(self, client_id: str) -> Client | None:
        app = self.state.directory.find_application(client_id)
        return Client(app) if app else None

    def create_oauth2_request(self, request: Any) -> Any:
        """Authlib's request, plus the tenant segment of the URL that this one was sent to."""
        made = super().create_oauth2_request(request)
        made.tenant_segment = (flask_request.view_args or {})["tenant"]
        made.appidacr = "0"
        return made

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Any:
        """Every refusal as Entra's JSON; RFC errors of Authlib itself get the nearest AADSTS number."""
        if not isinstance(error, EntraError):
            error = _translate(error)
        error = self.issuer.refusal(error)
        body = error.body(self.state.now(), flask_request.headers.get("client-request-id"), self.issuer.base_url)
        return self.handle_response(
            error.status_code,
            body,
            [("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store")],
        )


def _translate(error: OAuth2Error) -> EntraError:
    if isinstance(error, UnsupportedGrantTypeError):
        if not error.grant_type:
            return missing_parameter("grant_type")
        return EntraError(
            "unsupported_grant_type",
            70003,
            f"The app requested an unsupported grant type '{error.grant_type}'.",
        )
    return EntraError(
        error.error,
        {"unauthorized_client": 700021}.get(error.error, 9002313),
        f"Invalid request. Request is malformed or invalid. {error.get_error_description() or ''}",
    )
