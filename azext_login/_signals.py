"""Being asked to end (SIGTERM), where something has to be put back first."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import NoReturn


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # What a shell reports for a process that a signal has ended.
    raise SystemExit(128 + number)


class TerminationAsExit:
    """Lets SIGTERM raise SystemExit as long as it is open. By itself, a process ends on the spot.

    Nothing is done outside of the main thread, or where somebody handles the signal already.
    """

    def __init__(self) -> None:
        self._is_open = False

    def __enter__(self) -> TerminationAsExit:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> None:
        """Begin to."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _leave)
            self._is_open = True

    def close(self) -> None:
        """Let the signal end the process again. Idempotent."""
        if self._is_open:
            self._is_open = False
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
