"""A lock between processes that the operating system releases when its holder ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import Any

from azext_login.errors import LockHeldError, StoreError
from azext_login.system.directory import Entry
from azext_login.system.entries import POLL_INTERVAL
from azext_login.system.links import LINK_ADVICE, UntrustedLinkError
from azext_login.system.log import get_logger
from azext_login.system.patience import SILENT_WAIT, longest_wait
from azext_login.system.signals import handle_deferred_signals

logger = get_logger(__name__)


class FileLock:
    """An exclusive lock between processes, on a file of its own that is never deleted. It is not re-entrant.

    The file is never a link, so that the process ID is written into no file of others.
    """

    is_missing = False
    """Whether the filesystem has no locks, so that this one does not exclude other processes. Known once it is held."""

    def __init__(self, file: Entry, *, timeout: float = 30.0, clock: Callable[[], float] = time.monotonic):
        """:param timeout: seconds to wait for another process.
        :param clock: returns seconds of a clock that never goes back.
        """
        self._file = file
        self._timeout = timeout
        self._clock = clock
        self._descriptor: int | None = None

    def __enter__(self) -> FileLock:
        """:raises LockHeldError: another process did not release the lock in time.
        :raises StoreError: the file cannot be opened or locked.
        """
        try:
            descriptor = self._file.open_to_lock()
        except OSError as error:
            raise StoreError(
                f"The lock file {self._file} could not be opened: {error.strerror or error}. "
                "Nothing that it protects was changed.",
                self._advice_after(error),
            ) from error
        try:
            self._acquire(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise StoreError(
                f"{self._file} could not be locked: {error.strerror or error}. Nothing that it protects was changed.",
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

    @property
    def descriptor(self) -> int:
        """The open file. A child process that inherits it holds the lock too, except on Windows.

        :raises ValueError: the lock is not held.
        """
        if self._descriptor is None:
            raise ValueError("The lock is not held")
        return self._descriptor

    def _advice_after(self, error: OSError) -> str:
        """Return the next step for a lock file that cannot be opened."""
        if isinstance(error, UntrustedLinkError):
            return LINK_ADVICE
        removable = (errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.EINVAL)
        if self._file.exists() and error.errno in removable:
            return "Remove it and run the command again."
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            return f"Make {self._file.directory.path} writable, or set AZURE_CONFIG_DIR to another directory."
        return "Run the command again when that is solved."

    def _acquire(self, descriptor: int) -> None:
        began, timeout, is_announced = self._clock(), None, False
        while not self._try(descriptor):
            handle_deferred_signals()
            if timeout is None:
                timeout = longest_wait(self._timeout)
            waited = self._clock() - began
            if waited >= timeout:
                raise LockHeldError(
                    f"{_read_holder(descriptor)} has held {self._file} for {round(timeout, 1):g} seconds. "
                    "Nothing that it protects was changed. "
                    "Wait for it to finish, or end it, and run the command again."
                )
            if waited >= SILENT_WAIT and not is_announced:
                is_announced = True
                from azext_login.system.pauses import announce

                announce(f"{_read_holder(descriptor)} holds {self._file}. Waiting for it to finish.")
            time.sleep(POLL_INTERVAL)
        with contextlib.suppress(OSError):
            if os.fstat(descriptor).st_nlink > 1:
                # The content belongs to the file of another name, such as that of a backup.
                return
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, str(os.getpid()).encode("ascii"))

    def _try(self, descriptor: int) -> bool:
        """Take the lock if it is free, and tell whether it was."""
        try:
            return _try_lock(descriptor)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            # The files are still replaced in one step, and the generation counter still detects other writers. So
            # the command goes on.
            logger.debug("The filesystem has no locks: %s", error)
            self.is_missing = True
            return True


def _read_holder(descriptor: int) -> str:
    """Return the name of the process that holds the lock, from the process ID in the file."""
    number = _read_process_id(descriptor)
    return f"Another az process (PID {number})" if number else "Another az process"


def _read_process_id(descriptor: int) -> str:
    """Return the digits at the beginning of a lock file; "" without any. The host's locks name their program too."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        number = os.read(descriptor, 20).decode("ascii", "replace").partition(" ")[0].strip()
    except OSError:
        return ""
    return number if number.isdigit() else ""


# Errors of filesystems that have no locks, such as some network mounts. ENOTSUP and EOPNOTSUPP differ on macOS.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)

# Another process holds the lock. EACCES: Windows, and some network mounts.
_HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)

# Windows also prevents others from reading a locked byte, so that byte lies after everything that is written.
_LOCKED_BYTE = 1 << 30


def _flock(descriptor: int) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _release_flock(descriptor: int) -> None:
    if sys.platform == "win32":
        raise NotImplementedError
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _lock_byte(descriptor: int) -> None:
    msvcrt: Any = import_module("msvcrt")
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)


def _release_byte(descriptor: int) -> None:
    msvcrt: Any = import_module("msvcrt")
    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)


@dataclass(frozen=True)
class LockCalls:
    """How the operating system locks an open file. Both functions raise OSError."""

    lock: Callable[[int], None]
    release: Callable[[int], None]


POSIX_LOCKS = LockCalls(_flock, _release_flock)
WINDOWS_LOCKS = LockCalls(_lock_byte, _release_byte)

lock_calls = WINDOWS_LOCKS if sys.platform == "win32" else POSIX_LOCKS
"""The calls of this system. Tests set it."""


def _try_lock(descriptor: int) -> bool:
    """Take the lock if it is free, and tell whether it was.

    :raises OSError: the file cannot be locked at all.
    """
    try:
        lock_calls.lock(descriptor)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True


def _unlock(descriptor: int) -> None:
    # Closing the file releases the lock too.
    with contextlib.suppress(OSError):
        lock_calls.release(descriptor)


@dataclass(frozen=True)
class LockHolder:
    """The process that holds a lock."""

    process_id: int | None
    """None if the lock file does not name it."""


@contextlib.contextmanager
def held_if_free(file: Entry) -> Iterator[bool]:
    """Hold the lock of an existing file for a block, and yield whether no other process holds it.

    Also a file that does not exist, or that cannot be locked, is held by no other process. It is never created.
    """
    try:
        descriptor = file.open_to_lock(create=False)
    except OSError:
        descriptor = None
    if descriptor is None:
        yield True
        return
    try:
        yield _is_taken(descriptor)
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    """Take the lock of an open file, and tell whether no other process holds it."""
    try:
        return _try_lock(descriptor)
    except OSError:
        return True


def find_holder(file: Entry, *, patience: float = 0.0) -> LockHolder | None:
    """Return the process that holds the lock of an existing file; None if it is free. It is taken for a moment.

    :param patience: seconds for which another process may hold it without being reported.
    :raises OSError: the file cannot be opened or locked.
    """
    end = time.monotonic() + patience
    descriptor = file.open_to_lock(create=False)
    try:
        while not _try_lock(descriptor):
            if time.monotonic() >= end:
                number = _read_process_id(descriptor)
                return LockHolder(int(number) if number else None)
            time.sleep(POLL_INTERVAL)
        _unlock(descriptor)
    finally:
        os.close(descriptor)
    return None
