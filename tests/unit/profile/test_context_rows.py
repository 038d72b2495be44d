"""What a process in a context sees, over arbitrary lists: the row of the context, and no other account."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile import subscriptions as rules
from azext_login.profile.choice import Choice, ChosenContext
from azext_login.profile.chosen_view import apply_choice
from azext_login.profile.command_view import rows_of_command, rows_to_store
from azext_login.profile.context_rows import login_of
from azext_login.profile.contexts import Context, context_of, read_contexts, with_context
from azext_login.profile.model import Account, SubscriptionRow, account_of
from azext_login.profile.state import ProfileState, key_of, slot_of
from tests.unit.profile.test_chosen_view import cases
from tests.unit.profile.test_subscriptions import ALICE, CLOUDS

_CLOUD = CLOUDS[0]


@st.composite
def _in_context(draw: st.DrawFn) -> tuple[ProfileState, Context]:
    """A state, and a context for any row of it in the cloud."""
    state, _ = draw(cases())
    return state, context_of("work", draw(st.sampled_from(rules.in_cloud(state.all_rows(), _CLOUD))))


def _choice(context: Context | None) -> Choice:
    return Choice(chosen=ChosenContext("work", context))


@given(_in_context())
def test_the_one_default_is_the_row_of_the_context_and_other_accounts_are_hidden(
    case: tuple[ProfileState, Context],
) -> None:
    state, context = case
    before = copy.deepcopy(state)
    view = apply_choice(state, _choice(context), _CLOUD)
    (default,) = [row for row in view.rows if row["isDefault"]]
    assert context.stands_for(default)
    assert [key_of(row) for row in view.state.all_rows() if row["isDefault"]] == [key_of(default)]
    shown = rules.in_cloud(view.rows, _CLOUD)
    assert {account_of(row).key for row in shown} == {context.account.key} == {view.account}
    slots = [slot_of(row) for row in view.rows]
    assert len(slots) == len(set(slots))
    # Every subscription of the account is shown, and nothing stored has changed.
    own = [row for row in rules.in_cloud(state.all_rows(), _CLOUD) if account_of(row).key == context.account.key]
    assert {slot_of(row) for row in shown} == {slot_of(row) for row in own}
    assert state == before
    assert _contents(view.state) == _contents(before)


@given(_in_context())
def test_a_command_that_writes_what_it_sees_changes_nothing(case: tuple[ProfileState, Context]) -> None:
    state, context = case
    shown = rows_of_command(state, _choice(context), _CLOUD)
    stored = rows_to_store(copy.deepcopy(shown), shown, state.rows)
    assert {key_of(row): row["isDefault"] for row in stored} == {key_of(row): row["isDefault"] for row in state.rows}


@given(_in_context())
def test_without_its_row_or_its_account_no_other_one_takes_the_place(case: tuple[ProfileState, Context]) -> None:
    state, context = case
    for gone in (replace(context, subscription="none"), replace(context, tenant="none")):
        with pytest.raises(AccountError, match="does not have its subscription") as raised:
            apply_choice(state, _choice(gone), _CLOUD)
        assert "az account context update --name work" in str(raised.value.recommendations)
        # A command that names its subscription does not need it.
        view = apply_choice(state, _choice(gone).without_subscription(), _CLOUD)
        assert view.account == context.account.key
    with pytest.raises(NotSignedInError, match="is not signed in"):
        apply_choice(state, _choice(replace(context, account=Account("mallory"))), _CLOUD)
    with pytest.raises(AccountError, match="is not registered"):
        apply_choice(state, _choice(replace(context, cloud="GoneCloud")), _CLOUD)
    with pytest.raises(AccountError, match="there is no context"):
        apply_choice(state, _choice(None), _CLOUD)


@given(_in_context())
def test_a_context_is_the_same_after_it_was_stored(case: tuple[ProfileState, Context]) -> None:
    context = case[1]
    stored = with_context([{"name": "other", "x-note": 1}], context)
    (read,) = read_contexts(stored)
    assert (read, read.account.details) == (context, context.account.details)


def test_keys_of_other_programs_survive_a_change_and_the_first_of_two_records_counts() -> None:
    context = Context("work", _CLOUD, ALICE, "t-1", "s-1")
    (record,) = with_context([], context)
    (changed,) = with_context([{**record, "x-note": 1}], replace(context, tenant="t-2"), replaces="WORK")
    assert (changed["x-note"], changed["tenant"]) == (1, "t-2")
    assert read_contexts([record, {**record, "name": "Work", "tenant": "t-3"}]) == [context]


@pytest.mark.parametrize(
    "account, expected",
    [
        (Account("alice@contoso.example"), "az login --tenant t-1"),
        (Account("app", "servicePrincipal"), "az login --service-principal --username app --tenant t-1 --password=@-"),
        (
            Account("userAssignedIdentity", "servicePrincipal", {"assignedIdentityInfo": "MSIClient-c-1"}),
            "az login --identity --client-id c-1",
        ),
        (
            Account("systemAssignedIdentity", "servicePrincipal", {"assignedIdentityInfo": "MSI"}),
            "az login --identity",
        ),
    ],
)
def test_the_advice_signs_the_account_in(account: Account, expected: str) -> None:
    assert str(login_of(Context("work", _CLOUD, account, "t-1", "s-1"))) == expected


def test_the_advice_in_another_cloud_signs_in_to_that_of_the_context() -> None:
    context = Context("work", _CLOUD, Account("app", "servicePrincipal"), "t-1", "s-1")
    assert login_of(context, _CLOUD) == login_of(context)
    assert str(login_of(context, "Elsewhere")) == (
        "az account context run --context work -- az login --service-principal --username app --tenant t-1"
    )


def _contents(state: ProfileState) -> dict[object, SubscriptionRow]:
    return {key_of(row): {**row, "isDefault": None} for row in state.all_rows()}
