"""Rows of azureProfile.json, and the accounts that they belong to.

A row is passed on as the mapping that was read, not as a record: the host and other tools add keys of their own,
and every key has to stay unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SubscriptionRow = dict[str, Any]
"""One row of `subscriptions` in azureProfile.json."""

TENANT_LEVEL_NAME = "N/A(tenant level account)"
"""The name that the host gives to the row of a tenant without subscriptions."""

ASSIGNED_IDENTITY = "assignedIdentityInfo"
"""The key of a row's `user` that tells which managed identity it is, for example `MSIClient-<GUID>`."""

CLOUD_SHELL = "cloudShellID"
"""The key of a row's `user` for an account whose tokens come from Cloud Shell."""

SN_ISSUER = "useCertSNIssuerAuth"
"""The key of a row's `user` for a service principal whose certificate is matched by subject name and issuer."""

# The names that the host gives to managed identities, in `user.name`.
SYSTEM_ASSIGNED = "systemAssignedIdentity"
USER_ASSIGNED = "userAssignedIdentity"

ENABLED = "Enabled"
"""The state of a subscription that can be used."""


_NAME_AND_TYPE = ("name", "type")

# The keys that built-in code writes into a row. A new row replaces them; other keys belong to other tools.
_ROW_KEYS = frozenset(
    (
        "id", "name", "state", "user", "isDefault", "tenantId", "environmentName",
        "homeTenantId", "tenantDefaultDomain", "tenantDisplayName", "managedByTenants",
    )
)  # fmt: skip
_USER_KEYS = frozenset((*_NAME_AND_TYPE, ASSIGNED_IDENTITY, CLOUD_SHELL, SN_ISSUER))


@dataclass(frozen=True)
class Account:
    """A signed-in account. `name` is a user name, an application ID, or the host's name for a managed identity."""

    name: str
    kind: str = "user"
    """`user` or `servicePrincipal`, as in the row."""
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The other keys of a row's `user`: `assignedIdentityInfo`, `cloudShellID`, `useCertSNIssuerAuth`."""

    @property
    def is_user(self) -> bool:
        return self.kind == "user"

    @property
    def is_managed_identity(self) -> bool:
        """Whether its tokens come from the computer that it runs on, so no credential is stored."""
        return not self.is_user and self.name in (SYSTEM_ASSIGNED, USER_ASSIGNED)

    @property
    def keeps_to_its_tenant(self) -> bool:
        """Whether it cannot obtain tokens of another tenant."""
        return self.is_managed_identity or bool(self.details.get(CLOUD_SHELL))

    @property
    def has_session(self) -> bool:
        """Whether it can sign in to applications: that of a user can, except in Cloud Shell."""
        return self.is_user and not self.keeps_to_its_tenant

    @property
    def key(self) -> str:
        """What identifies the account, case folded. All user-assigned managed identities have the same name."""
        assigned = self.details.get(ASSIGNED_IDENTITY)
        return f"{self.name}/{assigned}".casefold() if assigned else self.name.casefold()

    @property
    def label(self) -> str:
        """The name to show to the user; `matches` accepts it."""
        return str(self.details.get(ASSIGNED_IDENTITY) or self.name)

    def matches(self, name: str) -> bool:
        """Compare names as Entra ID does, without regard to case. `name` may also be a managed identity's label."""
        return name.casefold() in (self.name.casefold(), self.label.casefold())


def account_of(row: Mapping[str, Any]) -> Account:
    """Return the account that a row belongs to."""
    user = row.get("user") or {}
    name, kind = str(user.get("name") or ""), str(user.get("type") or "user")
    if len(user) <= len(_NAME_AND_TYPE):
        return Account(name, kind)
    return Account(name, kind, {key: value for key, value in user.items() if key not in _NAME_AND_TYPE})


def keep_foreign_keys(new: SubscriptionRow, old: SubscriptionRow) -> None:
    """Copy the keys of other tools into a row from the row that it replaces."""
    new.update((key, value) for key, value in old.items() if key not in _ROW_KEYS and key not in new)
    user, before = new["user"], old["user"]
    user.update((key, value) for key, value in before.items() if key not in _USER_KEYS and key not in user)


def bring_up_to_date(row: SubscriptionRow, newer: SubscriptionRow) -> bool:
    """Copy the host's keys into a row from a newer one; the keys of other tools and `isDefault` stay.

    :return: whether the row changed.
    """
    before = dict(row)
    for key in _ROW_KEYS - {"isDefault"}:
        if key in newer:
            row[key] = newer[key]
        else:
            row.pop(key, None)
    if isinstance(newer.get("user"), dict) and isinstance(before.get("user"), dict):
        foreign = {key: value for key, value in before["user"].items() if key not in _USER_KEYS}
        row["user"] = {**newer["user"], **foreign}
    return row != before


def is_enabled(row: Mapping[str, Any]) -> bool:
    """Tell whether the subscription can be used."""
    return row.get("state") == ENABLED


def is_tenant_level(row: Mapping[str, Any]) -> bool:
    """Tell whether a row represents a tenant rather than a subscription."""
    return row.get("name") == TENANT_LEVEL_NAME


def tenant_key(tenant: str) -> str:
    """Return what identifies a tenant that is given by its GUID or a name: users and services write either case."""
    return tenant.casefold()


def tenant_of(row: Mapping[str, Any]) -> str:
    """Return the key of the tenant that a row belongs to."""
    return tenant_key(str(row.get("tenantId")))
