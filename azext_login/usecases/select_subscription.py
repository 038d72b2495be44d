"""`account set`: chooses the active subscription of the cloud, by name or ID, or the previous one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from azext_login.errors import AccountError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.model import SubscriptionRow
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
            found = _candidates(state, cloud, subscription, username, tenant)
        if len(found) != 1:
            error = _not_one(subscription, found, cloud, username, tenant)
            if not rules.in_cloud(state.all_rows(), cloud):
                error.login = ()
            raise error
        rules.make_active(state, found[0])
    return found[0]


def _candidates(
    state: ProfileState, cloud: str, subscription: str, username: str | None, tenant: str | None
) -> list[SubscriptionRow]:
    # Without an account or a tenant, only the rows that built-in commands see count: every command line that works with
    # them works here.
    rows = rules.in_cloud(state.all_rows() if username or tenant else state.rows, cloud)
    if tenant:
        rows = words.of_tenant(rows, tenant)
    if username:
        rows = words.of_account(rows, username)
    return words.with_subscription(rows, subscription)


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
        from azext_login.profile.ambiguity import set_command

        next_step = "\n".join(["To choose one, run:", *(str(set_command(row)) for row in found)])
    return AccountError(f"The subscription of '{printable(subscription)}' {problem} {where}.", next_step)
