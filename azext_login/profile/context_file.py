"""The file `.azure-context`, which names the context of a directory and of the directories in it.

The file is data from outside: a repository that somebody cloned contains one. It counts if `az account context allow`
was run for that directory and that content, as in direnv (https://direnv.net/man/direnv.1.html).
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azext_login.profile.choosers import FILE_NAME, directories_with_file
from azext_login.profile.contexts import is_name
from azext_login.system.entries import LINK_ERRORS, NOT_THROUGH_LINKS, not_regular
from azext_login.system.posix import this_user

# Bytes: a name, and a line feed or what else an editor adds.
_LARGEST = 80

_NO_FILE = (errno.ENOENT, errno.ENOTDIR)


@dataclass(frozen=True)
class ContextFile:
    """What was found in a directory."""

    directory: str
    """Absolute path, without links."""
    name: str | None
    """The name in the file; None if the file cannot count."""
    problem: str = ""
    """Why it cannot count."""

    @property
    def path(self) -> str:
        """Path of the file."""
        return os.path.join(self.directory, FILE_NAME)

    @property
    def key(self) -> str:
        """The key of the directory in `ProfileState.allowed`."""
        return directory_key(self.directory)

    def is_allowed(self, allowed: Mapping[str, Any]) -> bool:
        """Tell whether it counts.

        :param allowed: `ProfileState.allowed`.
        """
        return self.name is not None and allowed.get(self.key) == self.name


def directory_key(directory: str) -> str:
    """Return the key of a directory in `ProfileState.allowed`.

    :param directory: absolute path, without links.
    """
    try:
        directory.encode()
    except UnicodeEncodeError:
        from urllib.parse import quote

        # azureProfile.json holds text only. No absolute path begins like this.
        return "bytes:" + quote(os.fsencode(directory))
    return os.path.normcase(directory)


def find_context_file(start: str | None = None, home: str | None = None) -> ContextFile | None:
    """Return the nearest file: of the working directory or its parents, up to the home directory or the root.

    :param start: the directory to begin with; None for the working directory.
    :param home: the directory to end with; None for that of the user.
    """
    for directory in directories_with_file(start, home):
        found = read_context_file(directory)
        if found is not None:
            return found
    return None


def read_context_file(directory: str) -> ContextFile | None:
    """Return the file of one directory; None without one.

    :param directory: absolute path, without links.
    """
    try:
        descriptor = _open(os.path.join(directory, FILE_NAME))
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        if error.errno in LINK_ERRORS:
            return ContextFile(directory, None, "it is a symbolic link")
        if isinstance(error, PermissionError) and not os.access(directory, os.X_OK):
            return None
        return ContextFile(directory, None, f"it cannot be read ({error.strerror or error})")
    try:
        return _read(directory, descriptor)
    except OSError as error:
        return ContextFile(directory, None, f"it cannot be read ({error.strerror or error})")
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    if not hasattr(os, "O_NOFOLLOW") and os.path.islink(path):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return os.open(path, os.O_RDONLY | NOT_THROUGH_LINKS)


def _read(directory: str, descriptor: int) -> ContextFile:
    status = os.fstat(descriptor)
    if not_regular(status.st_mode) is not None:
        return ContextFile(directory, None, "it is not a regular file")
    if sys.platform != "win32" and status.st_uid != this_user():
        return ContextFile(directory, None, "it belongs to another user")
    content = os.read(descriptor, _LARGEST + 1)
    name = content.decode("utf-8-sig", errors="replace").strip()
    if len(content) > _LARGEST or not is_name(name):
        return ContextFile(directory, None, "it does not consist of the name of a context")
    return ContextFile(directory, name)
