"""Reads single characters from the terminal as they are typed, without echo and without blocking."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol, TextIO

_MAX_PER_READ = 256 * 1024
_CHUNK = 64 * 1024
# A long paste arrives in pieces. The next piece follows within this time (seconds).
_NEXT_PIECE = 0.01


class RawTerminal(Protocol):
    """Reads the keyboard."""

    def open(self) -> None:
        """Take the terminal over."""

    def read(self) -> str | None:
        """Return what was typed since the last call, perhaps "", or None after the end of the input."""

    def close(self) -> None:
        """Restore the terminal. Idempotent."""


class ConsoleTerminal:
    """A Windows console. It does not echo the keys that are read in this way, and has no mode to set or restore."""

    def __init__(self, key_is_waiting: Callable[[], bool], read_key: Callable[[], str]) -> None:
        """Take ``msvcrt.kbhit`` and ``msvcrt.getwch``."""
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
                keys.append("\x04" if key == "\x1a" else key)  # Ctrl-Z ends the input of a console
        return "".join(keys)

    def close(self) -> None:
        # The rest of a paste must not reach the shell, which would run it as a command.
        self.read()


if sys.platform != "win32":
    import codecs
    import contextlib
    import os
    import select
    import termios

    _LOCAL_FLAGS = 3  # index in the list of tcgetattr, termios(3)
    _CONTROL_CHARACTERS = 6

    class PosixTerminal:
        """A terminal in non-canonical mode without echo. Its signals (Ctrl-C, Ctrl-Z) work as usual.

        In canonical mode the kernel cuts a line at 4096 bytes on Linux (N_TTY_BUF_SIZE) and 1024 on macOS (MAX_CANON).
        A redirect address with its code can be longer.
        """

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._saved: list[Any] | None = None
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def open(self) -> None:
            if self._in_foreground():
                # Saved before it is changed, so that an interrupt in between restores the right mode.
                self._saved = termios.tcgetattr(self._descriptor)
                self._take_over()

        def read(self) -> str | None:
            # The kernel stops a background process that changes the mode of the terminal (SIGTTOU).
            if self._saved is None or not self._in_foreground():
                return ""
            data = b""
            has_ended = False
            try:
                self._take_over()
                while len(data) < _MAX_PER_READ and self._readable(_NEXT_PIECE if data else 0):
                    piece = os.read(self._descriptor, _CHUNK)
                    if not piece:
                        has_ended = True
                        break
                    data += piece
            except (OSError, termios.error):
                has_ended = True  # EIO: the terminal's window was closed
            text = self._decoder.decode(data, has_ended)
            return None if has_ended and not text else text

        def close(self) -> None:
            saved, self._saved = self._saved, None
            if saved is None or not self._in_foreground():
                return
            # With a flush: the rest of a paste must not reach the shell, which would run it as a command.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, saved)

        def _take_over(self) -> None:
            # Before each read as well: after Ctrl-Z, the shell that continues this process has set its own mode.
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
                return True  # the terminal of another session, which has no job control here


def raw_terminal(stdin: TextIO) -> RawTerminal:
    """Return the terminal behind `stdin`.

    :raises ValueError: `stdin` is not a terminal.
    """
    if not stdin.isatty():
        raise ValueError("The input is not a terminal.")
    if sys.platform == "win32":
        import msvcrt

        return ConsoleTerminal(msvcrt.kbhit, msvcrt.getwch)
    return PosixTerminal(stdin.fileno())
