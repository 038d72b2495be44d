"""A Windows console for tests: what the extension calls of `msvcrt` and of the Windows API, with their traps.

* An arrow or a function key is two characters, the first of which may also be a letter.
* `kbhit` does not see the second one, which waits where `ungetwch` puts a character. There is room for one.
* Only a console has a mode, while `isatty` is true for every device.
"""

from __future__ import annotations

import ctypes
import sys
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from azext_login.system.terminal import streams

LEFT, UP, DELETE = "\xe0K", "\xe0H", "\xe0S"
F1, ALT_F4 = "\0;", "\0k"


class WindowsConsole:
    """A console, and the part of `msvcrt` that reads it."""

    def __init__(self) -> None:
        self.shown = ""
        self.consoles: set[int] = set()
        """File descriptors of the streams that are the console."""
        self._pressed: list[str] = []
        self._pushed_back: str | None = None

    def press(self, *keys: str) -> None:
        """Press keys: each is a character, or the two of an arrow or a function key."""
        self._pressed += keys

    def paste(self, text: str) -> None:
        """Paste text, which a program receives as keys."""
        self.press(*text)

    @property
    def has_unread_keys(self) -> bool:
        return bool(self._pressed) or self._pushed_back is not None

    # What follows is `msvcrt`.

    def kbhit(self) -> bool:
        return bool(self._pressed)

    def getwch(self) -> str:
        if self._pushed_back is not None:
            character, self._pushed_back = self._pushed_back, None
            return character
        assert self._pressed, "waits for a key"
        key = self._pressed.pop(0)
        self._pushed_back = key[1:] or None
        return key[0]

    def ungetwch(self, character: str, /) -> None:
        if self._pushed_back is not None:
            raise OSError
        self._pushed_back = character

    def putwch(self, character: str, /) -> None:
        self.shown += character

    def get_osfhandle(self, descriptor: int) -> int:
        if descriptor < 0:
            raise OSError
        return descriptor + 1000

    # And this is kernel32.dll.

    def GetConsoleMode(self, handle: Any, mode: Any) -> int:  # noqa: N802  # its name there
        return int(handle.value - 1000 in self.consoles)


def install(monkeypatch: pytest.MonkeyPatch) -> WindowsConsole:
    """Give this process a console until the end of a test."""
    console = WindowsConsole()
    monkeypatch.setitem(sys.modules, "msvcrt", cast(ModuleType, console))
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=console), raising=False)
    monkeypatch.setattr(streams, "is_windows", True)
    return console
