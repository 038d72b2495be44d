"""Runs targets with damaged samples, and judges what comes out: a result, or an error of ours that can be shown."""

from __future__ import annotations

import logging
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from azure.cli.core.azclierror import AzCLIError

from azext_login.system.patience import BUDGET, limit_waits
from tests.fuzz.mutate import Mutator, Unchanged
from tests.fuzz.place import Place, place

LIMIT = 10.0
"""Seconds for one input. Nearly all take under a hundredth; a busy computer makes some slower."""

LONGEST = 20_000
"""Characters of an error."""

MEMORY = 256
"""MB by which a process may grow over a share of the inputs."""

ACCEPTED = "accepted"


class RefusedError(Exception):
    """An input was refused in the way that the contract of the function names, and not with an error for users."""


@dataclass(frozen=True)
class Target:
    """A boundary: a function that reads what comes from outside."""

    name: str
    read: Callable[[Mutator, Place], object]
    """Reads one damaged sample. Returns if it was accepted, and raises AzCLIError or RefusedError if not."""
    share: int = 4
    """How many inputs it gets beside those of other targets: fewer for one that takes long."""
    quotes: bool = False
    """Whether its errors may repeat all of a text: one that the user or this extension itself wrote."""
    valid: str = ACCEPTED
    """What comes out of the valid sample: of a refusal, the error that explains it."""


@dataclass
class Tally:
    """What came out of a target's inputs."""

    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    grown: float = 0.0
    """MB by which the process grew."""
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what came out of further inputs."""
        self.inputs += other.inputs
        self.seconds += other.seconds
        self.slowest = max(self.slowest, other.slowest)
        self.grown = max(self.grown, other.grown)
        self.outcomes += other.outcomes
        self.failures += other.failures


class _TookTooLong(BaseException):
    """The time limit of an input. Not an Exception: nothing may handle it."""


class _UnprintableError(Exception):
    """An error or a warning is too long, or has characters that a terminal obeys, or that cannot be written."""


class _Judge(logging.Handler):
    """Formats what is logged, as the host does, and checks what a user would see of it."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING and not record.name.startswith("msal"):
            _check(text)


def run(target: Target, numbers: Iterable[int], seed: str) -> Tally:
    """Run a target with the inputs of these numbers.

    :param seed: with the same one, an input of a number is the same.
    """
    tally, began, memory = Tally(), time.monotonic(), _memory()
    with place() as here, _judged():
        for number in numbers:
            start = time.monotonic()
            outcome, trace = _outcome_of(target, Mutator(f"{seed}/{target.name}/{number}"), here)
            tally.slowest = max(tally.slowest, time.monotonic() - start)
            tally.inputs += 1
            tally.outcomes[outcome] += 1
            if trace:
                tally.failures.append(f"{target.name}, input {number}, seed {seed}: {outcome}\n{trace}")
    tally.seconds, tally.grown = time.monotonic() - began, _memory() - memory
    if tally.grown > MEMORY:
        tally.failures.append(f"{target.name}, seed {seed}: the process grew by {tally.grown:.0f} MB.")
    return tally


def read_valid(target: Target) -> str:
    """Return what comes out of the valid sample. It has to be `Target.valid`."""
    with place() as here, _judged():
        outcome, trace = _outcome_of(target, Unchanged(target.name), here)
    return f"{outcome}\n{trace}".strip()


def _outcome_of(target: Target, mutate: Mutator, here: Place) -> tuple[str, str]:
    """Return the outcome of an input, and where it arose if it must not arise."""
    here.clear()
    try:
        # A command whose time is used up does not pause before it repeats a request.
        with _time_limit(), limit_waits(process_age=lambda: BUDGET - 0.001):
            target.read(mutate, here)
    except AzCLIError as error:
        try:
            shown = "\n".join([str(error), *map(str, getattr(error, "recommendations", None) or ())])
            _check(shown)
            if len(shown) > LONGEST and not target.quotes:
                raise _UnprintableError(f"It has {len(shown)} characters: {shown[:500]!a}")
        except _UnprintableError:
            return "unprintable", traceback.format_exc(limit=-12)
        return type(error).__name__, ""
    except RefusedError:
        return "refused", ""
    except (Exception, _TookTooLong, SystemExit) as error:  # noqa: BLE001  # that is what is looked for
        return type(error).__name__, traceback.format_exc(limit=-12)[-6000:]
    return ACCEPTED, ""


def _check(text: str) -> None:
    """Check what a user would see."""
    for line in text.split("\n"):
        if any(
            (ord(char) < 32 and char != "\t") or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000
            for char in line
        ):
            raise _UnprintableError(ascii(line[:500]))


@contextmanager
def _time_limit() -> Iterator[None]:
    if sys.platform == "win32":
        raise NotImplementedError

    def stop(number: int, frame: Any) -> None:
        raise _TookTooLong(f"It took longer than {LIMIT:g} seconds.")

    handler = signal.signal(signal.SIGALRM, stop)
    # pytest-timeout has the same timer.
    left, _ = signal.setitimer(signal.ITIMER_REAL, LIMIT)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - began)))


@contextmanager
def _judged() -> Iterator[None]:
    """Let everything that is logged be formatted, and checked."""
    judge, loggers = _Judge(), [logging.getLogger(name) for name in ("cli", "msal")]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(judge)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
    try:
        with warnings.catch_warnings():
            # MSAL warns about sign-ins with a password.
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(judge)
            logger.setLevel(level)
            logger.propagate = propagate


def _memory() -> float:
    """Return the most memory that the process has had, in MB."""
    if sys.platform == "win32":
        raise NotImplementedError
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
