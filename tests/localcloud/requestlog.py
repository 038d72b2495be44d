"""The request log: what was asked of the cloud, without anything secret in it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class LoggedRequest:
    """One answered request. It arrived at `began` and was answered at `when`; `path` has no query string.

    Both are server time, seconds since 1970 UTC.

    `tenant` is the segment of the URL at the token service, the GUID at ARM; `user` a user name or application id.
    `status` 499 is a connection that was dropped on purpose.
    """

    method: str
    path: str
    status: int
    tenant: str | None
    user: str | None
    grant_type: str | None
    when: float
    began: float

    def to_json(self) -> dict[str, object]:
        """The record as a JSON object."""
        return asdict(self)


def count_rounds(rows: Iterable[LoggedRequest]) -> int:
    """Return how many requests at most came one after the other: each of them arrived when the last was answered.

    A client that never sends a request later than it could needs as many rounds. With some latency the requests that
    it sends together overlap.
    """
    count, answered = 0, float("-inf")
    for row in sorted(rows, key=lambda row: row.when):
        if row.began >= answered:
            count, answered = count + 1, row.when
    return count


class RequestLog:
    """The last 100,000 requests, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: deque[LoggedRequest] = deque(maxlen=100_000)

    def add(self, row: LoggedRequest) -> None:
        """Append one."""
        with self._lock:
            self._rows.append(row)

    def rows(self) -> list[LoggedRequest]:
        """A copy of everything."""
        with self._lock:
            return list(self._rows)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.clear()
