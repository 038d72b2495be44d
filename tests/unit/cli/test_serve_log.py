"""What `az account serve-tokens` reports of requests."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from azext_login.cli.serve_log import RequestLog, line_of
from azext_login.usecases.token_endpoint.endpoint import Served

VAULT = "https://vault.azure.net"


@pytest.mark.parametrize(
    ("served", "line"),
    [
        (Served(200, "job (7)", VAULT), f"Token endpoint: {VAULT}: 200, job (7)"),
        (Served(200, None, VAULT), f"Token endpoint: {VAULT}: 200"),
        (Served(200, None, VAULT, "It is stale."), f"Token endpoint: {VAULT}: 200: It is stale."),
        (Served(401, "job (7)", None, "It is wrong."), "Token endpoint: refused: 401, job (7): It is wrong."),
    ],
)
def test_each_request_is_one_line(caplog: pytest.LogCaptureFixture, served: Served, line: str) -> None:
    assert line_of(served) == line
    log = RequestLog()
    log.add(served)
    log.close()
    assert caplog.messages == [line]


def _counted(messages: list[str]) -> int:
    return sum(int(found[1]) for found in map(re.compile(r"(\d+) more requests were not").search, messages) if found)


def test_refusals_without_an_end_are_counted_and_tokens_are_not(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    log = RequestLog(clock=lambda: now)
    for number in range(50):
        log.add(Served(401, None, problem=f"first {number}"))
    log.add(Served(200, None, VAULT))
    now += 1
    log.add(Served(401, None, problem="later"))
    log.close()
    assert sum("first" in message for message in caplog.messages) == 10
    assert _counted(caplog.messages) == 40
    assert sum(VAULT in message for message in caplog.messages) == 1
    assert sum("later" in message for message in caplog.messages) == 1


def test_refusals_of_one_kind_hide_none_of_another(caplog: pytest.LogCaptureFixture) -> None:
    log = RequestLog(clock=lambda: 100.0)
    for _ in range(50):
        log.add(Served(401, None, problem="The secret is wrong."))
    log.add(Served(403, "job (7)", problem="The resource is not allowed."))
    log.add(Served(401, None, problem="The secret is wrong."))
    log.close()
    assert "Token endpoint: refused: 403, job (7): The resource is not allowed." in caplog.messages
    assert _counted(caplog.messages) == 41


class _Stuck(logging.Handler):
    """Standard error whose reader has stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        assert self.reads.wait(60)


@contextmanager
def _stuck() -> Iterator[_Stuck]:
    handler = _Stuck()
    logger = logging.getLogger("cli")
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        handler.reads.set()
        logger.removeHandler(handler)


def test_no_answer_waits_for_whoever_reads_the_report(caplog: pytest.LogCaptureFixture) -> None:
    with _stuck() as stderr:
        log = RequestLog()
        for _ in range(3000):
            log.add(Served(200, None, VAULT))
        stderr.reads.set()
        log.add(Served(200, None, VAULT))
        log.close()
    # Nothing is kept without a limit, and nothing is forgotten.
    assert _counted(caplog.messages) >= 1900
    assert sum(VAULT in message for message in caplog.messages) + _counted(caplog.messages) == 3001
