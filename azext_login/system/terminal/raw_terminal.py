"""Reads single characters from the terminal as they are typed, without echo and without blocking."""

from __future__ import annotations

import sys
from typing import Any, Protocol, TextIO

from azext_login.system.terminal import streams
from azext_login.system.terminal.windows_console import Console, read_key, this_console

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

    def suspend(self) -> None:
        """Restore the terminal until it is opened or read again."""

    def close(self) -> None:
        """Restore the terminal for good: nothing takes it over again, and nothing is read. Idempotent."""


class ConsoleTerminal:
    """A Windows console. It does not echo the keys that are read in this way, and has no mode to set or restore."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def open(self) -> None:
        pass

    def read(self) -> str | None:
        keys: list[str] = []
        while len(keys) < _MAX_PER_READ and self._console.kbhit():
            key = read_key(self._console)
            keys.append("\x04" if key == "\x1a" else key)  # Ctrl-Z ends the input of a console
        return "".join(keys)

    def suspend(self) -> None:
        # The rest of a paste must not reach the shell, which would run it as a command.
        self.read()

    def close(self) -> None:
        self.suspend()


if sys.platform != "win32":
    import codecs
    import os
    import select
    import termios

    from azext_login.system.terminal.terminal_mode import TerminalMode, is_in_foreground

    _LOCAL_FLAGS = 3  # index in the list of tcgetattr, termios(3)
    _CONTROL_CHARACTERS = 6

    class PosixTerminal:
        """A terminal in non-canonical mode without echo. Its signals (Ctrl-C, Ctrl-Z) work as usual.

        In canonical mode the kernel cuts a line at 4096 bytes on Linux (N_TTY_BUF_SIZE) and 1024 on macOS (MAX_CANON).
        A redirect address with its code can be longer.
        """

        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor
            self._mode: TerminalMode | None = None
            self._is_closed = False
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def open(self) -> None:
            if not self._is_closed and is_in_foreground(self._descriptor):
                self._take_over()

        def read(self) -> str | None:
            if self._is_closed:
                return None
            if not is_in_foreground(self._descriptor):
                # The script that started this process may have ended, and its shell have kept our mode.
                self.suspend()
                return ""
            data = b""
            has_ended = False
            try:
                # Before each read as well: after Ctrl-Z, the shell that continues this process has set its own mode.
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

        def suspend(self) -> None:
            if self._mode is not None:
                self._mode.give_back()

        def close(self) -> None:
            self._is_closed = True
            self.suspend()

        def _take_over(self) -> None:
            # Found in the foreground only: in the background, the mode is that of another program.
            self._mode = self._mode or TerminalMode(self._descriptor)
            self._mode.take(_without_lines_and_echo)

        def _readable(self, seconds: float) -> bool:
            return bool(select.select([self._descriptor], [], [], seconds)[0])

    def _without_lines_and_echo(mode: list[Any]) -> None:
        unwanted = termios.ICANON | termios.ECHO | termios.IEXTEN
        if mode[_LOCAL_FLAGS] & unwanted:
            mode[_LOCAL_FLAGS] = mode[_LOCAL_FLAGS] & ~unwanted | termios.ISIG
            mode[_CONTROL_CHARACTERS][termios.VMIN] = 1
            mode[_CONTROL_CHARACTERS][termios.VTIME] = 0


def raw_terminal(stdin: TextIO) -> RawTerminal:
    """Return the terminal behind `stdin`.

    :raises ValueError: `stdin` is not a terminal.
    """
    if not streams.is_terminal(stdin):
        raise ValueError("The input is not a terminal.")
    if streams.is_windows:
        return ConsoleTerminal(this_console())
    if sys.platform != "win32":
        return PosixTerminal(stdin.fileno())
    raise ValueError("Windows has consoles only.")
