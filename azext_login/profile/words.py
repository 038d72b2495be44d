"""What a subscription, an account or a tenant is called on a command line: one rule for every place that takes a word.

An ID takes precedence over a name, and the exact spelling over another case. Every unique match of the built-in
commands, which compare IDs and names at once and without regard to case, is a match here too. More than one match is
for the caller to report, with commands that contain IDs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from azext_login.profile.model import SubscriptionRow, account_of, tenant_key, tenant_of

_Test = Callable[[Mapping[str, Any]], bool]


def with_subscription(rows: Iterable[SubscriptionRow], word: str) -> list[SubscriptionRow]:
    """Return the rows of the subscription that a word names: an ID, or a name. Several subscriptions can have a name.

    :param rows: those of one cloud.
    """
    folded = word.lower()
    return _first_match(
        rows,
        lambda row: str(row.get("id", "")).lower() == folded,
        lambda row: row.get("name") == word,
        lambda row: str(row.get("name", "")).lower() == folded,
    )


def of_account(rows: Iterable[SubscriptionRow], word: str) -> list[SubscriptionRow]:
    """Return the rows of the account that a word names: a user name, an application ID, or a managed identity's label.

    All user-assigned managed identities have the same name, so a label takes precedence.
    """
    folded = word.casefold()
    return _first_match(
        rows,
        lambda row: account_of(row).label == word,
        lambda row: account_of(row).label.casefold() == folded,
        lambda row: account_of(row).name.casefold() == folded,
    )


def of_tenant(rows: Iterable[SubscriptionRow], word: str) -> list[SubscriptionRow]:
    """Return the rows of the tenant that a word names: an ID, a domain or a display name.

    Several tenants can have a display name. A row without the names of its tenant counts if another row has them.
    """
    known = list(rows)
    key = tenant_key(word)
    named = _first_match(
        known,
        lambda row: tenant_of(row) == key,
        lambda row: tenant_key(str(row.get("tenantDefaultDomain") or "")) == key,
        lambda row: row.get("tenantDisplayName") == word,
        lambda row: tenant_key(str(row.get("tenantDisplayName") or "")) == key,
    )
    tenants = {tenant_of(row) for row in named}
    return [row for row in known if tenant_of(row) in tenants]


def _first_match(rows: Iterable[SubscriptionRow], *tests: _Test) -> list[SubscriptionRow]:
    """Return the rows that pass the first of the tests that any row passes."""
    known = list(rows)
    for test in tests:
        found = [row for row in known if test(row)]
        if found:
            return found
    return []
