"""Which accounts are signed in, which one is active, and how to change that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from azext_login.api.arguments import check_optional, check_text
from azext_login.api.connection import session_of, session_of_default
from azext_login.api.records import (
    AccountKind,
    ActiveAccount,
    ActiveReason,
    Context,
    SignedInAccount,
    Subscription,
)
from azext_login.profile import subscriptions as rules
from azext_login.profile.choice import Choice
from azext_login.profile.model import CLOUD_SHELL, Account, SubscriptionRow, account_of, is_tenant_level


def current(cli_ctx: Any) -> ActiveAccount | None:
    """Return the account and the subscription that commands use in this process, and why; None without one.

    Needs no network. Example::

        active = api.current(cmd.cli_ctx)
        if active is not None:
            title = f"{active.name} in {active.subscription.name}"

    :param cli_ctx: the context of the command that runs.
    :raises NotSignedInError: the account in AZURE_LOGIN_ACCOUNT, or that of the context, is not signed in.
    :raises AccountError: AZURE_LOGIN_ACCOUNT or AZURE_LOGIN_SUBSCRIPTION names nothing, or several; or there is no
        such context.
    """
    session = session_of(cli_ctx)
    row = rules.active_row(session.rows())
    if row is None:
        return None
    account, choice = account_of(row), session.choice
    chosen = choice.chosen
    return ActiveAccount(
        name=account.label,
        kind=_kind(account),
        cloud=session.settings.cloud,
        tenant=str(row["tenantId"]),
        subscription=_subscription(row, is_default=True),
        reason=_reason(choice),
        variables=choice.variables,
        context=chosen.context.name if chosen and chosen.context else None,
        context_file=chosen.file.path if chosen and chosen.file else None,
    )


def accounts(cli_ctx: Any) -> tuple[SignedInAccount, ...]:
    """Return all accounts that are signed in to the active cloud, with their subscriptions.

    Those that AZURE_LOGIN_ACCOUNT hides are among them. Needs no network. Example::

        users = [account.name for account in api.accounts(cmd.cli_ctx) if account.kind is api.AccountKind.USER]

    :param cli_ctx: the context of the command that runs.
    """
    session = session_of(cli_ctx)
    by_account: dict[str, list[SubscriptionRow]] = {}
    for row in session.rows(all_identities=True):
        by_account.setdefault(account_of(row).key, []).append(row)
    return tuple(record_of(rows, session.settings.cloud) for rows in by_account.values())


def contexts(cli_ctx: Any) -> tuple[Context, ...]:
    """Return the contexts of every cloud, sorted by name. Needs no network. Example::

        names = [context.name for context in api.contexts(cmd.cli_ctx) if context.is_signed_in]

    :param cli_ctx: the context of the command that runs.
    """
    from azext_login.profile.contexts import is_same_name, read_contexts

    session = session_of(cli_ctx)
    state, chosen = session.state(), session.choice.chosen
    signed_in = {(row["environmentName"], account_of(row).key) for row in state.all_rows()}
    return tuple(
        Context(
            name=each.name,
            cloud=each.cloud,
            account=each.account.label,
            tenant=each.tenant,
            subscription=each.subscription,
            is_signed_in=(each.cloud, each.account.key) in signed_in,
            is_active=chosen is not None and is_same_name(each.name, chosen.name),
        )
        for each in read_contexts(state.contexts)
    )


def select(cli_ctx: Any, subscription: str, *, account: str | None = None, tenant: str | None = None) -> Subscription:
    """Make a subscription the stored default of the stored cloud, as `az account set` does, and return it.

    If AZURE_LOGIN_ACCOUNT or AZURE_LOGIN_SUBSCRIPTION is set, or this process is in a context, it keeps what they
    choose. Example::

        chosen = api.select(cmd.cli_ctx, "Contoso Development")
        assert chosen.is_default

    :param cli_ctx: the context of the command that runs.
    :param subscription: ID or name; `-` for the previous default.
    :param account: choose the subscription of this account, if several accounts have it.
    :param tenant: GUID or domain: choose it in this tenant, if several tenants show it.
    :raises ValueError: an argument is empty.
    :raises AccountError: there is no such subscription, or there are several.
    :raises StoreError: the choice cannot be stored.
    """
    from azext_login.usecases.select_subscription import select_subscription

    check_text("subscription", subscription)
    check_optional(account=account, tenant=tenant)
    row = select_subscription(session_of_default(cli_ctx), subscription, username=account, tenant=tenant)
    return _subscription(row, is_default=True)


def sign_out(cli_ctx: Any, account: str) -> bool:
    """Remove everything of an account, as `az logout` does: tokens, secret and subscriptions, in every cloud.

    Needs no network. Example::

        was_signed_in = api.sign_out(cmd.cli_ctx, "alice@contoso.com")

    :param cli_ctx: the context of the command that runs.
    :param account: a user name, an application ID, or the label of a managed identity.
    :return: whether anything of the account was stored.
    :raises ValueError: `account` is empty.
    :raises StoreError: a file cannot be changed or deleted.
    """
    from azext_login.usecases.sign_out import sign_out as remove_account

    check_text("account", account)
    return remove_account(session_of(cli_ctx), account).known


def record_of(rows: Sequence[SubscriptionRow], cloud: str) -> SignedInAccount:
    """Return the record of the account that all of these rows belong to."""
    account = account_of(rows[0])
    subscriptions = tuple(_subscription(row, is_default=bool(row.get("isDefault"))) for row in rows)
    return SignedInAccount(
        name=account.label,
        kind=_kind(account),
        cloud=cloud,
        is_active=any(subscription.is_default for subscription in subscriptions),
        subscriptions=subscriptions,
    )


def _subscription(row: Mapping[str, Any], *, is_default: bool) -> Subscription:
    home = row.get("homeTenantId")
    return Subscription(
        id=str(row["id"]),
        name=str(row["name"]),
        tenant=str(row["tenantId"]),
        state=str(row.get("state")),
        is_default=is_default,
        is_tenant_level=is_tenant_level(row),
        home_tenant=str(home) if home else None,
    )


def _kind(account: Account) -> AccountKind:
    if account.details.get(CLOUD_SHELL):
        return AccountKind.CLOUD_SHELL
    if account.is_user:
        return AccountKind.USER
    return AccountKind.MANAGED_IDENTITY if account.is_managed_identity else AccountKind.SERVICE_PRINCIPAL


def _reason(choice: Choice) -> ActiveReason:
    if choice.variables:
        return ActiveReason.VARIABLE
    return ActiveReason.CONTEXT if choice.chosen else ActiveReason.STORED
