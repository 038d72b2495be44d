"""Files that other processes read at the same time: atomic replacement, and a lock that dies with its holder."""

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
from azext_login.system.signals import uninterrupted

logger = logging.getLogger(__name__)

PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700

ASIDE = ".damaged-"
"""Between the name of a file that could not be used and the time at which it was set aside."""

# How often a waiting process looks at a lock again, in seconds.
POLL_INTERVAL = 0.02

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
            make_directory(target.parent)
            # mkstemp creates the file with 0600, in the same directory so that os.replace stays on one filesystem.
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        try:
            with _said_of(path), os.fdopen(descriptor, "wb") as stream:
                give_to_owner_of(target if target.exists() else target.parent, stream.fileno())
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


def make_directory(path: Path) -> None:
    """Make a directory that may exist, and those above it, for its owner alone."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=_PRIVATE_DIRECTORY)
        give_to_owner_of(path.parent, path)


if sys.platform == "win32":

    def give_to_owner_of(pattern: Path, new: int | Path) -> None:
        """Do nothing: there, what is in a directory belongs to whom the directory says."""

else:

    def give_to_owner_of(pattern: Path, new: int | Path) -> None:
        """Let what root has just made (a descriptor or a directory) belong to whom the files around it belong.

        After a `sudo az`, they could neither read nor write it. Where it cannot be given away, it is still written.
        """
        if os.geteuid() == 0:
            with contextlib.suppress(OSError):
                owner = pattern.stat()
                os.chown(new, owner.st_uid, owner.st_gid)


def _replace(source: str, target: Path) -> None:
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(POLL_INTERVAL)


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
            path.chmod(_PRIVATE_DIRECTORY if stat.S_ISDIR(mode) else PRIVATE_FILE)


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
