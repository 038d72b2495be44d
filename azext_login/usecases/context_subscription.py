"""The subscription, the account and the tenant that a new or a changed context stands for, as a user gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.chosen_view import find_subscription
from azext_login.profile.context_rows import not_signed_in
from azext_login.profile.contexts import Context
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import ProfileState, slot_of
from azext_login.system.command_line import Command
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.usecases.session import Session


@dataclass(frozen=True)
class NewChoice:
    """What a context stands for, as a user gives it. What is missing is what is active, or stays as it is."""

    subscription: str | None = None
    """ID or name."""
    username: str | None = None
    """A user name, an application ID, or the label of a managed identity."""
    tenant: str | None = None
    """ID, domain or display name."""

    def __bool__(self) -> bool:
        """Tell whether anything is given."""
        return bool(self.subscription or self.username or self.tenant)


def row_for_new(session: Session, choice: NewChoice) -> SubscriptionRow:
    """Return the row for a new context in the active cloud.

    In a context that does not exist, the stored default counts as active: the error about that context advises to
    create it.

    :raises NotSignedInError: no account is signed in.
    :raises AccountError: there is no such row, or nothing decides between several.
    """
    made = session.choice
    if made.chosen is not None and made.chosen.context is None:
        session.choice = made._replace(chosen=None)
    try:
        return _row_for_new(session, choice)
    finally:
        session.choice = made


def _row_for_new(session: Session, choice: NewChoice) -> SubscriptionRow:
    if not choice:
        return session.find(again=lambda: Command(("az", "account", "context", "create")))
    account = None
    if not choice.username:
        account = session.view(without_subscription=bool(choice.subscription)).account
    state, cloud = session.state(), session.settings.cloud
    rows = _matching(state, cloud, choice, account)
    if choice.subscription:
        return _only_one(find_subscription(state, rows, choice.subscription), choice, cloud)
    usual = rules.active_row(rows) or rules.last_choice(state, rows) or rules.first_usable(rows)
    if usual is None or len({account_of(row).key for row in rows}) > 1:
        raise _not_one(rows, choice, cloud)
    return usual


def row_for_change(session: Session, state: ProfileState, context: Context, choice: NewChoice) -> SubscriptionRow:
    """Return the row for a context that is changed. Without a subscription, it keeps its own, or gets the only one.

    :raises NotSignedInError: its account is not signed in, and no other one is given.
    :raises AccountError: there is no such row, or nothing decides between several.
    """
    own = None if choice.username else context.account.key
    everything = rules.in_cloud(state.all_rows(), context.cloud)
    if own is not None and all(account_of(row).key != own for row in everything):
        raise not_signed_in(f"The context '{context.name}' was not changed", context, session.cloud_of_process)
    rows = _matching(state, context.cloud, choice, own)
    if choice.subscription:
        return _only_one(find_subscription(state, rows, choice.subscription), choice, context.cloud)
    same = [row for row in rows if slot_of(row)[1] == context.subscription.lower()]
    found = find_subscription(state, same, context.subscription) if same else rows
    return _only_one(found, choice, context.cloud)


def _matching(state: ProfileState, cloud: str, choice: NewChoice, account: str | None) -> list[SubscriptionRow]:
    """Return the rows of an account and a tenant.

    :param account: the account (its key), if no user name is given; None for any.
    :raises NotSignedInError: no account is signed in to the cloud.
    """
    everything = rules.in_cloud(state.all_rows(), cloud)
    if not everything:
        raise NotSignedInError(
            f"No account is signed in to cloud '{printable(cloud)}'.",
            next_step="Please run 'az login' to setup account.",
        )
    rows = [row for row in everything if account in (None, account_of(row).key)]
    rows = words.of_account(rows, choice.username) if choice.username else rows
    return words.of_tenant(rows, choice.tenant) if choice.tenant else rows


def _only_one(found: Sequence[SubscriptionRow], choice: NewChoice, cloud: str) -> SubscriptionRow:
    if len(found) != 1:
        raise _not_one(found, choice, cloud)
    return found[0]


def _not_one(found: Sequence[SubscriptionRow], choice: NewChoice, cloud: str) -> AccountError:
    given = (("subscription", choice.subscription), ("account", choice.username), ("tenant", choice.tenant))
    what = " and ".join(f"{name} '{printable(value)}'" for name, value in given if value)
    if not found:
        return AccountError(
            f"Nothing that is signed in to cloud '{printable(cloud)}' matches {what}. Nothing was changed.",
            "List what can be used:\n"
            'az account list --all --all-identities --query "[].[name, id, user.name, tenantId]" --output table',
        )
    if len({account_of(row).key for row in found}) > 1:
        kind, option, values = "accounts", "--username", [account_of(row).label for row in found]
    elif len({slot_of(row) for row in found}) > 1:
        kind, option, values = "subscriptions", "--subscription", [f"{row['id']} ({row['name']})" for row in found]
    else:
        kind, option, values = "tenants", "--tenant", [str(row["tenantId"]) for row in found]
    lines = sorted(set(map(printable, values)))
    return AccountError(
        f"Several {kind} match {what}. Nothing was changed.",
        "\n".join([f"Add {option} with one of:", *lines]),
    )
