"""Asking many tenants at once: order, failures, tenants that hang, Ctrl-C, and bugs."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.errors import InterruptedDiscoveryError, ServiceUnreachableError, SignInError
from azext_login.resource_manager.ask_tenants import discover, find_tenants
from azext_login.resource_manager.discovery import Discovery, Progress
from azext_login.resource_manager.resources import Subscription, Tenant

ROOT = Path(__file__).resolve().parents[3]

View = list[str] | None
"""The IDs of the subscriptions that a tenant shows, or None if it refuses."""


def _tenants(count: int) -> list[Tenant]:
    return [Tenant(f"t-{number}", f"Tenant {number}") for number in range(count)]


def _subscription(tenant: Tenant, identity: str) -> Subscription:
    return Subscription(identity, f"Subscription {identity}", "Enabled", tenant.id)


def _show(tenant: Tenant, view: View) -> Iterator[Subscription]:
    if view is None:
        raise SignInError(f"{tenant.id} refuses.")
    yield from (_subscription(tenant, identity) for identity in view)


def _summary(found: Discovery) -> tuple[list[View], list[tuple[str, str, str]]]:
    """Return what each tenant keeps (None: it failed), and the duplicates."""
    kept: list[View] = [
        None if report.failure else [one.id for one in report.subscriptions] for report in found.reports
    ]
    return kept, [(one.subscription.tenant_id, one.subscription.id, one.kept_tenant_id) for one in found.duplicates]


def _expected(tenants: Sequence[Tenant], views: Sequence[View]) -> tuple[list[View], list[tuple[str, str, str]]]:
    """The same, from asking one tenant after the other."""
    kept: list[View] = []
    duplicates = []
    owners: dict[str, str] = {}
    for tenant, view in zip(tenants, views, strict=True):
        if view is None:
            kept.append(None)
            continue
        kept.append([identity for identity in view if identity not in owners])
        duplicates += [(tenant.id, identity, owners[identity]) for identity in view if identity in owners]
        owners.update(dict.fromkeys(kept[-1] or [], tenant.id))
    return kept, duplicates


_views = st.lists(st.none() | st.lists(st.sampled_from("abcdef"), max_size=4, unique=True), min_size=1, max_size=6)


@given(_views, st.data())
def test_the_result_does_not_depend_on_which_tenant_answers_first(views: list[View], data: st.DataObject) -> None:
    tenants = _tenants(len(views))
    order = data.draw(st.permutations(range(len(views))))
    place = {tenants[index].id: position for position, index in enumerate(order)}
    turns = [threading.Event() for _ in range(len(views) + 1)]
    turns[0].set()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        position = place[tenant.id]
        assert turns[position].wait(30)
        try:
            yield from _show(tenant, views[tenants.index(tenant)])
        finally:
            turns[position + 1].set()

    found = discover(tenants, ask)
    assert _summary(found) == _expected(tenants, views)
    assert [report.tenant for report in found.reports] == tenants


@given(_views, st.integers(min_value=1, max_value=8))
def test_the_result_does_not_depend_on_how_many_are_asked_at_a_time(views: list[View], workers: int) -> None:
    tenants = _tenants(len(views))
    found = discover(tenants, lambda tenant: _show(tenant, views[tenants.index(tenant)]), workers=workers)
    assert _summary(found) == _expected(tenants, views)
    assert len(found.subscriptions) == len({one.id for one in found.subscriptions})
    assert [report.tenant.id for report in found.failed] == [
        tenant.id for tenant, view in zip(tenants, views, strict=True) if view is None
    ]


def test_a_subscription_that_a_list_shows_twice_is_found_once() -> None:
    found = discover(_tenants(1), lambda tenant: _show(tenant, ["a", "b", "A"]))
    assert [one.id.lower() for one in found.subscriptions] == ["a", "b"]
    assert not found.duplicates


def test_a_subscription_is_the_same_in_any_case() -> None:
    found = discover(_tenants(2), lambda tenant: _show(tenant, ["a" if tenant.id == "t-0" else "A"]))
    assert [one.tenant_id for one in found.subscriptions] == ["t-0"]
    assert [one.subscription.tenant_id for one in found.duplicates] == ["t-1"]


def test_every_tenant_is_asked_once_and_many_of_them_at_a_time() -> None:
    asked: Counter[str] = Counter()
    together = threading.Barrier(20)

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        asked[tenant.id] += 1
        together.wait(30)
        yield _subscription(tenant, tenant.id)

    found = discover(_tenants(20), ask)
    assert not found.failed
    assert set(asked.values()) == {1}


def test_a_failure_that_may_pass_is_tried_again_from_the_beginning_of_the_list() -> None:
    attempts: Counter[str] = Counter()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        attempts[tenant.id] += 1
        if attempts[tenant.id] == 1:
            yield from _show(tenant, ["gone", "a"])
            raise ServiceUnreachableError("cut off")
        yield from _show(tenant, ["a", "b"])

    found = discover(_tenants(1), ask)
    assert [one.id for one in found.subscriptions] == ["a", "b"]
    assert attempts == {"t-0": 2}


def test_a_failure_that_stays_is_tried_a_few_times_and_reported() -> None:
    attempts: Counter[str] = Counter()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        attempts[tenant.id] += 1
        raise ServiceUnreachableError("down\nThe second line is not for a table.")

    found = discover(_tenants(1), ask)
    assert 1 < attempts["t-0"] <= 5
    assert found.failures() == {"t-0": "down"}


def test_a_refusal_is_not_tried_again() -> None:
    attempts: Counter[str] = Counter()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        attempts[tenant.id] += 1
        yield from _show(tenant, None)

    found = discover(_tenants(3), ask)
    assert set(attempts.values()) == {1}
    assert found.failures() == {f"t-{number}": f"t-{number} refuses." for number in range(3)}


class _Hanging:
    """Tenants of which some never answer; `release` ends the threads that wait for them."""

    def __init__(self, *names: str) -> None:
        self.release = threading.Event()
        self._names = names

    def __call__(self, tenant: Tenant) -> Iterator[Subscription]:
        if tenant.id in self._names:
            self.release.wait(60)
        yield _subscription(tenant, f"of {tenant.id}")


class _Clock:
    """A clock that stands still until every tenant that is still asked is one that hangs.

    The time that the threads of a busy computer take for the others does not count.
    """

    def __init__(self, *hanging: str) -> None:
        self.now = 0.0
        self._hanging = hanging

    def __call__(self) -> float:
        return self.now

    def look(self, progress: Progress) -> None:
        if tuple(tenant.id for tenant in progress.waiting_for) == self._hanging:
            self.now += 1000


def test_a_tenant_that_hangs_times_out_and_the_others_are_not_affected() -> None:
    hanging, clock = _Hanging("t-0", "t-3"), _Clock("t-0", "t-3")
    # More tenants than hands, all of which are soon waiting in vain.
    found = discover(_tenants(6), hanging, patience=900, workers=2, on_progress=clock.look, clock=clock)
    hanging.release.set()
    assert [report.tenant.id for report in found.failed] == ["t-0", "t-3"]
    assert all(isinstance(report.failure, ServiceUnreachableError) for report in found.failed)
    assert "Tenant 0" in str(found.failed[0].failure)
    assert [one.id for one in found.subscriptions] == ["of t-1", "of t-2", "of t-4", "of t-5"]


def test_a_tenant_that_timed_out_stays_failed_when_its_answer_arrives_late() -> None:
    late, end, clock = threading.Event(), threading.Event(), _Clock("t-0")
    rounds = []

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        (late if tenant.id == "t-0" else end).wait(60)
        yield _subscription(tenant, f"of {tenant.id}")

    def on_progress(progress: Progress) -> None:
        clock.look(progress)
        if progress.answered:
            late.set()
            rounds.append(progress)
        if len(rounds) == 5:
            end.set()

    found = discover(_tenants(2), ask, on_progress=on_progress, patience=900, workers=1, clock=clock)
    assert [report.tenant.id for report in found.failed] == ["t-0"]
    assert [one.id for one in found.subscriptions] == ["of t-1"]


def test_a_long_list_is_waited_for_as_long_as_something_comes() -> None:
    clock = _Clock()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        for number in range(8):
            clock.now += 600
            time.sleep(0.11)  # the caller checks every tenth of a second
            yield _subscription(tenant, str(number))

    found = discover(_tenants(1), ask, patience=900, clock=clock)
    assert not found.failed
    assert len(found.subscriptions) == 8


def test_a_list_that_stops_in_the_middle_times_out() -> None:
    end = threading.Event()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        yield _subscription(tenant, "a")
        end.wait(60)

    clock = _Clock("t-0")
    found = discover(_tenants(1), ask, patience=900, on_progress=clock.look, clock=clock)
    end.set()
    assert [report.tenant.id for report in found.failed] == ["t-0"]
    assert not found.subscriptions, "half a list would make the other half look as if it were gone"


def _interrupt_when(condition: Callable[[Progress], bool]) -> Callable[[Progress], None]:
    def on_progress(progress: Progress) -> None:
        if condition(progress):
            raise KeyboardInterrupt

    return on_progress


def test_ctrl_c_keeps_what_was_found_and_reports_the_rest() -> None:
    hanging = _Hanging("t-1")
    found = discover(_tenants(3), hanging, on_progress=_interrupt_when(lambda progress: progress.answered == 2))
    hanging.release.set()
    assert found.interrupted
    assert [one.id for one in found.subscriptions] == ["of t-0", "of t-2"]
    (late,) = found.failed
    assert late.tenant.id == "t-1"
    assert isinstance(late.failure, InterruptedDiscoveryError)


def test_ctrl_c_keeps_what_a_tenant_had_shown_that_was_not_done() -> None:
    end = threading.Event()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        yield from _show(tenant, ["a", "b", "A"])
        end.wait(60)
        yield _subscription(tenant, "c")

    found = discover(_tenants(1), ask, on_progress=_interrupt_when(lambda progress: progress.subscriptions == 3))
    end.set()
    (report,) = found.reports
    assert isinstance(report.failure, InterruptedDiscoveryError)
    assert [one.id.lower() for one in report.subscriptions] == ["a", "b"]
    assert found.failures() == {"t-0": str(report.failure)}


def test_after_ctrl_c_no_further_tenant_is_asked() -> None:
    hanging = _Hanging("t-0")
    asked = []

    def ask(tenant: Tenant) -> Iterable[Subscription]:
        asked.append(tenant.id)
        return hanging(tenant)

    found = discover(_tenants(5), ask, workers=1, on_progress=_interrupt_when(lambda progress: True))
    hanging.release.set()
    time.sleep(0.2)
    assert asked == ["t-0"]
    assert len(found.failed) == 5


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_where_no_more_threads_can_be_started_the_others_ask_all(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    start, started = threading.Thread.start, iter(range(allowed))

    def bounded(thread: threading.Thread) -> None:
        if next(started, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", bounded)
    tenants = _tenants(8)
    found = discover(tenants, lambda tenant: _show(tenant, [tenant.id]))
    assert [one.id for one in found.subscriptions] == [tenant.id for tenant in tenants]
    assert find_tenants(lambda: tenants) == tenants


def test_a_bug_in_a_thread_is_not_swallowed() -> None:
    def ask(tenant: Tenant) -> Iterator[Subscription]:
        yield _subscription(tenant, "a")
        raise ZeroDivisionError(tenant.id)

    with pytest.raises(ZeroDivisionError, match="t-0"):
        discover(_tenants(1), ask)


def test_a_list_of_tenants_that_does_not_arrive_times_out() -> None:
    seen: list[Progress] = []
    end = threading.Event()

    def ask() -> list[Tenant]:
        end.wait(60)
        return _tenants(1)

    with pytest.raises(ServiceUnreachableError, match="list of tenants"):
        find_tenants(ask, on_progress=seen.append, patience=2, clock=iter(range(100)).__next__)
    end.set()
    assert set(seen) == {Progress(0, 0, 0, ())}


def test_the_list_of_tenants_or_its_error_is_returned_unchanged() -> None:
    assert find_tenants(lambda: _tenants(2)) == _tenants(2)
    with pytest.raises(ZeroDivisionError):
        find_tenants(lambda: _tenants(1 // 0))


def test_without_tenants_the_result_is_empty_at_once() -> None:
    assert discover([], _Hanging()) == Discovery(())


def test_progress_counts_up_to_all_tenants_and_names_the_pending_ones() -> None:
    seen: list[Progress] = []
    gate = threading.Event()

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        yield from _show(tenant, [f"{tenant.id}-{number}" for number in range(3)])
        if tenant.id == "t-2":
            gate.wait(60)

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        if progress.answered == 3 and len(seen) > 5:
            gate.set()

    discover(_tenants(4), ask, on_progress=on_progress)
    assert [one.answered for one in seen] == sorted(one.answered for one in seen)
    assert all(one.answered + len(one.waiting_for) <= one.tenants == 4 for one in seen)
    assert len(seen) > 5, "a terminal wants news while nothing comes, too"
    waiting = next(one for one in seen if one.answered == 3)
    assert [tenant.id for tenant in waiting.waiting_for] == ["t-2"]
    assert (seen[-1].answered, seen[-1].subscriptions, seen[-1].waiting_for) == (4, 12, ())


_HANGING_PROGRAM = """
import signal, sys, time
from azext_login.resource_manager.ask_tenants import discover
from azext_login.resource_manager.resources import Subscription, Tenant

def ask(tenant):
    if tenant.id == "late":
        time.sleep(600)
    yield Subscription(tenant.id, tenant.id, "Enabled", tenant.id)

now = 0.0

def on_progress(progress):
    global now
    if progress.answered == 2 and sys.argv[1] == "interrupt":
        signal.raise_signal(signal.SIGINT)
    elif progress.answered == 2:
        now += 1000

signal.signal(signal.SIGINT, signal.default_int_handler)
tenants = [Tenant("a"), Tenant("late"), Tenant("b")]
found = discover(tenants, ask, patience=900, on_progress=on_progress, clock=lambda: now)
print([report.tenant.id for report in found.failed], [one.id for one in found.subscriptions], found.interrupted)
"""


@pytest.mark.parametrize("how", ["wait", "interrupt"])
def test_the_process_exits_without_waiting_for_a_tenant_that_hangs(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HANGING_PROGRAM, how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"['late'] ['a', 'b'] {how == 'interrupt'}\n"
