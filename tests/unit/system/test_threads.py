"""Calls in the background: their results, their errors, and a system that allows no more threads."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from azext_login.system.threads import BackgroundCall, iterate_ahead, start_thread


@pytest.fixture(params=["a thread", "no thread"])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the system allows a thread."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    if request.param == "no thread":
        monkeypatch.setattr(threading.Thread, "start", refuse)
    return bool(request.param == "a thread")


def test_a_call_returns_what_it_returned(threads: bool) -> None:
    call = BackgroundCall(lambda: "answer")
    assert call.wait(30)
    assert call.result() == "answer"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_a_call_raises_what_it_raised(threads: bool, error: BaseException) -> None:
    def fail() -> None:
        raise error

    call = BackgroundCall(fail)
    assert call.wait(30)
    with pytest.raises(type(error)):
        call.result()


def test_a_call_that_has_not_ended_has_no_result() -> None:
    release = threading.Event()
    call = BackgroundCall(release.wait)
    assert not call.wait(0.01)
    with pytest.raises(RuntimeError, match="has not ended"):
        call.result()
    release.set()
    assert call.wait(30)


def test_without_a_thread_the_work_is_left_to_the_caller(threads: bool) -> None:
    done = threading.Event()
    assert start_thread(done.set) is threads
    assert done.wait(30 if threads else 0) is threads


def test_items_are_read_ahead_and_returned_in_their_order(threads: bool) -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    assert list(iterate_ahead(items())) == list(range(100)) == read


def test_an_item_is_returned_before_the_next_one_is_there() -> None:
    gate = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert gate.wait(30)
        yield 2

    results = iterate_ahead(items())
    assert next(results) == 1
    gate.set()
    assert list(results) == [2]


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_an_error_comes_after_the_items_before_it(threads: bool, error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise error

    results = iterate_ahead(items())
    assert next(results) == 1
    with pytest.raises(type(error)):
        next(results)


@pytest.mark.parametrize(("seconds", "printed"), [(10.0, "finished"), (0.0, "")])
def test_a_process_waits_for_a_thread_at_its_exit_only_if_it_is_to(seconds: float, printed: str) -> None:
    program = f"""
import time
from azext_login.system.threads import start_thread

def work():
    time.sleep(0.5)
    print("finished", flush=True)

start_thread(work, wait_at_exit={seconds})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == printed
