"""The services of build systems that issue federated tokens (ID tokens) to a running job."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from azext_login.auth.input_files import refusal
from azext_login.auth.jwt import is_assertion
from azext_login.auth.sources.build_environment import (
    CONNECTION_VARIABLES,
    GITHUB_ADDRESS,
    GITHUB_TOKEN,
    PIPELINES_ADDRESS,
    PIPELINES_TOKEN,
    running_build_system,
    service_connection_in,
    value_of,
)
from azext_login.errors import SignInError, UnexpectedAnswerError
from azext_login.system.http.errors import advise_pause, connection_errors, parse_json_object
from azext_login.system.http.json_answers import parse_json
from azext_login.system.http.session import LONGEST_REQUEST, TIMEOUT
from azext_login.system.http.waiting import limit_time
from azext_login.system.text import capitalised, fits_header, printable

_LONGEST_MESSAGE = 300  # characters


@dataclass(frozen=True)
class _Service:
    name: str
    place: str
    address_variable: str
    token_variable: str
    member: str
    """The member of the answer, a JSON object, that has the token."""
    set_up: str
    """Advice: how to make the build system set both variables."""
    after_refusal: str = ""
    """Advice that comes first when the service refuses."""


# https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
_GITHUB = _Service(
    name="GitHub's service for ID tokens",
    place="a job of GitHub Actions",
    address_variable=GITHUB_ADDRESS,
    token_variable=GITHUB_TOKEN,
    member="value",
    set_up="Add this to the job in the workflow file (it has no effect in a job for a fork's pull request):\n"
    "permissions:\n  id-token: write",
)

# https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create, and what azure-identity's
# AzurePipelinesCredential sends.
_AZURE_PIPELINES = _Service(
    name="Azure Pipelines' service for ID tokens",
    place="a step of Azure Pipelines",
    address_variable=PIPELINES_ADDRESS,
    token_variable=PIPELINES_TOKEN,
    member="oidcToken",
    set_up="Map the job's token into the environment of this step of the pipeline:\n"
    "env:\n  SYSTEM_ACCESSTOKEN: $(System.AccessToken)",
    after_refusal="Check the value of --service-connection-id, or of the variable that replaces it, and that this "
    "pipeline may use the connection.\n",
)
_AZURE_PIPELINES_API = "7.1"


def fetch_from_github(audience: str, *, http: requests.Session, environ: Mapping[str, str]) -> str:
    """Return an ID token of the running job. Errors: see `AssertionSource.fetch_assertion`.

    :param audience: the `aud` claim to request.
    """
    address, bearer = _read_environment(_GITHUB, environ)
    separator = "&" if urlsplit(address).query else "?"
    headers = {"Accept": "application/json"}
    return _request_token(
        _GITHUB, http, "GET", f"{address}{separator}audience={quote(audience, safe='')}", headers, bearer
    )


def fetch_from_azure_pipelines(
    service_connection_id: str, *, http: requests.Session, environ: Mapping[str, str]
) -> str:
    """Return an ID token of a service connection, named by its GUID. Errors: see `AssertionSource.fetch_assertion`."""
    address, bearer = _read_environment(_AZURE_PIPELINES, environ)
    query = f"api-version={_AZURE_PIPELINES_API}&serviceConnectionId={quote(service_connection_id, safe='')}"
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        # Request an error instead of a redirect to a sign-in page.
        "X-TFS-FedAuthRedirect": "Suppress",
    }
    return _request_token(_AZURE_PIPELINES, http, "POST", f"{address.rstrip('/')}?{query}", headers, bearer)


def fetch_from_build_system(audience: str, *, http: requests.Session, environ: Mapping[str, str]) -> str:
    """Return an ID token of the running job, from the build system that the environment names.

    Errors: see `AssertionSource.fetch_assertion`.

    :param audience: the `aud` claim to request; Azure Pipelines has only one.
    """
    system = running_build_system(environ)
    if system == "github":
        return fetch_from_github(audience, http=http, environ=environ)
    if system == "azure-pipelines":
        connection = service_connection_in(environ)
        if connection is None:
            raise refusal(
                f"{CONNECTION_VARIABLES[0]} is not set, so it is not known which service connection to use.",
                "Set it to the ID of the service connection in each step of the pipeline that runs `az`.",
            )
        return fetch_from_azure_pipelines(connection, http=http, environ=environ)
    raise refusal(
        "The service principal signed in with the identity of a build, and no build system runs this command: neither "
        f"{GITHUB_ADDRESS} nor {PIPELINES_ADDRESS} is set.",
        f"In a job of GitHub Actions: {_GITHUB.set_up}\nIn Azure Pipelines: {_AZURE_PIPELINES.set_up}",
    )


class _Bearer(AuthBase):
    """Authenticates with a token. An `auth` object has precedence over a password in ~/.netrc for the same host."""

    def __init__(self, token: str):
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _read_environment(service: _Service, environ: Mapping[str, str]) -> tuple[str, _Bearer]:
    """Return the service's address and the job's token for it.

    :raises SignInError: a variable is missing or cannot be used.
    """
    address, token = (value_of(name, environ) for name in (service.address_variable, service.token_variable))
    values = {service.address_variable: address, service.token_variable: token}
    missing = [name for name, value in values.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise refusal(
            f"{capitalised(service.name)} issues federated tokens only to {service.place} that is allowed to request "
            f"them. {' and '.join(missing)} {verb} not set.",
            service.set_up,
        )
    if not fits_header(token):
        raise refusal(f"The value of {service.token_variable} is not a token.", service.set_up)
    if not _is_confidential(address):
        raise refusal(
            f"{service.address_variable} is not an https address. The job's token is sent to https addresses only.",
            "Do not change the variable that the build system sets; then run the command again.",
        )
    return address, _Bearer(token)


def _is_confidential(address: str) -> bool:
    """Tell whether no other computer can read a request: it uses TLS, or stays on this computer."""
    try:
        parts = urlsplit(address)
        host, scheme, _ = parts.hostname or "", parts.scheme, parts.port
    except ValueError:
        return False
    if scheme == "https":
        return bool(host)
    if host == "localhost":
        return scheme == "http"
    try:
        return scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _request_token(
    service: _Service, http: requests.Session, method: str, url: str, headers: Mapping[str, str], bearer: _Bearer
) -> str:
    host = urlsplit(url).hostname or ""
    with connection_errors(service.name, host, to_check=f"in {service.address_variable}"):
        # No redirects: the job's token is for this address only. For `verify`, see `build_session`.
        ask = partial(
            http.request,
            method,
            url,
            headers=dict(headers),
            auth=bearer,
            timeout=TIMEOUT,
            allow_redirects=False,
            # An http address is one of this computer, and a proxy may be on another one.
            proxies={"http": ""},
            verify=None if http.verify else False,
        )
        response = limit_time(LONGEST_REQUEST, ask, service=f"{service.name} at {host}")
    status = response.status_code
    if status == 429 or status >= 500:
        raise UnexpectedAnswerError(
            f"{capitalised(service.name)} at {host} failed with HTTP status {status}.{_message_of(response)}",
            advise_pause(response),
        )
    # Some of Azure DevOps' addresses answer an expired token with status 203 and a sign-in page.
    if status != 200:
        raise SignInError(
            f"{capitalised(service.name)} at {host} refused with HTTP status {status}.{_message_of(response)}\n"
            "Nothing that was stored has changed.",
            next_step=service.after_refusal + service.set_up,
        )
    assertion = parse_json_object(response, service.name).get(service.member)
    if not isinstance(assertion, str) or not is_assertion(assertion):
        raise UnexpectedAnswerError(
            f"{capitalised(service.name)} at {host} answered without a token in '{service.member}'.",
            f"Check that {service.address_variable} has the value that the build system sets; then run the command "
            "again.",
        )
    return assertion


def _message_of(response: requests.Response) -> str:
    """Return the message of a refusal as a sentence to append; an empty text without one, or if it contains a token.

    It is in `message`, in `value`, or in `Message` within `value` (dotnet/docker-tools#2012).
    """
    try:
        body = parse_json(response.content)
    except ValueError:
        return ""
    match body:
        case {"message": str(text)} | {"value": str(text)} | {"value": {"Message": str(text)}} if text.strip():
            if is_assertion(text.strip()):
                return ""
            message = printable(text.strip().partition("\n")[0])[:_LONGEST_MESSAGE]
            return f" Its message: {message}" if message else ""
    return ""
