"""A Windows console: which streams are one, and the keys that are typed at it.

The functions are those of `msvcrt`, and of the Windows API where `msvcrt` lacks one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, TextIO, cast

# The first of the two characters of an arrow or a function key.
_PREFIXES = ("\0", "\xe0")


class Console(Protocol):
    """The part of `msvcrt` that reads keys. It shows none of them."""

    def kbhit(self) -> bool:
        """Tell whether a key was pressed that `getwch` has not returned any part of."""

    def getwch(self) -> str:
        """Wait for the next character."""

    def ungetwch(self, char: str, /) -> None:
        """Let `getwch` return a character next. An OSError means that another one is due already."""

    def putwch(self, char: str, /) -> None:
        """Show a character."""


def this_console() -> Console:
    """Return the console of this process."""
    return cast(Console, import_module("msvcrt"))


def is_console(stream: TextIO) -> bool:
    """Tell whether a stream whose `isatty` is true is a console. It is true for every device, and so for NUL."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        # A stream without a file, in the process of another program, which knows better.
        return True
    windows: Any = import_module("ctypes")
    try:
        handle = windows.c_void_p(import_module("msvcrt").get_osfhandle(descriptor))
    except OSError:
        return False
    # learn.microsoft.com/windows/console/getconsolemode: it fails for everything else.
    return bool(windows.windll.kernel32.GetConsoleMode(handle, windows.byref(windows.c_ulong())))


def read_key(console: Console) -> str:
    """Wait for a key, and return its character; "" for arrows and function keys, which have none.

    `getwch` returns two characters for them, and the first one can also be the letter à. The second one waits where
    `ungetwch` puts a character. `kbhit` does not look there, but there is room for one only.
    """
    character = console.getwch()
    if character not in _PREFIXES:
        return character
    try:
        console.ungetwch(character)
    except OSError:
        console.getwch()
        return ""
    return console.getwch()


def read_hidden_line(prompt: str, console: Console) -> str:
    """Show a prompt, and return the line that the user types, which is not shown.

    Python's `getpass` is the same, except that the codes of arrows and function keys become a part of its line.

    :raises KeyboardInterrupt: Ctrl-C was pressed.
    """
    _show(prompt, console)
    line = ""
    while (key := read_key(console)) not in ("\r", "\n"):
        if key == "\x03":
            raise KeyboardInterrupt
        line = line[:-1] if key == "\b" else line + key
    _show("\r\n", console)
    return line


def _show(text: str, console: Console) -> None:
    for character in text:
        console.putwch(character)
