"""Requests to the service for managed identities: without a proxy, with timeouts and a limited number of retries."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from azext_login.auth.managed_identity.answers import BusyError
from azext_login.auth.managed_identity.missing_service import foreign_answer_error, unreachable_error
from azext_login.auth.managed_identity.sources import IMDS_PATH, IdentitySource, SourceKind
from azext_login.errors import MalformedAnswerError, ServiceSlowError, ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.http.bounded import ACCEPTED_ENCODINGS, BoundedAdapter
from azext_login.system.http.errors import connection_errors
from azext_login.system.http.waiting import limit_time
from azext_login.system.patience import fits, longest_wait
from azext_login.system.pauses import pause
from azext_login.system.text import capitalised

Result = TypeVar("Result")

PROBE_TIMEOUT = (2.0, 2.0)
"""Seconds to connect, and between two parts of an answer. A local service answers at once, if it exists."""

_SHORTEST_PROBE = 0.3  # seconds
_PROBE_MARGIN = 0.5  # seconds, so that the timeouts above are reached first

TOKEN_TIMEOUT = (2.0, 15.0)
"""The same for a token, which the service may have to obtain first."""

LONGEST_ATTEMPT = 20.0
"""Seconds for one request: MSAL's own session for Service Fabric has no timeout, and an answer may be very slow."""

# Seconds between two requests to a busy service. They double, as in MSAL for .NET for IMDS
# (docs/imds_retry_based_on_errors.md).
_PAUSES = (1.0, 2.0, 4.0)

# Seconds for all requests to a busy service and the pauses between them: as long as a user at a terminal waits.
_LONGEST_BUSY = 10.0


def build_direct_session(user_agent: str | None) -> requests.Session:
    """Return a session that ignores the environment: no proxy, no .netrc, no CA bundle. Its answers are bounded."""
    session = requests.Session()
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
    session.headers["Accept-Encoding"] = ACCEPTED_ENCODINGS
    if user_agent:
        session.headers["User-Agent"] = user_agent
    return session


class PinnedCertificateAdapter(BoundedAdapter):
    """Trusts a server by the thumbprint of its certificate only.

    The certificate of Service Fabric's service is not signed by an authority that this computer trusts. Older releases
    of MSAL (1.34) verify it anyway; newer ones have an adapter of their own like this one.
    """

    def __init__(self, thumbprint: str):
        self._thumbprint = "".join(thumbprint.split())
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make urllib3 compare the thumbprint on each connection."""
        super().init_poolmanager(*args, **kwargs, assert_fingerprint=self._thumbprint)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do not verify the authority that signed the certificate."""
        super().cert_verify(conn, url, verify=False, cert=cert)


class BoundedHttpClient:
    """The HTTP client for MSAL: requests have a timeout and follow no redirect.

    :param translate: returns the address to use for an address of MSAL's.
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
        """Do nothing: the session belongs to the caller."""

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        bounds: dict[str, Any] = {"timeout": TOKEN_TIMEOUT, "allow_redirects": False}
        return self._session.request(method, self._translate(url), **bounds | kwargs)


def check_reachable(source: IdentitySource, session: requests.Session) -> None:
    """Check that a service answers at the source's address. Takes at most the two times 2 seconds of PROBE_TIMEOUT.

    A command of a program may have less time left (`system.patience`).

    The address of IMDS drops packets outside Azure. IMDS answers a request without its header at once, with an error.
    For Service Fabric, where MSAL sets no timeout, a connection is enough. The other sources are not checked.

    :raises ServiceUnreachableError: no service answers.
    """
    wait = max(_SHORTEST_PROBE, min(PROBE_TIMEOUT[0], longest_wait(sum(PROBE_TIMEOUT), before_request=True) / 2))
    with translate_errors(source):
        parts = urlsplit(source.address)
        if source.kind is SourceKind.IMDS:
            address = source.address.removesuffix(IMDS_PATH) + "/metadata/instance"
            ask = partial(session.get, address, timeout=(wait, wait), allow_redirects=False)
            # The timeouts count for each packet, and a service may send single bytes.
            limit_attempt(ask, source, seconds=2 * wait + _PROBE_MARGIN).close()
        elif source.kind is SourceKind.SERVICE_FABRIC:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            try:
                socket.create_connection((parts.hostname or "", port), timeout=wait).close()
            except TimeoutError as error:
                raise requests.exceptions.ConnectTimeout(error) from error
            except OSError as error:
                raise requests.exceptions.ConnectionError(error) from error


def retry_while_busy(
    ask: Callable[[], Result], source: IdentitySource, *, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Result:
    """Return what `ask` returns. While the service is busy, repeat that for about 10 seconds.

    :raises BusyError: the service is still busy, or demands a longer pause.
    """
    begin = clock()
    for usual in _PAUSES:
        try:
            return ask()
        except BusyError as error:
            wait = usual if error.retry_after is None else error.retry_after
            if clock() - begin + wait > _LONGEST_BUSY or not fits(wait):
                raise
        pause(wait, capitalised(source.service), sleep=sleep)
    return ask()


def limit_attempt(ask: Callable[[], Result], source: IdentitySource, *, seconds: float = LONGEST_ATTEMPT) -> Result:
    """Return what `ask` returns, or stop waiting for it after `seconds`.

    :raises ServiceUnreachableError: it took longer.
    """
    try:
        return limit_time(seconds, ask, service=source.service, error=ServiceSlowError)
    except ServiceSlowError as error:
        raise unreachable_error(source, f"did not answer within {seconds:g} seconds") from error


@contextmanager
def translate_errors(source: IdentitySource) -> Iterator[None]:
    """Turn errors of requests into one error with the service, its address and the reason why it was chosen.

    :raises ServiceUnreachableError: the service did not answer.
    :raises UnexpectedAnswerError: the answer is not HTTP, or not complete.
    """
    try:
        with connection_errors(source.service, source.place, is_direct=True):
            try:
                yield
            except requests.exceptions.SSLError as error:
                if source.kind is not SourceKind.SERVICE_FABRIC:
                    raise
                problem = "has another certificate than the one that IDENTITY_SERVER_THUMBPRINT names"
                raise unreachable_error(source, problem) from error
    except MalformedAnswerError as error:
        raise UnexpectedAnswerError(
            f"{error} {source.reason} Nothing that was stored before has changed.", *error.recommendations
        ) from error
    except UnexpectedAnswerError as error:
        if source.reason in str(error):
            raise
        raise foreign_answer_error(source, _problem_in(error, source)) from error
    except ServiceUnreachableError as error:
        if source.reason in str(error):
            raise
        raise unreachable_error(source, _problem_in(error, source)) from error


def _problem_in(error: Exception, source: IdentitySource) -> str:
    """Return the predicate of an error's message about a service."""
    message, subject = str(error).rstrip("."), f"{capitalised(source.service)} at {source.place} "
    return message.removeprefix(subject) if message.startswith(subject) else f"cannot be used: {message}"
