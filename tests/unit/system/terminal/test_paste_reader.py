"""Pasting into a real pseudo-terminal: long lines, control keys, cancelling, and the mode that it is left in."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, TextIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_login.system.terminal.line_editor import LineEditor
from azext_login.system.terminal.paste_reader import PasteReader

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
with contextlib.suppress(ImportError):  # on Windows
    import pty
    import termios


@dataclass
class Screen:
    """A pseudo-terminal: a user types on `keyboard`, the program reads `stdin` and has written `shown`."""

    keyboard: int
    stdin: TextIO
    shown: list[str] = field(default_factory=list)

    def type(self, text: str | bytes) -> None:
        """Type without waiting for the reader: a terminal takes a few KiB before it makes the writer wait."""
        data = text.encode() if isinstance(text, str) else text
        threading.Thread(target=self._write, args=(data,), daemon=True).start()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.keyboard, data[:512]) :]

    def close_window(self) -> None:
        if self.keyboard >= 0:
            os.close(self.keyboard)
            self.keyboard = -1

    def mode(self) -> list[Any]:
        if sys.platform == "win32":
            pytest.skip("a POSIX system is needed")
        return termios.tcgetattr(self.stdin.fileno())

    def reader(self) -> PasteReader:
        return PasteReader(self.stdin, write=self.shown.append)

    @property
    def text(self) -> str:
        return "".join(self.shown)


@pytest.fixture
def screen() -> Iterator[Screen]:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    keyboard, terminal = pty.openpty()
    with os.fdopen(terminal, "r") as stdin:
        screen = Screen(keyboard, stdin)
        yield screen
        screen.close_window()


def line(reader: PasteReader, seconds: float = 60) -> str | None:
    """Poll as the sign-in does, until a line is complete, the input has ended or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not reader.has_ended:
        if (text := reader.poll()) is not None:
            return text
        time.sleep(0.02)
    return None


ADDRESS = "http://localhost:40123/?code=" + "c" * 5940 + "&state=the-end"


@posix
@pytest.mark.parametrize("bracketed", [False, True])
def test_an_address_longer_than_a_line_of_the_kernel_arrives_whole(screen: Screen, bracketed: bool) -> None:
    with closing(screen.reader()) as reader:
        screen.type(f"\x1b[200~{ADDRESS}\x1b[201~\r" if bracketed else ADDRESS + "\r")
        assert line(reader) == ADDRESS
    assert len(ADDRESS) > 5900
    assert screen.text == "*" * 40 + f" ({len(ADDRESS)} characters)\n"


@posix
def test_nothing_of_what_is_typed_is_echoed(screen: Screen) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    with closing(screen.reader()) as reader:
        screen.type("code=secret\r")
        assert line(reader) == "code=secret"
        os.set_blocking(screen.keyboard, False)
        with pytest.raises(BlockingIOError):
            os.read(screen.keyboard, 100)
    assert screen.text == "*" * 11 + "\n"


@posix
def test_an_address_that_was_wrapped_when_it_was_copied_is_one_line(screen: Screen) -> None:
    wrapped = ADDRESS[:80] + "\n" + ADDRESS[80:160] + "\n" + ADDRESS[160:200]
    with closing(screen.reader()) as reader:
        screen.type(wrapped + "\n")
        assert line(reader) == wrapped
        screen.type(f"\x1b[200~{wrapped}\n\x1b[201~")
        assert line(reader, 0.3) is None, "a bracketed paste is not finished before Enter"
        screen.type("\r")
        assert line(reader) == wrapped


@posix
def test_lines_can_be_read_one_after_the_other(screen: Screen) -> None:
    with closing(screen.reader()) as reader:
        for text in ("first", "", "second"):
            screen.type(text + "\r")
            assert line(reader) == text


@posix
def test_closing_restores_the_terminal_and_discards_what_was_not_read(screen: Screen) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    before = screen.mode()
    reader = screen.reader()
    assert not screen.mode()[3] & (termios.ICANON | termios.ECHO)
    assert screen.mode()[3] & termios.ISIG
    for pending in (b"half an addr", b"ess; rm -rf /\n"):
        assert reader.poll() is None
        os.write(screen.keyboard, pending)
        assert select.select([screen.stdin], [], [], 5)[0]  # the kernel hands it over in its own time
    reader.close()
    reader.close()
    assert screen.mode() == before
    os.set_blocking(screen.stdin.fileno(), False)
    with pytest.raises(BlockingIOError):
        os.read(screen.stdin.fileno(), 100)
    assert reader.poll() is None


@posix
def test_an_exception_restores_the_terminal(screen: Screen) -> None:
    before = screen.mode()
    with pytest.raises(RuntimeError), closing(screen.reader()):
        raise RuntimeError
    assert screen.mode() == before


@posix
def test_a_mode_that_a_shell_has_set_meanwhile_is_taken_back(screen: Screen) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    before = screen.mode()
    with closing(screen.reader()) as reader:
        termios.tcsetattr(screen.stdin.fileno(), termios.TCSANOW, before)  # as a shell does after Ctrl-Z and fg
        assert reader.poll() is None
        assert not screen.mode()[3] & (termios.ICANON | termios.ECHO)


@posix
def test_polling_returns_at_once_and_leaves_no_thread(screen: Screen) -> None:
    # Threads of earlier tests may end meanwhile.
    threads = set(threading.enumerate())
    with closing(screen.reader()) as reader:
        for _ in range(50):
            assert reader.poll() is None
        assert set(threading.enumerate()) <= threads


@posix
def test_ctrl_d_ends_the_input(screen: Screen) -> None:
    with closing(screen.reader()) as reader:
        screen.type("\x04")
        assert line(reader) is None
        assert reader.has_ended


@posix
def test_ctrl_d_after_text_finishes_the_line(screen: Screen) -> None:
    with closing(screen.reader()) as reader:
        screen.type("abc\x04")
        assert line(reader) == "abc"
        assert not reader.has_ended


@posix
def test_a_closed_window_ends_the_input(screen: Screen) -> None:
    with closing(screen.reader()) as reader:
        screen.close_window()
        assert line(reader) is None
        assert reader.has_ended


@posix
@pytest.mark.parametrize("how", ["key", "signal", "exit"])
def test_the_terminal_of_a_real_session_is_restored(how: str) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    script = f"""
import fcntl, sys, termios, time
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from azext_login.system.terminal.paste_reader import PasteReader
reader = PasteReader(sys.stdin, write=lambda text: None)
try:
    print("ready", flush=True)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        reader.poll()
        if {how == "exit"!r}:
            sys.exit(3)
        time.sleep(0.02)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    keyboard, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        with subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=terminal,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if how == "key":
                os.write(keyboard, b"half\x03")
            elif how == "signal":
                process.send_signal(signal.SIGINT)
            assert process.stdout.read() == ("" if how == "exit" else "interrupted\n")
            assert process.wait(60) == (3 if how == "exit" else 0)
        assert termios.tcgetattr(terminal) == before
    finally:
        os.close(keyboard)
        os.close(terminal)


@posix
def test_a_background_job_is_not_stopped_and_leaves_the_terminal_alone() -> None:
    # The session leader starts a job in the background, as a shell does with "&", and reports whether it was stopped.
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    script = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
before = termios.tcgetattr(0)
if not (job := os.fork()):
    os.setpgid(0, 0)
    from azext_login.system.terminal.paste_reader import PasteReader
    reader = PasteReader(sys.stdin, write=print)
    assert reader.poll() is None
    assert not reader.has_ended
    assert termios.tcgetattr(0) == before
    reader.close()
    os._exit(0)
_, status = os.waitpid(job, os.WUNTRACED)
if os.WIFSTOPPED(status):
    os.kill(job, signal.SIGKILL)
print(status, flush=True)
"""
    keyboard, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdin=terminal,
            capture_output=True,
            text=True,
            env=environment,
            start_new_session=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_what_is_no_terminal_is_refused() -> None:
    with pytest.raises(ValueError, match="terminal"):
        PasteReader(io.StringIO("http://localhost"), write=print)


@dataclass
class Typist:
    """A line editor with a clock that stands still until it is told to go on."""

    now: float = 0.0
    shown: str = ""

    def __post_init__(self) -> None:
        self.editor = LineEditor(self._write, lambda: self.now)

    def _write(self, text: str) -> None:
        self.shown += text

    def line(self, *pieces: str) -> str | None:
        for piece in pieces:
            self.editor.feed(piece)
        self.now += 2
        return self.editor.take()


@pytest.mark.parametrize(
    "keys, expected",
    [
        ("abc\r", "abc"),
        ("abc\n", "abc"),
        ("abc\r\n", "abc"),
        ("abx\x7fc\r", "abc"),
        ("abx\x08c\r", "abc"),
        ("\x7f\x7fabc\r", "abc"),
        ("wrong\x15abc\r", "abc"),
        ("a\x1b[Db\x1b[1;5Cc\x1bOP\r", "abc"),
        ("\x1b[200~abc\x1b[201~\r", "abc"),
        ("\x1b[200~abc\r", "abc"),
        ("a\x1b\x1b[200~bc\r", "abc"),
        ("a\0b\x01c\x1f\r", "abc"),
        ("abc", None),
        ("\x1b[200~abc\n\x1b[201~", None),
    ],
)
def test_control_keys_do_what_they_do_in_a_terminal(keys: str, expected: str | None) -> None:
    assert Typist().line(keys) == expected
    assert Typist().line(*keys) == expected


@pytest.mark.parametrize("before", ["abc", "\x1b", "\x1b[", "\x1b[20", "\x1bO", "\x1b[200~abc", "\x1b[200~abc\x1b["])
def test_ctrl_c_as_a_character_interrupts_just_as_well(before: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        Typist().line(f"{before}\x03")


def test_stars_come_and_go_with_the_characters() -> None:
    typist = Typist()
    typist.editor.feed("abc\x7f")
    assert typist.shown == "**"
    typist.editor.feed("\x7f")
    assert typist.shown == "**\b \b"
    typist.editor.feed("x" * 100)
    assert typist.shown == "**\b \b" + "*" * 39


def test_more_than_any_address_is_not_kept() -> None:
    typist = Typist()
    text = typist.line("x" * 100_000, "\r")
    typist.editor.feed("y" * 100_000)
    assert text is not None
    assert len(text) == 64 * 1024 + 1


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab\r\n\x1b[]~20O\x7f\x15\x04 \u20ac"), max_size=60), st.integers(0, 60))
def test_how_the_keys_are_grouped_makes_no_difference_and_stars_are_all_that_is_shown(keys: str, cut: int) -> None:
    one, two = Typist(), Typist()
    assert one.line(keys) == two.line(keys[:cut], keys[cut:])
    assert re.fullmatch(r"[*\x08 \n]*( \(\d+ characters\)\n)?", one.shown)
