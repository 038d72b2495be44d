"""The rules of the subscription list, as invariants over arbitrary lists."""

from __future__ import annotations

import copy

from hypothesis import assume, given
from hypothesis import strategies as st

from azext_login.profile import subscriptions as rules
from azext_login.profile.model import TENANT_LEVEL_NAME, Account, Row, Subscription

ALICE = Account("alice@contoso.example")
BOB = Account("bob@fabrikam.example")
CLOUDS = ("AzureCloud", "LocalCloud")

_names = st.sampled_from(["Production", "Development", "Zürich ☃", "a 'quoted' \"name\""])
_ids = st.sampled_from([f"00000000-0000-0000-0000-00000000000{digit}" for digit in range(6)])
_tenants = st.sampled_from(["t-1", "t-2", "t-3"])


@st.composite
def profiles(draw: st.DrawFn) -> list[Row]:
    """A valid list: one row per subscription ID, at most one default, rows with keys that nobody here knows."""
    rows = draw(st.lists(new_rows(), max_size=6, unique_by=lambda row: row["id"]))
    default = draw(st.integers(min_value=-1, max_value=len(rows) - 1))
    for index, row in enumerate(rows):
        row["isDefault"] = index == default
    return rows


@st.composite
def new_rows(draw: st.DrawFn) -> Row:
    """A row as a sign-in makes it, or as another tool has extended it."""
    tenant = draw(_tenants)
    account = draw(st.sampled_from([ALICE, BOB]))
    if draw(st.booleans()):
        subscription = Subscription(draw(_ids), draw(_names), draw(st.sampled_from(["Enabled", "Disabled"])), tenant)
    else:
        subscription = Subscription.tenant_level(tenant)
    row = subscription.to_row(account, draw(st.sampled_from(CLOUDS)))
    row.update(draw(st.dictionaries(st.sampled_from(["x-note", "x-colour"]), st.text(max_size=3), max_size=1)))
    return row


@st.composite
def sign_ins(draw: st.DrawFn, min_size: int = 0) -> list[Row]:
    """What one sign-in brings: a tenant is there with its subscriptions or as a tenant-level row, never as both."""
    rows = draw(st.lists(new_rows(), min_size=min_size, max_size=5, unique_by=lambda row: row["id"]))
    real = {_owner(row) for row in rows if not _tenant_level(row)}
    return [row for row in rows if not (_tenant_level(row) and _owner(row) in real)]


signed_in = sign_ins()


@given(profiles(), signed_in)
def test_merging_keeps_every_row_that_is_not_replaced(existing: list[Row], new: list[Row]) -> None:
    before = copy.deepcopy(existing)
    rows, _ = rules.merge(existing, new)
    new_ids = {row["id"] for row in new}
    real = {_owner(row) for row in new if not _tenant_level(row)}
    for old in before:
        if old["id"] in new_ids or (_tenant_level(old) and _owner(old) in real):
            continue
        kept = next(row for row in rows if row["id"] == old["id"])
        assert {**kept, "isDefault": None} == {**old, "isDefault": None}


@given(profiles(), signed_in)
def test_merging_leaves_one_row_per_subscription_and_one_default(existing: list[Row], new: list[Row]) -> None:
    rows, chosen = rules.merge(existing, new)
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    if new:
        assert [row for row in rows if row["isDefault"]] == [chosen]
        assert chosen in new


@given(profiles(), signed_in)
def test_merging_the_same_sign_in_twice_changes_nothing_more(existing: list[Row], new: list[Row]) -> None:
    once, _ = rules.merge(existing, copy.deepcopy(new))
    snapshot = copy.deepcopy(once)
    twice, _ = rules.merge(once, copy.deepcopy(new))
    assert twice == snapshot


@given(profiles(), sign_ins(min_size=1), st.data())
def test_a_wanted_subscription_becomes_the_default_in_any_case(
    existing: list[Row], new: list[Row], data: st.DataObject
) -> None:
    wanted = data.draw(st.sampled_from(new))
    spelling = data.draw(st.sampled_from([wanted["id"].upper(), wanted["name"].swapcase()]))
    _, chosen = rules.merge(existing, new, preferred=spelling)
    assert chosen is not None
    assert spelling.lower() in (chosen["id"].lower(), chosen["name"].lower())


def test_the_active_subscription_stays_active_when_it_is_signed_in_to_again() -> None:
    production, development = _row("1", "Production"), _row("2", "Development")
    development["isDefault"] = True
    _, chosen = rules.merge([production, development], [_row("1", "Production"), _row("2", "Development")])
    assert chosen is not None
    assert chosen["name"] == "Development"


def test_the_first_enabled_subscription_is_chosen_before_a_disabled_one() -> None:
    disabled = _row("1", "Retired")
    disabled["state"] = "Disabled"
    _, chosen = rules.merge([], [disabled, _row("2", "Production")])
    assert chosen is not None
    assert chosen["name"] == "Production"


def test_a_tenant_level_row_goes_when_the_tenant_has_real_subscriptions() -> None:
    placeholder = Subscription.tenant_level("t-1").to_row(ALICE, "LocalCloud")
    of_bob = Subscription.tenant_level("t-2").to_row(BOB, "LocalCloud")
    rows, _ = rules.merge([placeholder, of_bob], [_row("1", "Production")])
    assert [row["name"] for row in rows] == [TENANT_LEVEL_NAME, "Production"]
    assert rows[0]["user"]["name"] == BOB.name


@given(profiles(), st.lists(new_rows(), max_size=5))
def test_a_refresh_keeps_what_it_does_not_speak_for(existing: list[Row], refreshed: list[Row]) -> None:
    before = copy.deepcopy(existing)

    def is_outdated(row: Row) -> bool:
        return bool(row["tenantId"] == "t-1")

    rows, chosen = rules.replace(existing, refreshed, is_outdated)
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert [row for row in rows if row["isDefault"]] == ([] if chosen is None else [chosen])
    for old in before:
        if not is_outdated(old):
            kept = next(row for row in rows if row["id"] == old["id"])
            assert {**kept, "isDefault": None} == {**old, "isDefault": None}


@given(profiles())
def test_a_refresh_without_news_changes_nothing(existing: list[Row]) -> None:
    assume(any(row["isDefault"] for row in existing))
    before = copy.deepcopy(existing)
    fresh = [{**copy.deepcopy(row), "isDefault": False} for row in existing]
    rows, _ = rules.replace(existing, fresh, lambda row: True)
    assert rows == before


def test_a_refresh_chooses_the_first_enabled_one_when_the_active_subscription_is_gone() -> None:
    gone, disabled, left = _row("1", "Gone"), _row("2", "Retired"), _row("3", "Production")
    gone["isDefault"], disabled["state"] = True, "Disabled"
    rows, chosen = rules.replace([gone, disabled, left], [dict(disabled), dict(left)], lambda row: True)
    assert [row["name"] for row in rows] == ["Retired", "Production"]
    assert chosen is rows[1]


def test_a_refresh_leaves_a_shared_subscription_with_the_account_that_had_it() -> None:
    of_bob = Subscription("1", "Shared", "Enabled", "t-1").to_row(BOB, "LocalCloud")
    of_alice = Subscription("1", "Shared", "Enabled", "t-1").to_row(ALICE, "LocalCloud")
    (row,), _ = rules.replace([of_bob], [of_alice, dict(of_bob)], lambda row: True)
    assert row["user"]["name"] == BOB.name


def _row(identity: str, name: str) -> Row:
    return Subscription(identity, name, "Enabled", "t-1").to_row(ALICE, "LocalCloud")


def _owner(row: Row) -> tuple[str, str, str]:
    return row["environmentName"], row["user"]["name"], row["tenantId"]


def _tenant_level(row: Row) -> bool:
    return bool(row["name"] == TENANT_LEVEL_NAME)
