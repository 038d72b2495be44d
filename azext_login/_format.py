"""Table layouts: the columns of `--output table` and their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from azext_login.system.text import printable, shorten

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


# Characters of the columns of contexts, so that a line has about 100. JSON has all of them.
_LONGEST_ACCOUNT, _LONGEST_SUBSCRIPTION, _LONGEST_TENANT = 26, 22, 20


def context_table(contexts: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table of contexts, or of one. Other organizations choose the names in it."""
    return [_context_line(context) for context in ([contexts] if isinstance(contexts, Mapping) else contexts)]


def _context_line(context: Mapping[str, Any]) -> dict[str, Any]:
    missing = "(not listed)" if context["isSignedIn"] else "(not signed in)"
    return {
        "Name": context["name"] or "",
        "Account": _cell(context["account"], _LONGEST_ACCOUNT),
        "Subscription": _cell(context["subscriptionName"] or missing, _LONGEST_SUBSCRIPTION),
        "Tenant": _cell(context["tenantDomain"] or context["tenant"], _LONGEST_TENANT),
        "Cloud": _cell(context["cloud"], _LONGEST_TENANT),
        "Active": context["reason"] or "",
    }


# Characters of the column that names what a launcher starts. Its end tells most.
_LONGEST_PROGRAM = 44


def helper_table(found: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a table of the programs called `az-token`, or of one."""
    return [_helper_line(each) for each in ([found] if isinstance(found, Mapping) else found)]


def _helper_line(found: Mapping[str, Any]) -> dict[str, Any]:
    program = printable(found["program"] or "")
    return {
        "Path": printable(found["path"]),
        "State": found["state"],
        "OnPath": found["isOnPath"],
        "ShadowedBy": printable(found["shadowedBy"] or ""),
        "Starts": program if len(program) <= _LONGEST_PROGRAM else "..." + program[3 - _LONGEST_PROGRAM :],
    }


def _cell(value: object, longest: int) -> str:
    return shorten(printable(value), longest)


TABLES: dict[str, Callable[[Any], list[dict[str, Any]]]] = {
    "account list": account_table,
    **{f"account context {verb}": context_table for verb in ("list", "show", "create", "update", "rename")},
    "account token-helper install": helper_table,
    "account token-helper status": helper_table,
}
"""Command -> the layout of its table."""
