"""What a hook prints in a command that is not ours: one warning at most. The others are for --verbose."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from knack.log import get_logger

from azext_login.system.patience import limit_waits

# The host's logger above those of all our modules.
_package = get_logger("azext_login")


class _Gate(logging.Handler):
    """Passes records on to the host's loggers, and lets the first warning through as a warning."""

    def __init__(self) -> None:
        super().__init__()
        self.is_shut = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            if self.is_shut:
                record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            self.is_shut = True
        if _package.parent is not None:
            _package.parent.handle(record)


_gate = _Gate()
# Threads of a command ask for tokens at the same time. The clients of one command serve one of them at a time.
_turn = threading.RLock()


def expect_command() -> None:
    """Allow one warning again: another command begins in this process."""
    _gate.is_shut = False


@contextmanager
def work_of_hook() -> Iterator[None]:
    """Do the work of a hook: in one thread at a time, with one warning in the whole command, and with short waits.

    A program that holds a lock, or a service that asks for a pause, must not stop a command that works without us.
    """
    with _turn, limit_waits(process_age=lambda: 0.0):
        is_outer = _gate not in _package.handlers
        if is_outer:
            _package.addHandler(_gate)
            _package.propagate = False
        try:
            yield
        finally:
            if is_outer:
                _package.propagate = True
                _package.removeHandler(_gate)
