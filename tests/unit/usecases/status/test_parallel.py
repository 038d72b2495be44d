"""Calls that run at the same time, each within a limit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from azext_login.usecases.status.parallel import run_all

_LONG = 30.0


@pytest.fixture
def hang() -> Callable[[], str]:
    """A call that does not return before the test is over."""
    event = threading.Event()

    def call() -> str:
        event.wait(_LONG)
        return "too late"

    return call


def test_the_results_are_in_the_order_of_the_calls() -> None:
    def call(number: int) -> int:
        time.sleep((5 - number) / 100)
        return number

    calls = [lambda number=number: call(number) for number in range(5)]
    assert run_all(calls, limit=_LONG, limit_of_all=_LONG) == [0, 1, 2, 3, 4]
    assert run_all([], limit=_LONG, limit_of_all=_LONG) == []


def test_an_error_that_a_call_returns_is_a_result() -> None:
    error = ValueError("a result")
    assert run_all([lambda: error], limit=_LONG, limit_of_all=_LONG) == [error]


def test_an_error_that_a_call_raises_is_raised() -> None:
    def call() -> None:
        raise ValueError("raised")

    with pytest.raises(ValueError, match="raised"):
        run_all([call], limit=_LONG, limit_of_all=_LONG)


def test_a_call_that_hangs_does_not_affect_the_others(hang: Callable[[], str]) -> None:
    began = time.monotonic()
    assert run_all([hang, lambda: "done", hang], limit=0.3, limit_of_all=_LONG) == [None, "done", None]
    assert time.monotonic() - began < _LONG / 2


def test_all_calls_together_have_a_limit(hang: Callable[[], str]) -> None:
    began = time.monotonic()
    # More than there are workers.
    assert run_all([hang] * 50, limit=_LONG, limit_of_all=0.3) == [None] * 50
    assert time.monotonic() - began < _LONG / 2
