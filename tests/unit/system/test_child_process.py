"""A program that takes over: its exit code, its signals, and what it inherits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from azext_login.system.child_process import NotStartedError, run_child

if sys.platform == "win32":
    pytest.skip("signals and descriptors of POSIX systems", allow_module_level=True)

_RUN = """
import os, sys
from azext_login.system.child_process import run_child
sys.exit(run_child(sys.argv[1:], os.environ))
"""
# Reports each signal that it receives, until SIGTERM ends it.
_LISTENER = """
import signal, sys
for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, lambda number, frame: print(signal.Signals(number).name, flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


def _start(*words: str, **options: object) -> subprocess.Popen[str]:
    """Start a process that runs a program as its child."""
    command = [sys.executable, "-c", _RUN, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload, no-any-return, unused-ignore]


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.parametrize("code", [0, 1, 255])
def test_the_exit_code_is_that_of_the_program(code: int) -> None:
    assert run_child(["/bin/sh", "-c", f"exit {code}"], os.environ) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_exit_code_names_the_signal_that_ended_the_program(number: signal.Signals) -> None:
    assert run_child(["/bin/sh", "-c", f"kill -{number.value} $$"], os.environ) == 128 + number


def test_signals_are_passed_on_except_for_ctrl_c() -> None:
    with _start(sys.executable, "-c", _LISTENER) as process:
        assert _line(process) == "ready"
        # The terminal sends this one to both.
        process.send_signal(signal.SIGINT)
        for number in (signal.SIGHUP, signal.SIGUSR1):
            process.send_signal(number)
            assert _line(process) == number.name
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM


def test_ctrl_c_at_a_terminal_is_for_the_program() -> None:
    with _start(sys.executable, "-c", _LISTENER, start_new_session=True) as process:
        assert _line(process) == "ready"
        os.killpg(process.pid, signal.SIGINT)
        assert _line(process) == "SIGINT"
        process.terminate()


def test_what_this_process_ignores_is_ignored_by_the_program() -> None:
    ignoring = ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", sys.executable, "-c", _RUN]
    with subprocess.Popen([*ignoring, sys.executable, "-c", _LISTENER], stdout=subprocess.PIPE, text=True) as process:
        assert _line(process) == "ready"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR1)
        assert _line(process) == "SIGUSR1"
        process.terminate()


def test_handlers_are_restored() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    run_child(["/bin/sh", "-c", ":"], os.environ)
    with pytest.raises(NotStartedError):
        run_child(["/missing"], os.environ)
    assert [signal.getsignal(number) for number in numbers] == before


def test_an_open_file_is_inherited_if_it_is_named() -> None:
    reader, writer = os.pipe()
    show = f"test -e /dev/fd/{writer}"
    try:
        assert run_child(["/bin/sh", "-c", show], os.environ, inherits=[writer]) == 0
        assert run_child(["/bin/sh", "-c", show], os.environ) == 1
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("name", "code"), [("no-such-program", 127), ("./missing", 127), ("", 127), ("/", 126), ("a\0b", 126)]
)
def test_a_program_that_cannot_be_started_has_the_exit_code_of_a_shell(name: str, code: int) -> None:
    with pytest.raises(NotStartedError) as error:
        run_child([name], os.environ)
    assert error.value.exit_code == code


def test_a_text_file_is_not_a_program(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program", encoding="utf-8")
    for mode, problem in ((0o600, "may run"), (0o700, "format")):
        text.chmod(mode)
        with pytest.raises(NotStartedError, match=problem) as error:
            run_child([str(text)], os.environ)
        assert error.value.exit_code == 126
