"""One request for everybody who needs the same answer: the others wait for it, and share its failure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from azure.cli.core.azclierror import AzCLIError
from knack.log import get_logger

from .._files import FileLock, remove_if_present, sweep, write_atomically
from ..errors import (
    InteractionRequiredError,
    MalformedAnswerError,
    NotSignedInError,
    ServiceUnreachableError,
    SignInError,
    StoreError,
    UnexpectedAnswerError,
)

logger = get_logger(__name__)

_FOLDER = "login_requests"

# Seconds to wait for somebody else's request. Longer than a request with its retries takes.
_PATIENCE = 60.0

_REFUSALS = {kind.__name__: kind for kind in (InteractionRequiredError, NotSignedInError, SignInError)}
_FAILURES = {kind.__name__: kind for kind in (MalformedAnswerError, ServiceUnreachableError, UnexpectedAnswerError)}


class SingleFlight:
    """A turn to ask, that one process has at a time.

    The lock is one of ours and is held across the request, which the host's never is. Where there can be no lock, for
    example in a directory that cannot be written, everybody asks.
    """

    def __init__(self, config_dir: Path, key: str):
        """:param key: what the answers are the same for."""
        name = hashlib.sha256(key.encode("utf-8")).hexdigest()[:32]
        self._note = config_dir / _FOLDER / f"{name}.json"
        self._lock = FileLock(config_dir / _FOLDER / f"{name}.lock", timeout=_PATIENCE)
        self._locked = False

    def __enter__(self) -> SingleFlight:
        try:
            self._lock.__enter__()
            self._locked = True
        except StoreError as error:
            logger.debug("Asking without waiting for others: %s", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._locked:
            self._lock.__exit__(kind, error, trace)

    def raise_failure_since(self, began: float) -> None:
        """Raise what somebody else's request has failed with since `began` (POSIX time in seconds)."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            failed_at, kind = float(note["at"]), str(note["kind"])
            message, next_step = str(note["message"]), note["next_step"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        if failed_at < began:
            return
        if kind in _REFUSALS:
            raise _REFUSALS[kind](message, next_step=next_step)
        if kind in _FAILURES:
            raise _FAILURES[kind](message, next_step)

    @contextmanager
    def noting_failure(self, clock: Callable[[], float]) -> Iterator[None]:
        """Leave a note of a failure for those who wait."""
        try:
            yield
        except AzCLIError as error:
            if self._locked:
                self._leave(error, clock())
            raise
        if self._locked and self._note.exists():
            remove_if_present(self._note)

    def _leave(self, error: AzCLIError, now: float) -> None:
        steps = [str(step) for step in getattr(error, "recommendations", None) or ()]
        note = {
            "at": now,
            "kind": type(error).__name__,
            "message": str(error),
            "next_step": "\n".join(steps) or None,
        }
        try:
            write_atomically(self._note, json.dumps(note).encode("utf-8"))
        except StoreError as problem:
            logger.debug("The failure could not be noted for others: %s", problem)


def purge(config_dir: Path) -> None:
    """Delete the notes of failures: they may name people. The locks stay, and name nobody."""
    notes = config_dir / _FOLDER / "*.json"
    sweep(notes)
    for note in notes.parent.glob(notes.name):
        remove_if_present(note)
