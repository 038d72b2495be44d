"""Lists without an end, and lists that are too long: what was read is kept, and the rest is reported."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator

import pytest

from azext_login.errors import IncompleteListError, UnexpectedAnswerError
from azext_login.resource_manager.ask_tenants import discover
from azext_login.resource_manager.pages import Page, RowBudget, Share, follow_pages, subscription_budget
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


@pytest.mark.parametrize("seconds", [0.0, 1.0], ids=["pages", "time"])
def test_a_list_of_ever_new_pages_ends(seconds: float) -> None:
    numbers = itertools.count()
    clock = itertools.count(step=seconds)
    rows: list[str] = []

    def read(url: str) -> Page:
        rows.append(url)
        return Page([], f"{FIRST}?page={next(numbers)}")

    endless = follow_pages(
        FIRST,
        read,
        "/subscriptions",
        clock=lambda: next(clock),
    )
    with pytest.raises(IncompleteListError, match="has no end of /subscriptions"):
        deque(endless, maxlen=0)
    assert 100 < len(rows) <= 1000


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
