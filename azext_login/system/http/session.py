"""The one way we speak HTTP: bounded waits, bounded retries, and errors that say which service failed."""

from __future__ import annotations

import math
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

# Seconds to establish a connection, and seconds between two packets of an answer.
TIMEOUT = (10.0, 60.0)

# Answers of a service that is overloaded or restarting: RFC 6585 section 4, RFC 9110 section 15.6.
TRANSIENT_STATUS = (429, 502, 503, 504)
_RETRIES = 3

# A service that stumbled. It may have done its work before, so only a request that changes nothing is repeated.
SERVER_ERROR = 500

# A service may ask for minutes of patience. Somebody is waiting at a terminal, so a longer pause ends the retries.
_LONGEST_PAUSE = 30.0

# Seconds for one request with its retries and three pauses. A service that sends a byte now and then never times out.
LONGEST_REQUEST = 110.0


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
        pause = self.get_retry_after(response) if response is not None else None
        # With no retries left this raises, and urllib3 returns the answer as it is (raise_on_status=False).
        retry = self.new(total=0) if pause is not None and pause > _LONGEST_PAUSE else self
        return super(_BoundedRetry, retry).increment(method, url, response, error, _pool, _stacktrace)


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
        status_forcelist=(*TRANSIENT_STATUS, SERVER_ERROR),
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
