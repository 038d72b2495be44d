"""Keys and streams of a Windows console, which is a stand-in: tests/harness/windows_console.py."""

from __future__ import annotations

import io

import pytest

from azext_login.cli.passwords import ask_for_secret, obtain_secret
from azext_login.errors import AccountError
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.terminal.paste_reader import PasteReader
from azext_login.system.terminal.raw_terminal import ConsoleTerminal, raw_terminal
from azext_login.system.terminal.streams import can_choose, is_terminal
from azext_login.system.terminal.terminal import StandardTerminal
from tests.harness.windows_console import ALT_F4, DELETE, F1, LEFT, UP, WindowsConsole, install

# What is pressed, and the text that it is.
_KEYS = [
    pytest.param(["a", "b", UP, "c", F1, "d"], "abcd", id="arrows and function keys"),
    pytest.param([UP, DELETE, ALT_F4], "", id="nothing else"),
    pytest.param(["\xe0"], "\xe0", id="the letter that begins an arrow"),
    pytest.param([*"voil\xe0 \xe0H"], "voil\xe0 \xe0H", id="the letter before others"),
    pytest.param(["\xe0", LEFT, "\xe0", "\xe0"], "\xe0\xe0\xe0", id="the letter beside the arrow"),
    pytest.param([LEFT, "K"], "K", id="an arrow before its own letter"),
]


class _Device(io.StringIO):
    """A stream whose `isatty` is true: a console, NUL, or one without a file."""

    def __init__(self, descriptor: int | None) -> None:
        super().__init__()
        self._descriptor = descriptor

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        if self._descriptor is None:
            raise io.UnsupportedOperation
        return self._descriptor


_CONSOLE, _NUL = _Device(0), _Device(1)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> WindowsConsole:
    console = install(monkeypatch)
    console.consoles = {0}
    return console


@pytest.mark.parametrize(("pressed", "text"), _KEYS)
def test_keys_are_read_without_waiting_and_codes_of_keys_without_a_character_are_dropped(
    console: WindowsConsole, pressed: list[str], text: str
) -> None:
    terminal = raw_terminal(_CONSOLE)
    assert terminal.read() == ""
    console.press(*pressed)
    assert terminal.read() == text
    assert not console.has_unread_keys


def test_the_rest_of_a_paste_is_discarded_at_the_end_and_ctrl_z_ends_the_input(console: WindowsConsole) -> None:
    terminal = ConsoleTerminal(console)
    console.press("a", "\x1a")
    assert terminal.read() == "a\x04"
    console.paste("the rest of a paste, voil\xe0\r")
    terminal.close()
    assert not console.has_unread_keys


def test_a_pasted_address_keeps_its_letters(console: WindowsConsole) -> None:
    shown: list[str] = []
    reader = PasteReader(_CONSOLE, write=shown.append, clock=iter(range(100)).__next__)
    console.paste("http://localhost/?d=\xe0\r")
    lines = [line for line in (reader.poll() for _ in range(3)) if line is not None]
    reader.close()
    assert lines == ["http://localhost/?d=\xe0"]


@pytest.mark.parametrize(("pressed", "text"), [case for case in _KEYS if case.id != "nothing else"])
def test_a_password_has_the_characters_that_were_typed_and_no_codes_of_keys(
    console: WindowsConsole, pressed: list[str], text: str
) -> None:
    console.press(*pressed, "\r")
    assert ask_for_secret("Passphrase: ", command=AZ_LOGIN) == text
    assert console.shown == "Passphrase: \r\n"


def test_backspace_and_ctrl_c_have_their_effect_in_a_password(console: WindowsConsole) -> None:
    console.press("x", "\b", "\b", "a", LEFT, "\xe0", "\b", "b", "\r")
    assert ask_for_secret(command=AZ_LOGIN) == "ab"
    console.press("a", "\x03", "b", "\r")
    with pytest.raises(KeyboardInterrupt):
        ask_for_secret(command=AZ_LOGIN)
    assert "a" not in console.shown.replace("Password: ", "")


def test_a_password_of_arrows_is_none(console: WindowsConsole) -> None:
    console.press(UP, LEFT, "\r")
    with pytest.raises(AccountError, match="Nothing was entered"):
        ask_for_secret(command=AZ_LOGIN)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (_CONSOLE, True),
        (_NUL, False),
        (_Device(-1), False),
        (_Device(None), True),
        (io.StringIO(), False),
        (None, False),
    ],
    ids=["a console", "NUL", "a closed file", "a stream of another program", "no device", "no stream"],
)
def test_only_a_console_is_a_terminal(console: WindowsConsole, stream: io.StringIO | None, expected: bool) -> None:
    assert is_terminal(stream) is expected


def test_nothing_is_asked_on_nul(console: WindowsConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _NUL)
    assert not can_choose()
    assert StandardTerminal().open_paste_reader() is None
    with pytest.raises(ValueError, match="not a terminal"):
        raw_terminal(_NUL)
    with pytest.raises(AccountError, match="non-interactive"):
        obtain_secret(None, command=Command(("az", "login")))
