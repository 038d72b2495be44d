"""One asks, the others share: the answer through the cache, the failure through a note."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.storage.single_flight import Answer, SingleFlight, purge
from azext_login.errors import (
    AccountError,
    InteractionRequiredError,
    MalformedAnswerError,
    NotSignedInError,
    ServiceBusyError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
)
from tests.harness.waiting import until

KEY = "alice, tenant, scope"

_Ask = Callable[[], str]


def _take_turn(folder: Path, ask: _Ask, *, key: str = KEY, clock: Callable[[], float] = time.time) -> str:
    """Do what a command does that misses an answer: look, and ask if nobody else did. The answer is a file."""
    began, answer = clock(), folder / "answer"
    with open(folder / "began", "a", encoding="utf-8") as log:
        log.write("x")
    with SingleFlight(folder, key) as turn:
        if answer.exists():
            return answer.read_text(encoding="utf-8")
        outcome = turn.outcome_since(began, clock())
        if isinstance(outcome, AzCLIError):
            raise outcome
        with turn.noting_failure(clock):
            answer.write_text(ask(), encoding="utf-8")
        return answer.read_text(encoding="utf-8")


def _slow_answer(folder: Path, others: int) -> str:
    """Answer when so many have missed it."""
    with open(folder / "asked", "a", encoding="utf-8") as log:
        log.write("x")
    until(lambda: (folder / "began").stat().st_size >= others)
    return "the token"


def _in_process(folder: Path, fails: bool, results: Any) -> None:
    def ask() -> str:
        answer = _slow_answer(folder, others=6)
        if fails:
            raise SignInError("The service refused.", next_step="az login")
        return answer

    try:
        results.put(_take_turn(folder, ask))
    except SignInError as error:
        results.put(f"{error}|{error.recommendations}")


@pytest.mark.parametrize("fails", [False, True])
def test_of_many_processes_one_asks_and_all_have_its_outcome(tmp_path: Path, fails: bool) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_in_process, args=(tmp_path, fails, results)) for _ in range(6)]
    for process in processes:
        process.start()
    outcomes = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "x"
    assert outcomes == ({"The service refused.|['az login']"} if fails else {"the token"})


def test_of_many_threads_one_asks(tmp_path: Path) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(_take_turn(tmp_path, lambda: _slow_answer(tmp_path, 8))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["the token"] * 8
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "x"


def test_those_who_want_something_else_do_not_wait(tmp_path: Path) -> None:
    with SingleFlight(tmp_path, KEY):
        # Whoever waited would do so for two minutes.
        began = time.monotonic()
        assert _take_turn(tmp_path, lambda: "other", key="another scope") == "other"
    assert time.monotonic() - began < 60


# Failures

_ERRORS: list[AzCLIError] = [
    SignInError("It refused.", next_step="az login --tenant X"),
    InteractionRequiredError("A second factor is needed.", next_step="az login"),
    ServiceUnreachableError("No answer.", "Try later."),
    ServiceBusyError("Busy.", "Try later."),
    ServiceSlowError("No answer yet.", "Try later."),
    UnexpectedAnswerError("A strange answer.", "Check the cloud."),
    MalformedAnswerError("Half an answer.", "Check the proxy."),
]


@contextmanager
def _failing(folder: Path, error: AzCLIError, at: float) -> Iterator[None]:
    with pytest.raises(type(error)), SingleFlight(folder, KEY) as turn, turn.noting_failure(lambda: at):
        raise error
    yield


@pytest.mark.parametrize("error", _ERRORS, ids=lambda error: type(error).__name__)
def test_who_waited_hears_the_same_error_with_the_same_advice(tmp_path: Path, error: AzCLIError) -> None:
    with _failing(tmp_path, error, at=100.5), SingleFlight(tmp_path, KEY) as turn:
        heard = turn.outcome_since(100.0, 101.0)
        assert isinstance(heard, AzCLIError)
        assert type(heard) is type(error)
        assert str(heard) == str(error)
        assert heard.recommendations == error.recommendations


@pytest.mark.parametrize("at", [99.9, 101.1, 1e12, float("nan")])
def test_a_failure_from_before_or_from_a_time_to_come_is_not_shared(tmp_path: Path, at: float) -> None:
    with _failing(tmp_path, _ERRORS[0], at=at), SingleFlight(tmp_path, KEY) as turn:
        assert turn.outcome_since(100.0, 101.0) is None


def test_who_waited_hears_what_was_asked_for_and_got(tmp_path: Path) -> None:
    answer = Answer(900.5, 7200.0, forced=True)
    with SingleFlight(tmp_path, KEY) as turn:
        turn.note_answer(answer, 100.5)
    with SingleFlight(tmp_path, KEY) as turn:
        assert turn.outcome_since(100.0, 101.0) == answer
        assert turn.outcome_since(100.6, 101.0) is None


def test_a_failure_of_another_request_is_not_shared(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0), SingleFlight(tmp_path, "another scope") as turn:
        assert turn.outcome_since(0.0, 1e12) is None


def test_an_error_that_is_about_one_command_only_is_not_shared(tmp_path: Path) -> None:
    with _failing(tmp_path, AccountError("Two accounts."), at=100.0), SingleFlight(tmp_path, KEY) as turn:
        assert turn.outcome_since(0.0, 1e12) is None


@pytest.mark.parametrize("error", [ZeroDivisionError(), NotSignedInError("alice has signed out.")], ids=repr)
def test_an_error_of_a_program_or_of_somebody_who_has_signed_out_leaves_no_note(
    tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(type(error)), SingleFlight(tmp_path, KEY) as turn, turn.noting_failure(lambda: 100.0):
        raise error
    assert not list(tmp_path.rglob("*.json"))


def test_a_success_takes_the_note_of_an_earlier_failure_away(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (note,) = tmp_path.rglob("*.json")
        with SingleFlight(tmp_path, KEY) as turn, turn.noting_failure(lambda: 101.0):
            pass
        assert not note.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"at": "soon", "kind": "SignInError"}',
        b'{"at": 1e308, "kind": "Error"}',
        b'{"at": 1' + b"0" * 400 + b', "kind": "SignInError"}',
        b'{"at": 100, "answer": {"lifetime": 1' + b"0" * 400 + b', "validity": 1, "forced": true}}',
        b"[" * 100_000,
        b'{"at": 100, "answer": {"lifetime": 1}}',
        b'{"at": 100, "answer": []}',
    ]
    + [
        json.dumps({"at": 1e9, "kind": kind, "message": "m", "next_step": None}).encode()
        for kind in ("os", "Exception")
    ],
)
def test_a_note_that_cannot_be_used_is_none(tmp_path: Path, content: bytes) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (note,) = tmp_path.rglob("*.json")
        note.write_bytes(content)
        with SingleFlight(tmp_path, KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes of POSIX systems")
@pytest.mark.timeout(30)
def test_a_pipe_in_the_place_of_a_note_is_none(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (note,) = tmp_path.rglob("*.json")
        note.unlink()
        os.mkfifo(note)
        with SingleFlight(tmp_path, KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None


def test_an_old_note_that_cannot_be_deleted_is_no_failure(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (note,) = tmp_path.rglob("*.json")
        note.unlink()
        note.mkdir()
        with SingleFlight(tmp_path, KEY) as turn, turn.noting_failure(lambda: 101.0):
            pass


def test_who_does_not_want_to_wait_is_told_that_somebody_has_the_turn(tmp_path: Path) -> None:
    with SingleFlight(tmp_path, KEY) as first:
        with SingleFlight(tmp_path, KEY, patience=0.1) as second:
            assert second.is_taken
        assert not first.is_taken


# The files


def test_notes_and_locks_are_readable_by_their_owner_alone_and_name_nobody(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (folder,) = tmp_path.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert "alice" not in path.name
            assert "alice" not in path.read_text(encoding="utf-8")


def test_purging_takes_all_notes(tmp_path: Path) -> None:
    with _failing(tmp_path, SignInError("alice may not", next_step="az login"), at=100.0):
        purge(tmp_path)
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or "alice" not in path.read_text(encoding="utf-8")
        with SingleFlight(tmp_path, KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None


def test_purging_where_nothing_is_does_nothing(tmp_path: Path) -> None:
    purge(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("obstacle", ["a file", "a link to nowhere"])
def test_where_there_can_be_no_lock_everybody_asks(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "azure"
    folder.mkdir()
    if obstacle == "a file":
        (folder / "login_requests").write_text("in the way", encoding="utf-8")
    else:
        (folder / "login_requests").symlink_to(tmp_path / "nowhere" / "at all")
    for _ in range(2):
        with SingleFlight(folder, KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None
            with turn.noting_failure(lambda: 1.0):
                pass
    with (
        pytest.raises(SignInError, match="It refused"),
        SingleFlight(folder, KEY) as turn,
        turn.noting_failure(lambda: 1.0),
    ):
        raise SignInError("It refused.")


def test_a_turn_ends_with_the_process_that_had_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_die_in_turn, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    began = time.monotonic()
    assert _take_turn(tmp_path, lambda: "mine") == "mine"
    assert time.monotonic() - began < 60


def _die_in_turn(folder: Path) -> None:
    with SingleFlight(folder, KEY):
        os._exit(9)
