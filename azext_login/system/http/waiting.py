"""Asking again, and waiting no longer than for so many seconds."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn, TypeVar

from azure.cli.core.azclierror import AzCLIError

from azext_login.errors import MalformedAnswerError, ServiceBusyError, ServiceUnreachableError
from azext_login.system.http.errors import capitalised

# How a person waits for a thread: Windows takes no Ctrl-C while one waits longer.
_TICK = 0.2


Answer = TypeVar("Answer")


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
