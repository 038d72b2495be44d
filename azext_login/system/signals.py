"""Being asked to end (SIGTERM), where something has to be put back first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
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
