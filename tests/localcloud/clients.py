"""Registered clients as Authlib sees them, and how they authenticate: not at all, by secret, by signed assertion."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin

from tests.localcloud.assertions import AssertionCheck
from tests.localcloud.directory import Application, Directory
from tests.localcloud.errors import EntraError, invalid_client
from tests.localcloud.federation import Fetch
from tests.localcloud.policy import check_segment
from tests.localcloud.state import State
from tests.localcloud.tokens import Issuer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_LOOPBACK = ("localhost", "127.0.0.1")


def redirect_matches(registered: str, asked: str, any_port: bool = True) -> bool:
    """Entra's rule: exact, except that the port of a loopback address does not count (RFC 8252 7.3) if `any_port`.

    An address without a path equals the same with "/" ("Redirect URI restrictions and limitations").
    """
    want, got = urlsplit(registered), urlsplit(asked)
    if got.query or got.fragment or got.username:
        return False
    same_port = want.port == got.port or (any_port and want.hostname in _LOOPBACK)
    return (
        want.scheme == got.scheme
        and want.hostname == got.hostname
        and same_port
        and (want.path or "/") == (got.path or "/")
    )


class Client(ClientMixin):  # type: ignore[misc]
    """Authlib's view of an application."""

    def __init__(self, app: Application) -> None:
        self.app = app

    def get_client_id(self) -> str:
        return self.app.app_id

    def get_default_redirect_uri(self) -> str | None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        # The token service parses scopes itself, and its answers are more than yes or no.
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(
            redirect_matches(known, redirect_uri, self.app.any_loopback_port) for known in self.app.redirect_uris
        )

    def check_client_secret(self, client_secret: str) -> bool:
        return any(hmac.compare_digest(s.encode(), client_secret.encode()) for s in self.app.secrets)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "entra"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        public = ("authorization_code", "password", "refresh_token", DEVICE_CODE)
        return grant_type in (public if self.app.public else ("client_credentials",))


def unknown_client(client_id: str, tenant_name: str) -> EntraError:
    """No such application in the tenant."""
    return EntraError(
        "unauthorized_client",
        700016,
        f"Application with identifier '{client_id}' was not found in the directory '{tenant_name}'. This "
        "can happen if the application has not been installed by the administrator of the tenant or "
        "consented to by any user in the tenant. You may have sent your authentication request to the "
        "wrong tenant.",
    )


def check_audience(directory: Directory, app: Application, segment: str) -> None:
    """Refuse an authority that is not the tenant of an application that only its own tenant knows."""
    if not app.home:
        return
    tenant = check_segment(directory, segment, "invalid_request")
    if tenant is None:
        raise EntraError(
            "invalid_request",
            50194,
            f"Application '{app.app_id}'({app.name}) is not configured as a multi-tenant application. Usage of the "
            "/common endpoint is not supported for such apps created after '10/15/2018'. Use a tenant-specific "
            "endpoint or configure the application to be multi-tenant.",
        )
    if tenant.id != app.home:
        raise unknown_client(app.app_id, tenant.name)


def check_public_flow(app: Application) -> None:
    """Refuse a flow without a redirect URI for an application that does not allow such flows."""
    if not app.public_flows:
        raise invalid_client(
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )


class ClientAuthenticator:
    """The one client authentication method of the token endpoint, registered with Authlib as "entra"."""

    def __init__(self, state: State, issuer: Issuer, fetch: Fetch) -> None:
        self._state = state
        self._issuer = issuer
        self._assertions = AssertionCheck(state, fetch)

    def __call__(self, query_client: Any, request: Any) -> Client:
        form = request.form
        client_id = form.get("client_id", "")
        if not client_id:
            raise EntraError(
                "invalid_request",
                900144,
                "The request body must contain the following parameter: 'client_id'.",
            )
        client: Client | None = query_client(client_id)
        if client is None:
            raise unknown_client(client_id, request.tenant_segment)
        check_audience(self._state.directory, client.app, request.tenant_segment)
        if client.app.public and form.get("grant_type") in ("password", DEVICE_CODE):
            check_public_flow(client.app)
        secret, assertion = form.get("client_secret"), form.get("client_assertion")
        if client.app.public:
            if secret or assertion:
                raise invalid_client(
                    700025,
                    "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
                )
            return client
        if secret:
            if not client.check_client_secret(secret):
                raise invalid_client(
                    7000215,
                    "Invalid client secret provided. Ensure the secret being sent in the "
                    "request is the client secret value, not the client secret ID, for a "
                    f"secret added to app '{client.app.app_id}'.",
                )
            request.appidacr = "1"
        elif assertion:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise EntraError(
                    "invalid_request",
                    900144,
                    "The request body must contain the following parameter: 'client_assertion_type'.",
                )
            audiences = self._issuer.assertion_audiences(request.tenant_segment)
            self._assertions.check(client.app, assertion, audiences, self._issuer.assertion_algorithms)
            request.appidacr = "2"
        else:
            raise invalid_client(
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )
        return client
