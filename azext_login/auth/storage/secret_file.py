"""A file of secrets that is shared with the host's own commands: read, changed under two locks, and set aside."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knack.log import get_logger

from azext_login.errors import LockHeldError, StoreError
from azext_login.system.damaged_files import find_quarantined, quarantine_file, remove_from_quarantined
from azext_login.system.file_lock import FileLock
from azext_login.system.files import remove_if_present, remove_leftovers, write_atomically

logger = get_logger(__name__)

# The host truncates the file and writes it again, and readers have no lock: a torn file may be a whole one in a moment.
# Under its lock nobody writes who respects it, and it must not be held for long.
_TORN_RETRIES = 10
_TORN_RETRIES_UNDER_LOCK = 2
_TORN_PAUSE = 0.05


class _UnusableError(Exception):
    """The content is not what the file is for. The argument says why."""


class SharedSecretFile:
    """A file of secrets that built-in commands read and write at the same time.

    Both of the host's stores are one JSON text, either in a plain file or behind the encryption of the operating
    system. A change takes a lock of ours first and the host's for as short as possible, because the host's lock
    does not exclude anybody once it has been waited for (msal-extensions, CrossPlatLock).
    """

    def __init__(
        self,
        config_dir: Path,
        name: str,
        *,
        encrypt: bool,
        kind: type,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """:param name: the file name without its extension.
        :param kind: what its JSON has to be, `dict` or `list`.
        :param sleep: waits for so many seconds, before a torn file is read again.
        """
        self._kind = kind
        self._location = config_dir / name
        self._encrypt = encrypt
        self._sleep = sleep
        self._lock = FileLock(config_dir / f"login_{name}.lock")
        self._is_locked = False

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

        A file that is not JSON, and that nobody is just writing, is set aside under another name, so that a sign-in can
        start afresh.

        :raises StoreError: the file cannot be read, decrypted or set aside.
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
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise _UnusableError("it is not text") from error
        except OSError as error:
            raise StoreError(
                f"{self.path} could not be read: {error.strerror or error}.",
                "Correct that, or move it away and sign in again with `az login`.",
            ) from error

    @contextmanager
    def change(self) -> Iterator[Callable[[Any], None]]:
        """Hold both locks. Read inside with `read()`, and call the yielded function with the new content.

        :raises StoreError: a lock cannot be had, because the directory cannot be written or somebody does not give it
            back.
        """
        with self._lock, self._host_lock():
            self._is_locked = True
            try:
                yield self._write
            finally:
                self._is_locked = False

    @contextmanager
    def _host_lock(self) -> Iterator[None]:
        from msal_extensions import CrossPlatLock
        from portalocker.exceptions import AlreadyLocked, BaseLockException

        if self._lock.is_missing:
            # The host's own commands cannot have theirs in this place either, and fail.
            yield
            return
        path = self.path.with_name(self.path.name + ".lockfile")
        # Whoever waits for it empties it.
        holder = _holder_in(path)
        lock = CrossPlatLock(str(path))
        try:
            lock.__enter__()
        except AlreadyLocked as error:
            raise StoreError(
                f"{holder} has held {path} for several seconds. {self.path} is unchanged.",
                "Wait for it to finish, or end it, and run the command again.",
            ) from error
        except (OSError, BaseLockException) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            reason = getattr(cause, "strerror", None) or error
            raise StoreError(f"{self.path} could not be locked: {reason}. It is unchanged.") from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                lock.__exit__(None, None, None)

    def delete(self) -> None:
        """Delete the plain and the encrypted file, and what was set aside of them.

        :raises StoreError: a file cannot be deleted, or another process does not give its lock back.
        """
        with contextlib.ExitStack() as locks:
            # Who is just writing it would put it back afterwards. Where a lock cannot be had because of its file, that
            # is no reason to keep secrets.
            for lock in (self._lock, self._host_lock()):
                try:
                    locks.enter_context(lock)
                except LockHeldError:
                    raise
                except StoreError as error:
                    logger.debug("Deleting without a lock: %s", error)
            if self._encrypt and self.path.exists() and sys.platform != "win32":
                # On Linux and macOS the file only tells that there is something in the keyring.
                with contextlib.suppress(StoreError):
                    self._write({})
            for extension in (".json", ".bin"):
                remove_if_present(self._location.with_name(self._location.name + extension))
            remove_leftovers(self._all_of_them())
            for aside in self._quarantined_files():
                remove_if_present(aside)

    def purge(self, name: str, without: Callable[[Any], Any]) -> None:
        """Take an account out of what was set aside of the file, and delete what killed writers left behind.

        :param without: returns the parsed content without the account.
        """
        # Under the lock, nobody is writing.
        with self._lock:
            remove_leftovers(self._all_of_them())
        remove_from_quarantined(self._quarantined_files(), name, without, are_secret=True)

    def _all_of_them(self) -> Path:
        """Return the pattern for the file with either setting of the encryption."""
        return self._location.with_name(f"{self._location.name}.*")

    def _quarantined_files(self) -> list[Path]:
        return find_quarantined(self._all_of_them())

    def _write(self, content: Any) -> None:
        text = json.dumps(content, indent=4)
        if not self._encrypt:
            write_atomically(self.path, text.encode("utf-8"), locked=not self._lock.is_missing)
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
        except (ValueError, RecursionError) as error:
            raise _UnusableError("it is not valid JSON") from error
        if not isinstance(content, self._kind) and not self._encrypt:
            raise _UnusableError("it holds something else")
        return content

    def quarantine(self, reason: str, *, keep: bool = False) -> None:
        """Rename a file that cannot be used, and say so. Encrypted credentials stay where they are.

        :param keep: copy it, because a part of it is about to replace it.
        """
        if self._encrypt:
            raise StoreError(
                f"The encrypted credentials in {self.path} are damaged: {reason}.",
                "Remove them with `az account clear` and sign in again with `az login`.",
            )
        if not self.path.exists():
            return
        aside = quarantine_file(self.path, keep_original=keep)
        logger.warning(
            "%s is damaged (%s) and was set aside as %s. Sign in again with `az login`.", self.path, reason, aside.name
        )


def _holder_in(path: Path) -> str:
    """Return who holds the host's lock: its file begins with the number of the process."""
    try:
        number = path.read_text(encoding="utf-8").partition(" ")[0]
    except (OSError, UnicodeDecodeError):
        number = ""
    return f"Another process (PID {number})" if number.isdigit() else "Another process"


def one_place(problem: str, names: list[str]) -> StoreError:
    """Return the error for a keyring item that holds the other one of the host's two stores."""
    commands = " or ".join(f"`az logout --username {name}`" for name in names) or "`az account clear`"
    return StoreError(
        f"The keyring holds {problem}: on this system, the encrypted stores for the two have one place "
        "(core.encrypt_token_cache).",
        f"Sign out with {commands}, or turn encryption off with `az config set core.encrypt_token_cache=false`; then "
        "sign in again with `az login`.",
    )
