"""Accounts, subscriptions and tenants as records, and their form in azureProfile.json.

A row of the file is passed on as the mapping that was read, not as a record: the host and other tools add keys
of their own, and every key has to come back unchanged. The records here are what we create rows from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]
"""One row of `subscriptions` in azureProfile.json."""

TENANT_LEVEL_NAME = "N/A(tenant level account)"
"""The name that the host gives to a row which stands for a tenant without a subscription."""

_ENABLED = "Enabled"


@dataclass(frozen=True)
class Account:
    """Who is signed in. `name` is a user name, an application ID, or the host's name for a managed identity."""

    name: str
    kind: str = "user"
    """`user` or `servicePrincipal`, as in the row."""

    @property
    def is_user(self) -> bool:
        return self.kind == "user"

    def matches(self, name: str) -> bool:
        """Compare names the way Entra does: without regard to case."""
        return self.name.casefold() == name.casefold()


@dataclass(frozen=True)
class Tenant:
    """A tenant as `GET /tenants` describes it; display name and domain are absent in old API versions."""

    id: str
    display_name: str | None = None
    default_domain: str | None = None

    @property
    def label(self) -> str:
        """Return what to show to a person, for example `0f1e... 'Contoso'`."""
        return f"{self.id} '{self.display_name}'" if self.display_name else self.id


@dataclass(frozen=True)
class Subscription:
    """A subscription as seen from one tenant.

    `details` are the optional keys of its row in their order: homeTenantId, tenantDefaultDomain,
    tenantDisplayName, managedByTenants. Which of them exist depends on the API version and on whether the
    tenant was looked up, and the host leaves the others out.
    """

    id: str
    name: str
    state: str | None
    tenant_id: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def tenant_level(cls, tenant_id: str) -> Subscription:
        """Return the stand-in for a tenant in which there is no subscription."""
        return cls(id=tenant_id, name=TENANT_LEVEL_NAME, state=_ENABLED, tenant_id=tenant_id)

    def to_row(self, account: Account, cloud: str) -> Row:
        """Return the row with the built-in's keys in the built-in's order."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "user": {"name": account.name, "type": account.kind},
            "isDefault": False,
            "tenantId": self.tenant_id,
            "environmentName": cloud,
            **self.details,
        }


def account_of(row: Mapping[str, Any]) -> Account:
    """Return the account that a row belongs to."""
    user = row.get("user") or {}
    return Account(name=str(user.get("name") or ""), kind=str(user.get("type") or "user"))


def is_enabled(row: Mapping[str, Any]) -> bool:
    """Tell whether the subscription can be used."""
    return row.get("state") == _ENABLED


def is_tenant_level(row: Mapping[str, Any]) -> bool:
    """Tell whether a row stands for a tenant rather than for a subscription."""
    return row.get("name") == TENANT_LEVEL_NAME


def answers_to(row: Mapping[str, Any], wanted: str) -> bool:
    """Tell whether `wanted` is the row's subscription ID or name, without regard to case."""
    return wanted.lower() in (str(row.get("id", "")).lower(), str(row.get("name", "")).lower())
