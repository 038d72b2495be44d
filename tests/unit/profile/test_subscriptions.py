"""The rules of the subscription list, as invariants over arbitrary lists."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from azext_login.profile import subscriptions as rules
from azext_login.profile.model import TENANT_LEVEL_NAME, Account, SubscriptionRow
from azext_login.profile.state import ProfileState, RowKey, key_of, slot_of
from azext_login.resource_manager.resources import Subscription
from azext_login.usecases.rows import row_of, tenant_level_subscription
from tests import users

ALICE = Account(users.ALICE)
BOB = Account(users.BOB)
CLOUDS = ("AzureCloud", "LocalCloud")

NAMES = ("Production", "Development", "Zürich ☃", "a 'quoted' \"name\"")

_ids = st.sampled_from([f"00000000-0000-0000-0000-00000000000{digit}" for digit in range(6)])
_tenants = st.sampled_from(["t-1", "t-2", "t-3"])


@st.composite
def states(draw: st.DrawFn) -> ProfileState:
    """A valid state: whatever a few sign-ins make of an empty one, with any row or none as the default."""
    state = ProfileState()
    for new in draw(st.lists(sign_ins(), max_size=3)):
        rules.sign_in(state, new)
    default = draw(st.integers(min_value=-1, max_value=len(state.rows) - 1))
    for index, row in enumerate(state.rows):
        row["isDefault"] = index == default
    return state


@st.composite
def new_rows(draw: st.DrawFn, account: Account | None = None, cloud: str | None = None) -> SubscriptionRow:
    """A row as a sign-in makes it, or as another tool has extended it."""
    tenant = draw(_tenants)
    account = account or draw(st.sampled_from([ALICE, BOB]))
    if draw(st.booleans()):
        identity = draw(_ids)
        # A subscription has one name for all users; two subscriptions may have the same name.
        name = NAMES[int(identity[-1]) % len(NAMES)]
        subscription = Subscription(identity, name, draw(st.sampled_from(["Enabled", "Disabled"])), tenant)
    else:
        subscription = tenant_level_subscription(tenant)
    row = row_of(subscription, account, cloud or draw(st.sampled_from(CLOUDS)))
    row.update(draw(st.dictionaries(st.sampled_from(["x-note", "x-colour"]), st.text(max_size=3), max_size=1)))
    return row


@st.composite
def sign_ins(
    draw: st.DrawFn, min_size: int = 0, account: Account | None = None, cloud: str | None = None
) -> list[SubscriptionRow]:
    """What one sign-in brings: the rows of one account in one cloud.

    A tenant has its subscriptions or a tenant-level row, never both.
    """
    account, cloud = account or draw(st.sampled_from([ALICE, BOB])), cloud or draw(st.sampled_from(CLOUDS))
    rows = draw(st.lists(new_rows(account, cloud), min_size=min_size, max_size=5, unique_by=key_of))
    real = {_owner(row) for row in rows if not _tenant_level(row)}
    return [row for row in rows if not (_tenant_level(row) and _owner(row) in real)]


def _keys(state: ProfileState) -> set[RowKey]:
    return {key_of(row) for row in state.all_rows()}


def _assert_valid(state: ProfileState) -> None:
    """Every state: one row per slot in the active view, each key once, at most one default, in the active view."""
    slots = [slot_of(row) for row in state.rows]
    assert len(slots) == len(set(slots))
    keys = [key_of(row) for row in state.all_rows()]
    assert len(keys) == len(set(keys))
    assert sum(bool(row["isDefault"]) for row in state.rows) <= 1
    assert not any(row["isDefault"] for row in state.shadowed)
    assert {slot_of(row) for row in state.shadowed} <= set(slots)


@given(states(), sign_ins())
def test_a_sign_in_loses_no_row(state: ProfileState, new: list[SubscriptionRow]) -> None:
    before = _keys(state)
    placeholders = {key_of(row) for row in state.all_rows() if _tenant_level(row)}
    rules.sign_in(state, new)
    _assert_valid(state)
    assert before - placeholders <= _keys(state)
    assert {key_of(row) for row in new} <= _keys(state)


@given(states(), sign_ins(min_size=1))
def test_a_sign_in_leaves_exactly_one_default_and_it_is_new(state: ProfileState, new: list[SubscriptionRow]) -> None:
    chosen = rules.sign_in(state, new)
    assert [row for row in state.rows if row["isDefault"]] == [chosen]
    assert chosen in new


@given(states(), sign_ins(min_size=1))
def test_a_sign_in_that_was_offered_keeps_the_default_of_its_cloud(
    state: ProfileState, new: list[SubscriptionRow]
) -> None:
    before = rules.active_row(state.rows)
    chosen = rules.sign_in(state, new, keeps_default=True)
    _assert_valid(state)
    assert [row for row in state.rows if row["isDefault"]] == [chosen]
    assert chosen is not None
    if before is not None and before["environmentName"] == new[0]["environmentName"] and key_of(before) in _keys(state):
        assert key_of(chosen) == key_of(before)
    else:
        assert chosen in new


def test_a_sign_in_that_was_offered_keeps_the_names_of_its_tenant_alone() -> None:
    def row(identity: str, tenant: str, account: Account = ALICE, **names: Any) -> SubscriptionRow:
        return {**row_of(Subscription(identity, "Production", "Enabled", tenant), account, CLOUDS[0]), **names}

    names: dict[str, Any] = {"tenantDefaultDomain": "contoso.example", "tenantDisplayName": "Contoso"}
    state = ProfileState()
    rules.sign_in(state, [row("s-1", "t-1", **names)])
    new = [row("s-1", "t-1"), row("s-2", "t-1"), row("s-3", "t-2"), row("s-4", "t-1", tenantDisplayName="Renamed")]
    rules.sign_in(state, new, keeps_default=True)
    assert [(each.get("tenantDefaultDomain"), each.get("tenantDisplayName")) for each in state.rows] == [
        ("contoso.example", "Contoso"),
        ("contoso.example", "Contoso"),
        (None, None),
        ("contoso.example", "Renamed"),
    ]
    rules.sign_in(state, [row("s-5", "t-1", BOB)], keeps_default=True)
    assert "tenantDisplayName" not in state.rows[-1]


@given(states(), sign_ins())
def test_the_same_sign_in_twice_changes_nothing_more(state: ProfileState, new: list[SubscriptionRow]) -> None:
    rules.sign_in(state, copy.deepcopy(new))
    once = copy.deepcopy(state)
    rules.sign_in(state, copy.deepcopy(new))
    assert (state.rows, state.shadowed) == (once.rows, once.shadowed)


@given(states(), sign_ins(min_size=1), st.data())
def test_a_wanted_subscription_becomes_the_default_in_any_case(
    state: ProfileState, new: list[SubscriptionRow], data: st.DataObject
) -> None:
    wanted = data.draw(st.sampled_from(new))
    spelling = data.draw(st.sampled_from([wanted["id"].upper(), wanted["name"].swapcase()]))
    otherwise = rules.sign_in(copy.deepcopy(state), copy.deepcopy(new))
    chosen = rules.sign_in(state, new, preferred=spelling)
    assert chosen is not None
    if len({row["id"] for row in new if spelling.lower() in (row["id"].lower(), row["name"].lower())}) > 1:
        # A name of several subscriptions chooses none of them.
        assert otherwise is not None
        assert key_of(chosen) == key_of(otherwise)
        return
    assert spelling.lower() in (chosen["id"].lower(), chosen["name"].lower())


@given(states(), st.sampled_from([ALICE, BOB]))
def test_removing_an_account_removes_its_rows_and_no_others(state: ProfileState, account: Account) -> None:
    before = _keys(state)
    rules.remove_account(state, account.name.upper())
    _assert_valid(state)
    assert _keys(state) == {key for key in before if key[1] != account.name}
    assert account.name not in json.dumps([state.previous, state.choices])


@given(states(), st.data())
def test_choosing_a_row_and_going_back_ends_where_it_began(state: ProfileState, data: st.DataObject) -> None:
    assume(rules.active_row(state.rows) is not None)
    before = rules.active_row(state.rows)
    assert before is not None
    cloud = before["environmentName"]
    other = data.draw(st.sampled_from(rules.in_cloud(state.all_rows(), cloud)))
    assume(other is not before)
    rules.make_active(state, other)
    _assert_valid(state)
    assert rules.active_row(state.rows) is other
    back = rules.previous_row(state, cloud)
    assert back is before
    rules.make_active(state, back)
    assert rules.active_row(state.rows) is before


@given(states(), st.lists(new_rows(), max_size=5))
def test_a_refresh_keeps_what_it_does_not_speak_for(state: ProfileState, refreshed: list[SubscriptionRow]) -> None:
    before = copy.deepcopy(state)
    rules.refresh(state, refreshed, lambda row: bool(row["tenantId"] == "t-1"))
    _assert_valid(state)
    assert {key for key in _keys(before) if key[2] != "t-1"} <= _keys(state)


@given(states())
def test_a_refresh_without_news_changes_nothing(state: ProfileState) -> None:
    assume(any(row["isDefault"] for row in state.rows))
    before = copy.deepcopy(state)
    fresh = [{**copy.deepcopy(row), "isDefault": False} for row in state.all_rows()]
    rules.refresh(state, fresh, lambda row: True)
    assert (state.rows, state.shadowed) == (before.rows, before.shadowed)


def test_the_sign_in_of_another_user_keeps_the_row_of_a_shared_subscription() -> None:
    state = ProfileState()
    rules.sign_in(state, [_shared(ALICE)])
    rules.sign_in(state, [_shared(BOB)])
    assert [row["user"]["name"] for row in state.rows] == [BOB.name]
    assert [row["user"]["name"] for row in state.shadowed] == [ALICE.name]
    rules.remove_account(state, BOB.name)
    assert [row["user"]["name"] for row in state.rows] == [ALICE.name]
    assert not state.shadowed


def test_a_subscription_seen_through_two_tenants_keeps_both_rows() -> None:
    state = ProfileState()
    rules.sign_in(state, [_shared(ALICE, "t-1"), _shared(ALICE, "t-2")])
    assert [row["tenantId"] for row in state.rows] == ["t-1"]
    assert [row["tenantId"] for row in state.shadowed] == ["t-2"]
    rules.make_active(state, state.shadowed[0])
    rules.sign_in(state, [_shared(ALICE, "t-1"), _shared(ALICE, "t-2")])
    assert [row["tenantId"] for row in state.rows] == ["t-2"], "the tenant that was chosen stays in use"


def test_signing_in_again_leaves_the_first_tenants_row_in_use() -> None:
    state = ProfileState([_shared(ALICE, "t-1"), _row("2", "Development")])
    state.rows[1]["isDefault"] = True
    rules.sign_in(state, [_shared(ALICE, "t-1"), _row("2", "Development"), _shared(ALICE, "t-2")])
    assert [row["tenantId"] for row in state.rows if row["id"] == "9"] == ["t-1"]
    assert [row["tenantId"] for row in state.shadowed] == ["t-2"]


def test_rows_that_another_tool_wrote_twice_are_one_row_in_the_active_view_the_default() -> None:
    carols = {**_shared(Account("carol@tailspin.example")), "isDefault": True}
    twice = [_shared(ALICE), _shared(ALICE), {**carols, "id": carols["id"].upper()}, _row("1", "Production")]
    state = ProfileState.of({"subscriptions": [*twice, _shared(BOB)]})
    _assert_valid(state)
    assert rules.active_row(state.rows) is twice[2]
    assert [(row["name"], row["user"]["name"]) for row in state.all_rows()] == [
        ("Shared", users.CAROL),
        ("Production", ALICE.name),
        ("Shared", ALICE.name),
        ("Shared", BOB.name),
    ]


def test_what_other_tools_note_in_a_row_survives_a_sign_in_and_a_refresh() -> None:
    old = _row("1", "Production")
    old.update({"x-note": "keep", "homeTenantId": "an old one"})
    old["user"].update({"x-note": "keep", "useCertSNIssuerAuth": True})
    state = ProfileState([old])
    rules.sign_in(state, [_row("1", "Renamed")])
    rules.refresh(state, [_row("1", "Renamed again")], lambda row: True)
    (row,) = state.rows
    expected = {**_row("1", "Renamed again"), "x-note": "keep", "isDefault": True}
    expected["user"]["x-note"] = "keep"
    assert row == expected


def test_a_tenant_is_the_same_in_upper_case() -> None:
    state = ProfileState()
    rules.sign_in(state, [_shared(ALICE, "abc")])
    rules.sign_in(state, [_shared(ALICE, "ABC")])
    assert [row["tenantId"] for row in state.all_rows()] == ["ABC"]
    rules.sign_in(state, [row_of(tenant_level_subscription("DEF"), ALICE, "LocalCloud")])
    rules.sign_in(state, [{**_row("1", "Production"), "tenantId": "def"}])
    assert {row["name"] for row in state.all_rows()} == {"Shared", "Production"}


def test_removing_an_account_removes_what_could_not_be_used_of_it() -> None:
    mine, of_bob = {"user": {"name": ALICE.name.upper()}}, {"user": {"name": BOB.name}}
    state = ProfileState(unusable=[mine, ALICE.name, None, of_bob])
    rules.remove_account(state, ALICE.name)
    assert state.unusable == [None, of_bob]


def test_the_last_choice_of_a_user_is_restored_by_the_next_sign_in() -> None:
    state = ProfileState()
    rules.sign_in(state, [_row("1", "Production"), _row("2", "Development")])
    rules.make_active(state, state.rows[1])
    rules.sign_in(state, [_shared(BOB)])
    chosen = rules.sign_in(state, [_row("1", "Production"), _row("2", "Development")])
    assert chosen is not None
    assert chosen["name"] == "Development"


@pytest.mark.parametrize("newest", [0, 1, 2])
def test_of_the_choices_in_several_tenants_the_last_one_comes_back(newest: int) -> None:
    def rows() -> list[SubscriptionRow]:
        return [_row(str(number), f"In {number}", f"t-{number}") for number in range(3)]

    state = ProfileState()
    rules.sign_in(state, rows())
    for number in (0, 1, 2, newest):
        rules.make_active(state, state.rows[number])
    rules.sign_in(state, [_shared(BOB)])
    chosen = rules.sign_in(state, rows())
    assert chosen is not None
    assert chosen["name"] == f"In {newest}"


def test_the_active_subscription_stays_active_when_it_is_signed_in_to_again() -> None:
    state = ProfileState([_row("1", "Production"), _row("2", "Development")])
    state.rows[1]["isDefault"] = True
    chosen = rules.sign_in(state, [_row("1", "Production"), _row("2", "Development")])
    assert chosen is not None
    assert chosen["name"] == "Development"


def test_the_first_enabled_subscription_is_chosen_before_a_disabled_one() -> None:
    disabled = _row("1", "Retired")
    disabled["state"] = "Disabled"
    chosen = rules.sign_in(ProfileState(), [disabled, _row("2", "Production")])
    assert chosen is not None
    assert chosen["name"] == "Production"


def test_a_tenant_level_row_is_removed_when_the_tenant_has_real_subscriptions() -> None:
    placeholder = row_of(tenant_level_subscription("t-1"), ALICE, "LocalCloud")
    of_bob = row_of(tenant_level_subscription("t-2"), BOB, "LocalCloud")
    state = ProfileState([placeholder, of_bob])
    rules.sign_in(state, [_row("1", "Production")])
    assert [row["name"] for row in state.rows] == [TENANT_LEVEL_NAME, "Production"]
    assert state.rows[0]["user"]["name"] == BOB.name


def test_a_refresh_chooses_the_first_enabled_one_when_the_active_subscription_is_gone() -> None:
    gone, disabled, left = _row("1", "Gone"), _row("2", "Retired"), _row("3", "Production")
    gone["isDefault"], disabled["state"] = True, "Disabled"
    state = ProfileState([gone, disabled, left])
    chosen = rules.refresh(state, [dict(disabled), dict(left)], lambda row: True)
    assert [row["name"] for row in state.rows] == ["Retired", "Production"]
    assert chosen is state.rows[1]


@pytest.mark.parametrize(
    ("of_alice", "fallback", "expected"),
    [
        (("3",), "Staging", "Production"),
        (("3", "4"), None, "Staging"),
        ((), "Staging", "Staging"),
        ((), "No such one", "Test"),
    ],
)
def test_a_refresh_goes_by_choices_when_the_active_subscription_is_gone(
    of_alice: tuple[str, ...], fallback: str | None, expected: str
) -> None:
    """Those of the account whose default is gone, then the configured one, then the first one."""
    rows = [_row("2", "Test"), _row("3", "Production", tenant="t-2"), _row("4", "Staging", tenant="t-3")]
    of_bob = row_of(Subscription("5", "Bob's", "Enabled", "t-2"), BOB, "LocalCloud")
    state = ProfileState([_row("1", "Gone"), *rows, of_bob])
    by_id = {row["id"]: row for row in state.rows}
    for identity in (*of_alice, "5", "1"):
        rules.make_active(state, by_id[identity], deliberate=identity != "1")
    chosen = rules.refresh(state, [dict(row) for row in [*rows, of_bob]], lambda row: True, fallback=fallback)
    assert chosen is not None
    assert chosen["name"] == expected


def test_a_row_with_an_empty_id_is_no_choice_of_an_account_that_has_not_chosen() -> None:
    state = ProfileState([_row("", "Odd")])
    chosen = rules.refresh(state, [_row("", "Odd")], lambda row: True)
    assert chosen is state.rows[0]


def test_a_refresh_leaves_a_shared_subscription_with_the_account_that_had_it() -> None:
    state = ProfileState([_shared(BOB)])
    rules.refresh(state, [_shared(ALICE), _shared(BOB)], lambda row: True)
    assert [row["user"]["name"] for row in state.rows] == [BOB.name]
    assert [row["user"]["name"] for row in state.shadowed] == [ALICE.name]


# The default after a sign-in: what was asked for, what was active, what was last chosen, what is set up, the first.


def _sign_in(
    state: ProfileState, rows: list[SubscriptionRow], *, preferred: str | None = None, fallback: str | None = None
) -> tuple[str | None, list[str]]:
    """Return the name of the default, and of what was guessed."""
    guessed: list[SubscriptionRow] = []
    chosen = rules.sign_in(state, rows, preferred=preferred, fallback=fallback, on_guess=guessed.append)
    return chosen["name"] if chosen else None, [row["name"] for row in guessed]


def _five() -> list[SubscriptionRow]:
    return [_row(str(number), name) for number, name in enumerate(("First", "Asked", "Active", "Chosen", "Set up"))]


def _state(*, active: bool, chosen: bool) -> ProfileState:
    """A state after a sign-in, in which a user chose one subscription and then, perhaps, works with another."""
    state = ProfileState()
    rules.sign_in(state, _five())
    by_name = {row["name"]: row for row in state.rows}
    if chosen:
        rules.make_active(state, by_name["Chosen"])
    rules.make_active(state, by_name["Active"] if active else None, deliberate=False)
    return state


@pytest.mark.parametrize(
    ("preferred", "active", "chosen", "fallback", "expected"),
    [
        ("Asked", True, True, "Set up", "Asked"),
        (None, True, True, "Set up", "Active"),
        (None, False, True, "Set up", "Chosen"),
        (None, False, False, "Set up", "Set up"),
        (None, False, False, "4", "Set up"),
        (None, False, False, "SET UP", "Set up"),
    ],
)
def test_the_default_is_what_speaks_for_it_most(
    preferred: str | None, active: bool, chosen: bool, fallback: str, expected: str
) -> None:
    state = _state(active=active, chosen=chosen)
    assert _sign_in(state, _five(), preferred=preferred, fallback=fallback) == (expected, [])


@pytest.mark.parametrize("fallback", [None, "Nowhere"])
def test_a_default_without_a_choice_is_called_a_guess(fallback: str | None) -> None:
    assert _sign_in(ProfileState(), _five(), fallback=fallback) == ("First", ["First"])


def test_the_only_enabled_subscription_is_no_guess() -> None:
    disabled = {**_row("1", "Retired"), "state": "Disabled"}
    assert _sign_in(ProfileState(), [disabled, _row("2", "Production")]) == ("Production", [])


def test_a_default_that_is_set_up_has_to_be_enabled() -> None:
    disabled = {**_row("1", "Retired"), "state": "Disabled"}
    rows = [_row("2", "Production"), _row("3", "Development"), disabled]
    assert _sign_in(ProfileState(), rows, fallback="Retired") == ("Production", ["Production"])


def test_the_configured_default_is_not_a_choice_of_the_user() -> None:
    state = ProfileState()
    _sign_in(state, _five(), fallback="Set up")
    rules.make_active(state, None)
    assert _sign_in(state, _five()) == ("First", ["First"])


@given(states(), sign_ins(min_size=1), st.data())
def test_a_guess_is_made_only_if_there_were_others_and_nothing_spoke_for_one(
    state: ProfileState, new: list[SubscriptionRow], data: st.DataObject
) -> None:
    names = st.sampled_from([*NAMES, "Nowhere"])
    fallback = data.draw(st.none() | names)
    before = copy.deepcopy(state)
    guessed: list[SubscriptionRow] = []
    chosen = rules.sign_in(state, new, fallback=fallback, on_guess=guessed.append)
    assert guessed in ([], [chosen])
    in_use = [row for row in state.rows if any(row is one for one in new)]
    enabled = [row["name"] for row in in_use if row["state"] == "Enabled"]
    active = rules.active_row(before.rows)
    if active is not None and slot_of(active) in {slot_of(row) for row in new}:
        assert not guessed
        assert chosen is not None
        assert slot_of(chosen) == slot_of(active)
    elif enabled.count(fallback) == 1:
        assert not guessed
        assert chosen is not None
        assert chosen["name"] == fallback
    else:
        assert bool(guessed) == (len(enabled) > 1)


# Tenants that could not be read again.


@given(states(), st.lists(st.tuples(_tenants, st.none() | st.sampled_from(["down", "MFA"])), max_size=6))
def test_a_failure_is_shown_with_the_rows_of_its_tenant_until_the_tenant_answers(
    state: ProfileState, answers: list[tuple[str, str | None]]
) -> None:
    cloud = CLOUDS[0]
    last: dict[str, str | None] = {}
    for tenant, reason in answers:
        rules.record_answers(state, cloud, ALICE, {tenant: reason})
        last[tenant] = reason
    for row in state.all_rows():
        failure = rules.refresh_failure_of(state, row)
        if (row["environmentName"], row["user"]["name"]) == (cloud, ALICE.name):
            assert (failure and failure["reason"]) == last.get(row["tenantId"])
            assert failure is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", failure["on"])
        else:
            assert failure is None


@given(states())
def test_failures_go_with_the_account_and_survive_the_file(state: ProfileState) -> None:
    tenants = {row["tenantId"]: "down" for row in state.all_rows()}
    for cloud in CLOUDS:
        rules.record_answers(state, cloud, ALICE, tenants)
        rules.record_answers(state, cloud, BOB, tenants)
    document: dict[str, Any] = {}
    state.write_to(document, 1)
    again = ProfileState.of(json.loads(json.dumps(document)))
    assert again.refresh_failures == state.refresh_failures
    assert all(rules.refresh_failure_of(again, row) for row in again.all_rows())
    rules.remove_account(again, ALICE.name)
    assert ALICE.name not in json.dumps(again.refresh_failures)
    assert all(rules.refresh_failure_of(again, row) for row in again.all_rows())


def test_a_failure_of_a_tenant_without_rows_is_not_recorded() -> None:
    state = ProfileState([_row("1", "Production")])
    rules.record_answers(state, "LocalCloud", ALICE, {"t-9": "down"})
    assert not state.refresh_failures


def test_a_tenant_is_the_same_in_any_case() -> None:
    state = ProfileState([_shared(ALICE, "T-1")])
    rules.record_answers(state, "LocalCloud", ALICE, {"t-1": "down"})
    assert rules.refresh_failure_of(state, state.rows[0])


def _shared(account: Account, tenant: str = "t-1") -> SubscriptionRow:
    return row_of(Subscription("9", "Shared", "Enabled", tenant), account, "LocalCloud")


def _row(identity: str, name: str, tenant: str = "t-1") -> SubscriptionRow:
    return row_of(Subscription(identity, name, "Enabled", tenant), ALICE, "LocalCloud")


def _owner(row: SubscriptionRow) -> tuple[str, str, str]:
    return row["environmentName"], row["user"]["name"], row["tenantId"]


def _tenant_level(row: SubscriptionRow) -> bool:
    return bool(row["name"] == TENANT_LEVEL_NAME)
