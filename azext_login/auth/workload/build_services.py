"""The services of build systems that give a running job a federated token."""

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
from azext_login.errors import SignInError, UnexpectedAnswerError
from azext_login.system.http.errors import capitalised, connection_errors, parse_json_object
from azext_login.system.http.session import LONGEST_REQUEST, TIMEOUT
from azext_login.system.http.waiting import limit_time
from azext_login.system.text import fits_header, printable

_LONGEST_DETAIL = 300  # characters


@dataclass(frozen=True)
class _Service:
    name: str
    place: str
    address_variable: str
    token_variable: str
    member: str
    """What the token is called in the answer, a JSON object."""
    setting_up: str
    """What makes the build system set both variables."""
    when_refused: str = ""


# https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
_GITHUB = _Service(
    name="GitHub's service for ID tokens",
    place="a job of GitHub Actions",
    address_variable="ACTIONS_ID_TOKEN_REQUEST_URL",
    token_variable="ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    member="value",
    setting_up="Add this to the job in the workflow file (a job that a fork's pull request starts does not get it):\n"
    "permissions:\n  id-token: write",
)

# https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create, and what azure-identity's
# AzurePipelinesCredential sends.
_AZURE_PIPELINES = _Service(
    name="Azure Pipelines' service for ID tokens",
    place="a step of Azure Pipelines",
    address_variable="SYSTEM_OIDCREQUESTURI",
    token_variable="SYSTEM_ACCESSTOKEN",
    member="oidcToken",
    setting_up="Map the job's token into the environment of this step of the pipeline:\n"
    "env:\n  SYSTEM_ACCESSTOKEN: $(System.AccessToken)",
    when_refused="Check the value of --service-connection-id, and that this pipeline may use the service connection.\n",
)
_AZURE_PIPELINES_API = "7.1"


def fetch_from_github(audience: str, *, http: requests.Session, environ: Mapping[str, str]) -> str:
    """Return an ID token of the running job. Errors: see `AssertionSource.fetch`."""
    address, bearer = _access(_GITHUB, environ)
    separator = "&" if urlsplit(address).query else "?"
    headers = {"Accept": "application/json"}
    return _fetch(_GITHUB, http, "GET", f"{address}{separator}audience={quote(audience, safe='')}", headers, bearer)


def fetch_from_azure_pipelines(
    service_connection_id: str, *, http: requests.Session, environ: Mapping[str, str]
) -> str:
    """Return an ID token of a service connection. Errors: see `AssertionSource.fetch`."""
    address, bearer = _access(_AZURE_PIPELINES, environ)
    query = f"api-version={_AZURE_PIPELINES_API}&serviceConnectionId={quote(service_connection_id, safe='')}"
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        # An answer, in place of a redirect to a page where a person could sign in.
        "X-TFS-FedAuthRedirect": "Suppress",
    }
    return _fetch(_AZURE_PIPELINES, http, "POST", f"{address.rstrip('/')}?{query}", headers, bearer)


class _Bearer(AuthBase):
    """Sets the header after requests had its turn, which else prefers a password from ~/.netrc for the same host."""

    def __init__(self, token: str):
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def redacted(self, text: str) -> str:
        """Return `text`, or nothing if the token is quoted there."""
        return "" if self._token in text else text


def _access(service: _Service, environ: Mapping[str, str]) -> tuple[str, _Bearer]:
    """Return the service's address and the job's token for it."""
    address, token = (environ.get(name, "").strip() for name in (service.address_variable, service.token_variable))
    if token.startswith("$("):
        token = ""  # Azure Pipelines leaves a reference to a variable that does not exist as it is.
    values = {service.address_variable: address, service.token_variable: token}
    missing = [name for name, value in values.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise refusal(
            f"Federated tokens come from {service.name} only in {service.place} that may ask for them, and here "
            f"{' and '.join(missing)} {verb} not set.",
            service.setting_up,
        )
    if not fits_header(token):
        raise refusal(f"{service.token_variable} holds something that is no token.", service.setting_up)
    if not _is_safe(address):
        raise refusal(
            f"{service.address_variable} is not an https address, and the job's token is not sent to any other.",
            "Leave the variable as the build system sets it; then run the command again.",
        )
    return address, _Bearer(token)


def _is_safe(address: str) -> bool:
    """Tell whether nobody on the way can read along: TLS, or this machine alone."""
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


def _fetch(
    service: _Service, http: requests.Session, method: str, url: str, headers: Mapping[str, str], bearer: _Bearer
) -> str:
    host = urlsplit(url).hostname or ""
    with connection_errors(service.name, host, to_check=f"in {service.address_variable}"):
        # The token is for this address and no other. For `verify`, see `build_session`.
        ask = partial(
            http.request,
            method,
            url,
            headers=dict(headers),
            auth=bearer,
            timeout=TIMEOUT,
            allow_redirects=False,
            verify=None if http.verify else False,
        )
        response = limit_time(LONGEST_REQUEST, ask, service=f"{service.name} at {host}")
    status = response.status_code
    if status == 429 or status >= 500:
        raise UnexpectedAnswerError(
            f"{capitalised(service.name)} at {host} failed with HTTP status {status}.{_detail(response, bearer)}",
            "Run the command again in a minute.",
        )
    # An expired token is answered with 203 and a page to sign in by some of Azure DevOps' addresses.
    if status != 200:
        raise SignInError(
            f"{capitalised(service.name)} at {host} refused with HTTP status {status}.{_detail(response, bearer)}\n"
            "Nothing that was stored has changed.",
            next_step=service.when_refused + service.setting_up,
        )
    assertion = parse_json_object(response, service.name).get(service.member)
    if not isinstance(assertion, str) or not is_assertion(assertion):
        raise UnexpectedAnswerError(
            f"{capitalised(service.name)} at {host} answered without a token in '{service.member}'.",
            f"Check that {service.address_variable} is as the build system sets it; then run the command again.",
        )
    return assertion


def _detail(response: requests.Response, bearer: _Bearer) -> str:
    """Return what the service says about a refusal, as a sentence to add.

    Both services have it in `message`, or in `value` as text or with a `Message` in it (dotnet/docker-tools#2012).
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return ""
    match body:
        case {"message": str(text)} | {"value": str(text)} | {"value": {"Message": str(text)}} if text.strip():
            if is_assertion(text.strip()):
                return ""
            said = printable(bearer.redacted(text).strip().partition("\n")[0])[:_LONGEST_DETAIL]
            return f" It says: {said}" if said else ""
    return ""
