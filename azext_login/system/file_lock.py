"""A lock between processes that its holder cannot leave behind."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from azext_login.errors import LockHeldError, StoreError
from azext_login.system.files import POLL_INTERVAL, PRIVATE_FILE, give_to_owner_of, make_directory
from azext_login.system.signals import handle_deferred_signals

logger = logging.getLogger(__name__)


class FileLock:
    """An exclusive lock between processes, on a file of its own that is never deleted.

    The operating system releases it when its holder ends, however that ends. It is not re-entrant.
    """

    is_missing = False
    """Whether the filesystem turned out to have no locks, so that having this one keeps nobody out."""

    def __init__(self, path: Path, *, timeout: float = 30.0, clock: Callable[[], float] = time.monotonic):
        """:param timeout: how long to wait for another process, in seconds."""
        self._path = path
        self._timeout = timeout
        self._clock = clock
        self._descriptor: int | None = None

    def __enter__(self) -> FileLock:
        """:raises LockHeldError: its holder did not release it in time.
        :raises StoreError: there can be no lock in this place.
        """
        try:
            descriptor = self._open()
        except OSError as error:
            raise StoreError(
                f"The lock file {self._path} could not be opened: {error.strerror or error}. "
                "Nothing that it protects was changed.",
                self._advice_after(error),
            ) from error
        try:
            self._acquire(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise StoreError(
                f"{self._path} could not be locked: {error.strerror or error}. Nothing that it protects was changed.",
                "Run the command again, or set AZURE_CONFIG_DIR to a directory on another filesystem.",
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            _unlock(descriptor)
            os.close(descriptor)

    def _advice_after(self, error: OSError) -> str:
        """Return what helps against a file that cannot be opened."""
        odd = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENOENT)
        if os.path.lexists(self._path) and error.errno in odd:
            return "Remove it and run the command again."
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            return f"Make {self._path.parent} writable, or set AZURE_CONFIG_DIR to another directory."
        return "Run the command again when that is over."

    def _open(self) -> int:
        make_directory(self._path.parent)
        with contextlib.suppress(FileExistsError):
            # Only what we make ourselves is given away: another file could be a link to somebody else's.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
            give_to_owner_of(self._path.parent, descriptor)
            return descriptor
        return os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)

    def _acquire(self, descriptor: int) -> None:
        deadline = self._clock() + self._timeout
        while not self._try(descriptor):
            handle_deferred_signals()
            if self._clock() >= deadline:
                raise LockHeldError(
                    f"{_holder(descriptor)} has held {self._path} for {self._timeout:g} seconds. "
                    "Nothing that it protects was changed. "
                    "Wait for it to finish, or end it, and run the command again."
                )
            time.sleep(POLL_INTERVAL)
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, str(os.getpid()).encode("ascii"))

    def _try(self, descriptor: int) -> bool:
        try:
            return _try_lock(descriptor)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            # Replacing files in one step and the generation counter are what protects them then. Refusing to work
            # would help nobody.
            logger.debug("The filesystem has no locks: %s", error)
            self.is_missing = True
            return True


def _holder(descriptor: int) -> str:
    """Return who holds a lock, as its file says."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        number = os.read(descriptor, 20).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        number = ""
    return f"Another az process (PID {number})" if number.isdigit() else "Another az process"


# Errors of filesystems that have no locks, such as some network mounts.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


if sys.platform == "win32":
    import msvcrt

    # Windows locks bytes against reading as well, so the locked byte lies behind everything that is written.
    _LOCKED_BYTE = 1 << 30

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

    def _unlock(descriptor: int) -> None:
        # Closing the file releases it as well.
        with contextlib.suppress(OSError):
            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            # The latter is how some network mounts say that another process has it.
            return False
        return True

    def _unlock(descriptor: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
