"""What is in place of a file and cannot be used: the command that moves it away."""

from __future__ import annotations

import errno
from itertools import count

from azext_login.system.command_line import quote_command
from azext_login.system.directory import Entry
from azext_login.system.entries import NotRegularError

# ENXIO: Linux refuses to open a socket.
_NO_FILE = (errno.EISDIR, errno.ELOOP, errno.ENXIO)


def is_no_file(error: OSError) -> bool:
    """Tell whether the error of opening an entry says that it is not a regular file, and so was not made by az."""
    return isinstance(error, NotRegularError) or error.errno in _NO_FILE


def move_away(entry: Entry) -> str:
    """Return the command that renames an entry to a name that is free."""
    names = (f"{entry.name}.unusable{f'-{number}' if number else ''}" for number in count())
    free = next(each for each in map(entry.with_name, names) if not each.exists())
    return quote_command("mv", str(entry.path), str(free.path))
