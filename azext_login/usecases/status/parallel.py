"""Runs calls at the same time, each within a limit of time, so that one that hangs does not affect the others."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, TypeVar

from azext_login.system.threads import start_thread

Result = TypeVar("Result")

# A call spends its time waiting, so this is many more than processors.
_WORKERS = 32

# Seconds between two looks at calls that take too long.
_TICK = 0.1


def run_all(
    calls: Sequence[Callable[[], Result]],
    *,
    limit: float,
    limit_of_all: float,
    clock: Callable[[], float] = time.monotonic,
) -> list[Result | None]:
    """Return what each call returns, in their order; None for those that took too long, which go on in their threads.

    :param limit: seconds for each call.
    :param limit_of_all: seconds for all of them.
    :raises: what a call raises.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    # The index of a call, and the time at which it began, or a function that returns what it returned.
    events: queue.SimpleQueue[tuple[int, float | Callable[[], Result]]] = queue.SimpleQueue()
    for index in range(len(calls)):
        waiting.put(index)

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            events.put((index, clock()))
            try:
                result = calls[index]()
            except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
                events.put((index, partial(_raise, error)))
            else:
                events.put((index, partial(_same, result)))

    began = clock()
    for _ in range(min(_WORKERS, len(calls))):
        if not start_thread(work):
            # The system allows no more threads.
            work()
            break
    results: dict[int, Result | None] = {}
    started: dict[int, float] = {}
    while len(results) < len(calls) and clock() - began < limit_of_all:
        try:
            index, event = events.get(timeout=_TICK)
        except queue.Empty:
            pass
        else:
            if isinstance(event, float):
                started[index] = event
            else:
                results.setdefault(index, event())
        for index, start in started.items():
            if clock() - start > limit:
                results.setdefault(index, None)
    return [results.get(index) for index in range(len(calls))]


def _raise(error: BaseException) -> NoReturn:
    raise error


def _same(result: Result) -> Result:
    return result
