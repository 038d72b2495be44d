"""Asking many tenants for their subscriptions at once, without losing what one of them does not answer."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from azure.cli.core.azclierror import AzCLIError

from azext_login.errors import InterruptedDiscoveryError, ServiceUnreachableError, first_line
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.http.waiting import retry_request
from azext_login.system.threads import start_thread

Ask = Callable[[Tenant], Iterable[Subscription]]
"""Returns the subscriptions that a tenant shows, page by page. Called in a thread of its own."""

# Tenants that are asked at the same time. A request spends its time waiting, so this is many more than processors;
# more than this do not come out faster, and services throttle.
_WORKERS = 50

# Seconds without a further answer after which a tenant is given up.
_PATIENCE = 60.0

# The same for the list of tenants, of which nothing is heard until it is whole: three pauses of half a minute that an
# overloaded service asks for, and some.
_PATIENCE_FOR_TENANTS = 120.0

# Seconds between two looks at who is late.
_TICK = 0.1


@dataclass(frozen=True)
class TenantReport:
    """What one tenant answered: its subscriptions, or why there is no answer.

    With both, the list was not read to its end: there may be more.
    """

    tenant: Tenant
    subscriptions: tuple[Subscription, ...] = ()
    failure: AzCLIError | None = None


@dataclass(frozen=True)
class DuplicateView:
    """A subscription that a second tenant shows as well; the first tenant keeps it."""

    subscription: Subscription
    kept_tenant_id: str


@dataclass(frozen=True)
class Discovery:
    """The result of asking every tenant."""

    reports: tuple[TenantReport, ...]
    duplicates: tuple[DuplicateView, ...] = field(default=())
    interrupted: bool = False
    """Whether Ctrl-C ended it early."""

    @property
    def subscriptions(self) -> list[Subscription]:
        """All subscriptions, each once, in the order in which the tenants were asked."""
        return [subscription for report in self.reports for subscription in report.subscriptions]

    def failures(self) -> dict[str, str | None]:
        """Return for each tenant (GUID) what kept it from answering, in one line; None if it answered."""
        return {
            report.tenant.id: None if report.failure is None else first_line(report.failure) for report in self.reports
        }

    @property
    def failed(self) -> list[TenantReport]:
        return [report for report in self.reports if report.failure is not None]


_Outcome: TypeAlias = "list[Subscription] | AzCLIError"


@dataclass(frozen=True)
class Progress:
    """How far a discovery has come; without tenants, it is not known yet which there are."""

    tenants: int
    answered: int
    subscriptions: int
    waiting_for: tuple[Tenant, ...]


def find_tenants(
    ask: Callable[[], list[Tenant]],
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    patience: float = _PATIENCE_FOR_TENANTS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Tenant]:
    """Return the tenants that `ask` finds, which is called in a thread of its own.

    :param on_progress: called in this thread while nothing comes.
    :param patience: seconds after which it is given up.
    :raises ServiceUnreachableError: it was given up.
    """
    answers: queue.SimpleQueue[list[Tenant] | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            answers.put(error)

    if start_thread(work) is None:
        work()
    began = clock()
    while True:
        try:
            answer = answers.get(timeout=_TICK)
        except queue.Empty:
            if clock() - began > patience:
                raise ServiceUnreachableError(
                    f"Nobody said for {patience:g} seconds which tenants there are.",
                    "Run the command again in a minute.",
                ) from None
            on_progress(Progress(0, 0, 0, ()))
            continue
        if isinstance(answer, BaseException):
            raise answer
        return answer


def discover(
    tenants: Sequence[Tenant],
    ask: Ask,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    workers: int = _WORKERS,
    patience: float = _PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> Discovery:
    """Ask every tenant for its subscriptions; one tenant's failure never costs another's result.

    A subscription that several tenants show belongs to the first of them, whoever answers first. Ctrl-C ends the
    wait: tenants that have not answered are reported as interrupted, with what they had shown by then, and the
    others' results are returned.

    :param on_progress: called in this thread after each answer, and while nothing comes.
    :param patience: seconds without an answer after which a tenant is given up.
    """
    if not tenants:
        return Discovery(())
    crew = _Crew(tenants, ask, workers, clock)
    try:
        while crew.is_busy:
            crew.collect(_TICK)
            crew.give_up_on_late(patience)
            on_progress(crew.progress())
    except KeyboardInterrupt:
        crew.interrupt()
    return _assembled(tenants, crew)


def _assembled(tenants: Sequence[Tenant], crew: _Crew) -> Discovery:
    """Put the answers into the order of the tenants, each subscription once."""
    reports: list[TenantReport] = []
    duplicates: list[DuplicateView] = []
    first_tenant: dict[str, str] = {}
    for index, tenant in enumerate(tenants):
        outcome = crew.outcomes[index]
        failure = outcome if isinstance(outcome, AzCLIError) else None
        found = crew.unfinished.get(index, []) if isinstance(outcome, AzCLIError) else outcome
        kept = []
        # A list that changes while its pages are read may show a subscription on two of them.
        for identity, subscription in {one.id.lower(): one for one in found}.items():
            owner = first_tenant.setdefault(identity, tenant.id)
            if owner == tenant.id:
                kept.append(subscription)
            else:
                duplicates.append(DuplicateView(subscription, owner))
        reports.append(TenantReport(tenant, tuple(kept), failure))
    return Discovery(tuple(reports), tuple(duplicates), crew.interrupted)


class _Crew:
    """Threads that ask tenants. They end with the process, so nobody waits for one that hangs."""

    def __init__(self, tenants: Sequence[Tenant], ask: Ask, workers: int, clock: Callable[[], float]):
        self.outcomes: dict[int, _Outcome] = {}
        self.interrupted = False
        self.unfinished: dict[int, list[Subscription]] = {}
        """What tenants had shown that were interrupted."""
        self._tenants = tenants
        self._ask = ask
        self._clock = clock
        self._todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, _Outcome | BaseException]] = queue.SimpleQueue()
        # Index of a tenant that is being asked -> when something was last heard of it, and what it has shown.
        self._heard: dict[int, float] = {}
        self._shown: dict[int, list[Subscription]] = {}
        for index in range(len(tenants)):
            self._todo.put(index)
        # How many threads do not hang.
        self._workers = 0
        for _ in range(min(workers, len(tenants))):
            if not self._hire():
                break
        if not self._workers:
            self._work()

    @property
    def is_busy(self) -> bool:
        return len(self.outcomes) < len(self._tenants)

    def collect(self, wait: float) -> None:
        """Take the answers that are there, or the first one that comes within `wait` seconds."""
        try:
            self._take(self._done.get(timeout=wait))
            while True:
                self._take(self._done.get_nowait())
        except queue.Empty:
            return

    def give_up_on_late(self, patience: float) -> None:
        now = self._clock()
        for index, heard in self._heard.copy().items():
            if index not in self.outcomes and now - heard > patience:
                self.outcomes[index] = ServiceUnreachableError(
                    f"Tenant {self._tenants[index].label} showed nothing for {patience:g} seconds.",
                    "Run the command again in a minute.",
                )
                # Its thread may hang for ever; somebody else takes over the tenants that are left.
                self._workers -= 1
                if not self._hire() and not self._workers:
                    self._work()

    def interrupt(self) -> None:
        self.interrupted = True
        try:
            while True:
                self._todo.get_nowait()
        except queue.Empty:
            pass
        self.collect(0)
        for index in range(len(self._tenants)):
            if index not in self.outcomes:
                self.outcomes[index] = InterruptedDiscoveryError("It had not answered when Ctrl-C was pressed.")
                # Its thread goes on reading until the process ends.
                self.unfinished[index] = list(self._shown.get(index, []))

    def progress(self) -> Progress:
        return Progress(
            tenants=len(self._tenants),
            answered=len(self.outcomes),
            subscriptions=sum(map(len, self._shown.copy().values())),
            waiting_for=tuple(
                self._tenants[index] for index in sorted(self._heard.copy()) if index not in self.outcomes
            ),
        )

    def _take(self, done: tuple[int, _Outcome | BaseException]) -> None:
        index, outcome = done
        if not isinstance(outcome, (list, AzCLIError)):
            raise outcome
        # Whoever was given up stays given up: the report says so.
        self.outcomes.setdefault(index, outcome)

    def _hire(self) -> bool:
        if start_thread(self._work) is None:
            # The threads that there are ask all tenants, or else this one does.
            return False
        self._workers += 1
        return True

    def _work(self) -> None:
        while True:
            try:
                index = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                # An answer of which one page was cut short has been asked for again by whoever reads it.
                outcome: _Outcome | BaseException = retry_request(
                    partial(self._list, index), on=(ServiceUnreachableError,)
                )
            except AzCLIError as error:
                outcome = error
            except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
                outcome = error
            self._done.put((index, outcome))

    def _list(self, index: int) -> list[Subscription]:
        found: list[Subscription] = []
        self._heard[index] = self._clock()
        for subscription in self._ask(self._tenants[index]):
            found.append(subscription)
            self._heard[index] = self._clock()
            self._shown[index] = found
        return found
