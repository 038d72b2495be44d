"""What Ctrl-C and SIGTERM do to a block of code: exit cleanly, wait, or stop it.

By default, Ctrl-C raises KeyboardInterrupt wherever the main thread is, and SIGTERM ends the process on the spot:
`finally` does not run. Three context managers change that for as long as a block runs:

* `exit_on_termination`: SIGTERM raises SystemExit, so that `finally` runs. For what has to be restored: a terminal.
* `defer_signals`: handlers wait until the block has finished. For what has to be completed: the replacement of files.
* `stop_on_signals`: the first signal ends the block, and the command goes on. For what runs until it is stopped.

They nest. `defer_signals` delays whatever handlers are set, those of the other two included. `exit_on_termination`
leaves SIGTERM alone where it already has a handler. Handlers are set and run in the main thread only (a rule of
Python's `signal` module), so in other threads the first two do nothing, and the third may not be used.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def exit_on_termination() -> Iterator[None]:
    """Raise SystemExit for SIGTERM within the block, unless SIGTERM has a handler already."""
    if not _is_main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    # The exit code that a shell reports for a process that a signal has ended.
    raise SystemExit(128 + number)


# Within `defer_signals`: the signals that arrived, in their order, and the handlers that wait for them.
_deferred: list[int] = []
_handlers: dict[int, Callable[[int, FrameType | None], object]] = {}


@contextmanager
def defer_signals() -> Iterator[None]:
    """Delay the handlers of SIGINT (Ctrl-C) and SIGTERM until the block has finished.

    Without a handler, SIGTERM still ends the process at once. A block that waits for something, such as a lock, calls
    `handle_deferred_signals` meanwhile.
    """
    if _handlers or not _is_main_thread():
        yield
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                _handlers[number] = handler
                signal.signal(number, lambda received, frame: _deferred.append(received))
        yield
    finally:
        handlers = dict(_handlers)
        _handlers.clear()
        for handled, handler in handlers.items():
            signal.signal(handled, handler)
        deferred = list(_deferred)
        _deferred.clear()
        for received in deferred:
            handlers[received](received, None)


def handle_deferred_signals() -> None:
    """Run the handlers of the signals that arrived within `defer_signals`, at a point where nothing is half done."""
    while _handlers and _deferred and _is_main_thread():
        number = _deferred.pop(0)
        _handlers[number](number, None)


class _Stopped(BaseException):
    """The first signal within `stop_on_signals`."""


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """End the block at the first SIGINT, SIGTERM or (Windows) SIGBREAK, whatever it is waiting for, and go on after it.

    Later signals are ignored until the block has ended. Yields a function that tells whether a signal has arrived.

    :raises ValueError: this is not the main thread.
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise _Stopped

    names = ("SIGINT", "SIGTERM", "SIGBREAK")
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        try:
            for number in numbers:
                signal.signal(number, stop)
            yield lambda: bool(received)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    except _Stopped:
        pass


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
