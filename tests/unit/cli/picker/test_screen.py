"""Keys on the list, with a real prompt_toolkit on a pseudo-terminal in the test process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from azext_login.cli.picker.choices import ChoiceList, choices_of
from azext_login.cli.picker.screen import NoScreenError, choose_on_screen
from tests.unit.cli.picker.picker_rows import rows_of

_DOWN, _UP, _PAGE_DOWN, _PAGE_UP, _LEFT = "\x1b[B", "\x1b[A", "\x1b[6~", "\x1b[5~", "\x1b[D"
_HOME, _END, _F1, _TAB, _ENTER = "\x1b[H", "\x1b[F", "\x1bOP", "\t", "\r"
_BACKSPACE, _CTRL_U, _CTRL_W, _ALT_X, _ALT_BACKSPACE = "\x7f", "\x15", "\x17", "\x1bx", "\x1b\x7f"


class Keyboard:
    """The other end of a pseudo-terminal. Keys are pressed once the list is open."""

    def __init__(self, main: int, terminal: int, stdin: TextIO, output: TextIO) -> None:
        self._main = main
        self.terminal = terminal
        self.stdin = stdin
        self.output = output
        self.shown = b""
        self._keys = ""

    def press(self, *keys: str, names: int = 100, default: str | None = None) -> str:
        """Press keys on a list of 000, 001 and so on, and return the name that is taken."""
        rows = rows_of(*(f"{number:03d}" for number in range(names)), default=default)
        self._keys = "".join(keys)
        return choose_on_screen(ChoiceList(choices_of(rows)), stdin=self.stdin, screen=self.output).name

    def watch(self) -> None:
        """Read what is shown until the terminal is closed, and press the keys once the list is complete."""
        with contextlib.suppress(OSError):
            while shown := os.read(self._main, 65536):
                self.shown += shown
                if b"Enter: choose" in self.shown:
                    os.write(self._main, self._keys.encode())
                    self._keys = ""


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    """A terminal of 24 lines of 80 columns, in the mode that shells leave it in."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with open(terminal, encoding="utf-8") as stdin, open(os.dup(terminal), "w", encoding="utf-8") as output:
        opened = Keyboard(main, terminal, stdin, output)
        watching = threading.Thread(target=opened.watch)
        watching.start()
        yield opened
    watching.join(10)
    os.close(main)


@pytest.mark.parametrize(
    ("keys", "taken"),
    [
        ([_ENTER], "050"),
        (["\n"], "050"),
        ([_DOWN, _DOWN, _UP, _ENTER], "051"),
        ([_HOME, _UP, _ENTER], "000"),
        ([_END, _DOWN, _ENTER], "099"),
        ([_HOME, _PAGE_DOWN, _PAGE_DOWN, _PAGE_UP, _ENTER], "014"),
        (["7", _ENTER], "007"),
        (["07", _DOWN, _DOWN, _ENTER], "072"),
        (["08", _BACKSPACE, "3", _ENTER], "030"),
        (["99", _CTRL_U, _ENTER], "050"),
        (["09 99", _CTRL_W, "4", _ENTER], "094"),
        (["09 99", _ALT_BACKSPACE, "4", _ENTER], "094"),
        (["\x1b[200~02\n5\r\x1b[201~", _ENTER], "025"),
        ([_F1, _LEFT, _TAB, _ALT_X, "\x1b[1;3C", "\x01", "33", _ENTER], "033"),
        (["nothing has this name", _ENTER, _ENTER, _CTRL_U, "44", _ENTER], "044"),
    ],
)
def test_keys_do_what_they_say(keyboard: Keyboard, keys: list[str], taken: str) -> None:
    assert keyboard.press(*keys, default="050") == taken


@pytest.mark.parametrize(
    ("keys", "cancelled"),
    [
        *((["\x1b"], EOFError), (["\x1b\x1b"], EOFError), (["\x04"], EOFError), (["\x03"], KeyboardInterrupt)),
        *((["12", "\x1b"], EOFError), (["no match", "\x03", _ENTER], KeyboardInterrupt)),
    ],
    ids=repr,
)
def test_escape_ctrl_d_and_ctrl_c_take_nothing(
    keyboard: Keyboard, keys: list[str], cancelled: type[BaseException]
) -> None:
    with pytest.raises(cancelled):
        keyboard.press(*keys)


@pytest.mark.parametrize("keys", [[_ENTER], ["\x03"], ["\x1b"]], ids=repr)
def test_the_terminal_is_left_as_it_was(keyboard: Keyboard, keys: list[str]) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    before = termios.tcgetattr(keyboard.terminal)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        keyboard.press(*keys)
    assert termios.tcgetattr(keyboard.terminal) == before


def test_a_terminal_that_cannot_be_opened_is_reported_before_anything_is_shown(keyboard: Keyboard) -> None:
    class NotATerminal:
        def fileno(self) -> int:
            raise OSError("no such device")

        def isatty(self) -> bool:
            return True

    choices = ChoiceList(choices_of(rows_of("a")))
    with pytest.raises(NoScreenError, match="no such device"):
        choose_on_screen(choices, stdin=keyboard.stdin, screen=NotATerminal())  # type: ignore[arg-type]
    assert keyboard.shown == b""
