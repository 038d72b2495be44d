"""One request for all processes that need the same token: the others wait for it and share its outcome."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any

from azext_login.errors import (
    InteractionRequiredError,
    LockHeldError,
    LoginWords,
    MalformedAnswerError,
    NotSignedInError,
    RefusalKind,
    ServiceBusyError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
    StoreError,
    UnexpectedAnswerError,
)
from azext_login.host_errors import AzCLIError
from azext_login.system import strict_json
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from azext_login.system.files import read_own_bytes, remove_directory, remove_if_present, write_atomically
from azext_login.system.log import get_logger
from azext_login.system.text import printable

logger = get_logger(__name__)

REQUESTS = "login_requests"
"""The directory of the locks and the records."""

# Seconds to wait for the request of another process. A request with three pauses of half a minute takes less.
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
    """What a request obtained that demanded more than a valid token. The token itself is in the cache."""

    lifetime: float
    """Seconds for which the token was valid when it arrived."""
    validity: float
    """Seconds for which the request demanded it to be valid."""
    forced: bool
    """Whether the request demanded a new token, whatever was cached."""


class SingleFlight:
    """A turn to send a token request, which one process has at a time.

    The lock is our own and is held during the request; the host's lock never is. Where no lock is possible, for
    example in a read-only directory, every process sends its request.
    """

    def __init__(self, config_dir: PrivateDirectory, key: str, *, patience: float = PATIENCE):
        """:param key: equal for requests that one answer serves.
        :param patience: seconds to wait for the request of another process.
        """
        name = hashlib.sha256(key.encode("utf-8")).hexdigest()[:32]
        folder = config_dir.subdirectory(REQUESTS)
        self._record_file = folder / f"{name}.json"
        self._lock = FileLock(folder / f"{name}.lock", timeout=patience)
        self._locked = False
        self.patience = patience
        """Seconds to wait for the request of another process."""
        self.is_taken = False
        """Whether another process still had the turn after `patience` seconds."""

    def __enter__(self) -> SingleFlight:
        try:
            self._lock.__enter__()
            self._locked = True
        except LockHeldError as error:
            self.is_taken = True
            logger.debug("No longer waiting for the other process: %s", error)
        except StoreError as error:
            logger.debug("Sending the request without a lock: %s", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._locked:
            self._lock.__exit__(kind, error, trace)

    def outcome_since(self, began: float, now: float) -> Answer | AzCLIError | None:
        """Return the outcome of another process's request since `began`; None if no outcome is recorded.

        Times are POSIX time in seconds. A record with a future time is ignored: the clock was wrong then. So is one
        that another user may have written, as with `sudo az`: it would name the `az login` that this user is offered.
        """
        try:
            record = json.loads(read_own_bytes(self._record_file))
            if not began <= float(record["at"]) <= now:
                return None
            if "answer" in record:
                found = record["answer"]
                return Answer(float(found["lifetime"]), float(found["validity"]), found["forced"] is True)
            kind, message, next_step = str(record["kind"]), _shown(record["message"]), record["next_step"]
            next_step = None if next_step is None else _shown(next_step)
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        if kind in _REFUSALS:
            return _REFUSALS[kind](message, next_step=next_step, kind=_reason_in(record), login=_login_in(record))
        return _FAILURES[kind](message, next_step) if kind in _FAILURES else None

    @contextmanager
    def share_failure(self, clock: Callable[[], float]) -> Iterator[None]:
        """Record a failure of the block for the processes that wait. A success removes an older record."""
        try:
            yield
        except NotSignedInError:
            # The others find that out without a request, and the record must not contain a user who has signed out.
            raise
        except AzCLIError as error:
            steps = [str(step) for step in getattr(error, "recommendations", None) or ()]
            kind, next_step = type(error).__name__, "\n".join(steps) or None
            record = {"at": clock(), "kind": kind, "message": str(error), "next_step": next_step}
            if isinstance(error, SignInError):
                record["reason"], record["login"] = error.kind.value, error.login
            self._record(record)
            raise
        if self._locked:
            try:
                remove_if_present(self._record_file)
            except StoreError as problem:
                logger.debug("An old record could not be removed: %s", problem)

    def share_answer(self, answer: Answer, now: float) -> None:
        """Record an answer for the processes that wait and demand no more than this one."""
        self._record({"at": now, "answer": asdict(answer)})

    def _record(self, record: dict[str, Any]) -> None:
        if not self._locked:
            return
        try:
            write_atomically(
                self._record_file, strict_json.dumps(record).encode("utf-8"), locked=not self._lock.is_missing
            )
        except StoreError as problem:
            logger.debug("The outcome could not be recorded for other processes: %s", problem)


def _shown(text: object) -> str:
    """Return a text with its lines, without what a terminal obeys. The service's words are in it."""
    return "\n".join(map(printable, str(text).split("\n")))


def _reason_in(record: Mapping[str, Any]) -> RefusalKind | None:
    """Return why the service refused; None for a record that states no reason that we know."""
    return next((kind for kind in RefusalKind if kind.value == record.get("reason")), None)


def _login_in(record: Mapping[str, Any]) -> LoginWords | None:
    """Return the options of the `az login` that helps; None for a record without them, or with other content."""
    found = record.get("login")
    try:
        return None if found is None else tuple((str(name), tuple(map(str, values))) for name, values in found)
    except (TypeError, ValueError):
        return None


def purge(config_dir: PrivateDirectory) -> None:
    """Delete the records: those of failures may contain user names. The locks contain none, and stay."""
    remove_directory(config_dir / REQUESTS, "*.json")
