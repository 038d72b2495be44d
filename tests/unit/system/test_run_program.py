"""Programs that run with limits. They are real: Python, in scripts of the test."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from azext_login.system.run_program import ProgramError, find_program, run_program

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="scripts with an interpreter in the first line")

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"


def python(code: str, *arguments: str) -> list[str]:
    """Return the words that run Python code."""
    return [sys.executable, "-c", code, *arguments]


def run(*words: str, seconds: float = 30, limit: int = 100_000) -> bytes:
    return run_program(words, seconds=seconds, limit=limit, environ=os.environ)


def problem(*words: str, seconds: float = 30, limit: int = 100_000) -> str:
    """Return the text of the error."""
    with pytest.raises(ProgramError) as caught:
        run(*words, seconds=seconds, limit=limit)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_program_gets_its_arguments_and_its_environment_as_they_are() -> None:
    arguments = ["a b", ";", "$HOME", "*", "", 'x"y', "é"]
    words = python("import os, sys; print(sys.argv[1:], os.environ['CANARY'])", *arguments)
    output = run_program(words, seconds=30, limit=1000, environ={"CANARY": "1 2", "PYTHONUTF8": "1"})
    assert output.decode() == f"{arguments} 1 2\n"


def test_a_program_is_found_on_the_path_of_its_environment(tmp_path: Path) -> None:
    tool = tmp_path / "get-token"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o700)
    assert run_program(["get-token"], seconds=30, limit=100, environ={"PATH": str(tmp_path)}) == b"found\n"
    assert "was not found" in problem("get-token")


def test_a_program_is_not_looked_for_in_the_current_directory_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "here", tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
    for folder in (tmp_path / "here", tmp_path / "second"):
        (folder / "get-token").touch(0o700)
    monkeypatch.chdir(tmp_path / "here")
    path = os.pathsep.join(["", ".", str(tmp_path / "first"), str(tmp_path / "second")])
    assert find_program("get-token", {"PATH": path}, "win32") == str(tmp_path / "second" / "get-token")
    for program in ("./get-token", str(tmp_path / "here" / "get-token")):
        assert find_program(program, {}, "win32") == program
    with pytest.raises(FileNotFoundError):
        find_program("get-token", {"PATH": "."}, "win32")


@pytest.fixture
def typed() -> Iterator[None]:
    """Standard input of this process has something to read."""
    read, write = os.pipe()
    os.write(write, b"typed by a user")
    os.close(write)
    before = os.dup(0)
    os.dup2(read, 0)
    yield
    os.dup2(before, 0)
    os.close(before)
    os.close(read)


@pytest.mark.usefixtures("typed")
def test_a_program_has_no_standard_input_and_no_terminal() -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.getsid(0) == os.getpid())"
    assert run(*python(code)) == b"'' True\n"


def test_bytes_of_every_value_arrive() -> None:
    assert run(*python("import sys; sys.stdout.buffer.write(bytes(range(256)) * 300)")) == bytes(range(256)) * 300


def test_what_a_program_that_succeeds_prints_on_standard_error_does_not_matter(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(*python("import sys; sys.stderr.write('a' * 1_000_000); print('result')")) == b"result\n"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size, fits", [(4096, True), (4097, False)])
def test_output_up_to_the_limit_is_accepted(size: int, fits: bool) -> None:
    words = python(f"print('a' * {size}, end='')")
    if fits:
        assert run(*words, limit=4096) == b"a" * size
    else:
        assert "wrote more than 4 KB" in problem(*words, limit=4096)


def test_an_endless_output_is_not_read_to_the_end() -> None:
    began = time.monotonic()
    assert "wrote more than" in problem(*python("while True: print('a' * 1000)"))
    assert time.monotonic() - began < 20


def children(write_to: Path) -> str:
    """Return code that starts a child, which outlives the limit, and records both numbers."""
    return (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(write_to)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
    )


def is_running(number: int) -> bool:
    try:
        return bool(psutil.Process(number).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    "then", ["time.sleep(60)", "while True: print('a' * 1000)", ""], ids=["waits", "writes", "exits"]
)
def test_beyond_a_limit_a_program_ends_with_the_processes_that_it_started(tmp_path: Path, then: str) -> None:
    record = tmp_path / "processes"
    assert "It printed" not in problem(*python(children(record) + then), seconds=2, limit=50_000)
    numbers = [int(number) for number in record.read_text().split()]
    assert len(numbers) == 2
    deadline = time.monotonic() + 10
    while any(map(is_running, numbers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_limit_of_time_is_in_the_error() -> None:
    began = time.monotonic()
    assert "did not end within 0.5 seconds" in problem(*python("import time; time.sleep(60)"), seconds=0.5)
    assert time.monotonic() - began < 10


def test_a_program_that_closes_its_output_and_goes_on_is_stopped_too() -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    assert "did not end within 1 seconds" in problem(*python(code), seconds=1)


def test_ctrl_c_ends_the_program(tmp_path: Path) -> None:
    record = tmp_path / "processes"

    def press() -> None:
        while not record.exists() or not record.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        run(*python(children(record) + "time.sleep(60)"))
    assert not is_running(int(record.read_text().split()[0]))


def test_a_program_that_no_caller_waits_for_ends_with_this_process(tmp_path: Path) -> None:
    record = tmp_path / "processes"
    code = (
        "import os, sys, threading, time\n"
        "from azext_login.system.run_program import run_program\n"
        f"words = [sys.executable, '-c', {children(record) + 'time.sleep(60)'!r}]\n"
        "call = lambda: run_program(words, seconds=60, limit=1000, environ=os.environ)\n"
        "threading.Thread(target=call, daemon=True).start()\n"
        f"while not os.path.exists({str(record)!r}) or not os.path.getsize({str(record)!r}): time.sleep(0.02)\n"
    )
    run(*python(code))
    numbers = [int(number) for number in record.read_text().split()]
    deadline = time.monotonic() + 10
    while any(map(is_running, numbers)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_exit_code_and_the_signal_are_in_the_error() -> None:
    assert problem(*python("raise SystemExit(7)")) == "exited with code 7."
    assert problem(*python("import os; os.kill(os.getpid(), 15)")) == "was ended by signal 15."


def broken(folder: Path, content: str, mode: int) -> str:
    path = folder / "tool"
    path.write_text(content)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda folder: str(folder / "tool"), "was not found"),
        (lambda folder: broken(folder, "#!/nowhere/sh\n", 0o700), "the interpreter that it needs was not found"),
        (lambda folder: broken(folder, "#!/bin/sh\n", 0o600), "may not be run by this user"),
        (str, "may not be run by this user"),
        (lambda folder: broken(folder, "echo no first line", 0o700), "could not be started: Exec format error"),
        (lambda folder: "a\0b", "no program can receive these arguments"),
        (lambda folder: "\ud800", "no program can receive these arguments"),
    ],
    ids=["missing", "no interpreter", "no right", "a directory", "no format", "NUL", "half a character"],
)
def test_a_program_that_cannot_be_started_is_explained(tmp_path: Path, make: Callable[[Path], str], says: str) -> None:
    assert says in problem(make(tmp_path))


@pytest.mark.parametrize(
    "written, shown",
    [
        ("no such service\n", "no such service"),
        ("first\n\n  second\tline\r\n", "first second line"),
        ("\x1b[31mred\x07 \u202ebidi\n\x1b]0;title\x07", "red bidi ]0;title"),
        (f"token {TOKEN} refused", "token *** refused"),
        (f"\x1b[1m{TOKEN}\x1b[0m", "***"),
        (f"token={TOKEN}&x=1", "token=***&x=1"),
        (f"\x1bm{TOKEN[:20]}\u200b{TOKEN[20:]}", "m***"),
        (f"'{TOKEN[:30]}", "'***"),
        ("id 00000000-0000-0000-0000-00000000e3b0", "id 00000000-0000-0000-0000-00000000e3b0"),
    ],
)
def test_what_a_program_that_fails_prints_is_shown_on_one_line_without_tokens(written: str, shown: str) -> None:
    code = f"import sys; sys.stderr.buffer.write({written!r}.encode('utf-8', 'surrogatepass')); sys.exit(1)"
    assert problem(*python(code)) == f"exited with code 1. It printed: {shown}"


def test_only_the_end_of_a_long_message_is_shown() -> None:
    shown = problem(*python("import sys; sys.stderr.write('word ' * 100_000 + 'the cause'); sys.exit(1)"))
    assert shown.endswith("word the cause")
    assert len(shown) < 600


@pytest.mark.parametrize("length", range(1, len(TOKEN), 9))
def test_a_token_of_which_only_the_end_is_kept_is_not_shown(length: int) -> None:
    """The end of a long message is kept, which may begin anywhere in a token."""
    code = f"import sys; sys.stderr.write({TOKEN!r} * 1000 + ' ' + 'b' * {length}); sys.exit(1)"
    assert problem(*python(code)) == f"exited with code 1. It printed: {'b' * length}"
