"""Rows of azureProfile.json to choose from."""

from __future__ import annotations

from typing import Any

from tests.users import ALICE


def row(name: str, **keys: Any) -> dict[str, Any]:
    """Return a row; `keys` replace what it has otherwise."""
    return {
        "id": f"id-of-{name}",
        "name": name,
        "state": "Enabled",
        "user": {"name": ALICE, "type": "user"},
        "isDefault": False,
        "tenantId": "contoso-id",
        "environmentName": "AzureCloud",
        "tenantDefaultDomain": "contoso.example",
        "tenantDisplayName": "Contoso Ltd",
        **keys,
    }


def rows_of(*names: str, default: str | None = None, **keys: Any) -> list[dict[str, Any]]:
    """Return a row for each name, one of them the default if it is named."""
    return [row(name, isDefault=name == default, **keys) for name in names]
