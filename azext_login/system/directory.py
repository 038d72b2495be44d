"""The config directory: opened once, so that no other user can replace what our file names stand for."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from azext_login.system.entries import LINK_ERRORS, NOT_THROUGH_LINKS, not_regular, open_regular, when_closed
from azext_login.system.links import (
    HAS_DESCRIPTORS,
    PRIVATE_DIRECTORY,
    UntrustedLinkError,
    give_to_owner,
    is_private,
    open_directory,
    read_trusted_link,
)
from azext_login.system.posix import change_mode, this_user

PRIVATE_FILE = 0o600

LARGEST_FILE = 64_000_000
"""Bytes. No file of ours is as large, except the list of subscriptions."""

_MOST_LINKS = 40

has_access_lists = sys.platform == "win32"
"""Whether access lists take the place of modes. Tests set it."""


class NotWritableError(Exception):
    """A file in a directory that may only be read would be changed. Callers do not go on, as after an OSError."""


class PrivateDirectory:
    """A directory with files of ours. It is opened at the first use, and stays the same directory from then on.

    All its files are used relative to its descriptor, and never by their path. Windows has no such calls: there, the
    path is used.
    """

    def __init__(
        self,
        path: Path,
        *,
        base: PrivateDirectory | None = None,
        follow: bool = True,
        is_writable: bool = True,
        mode: int = PRIVATE_DIRECTORY,
    ):
        """:param base: the directory that contains this one, if `path` begins with it.
        :param follow: whether this directory may be a link.
        :param is_writable: whether anything in it may be changed. Otherwise, that is a NotWritableError.
        :param mode: of the directory and those above it, if they are created. Windows has no such modes.
        """
        self.path = path
        self.is_writable = is_writable
        self._base = base
        self._follow = follow
        self._mode = mode
        self._descriptor: int | None = None

    def __truediv__(self, name: str) -> Entry:
        """Return the entry with a name, which need not exist."""
        return Entry(self, name)

    def subdirectory(self, name: str) -> PrivateDirectory:
        """Return a directory in this one. It may not be a link."""
        return PrivateDirectory(self.path / name, base=self, follow=False, is_writable=self.is_writable)

    def check_writable(self) -> None:
        """:raises NotWritableError: nothing in it may be changed."""
        if not self.is_writable:
            raise NotWritableError(self.path)

    def descriptor(self, *, create: bool = False) -> int | None:
        """Return its descriptor; None on Windows.

        :param create: whether the directory is created if it does not exist, by default for its owner alone.
        :raises OSError: there is no such directory, or it cannot be used.
        """
        if create:
            self.check_writable()
        if not HAS_DESCRIPTORS:
            if create:
                _make_by_path(self.path)
            return None
        if self._descriptor is None:
            start, path = None, self.path
            if self._base is not None:
                start, path = self._base.descriptor(create=create), _below(self.path, self._base.path)
            self._descriptor = open_directory(path, start=start, create=create, mode=self._mode, follow=self._follow)
        return self._descriptor

    def __del__(self) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)

    def owner(self) -> os.stat_result | None:
        """Return the status of the directory, to give new files to its owner; None on Windows."""
        descriptor = self.descriptor()
        return None if descriptor is None else os.fstat(descriptor)

    def is_private(self) -> bool:
        """Tell whether the directory belongs to this user, and no other user can write to it."""
        descriptor = self.descriptor()
        return descriptor is None or is_private(descriptor)

    def names(self) -> list[str]:
        """Return the names in the directory; none if it does not exist.

        :raises OSError: it cannot be read.
        """
        try:
            descriptor = self.descriptor()
            return os.listdir(self.path if descriptor is None else descriptor)
        except FileNotFoundError:
            return []


ANY_USER = -1
"""In place of the ID of a user: any user of the computer."""


def writer_in(directory: PrivateDirectory) -> int | None:
    """Return the ID of the user who can put files in a directory; None on Windows.

    Its owner, who may be another user; ANY_USER if this user owns it and others can write to it.
    """
    status = directory.owner()
    if status is None or status.st_uid != this_user() or directory.is_private():
        return None if status is None else status.st_uid
    return ANY_USER


def _make_by_path(path: Path) -> None:
    if path.is_dir():
        return
    _make_by_path(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        _restrict_access(path)


def _restrict_access(new: Path) -> None:
    """Restrict a new file or directory on Windows to this user, where the directory that it is in admits others."""
    if has_access_lists:
        from azext_login.system.windows_access import is_in_profile, restrict_to_owner

        if not is_in_profile(new):
            restrict_to_owner(new)


def _below(path: Path, base: Path) -> Path:
    return path.relative_to(base) if path.is_relative_to(base) else path


@dataclass(frozen=True)
class Entry:
    """A name in a directory. Nothing here follows a link, unless it says so."""

    directory: PrivateDirectory
    name: str

    @property
    def path(self) -> Path:
        """Its path, for messages and for files that record it."""
        return self.directory.path / self.name

    def __str__(self) -> str:
        return str(self.path)

    def with_name(self, name: str) -> Entry:
        """Return another entry of the same directory."""
        return Entry(self.directory, name)

    def _at(self, *, create: bool = False) -> tuple[str, int | None]:
        """Return the arguments that name this entry in a call of the operating system."""
        descriptor = self.directory.descriptor(create=create)
        return (str(self.path) if descriptor is None else self.name), descriptor

    def status(self) -> os.stat_result:
        """:raises OSError: it does not exist, or cannot be examined."""
        name, directory = self._at()
        return os.stat(name, dir_fd=directory, follow_symlinks=False)

    def exists(self) -> bool:
        """Tell whether there is something of this name, a link included."""
        try:
            self.status()
        except OSError:
            return False
        return True

    def resolved(self) -> Entry:
        """Return what is replaced when this entry is written: behind a trusted link, its target.

        :raises UntrustedLinkError: another user can change the link.
        :raises OSError: the entry cannot be examined.
        """
        entry = self
        for _ in range(_MOST_LINKS):
            try:
                if not stat.S_ISLNK(entry.status().st_mode):
                    return entry
            except FileNotFoundError:
                return entry
            entry = entry._target()
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    def _target(self) -> Entry:
        directory = self.directory.descriptor()
        if directory is None:
            target = Path(os.path.realpath(self.path))
            return PrivateDirectory(target.parent, is_writable=self.directory.is_writable) / target.name
        target = read_trusted_link(self.name, directory, self.path)
        base = None if target.is_absolute() else self.directory
        path, is_writable = self.directory.path / target.parent, self.directory.is_writable
        return PrivateDirectory(path, base=base, is_writable=is_writable) / target.name

    def open_to_read(self, *, limit: int = LARGEST_FILE) -> int:
        """Return a descriptor of a regular file, also behind a trusted link.

        :param limit: the largest allowed size, in bytes.
        :raises UntrustedLinkError: it is a link that another user can change.
        :raises OSError: it does not exist, is not a regular file, is too large, or cannot be opened.
        """
        try:
            return self._open_to_read(limit)
        except UntrustedLinkError:
            raise
        except OSError as error:
            if error.errno not in LINK_ERRORS:
                raise
        return self.resolved()._open_to_read(limit)

    def _open_to_read(self, limit: int) -> int:
        name, directory = self._at()
        flags = os.O_RDONLY | (NOT_THROUGH_LINKS if directory is not None else 0)
        descriptor = when_closed(lambda: open_regular(name, flags, dir_fd=directory, limit=limit))
        status, owner = os.fstat(descriptor), self.directory.owner()
        if status.st_nlink > 1 and owner is not None and owner.st_uid not in (status.st_uid, this_user()):
            # In the directory of another user, it may be the name of a file that this user cannot read.
            os.close(descriptor)
            raise OSError(errno.EMLINK, "It is a hard link to a file of another user")
        return descriptor

    def create(self) -> int:
        """Create the file, for its owner alone, and return its descriptor. It belongs to the owner of the directory.

        :raises FileExistsError: something of this name exists.
        :raises OSError: it cannot be created.
        """
        name, directory = self._at(create=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NOT_THROUGH_LINKS
        descriptor = os.open(name, flags, PRIVATE_FILE, dir_fd=directory)
        _restrict_access(self.path)
        owner = self.directory.owner()
        if owner is not None:
            give_to_owner(descriptor, owner)
        return descriptor

    def open_to_lock(self, *, create: bool = True) -> int:
        """Return a descriptor of a lock file. It is never a link.

        :param create: whether it is created if it does not exist.
        :raises OSError: it is not a regular file, is the name of another file too, or cannot be opened.
        """
        if create:
            with contextlib.suppress(FileExistsError):
                return self.create()
        self.directory.check_writable()
        name, directory = self._at()
        flags = os.O_RDWR | NOT_THROUGH_LINKS | (os.O_CREAT if create else 0)
        try:
            descriptor = open_regular(name, flags, dir_fd=directory)
        except OSError as error:
            if error.errno in LINK_ERRORS:
                raise OSError(errno.ELOOP, "It is a symbolic link") from error
            raise
        if os.fstat(descriptor).st_nlink > 1 and not self.directory.is_private():
            os.close(descriptor)
            raise OSError(errno.EMLINK, "It is a hard link to another file")
        return descriptor

    def restrict(self) -> None:
        """Restrict a regular file or a directory to its owner. What has another name elsewhere stays as it is.

        :raises OSError: it cannot be examined or changed.
        """
        name, directory = self._at()
        if directory is None or not _is_open_to_others(self.status()):
            return
        self.directory.check_writable()
        descriptor = os.open(name, os.O_RDONLY | NOT_THROUGH_LINKS, dir_fd=directory)
        try:
            status = os.fstat(descriptor)
            if _is_open_to_others(status):
                change_mode(descriptor, 0o700 if stat.S_ISDIR(status.st_mode) else PRIVATE_FILE)
        finally:
            os.close(descriptor)

    def refuse_unless_file(self) -> None:
        """:raises OSError: it is a directory or a device, which cannot be replaced by a file."""
        with contextlib.suppress(FileNotFoundError):
            problem = not_regular(self.status().st_mode)
            if problem is not None and problem.errno in (errno.EISDIR, errno.ENODEV):
                raise problem

    def rename(self, new: Entry) -> None:
        """Give it another name, in place of what had that name. A link is renamed itself.

        :raises OSError: that is not possible.
        """
        self.directory.check_writable()
        name, directory = self._at()
        new_name, new_directory = new._at()
        when_closed(lambda: os.replace(name, new_name, src_dir_fd=directory, dst_dir_fd=new_directory))

    def unlink(self) -> None:
        """Remove it. Of a link, the target stays.

        :raises OSError: it does not exist, or cannot be removed.
        """
        self.directory.check_writable()
        name, directory = self._at()
        when_closed(lambda: os.unlink(name, dir_fd=directory))

    def rmdir(self) -> None:
        """Remove an empty directory.

        :raises OSError: it is not one.
        """
        self.directory.check_writable()
        name, directory = self._at()
        os.rmdir(name, dir_fd=directory)


def _is_open_to_others(status: os.stat_result) -> bool:
    """Tell whether users other than the owner have rights to a directory, or to a file that has no other name."""
    is_ours = stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
    return is_ours and bool(status.st_mode & 0o077)
