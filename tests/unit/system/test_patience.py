"""The budget of a command for which a program waits: which pauses fit, and which end the command at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError
from urllib3.response import HTTPResponse

from azext_login.auth.storage.host_lock import HostLock
from azext_login.errors import LockHeldError, ServiceUnreachableError, StoreError
from azext_login.system.file_lock import FileLock
from azext_login.system.http.session import build_session
from azext_login.system.http.waiting import retry_request
from azext_login.system.patience import BUDGET, fits, limit_waits, longest_wait
from tests.harness.entries import entry_at
from tests.unit.system.lock_holder import lock_held

# Seconds after which azure-identity's AzureCliCredential stops the command.
CALLER_STOPS = 10.0
START_UP = 0.7


class Watch:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@contextmanager
def _command(watch: Watch, age: float = START_UP) -> Iterator[None]:
    with limit_waits(clock=watch, process_age=lambda: age + watch.now):
        yield


def _ask_a_busy_service(watch: Watch, *, demanded: str | None = None, status: int = 429, takes: float = 0.2) -> None:
    """Send a request with its retries, as urllib3 does, to a service that always gives the same answer."""
    adapter = build_session(sleep=watch.sleep).get_adapter("https://login.example")
    assert isinstance(adapter, HTTPAdapter)
    retry = adapter.max_retries
    response = HTTPResponse(status=status, headers={"Retry-After": demanded} if demanded else {})
    while True:
        watch.now += takes
        try:
            retry = retry.increment("POST", "/token", response)
        except MaxRetryError:
            return
        retry.sleep(response)


@pytest.mark.parametrize(
    ("status", "demanded", "without", "within"),
    [
        (429, "30", [30.0] * 3, []),
        (503, "7", [7.0] * 3, []),
        (503, "4", [4.0] * 3, [4.0]),
        (503, "1", [1.0] * 3, [1.0] * 3),
        (429, "31", [], []),
        (429, "3600", [], []),
    ],
)
def test_a_pause_that_does_not_fit_is_not_made(
    status: int, demanded: str, without: list[float], within: list[float]
) -> None:
    for limited, pauses in ((False, without), (True, within)):
        watch = Watch()
        with _command(watch) if limited else nullcontext():
            _ask_a_busy_service(watch, demanded=demanded, status=status)
        assert watch.waits == pauses
        assert not limited or START_UP + watch.now < BUDGET


@given(
    st.floats(0, 8),
    st.lists(st.one_of(st.none(), st.floats(0, 12), st.integers(0, 40)), min_size=1, max_size=4),
    st.floats(0, 0.9),
)
def test_whatever_services_demand_the_command_has_ended_before_its_caller_stops_it(
    age: float, demands: list[float | None], takes: float
) -> None:
    watch = Watch()
    with _command(watch, age):
        for demanded in demands:
            before = watch.now
            _ask_a_busy_service(watch, demanded=None if demanded is None else str(demanded), takes=takes)
            assert sum(watch.waits) == 0 or age + watch.now <= max(BUDGET, age + before + takes)


def test_a_slow_request_is_not_cut_short_but_nothing_is_added_to_it() -> None:
    watch = Watch()
    with _command(watch):
        _ask_a_busy_service(watch, takes=40)
    assert watch.now == 40
    assert watch.waits == []


def test_a_request_that_failed_is_not_repeated_after_the_budget() -> None:
    watch, attempts = Watch(), []

    def fail() -> None:
        attempts.append(watch.now)
        watch.now += 4
        raise ServiceUnreachableError("down")

    with _command(watch), pytest.raises(ServiceUnreachableError):
        retry_request(fail, attempts=9, sleep=watch.sleep, jitter=lambda: 0.5)
    assert len(attempts) == 2


def test_a_lock_is_waited_for_within_the_budget(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    with lock_held(lock), limit_waits(process_age=lambda: BUDGET - 0.4), pytest.raises(LockHeldError) as caught:
        FileLock(entry_at(lock), timeout=30).__enter__()
    assert "az login" not in str(caught.value)
    assert "for 0." in str(caught.value)


_HOST = """
import sys, time
from msal_extensions import CrossPlatLock
with CrossPlatLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def _held_by_the_host(path: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", _HOST, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.kill()


def test_the_lock_of_the_host_is_waited_for_within_the_budget(tmp_path: Path) -> None:
    lock = tmp_path / "msal_token_cache.json.lockfile"
    with (
        _held_by_the_host(lock),
        limit_waits(process_age=lambda: BUDGET - 0.4),
        pytest.raises(StoreError, match=r"Another process .* has held"),
        HostLock(entry_at(tmp_path / "msal_token_cache.json")),
    ):
        pass


@pytest.mark.parametrize(
    ("age", "left"),
    [(0.5, BUDGET - 0.5), (8.0, BUDGET - 8.0), (3600.0, BUDGET), (-5.0, BUDGET)],
    ids=["usual", "a slow start", "az interactive", "a clock that was set back"],
)
def test_the_budget_begins_with_the_process_unless_it_has_run_other_commands(age: float, left: float) -> None:
    with limit_waits(clock=lambda: 100.0, process_age=lambda: age):
        assert longest_wait(60) == pytest.approx(left)
        assert longest_wait(60, before_request=True) < left


def test_the_age_of_the_process_is_that_of_the_system() -> None:
    program = (
        "import time, psutil; time.sleep(0.3)\n"
        "from azext_login.system import patience\n"
        "began = time.monotonic()\n"
        "with patience.limit_waits():\n"
        "    left = patience.longest_wait(60)\n"
        "print(patience.BUDGET - left, time.time() - psutil.Process().create_time())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    age, expected = map(float, done.stdout.split())
    assert age > 0.3
    # psutil's boot time has whole seconds.
    assert age == pytest.approx(expected, abs=1.1)


@pytest.mark.parametrize("ask", [lambda: fits(1e6), lambda: longest_wait(1e6) == 1e6, lambda: longest_wait(0) == 0])
def test_other_commands_wait_as_long_as_they_need(ask: Callable[[], bool]) -> None:
    with limit_waits():
        pass
    assert ask()
