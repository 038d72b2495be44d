"""What a command that is not ours sees, and what is stored of its changes, over arbitrary lists."""

from __future__ import annotations

import copy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from azext_login.errors import AccountError
from azext_login.profile import subscriptions as rules
from azext_login.profile.choice import Choice
from azext_login.profile.command_view import rows_of_command, rows_to_store
from azext_login.profile.model import Account, SubscriptionRow, account_of
from azext_login.profile.state import ProfileState, slot_of
from azext_login.resource_manager.resources import Subscription
from azext_login.usecases.rows import row_of
from tests.unit.profile.test_chosen_view import cases
from tests.unit.profile.test_subscriptions import ALICE, BOB, CLOUDS

_CLOUD = CLOUDS[0]


@given(cases())
def test_what_is_read_and_written_back_changes_nothing(case: tuple[ProfileState, Choice]) -> None:
    state, shown = case[0], _shown(*case)
    before = copy.deepcopy(state)
    assert rows_to_store(copy.deepcopy(shown), shown, state.rows) == state.rows
    assert state == before


@given(cases(), st.data())
def test_another_default_is_stored_and_nothing_else_changes(
    case: tuple[ProfileState, Choice], data: st.DataObject
) -> None:
    state, shown = case[0], _shown(*case)
    chosen = slot_of(data.draw(st.sampled_from(shown)))
    assume(not any(row["isDefault"] for row in shown if slot_of(row) == chosen))
    written = [{**row, "isDefault": slot_of(row) == chosen} for row in shown]
    rows = rows_to_store(written, shown, state.rows)
    assert [slot_of(row) for row in rows if row["isDefault"]] == [chosen]
    seen = {slot_of(row): row for row in shown}
    for stored, row in zip(state.rows, rows, strict=True):
        expected = seen[chosen] if slot_of(stored) == chosen else stored
        assert {**row, "isDefault": None} == {**expected, "isDefault": None}


@given(cases(), st.data())
def test_a_removed_row_is_removed_and_hidden_rows_stay(case: tuple[ProfileState, Choice], data: st.DataObject) -> None:
    state, shown = case[0], _shown(*case)
    removed = data.draw(st.sampled_from(shown))
    written = [row for row in shown if row is not removed]
    rows = rows_to_store(written, shown, state.rows)
    # The row that the removed one had only been shown in place of stays.
    gone = [row for row in state.rows if slot_of(row) == slot_of(removed) and account_of(row) == account_of(removed)]
    gone = [row for row in gone if row["tenantId"] == removed["tenantId"]]
    assert rows == [row for row in state.rows if row not in gone]


def test_the_row_that_a_removed_one_had_been_shown_in_place_of_stays() -> None:
    state = ProfileState([_row("1", "One", ALICE), _row("2", "Two", BOB)], [_row("1", "One", BOB)])
    shown = rows_of_command(state, Choice(BOB.name), _CLOUD)
    assert [account_of(row) for row in shown] == [BOB, BOB]
    assert rows_to_store([shown[1]], shown, state.rows) == state.rows


@given(cases())
def test_a_new_row_is_added_and_a_changed_one_replaced(case: tuple[ProfileState, Choice]) -> None:
    state, shown = case[0], _shown(*case)
    new = _row("new", "New", BOB)
    written = [{**shown[0], "state": "Warned"}, *shown[1:], new]
    rows = rows_to_store(written, shown, state.rows)
    assert rows[-1] == new
    assert [row["state"] for row in rows if slot_of(row) == slot_of(shown[0])] == ["Warned"]
    assert [row["isDefault"] for row in rows] == [*(row["isDefault"] for row in state.rows), False]


def test_a_shadowed_row_that_the_command_names_is_shown_in_place_of_the_other_one() -> None:
    state = ProfileState([_row("1", "New name", ALICE), _row("2", "Two", ALICE)], [_row("1", "Old name", BOB)])
    for word, expected in (("old NAME", BOB), ("new name", ALICE), ("1", ALICE), ("nothing", ALICE)):
        (row, _) = rows_of_command(state, Choice(), _CLOUD, word)
        assert account_of(row) == expected
    assert account_of(rows_of_command(state, Choice(), _CLOUD)[0]) == ALICE


def test_a_default_stays_one_when_a_shadowed_row_takes_its_place() -> None:
    state = ProfileState([{**_row("1", "New name", ALICE), "isDefault": True}], [_row("1", "Old name", BOB)])
    (row,) = rows_of_command(state, Choice(), _CLOUD, "Old name")
    assert (row["name"], row["isDefault"]) == ("Old name", True)


def test_a_subscription_that_only_a_hidden_account_has_is_an_error_that_names_the_variable() -> None:
    state = ProfileState([_row("1", "New name", ALICE), _row("2", "Two", BOB)], [_row("1", "Old name", BOB)])
    for word in ("Old name", "2"):
        with pytest.raises(AccountError, match=f"Subscription '{word}' not found") as caught:
            rows_of_command(state, Choice(ALICE.name, "New name"), _CLOUD, word)
        assert "AZURE_LOGIN_ACCOUNT is set" in caught.value.recommendations[-1]
    # The host reports what no account has.
    assert [row["id"] for row in rows_of_command(state, Choice(ALICE.name), _CLOUD, "nothing")] == ["1"]


@given(cases(account=True), st.data())
def test_no_word_shows_a_row_of_another_account(case: tuple[ProfileState, Choice], data: st.DataObject) -> None:
    state, choice = case
    rows = rules.in_cloud(state.all_rows(), _CLOUD)
    word = data.draw(st.sampled_from([row[key] for row in rows for key in ("id", "name", "tenantId")]))
    try:
        shown = rows_of_command(state, choice, _CLOUD, word)
    except AccountError:
        return
    assert {account_of(row).key for row in rules.in_cloud(shown, _CLOUD)} == {str(choice.account).casefold()}


def test_a_shadowed_row_whose_other_row_was_removed_is_shown() -> None:
    state = ProfileState([_row("2", "Two", ALICE)], [_row("1", "One", BOB)])
    assert [row["id"] for row in rows_of_command(state, Choice(), _CLOUD)] == ["2", "1"]
    # It is not added to the list when that is written back, because it is stored already.
    shown = rows_of_command(state, Choice(), _CLOUD)
    assert rows_to_store(copy.deepcopy(shown), shown, state.rows) == state.rows


def test_a_chosen_subscription_that_does_not_exist_is_not_needed_if_the_command_names_one() -> None:
    state = ProfileState([_row("1", "One", ALICE), _row("2", "Two", BOB)])
    choice = Choice(ALICE.name, "nothing")
    assert [row["id"] for row in rows_of_command(state, choice, _CLOUD, "One")] == ["1"]


def _shown(state: ProfileState, choice: Choice) -> list[SubscriptionRow]:
    try:
        shown = rows_of_command(state, choice, _CLOUD)
    except AccountError:
        assume(False)
        raise
    assert sum(row["isDefault"] for row in shown) == 1
    assert rules.active_row(shown) is not None
    return shown


def _row(identity: str, name: str, account: Account) -> SubscriptionRow:
    return row_of(Subscription(identity, name, "Enabled", "t-1"), account, _CLOUD)
