"""A file of secrets that the host's own commands use too: how it is read, changed under two locks and quarantined."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from knack.log import get_logger

from azext_login.auth.storage.host_lock import HostLock
from azext_login.errors import LockHeldError, StoreError
from azext_login.system import strict_json
from azext_login.system.damaged_files import find_quarantined, quarantine_file, remove_from_quarantined
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.file_lock import FileLock
from azext_login.system.files import read_text, remove_if_present, remove_leftovers, write_atomically

logger = get_logger(__name__)

# The host truncates the file before it writes, and readers take no lock: a torn file may be complete a moment later.
# While we hold the host's lock, no command of the host writes, and we must not hold it for long.
_TORN_RETRIES = 10
_TORN_RETRIES_UNDER_LOCK = 2
_TORN_PAUSE = 0.05  # seconds


class _UnusableError(Exception):
    """The content cannot be used. The argument is the reason."""


class SharedSecretFile:
    """A file of secrets that built-in commands read and write at the same time.

    Each of the host's two stores is one JSON text, in a plain file or encrypted by the operating system. A change takes
    our own lock first, and then the host's for as short a time as possible: after a timeout, the host's lock no longer
    excludes other processes (msal-extensions, CrossPlatLock).
    """

    def __init__(
        self,
        config_dir: PrivateDirectory,
        name: str,
        *,
        encrypt: bool,
        kind: type,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """:param name: the file name without its extension.
        :param kind: the type of its JSON value, `dict` or `list`.
        :param sleep: waits for some seconds before a torn file is read again.
        """
        self._kind = kind
        self._location = config_dir / name
        self._encrypt = encrypt
        self._sleep = sleep
        self._lock = FileLock(config_dir / f"login_{name}.lock")
        self._is_locked = False

    @property
    def file(self) -> Entry:
        """The file in use. With encryption on Linux and macOS it is empty, and the content is in the keyring."""
        return self._location.with_name(self._location.name + (".bin" if self._encrypt else ".json"))

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps both stores in one item of the keyring."""
        return self._encrypt and sys.platform != "win32"

    def read(self) -> Any:
        """Return the parsed content, or None if the file does not exist.

        A file that is not JSON, and that no process is writing, is quarantined, so that the user can sign in again.

        :raises StoreError: the file cannot be read, decrypted or quarantined.
        """
        retries = _TORN_RETRIES_UNDER_LOCK if self._is_locked else _TORN_RETRIES
        for attempt in range(retries + 1):
            try:
                return self._parse(self._read_encrypted() if self._encrypt else self._read_text())
            except _UnusableError as error:
                problem = str(error)
            if attempt < retries:
                self._sleep(_TORN_PAUSE)
        if self._is_locked:
            return self.quarantine(problem)
        with self.change():
            return self.read()

    def _read_text(self) -> str | None:
        try:
            return read_text(self.file)
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise _UnusableError("it is not text") from error
        except OSError as error:
            raise StoreError(
                f"{self.file} could not be read: {error.strerror or error}.",
                "Fix its access rights, or move it to another directory and sign in again with `az login`.",
            ) from error

    @contextmanager
    def change(self) -> Iterator[Callable[[Any], None]]:
        """Hold both locks. Inside, call `read()`, and the yielded function with the new content.

        :raises StoreError: the directory is not writable, or another process holds a lock for too long.
        """
        with self._lock, self._host_lock():
            self._is_locked = True
            try:
                yield self._write
            finally:
                self._is_locked = False

    @contextmanager
    def _host_lock(self) -> Iterator[None]:
        if self._lock.is_missing:
            # The host's own commands cannot lock their file in this directory either, and fail.
            yield
            return
        with HostLock(self.file):
            yield

    def delete(self) -> None:
        """Delete the plain file, the encrypted file, and the quarantined copies of both.

        :raises StoreError: a file cannot be deleted, or another process holds a lock for too long.
        """
        with contextlib.ExitStack() as locks:
            # Without the locks, a process that is writing the file would restore it. If a lock file cannot be opened,
            # the secrets are deleted all the same.
            for lock in (self._lock, self._host_lock()):
                try:
                    locks.enter_context(lock)
                except LockHeldError:
                    raise
                except StoreError as error:
                    logger.debug("Deleting without a lock: %s", error)
            if self._encrypt and self.file.exists() and sys.platform != "win32":
                # On Linux and macOS, the content is in the keyring, and deleting the file would leave it there.
                with contextlib.suppress(StoreError):
                    self._write({})
            for extension in (".json", ".bin"):
                remove_if_present(self._location.with_name(self._location.name + extension))
            remove_leftovers(self._all_of_them())
            for file in self._quarantined_files():
                remove_if_present(file)

    def purge(self, name: str, without: Callable[[Any], Any]) -> None:
        """Remove an account from the quarantined files, and delete the temporary files of killed processes.

        :param without: returns the parsed content without the account.
        """
        # Under the lock, no other process is writing a temporary file.
        with self._lock:
            remove_leftovers(self._all_of_them())
        remove_from_quarantined(self._quarantined_files(), name, without, are_secret=True)

    def _all_of_them(self) -> Entry:
        """Return a glob pattern for the plain and the encrypted file."""
        return self._location.with_name(f"{self._location.name}.*")

    def _quarantined_files(self) -> list[Entry]:
        return find_quarantined(self._all_of_them())

    def _write(self, content: Any) -> None:
        text = strict_json.dumps(content, indent=4)
        if not self._encrypt:
            write_atomically(self.file, text.encode("utf-8"), locked=not self._lock.is_missing)
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
        """Turn the errors of the operating system's encryption into one that names the setting."""
        from msal_extensions.persistence import PersistenceError, PersistenceNotFound

        try:
            yield
        except PersistenceNotFound:
            raise
        except (PersistenceError, ImportError, OSError, ValueError, RuntimeError) as error:
            # msal-extensions and PyGObject raise all of these where no keyring is available.
            raise StoreError(
                f"The encrypted credentials in {self.file} could not be used: {error}.",
                "Unlock the keyring, or turn encryption off with `az config set core.encrypt_token_cache=false` "
                "and sign in again with `az login`.",
            ) from error

    def _parse(self, text: str | None) -> Any:
        if text is None or (self._encrypt and not text.strip()):
            return None
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _UnusableError("it is not valid JSON") from error
        if not isinstance(content, self._kind) and not self._encrypt:
            raise _UnusableError(f"it is not a JSON {'object' if self._kind is dict else 'list'}")
        return content

    def quarantine(self, reason: str, *, keep: bool = False) -> None:
        """Rename a file that cannot be used, and log a warning. Encrypted credentials cannot be quarantined.

        :param keep: copy the file instead, because a part of it is about to replace it.
        :raises StoreError: the content is encrypted, or the file cannot be renamed or copied.
        """
        if self._encrypt:
            raise StoreError(
                f"The encrypted credentials in {self.file} are damaged: {reason}.",
                "Remove them with `az account clear` and sign in again with `az login`.",
            )
        if not self.file.exists():
            return
        quarantined = quarantine_file(self.file, keep_original=keep)
        logger.warning(
            "%s is damaged: %s. It was quarantined as %s. Sign in again with `az login`.",
            self.file,
            reason,
            quarantined.name,
        )


def keyring_conflict(problem: str, names: list[str]) -> StoreError:
    """Return the error for a keyring item that holds the other one of the host's two stores.

    :param problem: what the item holds instead, for example "secrets of service principals instead of tokens".
    :param names: the accounts in it, to sign out with.
    """
    commands = " or ".join(f"`az logout --username {name}`" for name in names) or "`az account clear`"
    return StoreError(
        f"The keyring holds {problem}. On this system, both encrypted stores share one keyring item "
        "(core.encrypt_token_cache).",
        f"Sign out with {commands}, or turn encryption off with `az config set core.encrypt_token_cache=false`; then "
        "sign in again with `az login`.",
    )
