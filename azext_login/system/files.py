"""Files that other processes read at the same time: atomic replacement, access modes and safe deletion."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import stat
import sys
import time
from collections.abc import Iterator

from azext_login.errors import StoreError
from azext_login.system.directory import LARGEST_FILE, PRIVATE_FILE, Entry, PrivateDirectory
from azext_login.system.links import LINK_ADVICE, UntrustedLinkError, give_to_owner
from azext_login.system.log import get_logger
from azext_login.system.posix import change_mode, this_user

logger = get_logger(__name__)

# Seconds. No write takes as long as this: a temporary file that is older belongs to a process that was killed.
_LEFTOVER_AGE = 600.0


def read_bytes(file: Entry, *, limit: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file, also behind a trusted link.

    :param limit: the largest allowed size, in bytes.
    :raises OSError: it does not exist, or cannot be read.
    """
    with os.fdopen(file.open_to_read(limit=limit), "rb") as stream:
        return stream.read()


def read_own_bytes(file: Entry) -> bytes:
    """Return the content of a regular file that no other user can have written: for what decides about an action.

    In a directory that others can write to, the file has to belong to this user, who alone may write to it.

    :raises PermissionError: another user may have written it.
    :raises OSError: it does not exist, or cannot be read.
    """
    with os.fdopen(file.open_to_read(), "rb") as stream:
        status = os.fstat(stream.fileno())
        is_own = sys.platform == "win32" or (status.st_uid == this_user() and not status.st_mode & 0o022)
        if not is_own and not file.directory.is_private():
            raise PermissionError(errno.EPERM, "Another user may have written it")
        return stream.read()


def read_text(file: Entry, *, errors: str = "strict") -> str:
    """Return the text of a regular file in UTF-8, with line feeds only.

    :param errors: what becomes of bytes that are not UTF-8, as for `open`.
    :raises OSError: it does not exist, or cannot be read.
    :raises UnicodeDecodeError: it is not UTF-8.
    """
    with os.fdopen(file.open_to_read(), encoding="utf-8", errors=errors) as stream:
        return stream.read()


def write_atomically(file: Entry, *content: bytes, locked: bool = False, mode: int = PRIVATE_FILE) -> None:
    """Replace `file` by `content` (the parts in order) in one step, by default readable by its owner alone.

    Readers see the old file or the new one, never a part. If `file` is a symbolic link that no other user can change,
    its target is replaced. After a failure, the old file is unchanged and no temporary file is left.

    :param locked: whether the caller's lock excludes every other writer. Then every other temporary file is a leftover
        and is removed, not only old ones.
    :param mode: who may read and run the file. Windows has no such modes.
    :raises StoreError: the directory or the file cannot be written.
    """
    with replace_after(file, *content, locked=locked, mode=mode):
        pass


@contextlib.contextmanager
def replace_after(file: Entry, *content: bytes, locked: bool = False, mode: int = PRIVATE_FILE) -> Iterator[None]:
    """Replace `file` like `write_atomically`, but only after the block has finished.

    The new content is on the disk, in a temporary file, before the block begins. So a block that changes something else
    begins only if the disk has room for both. If the block raises, `file` is unchanged.
    """
    from azext_login.system.signals import defer_signals

    with defer_signals():
        with _store_errors(file):
            file.directory.descriptor(create=True)
            target = file.resolved()
            # As the superuser, we would replace a device for the whole system.
            target.refuse_unless_file()
            temporary, descriptor = _create_temporary(target)
        try:
            with _store_errors(file), os.fdopen(descriptor, "wb") as stream:
                with contextlib.suppress(FileNotFoundError):
                    give_to_owner(stream.fileno(), target.status())
                stream.writelines(content)
                stream.flush()
                if mode != PRIVATE_FILE and sys.platform != "win32":
                    change_mode(stream.fileno(), mode)
                os.fsync(stream.fileno())
            yield
            with _store_errors(file):
                temporary.rename(target)
        except BaseException:
            _remove_quietly(temporary)
            raise
    remove_leftovers(target, older_than=0.0 if locked else _LEFTOVER_AGE)


def _create_temporary(target: Entry) -> tuple[Entry, int]:
    """Create a file in the directory of `target`, so that it can be renamed to it."""
    while True:
        temporary = target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")
        with contextlib.suppress(FileExistsError):
            return temporary, temporary.create()


@contextlib.contextmanager
def _store_errors(file: Entry) -> Iterator[None]:
    """Turn an OSError into a StoreError that names the file."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{file} could not be written: {error.strerror or error}. Its previous content is unchanged.",
            LINK_ADVICE
            if isinstance(error, UntrustedLinkError)
            else f"Make sure that {file.directory.path} is writable and that the disk has free space; then run the "
            "command again.",
        ) from error


def remove_leftovers(file: Entry, *, older_than: float = 0.0) -> None:
    """Remove the temporary files of processes that were killed while they wrote `file`.

    :param file: its name may be a glob pattern, for several files of the directory.
    :param older_than: keep files that are younger, in seconds: another process may still be writing them.
    """
    with contextlib.suppress(OSError):
        target = file.resolved()
        for leftover in find(target.with_name(f".{target.name}.*.tmp")):
            with contextlib.suppress(OSError):
                if time.time() - leftover.status().st_mtime >= older_than:
                    leftover.unlink()


def _remove_quietly(file: Entry) -> None:
    with contextlib.suppress(OSError):
        file.unlink()


def find(pattern: Entry) -> list[Entry]:
    """Return the entries of a directory whose name matches a glob pattern; none if the directory cannot be read."""
    with contextlib.suppress(OSError):
        return [
            pattern.with_name(name)
            for name in sorted(pattern.directory.names())
            if fnmatch.fnmatchcase(name, pattern.name)
        ]
    return []


def remove_if_present(file: Entry) -> None:
    """Delete a file that may not exist. A symbolic link is removed itself.

    If no other user can change the link, the content of the file that it points to is removed as well: it is ours.

    :raises StoreError: the file exists and cannot be deleted.
    """
    with _deletion_errors(file):
        _empty_target(file)
        file.unlink()


def _empty_target(file: Entry) -> None:
    """Remove the content of the file that a trusted link points to. What is no file, or another user's, stays."""
    if not stat.S_ISLNK(file.status().st_mode):
        return
    with contextlib.suppress(UntrustedLinkError, FileNotFoundError, NotADirectoryError):
        target = file.resolved()
        if stat.S_ISREG(target.status().st_mode):
            write_atomically(file)


def remove_directory(directory: Entry, pattern: str) -> None:
    """Delete the files of a directory of ours whose names match a glob pattern, and the directory if it is empty.

    Something else of this name, such as a link, is removed itself: what it points to is not ours.

    :raises StoreError: a file cannot be deleted.
    """
    try:
        is_directory = stat.S_ISDIR(directory.status().st_mode)
    except OSError:
        return
    if not is_directory:
        with _deletion_errors(directory):
            directory.unlink()
        return
    files = directory.directory.subdirectory(directory.name)
    # The temporary file of a killed process has the same content.
    remove_leftovers(files / pattern)
    for file in find(files / pattern):
        remove_if_present(file)
    with contextlib.suppress(OSError):
        directory.rmdir()


@contextlib.contextmanager
def _deletion_errors(file: Entry) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(
            f"{file} could not be deleted: {error.strerror or error}.",
            f"Remove it, or make {file.directory.path} writable; then run the command again.",
        ) from error


def make_private(file: Entry) -> None:
    """Restrict a file or directory to its owner; older versions left some readable by others."""
    with contextlib.suppress(OSError):
        file.restrict()


def make_all_private(directory: PrivateDirectory, prefixes: tuple[str, ...]) -> None:
    """Restrict the files and directories whose names have one of these prefixes to their owner."""
    with contextlib.suppress(OSError):
        for name in directory.names():
            if name.startswith(prefixes):
                make_private(directory / name)
