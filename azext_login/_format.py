"""Table layouts: which columns `--output table` shows, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Column title -> key of the account, in the built-in's order. Scripts cut these columns by position.
_ACCOUNT_COLUMNS = {
    "Name": "name",
    "CloudName": "cloudName",
    "SubscriptionId": "id",
    "TenantId": "tenantId",
    "State": "state",
    "IsDefault": "isDefault",
}


def account_table(accounts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of `az account list --output table`."""
    return [{title: account.get(key) for title, key in _ACCOUNT_COLUMNS.items()} for account in accounts]
