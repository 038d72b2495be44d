"""What a user at a terminal reads while a command waits."""

from __future__ import annotations

import io
import logging
import sys
import threading
from pathlib import Path

import pytest

from azext_login.system import pauses
from azext_login.system.file_lock import FileLock
from azext_login.system.threads import BackgroundCall, start_thread
from tests.harness.entries import entry_at
from tests.unit.system.lock_holder import lock_held


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def _shown(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines that are shown; with --only-show-errors, the host shows none of them."""
    return [record.getMessage() for record in log.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(30.0, "login.example is busy. The next attempt is in 30 seconds."), (4.2, "5 seconds."), (0.6, None)],
)
def test_a_pause_is_announced_on_a_terminal(
    seconds: float, line: str | None, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []
    for stream, expected in ((_Terminal(), line), (io.StringIO(), None), (None, None)):
        monkeypatch.setattr(sys, "stderr", stream)
        log.clear()
        pauses.pause(seconds, "login.example", sleep=slept.append)
        assert len(_shown(log)) == (expected is not None)
        assert not expected or _shown(log)[0].endswith(expected)
    assert slept == [seconds] * 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (3.5, "4 seconds"), (120.0, "120 seconds"), (121.0, "3 minutes"), (21600.0, "6 hours")],
)
def test_a_long_pause_is_named_in_units_that_a_user_can_imagine(seconds: float, words: str) -> None:
    assert pauses.describe(seconds) == words


def test_a_thread_of_a_search_announces_nothing(monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal())
    done = threading.Event()

    def search() -> None:
        pauses.announce("from a search")
        done.set()

    start_thread(search)
    assert done.wait(60)
    BackgroundCall(lambda: pauses.announce("beside a line of progress"), has_progress=True).wait(60)
    BackgroundCall(lambda: pauses.announce("for the main thread")).wait(60)
    assert _shown(log) == ["for the main thread"]


def test_the_holder_of_a_lock_is_named_while_we_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "stderr", _Terminal())
    lock, now = tmp_path / "some.lock", iter(range(1000))
    with lock_held(lock) as holder, pytest.raises(Exception, match=r"for 30 seconds"):
        FileLock(entry_at(lock), timeout=30, clock=lambda: float(next(now))).__enter__()
    (line,) = _shown(log)
    assert f"PID {holder.pid}" in line
    assert "some.lock" in line
