"""Rows of azureProfile.json, and the accounts that they belong to.

A row of the file is passed on as the mapping that was read, not as a record: the host and other tools add keys
of their own, and every key has to come back unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
"""One row of `subscriptions` in azureProfile.json."""

TENANT_LEVEL_NAME = "N/A(tenant level account)"
"""The name that the host gives to a row which stands for a tenant without a subscription."""

ENABLED = "Enabled"
"""The state of a subscription that can be used."""


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


def account_of(row: Mapping[str, Any]) -> Account:
    """Return the account that a row belongs to."""
    user = row.get("user") or {}
    return Account(name=str(user.get("name") or ""), kind=str(user.get("type") or "user"))


def is_enabled(row: Mapping[str, Any]) -> bool:
    """Tell whether the subscription can be used."""
    return row.get("state") == ENABLED


def is_tenant_level(row: Mapping[str, Any]) -> bool:
    """Tell whether a row stands for a tenant rather than for a subscription."""
    return row.get("name") == TENANT_LEVEL_NAME


def answers_to(row: Mapping[str, Any], wanted: str) -> bool:
    """Tell whether `wanted` is the row's subscription ID or name, without regard to case."""
    return wanted.lower() in (str(row.get("id", "")).lower(), str(row.get("name", "")).lower())
