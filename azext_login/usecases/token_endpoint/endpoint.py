"""The managed identity protocol of App Service, version 2019-08-01, from the side of the service.

https://learn.microsoft.com/azure/app-service/overview-managed-identity, "REST endpoint reference". What clients read of
an answer, and after which status they repeat a request, is in MSAL for Python (managed_identity.py,
`_obtain_token_on_app_service`), MSAL for JavaScript (BaseManagedIdentitySource.ts and
DefaultManagedIdentityRetryPolicy.ts) and azure-identity for Python (_internal/managed_identity_client.py). They repeat
a request a few times after 408, 429, 500, 503 and 504, some also after 404, and never after 400, 401, 403 and 405.
"""

from __future__ import annotations

import hmac
import json
import secrets
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass

from azext_login.auth.credential import AccessToken
from azext_login.errors import (
    AccountError,
    NotSignedInError,
    RefusalKind,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.host_errors import AzCLIError
from azext_login.system.http_server.handler import Client, Limits
from azext_login.system.http_server.request import FormError, Request, RequestRefusedError, parse_form
from azext_login.system.http_server.response import Response, make_response
from azext_login.system.text import printable
from azext_login.usecases.token_endpoint.resources import AllowedResources
from azext_login.usecases.token_endpoint.supply import Outcome, PendingOutcome, TokenSupply

PATH = "/msi/token"
"""The path of IDENTITY_ENDPOINT, as in App Service."""

_SECRET_HEADER = "x-identity-header"
_API_VERSION = "2019-08-01"
# Parameters that name an identity: those of App Service, and the names of other services that clients use for them.
_IDENTITY_PARAMETERS = ("client_id", "principal_id", "object_id", "mi_res_id", "msi_res_id")


LIMITS = Limits(
    request_line=8 * 1024,
    headers=16 * 1024,
    body=0,
    connections=400,
    # A request that waits for a busy sign-in service takes as long. Clients that stop waiting earlier ask again.
    hold_seconds=90.0,
    linger_seconds=0.5,
)
"""For programs that all ask at the same time. Each connection is a descriptor, of which a process usually may have
1,024."""


def new_secret() -> str:
    """Return a secret that nobody can guess, of letters, digits, '-' and '_'."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Served:
    """One request and its answer, for a log. Nothing in it is secret; everything has been made printable."""

    status: int
    process: str | None
    """The process of the client, where the system tells."""
    resource: str | None = None
    """The resource, if the client had the secret and the resource is allowed."""
    problem: str | None = None
    """Why there was no token; or why it could not be renewed."""


class _RefusedError(RequestRefusedError):
    """A request that cannot be served, with the name of the error for programs."""

    def __init__(self, status: int, error: str, message: str, *, allow: bool = False):
        super().__init__(status, message)
        self.error = error
        self.allow = allow


class TokenEndpoint:
    """Decides about requests: the handler of an `HttpServer`."""

    def __init__(
        self,
        supply: TokenSupply,
        allowed: AllowedResources,
        *,
        secret: str,
        application: str,
        identities: Collection[str],
        is_host: Callable[[str, Client], bool],
        process_of: Callable[[Client], str | None],
        report: Callable[[Served], None],
    ) -> None:
        """:param application: the ID of the application that the tokens are issued to; "" if it is not known.
        :param identities: the IDs by which a client may name the account; all others are refused.
        :param is_host: tells whether a Host header, in lower case, means this server.
        :param process_of: returns the process of a client, if the system tells.
        :param report: receives what was served. Must not block.
        """
        self._supply = supply
        self._allowed = allowed
        self._secret = secret.encode("utf-8")
        self._application = application
        self._identities = frozenset(identity.casefold() for identity in (application, *identities))
        self._is_host = is_host
        self._process_of = process_of
        self._report = report

    def respond(self, request: Request, client: Client) -> Response | _WaitingClient:
        """Answer a request, or hold it until its token has arrived."""
        process = self._process_of(client)
        try:
            resource = self._resource_of(request, client)
        except RequestRefusedError as refusal:
            self._report(Served(refusal.status, process, problem=str(refusal)))
            return self._refusal(refusal)
        found = self._supply.ask(resource)
        if isinstance(found, PendingOutcome):
            return _WaitingClient(self, resource, process, found)
        return self.answer(resource, process, found)

    def refuse(self, refusal: RequestRefusedError) -> Response:
        """Answer what is not even a request."""
        self._report(Served(refusal.status, None, problem=str(refusal)))
        return self._refusal(refusal)

    def _refusal(self, refusal: RequestRefusedError) -> Response:
        if isinstance(refusal, _RefusedError):
            return _failure(refusal.status, refusal.error, str(refusal), {"Allow": "GET"} if refusal.allow else {})
        return _failure(refusal.status, "invalid_request", str(refusal))

    def _resource_of(self, request: Request, client: Client) -> str:
        """Return the resource of a valid request.

        :raises RequestRefusedError: the request is not valid, or not allowed.
        """
        host = request.header("host")
        if host is None:
            raise _RefusedError(400, "invalid_request", "The request has no Host header.")
        if not self._is_host(host.lower(), client):
            # A foreign name that resolves to this address would make a foreign web page "same origin" with us.
            raise _RefusedError(403, "access_denied", "The request is for another host.")
        if request.method != "GET":
            # This also refuses the preflight requests of web pages, which cannot send the secret without one.
            raise _RefusedError(405, "invalid_request", "Only GET is supported.", allow=True)
        given = request.header(_SECRET_HEADER)
        if given is None:
            raise _RefusedError(401, "unauthorized_client", "The header X-IDENTITY-HEADER is missing.")
        if not hmac.compare_digest(given.encode("utf-8"), self._secret):
            raise _RefusedError(401, "unauthorized_client", "The header X-IDENTITY-HEADER is wrong.")
        path, _, query = request.target.partition("?")
        if path.rstrip("/") != PATH:
            raise _RefusedError(404, "invalid_request", f"Tokens are at {PATH}.")
        try:
            parameters = parse_form(query.encode("ascii"))
        except FormError as error:
            raise _RefusedError(400, "invalid_request", str(error)) from error
        return self._requested_resource(parameters)

    def _requested_resource(self, parameters: dict[str, str]) -> str:
        if parameters.get("api-version") != _API_VERSION:
            raise _RefusedError(400, "invalid_request", f"The api-version has to be {_API_VERSION}.")
        for name in _IDENTITY_PARAMETERS:
            value = parameters.get(name)
            if value and value.casefold() not in self._identities:
                raise _RefusedError(
                    400,
                    "invalid_request",
                    f"{name} names another identity than the account whose tokens are served. Leave it out.",
                )
        resource = parameters.get("resource")
        if not resource:
            raise _RefusedError(400, "invalid_request", "The parameter resource is missing.")
        allowed = self._allowed.find(resource)
        if allowed is None:
            raise _RefusedError(
                403,
                "invalid_resource",
                f"Tokens for '{printable(resource)[:200]}' are not allowed here. To allow them, start "
                "az account serve-tokens with --allow-resource.",
            )
        return allowed

    def answer(self, resource: str, process: str | None, outcome: Outcome | None) -> Response:
        """Return the answer to a valid request.

        :param outcome: None if it did not arrive in time.
        """
        if outcome is None:
            message = "The sign-in service has not answered yet."
            self._report(Served(504, process, resource, message))
            return _failure(504, "temporarily_unavailable", message)
        if outcome.token is None:
            status, error = _status_of(outcome.failure)
            message = _message_of(outcome.failure)
            self._report(Served(status, process, resource, message))
            return _failure(status, error, message)
        problem = None
        if outcome.failure is not None:
            problem = f"the token could not be renewed: {printable(first_line(outcome.failure))}"
        self._report(Served(200, process, resource, problem))
        return self._success(resource, outcome.token)

    def _success(self, resource: str, token: AccessToken) -> Response:
        return _json(
            200,
            {
                "access_token": token.secret,
                # POSIX seconds, as text.
                "expires_on": str(token.expires_on),
                "resource": resource,
                "token_type": token.token_type,
                "client_id": self._application,
            },
        )


@dataclass(frozen=True)
class _WaitingClient:
    """A request whose token is on its way."""

    endpoint: TokenEndpoint
    resource: str
    process: str | None
    pending: PendingOutcome

    def response(self, *, is_final: bool) -> Response | None:
        outcome = self.pending.outcome
        if outcome is None and not is_final:
            return None
        return self.endpoint.answer(self.resource, self.process, outcome)


def _status_of(failure: Exception | None) -> tuple[int, str]:
    """Return the HTTP status for a failure, and the name of the error."""
    if isinstance(failure, SignInError) and failure.kind is RefusalKind.UNAVAILABLE:
        return 503, "temporarily_unavailable"
    if isinstance(failure, (SignInError, NotSignedInError)):
        return 400, "invalid_grant"
    if isinstance(failure, AccountError):
        return 400, "invalid_request"
    if isinstance(failure, (ServiceUnreachableError, UnexpectedAnswerError)):
        return 503, "temporarily_unavailable"
    return 500, "server_error"


def _message_of(failure: Exception | None) -> str:
    """Return what happened and what to do, in one line."""
    if not isinstance(failure, AzCLIError):
        return f"The token could not be obtained ({type(failure).__name__})."
    return " ".join(printable(text) for text in (failure, *failure.recommendations))


def _failure(status: int, error: str, message: str, fields: dict[str, str] | None = None) -> Response:
    body = {"statusCode": status, "error": error, "message": message, "correlationId": str(uuid.uuid4())}
    return _json(status, body, fields)


def _json(status: int, body: dict[str, object], fields: dict[str, str] | None = None) -> Response:
    return make_response(
        status, {"Content-Type": "application/json; charset=utf-8", **(fields or {})}, json.dumps(body).encode("ascii")
    )
