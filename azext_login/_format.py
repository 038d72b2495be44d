"""Table layouts: the columns of `--output table` and their order."""

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
    """Return the rows of `az account list --output table`.

    With --show-refresh, a last column shows since when the tenant could not be read, if there is such a tenant.
    """
    table = [{title: account.get(key) for title, key in _ACCOUNT_COLUMNS.items()} for account in accounts]
    failures = [account.get("refreshFailure") for account in accounts]
    if any(failures):
        for line, failure in zip(table, failures, strict=True):
            line["NotRefreshed"] = failure["on"] if failure else None
    return table
