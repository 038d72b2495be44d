"""A file of secrets that the host's own commands use too: how it is read, changed under two locks and quarantined."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from azext_login.auth.storage.host_lock import HostLock
from azext_login.errors import EncryptionError, LockHeldError, StoreError
from azext_login.system import strict_json
from azext_login.system.damaged_files import find_quarantined, quarantine_file, remove_from_quarantined
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.files import read_text, remove_if_present, remove_leftovers, write_atomically
from azext_login.system.links import LINK_ADVICE, UntrustedLinkError
from azext_login.system.log import get_logger

if TYPE_CHECKING:
    from azext_login.auth.storage.encryption import EncryptedContent
    from azext_login.system.file_lock import FileLock

logger = get_logger(__name__)

STORES = ("msal_token_cache", "service_principal_entries")
"""The names of the host's two stores: their files without the extension."""

# The extension of the empty file that later hosts keep beside an item of the keyring (azure-cli#33849).
_SIGNAL = ".sig"

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
        self._lock_file = config_dir / f"login_{name}.lock"
        self._is_locked = False

    @cached_property
    def _lock(self) -> FileLock:
        from azext_login.system.file_lock import FileLock  # readers take no lock

        return FileLock(self._lock_file)

    @cached_property
    def _encrypted(self) -> EncryptedContent | None:
        """The encrypted content; None if the store is a plain file, also because the host finds no keyring.

        :raises EncryptionError: there is no keyring, and this host does not store plain text instead.
        """
        return _open_encrypted(self._location) if self._encrypt else None

    @property
    def file(self) -> Entry:
        """The file in use. With encryption on Linux and macOS it is empty, and the content is in the keyring.

        :raises EncryptionError: there is no keyring, and this host does not store plain text instead.
        """
        return self._encrypted.file if self._encrypted else self._with_extension(".json")

    def _with_extension(self, extension: str) -> Entry:
        return self._location.with_name(self._location.name + extension)

    @property
    def shares_the_keyring(self) -> bool:
        """Whether the host keeps both stores in one item of the keyring.

        :raises EncryptionError: there is no keyring, and this host does not store plain text instead.
        """
        content = self._encrypted
        if content is None or not content.is_in_keyring:
            return False
        others = [_open_encrypted(self._location.with_name(name)) for name in STORES if name != self._location.name]
        return any(other is not None and content.is_item_of(other) for other in others)

    def read(self) -> Any:
        """Return the parsed content, or None if the file does not exist.

        A file that is not JSON, and that no process is writing, is quarantined, so that the user can sign in again.

        :raises StoreError: the file cannot be read, decrypted or quarantined.
        """
        retries = _TORN_RETRIES_UNDER_LOCK if self._is_locked else _TORN_RETRIES
        for attempt in range(retries + 1):
            try:
                return self._parse(self._read_encrypted(self._encrypted) if self._encrypted else self._read_text())
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
                LINK_ADVICE
                if isinstance(error, UntrustedLinkError)
                else "Fix its access rights, or move it to another directory and sign in again with `az login`.",
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
            is_kept = self._empty_the_keyring()
            for extension in (".json", ".bin") if is_kept else (".json", ".bin", _SIGNAL):
                remove_if_present(self._with_extension(extension))
            self._remove_leftovers()
            for file in self._quarantined_files():
                remove_if_present(file)

    def _empty_the_keyring(self) -> bool:
        """Overwrite what is in the keyring, and return whether a signal file has to stay because that was impossible.

        Deleting the file would leave the item. The next command with encryption could not tell that there is one.
        """
        content = None
        if self._encrypt and any(self._with_extension(extension).exists() for extension in (".bin", _SIGNAL)):
            with contextlib.suppress(StoreError):
                content = self._encrypted
                if content is not None and content.is_in_keyring:
                    content.write(json.dumps({} if self.shares_the_keyring else self._kind()), locked=True)
        if not self._with_extension(_SIGNAL).exists() or (content is not None and content.is_in_keyring):
            return False
        self._warn_of_the_keyring()
        return True

    def _warn_of_the_keyring(self) -> None:
        logger.warning(
            "The keyring may still hold encrypted credentials of %s, because encryption is off or not available. To "
            "remove them, turn it on with `az config set core.encrypt_token_cache=true`, and run `az account clear`.",
            self._location,
        )

    def purge(self, name: str, without: Callable[[Any], Any]) -> None:
        """Remove an account from the quarantined files, and delete the temporary files of killed processes.

        :param without: returns the parsed content without the account.
        """
        # Under the lock, no other process is writing a temporary file.
        with self._lock:
            self._remove_leftovers()
        if self._with_extension(_SIGNAL).exists() and not self._is_in_keyring():
            self._warn_of_the_keyring()
        remove_from_quarantined(self._quarantined_files(), name, without, are_secret=True)

    def _is_in_keyring(self) -> bool:
        try:
            return self._encrypted is not None and self._encrypted.is_in_keyring
        except EncryptionError:
            return False  # The caller has reported it, or goes on without.

    def _all_of_them(self) -> Entry:
        """Return a glob pattern for the plain and the encrypted file."""
        return self._location.with_name(f"{self._location.name}.*")

    def _remove_leftovers(self) -> None:
        remove_leftovers(self._all_of_them())
        if self._encrypt:
            from azext_login.auth.storage.encryption import remove_encrypted_leftovers

            remove_encrypted_leftovers(self._location)

    def _quarantined_files(self) -> list[Entry]:
        return find_quarantined(self._all_of_them())

    def _write(self, content: Any) -> None:
        text, locked = strict_json.dumps(content, indent=4), not self._lock.is_missing
        if self._encrypted:
            self._encrypted.write(text, locked=locked)
        else:
            write_atomically(self.file, text.encode("utf-8"), locked=locked)

    def _read_encrypted(self, content: EncryptedContent) -> str | None:
        from azext_login.auth.storage.encryption import UndecryptableError

        try:
            return content.read()
        except UndecryptableError as error:
            raise _UnusableError(str(error)) from error

    def _parse(self, text: str | None) -> Any:
        if text is None or (self._encrypted and not text.strip()):
            return None
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _UnusableError("it is not valid JSON") from error
        if not isinstance(content, self._kind) and not self._encrypted:
            raise _UnusableError(f"it is not a JSON {'object' if self._kind is dict else 'list'}")
        return content

    def quarantine(self, reason: str, *, keep: bool = False) -> None:
        """Rename a file that cannot be used, and log a warning. Encrypted credentials cannot be quarantined.

        :param keep: copy the file instead, because a part of it is about to replace it.
        :raises EncryptionError: the content is encrypted.
        :raises StoreError: the file cannot be renamed or copied.
        """
        if self._encrypted:
            raise EncryptionError(
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


def _open_encrypted(location: Entry) -> EncryptedContent | None:
    from azext_login.auth.storage.encryption import open_encrypted

    return open_encrypted(location)
