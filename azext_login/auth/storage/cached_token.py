"""Finding a valid access token in the stored cache without MSAL, where that is certain.

MSAL looks up its cache by rules of its own (msal/application.py,
`_acquire_token_silent_from_cache_and_possibly_refresh_it`; msal/token_cache.py, `search`), and importing it takes
longer than everything else that a command with a cached token does. The rules here are a part of MSAL's: wherever
there could be a doubt, the answer is None, and MSAL is asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from azext_login.auth.credential import AccessToken

Entry = Mapping[str, Any]

# Seconds that a token must have left for MSAL to hand it out.
FRESH = 300

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# With more digits it is no year of which a local time could be told.
_TIME = re.compile(r"[0-9]{1,11}")

# The authority type of accounts at Entra ID; AD FS and Cloud Shell have rules of their own.
_ENTRA = "MSSTS"
_BROKER = "broker"

# The second one is of tokens with an `ext_cache_key`.
_SECTIONS = ("AccessToken", "atext")


@dataclass(frozen=True)
class TokenQuery:
    """What a token is asked for."""

    environment: str
    """Host of the authority, without a port: that is how MSAL knows it."""
    client_id: str
    """The application that asks: the Azure CLI's, or a service principal's own."""
    tenant: str
    """GUID, domain, or the word that MSAL has for the one tenant of AD FS, `adfs`."""
    scopes: tuple[str, ...]
    username: str | None
    """None for a service principal."""


def find_token(
    cache: Mapping[str, Mapping[str, Entry]],
    query: TokenQuery,
    *,
    now: float,
    validity: float = FRESH,
    cached_since: float | None = None,
) -> AccessToken | None:
    """Return the cached token of a query; None if there is none, or if MSAL might see that differently.

    With a `validity` of five minutes or more, what is returned is what MSAL would return without asking the network.

    :param cache: section -> key -> entry, as MSAL stores it.
    :param now: POSIX time in seconds.
    :param validity: seconds that the token must have left.
    :param cached_since: POSIX time in seconds; an older token does not count.
    """
    if not (query.scopes and _GUID.fullmatch(query.tenant)):
        return None
    home = None
    if query.username is not None:
        home = _home_account(cache.get("Account", {}).values(), query.environment, query.username)
        if home is None:
            return None
    found = [entry for entry in _entries(cache) if is_candidate(entry, query) and _same(_home_of(entry), home)]
    if len(found) != 1 or (seconds(found[0].get("cached_at")) or 0) < (cached_since or 0):
        return None
    (entry,) = found
    if cache.get("AccessToken", {}).get(_key_of(query, home), entry) is not entry:
        # MSAL looks there first, and believes the key about the scopes.
        return None
    is_usable = _is_literal(entry, query, home) and not is_due(entry, now)
    return _token_of(entry, now, validity) if is_usable else None


def find_spare(
    cache: Mapping[str, Mapping[str, Entry]], query: TokenQuery, *, now: float, validity: float
) -> AccessToken | None:
    """Return the cached token to go on with where nobody can be asked for a new one: the one that lives longest.

    Which one MSAL would choose does not matter then, nor when it would renew it.

    :param cache: as for `find_token`, and so are the others.
    """
    home: str | None = None
    if query.username is not None:
        accounts = [one for one in cache.get("Account", {}).values() if _same(one.get("username"), query.username)]
        homes = {_home_of(account) for account in accounts if account.get("environment") == query.environment}
        only = homes.pop() if len(homes) == 1 else None
        if not isinstance(only, str):
            return None
        home = only
    tokens = [_token_of(entry, now, validity) for entry in _entries(cache) if _is_literal(entry, query, home)]
    return max((token for token in tokens if token), key=lambda token: token.expires_on, default=None)


def is_due(entry: Entry, now: float) -> bool:
    """Tell whether a token is to be renewed although it has not ended, or might be."""
    if "refresh_on" not in entry:
        return False
    renewal = seconds(entry["refresh_on"])
    return renewal is None or renewal < now


def _entries(cache: Mapping[str, Mapping[str, Entry]]) -> Iterator[Entry]:
    return (entry for section in _SECTIONS for entry in cache.get(section, {}).values())


def is_candidate(entry: Entry, query: TokenQuery) -> bool:
    """Tell whether an access token is of the query's client and tenant and has its scopes, usable or not.

    Compared without regard to case, so that an entry about which MSAL may think otherwise is one too many. What is not
    a GUID may be the name of any tenant.
    """
    return (
        _same(entry.get("client_id"), query.client_id)
        and (_same(entry.get("realm"), query.tenant) or not _GUID.fullmatch(query.tenant))
        and bool(_home_of(entry)) == (query.username is not None)
        and {scope.casefold() for scope in query.scopes}
        <= {scope.casefold() for scope in str(entry.get("target", "")).split()}
    )


def _home_of(entry: Entry) -> object:
    return entry.get("home_account_id") or None


def _key_of(query: TokenQuery, home: str | None) -> str:
    """Return the key that MSAL stores an access token under."""
    parts = (
        home or "",
        query.environment,
        "AccessToken",
        query.client_id,
        query.tenant,
        " ".join(sorted(query.scopes)),
    )
    return "-".join(parts).lower()


def _home_account(accounts: Collection[Entry], environment: str, username: str) -> str | None:
    """Return the one account of a user name, if there is no doubt about it.

    MSAL knows an account by its last entry; there is one for each tenant, and a person may have been renamed.
    """
    homes = {account.get("home_account_id") for account in accounts if _same(account.get("username"), username)}
    home = homes.pop() if len(homes) == 1 else None
    if not isinstance(home, str) or not home:
        return None
    of_home = (account for account in accounts if _same(account.get("home_account_id"), home))
    return home if all(_is_plain(account, environment, home, username) for account in of_home) else None


def _is_plain(account: Entry, environment: str, home: str, username: str) -> bool:
    return (
        account.get("environment") == environment
        and account.get("home_account_id") == home
        and str(account.get("username")).lower() == username.lower()
        and account.get("authority_type") == _ENTRA
        and account.get("account_source") != _BROKER
    )


def _is_literal(entry: Entry, query: TokenQuery, home: str | None) -> bool:
    """Tell whether an entry is an ordinary token, of exactly what is asked for."""
    return (
        entry.get("home_account_id", "") == home
        and entry.get("environment") == query.environment
        and entry.get("client_id") == query.client_id
        and entry.get("realm") == query.tenant
        and set() < set(query.scopes) <= set(str(entry.get("target", "")).split())
        and entry.get("token_type", "Bearer") == "Bearer"
        and not any(name in entry for name in ("key_id", "ext_cache_key"))
    )


def _token_of(entry: Entry, now: float, validity: float) -> AccessToken | None:
    secret, expires_on = entry.get("secret"), seconds(entry.get("expires_on"))
    if not isinstance(secret, str) or not secret or expires_on is None or expires_on - now < validity:
        return None
    return AccessToken(secret, expires_on)


def seconds(value: object) -> int | None:
    """Return POSIX time as MSAL stores it: digits in a string, or a number. None for what is no time."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    return int(text) if _TIME.fullmatch(text) else None


def _same(left: object, right: object) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left is None and right is None
