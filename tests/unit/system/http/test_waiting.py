"""Retries of what failed for a reason that may pass, and the limit of what takes too long."""

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
from azext_login.system.http.waiting import limit_time, retry_request

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
        assert retry_request(service.ask, attempts=attempts, sleep=pauses.append, jitter=lambda: jitter) == "answer"
    else:
        with pytest.raises(type(error)):
            retry_request(service.ask, attempts=attempts, sleep=pauses.append, jitter=lambda: jitter)
    assert service.requests == min(failures + 1, attempts)
    assert len(pauses) == service.requests - 1
    assert pauses == sorted(pauses), "each pause is longer than the one before"
    assert all(0.1 < pause < 15 for pause in pauses)


def test_without_another_thread_an_attempt_is_made_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert limit_time(1, lambda: "answer", service="the service") == "answer"


def test_two_processes_that_failed_together_do_not_retry_together() -> None:
    pauses: list[float] = []
    for jitter in (0.0, 1.0):
        retry_request(_Service(1, PASSING[0]).ask, sleep=pauses.append, jitter=lambda: jitter)  # noqa: B023  # used at once
    assert pauses[1] > pauses[0] * 1.5


@pytest.mark.parametrize(
    "error",
    [SignInError("no"), InteractionRequiredError("a second factor"), ServiceBusyError("busy"), ValueError("a bug")],
)
def test_a_final_failure_is_not_retried(error: Exception) -> None:
    service = _Service(1, error)
    with pytest.raises(type(error)):
        retry_request(service.ask, sleep=lambda seconds: pytest.fail("nothing to wait for"))
    assert service.requests == 1


def test_only_the_named_failures_are_retried() -> None:
    service = _Service(1, PASSING[0])
    with pytest.raises(ServiceUnreachableError):
        retry_request(service.ask, on=(MalformedAnswerError,), sleep=lambda seconds: None)
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
def test_an_invalid_pause_does_not_end_the_retries(asked: str, seconds: float | None) -> None:
    adapter = build_session().get_adapter("https://example")
    assert isinstance(adapter, HTTPAdapter)
    retry = adapter.max_retries
    response = HTTPResponse(status=429, headers={"Retry-After": asked})
    assert retry.is_retry("GET", 429, has_retry_after=True)
    assert retry.get_retry_after(response) == seconds
    assert retry.increment("GET", "/", response).total


def test_an_answer_or_error_in_time_is_passed_on() -> None:
    assert limit_time(60, lambda: "answer", service="the service") == "answer"
    with pytest.raises(ZeroDivisionError):
        limit_time(60, lambda: 1 / 0, service="the service")


def test_an_attempt_that_takes_too_long_is_an_error_whatever_it_waits_for() -> None:
    never = threading.Event()
    for kind in (ServiceUnreachableError, ServiceSlowError):
        with pytest.raises(kind, match=r"The service did not answer within 0\.1 seconds"):
            limit_time(0.1, never.wait, service="the service", error=kind)
    never.set()
