"""What comes from outside is read or refused, whatever it is: a small part of `make fuzz`, always the same one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from azext_login.errors import StoreError, UnexpectedAnswerError
from tests.fuzz import run as run_module
from tests.fuzz.__main__ import shares
from tests.fuzz.mutate import Mutator, Unchanged, token_of
from tests.fuzz.place import Place
from tests.fuzz.run import RefusedError, Target, read_valid, run
from tests.fuzz.targets import TARGETS

_COUNT = 2000
_SHARES = shares(TARGETS, _COUNT)

each_target = pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])


@each_target
def test_the_valid_sample_is_accepted(target: Target) -> None:
    assert read_valid(target) == target.valid


@each_target
def test_a_damaged_sample_is_read_or_refused_with_an_error_of_ours(target: Target) -> None:
    tally = run(target, range(_SHARES[target.name]), "make test")
    assert not tally.failures, "\n\n".join(tally.failures)
    assert tally.inputs == _SHARES[target.name] > 0


def test_each_target_has_its_share_of_all_inputs() -> None:
    assert sum(_SHARES.values()) == _COUNT
    assert len(_SHARES) == len(TARGETS) >= 25


# That the runner fails where it has to.


def _raise(error: BaseException) -> Callable[[Mutator, Place], object]:
    def read(mutate: Mutator, here: Place) -> object:
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyError("x"),
        RecursionError(),
        MemoryError(),
        SystemExit(1),
        UnexpectedAnswerError("an escape sequence: \x1b[2J"),
        UnexpectedAnswerError("a carriage return: \r"),
        UnexpectedAnswerError("half of a character: \ud800"),
        StoreError("x", "Run \x07"),
        StoreError("x" * 100_000),
    ],
    ids=lambda error: repr(error)[:60],
)
def test_anything_but_an_error_that_can_be_shown_is_a_failure(error: BaseException) -> None:
    (failure,) = run(Target("x", _raise(error)), [7], "seed").failures
    assert failure.startswith("x, input 7, seed seed: ")
    assert "Traceback" in failure


@pytest.mark.parametrize("error", [UnexpectedAnswerError("two\nlines"), StoreError("ü ☃", "Run it."), RefusedError()])
def test_an_error_of_ours_is_none(error: BaseException) -> None:
    tally = run(Target("x", _raise(error)), range(3), "seed")
    assert (tally.inputs, tally.failures) == (3, [])


def test_a_warning_that_a_terminal_obeys_is_a_failure() -> None:
    def read(mutate: Mutator, here: Place) -> object:
        logging.getLogger("cli.x").warning("%s", "\x1b[2J")
        return None

    assert run(Target("x", read), [0], "seed").failures


def test_an_input_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(mutate: Mutator, here: Place) -> object:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            pass
        return None

    monkeypatch.setattr(run_module, "LIMIT", 0.05)
    tally = run(Target("x", read), [0], "seed")
    assert tally.failures
    assert tally.seconds < 30


def test_a_process_that_grows_too_much_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter((100, 100 + 300))
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=next(sizes) << 10))
    (failure,) = run(Target("x", lambda mutate, here: None), [0], "seed").failures
    assert "grew by 300 MB" in failure


# That samples are damaged, and in the same way with the same seed.

_SAMPLE: dict[str, Any] = {"a": [1, "two", {"three": None}], "b": "text", "c": {"d": True}}


def _made(mutate: Mutator) -> list[object]:
    return [
        mutate.json(_SAMPLE), repr(mutate.plain(_SAMPLE)), mutate.text("some text"), mutate.octets(b"some bytes"),
        mutate.token({"exp": 1}),
    ]  # fmt: skip


def test_the_same_seed_damages_a_sample_in_the_same_way() -> None:
    assert _made(Mutator("1")) == _made(Mutator("1"))
    assert len({tuple(_made(Mutator(str(seed)))) for seed in range(50)}) == 50


def test_the_valid_sample_is_not_damaged() -> None:
    unchanged = Unchanged("1")
    assert unchanged.plain(_SAMPLE) == _SAMPLE
    assert unchanged.token({"exp": 1}) == token_of({"exp": 1})
    assert (unchanged.text("a"), unchanged.octets(b"a"), unchanged.choose(3, 4)) == ("a", b"a", 3)
