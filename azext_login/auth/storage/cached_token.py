"""Finds a valid access token in the stored cache without MSAL, where the result is certain.

MSAL has rules of its own for its cache (msal/application.py,
`_acquire_token_silent_from_cache_and_possibly_refresh_it`; msal/token_cache.py, `search`). Importing MSAL takes longer
than everything else that a command with a cached token does. The rules here are a subset of MSAL's: in any case of
doubt the result is None, and MSAL decides. MSAL asks an account broker only after it has found no valid token, so what
is found here is right for accounts of a broker too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from azext_login.auth.credential import FRESH_FOR, AccessToken
from azext_login.system.text import is_guid

CacheEntry = Mapping[str, Any]
"""One entry of MSAL's cache, for example an access token: `secret`, `expires_on`, `target` (scopes), `realm`, ..."""

# With more digits, the year has no local time in Python.
_TIME = re.compile(r"[0-9]{1,11}")

# The authority type of accounts at Entra ID; AD FS and Cloud Shell have rules of their own.
_ENTRA = "MSSTS"

# The second section holds tokens with an `ext_cache_key`.
_SECTIONS = ("AccessToken", "atext")


class TokenQuery(NamedTuple):
    """The properties that a cached token must have."""

    environment: str
    """Host of the authority without its port, as MSAL stores it."""
    client_id: str
    """Application ID of the Azure CLI, of another application that a user signed in to, or of the service principal."""
    tenant: str
    """GUID, domain, or `adfs`: MSAL's name for the only tenant of AD FS."""
    scopes: tuple[str, ...]
    username: str | None
    """None for a service principal."""


def find_token(
    cache: Mapping[str, Mapping[str, CacheEntry]],
    query: TokenQuery,
    *,
    now: float,
    validity: float = FRESH_FOR,
    cached_since: float | None = None,
) -> AccessToken | None:
    """Return the cached token for a query; None if the cache has none, or if MSAL might choose another one.

    With a `validity` of five minutes or more, this is the token that MSAL would return without a request.

    :param cache: section -> key -> entry, as MSAL stores it.
    :param now: POSIX time in seconds.
    :param validity: seconds that the token must still be valid.
    :param cached_since: POSIX time in seconds; tokens that were stored before do not count.
    """
    if not (query.scopes and is_guid(query.tenant)):
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
        # MSAL looks up this key first, and trusts that the entry has the scopes in the key.
        return None
    is_usable = _is_literal(entry, query, home) and not is_due(entry, now)
    return _token_of(entry, now, validity) if is_usable else None


def find_stale_token(
    cache: Mapping[str, Mapping[str, CacheEntry]], query: TokenQuery, *, now: float, validity: float
) -> AccessToken | None:
    """Return the cached token that expires last, to use it where no new one can be obtained; None without one.

    It may be due for renewal. MSAL might choose another one, which does not matter here.

    The parameters are those of `find_token`.
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


def is_due(entry: CacheEntry, now: float) -> bool:
    """Tell whether a token is, or may be, due for renewal although it has not expired."""
    if "refresh_on" not in entry:
        return False
    renewal = seconds(entry["refresh_on"])
    return renewal is None or renewal < now


def _entries(cache: Mapping[str, Mapping[str, CacheEntry]]) -> Iterator[CacheEntry]:
    return (entry for section in _SECTIONS for entry in cache.get(section, {}).values())


def is_candidate(entry: CacheEntry, query: TokenQuery) -> bool:
    """Tell whether an access token has the query's client, tenant and scopes, whether it is usable or not.

    Ignores case: an entry that MSAL might also match is then a second candidate, and makes the result uncertain. A
    query for a domain matches every tenant, because any tenant may have that domain.
    """
    return (
        _same(entry.get("client_id"), query.client_id)
        and (_same(entry.get("realm"), query.tenant) or not is_guid(query.tenant))
        and bool(_home_of(entry)) == (query.username is not None)
        and {scope.casefold() for scope in query.scopes}
        <= {scope.casefold() for scope in str(entry.get("target", "")).split()}
    )


def _home_of(entry: CacheEntry) -> object:
    return entry.get("home_account_id") or None


def _key_of(query: TokenQuery, home: str | None) -> str:
    """Return the key under which MSAL stores an access token (msal/token_cache.py)."""
    parts = (
        home or "",
        query.environment,
        "AccessToken",
        query.client_id,
        query.tenant,
        " ".join(sorted(query.scopes)),
    )
    return "-".join(parts).lower()


def _home_account(accounts: Collection[CacheEntry], environment: str, username: str) -> str | None:
    """Return the home account ID of a user name, if it is certain.

    An account has an entry for each tenant, and MSAL uses the last one. A user may have been renamed in between.
    """
    homes = {account.get("home_account_id") for account in accounts if _same(account.get("username"), username)}
    home = homes.pop() if len(homes) == 1 else None
    if not isinstance(home, str) or not home:
        return None
    of_home = (account for account in accounts if _same(account.get("home_account_id"), home))
    return home if all(_is_plain(account, environment, home, username) for account in of_home) else None


def _is_plain(account: CacheEntry, environment: str, home: str, username: str) -> bool:
    return (
        account.get("environment") == environment
        and account.get("home_account_id") == home
        and str(account.get("username")).lower() == username.lower()
        and account.get("authority_type") == _ENTRA
    )


def _is_literal(entry: CacheEntry, query: TokenQuery, home: str | None) -> bool:
    """Tell whether an entry is an ordinary bearer token that matches the query exactly, in case too."""
    return (
        entry.get("home_account_id", "") == home
        and entry.get("environment") == query.environment
        and entry.get("client_id") == query.client_id
        and entry.get("realm") == query.tenant
        and set() < set(query.scopes) <= set(str(entry.get("target", "")).split())
        and entry.get("token_type", "Bearer") == "Bearer"
        and not any(name in entry for name in ("key_id", "ext_cache_key"))
    )


def _token_of(entry: CacheEntry, now: float, validity: float) -> AccessToken | None:
    secret, expires_on = entry.get("secret"), seconds(entry.get("expires_on"))
    if not isinstance(secret, str) or not secret or expires_on is None or expires_on - now < validity:
        return None
    return AccessToken(secret, expires_on, seconds(entry.get("refresh_on")))


def seconds(value: object) -> int | None:
    """Parse POSIX time as MSAL stores it: digits in a string, or an integer. None if it is something else."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    return int(text) if _TIME.fullmatch(text) else None


def _same(left: object, right: object) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    return left is None and right is None
