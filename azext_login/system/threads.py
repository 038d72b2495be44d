"""Threads that end with the process, and what happens where the system allows no more of them."""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar

Result = TypeVar("Result")

# Seconds between two looks: on Windows, Ctrl-C has no effect during a longer wait.
_TICK = 0.2

_thread = threading.local()


def serves_main_thread() -> bool:
    """Tell whether this is the main thread, or one in which a call of it runs that may show what it waits for."""
    return threading.current_thread() is threading.main_thread() or getattr(_thread, "serves_main_thread", False)


def start_thread(work: Callable[[], None], *, wait_at_exit: float = 0.0) -> bool:
    """Run `work` in a thread that ends with the process, so that nothing waits for one that hangs.

    :param wait_at_exit: seconds for which the process waits for the thread when it exits. A thread in a TLS handshake
        can crash a process whose libraries are being unloaded.
    :return: False where the system allows no more threads; `work` does not run then.
    """
    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return False
    if wait_at_exit:
        atexit.register(thread.join, wait_at_exit)
    return True


def iterate_ahead(items: Iterator[Result]) -> Iterator[Result]:
    """Read items in a thread of its own, and return an iterator over them: it waits for those that are missing yet.

    The iterator raises what `items` raises, after the items before.
    """
    read: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def work() -> None:
        try:
            for item in items:
                read.put((True, item))
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            read.put((False, error))
        else:
            read.put((False, None))

    def results() -> Iterator[Result]:
        while True:
            try:
                is_item, value = read.get(timeout=_TICK)
            except queue.Empty:
                continue
            if is_item:
                yield value
            elif value is None:
                return
            else:
                raise value

    return results() if start_thread(work) else items


class BackgroundCall(Generic[Result]):
    """One call that runs in a thread of its own; in the caller's where the system allows no more threads."""

    def __init__(self, call: Callable[[], Result], *, has_progress: bool = False):
        """:param has_progress: whether the caller shows the progress, so that the call itself shows nothing."""
        self._call = call
        self._outcome: Callable[[], Result] | None = None
        self._has_ended = threading.Event()
        self._serves_main_thread = serves_main_thread() and not has_progress
        if not start_thread(self._run):
            self._run()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the call, at most for `seconds`. Return whether it has ended."""
        return self._has_ended.wait(seconds)

    def result(self) -> Result:
        """Return what the call returned, or raise what it raised. To be called when it has ended."""
        if self._outcome is None:
            raise RuntimeError("The call has not ended.")
        return self._outcome()

    def _run(self) -> None:
        _thread.serves_main_thread = self._serves_main_thread
        try:
            result = self._call()
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            self._outcome = partial(_raise, error)
        else:
            self._outcome = lambda: result
        self._has_ended.set()


def _raise(error: BaseException) -> NoReturn:
    raise error
