"""What only POSIX systems have. The callers work on descriptors of directories and on owners, which Windows has not."""

from __future__ import annotations

import os
import sys


def this_user() -> int:
    """Return the ID of the user with whose rights this process runs.

    :raises NotImplementedError: on Windows, whose users have no such ID.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    return os.geteuid()


def change_mode(descriptor: int, mode: int) -> None:
    """Set the mode of an open file or directory.

    :raises OSError: it belongs to another user, or the file system has no modes.
    :raises NotImplementedError: on Windows, which has access lists.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    os.fchmod(descriptor, mode)
