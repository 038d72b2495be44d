"""The HTTP session of every request: bounded waits and bounded retries."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any

import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from azext_login.system.http.bounded import (
    ACCEPTED_ENCODINGS,
    BoundedAdapter,
    announces_too_much,
    check_headers,
    skip_body,
)
from azext_login.system.patience import fits
from azext_login.system.pauses import pause

# Seconds to establish a connection, and seconds between two packets of an answer.
TIMEOUT = (10.0, 60.0)

# Answers of a service that is overloaded or restarting: RFC 6585 section 4, RFC 9110 section 15.6.
TRANSIENT_STATUS = (429, 502, 503, 504)
_RETRIES = 3

# A service that failed, maybe after it had processed the request. So only a request that changes nothing is repeated.
SERVER_ERROR = 500

# Seconds. A service may demand a pause of minutes. A user waits at a terminal, so a longer pause ends the retries.
_LONGEST_PAUSE = 30.0

# Seconds. urllib3 has the same limit for dates. A larger number is no reason to wait for years.
_LONGEST_DEMAND = 6 * 3600.0

# Seconds for one request with its retries and three pauses. TIMEOUT never applies to a service that sends single bytes.
LONGEST_REQUEST = 110.0


def parse_retry_after(value: str) -> float | None:
    """Return the pause in seconds that a `Retry-After` header demands (RFC 9110 section 10.2.3); None if it is invalid.

    urllib3 parses whole seconds and dates, and raises an error for anything else. Some services send fractions.
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = Retry().parse_retry_after(value)
        except (InvalidHeader, ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), _LONGEST_DEMAND) if math.isfinite(seconds) else None


class _BoundedRetry(Retry):
    """urllib3's retry, which stops when the service demands a longer pause than the user or the caller waits."""

    _pause = 0.0
    _host = ""
    wait: Callable[[float], None] = staticmethod(time.sleep)

    def new(self, **changes: Any) -> _BoundedRetry:
        """Return a copy with these changes."""
        made: _BoundedRetry = super().new(**changes)
        made.wait = self.wait
        return made

    def parse_retry_after(self, retry_after: str) -> float | None:  # type: ignore[override]  # None for an invalid one
        return parse_retry_after(retry_after)

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # By itself, urllib3 retries every answer with a Retry-After header, and never a POST. These answers mean that
        # the service has not processed the request, so it may be repeated whatever its method.
        return status_code in TRANSIENT_STATUS or (status_code == SERVER_ERROR and method == "GET")

    def increment(  # the parameters are urllib3's
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> _BoundedRetry:
        if error is not None:
            check_headers(error, _pool)
        demanded = self.get_retry_after(response) if response is not None else None
        is_too_long = demanded is not None and demanded > _LONGEST_PAUSE
        if is_too_long or (response is not None and announces_too_much(response)):
            return self._give_up(method, url, response, error, _pool, _stacktrace)
        following: _BoundedRetry = super().increment(method, url, response, error, _pool, _stacktrace)
        following._pause = following.get_backoff_time() if demanded is None else demanded
        following._host = getattr(_pool, "host", None) or "The service"
        if not fits(following._pause):
            return self._give_up(method, url, response, error, _pool, _stacktrace)
        if response is not None:
            skip_body(response)
        return following

    def _give_up(self, *arguments: Any) -> _BoundedRetry:
        """With no retries left this raises, and urllib3 returns the answer as it is (raise_on_status=False)."""
        return super(_BoundedRetry, self.new(total=0)).increment(*arguments)

    def sleep(self, response: Any = None) -> None:
        """Wait before the next request."""
        pause(self._pause, self._host, sleep=self.wait)


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the request as it is; for `auth` of a session. Without it, requests reads ~/.netrc.

    A password there, perhaps of its entry for all hosts (`default`), would replace the token in the header.
    """
    return request


def _keep_answer(record: logging.LogRecord) -> bool:
    """Remove from urllib3's warning the headers that it could not parse: a service may repeat a secret there.

    urllib3/connection.py, `getresponse`
    """
    if str(record.msg).startswith("Failed to parse headers"):
        record.msg, record.args, record.exc_info = "The headers of an answer could not be parsed.", (), None
    return True


def build_session(
    *, user_agent: str | None = None, verify: bool = True, sleep: Callable[[float], None] = time.sleep
) -> requests.Session:
    """Return a session that keeps the environment's proxy and CA settings, and ignores passwords in ~/.netrc.

    The session repeats a request that did not reach the service, and one that an overloaded service rejected. It also
    repeats a GET whose answer was lost, but not a POST: the service may have redeemed its authorization code. An answer
    has at most DOCUMENT_LIMIT bytes, unless the request has `stream=True` (see `BoundedAdapter`).
    """
    logging.getLogger("urllib3.connection").addFilter(_keep_answer)
    retry = _BoundedRetry(
        total=_RETRIES,
        connect=2,
        read=2,
        other=0,
        status=_RETRIES,
        status_forcelist=(*TRANSIENT_STATUS, SERVER_ERROR),
        allowed_methods=frozenset({"GET"}),
        backoff_factor=0.3,
        backoff_jitter=0.2,
        raise_on_status=False,
    )
    retry.wait = sleep
    session = requests.Session()
    session.mount("https://", BoundedAdapter(max_retries=retry, pool_maxsize=64))
    session.mount("http://", BoundedAdapter())
    session.auth = _keep_headers
    session.headers["Accept-Encoding"] = ACCEPTED_ENCODINGS
    if user_agent:
        session.headers["User-Agent"] = f"{requests.utils.default_user_agent()} {user_agent}"
    # requests lets REQUESTS_CA_BUNDLE override `session.verify`, so the switch-off goes into each request.
    session.verify = verify
    return session
