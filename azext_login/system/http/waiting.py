"""Retries of a request, and a limit of its time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from azext_login.errors import MalformedAnswerError, ServiceBusyError, ServiceUnreachableError
from azext_login.host_errors import AzCLIError
from azext_login.system.patience import SILENT_WAIT, fits
from azext_login.system.pauses import announce
from azext_login.system.text import capitalised
from azext_login.system.threads import BackgroundCall

# Seconds between two looks at a thread: on Windows, Ctrl-C has no effect during a longer wait.
_TICK = 0.2


Answer = TypeVar("Answer")


def retry_request(
    attempt: Callable[[], Answer],
    *,
    attempts: int = 3,
    on: tuple[type[AzCLIError], ...] = (ServiceUnreachableError, MalformedAnswerError),
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> Answer:
    """Return what `attempt` returns. Repeat it a few times if it fails for a reason that may pass.

    For requests that may be repeated. The transport (`build_session`) repeats a request that was not answered, but an
    answer may also be cut short, or come from a proxy. The transport has already repeated a request to a busy service,
    so that failure is final.

    :param on: the failures that may pass.
    :param jitter: returns a random number between 0 and 1. It keeps processes that failed together from repeating
        their requests together.
    :raises AzCLIError: the last failure, or the first one that is final.
    """
    for number in range(1, attempts):
        try:
            return attempt()
        except on as error:
            if isinstance(error, ServiceBusyError):
                raise
            seconds = 0.2 * 2**number * (0.5 + jitter())
            if not fits(seconds):
                raise
            sleep(seconds)
    return attempt()


def limit_time(
    limit: float,
    attempt: Callable[[], Answer],
    *,
    service: str,
    error: type[ServiceUnreachableError] = ServiceUnreachableError,
) -> Answer:
    """Return what `attempt` returns, or stop waiting for it after `limit` seconds.

    The timeouts of a request count for each packet and each retry, and name resolution has no timeout. An attempt that
    took too long goes on in its thread until the process exits. Without a thread, there is no limit.

    :param service: the name of the service, for the error message.
    :param error: the class of the error to raise.
    :raises ServiceUnreachableError: it took longer.
    """
    return wait_for(BackgroundCall(attempt), limit, service=service, error=error)


def wait_for(
    call: BackgroundCall[Answer],
    limit: float,
    *,
    service: str,
    error: type[ServiceUnreachableError] = ServiceUnreachableError,
) -> Answer:
    """Return what a call that is under way returns, or stop waiting for it, as `limit_time` does."""
    began, is_announced = time.monotonic(), False
    end = began + limit
    while not call.wait(min(_TICK, max(0.0, end - time.monotonic()))):
        now = time.monotonic()
        if now >= end:
            raise error(
                f"{capitalised(service)} did not answer within {round(limit, 1):g} seconds.",
                "Run the command again in a minute.",
            )
        if now - began >= 2 * SILENT_WAIT and not is_announced:
            is_announced = True
            announce(f"Waiting for {service}.")
    return call.result()
