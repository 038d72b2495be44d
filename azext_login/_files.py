"""Files that other processes read at the same time: atomic replacement, and a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from .errors import StoreError

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700

# How often a waiting process looks at a lock again, in seconds.
_POLL_INTERVAL = 0.02

# Windows refuses to replace a file that another process has open without FILE_SHARE_DELETE, which is how
# Python's open() opens it. Readers hold it for milliseconds.
_REPLACE_ATTEMPTS = 50


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step, readable by its owner alone.

    A reader sees the old file or the new one, never a part. A symbolic link keeps pointing where it points:
    its target is replaced. After a failure the old file is untouched and no temporary file stays behind.

    :raises StoreError: the directory or the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        # mkstemp creates the file with 0600, in the same directory so that os.replace stays on one filesystem.
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            _replace(temporary, target)
        except BaseException:
            _remove_quietly(temporary)
            raise
    except OSError as error:
        raise StoreError(
            f"{path} could not be written: {error.strerror or error}. Its previous content is untouched."
        ) from error


def _replace(source: str, target: Path) -> None:
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(_POLL_INTERVAL)


def _remove_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_if_present(path: Path) -> None:
    """Delete a file that may not exist.

    :raises StoreError: it exists and cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} could not be deleted: {error.strerror or error}.") from error


class FileLock:
    """An exclusive lock between processes, on a file of its own that is never deleted.

    The operating system releases it when its holder ends, however that ends. It is not re-entrant.
    """

    def __init__(self, path: Path, *, timeout: float = 30.0, clock: Callable[[], float] = time.monotonic):
        """:param timeout: how long to wait for another process, in seconds."""
        self._path = path
        self._timeout = timeout
        self._clock = clock
        self._descriptor: int | None = None

    def __enter__(self) -> FileLock:
        """:raises StoreError: the lock file cannot be opened, or its holder did not release it in time."""
        try:
            self._path.parent.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
        except OSError as error:
            raise StoreError(f"The lock file {self._path} could not be opened: {error.strerror or error}.") from error
        try:
            self._acquire(descriptor)
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

    def _acquire(self, descriptor: int) -> None:
        deadline = self._clock() + self._timeout
        while not _try_lock(descriptor):
            if self._clock() >= deadline:
                raise StoreError(
                    f"Another az process has held {self._path} for {self._timeout:g} seconds. Nothing was changed. "
                    "Wait for it to finish, or end it, and run the command again."
                )
            time.sleep(_POLL_INTERVAL)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
