"""Being asked to end (SIGTERM), where something has to be put back first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def termination_as_exit() -> Iterator[None]:
    """Let SIGTERM raise SystemExit within the block. By itself, a process ends on the spot.

    Nothing is done outside of the main thread, or where somebody handles the signal already.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # What a shell reports for a process that a signal has ended.
    raise SystemExit(128 + number)


# Signals that came during a block which is not to be interrupted, and what else handles them.
_received: list[int] = []


_handlers: dict[int, Callable[[int, FrameType | None], object]] = {}


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C, and a SIGTERM that somebody handles, wait until the block has ended.

    Handlers run in the main thread, whichever thread the system gives a signal to, so nothing waits in another one.
    Nobody waits long: see `interruption_point`.
    """
    if _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                _handlers[number] = handler
                signal.signal(number, lambda received, frame: _received.append(received))
        yield
    finally:
        handlers = dict(_handlers)
        _handlers.clear()
        for handled, handler in handlers.items():
            signal.signal(handled, handler)
        waiting = list(_received)
        _received.clear()
        for received in waiting:
            handlers[received](received, None)


def interruption_point() -> None:
    """Give way to a signal that waits, in a place where nothing is half done."""
    while _handlers and _received and threading.current_thread() is threading.main_thread():
        number = _received.pop(0)
        _handlers[number](number, None)
