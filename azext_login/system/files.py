"""Files that other processes read at the same time: atomic replacement, access modes and safe deletion."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from azext_login.errors import StoreError
from azext_login.system.signals import defer_signals

logger = logging.getLogger(__name__)

PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700

POLL_INTERVAL = 0.02
"""Seconds between two attempts to get what another process holds: a lock, or on Windows an open file."""

# Seconds. No write takes as long as this: a temporary file that is older belongs to a process that was killed.
_LEFTOVER_AGE = 600.0

# Windows refuses to replace a file that another process has open without FILE_SHARE_DELETE, which is how
# Python's open() opens it. Readers hold it for milliseconds.
_REPLACE_ATTEMPTS = 50


def write_atomically(path: Path, *content: bytes, locked: bool = False) -> None:
    """Replace `path` by `content` (the parts in order) in one step, readable by its owner alone.

    Readers see the old file or the new one, never a part. If `path` is a symbolic link, its target is replaced.
    After a failure, the old file is unchanged and no temporary file is left.

    :param locked: whether the caller's lock excludes every other writer. Then every other temporary file is a leftover
        and is removed, not only old ones.
    :raises StoreError: the directory or the file cannot be written.
    """
    with replace_after(path, *content, locked=locked):
        pass


@contextlib.contextmanager
def replace_after(path: Path, *content: bytes, locked: bool = False) -> Iterator[None]:
    """Replace `path` like `write_atomically`, but only after the block has finished.

    The new content is on the disk, in a temporary file, before the block begins. So a block that changes something else
    begins only if the disk has room for both. If the block raises, `path` is unchanged.
    """
    target = Path(os.path.realpath(path))
    with defer_signals():
        with _store_errors(path):
            if _is_device(target):
                # For example a link to /dev/null: as the superuser, we would replace it for the whole system.
                raise OSError(errno.ENODEV, "It is a device")
            make_directory(target.parent)
            # mkstemp creates the file with 0600, in the same directory so that os.replace stays on one filesystem.
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with _store_errors(path), os.fdopen(descriptor, "wb") as stream:
                give_to_owner_of(target if target.exists() else target.parent, stream.fileno())
                stream.writelines(content)
                stream.flush()
                os.fsync(stream.fileno())
            yield
            with _store_errors(path):
                replace_file(temporary, target)
        except BaseException:
            _remove_quietly(temporary)
            raise
    remove_leftovers(target, older_than=0.0 if locked else _LEFTOVER_AGE)


def _is_device(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


@contextlib.contextmanager
def _store_errors(path: Path) -> Iterator[None]:
    """Turn an OSError into a StoreError that names the file."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{path} could not be written: {error.strerror or error}. Its previous content is unchanged.",
            f"Make sure that {path.parent} is writable and that the disk has free space; then run the command again.",
        ) from error


def make_directory(path: Path) -> None:
    """Create a directory and its missing parents with mode 0700. One that exists stays as it is."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE_DIRECTORY)
        give_to_owner_of(path.parent, path)


if sys.platform == "win32":

    def give_to_owner_of(model: Path, new: int | Path) -> None:
        """Do nothing: on Windows, new files inherit their access rights from the directory."""

else:

    def give_to_owner_of(model: Path, new: int | Path) -> None:
        """Change the owner of a file (its descriptor) or directory that root has just created to that of `model`.

        Otherwise the user could neither read nor write it after a `sudo az`. A failure changes nothing else.
        """
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                owner = model.stat()
                os.chown(new, owner.st_uid, owner.st_gid)


def replace_file(source: str | Path, target: Path) -> None:
    """Rename `source` to `target`, which may exist. On Windows, wait up to a second for readers of the target.

    :raises OSError: it cannot be renamed.
    """
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(POLL_INTERVAL)


def remove_leftovers(path: Path, *, older_than: float = 0.0) -> None:
    """Remove the temporary files of processes that were killed while they wrote `path`.

    :param path: its name may be a glob pattern, for several files of the directory.
    :param older_than: keep files that are younger, in seconds: another process may still be writing them.
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
    """Delete a file that may not exist. If it is a symbolic link, its target is deleted too, unless it is a device.

    :raises StoreError: the file exists and cannot be deleted.
    """
    try:
        if path.is_symlink() and not _is_device(path):
            Path(os.path.realpath(path)).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} could not be deleted: {error.strerror or error}.") from error


def make_private(path: Path) -> None:
    """Restrict a file or directory to its owner; older versions left some readable by others."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if mode & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            path.chmod(_PRIVATE_DIRECTORY if stat.S_ISDIR(mode) else PRIVATE_FILE)


def make_all_private(folder: Path, prefixes: tuple[str, ...]) -> None:
    """Restrict the files and directories in `folder` whose names have one of these prefixes to their owner."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # What a link points to may be shared on purpose.
            if entry.name.startswith(prefixes) and not entry.is_symlink():
                make_private(Path(entry.path))


def open_regular(path: str, flags: int) -> int:
    """Open a regular file; an opener for `open(opener=...)`. Reading a pipe could block for ever.

    :raises OSError: it is not a regular file, or it cannot be opened.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return descriptor
