"""Directories for one run of a program each. They are removed after it, or by a later one if this process was killed.

A directory is in use while a process holds the lock on the file beside it. The program inherits the open file, so the
lock is held until the last of both has ended.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from azext_login.errors import LockHeldError, StoreError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from azext_login.system.links import PRIVATE_DIRECTORY, can_be_replaced_in
from azext_login.system.log import get_logger
from azext_login.system.posix import change_mode, this_user
from azext_login.system.remove_tree import remove_tree

logger = get_logger(__name__)

_LOCK = ".lock"
_NAME = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run."""

    directory: PrivateDirectory
    lock: int
    """Descriptor of the locked file, for the program to inherit."""


class RunDirectories:
    """The directories of all runs, in a directory of their own."""

    def __init__(self, base: PrivateDirectory, name: str):
        """:param base: the directory that contains theirs.
        :param name: the name of theirs.
        """
        self._base = base
        self._all = base.subdirectory(name)
        self._file = base / name
        # Held while directories are created, or examined: so none is examined that is not locked yet.
        self._lock = base / f"{name}{_LOCK}"

    @contextlib.contextmanager
    def new(self) -> Iterator[RunDirectory]:
        """Create a directory, and remove it when the block ends. That it cannot be removed is only a warning.

        :raises StoreError: it cannot be created, or other users could replace it.
        """
        with ExitStack() as held:
            try:
                with FileLock(self._lock):
                    self._create_parent()
                    name = os.urandom(8).hex()
                    lock = held.enter_context(FileLock(self._all / f"{name}{_LOCK}"))
                    directory = self._all.subdirectory(name)
                    # Until now, nothing but the lock is to be removed.
                    held.callback(self._remove, name)
                    directory.descriptor(create=True)
            except OSError as error:
                raise StoreError(
                    f"No directory could be created in {self._all.path}: {error.strerror or error}.",
                    f"Remove {self._all.path} if it is not a directory of yours, or set AZURE_CONFIG_DIR to another "
                    "directory; then run the command again.",
                ) from error
            yield RunDirectory(directory, lock.descriptor)

    def _create_parent(self) -> None:
        """:raises OSError: it is a link, or belongs to another user.
        :raises StoreError: another user could put another directory in its place.
        """
        descriptor = self._all.descriptor(create=True)
        base = self._base.descriptor()
        if descriptor is None or base is None:
            return
        if can_be_replaced_in(base):
            raise StoreError(
                f"Other users can write to {self._base.path}, so they could replace a directory in it.",
                f"Run `chmod go-w {self._base.path}`, or set AZURE_CONFIG_DIR to another directory; then run the "
                "command again.",
            )
        # In the directory of another user, the superuser gives new files to that one.
        if os.fstat(descriptor).st_uid not in (this_user(), os.fstat(base).st_uid):
            raise OSError(errno.EPERM, "It belongs to another user")
        change_mode(descriptor, PRIVATE_DIRECTORY)

    def remove_unused(self) -> None:
        """Remove the directories of runs of which no process is left. A failure is only a warning."""
        with ExitStack() as held:
            try:
                if not self._file.exists():
                    return
                with FileLock(self._lock):
                    unused = [name for name in self._names() if self._take(name, held)]
            except (OSError, StoreError) as error:
                logger.warning("Directories of earlier runs in %s were not removed: %s", self._all.path, error)
                return
            for name in unused:
                self._remove(name)

    def _names(self) -> list[str]:
        found = {name.removesuffix(_LOCK) for name in self._all.names()}
        return sorted(name for name in found if _NAME.fullmatch(name))

    def _take(self, name: str, held: ExitStack) -> bool:
        """Lock a directory until `held` is closed, and tell whether that was possible."""
        try:
            lock = held.enter_context(FileLock(self._all / f"{name}{_LOCK}", timeout=0))
        except (LockHeldError, StoreError) as error:
            logger.debug("%s is in use: %s", name, error)
            return False
        # Without locks, it cannot be known.
        return not lock.is_missing

    def _remove(self, name: str) -> None:
        """Remove a directory that is locked, and then the file of the lock, so that what is left is found again."""
        try:
            remove_tree(self._all / name)
            (self._all / f"{name}{_LOCK}").unlink()
        except OSError as error:
            logger.warning(
                "%s could not be removed completely: %s. It may have tokens in it. Remove it.",
                self._all.path / name,
                getattr(error, "strerror", None) or error,
            )
