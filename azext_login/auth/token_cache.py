"""The MSAL token cache and the service principal entries on disk, shared with the host's own commands."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knack.log import get_logger

from .._files import FileLock, remove_if_present, write_atomically
from ..errors import StoreError

logger = get_logger(__name__)

Sections = dict[str, dict[str, dict[str, Any]]]
"""MSAL's unified cache schema: section (`AccessToken`, `Account`, ...) -> key -> entry."""

# Between the name of a damaged file and the time at which it was set aside.
_ASIDE = ".damaged-"

# The sections that name an account. An application is named in its metadata as well, and there by nothing else.
_TOKEN_SECTIONS = ("AccessToken", "RefreshToken", "IdToken", "Account", "AppMetadata")


class SharedSecretFile:
    """A file of secrets that built-in commands read and write at the same time.

    Both of the host's stores are one JSON text, either in a plain file or behind the encryption of the operating
    system. A change takes a lock of ours first and the host's for as short as possible, because the host's lock
    does not exclude anybody once it has been waited for (msal-extensions, CrossPlatLock).
    """

    def __init__(self, config_dir: Path, name: str, *, encrypt: bool):
        """:param name: the file name without its extension."""
        self._location = config_dir / name
        self._encrypt = encrypt
        self._lock = FileLock(config_dir / f"login_{name}.lock")

    @property
    def path(self) -> Path:
        """The file in use; with encryption on Linux and macOS only a signal file, beside the keyring."""
        return self._location.with_name(self._location.name + (".bin" if self._encrypt else ".json"))

    def read(self) -> Any:
        """Return the parsed content, or None if there is none.

        A file that is not JSON is set aside under another name, so that a sign-in can start afresh.

        :raises StoreError: the file cannot be read or decrypted.
        """
        if self._encrypt:
            return self._parse(self._read_encrypted())
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            return self._set_aside("it is not text")
        except OSError as error:
            raise StoreError(f"{self.path} could not be read: {error.strerror or error}.") from error
        return self._parse(text)

    @contextmanager
    def change(self) -> Iterator[Callable[[Any], None]]:
        """Hold both locks. Read inside with `read()`, and call the yielded function with the new content."""
        from msal_extensions import CrossPlatLock

        with self._lock, CrossPlatLock(str(self.path) + ".lockfile"):
            yield self._write

    def delete(self) -> None:
        """Delete the plain and the encrypted file, and what was set aside of them.

        :raises StoreError: a file cannot be deleted.
        """
        for extension in (".json", ".bin"):
            remove_if_present(self._location.with_name(self._location.name + extension))
        for aside in self._set_aside_files():
            remove_if_present(aside)

    def purge(self, name: str) -> None:
        """Delete what was set aside of the file if it holds the name of an account, or cannot be read."""
        wanted = name.casefold().encode("utf-8")
        for aside in self._set_aside_files():
            try:
                holds_it = wanted in aside.read_bytes().lower()
            except OSError:
                holds_it = True
            if holds_it:
                remove_if_present(aside)

    def _set_aside_files(self) -> list[Path]:
        return list(self._location.parent.glob(f"{self._location.name}.*{_ASIDE}*"))

    def _write(self, content: Any) -> None:
        text = json.dumps(content, indent=4)
        if not self._encrypt:
            write_atomically(self.path, text.encode("utf-8"))
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
        except (PersistenceError, ImportError, OSError) as error:
            raise StoreError(
                f"The encrypted credentials in {self.path} could not be used: {error}.",
                "Unlock the keyring, or turn encryption off with `az config set core.encrypt_token_cache=false` "
                "and sign in again with `az login`.",
            ) from error

    def _parse(self, text: str | None) -> Any:
        if not text or not text.strip():
            return None
        try:
            return json.loads(text)
        except ValueError:
            return self._set_aside("it is not valid JSON")

    def _set_aside(self, reason: str) -> None:
        if self._encrypt:
            raise StoreError(
                f"The encrypted credentials in {self.path} are damaged: {reason}.",
                "Remove them with `az account clear` and sign in again with `az login`.",
            )
        aside = self.path.with_name(f"{self.path.name}{_ASIDE}{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            self.path.replace(aside)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{self.path} is damaged ({reason}) and could not be set aside: {error}.") from error
        logger.warning("%s is damaged (%s) and was set aside as %s. Sign in again with `az login`.",
                       self.path, reason, aside.name)  # fmt: skip


class TokenCache:
    """The tokens of every account, in MSAL's format."""

    def __init__(self, config_dir: Path, *, encrypt: bool):
        self._file = SharedSecretFile(config_dir, "msal_token_cache", encrypt=encrypt)

    def read(self) -> Sections:
        """Return the whole cache, empty if there is none."""
        return _sections(self._file.read())

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
            disk = self.read()
            for section, key in dropped:
                if disk.get(section, {}).get(key) == before[section][key]:
                    del disk[section][key]
            for section, key in added:
                disk.setdefault(section, {})[key] = after[section][key]
            write(disk)

    def user_names(self) -> frozenset[str]:
        """Return the user names of the accounts in the cache."""
        return frozenset(str(entry.get("username", "")) for entry in self.read().get("Account", {}).values())

    def forget(self, name: str) -> bool:
        """Remove everything of a user name or an application ID, compared without regard to case.

        :return: whether there was anything.
        """
        with self._file.change() as write:
            disk = self.read()
            remaining = without_identity(disk, name)
            # Reading has set a damaged file aside, so this comes after it.
            self._file.purge(name)
            if remaining == disk:
                return False
            write(remaining)
            return True

    def clear(self) -> None:
        """Delete the cache."""
        self._file.delete()


class ServicePrincipalEntries:
    """The host's list of service principals with their secrets."""

    def __init__(self, config_dir: Path, *, encrypt: bool):
        self._file = SharedSecretFile(config_dir, "service_principal_entries", encrypt=encrypt)

    def forget(self, client_id: str) -> bool:
        """Remove the entries of an application, compared without regard to case.

        :return: whether there was anything.
        """
        if not self._entries():
            return False
        with self._file.change() as write:
            entries = self._entries()
            remaining = [entry for entry in entries if not _is_client(entry, client_id)]
            if len(remaining) == len(entries):
                return False
            write(remaining)
            return True

    def clear(self) -> None:
        """Delete the entries."""
        self._file.delete()

    def _entries(self) -> list[Any]:
        entries = self._file.read()
        return entries if isinstance(entries, list) else []


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


def _is_client(entry: Any, client_id: str) -> bool:
    return isinstance(entry, dict) and str(entry.get("client_id", "")).casefold() == client_id.casefold()


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
