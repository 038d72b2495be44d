"""Requests to the service for managed identities: never through a proxy, with bounded waits and bounded retries."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from knack.log import get_logger
from requests.adapters import HTTPAdapter

from azext_login.auth.managed_identity.answers import BusyError
from azext_login.auth.managed_identity.sources import IMDS_PATH, IdentitySource, SourceKind
from azext_login.errors import MalformedAnswerError, ServiceSlowError, ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.http.errors import capitalised, connection_errors
from azext_login.system.http.waiting import limit_time

logger = get_logger(__name__)

Result = TypeVar("Result")

# All in seconds. A service on the same machine answers at once if it is there; only a token may take a while.
PROBE_TIMEOUT = (2.0, 2.0)
TOKEN_TIMEOUT = (2.0, 15.0)
# MSAL asks Service Fabric with a session of its own, which knows no time-out; and an answer can come byte by byte.
LONGEST_ATTEMPT = 20.0
# Doubling, as MSAL for .NET does for IMDS (docs/imds_retry_based_on_errors.md), for as long as a person is patient.
_PAUSES = (1.0, 2.0, 4.0)
_PATIENCE = 10.0


def direct_session(user_agent: str | None) -> requests.Session:
    """Return a session that takes nothing from the environment: no proxy, no .netrc, no CA bundle."""
    session = requests.Session()
    session.trust_env = False
    if user_agent:
        session.headers["User-Agent"] = user_agent
    return session


class PinnedAdapter(HTTPAdapter):
    """Knows a server by its certificate's thumbprint and nothing else.

    The certificate of Service Fabric's service is signed by nobody that this machine knows. Older releases of MSAL
    (1.34) look for that all the same; newer ones have an adapter of their own that does the same as this one.
    """

    def __init__(self, thumbprint: str):
        self._thumbprint = "".join(thumbprint.split())
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Have urllib3 compare the thumbprint on each connection."""
        super().init_poolmanager(*args, **kwargs, assert_fingerprint=self._thumbprint)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Look for no authority."""
        super().cert_verify(conn, url, verify=False, cert=cert)  # type: ignore[no-untyped-call]


class BoundedHttp:
    """The HTTP client that MSAL calls.

    :param translate: the address to ask instead of the one that MSAL asks.
    """

    def __init__(self, session: requests.Session, translate: Callable[[str], str]):
        self._session = session
        self._translate = translate

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET; MSAL's protocol for HTTP clients."""
        return self._send("GET", url, kwargs)

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a POST; MSAL's protocol for HTTP clients."""
        return self._send("POST", url, kwargs)

    def close(self) -> None:
        """Nothing: the session belongs to the caller."""

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        bounds: dict[str, Any] = {"timeout": TOKEN_TIMEOUT, "allow_redirects": False}
        return self._session.request(method, self._translate(url), **bounds | kwargs)


def probe(source: IdentitySource, session: requests.Session) -> None:
    """Return if somebody is at the source's address. Takes at most the 2 seconds of PROBE_TIMEOUT, twice.

    IMDS is on an address that drops packets everywhere else. It answers a request without its header at once, with
    an error. Service Fabric is asked by MSAL without a time-out, so at least a connection has to be possible.

    :raises ServiceUnreachableError: there is nobody.
    """
    with reaching(source):
        parts = urlsplit(source.address)
        if source.kind is SourceKind.IMDS:
            address = source.address.removesuffix(IMDS_PATH) + "/metadata/instance"
            session.get(address, timeout=PROBE_TIMEOUT, allow_redirects=False).close()
        elif source.kind is SourceKind.SERVICE_FABRIC:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            try:
                socket.create_connection((parts.hostname or "", port), timeout=PROBE_TIMEOUT[0]).close()
            except TimeoutError as error:
                raise requests.exceptions.ConnectTimeout(error) from error
            except OSError as error:
                raise requests.exceptions.ConnectionError(error) from error


def asked_while_busy(
    ask: Callable[[], Result], *, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Result:
    """Return what `ask` returns, asked again for about 10 seconds as long as the service is busy.

    :raises BusyError: it still is, or wants more patience than that.
    """
    begin = clock()
    for pause in _PAUSES:
        try:
            return ask()
        except BusyError as error:
            wait = pause if error.retry_after is None else error.retry_after
            if clock() - begin + wait > _PATIENCE:
                raise
            logger.info("The service for managed identities is busy. Trying again in %.0f seconds.", wait)
        sleep(wait)
    return ask()


def within_bounds(ask: Callable[[], Result], source: IdentitySource, *, seconds: float = LONGEST_ATTEMPT) -> Result:
    """Return what `ask` returns, or give up on it after that many seconds.

    :raises ServiceUnreachableError: it took longer.
    """
    try:
        return limit_time(seconds, ask, service=source.service, error=ServiceSlowError)
    except ServiceSlowError as error:
        raise unreachable(source, f"did not answer within {seconds:g} seconds") from error


@contextmanager
def reaching(source: IdentitySource) -> Iterator[None]:
    """Turn what requests raises into one error that says which service was looked for, where and why.

    :raises ServiceUnreachableError: no answer.
    :raises UnexpectedAnswerError: an answer that is not HTTP, or not complete.
    """
    try:
        with connection_errors(source.service, source.place):
            try:
                yield
            except requests.exceptions.SSLError as error:
                if source.kind is not SourceKind.SERVICE_FABRIC:
                    raise
                said = "does not prove with its certificate that it is the one that IDENTITY_SERVER_THUMBPRINT names"
                raise unreachable(source, said) from error
    except MalformedAnswerError as error:
        raise UnexpectedAnswerError(
            f"{error} {source.reason} Nothing that was stored before has changed.", *error.recommendations
        ) from error
    except ServiceUnreachableError as error:
        if source.reason in str(error):
            raise
        said = str(error).rstrip(".").removeprefix(f"{capitalised(source.service)} at {source.place} ")
        raise unreachable(source, said) from error


def unreachable(source: IdentitySource, said: str) -> ServiceUnreachableError:
    """Return the error for a service that did not answer; `said` says how, without a full stop."""
    advice = "Managed identities exist on Azure resources, and on servers that are connected with Azure Arc."
    if source.chosen_by:
        advice += f" If this process does not run on one: unset {' '.join(source.chosen_by)}."
    elif source.kind is SourceKind.IMDS:
        advice += " In a container on one, its network has to let 169.254.169.254 through."
    return ServiceUnreachableError(
        f"No managed identity was found. {capitalised(source.service)} at {source.place} {said}. {source.reason} "
        "Nothing that was stored before has changed.",
        f"{advice} {source.alternative}",
    )
