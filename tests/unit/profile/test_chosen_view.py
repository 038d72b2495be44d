"""What a process sees that chooses an account or a subscription, over arbitrary lists."""

from __future__ import annotations

import copy

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile import subscriptions as rules
from azext_login.profile.choice import Choice, View, choice_from
from azext_login.profile.chosen_view import apply_choice, find_shadowed
from azext_login.profile.model import Account, SubscriptionRow, account_of, is_enabled
from azext_login.profile.state import ProfileState, choice_key, key_of, owner_of, slot_of
from azext_login.resource_manager.resources import Subscription
from azext_login.usecases.rows import row_of
from tests.unit.profile.test_subscriptions import ALICE, BOB, CLOUDS, sign_ins

_CLOUD = CLOUDS[0]


@st.composite
def _shared_states(draw: st.DrawFn) -> ProfileState:
    """A state with two accounts in the cloud, which often have a subscription in common, and rows of another cloud."""
    state = ProfileState()
    for account in draw(st.permutations([ALICE, BOB])):
        rules.sign_in(state, draw(sign_ins(min_size=2, account=account, cloud=_CLOUD)))
    rules.sign_in(state, draw(sign_ins(cloud=CLOUDS[1])))
    rules.make_active(state, draw(st.sampled_from([None, *state.rows])), deliberate=draw(st.booleans()))
    return state


@st.composite
def cases(draw: st.DrawFn, *, account: bool | None = None) -> tuple[ProfileState, Choice]:
    """A state with rows in the cloud, and a choice of an account, of a subscription by its ID or name, or of both.

    :param account: whether an account is chosen; None for either.
    """
    state = draw(_shared_states())
    rows = rules.in_cloud(state.all_rows(), _CLOUD)
    names = sorted({account_of(row).name for row in rows})
    name = draw(st.sampled_from(names)) if draw(st.booleans() if account is None else st.just(account)) else None
    words = sorted({row[key] for row in rows if name in (None, account_of(row).name) for key in ("id", "name")})
    subscription = draw(st.sampled_from(words)) if name is None or draw(st.booleans()) else None
    return state, Choice(name.upper() if name and draw(st.booleans()) else name, subscription)


@given(cases())
def test_what_is_shown_has_one_default_and_one_row_per_slot_and_the_stored_state_stays(
    case: tuple[ProfileState, Choice],
) -> None:
    state = case[0]
    before = copy.deepcopy(state)
    view = _view(*case)
    assert state == before
    assert sum(row["isDefault"] for row in view.rows) == 1
    assert sum(row["isDefault"] for row in view.state.all_rows()) == 1
    assert _default(view)["environmentName"] == _CLOUD
    for rows in (view.rows, view.state.rows):
        slots = [slot_of(row) for row in rows]
        assert len(slots) == len(set(slots))
    # Nothing is lost, added or changed apart from the default.
    assert _contents(view.state) == _contents(before)
    assert _others(view.rows) == _others(state.rows)


@given(cases(account=True))
def test_a_chosen_account_hides_every_other_one_and_shows_each_of_its_subscriptions(
    case: tuple[ProfileState, Choice],
) -> None:
    state, choice = case
    shown = rules.in_cloud(_view(state, choice).rows, _CLOUD)
    assert {account_of(row).key for row in shown} == {str(choice.account).casefold()}
    own = [row for row in rules.in_cloud(state.all_rows(), _CLOUD) if account_of(row).matches(str(choice.account))]
    assert {slot_of(row) for row in shown} == {slot_of(row) for row in own}


@given(cases())
def test_a_chosen_subscription_is_the_default(case: tuple[ProfileState, Choice]) -> None:
    default, choice = _default(_view(*case)), case[1]
    assert choice.subscription in (None, default["id"], default["name"])


@given(cases(account=False))
def test_a_chosen_subscription_alone_hides_no_subscription(case: tuple[ProfileState, Choice]) -> None:
    state, view = case[0], _view(*case)
    assert [slot_of(row) for row in view.rows] == [slot_of(row) for row in state.rows]
    others = [row for row in view.rows if not row["isDefault"]]
    assert {key_of(row) for row in others} <= {key_of(row) for row in state.rows}


@given(cases())
def test_the_stored_default_stays_if_it_belongs_to_the_chosen_account(case: tuple[ProfileState, Choice]) -> None:
    active = rules.active_row(rules.in_cloud(case[0].rows, _CLOUD))
    assume(active is not None)
    assert active is not None
    view = apply_choice(case[0], Choice(account_of(active).label), _CLOUD)
    assert _default(view) is active


@given(cases(account=True))
def test_the_default_of_an_account_that_is_not_active_can_be_used(case: tuple[ProfileState, Choice]) -> None:
    active = rules.active_row(rules.in_cloud(case[0].rows, _CLOUD))
    view = _view(case[0], Choice(case[1].account))
    assume(active is None or account_of(active).key != view.account)
    if any(is_enabled(row) for row in rules.in_cloud(view.rows, _CLOUD)):
        assert is_enabled(_default(view))


def test_the_last_choice_of_the_account_comes_before_its_first_subscription() -> None:
    state = ProfileState()
    rules.sign_in(state, [_row("1", "One", BOB), _row("2", "Two", BOB)], preferred="2")
    rules.sign_in(state, [_row("2", "Two", ALICE)])
    view = apply_choice(state, Choice(BOB.name), _CLOUD)
    assert key_of(_default(view)) == key_of(_row("2", "Two", BOB))


def test_a_subscription_that_only_another_account_knows_by_this_name_is_swapped_in() -> None:
    state = ProfileState([_row("1", "New name", ALICE)], [_row("1", "Old name", BOB)])
    view = apply_choice(state, Choice(subscription="old NAME"), _CLOUD)
    assert account_of(_default(view)) == BOB
    assert [row["name"] for row in view.state.shadowed] == ["New name"]
    shadowed = find_shadowed(View(state, state.rows), "old NAME", _CLOUD)
    assert shadowed is state.shadowed[0]
    assert find_shadowed(View(state, state.rows, ALICE.key), "Old name", _CLOUD) is None


def test_of_several_tenants_it_is_the_one_chosen_last_or_the_own_one_of_the_subscription() -> None:
    """bob's rows are active, so no row of alice's is in the active view."""
    rows = [{**_row("1", "One", ALICE), "tenantId": tenant, "homeTenantId": "T-2"} for tenant in ("t-1", "t-2", "t-3")]
    state = ProfileState([_row("1", "One", BOB)], rows)
    for choice in (Choice(ALICE.name), Choice(ALICE.name, "One")):
        assert _default(apply_choice(state, choice, _CLOUD))["tenantId"] == "t-2"
    state.choices[choice_key(owner_of(rows[2]))] = "1"
    for choice in (Choice(ALICE.name), Choice(ALICE.name, "One")):
        assert _default(apply_choice(state, choice, _CLOUD))["tenantId"] == "t-3"
    for row in rows:
        row["homeTenantId"] = "t-9"
    state.choices.clear()
    assert "az account set --subscription 1" in _error(state, Choice(ALICE.name, "One"))


def test_of_several_accounts_with_a_subscription_the_active_one_is_used() -> None:
    orphans = [_row("1", "One", ALICE), _row("1", "One", BOB)]
    active = {**_row("2", "Two", BOB), "isDefault": True}
    view = apply_choice(ProfileState([active], orphans), Choice(subscription="One"), _CLOUD)
    assert account_of(_default(view)) == BOB


def test_several_accounts_of_which_none_is_active_are_an_error_with_commands() -> None:
    orphans = [_row("1", "One", ALICE), _row("1", "One", BOB)]
    text = _error(ProfileState([], orphans), Choice(subscription="One"))
    for account in (ALICE, BOB):
        assert f"az account set --subscription 1 --username {account.name} --tenant t-1" in text


def test_several_subscriptions_with_the_name_are_an_error_with_ids() -> None:
    state = ProfileState([_row("1", "Same", ALICE), _row("2", "Same", ALICE), _row("3", "Same", BOB)])
    text = _error(state, Choice(ALICE.name, "Same"))
    assert "AZURE_LOGIN_SUBSCRIPTION is 'Same'" in text
    assert "az account set --subscription 1" in text
    assert "az account set --subscription 2" in text
    assert "az account set --subscription 3" not in text


@pytest.mark.parametrize(
    "choice, error, words",
    [
        (Choice("x\x1b[31m@y"), NotSignedInError, "AZURE_LOGIN_ACCOUNT is 'x[31m@y'"),
        (Choice(ALICE.name, "x\u202ey"), AccountError, "AZURE_LOGIN_SUBSCRIPTION is 'xy'"),
        (Choice(subscription="nothing"), AccountError, "AZURE_LOGIN_SUBSCRIPTION is 'nothing'"),
        # bob has it, and is not the chosen account.
        (Choice(ALICE.name, "2"), AccountError, "AZURE_LOGIN_SUBSCRIPTION is '2'"),
        (Choice("userAssignedIdentity"), AccountError, "MSIClient-a"),
    ],
)
def test_a_value_that_names_nothing_is_an_error_with_the_next_step(
    choice: Choice, error: type[Exception], words: str
) -> None:
    machines = [
        _row(f"m-{name}", name, Account("userAssignedIdentity", "servicePrincipal", {"assignedIdentityInfo": name}))
        for name in ("MSIClient-a", "MSIClient-b")
    ]
    state = ProfileState([_row("1", "One", ALICE), _row("2", "Two", BOB), *machines])
    text = _error(state, choice, error)
    assert words in text
    # azure-identity looks for one of these in what `az` prints.
    assert "az login" in text or "az account set" in text
    assert "unset" in text


def test_no_signed_in_account_is_an_error_that_names_the_variable() -> None:
    for choice in (Choice(ALICE.name), Choice(subscription="1")):
        assert choice.origin in _error(ProfileState(), choice, NotSignedInError)


def test_blank_variables_are_not_set() -> None:
    assert not choice_from({"AZURE_LOGIN_ACCOUNT": " ", "AZURE_LOGIN_SUBSCRIPTION": ""})
    assert choice_from({"AZURE_LOGIN_SUBSCRIPTION": " One "}) == Choice(subscription="One")
    assert choice_from({"AZURE_LOGIN_ACCOUNT": "a@b"}) == Choice("a@b")


def _view(state: ProfileState, choice: Choice) -> View:
    """Apply a choice; leave out those between which nothing decides."""
    try:
        return apply_choice(state, choice, _CLOUD)
    except AccountError:
        assume(False)
        raise


def _error(state: ProfileState, choice: Choice, kind: type[Exception] = AccountError) -> str:
    """Return the text of the error, with its recommendations."""
    with pytest.raises(kind) as caught:
        apply_choice(state, choice, _CLOUD)
    return "\n".join([str(caught.value), *caught.value.recommendations])  # type: ignore[attr-defined]


def _default(view: View) -> SubscriptionRow:
    (row,) = [row for row in view.rows if row["isDefault"]]
    return row


def _contents(state: ProfileState) -> list[str]:
    return sorted(repr({**row, "isDefault": None}) for row in state.all_rows())


def _others(rows: object) -> list[SubscriptionRow]:
    """Return the rows of other clouds, without their default."""
    assert isinstance(rows, (list, tuple))
    return [{**row, "isDefault": None} for row in rows if row["environmentName"] != _CLOUD]


def _row(identity: str, name: str, account: Account) -> SubscriptionRow:
    return row_of(Subscription(identity, name, "Enabled", "t-1"), account, _CLOUD)
