"""Rows of the subscription list, built from the answers of Azure Resource Manager."""

from __future__ import annotations

from azext_login.profile.model import ENABLED, TENANT_LEVEL_NAME, Account, SubscriptionRow
from azext_login.resource_manager.resources import Subscription


def row_of(subscription: Subscription, account: Account, cloud: str) -> SubscriptionRow:
    """Return the row of a subscription, with the keys of built-in code in their order."""
    return {
        "id": subscription.id,
        "name": subscription.name,
        "state": subscription.state,
        "user": {"name": account.name, "type": account.kind, **account.details},
        "isDefault": False,
        "tenantId": subscription.tenant_id,
        "environmentName": cloud,
        **subscription.details,
    }


def tenant_level_subscription(tenant_id: str) -> Subscription:
    """Return what built-in code lists as a subscription for a tenant without subscriptions."""
    return Subscription(id=tenant_id, name=TENANT_LEVEL_NAME, state=ENABLED, tenant_id=tenant_id)
