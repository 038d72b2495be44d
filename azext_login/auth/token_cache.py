"""The MSAL token cache and the service principal entries on disk, shared with the host's own commands."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knack.log import get_logger

from .._files import ASIDE, FileLock, make_private, remove_if_present, set_aside, sweep, write_atomically
from ..errors import StoreError

logger = get_logger(__name__)

Sections = dict[str, dict[str, dict[str, Any]]]
"""MSAL's unified cache schema: section (`AccessToken`, `Account`, ...) -> key -> entry."""

# The sections that name an account. An application is named in its metadata as well, and there by nothing else.
_TOKEN_SECTIONS = ("AccessToken", "RefreshToken", "IdToken", "Account", "AppMetadata")


class SharedSecretFile:
    """A file of secrets that built-in commands read and write at the same time.

    Both of the host's stores are one JSON text, either in a plain file or behind the encryption of the operating
    system. A change takes a lock of ours first and the host's for as short as possible, because the host's lock
    does not exclude anybody once it has been waited for (msal-extensions, CrossPlatLock).
    """

    def __init__(self, config_dir: Path, name: str, *, encrypt: bool, kind: type):
        """:param name: the file name without its extension.
        :param kind: what its JSON has to be, `dict` or `list`.
        """
        self._kind = kind
        self._location = config_dir / name
        self._encrypt = encrypt
        self._lock = FileLock(config_dir / f"login_{name}.lock")

    @property
    def path(self) -> Path:
        """The file in use; with encryption on Linux and macOS only a signal file, beside the keyring."""
        return self._location.with_name(self._location.name + (".bin" if self._encrypt else ".json"))

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps this file and the other one in a single item of the keyring."""
        return self._encrypt and sys.platform != "win32"

    def read(self) -> Any:
        """Return the parsed content, or None if there is none.

        A file that is not JSON is set aside under another name, so that a sign-in can start afresh.

        :raises StoreError: the file cannot be read or decrypted.
        """
        if self._encrypt:
            return self._parse(self._read_encrypted())
        make_private(self.path)
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            return self.set_aside("it is not text")
        except OSError as error:
            raise StoreError(
                f"{self.path} could not be read: {error.strerror or error}.",
                "Correct that, or move it away and sign in again with `az login`.",
            ) from error
        return self._parse(text)

    @contextmanager
    def change(self) -> Iterator[Callable[[Any], None]]:
        """Hold both locks. Read inside with `read()`, and call the yielded function with the new content.

        :raises StoreError: a lock cannot be had, because the directory cannot be written.
        """
        from msal_extensions import CrossPlatLock

        with self._lock:
            lock = CrossPlatLock(str(self.path) + ".lockfile")
            try:
                lock.__enter__()
            except OSError as error:
                raise StoreError(
                    f"{self.path} could not be locked: {error.strerror or error}. It is unchanged."
                ) from error
            try:
                yield self._write
            finally:
                with contextlib.suppress(OSError):
                    lock.__exit__(None, None, None)

    def delete(self) -> None:
        """Delete the plain and the encrypted file, and what was set aside of them.

        :raises StoreError: a file cannot be deleted.
        """
        if self._encrypt and self.path.exists() and sys.platform != "win32":
            # On Linux and macOS the file only tells that there is something in the keyring.
            with contextlib.suppress(StoreError):
                self._write({})
        for extension in (".json", ".bin"):
            remove_if_present(self._location.with_name(self._location.name + extension))
        self.purge()

    def purge(self) -> None:
        """Delete what was set aside of the file, and what killed writers left behind.

        Nobody can tell whose secrets are in a file that cannot be parsed, and whoever signs out wants theirs gone.
        """
        self._sweep()
        for aside in self._set_aside_files():
            remove_if_present(aside)

    def _sweep(self) -> None:
        """Remove what killed writers left behind; under the lock, nobody is writing."""
        with self._lock:
            sweep(self.path)

    def _set_aside_files(self) -> list[Path]:
        return list(self._location.parent.glob(f"{self._location.name}.*{ASIDE}*"))

    def _write(self, content: Any) -> None:
        text = json.dumps(content, indent=4)
        if not self._encrypt:
            write_atomically(self.path, text.encode("utf-8"), locked=True)
            return
        with self._keyring_errors():
            self._persistence().save(text)

    def _persistence(self) -> Any:
        from azure.cli.core.auth.persistence import build_persistence

        return build_persistence(str(self._location), True)

    def _read_encrypted(self) -> str | None:
        from msal_extensions.persistence import PersistenceNotFound

        with self._keyring_errors():
            try:
                content: str = self._persistence().load()
                return content
            except PersistenceNotFound:
                return None

    @contextmanager
    def _keyring_errors(self) -> Iterator[None]:
        """Name the setting that asks for encryption when the operating system cannot do it."""
        from msal_extensions.persistence import PersistenceError, PersistenceNotFound

        try:
            yield
        except PersistenceNotFound:
            raise
        except (PersistenceError, ImportError, OSError, ValueError, RuntimeError) as error:
            # msal-extensions and PyGObject raise all of these where there is no keyring to talk to.
            raise StoreError(
                f"The encrypted credentials in {self.path} could not be used: {error}.",
                "Unlock the keyring, or turn encryption off with `az config set core.encrypt_token_cache=false` "
                "and sign in again with `az login`.",
            ) from error

    def _parse(self, text: str | None) -> Any:
        if text is None or (self._encrypt and not text.strip()):
            return None
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return self.set_aside("it is not valid JSON")
        if not isinstance(content, self._kind) and not self._encrypt:
            return self.set_aside("it holds something else")
        return content

    def set_aside(self, reason: str) -> None:
        """Rename a file that cannot be used, and say so. Encrypted credentials stay where they are."""
        if self._encrypt:
            raise StoreError(
                f"The encrypted credentials in {self.path} are damaged: {reason}.",
                "Remove them with `az account clear` and sign in again with `az login`.",
            )
        if not self.path.exists():
            return
        aside = set_aside(self.path)
        logger.warning(
            "%s is damaged (%s) and was set aside as %s. Sign in again with `az login`.", self.path, reason, aside.name
        )


class TokenCache:
    """The tokens of every account, in MSAL's format."""

    def __init__(self, config_dir: Path, *, encrypt: bool):
        self._file = SharedSecretFile(config_dir, "msal_token_cache", encrypt=encrypt, kind=dict)

    def read(self) -> Sections:
        """Return the whole cache, empty if there is none.

        :raises StoreError: it cannot be read, or its place in the keyring holds service principals instead.
        """
        content = self._file.read()
        self._refuse_secrets(content)
        return _sections(content)

    def _refuse_secrets(self, content: Any) -> None:
        """:raises StoreError: the one place in the keyring holds service principals. Signing out works all the same."""
        if isinstance(content, list) and content and self._file.shares_the_keyring:
            names = [str(entry.get("client_id")) for entry in content if _is_entry(entry)]
            raise _one_place("secrets of service principals where tokens belong", names)

    def commit(self, before: Sections, after: Sections) -> None:
        """Bring what changed between two states of an in-memory cache to the disk.

        The file is read again under the lock: what another process added in the meantime stays, and an entry that
        we dropped is only removed if it is still the one we knew.
        """
        added, dropped = _difference(before, after)
        if not added:
            # MSAL drops expired access tokens while searching. That alone is not worth a write.
            return
        with self._file.change() as write:
            found = self._file.read()
            self._refuse_secrets(found)
            content = self._changeable(found)
            disk = _sections(content)
            gone = _signed_out(before, disk)
            for section, key in dropped:
                if disk.get(section, {}).get(key) == before[section][key]:
                    del content[section][key]
            for section, key in added:
                entry = after[section][key]
                if entry.get("home_account_id") in gone:
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
            self._file.set_aside(f"its {', '.join(odd)} cannot be used")
            content = {**content, **{section: _sections(content).get(section, {}) for section in odd}}
        return content

    def usable(self) -> Sections:
        """Return the entries that MSAL can work with; it takes the shape of each for granted."""
        return {
            section: {key: entry for key, entry in entries.items() if _is_usable(section, entry)}
            for section, entries in self.read().items()
        }

    def user_names(self) -> frozenset[str]:
        """Return the user names of the accounts in the cache, case folded."""
        return frozenset(str(entry.get("username", "")).casefold() for entry in self.read().get("Account", {}).values())

    def forget(self, name: str) -> bool:
        """Remove everything of a user name or an application ID, compared without regard to case.

        :return: whether there was anything.
        """
        with self._file.change() as write:
            content = self._changeable(self._file.read())
            disk = _sections(content)
            remaining = without_identity(disk, name)
            known = remaining != disk
            if known:
                write({**content, **remaining})
        # Reading may have set a damaged file aside, so this comes after it.
        self._file.purge()
        return known

    def clear(self) -> None:
        """Delete the cache."""
        self._file.delete()


class ServicePrincipalEntries:
    """The host's list of service principals with their secrets."""

    def __init__(self, config_dir: Path, *, encrypt: bool):
        self._file = SharedSecretFile(config_dir, "service_principal_entries", encrypt=encrypt, kind=list)

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps the entries where it keeps tokens."""
        return self._file.shares_the_keyring

    def forget(self, client_id: str) -> bool:
        """Remove the entries of an application, compared without regard to case.

        :return: whether there was anything.
        """
        known = False
        if self._entries():
            with self._file.change() as write:
                entries = self._entries()
                remaining = [entry for entry in entries if not _is_client(entry, client_id)]
                known = len(remaining) != len(entries)
                if known:
                    write(remaining)
        self._file.purge()
        return known

    def make_usable(self) -> None:
        """Set the file aside if built-in code would fail over it, and keep the entries that it can use.

        :raises StoreError: its place in the keyring holds tokens instead.
        """
        content = self._file.read()
        if isinstance(content, dict) and content and self._file.shares_the_keyring:
            accounts = _sections(content).get("Account", {}).values()
            names = [str(account.get("username")) for account in accounts]
            raise _one_place("tokens where secrets of service principals belong", names)
        entries = self._entries()
        usable = [entry for entry in entries if _is_usable_entry(entry)]
        if len(usable) != len(entries):
            with self._file.change() as write:
                set_aside(self._file.path)
                write(usable)
            logger.warning("%s held entries that cannot be used. It was set aside, and the others were kept.",
                           self._file.path)  # fmt: skip

    def clear(self) -> None:
        """Delete the entries."""
        self._file.delete()

    def _entries(self) -> list[Any]:
        # With encryption, the one place in the keyring may hold tokens. Those are not for this class to touch.
        entries = self._file.read()
        return entries if isinstance(entries, list) else []

    def client_ids(self) -> frozenset[str]:
        """Return the application IDs that have an entry, case folded."""
        return frozenset(str(entry.get("client_id", "")).casefold() for entry in self._entries() if _is_entry(entry))


def without_identity(sections: Sections, name: str) -> Sections:
    """Return the cache without the accounts of `name` and without every token of theirs."""
    wanted = name.casefold()
    homes = {
        entry.get("home_account_id")
        for entry in sections.get("Account", {}).values()
        if str(entry.get("username", "")).casefold() == wanted
    }
    # An application's tokens have no home account: they are found by the client that asked for them.

    def belongs(entry: Mapping[str, Any]) -> bool:
        home = entry.get("home_account_id")
        if home:
            return home in homes
        return str(entry.get("client_id", "")).casefold() == wanted

    return {
        section: {key: entry for key, entry in entries.items() if section not in _TOKEN_SECTIONS or not belongs(entry)}
        for section, entries in sections.items()
    }


def _is_section(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(entry, dict) for entry in value.values())


def _one_place(problem: str, names: list[str]) -> StoreError:
    commands = " or ".join(f"`az logout --username {name}`" for name in names) or "`az account clear`"
    return StoreError(
        f"The keyring holds {problem}: on this system, the encrypted stores for the two have one place "
        "(core.encrypt_token_cache).",
        f"Sign out with {commands}, or turn encryption off with `az config set core.encrypt_token_cache=false`; then "
        "sign in again with `az login`.",
    )


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict)


def _is_client(entry: Any, client_id: str) -> bool:
    return _is_entry(entry) and str(entry.get("client_id", "")).casefold() == client_id.casefold()


def _is_usable_entry(entry: Any) -> bool:
    return _is_entry(entry) and all(isinstance(entry.get(key), str) for key in ("client_id", "tenant"))


def _signed_out(before: Sections, disk: Sections) -> frozenset[Any]:
    """Return the home accounts that were signed in when we started and are not any more."""

    def homes(sections: Sections) -> set[Any]:
        return {entry.get("home_account_id") for entry in sections.get("Account", {}).values()}

    return frozenset(homes(before) - homes(disk))


def _is_usable(section: str, entry: Mapping[str, Any]) -> bool:
    if section == "AccessToken":
        return isinstance(entry.get("secret"), str) and str(entry.get("expires_on", "")).isdigit()
    if section in ("RefreshToken", "IdToken"):
        return isinstance(entry.get("secret"), str)
    if section == "Account":
        return all(isinstance(entry.get(key), str) for key in ("home_account_id", "environment"))
    return True


def _sections(content: Any) -> Sections:
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
