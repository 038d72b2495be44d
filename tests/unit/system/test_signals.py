"""Signals that wait, that make a process exit, and that stop a block."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from azext_login.system.files import replace_after
from azext_login.system.signals import defer_signals, restore_on_signals, stop_on_signals
from tests.harness.entries import entry_at
from tests.unit.system.lock_holder import lock_held

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself these signals there")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Run other threads, to which the system may deliver a signal too."""
    ended = threading.Event()
    for _ in range(count):
        threading.Thread(target=ended.wait, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@contextmanager
def _handlers_restored() -> Iterator[None]:
    """Check that the block restores the handlers of signals."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


def _send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.2)


@pytest.mark.parametrize("others", [0, 3])
def test_ctrl_c_waits_until_a_file_is_replaced_whatever_threads_exist(tmp_path: Path, others: int) -> None:
    path, steps = tmp_path / "file", []

    def write() -> None:
        with defer_signals():
            with replace_after(entry_at(path), b"new"):
                _send(signal.SIGINT)
                steps.append("block")
            steps.append("after")

    with _handlers_restored(), _threads(others), pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"new"
    assert steps == ["block", "after"]


def test_ctrl_c_ends_the_wait_for_a_lock_before_anything_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write() -> None:
        with replace_after(entry_at(path), b"new"):
            os.kill(os.getpid(), signal.SIGINT)
            with FileLock(PrivateDirectory(tmp_path) / "lock", timeout=50):
                pass

    with lock_held(tmp_path / "lock"):
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            write()
        assert time.monotonic() - began < 40
    assert not path.exists()
    assert not list(tmp_path.glob(".file*"))


def test_sigterm_exits_with_the_code_of_a_shell_and_runs_finally() -> None:
    steps = []

    def work() -> None:
        with restore_on_signals(lambda: steps.append("restored")):
            try:
                _send(signal.SIGTERM)
            finally:
                steps.append("finally")

    with _handlers_restored(), pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == 128 + signal.SIGTERM
    assert steps == ["restored", "finally"]


_ENDING = (
    "SIGABRT", "SIGALRM", "SIGHUP", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSTKFLT", "SIGUSR1", "SIGUSR2",
    "SIGVTALRM", "SIGXCPU",
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in _ENDING if hasattr(signal, name)])
def test_a_signal_restores_first_and_then_ends_the_process_as_by_default(name: str) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    status, written = _status_of_child(getattr(signal, name), signal.SIG_DFL)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == getattr(signal, name)
    assert written == b"restored"


def test_an_ignored_signal_stays_ignored() -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    assert _status_of_child(signal.SIGHUP, signal.SIG_IGN) == (0, b"")


def _status_of_child(number: int, handler: signal.Handlers) -> tuple[int, bytes]:
    """Send a process a signal within `restore_on_signals`; return its wait status and what it restored."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    import resource

    reading, writing = os.pipe()
    if not (child := os.fork()):
        with contextlib.suppress(BaseException):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(number, handler)
            with restore_on_signals(lambda: os.write(writing, b"restored")):
                _send(number)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as restored:
        return os.waitpid(child, 0)[1], restored.read()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_stops_the_block_and_the_next_one_is_ignored(number: int) -> None:
    steps = []
    with _handlers_restored():
        with stop_on_signals() as is_signalled:
            assert not is_signalled()
            try:
                _send(number)
                steps.append("not stopped")
            finally:
                _send(number)
                steps.append("finally")
        assert is_signalled()
    assert steps == ["finally"]


def test_a_block_without_a_signal_is_not_stopped() -> None:
    with _handlers_restored():
        with stop_on_signals() as is_signalled:
            pass
        assert not is_signalled()


def test_a_signal_that_stops_a_block_waits_until_a_file_is_replaced(tmp_path: Path) -> None:
    path, steps = tmp_path / "file", []
    with _handlers_restored(), stop_on_signals(), restore_on_signals(lambda: None):
        with replace_after(entry_at(path), b"new"):
            _send(signal.SIGTERM)
        steps.append("not stopped")
    assert path.read_bytes() == b"new"
    assert steps == []


def test_in_another_thread_nothing_changes() -> None:
    handlers = []

    def work() -> None:
        with defer_signals(), restore_on_signals(lambda: None):
            handlers.extend([signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
