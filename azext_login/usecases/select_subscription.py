"""`account set`: chooses the active subscription of the cloud, by name or ID, or the previous one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from azext_login.errors import AccountError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, account_of, is_in_tenant
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.profile.state import ProfileState
    from azext_login.usecases.session import Session

PREVIOUS = "-"
"""The value of `account set --subscription` for the previously active subscription."""


def select_subscription(
    session: Session, subscription: str, *, username: str | None = None, tenant: str | None = None
) -> SubscriptionRow:
    """Make a subscription of the active cloud the default one, and return its row.

    :param subscription: ID, name, or `PREVIOUS`.
    :param username: choose the row of this account, if several accounts have the subscription.
    :param tenant: choose the row of this tenant (ID or domain), if several tenants show the subscription.
    :raises AccountError: there is no such subscription, or more than one.
    :raises StoreError: the choice cannot be stored.
    """
    cloud = session.settings.cloud
    with session.change(mirror=True) as state:
        if subscription == PREVIOUS:
            previous = rules.previous_row(state, cloud)
            if previous is None:
                raise AccountError(
                    "No subscription was active before this one.",
                    "Choose one from `az account list --output table`.",
                )
            found = [previous]
        else:
            found = rules.in_cloud(_candidates(state, subscription, username, tenant), cloud)
        if len(found) != 1:
            raise _not_one(subscription, found, cloud, username, tenant)
        rules.make_active(state, found[0])
    return found[0]


def _candidates(
    state: ProfileState, subscription: str, username: str | None, tenant: str | None
) -> list[SubscriptionRow]:
    # Without an account or a tenant, only the rows that built-in commands see count: every command line that works with
    # them works here.
    rows = state.all_rows() if username or tenant else state.rows
    found = rules.matching(rows, subscription)
    if username:
        found = [row for row in found if account_of(row).matches(username)]
    if tenant:
        found = [row for row in found if is_in_tenant(row, tenant)]
    return found


def _not_one(
    subscription: str, found: Sequence[SubscriptionRow], cloud: str, username: str | None, tenant: str | None
) -> AccountError:
    problem = "has more than one match" if found else "doesn't exist"
    where = f"in cloud '{cloud}'"
    next_step = "List the subscriptions with `az account list --all --output table`."
    if username:
        where += f" for account '{printable(username)}'"
    if tenant:
        where += f" in tenant '{printable(tenant)}'"
    if username or tenant:
        next_step = (
            "List the subscriptions with their accounts and tenants:\n"
            'az account list --all-identities --query "[].[name, user.name, tenantId]" --output table'
        )
    if found:
        next_step = "\n".join(["To choose one, run:", *map(_set_command, found)])
    return AccountError(f"The subscription of '{printable(subscription)}' {problem} {where}.", next_step)


def _set_command(row: SubscriptionRow) -> str:
    """Return the command that chooses exactly this row."""
    from azext_login.system.command_line import Command

    return str(
        Command(("az", "account", "set"))
        .with_option("--subscription", str(row["id"]))
        .with_option("--username", account_of(row).label)
        .with_option("--tenant", str(row["tenantId"]))
    )
