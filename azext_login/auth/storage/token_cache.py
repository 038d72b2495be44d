"""The MSAL token cache on disk, shared with the host's own commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azext_login.auth.storage.cached_token import seconds
from azext_login.auth.storage.secret_file import SharedSecretFile, one_place

Sections = dict[str, dict[str, dict[str, Any]]]
"""MSAL's unified cache schema: section (`AccessToken`, `Account`, ...) -> key -> entry."""

# The sections that name an account. An application is named in its metadata as well, and there by nothing else.
_TOKEN_SECTIONS = ("AccessToken", "RefreshToken", "IdToken", "Account", "AppMetadata")


class TokenCache:
    """The tokens of every account, in MSAL's format."""

    def __init__(self, config_dir: Path, *, encrypt: bool, sleep: Callable[[float], None] = time.sleep):
        """:param sleep: waits for so many seconds, before a torn file is read again."""
        self._file = SharedSecretFile(config_dir, "msal_token_cache", encrypt=encrypt, kind=dict, sleep=sleep)

    def read(self) -> Sections:
        """Return the whole cache, empty if there is none.

        :raises StoreError: it cannot be read, or its place in the keyring holds service principals instead.
        """
        content = self._file.read()
        self._refuse_secrets(content)
        return sections_in(content)

    def _refuse_secrets(self, content: Any) -> None:
        """:raises StoreError: the one place in the keyring holds service principals. Signing out works all the same."""
        if isinstance(content, list) and content and self._file.shares_the_keyring:
            names = [str(entry.get("client_id")) for entry in content if isinstance(entry, dict)]
            raise one_place("secrets of service principals where tokens belong", names)

    def commit(
        self, before: Sections, after: Sections, *, applications: Callable[[], frozenset[str] | None] = lambda: None
    ) -> None:
        """Bring what changed between two states of an in-memory cache to the disk.

        The file is read again under the lock: what another process added in the meantime stays, and an entry that
        we dropped is only removed if it is still the one we knew.

        :param applications: tells the application IDs that are signed in, case folded; None if nobody knows. It is
            asked under the lock.
        """
        added, dropped = _difference(before, after)
        if not added:
            # MSAL drops expired access tokens while searching. That alone is not worth a write.
            return
        with self._file.change() as write:
            found = self._file.read()
            self._refuse_secrets(found)
            content = self._changeable(found)
            disk = sections_in(content)
            gone = _signed_out(before, disk)
            gone_applications = _without_entry(after, applications())
            for section, key in dropped:
                if disk.get(section, {}).get(key) == before[section][key]:
                    del content[section][key]
            for section, key in added:
                entry = after[section][key]
                if entry.get("home_account_id") in gone or _is_of_application(entry, gone_applications):
                    # Whoever signed out while we asked for a token stays signed out.
                    continue
                if not isinstance(content.get(section), dict):
                    content[section] = {}
                content[section][key] = entry
            write(content)

    def _changeable(self, content: Any) -> dict[str, Any]:
        """Return what was in the file, to change it. What no version of MSAL has written is set aside before."""
        if not isinstance(content, dict):
            return {}
        odd = [section for section in _TOKEN_SECTIONS if not _is_section(content.get(section, {}))]
        if odd:
            self._file.quarantine(f"its {', '.join(odd)} cannot be used", keep=True)
            return {**content, **{section: sections_in(content).get(section, {}) for section in odd}}
        return dict(content)

    def usable(self) -> Sections:
        """Return the entries that MSAL can work with; it takes the shape of each for granted."""
        return {
            section: {key: entry for key, entry in entries.items() if _is_usable(section, entry)}
            for section, entries in self.read().items()
        }

    def user_names(self) -> frozenset[str]:
        """Return the user names of the accounts in the cache, case folded."""
        return frozenset(str(entry.get("username", "")).casefold() for entry in self.read().get("Account", {}).values())

    def access_tokens(self, name: str, tenant: str) -> list[dict[str, Any]]:
        """Return the entries of ordinary access tokens of a user or an application in a tenant (GUID)."""
        found = self.usable()
        homes = _homes_of(found, name)
        return [
            entry
            for entry in found.get("AccessToken", {}).values()
            # SSH certificates and agents' sessions have keys of their own.
            if str(entry.get("token_type", "Bearer")).lower() == "bearer"
            and not (entry.get("key_id") or entry.get("ext_cache_key"))
            and str(entry.get("realm", "")).casefold() == tenant.casefold()
            and _belongs(entry, name, homes)
        ]

    def forget(self, name: str) -> bool:
        """Remove everything of a user name or an application ID, compared without regard to case.

        What no version of MSAL has written stays as it is, unless it names the account: it may be somebody else's.

        :return: whether there was anything.
        """
        with self._file.change() as write:
            content = self._file.read()
            remaining = _without(content, name)
            known: bool = remaining != content
            if known:
                write(remaining)
        # Reading may have set a damaged file aside, so this comes after it.
        self._file.purge(name, lambda aside: _without_strangers(_without(aside, name)))
        return known

    def clear(self) -> None:
        """Delete the cache."""
        self._file.delete()


def without_identity(sections: Sections, name: str) -> Sections:
    """Return the cache without the accounts of `name` and without every token of theirs."""
    homes = _homes_of(sections, name)
    return {
        section: {
            key: entry
            for key, entry in entries.items()
            if section not in _TOKEN_SECTIONS or not _belongs(entry, name, homes)
        }
        for section, entries in sections.items()
    }


def _without(content: Any, name: str) -> Any:
    """Return a parsed cache of any shape without an account and what names it; the rest is as it was."""
    if not isinstance(content, dict):
        return content
    usable = sections_in(content)
    remaining = without_identity(usable, name)

    def kept(section: str, key: str, entry: Any) -> bool:
        if isinstance(entry, dict):
            return key in remaining[section]
        return not _names(entry, name)

    return {
        section: {key: entry for key, entry in entries.items() if kept(section, key, entry)}
        if section in usable
        else entries
        for section, entries in content.items()
        if section in usable or not _names(entries, name)
    }


def _without_strangers(content: Any) -> Any:
    """Return a parsed cache without the tokens of persons whom it does not name: nobody could tell whose they are."""
    if not isinstance(content, dict):
        return content
    usable = sections_in(content)
    known = {_home_of(entry) for entry in usable.get("Account", {}).values()}

    def is_known(entry: Mapping[str, Any]) -> bool:
        return not entry.get("home_account_id") or _home_of(entry) in known

    return {
        section: {key: entry for key, entry in entries.items() if not isinstance(entry, dict) or is_known(entry)}
        if section in usable and section in _TOKEN_SECTIONS
        else entries
        for section, entries in content.items()
    }


def _names(part: Any, name: str) -> bool:
    from azext_login.system.damaged_files import mentions_account

    return mentions_account(json.dumps(part).encode("ascii"), name)


def _homes_of(sections: Sections, name: str) -> set[Any]:
    """Return the home accounts of a user name; of those that a damaged cache has no account of, by their ID tokens."""
    wanted = name.casefold()
    accounts = [(_home_of(entry), entry.get("username")) for entry in sections.get("Account", {}).values()]
    known = {home for home, username in accounts if username}
    return {home for home, username in accounts if str(username or "").casefold() == wanted} | {
        _home_of(entry)
        for entry in sections.get("IdToken", {}).values()
        if _home_of(entry) not in known and _names(entry.get("secret"), name)
    }


def _belongs(entry: Mapping[str, Any], name: str, homes: set[Any]) -> bool:
    """Tell whether an entry is of a user with these home accounts, or of the application of that name.

    An application's tokens have no home account: they are found by the client that asked for them. In a damaged file,
    a user's account may have none either.
    """
    home = _home_of(entry)
    if home:
        return home in homes
    return name.casefold() in {str(entry.get(key, "")).casefold() for key in ("client_id", "username")}


def _home_of(entry: Mapping[str, Any]) -> str | None:
    """Return the home account of an entry. In a damaged file it may be anything, which nobody else has then."""
    home = entry.get("home_account_id")
    return home if isinstance(home, str) or home is None else json.dumps(home)


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, dict) for entry in value.values())


def _signed_out(before: Sections, disk: Sections) -> frozenset[Any]:
    """Return the home accounts that were signed in when we started and are not any more."""

    def homes(sections: Sections) -> set[Any]:
        return {_home_of(entry) for entry in sections.get("Account", {}).values()}

    return frozenset(homes(before) - homes(disk))


def _without_entry(sections: Sections, signed_in: frozenset[str] | None) -> frozenset[str]:
    """Return the applications that have tokens here and are not signed in. Nothing in the cache itself tells."""
    if signed_in is None:
        return frozenset()
    tokens = [entry for entry in sections.get("AccessToken", {}).values() if not entry.get("home_account_id")]
    return frozenset(str(entry.get("client_id", "")).casefold() for entry in tokens) - signed_in


def _is_of_application(entry: Mapping[str, Any], applications: frozenset[str]) -> bool:
    return not entry.get("home_account_id") and str(entry.get("client_id", "")).casefold() in applications


def _is_usable(section: str, entry: Mapping[str, Any]) -> bool:
    if section == "AccessToken":
        return isinstance(entry.get("secret"), str) and seconds(entry.get("expires_on")) is not None
    if section in ("RefreshToken", "IdToken"):
        return isinstance(entry.get("secret"), str)
    if section == "Account":
        keys = ("home_account_id", "environment", "username", "authority_type")
        return all(isinstance(entry.get(key), str) for key in keys)
    return True


def sections_in(content: Any) -> Sections:
    """Return those sections and entries of a parsed cache that have the shape of one."""
    if not isinstance(content, dict):
        return {}
    return {
        section: {key: entry for key, entry in entries.items() if isinstance(entry, dict)}
        for section, entries in content.items()
        if isinstance(entries, dict)
    }


def _difference(before: Sections, after: Sections) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the (section, key) pairs that were added or changed, and those that were dropped."""
    added = [
        (section, key)
        for section, entries in after.items()
        for key, entry in entries.items()
        if before.get(section, {}).get(key) != entry
    ]
    dropped = [
        (section, key) for section, entries in before.items() for key in entries if key not in after.get(section, {})
    ]
    return added, dropped
