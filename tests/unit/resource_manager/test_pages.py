"""Lists without an end, and lists that are too long: what was read is kept, and the rest is reported."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator

import pytest

from azext_login.errors import IncompleteListError, UnexpectedAnswerError
from azext_login.resource_manager.ask_tenants import discover
from azext_login.resource_manager.pages import (
    LONGEST_LIST,
    LONGEST_TENANT_LIST,
    Page,
    Row,
    RowBudget,
    Share,
    follow_pages,
    subscription_budget,
)
from azext_login.resource_manager.resources import Subscription, Tenant

FIRST = "https://management.example/subscriptions"


def _budget(rows: int = 10, text: int = 1_000_000) -> RowBudget:
    return RowBudget("subscriptions", "Run `az login`.", rows=rows, text=text)


def _page(*names: str, **others: object) -> list[bytes]:
    return [json.dumps({"value": [{"id": name} for name in names], **others}).encode()]


def _ids(share: Share, pieces: list[bytes]) -> tuple[list[str], IncompleteListError | None]:
    page = share.read_page(pieces, dict)
    assert page is not None
    return [row["id"] for row in page.rows], page.cut_off


def _endless(rows: list[Row], *, seconds: float, longest: float = LONGEST_LIST) -> tuple[int, str]:
    """Read a list whose pages do not end, each with the same rows, and return their number and the error.

    :param seconds: how long a page takes.
    """
    numbers, now = itertools.count(), 0.0

    def read(url: str) -> Page:
        nonlocal now
        now += seconds
        return Page(rows, f"{FIRST}?page={next(numbers)}")

    with pytest.raises(IncompleteListError, match="has no end of /subscriptions") as caught:
        deque(follow_pages(FIRST, read, "/subscriptions", longest=longest, clock=lambda: now), maxlen=0)
    return next(numbers), str(caught.value)


def test_a_list_of_ever_new_pages_ends() -> None:
    assert _endless([], seconds=0.0)[0] == 1000
    assert _endless([{"id": "a"}], seconds=0.0)[0] == 1000
    pages, error = _endless([{"id": "a"}], seconds=1.0)
    assert pages == 601
    assert "601 pages were read within 601 seconds" in error


def test_an_endless_list_is_named_before_the_search_takes_it_for_one_that_did_not_arrive() -> None:
    """The search waits for 60 seconds without a row, and for 120 seconds for the list of tenants."""
    for seconds in (0.1, 1.0, 14.0):
        pages, error = _endless([], seconds=seconds)
        assert pages * seconds < 60
        assert f"{pages} pages" in error
        assert _endless([{"id": "a"}], seconds=seconds, longest=LONGEST_TENANT_LIST)[0] * seconds < 120


def test_rows_after_empty_pages_are_read() -> None:
    now = 0.0

    def read(url: str) -> Page:
        nonlocal now
        now += 40
        page = int(url.rpartition("=")[2] or 0) if "=" in url else 0
        return Page([{"id": str(page)}] if page % 2 else [], f"{FIRST}?page={page + 1}" if page < 9 else None)

    # Two pages take longer than pages without rows may, but a slow list is not an endless one.
    assert len(list(follow_pages(FIRST, read, "/subscriptions", clock=lambda: now))) == 5


@pytest.mark.parametrize("link", [FIRST, f"{FIRST}?page=2"])
def test_a_list_that_continues_with_a_page_that_was_read_ends_with_what_was_found(link: str) -> None:
    pages = {FIRST: Page([{"id": "a"}], f"{FIRST}?page=2"), f"{FIRST}?page=2": Page([{"id": "b"}], link)}
    rows = follow_pages(FIRST, pages.__getitem__, "/subscriptions")
    assert [next(rows)["id"], next(rows)["id"]] == ["a", "b"]
    with pytest.raises(IncompleteListError, match="had sent before"):
        next(rows)


@pytest.mark.parametrize(
    "link", ["https://evil.example/", "http://management.example/", "https://[bad", f"{FIRST}?{'x' * 20_000}"]
)
def test_a_list_does_not_continue_at_another_service_or_an_endless_address(link: str) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        list(follow_pages(FIRST, lambda url: Page([], link), "/subscriptions"))
    assert not isinstance(caught.value, IncompleteListError)
    assert len(str(caught.value)) < 1200


def test_lists_share_their_budget_and_a_failed_page_gives_its_part_back() -> None:
    budget = _budget(rows=5)
    first, second = Share(budget), Share(budget)
    assert _ids(first, _page("a", "b")) == (["a", "b"], None)
    with pytest.raises(ValueError, match="missing"):
        first.read_page([b'{"value": [{"id": "c"}, {"id": "d"}'], dict)
    assert _ids(second, _page("e", "f")) == (["e", "f"], None)
    kept, cut_off = _ids(second, _page("g", "h"))
    assert kept == ["g"]
    assert "The first 5 are kept" in str(cut_off)
    first.give_back()
    assert _ids(second, _page("h", "i")) == (["h", "i"], None)


def test_rows_with_much_text_use_the_budget_up_as_well() -> None:
    share = Share(_budget(rows=1000, text=3000), further="Contoso")
    kept, cut_off = _ids(share, _page(*("x" * 200 for _ in range(100))))
    assert 3 <= len(kept) <= 6
    assert cut_off is not None


def test_ten_thousand_subscriptions_of_a_tenant_with_long_names_fit() -> None:
    share = Share(subscription_budget(), further="Contoso Research and Development, Inc." + "contoso.onmicrosoft.com")
    rows = [
        {
            "id": f"/subscriptions/0f1e2d3c-0000-4000-8000-{number:012}",
            "displayName": f"Contoso Research and Development, production {number:019}",
            "state": "Enabled",
            "tenantId": "0f1e2d3c-0000-4000-8000-000000000000",
            "managedByTenants": [{"tenantId": "0f1e2d3c-0000-4000-8000-000000000000"}],
        }
        for number in range(10_000)
    ]
    page = share.read_page([json.dumps({"value": rows}).encode()], dict)
    assert page is not None
    assert page.cut_off is None
    assert page.rows == rows


def test_stored_rows_leave_less_room_but_always_some() -> None:
    for stored, room in ((0, 10_000), (4_000, 6_000), (9_999, 2_000), (10**9, 2_000)):
        budget = RowBudget("subscriptions", "", rows=10_000, text=10**9)
        budget.reserve(stored)
        for _ in range(room):
            budget.take(1)
        with pytest.raises(IncompleteListError):
            budget.take(1)


def test_the_report_of_a_tenant_has_what_its_endless_list_showed() -> None:
    def ask(tenant: Tenant) -> Iterator[Subscription]:
        yield Subscription("a", "A", "Enabled", tenant.id)
        if tenant.id == "endless":
            raise IncompleteListError("There are more.")

    found = discover([Tenant("endless"), Tenant("short")], ask)
    assert [len(report.subscriptions) for report in found.reports] == [1, 0]
    assert [type(report.failure) for report in found.reports] == [IncompleteListError, type(None)]


def test_an_object_without_a_list_is_no_page() -> None:
    assert Share(_budget()).read_page([b'{"value": 7}'], dict) is None
    assert Share(_budget()).read_page([b"{}"], dict) is None
