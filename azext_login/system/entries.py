"""What a name in a directory stands for, and opening it only if it is a regular file."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")

# A pipe does not block then, a link is not followed, and Windows does not change line ends.
SAFELY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
NOT_THROUGH_LINKS = SAFELY | getattr(os, "O_NOFOLLOW", 0)

# What the systems report for a link that may not be followed: Linux and macOS, FreeBSD, NetBSD.
LINK_ERRORS = (errno.ELOOP, errno.EMLINK, getattr(errno, "EFTYPE", errno.ELOOP))

POLL_INTERVAL = 0.02
"""Seconds between two attempts to get what another process holds: a lock, or on Windows an open file."""

# Windows neither replaces nor deletes a file that another process has open without FILE_SHARE_DELETE, which is how
# Python's open() opens it, and does not open one that is being replaced. Both last for milliseconds.
_ATTEMPTS = 50

refuses_open_files = sys.platform == "win32"
"""Whether the system refuses to replace and to delete a file that a process has open. Tests set it."""

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISLNK, "It is a symbolic link"),
    (stat.S_ISFIFO, "It is a named pipe"),
    (stat.S_ISSOCK, "It is a socket"),
    (stat.S_ISCHR, "It is a device"),
    (stat.S_ISBLK, "It is a device"),
)
_NUMBERS = {
    "It is a symbolic link": errno.ELOOP,
    "It is a device": errno.ENODEV,
}


class NotRegularError(OSError):
    """What should be a file is something else, but not a directory."""


def not_regular(mode: int) -> OSError | None:
    """Return the error for an entry that is not a regular file, and None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, "It is a directory")
    kind = next((words for is_kind, words in _KINDS if is_kind(mode)), "It is not a regular file")
    return NotRegularError(_NUMBERS.get(kind, errno.EINVAL), kind)


def open_regular(path: str | os.PathLike[str], flags: int, *, dir_fd: int | None = None, limit: int = 0) -> int:
    """Open a regular file; an opener for `open(opener=...)`. A pipe could block for ever, a device never ends.

    :param limit: the largest allowed size, in bytes; 0 for none.
    :raises OSError: it is not a regular file, is too large, or cannot be opened.
    """
    descriptor = os.open(path, flags | SAFELY, 0o600, dir_fd=dir_fd)
    try:
        status = os.fstat(descriptor)
        problem = not_regular(status.st_mode)
        if problem is None and limit and status.st_size > limit:
            problem = OSError(errno.EFBIG, f"It is larger than {limit // 1_000_000} MB")
        if problem is not None:
            raise problem
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def when_closed(action: Callable[[], _Result]) -> _Result:
    """Do something with a file. On Windows, wait up to a second for processes that have the file open.

    :raises OSError: it is not possible.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return action()
        except PermissionError:
            if not refuses_open_files:
                raise
            time.sleep(POLL_INTERVAL)
    return action()
