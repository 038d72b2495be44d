"""Which symbolic links are followed: only those that no other user can have made or can change.

The superuser may work in the directory of another user (`sudo az`), who may replace any name in it at any moment.
So each directory on a path is opened from the one before it, and every link on the way is checked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Collection
from pathlib import Path

from azext_login.system.entries import LINK_ERRORS, NOT_THROUGH_LINKS
from azext_login.system.posix import change_mode, this_user

HAS_DESCRIPTORS = sys.platform != "win32"
"""Whether names can be used relative to an open directory. Windows has no such calls."""

PRIVATE_DIRECTORY = 0o700

LINK_ADVICE = (
    "Remove the link, or make sure that it and its directory belong to you and that no other user can write to the "
    "directory (`chmod go-w`); then run the command again."
)

# As many as Linux follows.
_MOST_LINKS = 40

# O_PATH (Linux): passing through a directory needs no right to list it.
_DIRECTORY = NOT_THROUGH_LINKS | getattr(os, "O_DIRECTORY", 0)
_PASSING = _DIRECTORY | getattr(os, "O_PATH", os.O_RDONLY)

# Shown for the owner of files that belong to no user of a container, such as the superuser outside it.
_UNKNOWN_USER = 65534


class UntrustedLinkError(OSError):
    """A symbolic link that another user can change, or one where no link is allowed."""

    def __init__(self, path: Path):
        super().__init__(errno.ELOOP, f"{path} is a symbolic link that another user can change")


def open_directory(
    path: Path, *, start: int | None = None, create: bool = False, mode: int = PRIVATE_DIRECTORY, follow: bool = True
) -> int:
    """Return a descriptor of a directory.

    :param start: descriptor of the directory to which a relative path belongs; None for the current one.
    :param create: whether missing directories are created.
    :param mode: of the directories that are created.
    :param follow: whether links are followed at all.
    :raises UntrustedLinkError: a link on the path may not be followed.
    :raises OSError: there is no such directory, or it cannot be opened or created.
    """
    current = os.open(".", _PASSING, dir_fd=start)
    pending = list(reversed(path.parts))
    links = 0
    try:
        while pending:
            name = pending.pop()
            try:
                following = os.open(name, _PASSING, dir_fd=current)
            except FileNotFoundError:
                if not create:
                    raise
                following = _make(name, current, mode)
            except OSError as error:
                if error.errno not in (*LINK_ERRORS, errno.ENOTDIR):
                    raise
                target = _target_of_directory(name, current, path, error, follow)
                links += 1
                if links > _MOST_LINKS:
                    raise
                pending.extend(reversed(target.parts))
                continue
            os.close(current)
            current = following
        with contextlib.suppress(PermissionError):
            # To list it. Without that right, files in it can still be used.
            listable = os.open(".", _DIRECTORY | os.O_RDONLY, dir_fd=current)
            os.close(current)
            current = listable
    except BaseException:
        os.close(current)
        raise
    return current


def _target_of_directory(name: str, parent: int, path: Path, error: OSError, follow: bool) -> Path:
    """Return what a link on a path to a directory points to. If it is not a link, raise the error again."""
    if not stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        raise error
    if not follow:
        raise OSError(errno.ELOOP, f"{path} is a symbolic link")
    return read_trusted_link(name, parent, path)


def read_trusted_link(name: str, parent: int, path: Path) -> Path:
    """Return what a link points to, if no other user can change it.

    :param parent: descriptor of the directory that contains the link.
    :param path: the path to name in the error.
    :raises UntrustedLinkError: another user can change it.
    """
    link = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not (_is_trusted(link.st_uid) and _only_trusted_users_replace_names_in(parent)):
        raise UntrustedLinkError(path)
    return Path(os.readlink(name, dir_fd=parent))


def is_private(directory: int) -> bool:
    """Tell whether an open directory belongs to this user, and no other user can write to it."""
    status = os.fstat(directory)
    return status.st_uid == this_user() and not _is_writable_by_others(directory, status)


def can_be_replaced_in(directory: int) -> bool:
    """Tell whether users other than the owner of an open directory can put something else in the place of its names."""
    status = os.fstat(directory)
    return not status.st_mode & stat.S_ISVTX and _is_writable_by_others(directory, status)


def changeable_by_others(path: Path, trusted: Collection[int]) -> Path | None:
    """Return the first file, directory or link on an absolute path that other users can change or replace.

    The path is followed as it is named: through every link on it, and through the path that the link points to.

    :param trusted: IDs of the users who may change everything.
    :return: None if there is none.
    :raises OSError: the path leads to nothing, or cannot be examined.
    """
    current = Path(path.anchor)
    pending = list(reversed(path.parts[1:]))
    links = 0
    while True:
        status = os.lstat(current)
        if stat.S_ISLNK(status.st_mode):
            is_safe = status.st_uid in trusted
        else:
            is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
            is_safe = status.st_uid in trusted and (is_sticky or not _is_writable_by_others(current, status))
        if not is_safe:
            return current
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            target = current.parent / os.readlink(current)
            current = Path(target.anchor)
            pending.extend(reversed(target.parts[1:]))
        if not pending:
            return None
        name = pending.pop()
        current = current.parent if name == ".." else current / name


def _only_trusted_users_replace_names_in(directory: int) -> bool:
    status = os.fstat(directory)
    # In a directory like /tmp, only the owner of a name, or of the directory, can replace it.
    is_sticky = bool(status.st_mode & stat.S_ISVTX)
    return _is_trusted(status.st_uid) and (is_sticky or not _is_writable_by_others(directory, status))


def _is_trusted(user: int) -> bool:
    mine = this_user()
    return user in (mine, 0) or (mine != 0 and user == _UNKNOWN_USER)


def _is_writable_by_others(directory: int | Path, status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_group_of_one(directory, status)


def _is_group_of_one(directory: int | Path, status: os.stat_result) -> bool:
    """Tell whether the group of a directory has its owner alone, as on systems where each user has a group."""
    if sys.platform == "win32":
        return False
    import grp
    import pwd

    try:
        group = grp.getgrgid(status.st_gid)
        owner = pwd.getpwuid(status.st_uid)
    except (KeyError, OSError):
        return False
    has_more_rights = sys.platform == "linux" and "system.posix_acl_access" in _attributes_of(directory)
    alone = group.gr_name == owner.pw_name and group.gr_gid == owner.pw_gid and set(group.gr_mem) <= {owner.pw_name}
    return alone and not has_more_rights


def _attributes_of(directory: int | Path) -> list[str]:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return os.listxattr(directory)
    return []


def _make(name: str, parent: int, mode: int) -> int:
    """Create a directory, and return its descriptor. It belongs to the owner of the directory that contains it."""
    created = False
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, PRIVATE_DIRECTORY, dir_fd=parent)
        created = True
    descriptor = os.open(name, _DIRECTORY | os.O_RDONLY, dir_fd=parent)
    # Another user may have put another directory in its place. An empty one is as good as the new one.
    if created and not os.listdir(descriptor):
        if mode != PRIVATE_DIRECTORY:
            # Whatever the umask is.
            change_mode(descriptor, mode)
        give_to_owner(descriptor, os.fstat(parent))
    return descriptor


def give_to_owner(new: int, model: os.stat_result) -> None:
    """Change the owner of a file or directory that the superuser has just created, by its descriptor, to another one's.

    Otherwise the user could neither read nor write it after a `sudo az`. On Windows, new files inherit their access
    rights from the directory. A failure changes nothing else.
    """
    if sys.platform != "win32" and this_user() == 0:
        with contextlib.suppress(OSError):
            os.fchown(new, model.st_uid, model.st_gid)
