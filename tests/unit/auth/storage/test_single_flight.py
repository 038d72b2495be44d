"""One process sends the request, the others share its outcome: an answer through the cache, a failure in a record."""

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
    RefusalKind,
    ServiceBusyError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
)
from azext_login.system.directory import PrivateDirectory
from tests.harness.waiting import until
from tests.unit.windows import file_system as file_system

KEY = "alice, tenant, scope"

_Ask = Callable[[], str]


def _take_turn(folder: Path, ask: _Ask, *, key: str = KEY, clock: Callable[[], float] = time.time) -> str:
    """Do what a command does that misses an answer: look, and ask if no other process did. The answer is a file."""
    began, answer = clock(), folder / "answer"
    with open(folder / "began", "a", encoding="utf-8") as log:
        log.write("x")
    with SingleFlight(PrivateDirectory(folder), key) as turn:
        if answer.exists():
            return answer.read_text(encoding="utf-8")
        outcome = turn.outcome_since(began, clock())
        if isinstance(outcome, AzCLIError):
            raise outcome
        with turn.share_failure(clock):
            answer.write_text(ask(), encoding="utf-8")
        return answer.read_text(encoding="utf-8")


def _slow_answer(folder: Path, others: int) -> str:
    """Answer when so many have missed it."""
    with open(folder / "asked", "a", encoding="utf-8") as log:
        log.write("x")
    until(lambda: (folder / "began").stat().st_size >= others)
    return "the token"


def _in_process(folder: Path, results: Any) -> None:
    """Take a turn that succeeds, and one that fails, each with five other processes."""

    def fail() -> str:
        _slow_answer(folder / "fails", others=6)
        raise SignInError("The service refused.", next_step="az login")

    answer = _take_turn(folder / "answers", lambda: _slow_answer(folder / "answers", others=6))
    try:
        _take_turn(folder / "fails", fail)
    except SignInError as error:
        results.put((answer, f"{error}|{error.recommendations}"))
    else:
        results.put((answer, "no failure"))


def test_of_many_processes_one_asks_and_all_have_its_outcome(tmp_path: Path) -> None:
    for name in ("answers", "fails"):
        (tmp_path / name).mkdir()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_in_process, args=(tmp_path, results)) for _ in range(6)]
    for process in processes:
        process.start()
    outcomes = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert outcomes == {("the token", "The service refused.|['az login']")}
    for name in ("answers", "fails"):
        assert (tmp_path / name / "asked").read_text(encoding="utf-8") == "x"


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


def test_a_request_for_another_token_does_not_wait(tmp_path: Path) -> None:
    with SingleFlight(PrivateDirectory(tmp_path), KEY):
        # A process that waited would do so for two minutes.
        began = time.monotonic()
        assert _take_turn(tmp_path, lambda: "other", key="another scope") == "other"
    assert time.monotonic() - began < 60


# Failures

_ERRORS: list[AzCLIError] = [
    SignInError("It refused.", next_step="az login --tenant X"),
    SignInError("The account is locked.", next_step="az login", kind=RefusalKind.DISABLED),
    InteractionRequiredError("A second factor is needed.", next_step="az login"),
    InteractionRequiredError("Consent is missing.", next_step="az login", login=()),
    InteractionRequiredError("A policy.", next_step="az login", login=(("--tenant", ("X",)), ("--scope", ("a", "b")))),
    ServiceUnreachableError("No answer.", "Try later."),
    ServiceBusyError("Busy.", "Try later."),
    ServiceSlowError("No answer yet.", "Try later."),
    UnexpectedAnswerError("A strange answer.", "Check the cloud."),
    MalformedAnswerError("Half an answer.", "Check the proxy."),
]


@contextmanager
def _failing(folder: Path, error: AzCLIError, at: float) -> Iterator[None]:
    with (
        pytest.raises(type(error)),
        SingleFlight(PrivateDirectory(folder), KEY) as turn,
        turn.share_failure(lambda: at),
    ):
        raise error
    yield


@pytest.mark.parametrize("error", _ERRORS, ids=lambda error: type(error).__name__)
def test_a_process_that_waited_gets_the_same_error_with_the_same_advice(tmp_path: Path, error: AzCLIError) -> None:
    with _failing(tmp_path, error, at=100.5), SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        shared = turn.outcome_since(100.0, 101.0)
        assert isinstance(shared, AzCLIError)
        assert type(shared) is type(error)
        assert str(shared) == str(error)
        assert shared.recommendations == error.recommendations
        assert getattr(shared, "kind", None) == getattr(error, "kind", None)
        assert getattr(shared, "login", None) == getattr(error, "login", None)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only the superuser can change owners")
@pytest.mark.parametrize("record", _ERRORS[4:6], ids=str)
def test_what_another_user_may_have_recorded_is_not_shared(
    tmp_path: Path, record: AzCLIError, file_system: str
) -> None:
    if sys.platform == "win32" or file_system == "windows":
        pytest.skip("owners of POSIX systems")
    with _failing(tmp_path, record, at=100.5):
        (file,) = (tmp_path / "login_requests").glob("*.json")
    os.chown(file, 65534, 65534)
    with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        assert turn.outcome_since(100.0, 101.0) is not None
    os.chown(file.parent, 65534, 65534)
    with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        assert turn.outcome_since(100.0, 101.0) is None


@pytest.mark.parametrize(
    "login", [5, "az login", ["--tenant"], [["--tenant"]], [["--tenant", 1]], [5], {"--tenant": 1}]
)
def test_a_sign_in_that_is_not_a_list_of_options_is_left_out(tmp_path: Path, login: object) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (record,) = tmp_path.rglob("*.json")
        record.write_text(json.dumps({**json.loads(record.read_bytes()), "login": login}), encoding="utf-8")
        with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
            shared = turn.outcome_since(0.0, 1e12)
    assert isinstance(shared, SignInError)
    assert shared.login is None


@pytest.mark.parametrize("at", [99.9, 101.1, 1e12, float("nan")])
def test_an_earlier_failure_or_one_in_the_future_is_not_shared(tmp_path: Path, at: float) -> None:
    with _failing(tmp_path, _ERRORS[0], at=at), SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        assert turn.outcome_since(100.0, 101.0) is None


def test_a_process_that_waited_learns_what_was_requested_and_obtained(tmp_path: Path) -> None:
    answer = Answer(900.5, 7200.0, forced=True)
    with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        turn.share_answer(answer, 100.5)
    with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        assert turn.outcome_since(100.0, 101.0) == answer
        assert turn.outcome_since(100.6, 101.0) is None


def test_a_record_shows_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    with _failing(tmp_path, SignInError("one\x1b[2J\ntwo\r\x85", next_step="Run \x07it.\nThen that."), at=100.0):
        pass
    with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
        shared = turn.outcome_since(100.0, 101.0)
    assert isinstance(shared, SignInError)
    assert [str(shared), *shared.recommendations] == ["one[2J\ntwo ", "Run it.\nThen that."]


def test_a_failure_of_another_request_is_not_shared(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0), SingleFlight(PrivateDirectory(tmp_path), "another scope") as turn:
        assert turn.outcome_since(0.0, 1e12) is None


def test_an_error_of_one_command_only_is_not_shared(tmp_path: Path) -> None:
    with (
        _failing(tmp_path, AccountError("Two accounts."), at=100.0),
        SingleFlight(PrivateDirectory(tmp_path), KEY) as turn,
    ):
        assert turn.outcome_since(0.0, 1e12) is None


@pytest.mark.parametrize("error", [ZeroDivisionError(), NotSignedInError("alice has signed out.")], ids=repr)
def test_a_bug_or_a_missing_sign_in_is_not_recorded(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(type(error)),
        SingleFlight(PrivateDirectory(tmp_path), KEY) as turn,
        turn.share_failure(lambda: 100.0),
    ):
        raise error
    assert not list(tmp_path.rglob("*.json"))


def test_a_success_removes_the_record_of_an_earlier_failure(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (record,) = tmp_path.rglob("*.json")
        with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn, turn.share_failure(lambda: 101.0):
            pass
        assert not record.exists()


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
def test_an_unusable_record_is_ignored(tmp_path: Path, content: bytes) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (record,) = tmp_path.rglob("*.json")
        record.write_bytes(content)
        with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes of POSIX systems")
@pytest.mark.timeout(30)
def test_a_pipe_in_place_of_a_record_is_ignored(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (record,) = tmp_path.rglob("*.json")
        record.unlink()
        os.mkfifo(record)
        with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None


def test_an_old_record_that_cannot_be_deleted_is_no_failure(tmp_path: Path) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (record,) = tmp_path.rglob("*.json")
        record.unlink()
        record.mkdir()
        with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn, turn.share_failure(lambda: 101.0):
            pass


def test_after_its_patience_a_process_learns_that_another_one_has_the_turn(tmp_path: Path) -> None:
    with SingleFlight(PrivateDirectory(tmp_path), KEY) as first:
        with SingleFlight(PrivateDirectory(tmp_path), KEY, patience=0) as second:
            assert second.is_taken
        assert not first.is_taken


# The files


def test_records_and_locks_are_private_and_contain_no_user_name(tmp_path: Path, file_system: str) -> None:
    with _failing(tmp_path, _ERRORS[0], at=100.0):
        (folder,) = tmp_path.iterdir()
        # Windows has access lists instead of modes.
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 or file_system == "windows"
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert "alice" not in path.name
            assert "alice" not in path.read_text(encoding="utf-8")


def test_purging_removes_all_records(tmp_path: Path) -> None:
    with _failing(tmp_path, SignInError("alice may not", next_step="az login"), at=100.0):
        purge(PrivateDirectory(tmp_path))
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or "alice" not in path.read_text(encoding="utf-8")
        with SingleFlight(PrivateDirectory(tmp_path), KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None


def test_purging_an_empty_directory_does_nothing(tmp_path: Path) -> None:
    purge(PrivateDirectory(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("obstacle", ["a file", "a link to nowhere"])
def test_where_no_lock_is_possible_every_process_asks(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "azure"
    folder.mkdir()
    if obstacle == "a file":
        (folder / "login_requests").write_text("in the way", encoding="utf-8")
    else:
        (folder / "login_requests").symlink_to(tmp_path / "nowhere" / "at all")
    for _ in range(2):
        with SingleFlight(PrivateDirectory(folder), KEY) as turn:
            assert turn.outcome_since(0.0, 1e12) is None
            with turn.share_failure(lambda: 1.0):
                pass
    with (
        pytest.raises(SignInError, match="It refused"),
        SingleFlight(PrivateDirectory(folder), KEY) as turn,
        turn.share_failure(lambda: 1.0),
    ):
        raise SignInError("It refused.")


def test_a_turn_ends_with_its_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_die_in_turn, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    began = time.monotonic()
    assert _take_turn(tmp_path, lambda: "mine") == "mine"
    assert time.monotonic() - began < 60


def _die_in_turn(folder: Path) -> None:
    with SingleFlight(PrivateDirectory(folder), KEY):
        os._exit(9)
