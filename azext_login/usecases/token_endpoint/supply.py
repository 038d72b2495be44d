"""Tokens of one account for many callers: kept in memory, and requested once for all that wait."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azext_login.auth.credential import FRESH_FOR, AccessToken
from azext_login.errors import NotSignedInError, ServiceSlowError
from azext_login.host_errors import AzCLIError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.log import get_logger
from azext_login.system.text import printable
from azext_login.system.threads import start_thread
from azext_login.usecases.get_token import TokenOutcome, TokenRequest, get_token

if TYPE_CHECKING:
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# Whoever signs an account out, or replaces its tokens, changes one of these.
_FILES = (
    "azureProfile.json", "msal_token_cache.json", "msal_token_cache.bin",
    "service_principal_entries.json", "service_principal_entries.bin",
)  # fmt: skip

_FAILURE_SECONDS = 5.0
"""For how long a failure is the answer to everybody. Clients repeat a request after a second."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True)
class Outcome:
    """A token, or why there is none."""

    token: AccessToken | None = None
    failure: Exception | None = None
    """Why there is no token; or why `token` could not be renewed, and is used as long as it is valid."""


@dataclass(eq=False)
class PendingOutcome:
    """The outcome of a request that another thread is making."""

    outcome: Outcome | None = None
    """None until the request has ended."""


@dataclass(frozen=True)
class _Kept:
    outcome: Outcome
    until: float
    """POSIX time in seconds."""
    stamp: _Stamp


class TokenSupply:
    """The tokens of the account of one row.

    The account stays the same, whatever `az account set` makes active. A token in memory counts as long as nothing has
    changed in the files that name the account and hold its tokens; after that, the account is looked up again.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        row: SubscriptionRow,
        *,
        tenant: str | None = None,
        on_outcome: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
        request_token: Callable[..., TokenOutcome] = get_token,
    ) -> None:
        """:param sessions: as many requests as sessions are made at the same time.
        :param tenant: GUID or domain; None for the tenant of the row.
        :param on_outcome: called in another thread when a request has ended.
        :param request_token: as `get_token`.
        """
        self._row = row
        self._tenant = tenant
        self.on_outcome = on_outcome
        self._clock = clock
        self._request_token = request_token
        self._cloud = sessions[0].settings.cloud
        self._directory = sessions[0].config_dir
        self._sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in sessions:
            self._sessions.put(session)
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._pending: dict[str, PendingOutcome] = {}

    def ask(self, resource: str) -> Outcome | PendingOutcome:
        """Return the outcome for a resource, or a pending one that all callers share. Does not block.

        :param resource: one of a limited number: what is obtained stays in memory.
        """
        with self._lock:
            kept = self._kept.get(resource)
            if kept is not None and self._clock() < kept.until and kept.stamp == self._stamp():
                return kept.outcome
            pending = self._pending.get(resource)
            if pending is not None:
                return pending
            pending = self._pending[resource] = PendingOutcome()
        if not start_thread(lambda: self._obtain(resource, pending)):
            self._end(resource, pending, None, Outcome(failure=ServiceSlowError("The system allows no more threads.")))
        return pending

    def _obtain(self, resource: str, pending: PendingOutcome) -> None:
        session = self._sessions.get()
        # Before the request: a sign-out during it must not count as seen.
        stamp = self._stamp()
        outcome = Outcome(failure=RuntimeError())
        try:
            outcome = self._request(session, resource)
        except AzCLIError as error:
            outcome = Outcome(failure=error)
        except Exception as error:  # the program goes on, and gets an answer
            logger.debug("A token could not be obtained", exc_info=error)
            outcome = Outcome(failure=error)
        finally:
            self._sessions.put(session)
            self._end(resource, pending, stamp, outcome)

    def _request(self, session: Session, resource: str) -> Outcome:
        self._require_sign_in(session)
        scopes = [resource + "/.default"]
        request = TokenRequest(scopes=scopes, tenant=self._tenant, advised_scopes=scopes)
        with ExitStack() as afterwards, session.hold_events(afterwards):
            found = self._request_token(session, self._row, request, clock=self._clock)
        return Outcome(found.token, found.renewal_failure)

    def _require_sign_in(self, session: Session) -> None:
        key = account_of(self._row).key
        rows = rules.in_cloud(session.state().all_rows(), self._cloud)
        if all(account_of(row).key != key for row in rows):
            label = printable(account_of(self._row).label)
            raise NotSignedInError(
                f"'{label}' has signed out.", next_step="Sign in again with `az login`, and start the command again."
            )

    def _end(self, resource: str, pending: PendingOutcome, stamp: _Stamp | None, outcome: Outcome) -> None:
        now = self._clock()
        token = outcome.token
        until = now + _FAILURE_SECONDS
        if token is not None and outcome.failure is None:
            until = token.expires_on - FRESH_FOR
            if token.refresh_on is not None:
                until = min(until, token.refresh_on)
        with self._lock:
            if stamp is not None:
                self._kept[resource] = _Kept(outcome, until, stamp)
            del self._pending[resource]
        pending.outcome = outcome
        self.on_outcome()

    def _stamp(self) -> _Stamp:
        return tuple(self._stamp_of(name) for name in _FILES)

    def _stamp_of(self, name: str) -> tuple[int, int, int] | None:
        try:
            status = (self._directory / name).status()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
