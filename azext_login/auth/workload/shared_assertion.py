"""The stored federated token of a service principal: one request to its source for all processes that need it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from azext_login.auth.jwt import expiry_of, issue_time_of
from azext_login.errors import ServiceUnreachableError, UnexpectedAnswerError

if TYPE_CHECKING:
    from azext_login.auth.storage.single_flight import SingleFlight

# Seconds. A federated token that is valid for less than this is replaced; if its whole lifetime is short, one that is
# valid for less than this part of it.
_SHORTEST_REST = 60.0
_SMALLEST_PART = 0.25


def is_due(assertion: str, now: float) -> bool:
    """Tell whether a federated token has expired or expires soon. One that does not contain when is always due.

    :param now: POSIX time in seconds.
    """
    expires_on, issued_at = expiry_of(assertion), issue_time_of(assertion)
    if expires_on is None or expires_on <= now:
        return True
    lifetime = math.inf if issued_at is None else expires_on - issued_at
    return expires_on - now < min(_SHORTEST_REST, lifetime * _SMALLEST_PART)


class SharedAssertion:
    """A federated token that is stored, and that any process of the config directory may replace."""

    def __init__(
        self,
        read: Callable[[], str | None],
        take_turn: Callable[[], SingleFlight],
        *,
        clock: Callable[[], float] = time.time,
    ):
        """:param read: returns the stored federated token; None without one.
        :param take_turn: returns the turn to ask the source, which one process has at a time.
        :param clock: returns POSIX time in seconds.
        """
        self._read = read
        self._take_turn = take_turn
        self._clock = clock

    def find(self, *, refused: str | None = None) -> str | None:
        """Return the stored federated token if it is not due. A secret.

        :param refused: a federated token that the sign-in service has refused; it does not count.
        """
        stored = self._read()
        return None if stored is None or stored == refused or is_due(stored, self._clock()) else stored

    def renew(self, fetch: Callable[[], str], *, refused: str | None = None) -> str:
        """Return what another process has stored meanwhile, or what `fetch` returns and stores. A secret.

        A failure of the source's service is shared with the processes that wait. A refusal is not: the environment
        variables for the service may belong to one step of a job.

        :param refused: as in `find`.
        :raises: what `fetch` raises.
        """
        began = self._clock()
        with self._take_turn() as turn:
            stored = self.find(refused=refused)
            if stored is not None:
                return stored
            outcome = turn.outcome_since(began, self._clock())
            if isinstance(outcome, (ServiceUnreachableError, UnexpectedAnswerError)):
                raise outcome
            with turn.share_failure(self._clock):
                return fetch()
