"""Contexts whose subscription is not stored any more: it is read again, and nothing that is stored is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azext_login.profile import subscriptions as rules
from azext_login.profile.contexts import Context, find_context
from azext_login.profile.model import SubscriptionRow, account_of, tenant_of
from azext_login.resource_manager.resources import Tenant
from azext_login.usecases.rows import row_of

if TYPE_CHECKING:
    from azext_login.usecases.session import Session


def can_be_read_again(session: Session, context: Context) -> bool:
    """Tell whether the subscription of a context can be read without a sign-in."""
    is_tenant_level = context.subscription.casefold() == context.tenant.casefold()
    return (
        context.cloud == session.settings.cloud
        and not is_tenant_level
        and _row_of_account(session, context) is not None
    )


def read_again(session: Session, name: str) -> None:
    """Read the subscription of a context again, and add it to those of its account.

    :raises AzCLIError: the account cannot be used, or does not have the subscription.
    """
    context = find_context(session.state().contexts, name)
    row = None if context is None else _row_of_account(session, context)
    if context is None or row is None:
        # It was deleted, or its account has signed out, in the meantime.
        return
    with session.clients.stored_tokens() as applications:
        credential = session.clients.credential_of(row, applications)
        manager = session.clients.resource_manager_of(credential, home=context.tenant)
        found = manager.subscription(context.subscription, Tenant(context.tenant))
    with session.change(mirror=True) as state:
        if _row_of_account(session, context) is not None:
            rules.refresh(state, [row_of(found, account_of(row), context.cloud)], lambda each: False, fallback=None)


def _row_of_account(session: Session, context: Context) -> SubscriptionRow | None:
    """Return a row of the account of a context: of the tenant of the context, if it is not a user's.

    A user has one credential for all tenants.
    """
    rows = rules.in_cloud(session.state().all_rows(), context.cloud)
    own = [row for row in rows if account_of(row).key == context.account.key]
    of_tenant = next((row for row in own if tenant_of(row) == context.tenant.casefold()), None)
    if of_tenant is not None or not context.account.is_user:
        return of_tenant
    return own[0] if own else None
