"""The MSAL token cache on disk, shared with the host's own commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from azext_login.auth.storage.cached_token import CacheEntry, seconds
from azext_login.auth.storage.secret_file import SharedSecretFile
from azext_login.errors import AccountError
from azext_login.system.directory import PrivateDirectory

Sections = dict[str, dict[str, dict[str, Any]]]
"""MSAL's unified cache schema: section (`AccessToken`, `Account`, ...) -> key -> entry."""

# The sections whose entries belong to an account. Those in AppMetadata belong to an application.
_TOKEN_SECTIONS = ("AccessToken", "RefreshToken", "IdToken", "Account", "AppMetadata")


class TokenCache:
    """The tokens of every account, in MSAL's format."""

    def __init__(self, config_dir: PrivateDirectory, *, encrypt: bool, sleep: Callable[[float], None] = time.sleep):
        """:param sleep: waits for some seconds before a torn file is read again."""
        self._file = SharedSecretFile(config_dir, "msal_token_cache", encrypt=encrypt, kind=dict, sleep=sleep)

    def read(self) -> Sections:
        """Return the whole cache; empty if the file does not exist.

        :raises StoreError: it cannot be read, or the keyring item holds service principals instead.
        """
        content = self._file.read()
        self._refuse_secrets(content)
        return sections_in(content)

    def _refuse_secrets(self, content: Any) -> None:
        """:raises StoreError: the keyring item holds service principals. They can still be signed out."""
        if isinstance(content, list) and content and self._file.shares_the_keyring:
            from azext_login.auth.storage.encryption import keyring_conflict

            names = [str(entry.get("client_id")) for entry in content if isinstance(entry, dict)]
            raise keyring_conflict("secrets of service principals instead of tokens", names)

    def commit(
        self, before: Sections, after: Sections, *, applications: Callable[[], frozenset[str] | None] = lambda: None
    ) -> None:
        """Write the difference between two states of an in-memory cache to the disk.

        The file is read again under the lock. Entries that another process has added since are kept. An entry that is
        only in `before` is removed if the disk still has the same entry.

        :param applications: returns the application IDs that are signed in, case folded; None if they are unknown.
            Called under the lock.
        """
        added, dropped = _difference(before, after)
        if not added:
            # MSAL removes expired access tokens during a search. That alone is not worth a write.
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
                    # The account was signed out while we asked for its token, and stays signed out.
                    continue
                if not isinstance(content.get(section), dict):
                    content[section] = {}
                content[section][key] = entry
            write(content)

    def _changeable(self, content: Any) -> dict[str, Any]:
        """Return the content of the file, to change it. Content that no version of MSAL writes is quarantined first."""
        if not isinstance(content, dict):
            return {}
        odd = [section for section in _TOKEN_SECTIONS if not _is_section(content.get(section, {}))]
        if odd:
            self._file.quarantine(f"its section {', '.join(odd)} cannot be used", keep=True)
            return {**content, **{section: sections_in(content).get(section, {}) for section in odd}}
        return dict(content)

    def usable(self) -> Sections:
        """Return the entries that have the properties that MSAL takes for granted."""
        return {
            section: {key: entry for key, entry in entries.items() if _is_usable(section, entry)}
            for section, entries in self.read().items()
        }

    def user_names(self) -> frozenset[str]:
        """Return the user names of the accounts in the cache, case folded."""
        return frozenset(str(entry.get("username", "")).casefold() for entry in self.read().get("Account", {}).values())

    def can_renew(self, name: str, *, client_id: str) -> bool:
        """Tell whether the cache has a refresh token of a user.

        :param client_id: application ID of the client that it was issued to.
        :raises StoreError: it cannot be read.
        """
        found = self.usable()
        homes = _homes_of(found, name)
        return any(
            _home_of(entry) in homes and entry.get("client_id") == client_id
            for entry in found.get("RefreshToken", {}).values()
        )

    def home_account_of(self, name: str) -> str | None:
        """Return MSAL's ID of a user who is signed in (the object ID and the home tenant); None for another user.

        :raises StoreError: it cannot be read.
        """
        accounts = self.usable().get("Account", {}).values()
        wanted = name.casefold()
        homes = (_home_of(entry) for entry in accounts if str(entry.get("username")).casefold() == wanted)
        return next((home for home in homes if home and "." in home), None)

    def access_tokens(self, name: str, tenant: str, *, client_id: str) -> list[CacheEntry]:
        """Return the bearer tokens of a user or an application in a tenant (GUID).

        :param client_id: application ID of the client that they were issued to.
        """
        found = self.usable()
        homes = _homes_of(found, name)
        return [
            entry
            for entry in found.get("AccessToken", {}).values()
            # SSH certificates and tokens of agentic sessions are bound to more than the account.
            if str(entry.get("token_type", "Bearer")).lower() == "bearer"
            and not (entry.get("key_id") or entry.get("ext_cache_key"))
            and str(entry.get("realm", "")).casefold() == tenant.casefold()
            and str(entry.get("client_id", "")).casefold() == client_id.casefold()
            and _belongs(entry, name, homes)
        ]

    def forget(self, name: str) -> bool:
        """Remove every entry of a user name or an application ID, in any case.

        Content that no version of MSAL writes is kept unless it contains the name: it may belong to another account.

        :return: whether anything was removed.
        """
        with self._file.change() as write:
            content = self._file.read()
            remaining = _without(content, name)
            known: bool = remaining != content
            if known:
                write(remaining)
        # Last, because reading may have quarantined a damaged file.
        self._file.purge(name, lambda content: _without_unknown_users(_without(content, name)))
        return known

    def clear(self) -> None:
        """Delete the cache."""
        self._file.delete()


def without_identity(sections: Sections, name: str) -> Sections:
    """Return the cache without the accounts of `name` and without all their tokens."""
    homes = _homes_of(sections, name)
    return {
        section: {
            key: entry
            for key, entry in entries.items()
            if section not in _TOKEN_SECTIONS or not _belongs(entry, name, homes)
        }
        for section, entries in sections.items()
    }


def only_identity(sections: Sections, name: str) -> Sections:
    """Return the cache with nothing but the accounts of `name`, all their tokens, and what is known of their clients.

    Sections that no version of MSAL has written so far are left out: their entries may belong to other accounts.
    """
    homes = _homes_of(sections, name)
    own = {
        section: {key: entry for key, entry in sections.get(section, {}).items() if _belongs(entry, name, homes)}
        for section in _TOKEN_SECTIONS
    }
    clients = [entry.get("client_id") for entries in own.values() for entry in entries.values()]
    metadata = sections.get("AppMetadata", {})
    return {**own, "AppMetadata": {key: entry for key, entry in metadata.items() if entry.get("client_id") in clients}}


def of_client(sections: Sections, client_id: str) -> Sections:
    """Return the cache as one application may see it: its own tokens, and the accounts, which applications share.

    For an application without tokens, MSAL would try the refresh tokens of others (msal/application.py,
    `_acquire_token_silent_by_finding_rt_belongs_to_me_or_my_family`).
    """
    own = (None, client_id)
    return {
        section: {key: entry for key, entry in entries.items() if entry.get("client_id") in own}
        for section, entries in sections.items()
    }


def without_known_accounts(new: Sections, stored: Sections) -> Sections:
    """Return the entries of a sign-in without the accounts of users who are in the stored cache already.

    Applications share the accounts. They tell where the Azure CLI's tokens are, for example with an account broker
    (`account_source`), so the sign-in to another application must not change them.

    :raises AccountError: a user is stored with another ID. MSAL could not tell the two apart, for the Azure CLI too.
    """
    known = {_home_of(account): account for account in stored.get("Account", {}).values()}
    names = {str(account.get("username", "")).casefold() for account in known.values()}
    accounts = {key: entry for key, entry in new.get("Account", {}).items() if _home_of(entry) not in known}
    for name in (str(account.get("username", "")) for account in accounts.values()):
        if name.casefold() in names:
            from azext_login.system.command_line import AZ_LOGIN, Command

            raise AccountError(
                f"The sign-in service now gives '{name}' another ID than the one that is stored, so the sign-in was "
                "not stored.",
                "Sign out, and sign in to the Azure CLI again:\n"
                f"{Command(('az', 'logout')).with_option('--username', name)}\n{AZ_LOGIN}",
            )
    return {**new, "Account": accounts}


def _without(content: Any, name: str) -> Any:
    """Return a parsed cache of any shape without an account and without unusable content that contains its name."""
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


def _without_unknown_users(content: Any) -> Any:
    """Return a parsed cache without the tokens of users whose account it does not list: they may be anyone's."""
    if not isinstance(content, dict):
        return content
    usable = sections_in(content)
    known = {_home_of(entry) for entry in usable.get("Account", {}).values()}

    def is_known(entry: CacheEntry) -> bool:
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
    """Return the home account IDs of a user name.

    A damaged cache may lack the account of a token. Its ID tokens then contain the name.
    """
    wanted = name.casefold()
    accounts = [(_home_of(entry), entry.get("username")) for entry in sections.get("Account", {}).values()]
    known = {home for home, username in accounts if username}
    return {home for home, username in accounts if str(username or "").casefold() == wanted} | {
        _home_of(entry)
        for entry in sections.get("IdToken", {}).values()
        if _home_of(entry) not in known and _names(entry.get("secret"), name)
    }


def _belongs(entry: CacheEntry, name: str, homes: set[Any]) -> bool:
    """Tell whether an entry belongs to a user with one of these home account IDs, or to the application `name`.

    The tokens of an application have no home account ID, only its client ID. In a damaged file, a user's account may
    have no home account ID either.
    """
    home = _home_of(entry)
    if home:
        return home in homes
    return name.casefold() in {str(entry.get(key, "")).casefold() for key in ("client_id", "username")}


def _home_of(entry: CacheEntry) -> str | None:
    """Return the home account ID of an entry. In a damaged file it may be any value, which becomes a unique text."""
    home = entry.get("home_account_id")
    return home if isinstance(home, str) or home is None else json.dumps(home)


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, dict) for entry in value.values())


def _signed_out(before: Sections, disk: Sections) -> frozenset[Any]:
    """Return the home account IDs that were signed in before and are no longer on the disk."""

    def homes(sections: Sections) -> set[Any]:
        return {_home_of(entry) for entry in sections.get("Account", {}).values()}

    return frozenset(homes(before) - homes(disk))


def _without_entry(sections: Sections, signed_in: frozenset[str] | None) -> frozenset[str]:
    """Return the applications that have tokens in the cache but are not signed in: no entry in the other store."""
    if signed_in is None:
        return frozenset()
    tokens = [entry for entry in sections.get("AccessToken", {}).values() if not entry.get("home_account_id")]
    return frozenset(str(entry.get("client_id", "")).casefold() for entry in tokens) - signed_in


def _is_of_application(entry: CacheEntry, applications: frozenset[str]) -> bool:
    return not entry.get("home_account_id") and str(entry.get("client_id", "")).casefold() in applications


def _is_usable(section: str, entry: CacheEntry) -> bool:
    if section == "AccessToken":
        return isinstance(entry.get("secret"), str) and seconds(entry.get("expires_on")) is not None
    if section in ("RefreshToken", "IdToken"):
        return isinstance(entry.get("secret"), str)
    if section == "Account":
        keys = ("home_account_id", "environment", "username", "authority_type")
        return all(isinstance(entry.get(key), str) for key in keys)
    return True


def sections_in(content: Any) -> Sections:
    """Return the sections and entries of a parsed cache that are JSON objects; the rest cannot be used."""
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
