"""Reports the requests to the token endpoint on standard error, without ever keeping an answer waiting."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import can_write
from azext_login.system.text import shorten
from azext_login.usecases.token_endpoint.endpoint import Served

logger = get_logger(__name__)

# Requests that wait to be reported, where whoever reads standard error is slow. More of them are only counted.
_MOST_WAITING = 1000
# Refusals with the same status that are reported in a second. More of them are only counted.
_MOST_REFUSALS = 10
_END_SECONDS = 1.0
# Characters of a line. What `can_write` promises are 4,096 bytes.
_LONGEST_LINE = 900
_TICK = 0.2


class RequestLog:
    """Reports requests in a thread of its own."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """:param clock: counts seconds and never goes back."""
        self._clock = clock
        self._waiting: queue.Queue[Served | None] = queue.Queue(_MOST_WAITING)
        self._refusals: Counter[int] = Counter()  # in the second, by their status
        self._lock = threading.Lock()
        self._left_out = 0
        self._closing = threading.Event()
        self._second = 0
        self._thread = threading.Thread(target=self._run, name="login-request-log", daemon=True)
        self._thread.start()

    def add(self, served: Served) -> None:
        """Report a request. Does not block."""
        if served.resource is None:
            second = int(self._clock())
            if second != self._second:
                self._second = second
                self._refusals.clear()
            self._refusals[served.status] += 1
            if self._refusals[served.status] > _MOST_REFUSALS:
                self._leave_out()
                return
        try:
            self._waiting.put_nowait(served)
        except queue.Full:
            self._leave_out()

    def _leave_out(self) -> None:
        with self._lock:
            self._left_out += 1

    def close(self) -> None:
        """Report what is left, for a second or two at most. What nobody reads by then is not reported."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_END_SECONDS)
            self._thread.join(_END_SECONDS)
        self._closing.set()
        self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while True:
            served = self._waiting.get()
            with self._lock:
                left_out, self._left_out = self._left_out, 0
            lines = [f"Token endpoint: {left_out} more requests were not reported."] if left_out else []
            lines += [] if served is None else [line_of(served)]
            if not all(map(self._write, lines)) or served is None:
                return

    def _write(self, line: str) -> bool:
        """Write a line when it can be written. Return False if that was not possible until the end.

        A thread that waits in `logger.warning` would hold the lock of the host's log handler, without which the process
        cannot exit.
        """
        while not can_write(sys.stderr, _TICK):
            if self._closing.is_set():
                return False
        logger.warning("%s", line)
        return True


def line_of(served: Served) -> str:
    """Return what is reported of a request."""
    parts = [f"Token endpoint: {served.resource or 'refused'}: {served.status}"]
    if served.process:
        parts.append(f", {served.process}")
    if served.problem:
        parts.append(f": {served.problem}")
    return shorten("".join(parts), _LONGEST_LINE)
