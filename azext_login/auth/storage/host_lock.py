"""The host's lock of a file of secrets, taken in a way that the host's own commands respect.

The host uses msal-extensions' CrossPlatLock (msal_extensions/cache_lock.py). It creates `<file>.lockfile`, locks that
with portalocker, and deletes it on release. A process that finds the file waits up to five seconds until it is gone.
CrossPlatLock follows links, and empties the file before it has the lock, so this is an implementation of our own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType

from azext_login.errors import StoreError
from azext_login.system import entries
from azext_login.system.directory import Entry
from azext_login.system.patience import SILENT_WAIT, longest_wait

# Seconds, as in msal-extensions.
_TIMEOUT = 5.0
_INTERVAL = 0.05


class HostLock:
    """The lock beside a file of secrets. The host holds it while it reads and writes the file."""

    def __init__(self, file: Entry, *, timeout: float = _TIMEOUT, clock: Callable[[], float] = time.monotonic):
        """:param file: the file of secrets.
        :param timeout: seconds to wait for another process.
        :param clock: returns seconds of a clock that never goes back.
        """
        self._file = file
        self._lock_file = file.with_name(file.name + ".lockfile")
        self._timeout = timeout
        self._clock = clock
        self._descriptor: int | None = None

    def __enter__(self) -> HostLock:
        """:raises StoreError: another process did not release the lock in time, or the file cannot be locked."""
        began, timeout, is_announced = self._clock(), None, False
        try:
            while not self._try():
                if timeout is None:
                    timeout = longest_wait(self._timeout)
                waited = self._clock() - began
                if waited >= timeout:
                    raise StoreError(
                        f"{self._holder()} has held {self._lock_file} for several seconds. {self._file} is unchanged.",
                        "Wait for it to finish, or end it, and run the command again.",
                    )
                if waited >= SILENT_WAIT and not is_announced:
                    is_announced = True
                    from azext_login.system.pauses import announce

                    announce(f"{self._holder()} holds {self._lock_file}. Waiting for it to finish.")
                time.sleep(_INTERVAL)
        except OSError as error:
            raise StoreError(
                f"{self._file} could not be locked: {error.strerror or error}. It is unchanged.",
                f"Remove {self._lock_file} if it exists, and run the command again.",
            ) from error
        return self

    def _try(self) -> bool:
        """Take the lock if it is free, and tell whether it was.

        :raises OSError: the file cannot be opened or locked.
        """
        descriptor = self._lock_file.open_to_lock()
        try:
            if not _lock(descriptor) or not self._is_current(descriptor):
                os.close(descriptor)
                return False
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        with contextlib.suppress(OSError):
            if os.fstat(descriptor).st_nlink == 1:
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()} {sys.argv[0]}".encode("utf-8", "surrogateescape"))
        return True

    def _is_current(self, descriptor: int) -> bool:
        """Tell whether the locked file is still the one in the directory: its last holder may have deleted it."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock_file.status())
        except FileNotFoundError:
            return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        with contextlib.suppress(OSError):
            # While it is locked, so that no lock of another process is deleted. Windows deletes closed files only.
            if not entries.refuses_open_files and self._is_current(descriptor):
                self._lock_file.unlink()
        _unlock(descriptor)
        os.close(descriptor)
        if entries.refuses_open_files:
            with contextlib.suppress(OSError):
                self._lock_file.unlink()

    def _holder(self) -> str:
        """Describe the process that holds the lock; the lock file begins with its number."""
        try:
            with os.fdopen(self._lock_file.open_to_read(), encoding="utf-8") as stream:
                number = stream.read(100).partition(" ")[0]
        except (OSError, UnicodeDecodeError):
            number = ""
        return f"Another process (PID {number})" if number.isdigit() else "Another process"


def _lock(descriptor: int) -> bool:
    """Lock an open file as the host does, and tell whether it was free.

    :raises OSError: it cannot be locked.
    """
    import portalocker
    from portalocker.exceptions import AlreadyLocked, BaseLockException

    try:
        with os.fdopen(descriptor, "r+b", buffering=0, closefd=False) as stream:
            portalocker.lock(stream, portalocker.LOCK_EX | portalocker.LOCK_NB)
    except AlreadyLocked:
        return False
    except BaseLockException as error:
        cause = error.__cause__ or error
        if isinstance(cause, OSError):
            raise cause from error
        raise OSError(str(error)) from error
    return True


def _unlock(descriptor: int) -> None:
    import portalocker

    with contextlib.suppress(OSError), os.fdopen(descriptor, "r+b", buffering=0, closefd=False) as stream:
        portalocker.unlock(stream)
