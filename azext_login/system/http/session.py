"""The one way we speak HTTP: bounded waits, bounded retries, and errors that say which service failed."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NoReturn, TypeVar
from urllib.parse import quote, urlsplit

import requests
from azure.cli.core.azclierror import AzCLIError
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader, LocationParseError, ReadTimeoutError
from urllib3.util import Retry, parse_url

from azext_login.errors import MalformedAnswerError, ServiceBusyError, ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.text import printable

# Seconds to establish a connection, and seconds between two packets of an answer.
TIMEOUT = (10.0, 60.0)

# Answers of a service that is overloaded or restarting: RFC 6585 section 4, RFC 9110 section 15.6.
_TRANSIENT_STATUS = (429, 502, 503, 504)
_RETRIES = 3

# A service that stumbled. It may have done its work before, so only a request that changes nothing is repeated.
_SERVER_ERROR = 500

# A service may ask for minutes of patience. Somebody is waiting at a terminal, so a longer pause ends the retries.
_LONGEST_PAUSE = 30.0

# Seconds for one request with its retries and three pauses. A service that sends a byte now and then never times out.
LONGEST_REQUEST = 110.0

# How a person waits for a thread: Windows takes no Ctrl-C while one waits longer.
_TICK = 0.2

# https://requests.readthedocs.io/en/latest/user/advanced/#proxies
_PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")

# What OpenSSL calls an answer that is not TLS at all, in its versions.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


Answer = TypeVar("Answer")


class _BoundedRetry(Retry):
    """urllib3's retry, which gives up when the service asks for more patience than a person has."""

    def parse_retry_after(self, retry_after: str) -> float | None:  # type: ignore[override]
        """Return the seconds that a service asks for (RFC 9110 section 10.2.3); None if that cannot be understood.

        urllib3 knows whole seconds and dates, and gives up on anything else.
        """
        try:
            seconds = float(retry_after)
        except ValueError:
            try:
                return super().parse_retry_after(retry_after)
            except (InvalidHeader, ValueError, OverflowError):
                return None
        return max(seconds, 0.0) if math.isfinite(seconds) else None

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # By itself urllib3 retries any answer that carries Retry-After, and no POST. These answers mean that the
        # service has not worked on the request, so it may be repeated whatever its method.
        return status_code in _TRANSIENT_STATUS or (status_code == _SERVER_ERROR and method == "GET")

    def increment(  # the parameters are urllib3's
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> _BoundedRetry:
        pause = self.get_retry_after(response) if response is not None else None
        # With no retries left this raises, and urllib3 returns the answer as it is (raise_on_status=False).
        retry = self.new(total=0) if pause is not None and pause > _LONGEST_PAUSE else self
        return super(_BoundedRetry, retry).increment(method, url, response, error, _pool, _stacktrace)


def patiently(
    attempt: Callable[[], Answer],
    *,
    attempts: int = 3,
    over: tuple[type[AzCLIError], ...] = (ServiceUnreachableError, MalformedAnswerError),
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Answer:
    """Return what `attempt` returns, and try again a few times if it fails for a reason that may pass.

    For requests that may be repeated. What the transport itself repeats (`build_session`) is not the whole of it: an
    answer may be cut short, or come from something else on the way. A service that is busy has been asked often enough
    by then.

    :param over: the failures that may pass.
    :param jitter: a random number between 0 and 1, so that many who failed together do not come back together.
    :raises AzCLIError: the last failure, or one that does not pass.
    """
    for number in range(1, attempts):
        try:
            return attempt()
        except over as error:
            if isinstance(error, ServiceBusyError):
                raise
            sleep(0.2 * 2**number * (0.5 + jitter()))
    return attempt()


def within(
    limit: float,
    attempt: Callable[[], Answer],
    *,
    service: str,
    error: type[ServiceUnreachableError] = ServiceUnreachableError,
) -> Answer:
    """Return what `attempt` returns, or give up after `limit` seconds, whatever it is waiting for.

    The limits of a request count for each packet and for each retry, and the look-up of a name has none of them. An
    attempt that was given up ends with the process.

    :param service: whom it waits for, as a person knows it.
    :param error: what to raise when it took longer.
    """
    outcome: list[Callable[[], Answer]] = []

    def run() -> None:
        try:
            answer = attempt()
        except BaseException as failure:  # noqa: BLE001  # raised again in the thread that waits
            outcome.append(partial(_raise, failure))
        else:
            outcome.append(lambda: answer)

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # The system allows no more threads.
        return attempt()
    end = time.monotonic() + limit
    while thread.is_alive() and (left := end - time.monotonic()) > 0:
        thread.join(min(left, _TICK))
    if not outcome:
        raise error(
            f"{capitalised(service)} did not answer within {limit:g} seconds.", "Run the command again in a minute."
        )
    return outcome[0]()


def _raise(error: BaseException) -> NoReturn:
    raise error


def build_session(*, user_agent: str | None = None, verify: bool = True) -> requests.Session:
    """Return a session that keeps the environment's proxy and CA settings.

    A request that never reached the service is tried again, and so is one that an overloaded service turned away. A
    GET whose answer got lost is as well, but not a POST: an authorization code may be spent by then.
    """
    retry = _BoundedRetry(
        total=_RETRIES,
        connect=2,
        read=2,
        other=0,
        status=_RETRIES,
        status_forcelist=(*_TRANSIENT_STATUS, _SERVER_ERROR),
        allowed_methods=frozenset({"GET"}),
        backoff_factor=0.3,
        backoff_jitter=0.2,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=64))
    if user_agent:
        session.headers["User-Agent"] = f"{requests.utils.default_user_agent()} {user_agent}"
    # requests lets REQUESTS_CA_BUNDLE override `session.verify`, so the switch-off goes into each request.
    session.verify = verify
    return session


SIGN_IN_SERVICE = "the sign-in service"

# MSAL's name for one call of its API, in each request that it makes for it (msal/telemetry.py).
_CALL = "client-request-id"


class AuthorityHttpClient:
    """The HTTP client that MSAL calls, with two repairs of the addresses it builds, and no question asked twice.

    MSAL builds the address of the user-realm lookup from the authority's host without its port, and puts the user
    name into it unquoted (msal/authority.py, `user_realm_discovery`). A private authority on a port of its own,
    and a guest's name with `#EXT#` in it, need both.

    A refresh token that was refused is shown again within the same call, first as one of the application's family and
    then as its own (msal/application.py, `_acquire_token_silent_by_finding_rt_belongs_to_me_or_my_family`). The answer
    is known then. MSAL's HTTP cache does not help: it keeps no refusals of ours. Another refresh token of the same
    person is another question: it may have a second factor. One that another tenant has given in exchange for the
    refused one in the meantime is not.
    """

    def __init__(self, session: requests.Session, authority: str, *, verify: bool = True):
        self._session = session
        self._verify = verify
        parts = urlsplit(authority)
        self._bare = f"https://{parts.hostname}/common/userrealm/"
        self._repaired = f"https://{parts.netloc}/common/userrealm/"
        # Address, call and the refresh token that came from a sign-in -> the refusal.
        self._refusals: dict[tuple[str, str, str], requests.Response] = {}
        # Refresh token -> the one from a sign-in that it came in exchange for, by way of others or not.
        self._origins: dict[str, str] = {}

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a POST; MSAL's protocol for HTTP clients."""
        data, call = kwargs.get("data"), (kwargs.get("headers") or {}).get(_CALL)
        if not isinstance(data, dict):
            # Of a federation server, which answers a wrong password with HTTP status 500 (WS-Trust 1.3, SOAP faults).
            return self._send("POST", url, kwargs)
        if call is None or data.get("grant_type") != "refresh_token":
            answer = self._send("POST", url, kwargs)
            _check_token_answer(answer)
            return answer
        shown = str(data.get("refresh_token"))
        origin = self._origins.get(shown, shown)
        refusal = self._refusals.get((url, call, origin))
        if refusal is not None:
            return refusal
        answer = self._send("POST", url, kwargs)
        body = _check_token_answer(answer)
        if answer.status_code == 400:
            self._refusals[url, call, origin] = answer
        elif isinstance(given := body.get("refresh_token"), str):
            self._origins[given] = origin
        return answer

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET; MSAL's protocol for HTTP clients."""
        if url.startswith(self._bare):
            name, separator, query = url[len(self._bare) :].rpartition("?")
            url = self._repaired + quote(name, safe="@") + separator + query
        answer = self._send("GET", url, kwargs)
        # MSAL takes a 429 for a tenant that does not exist.
        refuse_if_busy(answer, SIGN_IN_SERVICE)
        return answer

    def close(self) -> None:
        """Nothing: the session belongs to the caller."""

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT)
        if not self._verify:
            kwargs["verify"] = False
        # What is posted proves who asks, and is for this address alone: 307 and 308 would have it sent again.
        send = partial(self._session.request, method, url, allow_redirects=method == "GET", **kwargs)
        parts = urlsplit(url)
        with connection_errors(SIGN_IN_SERVICE, f"{parts.scheme}://{parts.netloc}"):
            if threading.current_thread() is threading.main_thread():
                answer = within(LONGEST_REQUEST, send, service=f"{SIGN_IN_SERVICE} at {parts.netloc}")
            else:
                # Whoever asks in another thread does not wait for it any longer than for that.
                answer = send()
        if method != "GET" and answer.is_redirect:
            raise UnexpectedAnswerError(
                f"{capitalised(SIGN_IN_SERVICE)} at {parts.netloc} names another address to send the request "
                f"to (HTTP status {answer.status_code}). Nothing was sent there: a secret is in it.",
                "A proxy or a captive portal may have answered in its place. Check the network, and the address with "
                "`az cloud show`; then run the command again.",
            )
        return answer


def _check_token_answer(answer: requests.Response) -> Mapping[str, Any]:
    """Return the answer of an OAuth endpoint, which MSAL goes on with whatever it is.

    :raises ServiceUnreachableError: the service stumbled; nobody has asked again so far (`build_session`).
    :raises ServiceBusyError: the service is overloaded or broken.
    :raises UnexpectedAnswerError: it is neither what was asked for nor an error by RFC 6749 section 5.2.
    """
    if answer.status_code >= _SERVER_ERROR and answer.status_code not in _TRANSIENT_STATUS:
        raise ServiceUnreachableError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} failed (HTTP status "
            f"{answer.status_code}).",
            "Run the command again in a minute.",
        )
    refuse_if_busy(answer, SIGN_IN_SERVICE)
    body = parse_json_object(answer, SIGN_IN_SERVICE)
    if not any(isinstance(body.get(name), str) and body[name] for name in ("access_token", "device_code", "error")):
        raise UnexpectedAnswerError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} answered without a token or a reason "
            f"(HTTP status {answer.status_code}).",
            "A proxy or a gateway may have answered in its place. Check the network, and the address with "
            "`az cloud show`; then run the command again in a minute.",
        )
    return body


@contextmanager
def connection_errors(service: str, address: str, *, to_check: str = "with `az cloud show`") -> Iterator[None]:
    """Turn what requests raises into one error that names the service and its address.

    :param service: what the person knows it as, for example "the sign-in service".
    :param to_check: how a person finds out whether the address is right.
    :raises ServiceUnreachableError: no answer.
    :raises UnexpectedAnswerError: an answer that is not HTTP, or not complete.
    """
    try:
        yield
    except requests.exceptions.SSLError as error:
        if any(sign in str(error) for sign in _NOT_TLS):
            raise ServiceUnreachableError(
                f"{capitalised(service)} at {address} does not speak TLS: {_cause(error)}.",
                f"Check its address {to_check}; then run the command again.",
            ) from error
        if "certificate" not in str(error).lower():
            raise ServiceUnreachableError(
                f"No TLS connection to {service} at {address} could be made: {_cause(error)}.",
                f"Check the network, and the address {to_check}; then run the command again.",
            ) from error
        raise ServiceUnreachableError(
            f"The certificate of {service} at {address} could not be verified: {_cause(error)}.",
            "If a proxy inspects TLS here, point the environment variable REQUESTS_CA_BUNDLE to a file with its CA "
            "certificate: https://learn.microsoft.com/cli/azure/use-cli-effectively#work-behind-a-proxy",
        ) from error
    except requests.exceptions.ProxyError as error:
        raise ServiceUnreachableError(
            f"The proxy between here and {service} at {address} refused: {_cause(error)}.",
            "Check the environment variables HTTPS_PROXY and NO_PROXY.",
        ) from error
    except requests.exceptions.Timeout as error:
        raise _too_late(service, address) from error
    except requests.exceptions.ConnectionError as error:
        if isinstance(getattr(error.args[0] if error.args else None, "reason", None), ReadTimeoutError):
            # requests has an error of its own for that, but not after the last retry.
            raise _too_late(service, address) from error
        raise ServiceUnreachableError(
            f"{capitalised(service)} at {address} could not be reached: {_cause(error)}.",
            f"Check the network, and the address {to_check}; then run the command again.",
        ) from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise MalformedAnswerError(
            f"{capitalised(service)} at {address} broke off in the middle of its answer.",
            "Check the network and run the command again.",
        ) from error
    except (requests.exceptions.InvalidHeader, UnicodeEncodeError) as error:
        if isinstance(error, UnicodeEncodeError) and error.encoding == "utf-8":
            # Not of a header. Whoever made the request knows what it is of.
            raise
        # The error quotes the header, which may be a secret.
        raise UnexpectedAnswerError(
            f"{capitalised(service)} at {address} was not asked: what is to be sent to it has blanks, line ends or "
            "letters that no header can hold.",
            "Look for them in the environment and in files with secrets. If it is a token, get a new one: run "
            "`az login` again.",
        ) from None
    except (requests.exceptions.InvalidProxyURL, requests.exceptions.InvalidURL):
        # The error quotes the address of a proxy, in which a password may be.
        raise _no_address(service, address, to_check) from None
    except requests.exceptions.RequestException as error:
        raise UnexpectedAnswerError(
            f"{capitalised(service)} at {address} did not speak HTTP as expected: {_cause(error)}.",
            f"Check its address {to_check}; then run the command again.",
        ) from error
    except (ValueError, LocationParseError):
        raise _no_address(service, address, to_check) from None
    except OSError as error:
        if "CA certificate bundle" not in str(error):
            raise
        # requests raises a plain OSError for a bundle that is not there.
        raise ServiceUnreachableError(
            f"{capitalised(service)} at {address} was not asked: {error}.",
            "Correct the environment variable REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE), or remove it.",
        ) from error


def _too_late(service: str, address: str) -> ServiceUnreachableError:
    return ServiceUnreachableError(
        f"{capitalised(service)} at {address} did not answer in time.", "Check the network and run the command again."
    )


def _no_address(service: str, address: str, to_check: str) -> AzCLIError:
    """Return the error for what cannot be parsed: a proxy's address, or where an answer points to."""
    if _has_odd_proxy(address):
        return ServiceUnreachableError(
            f"{capitalised(service)} at {address} was not asked: HTTPS_PROXY or HTTP_PROXY is not the address of a "
            "proxy.",
            "Correct the environment variable, or remove it.",
        )
    return UnexpectedAnswerError(
        f"{capitalised(service)} at {address} cannot be asked: its address, or one that it answered with, is none.",
        f"Check its address {to_check}; then run the command again.",
    )


def _has_odd_proxy(address: str) -> bool:
    """Tell whether the environment names a proxy by what is no address of one."""
    for proxy in requests.utils.get_environ_proxies(address).values():
        try:
            parse_url(proxy)
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            if parts.scheme.lower() not in _PROXY_SCHEMES or not parts.hostname or parts.port == 0:
                return True
        except ValueError:
            return True
    return False


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a chain of exceptions, without addresses and object representations."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in getattr(reason, "args", ()) if isinstance(arg, BaseException)), None)
        if inner is None or inner is reason:
            break
        reason = inner
    text = str(getattr(reason, "strerror", None) or reason)
    # urllib3 prefixes its messages with the representation of its connection object.
    text = text.rpartition(">: ")[2].rpartition("] ")[2]
    # OpenSSL's messages end with the place in CPython's source.
    return printable(text.partition(" (_ssl.c")[0].strip().rstrip(".)")) or type(reason).__name__


def capitalised(service: str) -> str:
    """Return a service's name for the beginning of a sentence."""
    return service[:1].upper() + service[1:]


def content_type(response: requests.Response) -> str:
    """Return what an answer says that it is, for an error message."""
    return printable(response.headers.get("Content-Type", "no content type").partition(";")[0])


def is_busy(response: requests.Response) -> bool:
    """Tell whether a service says that it is overloaded or broken, which may pass."""
    return response.status_code == 429 or response.status_code >= 500


def refuse_if_busy(response: requests.Response, service: str) -> None:
    """Let no answer of an overloaded or broken service pass for one.

    :raises ServiceBusyError: it is one.
    """
    if is_busy(response):
        host = urlsplit(response.url).netloc
        raise ServiceBusyError(
            f"{capitalised(service)} at {host} is overloaded or broken (HTTP status {response.status_code}).",
            "Run the command again in a minute.",
        )


def parse_json_object(response: requests.Response, service: str) -> Mapping[str, Any]:
    """Return the JSON object of an answer.

    :raises MalformedAnswerError: the answer is something else, such as the HTML page of a proxy.
    """
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        kind = content_type(response)
        host = urlsplit(response.url).netloc
        raise MalformedAnswerError(
            f"{capitalised(service)} at {host} answered something other than a JSON object "
            f"({kind}, HTTP status {response.status_code}).",
            "A proxy or a captive portal may have answered in its place. Check the network and run the command again.",
        )
    return body
