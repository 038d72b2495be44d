"""One request for everybody who needs the same token: the others wait for it, and share its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from azure.cli.core.azclierror import AzCLIError
from knack.log import get_logger

from azext_login.errors import (
    InteractionRequiredError,
    LockHeldError,
    MalformedAnswerError,
    NotSignedInError,
    ServiceBusyError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
    StoreError,
    UnexpectedAnswerError,
)
from azext_login.system.file_lock import FileLock
from azext_login.system.files import open_regular, remove_if_present, remove_leftovers, write_atomically

logger = get_logger(__name__)

_FOLDER = "login_requests"

# Seconds to wait for somebody else's request. Longer than a request takes with three pauses of half a minute.
PATIENCE = 120.0

_REFUSALS = {kind.__name__: kind for kind in (InteractionRequiredError, SignInError)}
_FAILURES = {
    kind.__name__: kind
    for kind in (
        MalformedAnswerError,
        ServiceBusyError,
        ServiceSlowError,
        ServiceUnreachableError,
        UnexpectedAnswerError,
    )
}


@dataclass(frozen=True)
class Answer:
    """What a request got that wanted more than a valid token. The token itself is in the cache."""

    lifetime: float
    """Seconds that the token had when it came."""
    validity: float
    """Seconds that it was to live."""
    forced: bool
    """Whether it was to be a new one, whatever was cached."""


class SingleFlight:
    """A turn to ask, that one process has at a time.

    The lock is one of ours and is held across the request, which the host's never is. Where there can be no lock, for
    example in a directory that cannot be written, everybody asks.
    """

    def __init__(self, config_dir: Path, key: str, *, patience: float = PATIENCE):
        """:param key: what the answers are the same for.
        :param patience: seconds to wait for somebody else's request.
        """
        name = hashlib.sha256(key.encode("utf-8")).hexdigest()[:32]
        self._note = config_dir / _FOLDER / f"{name}.json"
        self._lock = FileLock(config_dir / _FOLDER / f"{name}.lock", timeout=patience)
        self._locked = False
        self.is_taken = False
        """Whether somebody else is still asking, after all our patience."""

    def __enter__(self) -> SingleFlight:
        try:
            self._lock.__enter__()
            self._locked = True
        except LockHeldError as error:
            self.is_taken = True
            logger.debug("Not waiting for others any longer: %s", error)
        except StoreError as error:
            logger.debug("Asking without waiting for others: %s", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._locked:
            self._lock.__exit__(kind, error, trace)

    def outcome_since(self, began: float, now: float) -> Answer | AzCLIError | None:
        """Return what somebody else's request has come to since `began`; None if there is nothing to know.

        Times are POSIX time in seconds. A note of a time to come is none: the clock was wrong when it was written.
        """
        try:
            with open(self._note, encoding="utf-8", opener=open_regular) as stream:
                note = json.load(stream)
            if not began <= float(note["at"]) <= now:
                return None
            if "answer" in note:
                found = note["answer"]
                return Answer(float(found["lifetime"]), float(found["validity"]), found["forced"] is True)
            kind, message, next_step = str(note["kind"]), str(note["message"]), note["next_step"]
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        if kind in _REFUSALS:
            return _REFUSALS[kind](message, next_step=next_step)
        return _FAILURES[kind](message, next_step) if kind in _FAILURES else None

    @contextmanager
    def noting_failure(self, clock: Callable[[], float]) -> Iterator[None]:
        """Leave a note of a failure for those who wait. A success takes an older note away."""
        try:
            yield
        except NotSignedInError:
            # The others find that out without a request, and whoever has just signed out is not to be named again.
            raise
        except AzCLIError as error:
            steps = [str(step) for step in getattr(error, "recommendations", None) or ()]
            kind, next_step = type(error).__name__, "\n".join(steps) or None
            self._leave({"at": clock(), "kind": kind, "message": str(error), "next_step": next_step})
            raise
        if self._locked and self._note.exists():
            try:
                remove_if_present(self._note)
            except StoreError as problem:
                logger.debug("An old note stays: %s", problem)

    def note_answer(self, answer: Answer, now: float) -> None:
        """Leave a note of what was got, for those who wait and want no less."""
        self._leave({"at": now, "answer": asdict(answer)})

    def _leave(self, note: dict[str, Any]) -> None:
        if not self._locked:
            return
        try:
            write_atomically(self._note, json.dumps(note).encode("utf-8"))
        except StoreError as problem:
            logger.debug("The outcome could not be noted for others: %s", problem)


def purge(config_dir: Path) -> None:
    """Delete the notes: those of failures may name people. The locks stay, and name nobody."""
    notes = config_dir / _FOLDER / "*.json"
    remove_leftovers(notes)
    for note in notes.parent.glob(notes.name):
        remove_if_present(note)
