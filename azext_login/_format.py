"""Table layouts: the columns of `--output table`, their order and their width."""

from __future__ import annotations

import os
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


def count_columns_as_built_in() -> None:
    """Let tabulate count a wide character as one column, as it does without wcwidth.

    prompt_toolkit depends on wcwidth. tabulate uses it if it is installed, and counts wide characters as two columns.
    All text after them would move, and scripts cut tables by position. A host that has wcwidth itself keeps that.
    """
    import tabulate

    wcwidth = getattr(tabulate, "wcwidth", None)
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if wcwidth is not None and os.path.abspath(wcwidth.__file__).startswith(here + os.sep):
        tabulate.WIDE_CHARS_MODE = False
