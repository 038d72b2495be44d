"""Trying again what failed for a reason that may pass, and giving up on what takes too long."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from azext_login.errors import (
    InteractionRequiredError,
    MalformedAnswerError,
    ServiceBusyError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
)
from azext_login.system.http.session import build_session
from azext_login.system.http.waiting import patiently, within

PASSING = ServiceUnreachableError("down"), MalformedAnswerError("cut short")


class _Service:
    """Fails `failures` times, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.requests = 0
        self._failures = failures
        self._error = error

    def ask(self) -> str:
        self.requests += 1
        if self.requests <= self._failures:
            raise self._error
        return "answer"


@given(st.integers(0, 8), st.integers(1, 5), st.sampled_from(PASSING), st.floats(0, 1))
def test_an_answer_comes_if_fewer_attempts_fail_than_are_made(
    failures: int, attempts: int, error: ServiceUnreachableError, jitter: float
) -> None:
    service = _Service(failures, error)
    pauses: list[float] = []
    if failures < attempts:
        assert patiently(service.ask, attempts=attempts, sleep=pauses.append, jitter=lambda: jitter) == "answer"
    else:
        with pytest.raises(type(error)):
            patiently(service.ask, attempts=attempts, sleep=pauses.append, jitter=lambda: jitter)
    assert service.requests == min(failures + 1, attempts)
    assert len(pauses) == service.requests - 1
    assert pauses == sorted(pauses), "each pause is longer than the one before"
    assert all(0.1 < pause < 15 for pause in pauses)


def test_without_a_thread_to_spare_an_attempt_is_made_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert within(1, lambda: "answer", service="the service") == "answer"


def test_two_that_failed_together_come_back_apart() -> None:
    pauses: list[float] = []
    for jitter in (0.0, 1.0):
        patiently(_Service(1, PASSING[0]).ask, sleep=pauses.append, jitter=lambda: jitter)  # noqa: B023  # used at once
    assert pauses[1] > pauses[0] * 1.5


@pytest.mark.parametrize(
    "error",
    [SignInError("no"), InteractionRequiredError("a second factor"), ServiceBusyError("busy"), ValueError("a bug")],
)
def test_what_does_not_pass_is_not_tried_again(error: Exception) -> None:
    service = _Service(1, error)
    with pytest.raises(type(error)):
        patiently(service.ask, sleep=lambda seconds: pytest.fail("nothing to wait for"))
    assert service.requests == 1


def test_only_the_failures_that_are_named_are_tried_again() -> None:
    service = _Service(1, PASSING[0])
    with pytest.raises(ServiceUnreachableError):
        patiently(service.ask, over=(MalformedAnswerError,), sleep=lambda seconds: None)
    assert service.requests == 1


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("2", 2),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("-1", 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
    ],
)
def test_a_pause_that_cannot_be_understood_is_no_reason_to_give_up(asked: str, seconds: float | None) -> None:
    adapter = build_session().get_adapter("https://example")
    assert isinstance(adapter, HTTPAdapter)
    retry = adapter.max_retries
    response = HTTPResponse(status=429, headers={"Retry-After": asked})
    assert retry.is_retry("GET", 429, has_retry_after=True)
    assert retry.get_retry_after(response) == seconds
    assert retry.increment("GET", "/", response).total


def test_what_comes_in_time_is_the_answer_or_the_error_as_it_is() -> None:
    assert within(60, lambda: "answer", service="the service") == "answer"
    with pytest.raises(ZeroDivisionError):
        within(60, lambda: 1 / 0, service="the service")


def test_what_takes_too_long_is_given_up_whatever_it_waits_for() -> None:
    never = threading.Event()
    for kind in (ServiceUnreachableError, ServiceSlowError):
        with pytest.raises(kind, match=r"The service did not answer within 0\.1 seconds"):
            within(0.1, never.wait, service="the service", error=kind)
    never.set()
