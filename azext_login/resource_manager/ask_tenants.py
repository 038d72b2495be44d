"""Asking many tenants for their subscriptions at once. A tenant that fails does not affect the others' results."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeAlias

from azext_login.errors import IncompleteListError, InterruptedDiscoveryError, ServiceUnreachableError
from azext_login.host_errors import AzCLIError
from azext_login.resource_manager.discovery import Discovery, DuplicateView, Progress, TenantReport
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.http.waiting import retry_request
from azext_login.system.threads import BackgroundCall, start_thread

Ask = Callable[[Tenant], Iterable[Subscription]]
"""Returns the subscriptions that a tenant shows, page by page. Called in a worker thread."""

# Tenants that are asked at the same time. A request spends its time waiting, so this is many more than processors.
# More workers are no faster, and services throttle them.
_WORKERS = 50

# Seconds without a further answer after which a tenant times out.
_PATIENCE = 60.0

# The same for the list of tenants, which arrives as a whole: three pauses of half a minute, as an overloaded service
# asks for, and a reserve.
_PATIENCE_FOR_TENANTS = 120.0

# Seconds between two checks for tenants that timed out.
_TICK = 0.1

_Outcome: TypeAlias = "list[Subscription] | AzCLIError"


def find_tenants(
    ask: Callable[[], list[Tenant]],
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    patience: float = _PATIENCE_FOR_TENANTS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Tenant]:
    """Return the list of tenants that `ask` returns, which is called in a thread of its own.

    :param on_progress: called in this thread while the list has not arrived.
    :param patience: seconds after which the request times out.
    :raises ServiceUnreachableError: the request timed out.
    """
    call = BackgroundCall(ask, has_progress=True)
    began = clock()
    while not call.wait(_TICK):
        if clock() - began > patience:
            raise ServiceUnreachableError(
                f"The list of tenants did not arrive within {patience:g} seconds.",
                "Run the command again in a minute.",
            )
        on_progress(Progress(0, 0, 0, ()))
    return call.result()


def discover(
    tenants: Sequence[Tenant],
    ask: Ask,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    workers: int = _WORKERS,
    patience: float = _PATIENCE,
    clock: Callable[[], float] = time.monotonic,
) -> Discovery:
    """Ask every tenant for its subscriptions.

    A subscription that several tenants show belongs to the first of them, whichever answers first. Ctrl-C ends the
    wait: tenants that have not answered are reported as interrupted, with what they had shown by then, and the
    others' results are returned.

    :param on_progress: called in this thread after each answer, and regularly between answers.
    :param patience: seconds without an answer after which a tenant times out.
    """
    if not tenants:
        return Discovery(())
    asking = _Workers(tenants, ask, workers, clock)
    try:
        while asking.is_busy:
            asking.collect(_TICK)
            asking.time_out_tenants(patience)
            on_progress(asking.progress())
    except KeyboardInterrupt:
        asking.interrupt()
    return _assemble(tenants, asking)


def _assemble(tenants: Sequence[Tenant], asked: _Workers) -> Discovery:
    """Put the answers into the order of the tenants, each subscription once."""
    reports: list[TenantReport] = []
    duplicates: list[DuplicateView] = []
    first_tenant: dict[str, str] = {}
    for index, tenant in enumerate(tenants):
        outcome = asked.outcomes[index]
        failure = outcome if isinstance(outcome, AzCLIError) else None
        found = asked.unfinished.get(index, []) if isinstance(outcome, AzCLIError) else outcome
        kept = []
        # A list that changes while its pages are read may show a subscription on two of them.
        for key, subscription in {one.key: one for one in found}.items():
            owner = first_tenant.setdefault(key, tenant.id)
            if owner == tenant.id:
                kept.append(subscription)
            else:
                duplicates.append(DuplicateView(subscription, owner))
        reports.append(TenantReport(tenant, tuple(kept), failure))
    return Discovery(tuple(reports), tuple(duplicates), asked.interrupted)


class _Workers:
    """The threads that ask tenants, and what they have found. Tenants are known by their index."""

    def __init__(self, tenants: Sequence[Tenant], ask: Ask, workers: int, clock: Callable[[], float]):
        self.outcomes: dict[int, _Outcome] = {}
        self.interrupted = False
        self.unfinished: dict[int, list[Subscription]] = {}
        """What tenants had shown when Ctrl-C was pressed, or before their list became too long."""
        self._tenants = tenants
        self._ask = ask
        self._clock = clock
        self._to_ask: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[int, _Outcome | BaseException]] = queue.SimpleQueue()
        # Of each tenant that is being asked: the time of its last answer, and what it has shown.
        self._heard: dict[int, float] = {}
        self._shown: dict[int, list[Subscription]] = {}
        for index in range(len(tenants)):
            self._to_ask.put(index)
        # The number of threads that do not hang.
        self._running = 0
        for _ in range(min(workers, len(tenants))):
            if not self._start_worker():
                break
        self._work_if_alone()

    @property
    def is_busy(self) -> bool:
        return len(self.outcomes) < len(self._tenants)

    def collect(self, wait: float) -> None:
        """Record the answers that have arrived, or the first one that arrives within `wait` seconds."""
        try:
            self._record(*self._answers.get(timeout=wait))
            while True:
                self._record(*self._answers.get_nowait())
        except queue.Empty:
            return

    def time_out_tenants(self, patience: float) -> None:
        """Record a failure of each tenant that has not answered for `patience` seconds."""
        now = self._clock()
        for index, heard in self._heard.copy().items():
            if index not in self.outcomes and now - heard > patience:
                self.outcomes[index] = ServiceUnreachableError(
                    f"Tenant {self._tenants[index].label} did not answer for {patience:g} seconds.",
                    "Run the command again in a minute.",
                )
                # Its thread may hang for ever, so another one asks the remaining tenants.
                self._running -= 1
                self._start_worker()
                self._work_if_alone()

    def interrupt(self) -> None:
        """Ask no further tenant, and record a failure of each tenant that has not answered."""
        self.interrupted = True
        try:
            while True:
                self._to_ask.get_nowait()
        except queue.Empty:
            pass
        self.collect(0)
        for index in range(len(self._tenants)):
            if index not in self.outcomes:
                self.outcomes[index] = InterruptedDiscoveryError("The tenant had not answered when Ctrl-C was pressed.")
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

    def _record(self, index: int, outcome: _Outcome | BaseException) -> None:
        if not isinstance(outcome, (list, AzCLIError)):
            raise outcome
        # A late answer of a tenant that timed out changes nothing: the report lists the failure.
        self.outcomes.setdefault(index, outcome)

    def _start_worker(self) -> bool:
        is_started = start_thread(self._work)
        self._running += is_started
        return is_started

    def _work_if_alone(self) -> None:
        """Ask the remaining tenants in this thread where the system allowed not even one other."""
        if not self._running:
            self._work()

    def _work(self) -> None:
        while True:
            try:
                index = self._to_ask.get_nowait()
            except queue.Empty:
                return
            try:
                # The client itself asks again for a page that was cut short.
                outcome: _Outcome | BaseException = retry_request(
                    partial(self._list, index), on=(ServiceUnreachableError,)
                )
            except IncompleteListError as error:
                self.unfinished[index] = list(self._shown.get(index, []))
                outcome = error
            except AzCLIError as error:
                outcome = error
            except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
                outcome = error
            self._answers.put((index, outcome))

    def _list(self, index: int) -> list[Subscription]:
        found: list[Subscription] = []
        self._heard[index] = self._clock()
        for subscription in self._ask(self._tenants[index]):
            found.append(subscription)
            self._heard[index] = self._clock()
            self._shown[index] = found
        return found
