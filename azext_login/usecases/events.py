"""What other extensions are told: names and payloads of our events. No payload contains a secret.

The use cases make a record when everything is stored and no lock is held, and the session passes it on. The host
raises it as an event of its own (knack.cli.CLI.raise_event), with the record as the keyword argument `payload`.
Built-in code raises none of these events, so what it does without us is not reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from azext_login.profile.model import SubscriptionRow, account_of

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken
    from azext_login.profile.model import Account


@dataclass(frozen=True)
class Event:
    """What all events have in common."""

    name: ClassVar[str] = ""
    """The name to register a listener for."""
    cloud: str
    """Name of the cloud, as in `az cloud list`."""


@dataclass(frozen=True)
class SignedIn(Event):
    """An account has signed in, and its subscriptions are stored."""

    name: ClassVar[str] = "azext_login.SignedIn"
    account: str
    """A user name, an application ID, or the label of a managed identity."""
    subscriptions: tuple[str, ...] = ()
    """IDs (GUIDs) of the subscriptions that the sign-in has stored; that of the tenant for a tenant without any."""
    tenants: tuple[str, ...] = ()
    """IDs (GUIDs) of the tenants of these subscriptions, each once."""


@dataclass(frozen=True)
class SignedOut(Event):
    """An account has signed out: its tokens, its secret and its subscriptions are removed, in every cloud."""

    name: ClassVar[str] = "azext_login.SignedOut"
    account: str | None
    """As in `SignedIn`; None for all accounts (`az account clear`), which no `SubscriptionChanged` accompanies."""


@dataclass(frozen=True)
class SubscriptionChanged(Event):
    """Another subscription, or the same one through another account or tenant, is the stored default of the cloud."""

    name: ClassVar[str] = "azext_login.SubscriptionChanged"
    account: str | None
    """The account of the default; None if there is no default any more."""
    subscription: str | None
    """ID (GUID) of the default."""
    tenant: str | None
    """ID (GUID) of its tenant."""
    previous_subscription: str | None = None
    """ID (GUID) of the default before; None without one."""


@dataclass(frozen=True)
class TokenRefreshed(Event):
    """A new access token was obtained. The token itself is not part of the event."""

    name: ClassVar[str] = "azext_login.TokenRefreshed"
    account: str
    """As in `SignedIn`."""
    tenant: str
    """The tenant of the token: GUID or domain, as it was requested."""
    scopes: tuple[str, ...] = field(default=())
    """The scopes that were requested."""
    expires_on: int = 0
    """POSIX time in seconds."""
    client_id: str | None = None
    """ID (GUID) of the application of the user's own that the token belongs to; None for the Azure CLI."""


@dataclass(frozen=True)
class ContextChanged(Event):
    """A context was created, changed, renamed or deleted. What is stored as the default has not changed."""

    name: ClassVar[str] = "azext_login.ContextChanged"
    context: str = ""
    """Its name; after a new name, the new one."""


def signed_in(account: Account, rows: list[SubscriptionRow], cloud: str) -> SignedIn:
    """Return the event about an account that has just signed in.

    :param rows: what was stored for it.
    """
    ids = tuple(str(row["id"]) for row in rows)
    return SignedIn(cloud, account.label, ids, tuple(dict.fromkeys(str(row["tenantId"]) for row in rows)))


def subscription_changed(
    before: SubscriptionRow | None, after: SubscriptionRow | None, cloud: str
) -> SubscriptionChanged | None:
    """Return the event about the default, or None if it is still the same one.

    :param before: the row that was the default; None without one.
    :param after: the row that is the default now.
    """
    if _identity(before) == _identity(after):
        return None
    previous = None if before is None else str(before["id"])
    if after is None:
        return SubscriptionChanged(cloud, None, None, None, previous)
    return SubscriptionChanged(cloud, account_of(after).label, str(after["id"]), str(after["tenantId"]), previous)


def token_refreshed(
    row: SubscriptionRow,
    cloud: str,
    token: AccessToken,
    *,
    scopes: Sequence[str],
    tenant: str | None,
    client_id: str | None,
) -> TokenRefreshed:
    """Return the event about a new token of the account of a row.

    :param scopes: those that were requested.
    :param tenant: as it was requested; None for the tenant of the row.
    :param client_id: application ID; None for the Azure CLI.
    """
    tenant = tenant or str(row["tenantId"])
    return TokenRefreshed(cloud, account_of(row).label, tenant, tuple(scopes), token.expires_on, client_id)


def _identity(row: SubscriptionRow | None) -> tuple[str, ...]:
    return () if row is None else (account_of(row).key, str(row["id"]).casefold(), str(row["tenantId"]).casefold())
