"""Takes single characters from the terminal as they are typed, without showing them and without blocking."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO

_MAX_PER_READ = 256 * 1024
_CHUNK = 64 * 1024
# A terminal hands a long paste over in pieces; within this pause (seconds) the next piece is there.
_NEXT_PIECE = 0.01


class RawTerminal(Protocol):
    """What reads the keyboard."""

    def open(self) -> None:
        """Take the terminal over."""

    def read(self) -> str | None:
        """What was typed since the last call, "" if nothing; None when nothing can come any more."""

    def close(self) -> None:
        """Give the terminal back as it was. Idempotent."""


class ConsoleTerminal:
    """A Windows console, which is asked for keys; it shows none of them and has no mode to be set or
    restored."""

    def __init__(self, key_is_waiting: Callable[[], bool], read_key: Callable[[], str]) -> None:
        """``msvcrt.kbhit`` and ``msvcrt.getwch``."""
        self._key_is_waiting = key_is_waiting
        self._read_key = read_key

    def open(self) -> None:
        pass

    def read(self) -> str | None:
        keys: list[str] = []
        while len(keys) < _MAX_PER_READ and self._key_is_waiting():
            key = self._read_key()
            if key in ("\0", "\xe0"):
                self._read_key()  # arrows and function keys are two characters
            else:
                keys.append("\x04" if key == "\x1a" else key)  # the end of input is Ctrl-Z there
        return "".join(keys)

    def close(self) -> None:
        pass


if sys.platform != "win32":
    import codecs
    import contextlib
    import os
    import select
    import termios

    _LOCAL_FLAGS = 3  # index in the list of tcgetattr, termios(3)
    _CONTROL_CHARACTERS = 6

    class PosixTerminal:
        """A terminal in non-canonical mode without echo; its signals (Ctrl-C, Ctrl-Z) work as always.

        In canonical mode the kernel cuts a line at 4096 bytes on Linux (N_TTY_BUF_SIZE) and 1024 on macOS
        (MAX_CANON), and a redirect address with its code can be longer.
        """

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._saved: list[Any] | None = None
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def open(self) -> None:
            if self._in_foreground():
                # First remembered, then changed: an interrupt in between restores what was never changed.
                self._saved = termios.tcgetattr(self._descriptor)
                self._take_over()

        def read(self) -> str | None:
            # Somebody who changes the mode of a terminal from the background is stopped (SIGTTOU).
            if self._saved is None or not self._in_foreground():
                return ""
            data = b""
            gone = False
            try:
                self._take_over()
                while len(data) < _MAX_PER_READ and self._readable(_NEXT_PIECE if data else 0):
                    piece = os.read(self._descriptor, _CHUNK)
                    if not piece:
                        gone = True
                        break
                    data += piece
            except (OSError, termios.error):
                gone = True  # EIO: the terminal's window was closed
            text = self._decoder.decode(data, gone)
            return None if gone and not text else text

        def close(self) -> None:
            saved, self._saved = self._saved, None
            if saved is None or not self._in_foreground():
                return
            # Flushed: the rest of a paste that nobody read would be run by the shell as a command, code and
            # all.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, saved)

        def _take_over(self) -> None:
            # Also before each read: a shell that continued us after Ctrl-Z has set its own mode.
            mode = termios.tcgetattr(self._descriptor)
            unwanted = termios.ICANON | termios.ECHO | termios.IEXTEN
            if mode[_LOCAL_FLAGS] & unwanted:
                mode[_LOCAL_FLAGS] = mode[_LOCAL_FLAGS] & ~unwanted | termios.ISIG
                mode[_CONTROL_CHARACTERS][termios.VMIN] = 1
                mode[_CONTROL_CHARACTERS][termios.VTIME] = 0
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, mode)

        def _readable(self, seconds: float) -> bool:
            return bool(select.select([self._descriptor], [], [], seconds)[0])

        def _in_foreground(self) -> bool:
            try:
                return os.tcgetpgrp(self._descriptor) == os.getpgrp()
            except OSError:
                return True  # not the terminal of this session: there is no job control on it


def raw_terminal(stdin: TextIO) -> RawTerminal:
    """The terminal behind `stdin`. Raises ValueError if it is none."""
    if not stdin.isatty():
        raise ValueError("An address can be pasted into a terminal only.")
    if sys.platform == "win32":
        import msvcrt

        return ConsoleTerminal(msvcrt.kbhit, msvcrt.getwch)
    return PosixTerminal(stdin.fileno())
