"""Which of the standard streams are terminals, what can be shown on them, and whether anything still reads them."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping
from typing import TextIO

is_windows = sys.platform == "win32"


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a standard stream is a terminal. For a stream that was closed (`<&-`), Python has None.

    On Windows it is a console: `isatty` is true for NUL as well.
    """
    if stream is None or not stream.isatty():
        return False
    if not is_windows:
        return True
    from azext_login.system.terminal.windows_console import is_console

    return is_console(stream)


def can_choose() -> bool:
    """Tell whether a choice can be offered: as in the built-in, input and output must both be terminals."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


def can_ask() -> bool:
    """Tell whether a command may ask a question that its user has not caused: a user types, and sees everything."""
    return is_terminal(sys.stdout) and can_answer()


def can_answer() -> bool:
    """Tell whether a user sees a question on standard error, and can answer it.

    A job in the background has the terminal too, and would be stopped when it reads.
    """
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        # It is not the controlling terminal of this process, so jobs do not matter.
        return True


def screen() -> TextIO:
    """Return the stream for a choice, given that `can_choose`: standard error if it is a terminal as well.

    With `2>file` it is standard output. Otherwise the command would wait for the answer to an invisible question.
    """
    return sys.stderr if is_terminal(sys.stderr) else sys.stdout


def can_draw(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Tell whether the terminal can place text anywhere on the screen: TERM names its kind, except on Windows."""
    kind = environ.get("TERM", "").lower()
    return kind not in ("dumb", "unknown") and (bool(kind) or platform == "win32")


def can_write(stream: TextIO | None, seconds: float) -> bool:
    """Tell whether a short text can be written without waiting, at the latest after so many seconds.

    It cannot if the program that reads the stream has stopped reading, and its pipe is full. Short means 4,096 bytes:
    pipe(7), PIPE_BUF. Windows tells it of sockets alone; there, and where there is nothing to wait for, the answer is
    yes.
    """
    if is_windows or stream is None:
        return True
    import select

    try:
        _, ready, _ = select.select([], [stream], [], seconds)
    except (OSError, TypeError, ValueError):  # closed, or not a file
        return True
    return bool(ready)


def is_broken_pipe(error: OSError, stream: TextIO) -> bool:
    """Tell whether a write failed because the program that reads the stream has closed its pipe.

    On Windows, that may also be EINVAL (see `subprocess.Popen._stdin_write`), which has other causes too.
    """
    if isinstance(error, BrokenPipeError):
        return True
    return is_windows and error.errno == errno.EINVAL and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)
