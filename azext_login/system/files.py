"""Files that other processes read at the same time: atomic replacement, and a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType

from azext_login.errors import LockHeldError, StoreError

logger = logging.getLogger(__name__)

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700

ASIDE = ".damaged-"
"""Between the name of a file that could not be used and the time at which it was set aside."""

# How often a waiting process looks at a lock again, in seconds.
_POLL_INTERVAL = 0.02

# No write takes as long as this, in seconds: a temporary file that is older belongs to a process that was killed.
_LEFTOVER_AGE = 600.0

# Windows refuses to replace a file that another process has open without FILE_SHARE_DELETE, which is how
# Python's open() opens it. Readers hold it for milliseconds.
_REPLACE_ATTEMPTS = 50


def write_atomically(path: Path, *content: bytes, locked: bool = False) -> None:
    """Replace `path` by `content` (one part after the other) in one step, readable by its owner alone.

    A reader sees the old file or the new one, never a part. A symbolic link keeps pointing where it points:
    its target is replaced. After a failure the old file is untouched and no temporary file stays behind.

    :param locked: the caller has kept every other writer out, so whatever one of them left behind is removed.
    :raises StoreError: the directory or the file cannot be written.
    """
    with written_beside(path, *content, locked=locked):
        pass


@contextlib.contextmanager
def written_beside(path: Path, *content: bytes, locked: bool = False) -> Iterator[None]:
    """Do the same in two steps: the content is on the disk when the block begins, and takes its place at the end.

    So a block that changes something else begins only if there is room for both, and if it raises, nothing changes.
    """
    target = Path(os.path.realpath(path))
    with uninterrupted():
        with _said_of(path):
            if _is_device(target):
                # A link to /dev/null, for instance, which the superuser can replace for the whole system.
                raise OSError(errno.ENODEV, "It is a device")
            _make_directory(target.parent)
            # mkstemp creates the file with 0600, in the same directory so that os.replace stays on one filesystem.
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with _said_of(path), os.fdopen(descriptor, "wb") as stream:
                _give_to_owner_of(target if target.exists() else target.parent, stream.fileno())
                stream.writelines(content)
                stream.flush()
                os.fsync(stream.fileno())
            yield
            with _said_of(path):
                _replace(temporary, target)
        except BaseException:
            _remove_quietly(temporary)
            raise
    sweep(target, older_than=0.0 if locked else _LEFTOVER_AGE)


def _is_device(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


@contextlib.contextmanager
def _said_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} could not be written: {error.strerror or error}. Its previous content is untouched."
        ) from error


def _make_directory(path: Path) -> None:
    """Make a directory that may exist, and those above it, for its owner alone."""
    if path.is_dir():
        return
    _make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE_DIRECTORY)
        _give_to_owner_of(path.parent, path)


if sys.platform == "win32":

    def _give_to_owner_of(pattern: Path, new: int | Path) -> None:
        """Do nothing: there, what is in a directory belongs to whom the directory says."""

else:

    def _give_to_owner_of(pattern: Path, new: int | Path) -> None:
        """Let what root has just made (a descriptor or a directory) belong to whom the files around it belong.

        After a `sudo az`, they could neither read nor write it. Where it cannot be given away, it is still written.
        """
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                owner = pattern.stat()
                os.chown(new, owner.st_uid, owner.st_gid)


# Signals that came during a block which is not to be interrupted, and what else handles them.
_received: list[int] = []
_handlers: dict[int, Callable[[int, FrameType | None], object]] = {}


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C, and a SIGTERM that somebody handles, wait until the block has ended.

    Handlers run in the main thread, whichever thread the system gives a signal to, so nothing waits in another one.
    Nobody waits long: see `interruption_point`.
    """
    if _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                _handlers[number] = handler
                signal.signal(number, lambda received, frame: _received.append(received))
        yield
    finally:
        handlers = dict(_handlers)
        _handlers.clear()
        for handled, handler in handlers.items():
            signal.signal(handled, handler)
        waiting = list(_received)
        _received.clear()
        for received in waiting:
            handlers[received](received, None)


def interruption_point() -> None:
    """Give way to a signal that waits, in a place where nothing is half done."""
    while _handlers and _received and threading.current_thread() is threading.main_thread():
        number = _received.pop(0)
        _handlers[number](number, None)


def _replace(source: str, target: Path) -> None:
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(_POLL_INTERVAL)


def sweep(path: Path, *, older_than: float = 0.0) -> None:
    """Remove what writers of `path` left behind that were killed before they could replace it.

    :param path: its name may be a pattern, for all files of that kind in the directory.
    :param older_than: keep what may still be in use, in seconds.
    """
    target = Path(os.path.realpath(path))
    for leftover in target.parent.glob(f".{target.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime >= older_than:
                _remove_quietly(str(leftover))


def _remove_quietly(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def remove_if_present(path: Path) -> None:
    """Delete a file that may not exist. Where it is a symbolic link, its target goes with it, unless it is a device.

    :raises StoreError: it exists and cannot be deleted.
    """
    try:
        if path.is_symlink() and not _is_device(path):
            Path(os.path.realpath(path)).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} could not be deleted: {error.strerror or error}.") from error


def make_private(path: Path) -> None:
    """Take a file or directory that an older version left readable by others away from them."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if mode & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            path.chmod(_PRIVATE_DIRECTORY if stat.S_ISDIR(mode) else _PRIVATE_FILE)


def make_all_private(folder: Path, beginnings: tuple[str, ...]) -> None:
    """Take files and directories away from others whose names begin in one of these ways."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # What a link points to may be shared on purpose.
            if entry.name.startswith(beginnings) and not entry.is_symlink():
                make_private(Path(entry.path))


def regular(path: str, flags: int) -> int:
    """Open a file for `open(opener=...)`, unless it is a pipe or the like, which would keep a reader waiting for ever.

    :raises OSError: it is one, or it cannot be opened.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return descriptor


def set_aside(path: Path, *, keep: bool = False) -> Path:
    """Rename a file that cannot be used, for its owner alone, and return its new path.

    :param keep: copy it instead. A part of it can be used and is about to replace it; until then it has to be there.
    :raises StoreError: it cannot be renamed or copied.
    """
    aside = path.with_name(f"{path.name}{ASIDE}{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    try:
        if keep:
            write_atomically(aside, path.read_bytes())
            return aside
        _replace(str(path), aside)
    except OSError as error:
        raise StoreError(f"{path} cannot be used, and could not be set aside: {error.strerror or error}.") from error
    make_private(aside)
    return aside


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
        _make_directory(self._path.parent)
        with contextlib.suppress(FileExistsError):
            # Only what we make ourselves is given away: another file could be a link to somebody else's.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
            _give_to_owner_of(self._path.parent, descriptor)
            return descriptor
        return os.open(self._path, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)

    def _acquire(self, descriptor: int) -> None:
        deadline = self._clock() + self._timeout
        while not self._try(descriptor):
            interruption_point()
            if self._clock() >= deadline:
                raise LockHeldError(
                    f"{_holder(descriptor)} has held {self._path} for {self._timeout:g} seconds. "
                    "Nothing that it protects was changed. "
                    "Wait for it to finish, or end it, and run the command again."
                )
            time.sleep(_POLL_INTERVAL)
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
