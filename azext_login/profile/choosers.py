"""Whether anything chooses for a process. Every `az` command asks that, so this loads nothing, and reads no file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

ACCOUNT_VARIABLE = "AZURE_LOGIN_ACCOUNT"
SUBSCRIPTION_VARIABLE = "AZURE_LOGIN_SUBSCRIPTION"
CONTEXT_VARIABLE = "AZURE_LOGIN_CONTEXT"

FILE_NAME = ".azure-context"


def value_of(environ: Mapping[str, str], name: str) -> str | None:
    """Return the value of a variable. A blank one counts as not set."""
    return environ.get(name, "").strip() or None


def has_variable(environ: Mapping[str, str]) -> bool:
    """Tell whether a variable chooses an account, a subscription or a context."""
    return any(value_of(environ, name) for name in (ACCOUNT_VARIABLE, SUBSCRIPTION_VARIABLE, CONTEXT_VARIABLE))


def directories_with_file(start: str | None = None, home: str | None = None) -> Iterator[str]:
    """Yield the directories with an entry `.azure-context`, whatever it is, from the nearest one on.

    :param start: the directory to begin with; None for the working directory.
    :param home: the directory to end with; None for that of the user.
    """
    try:
        directory = os.getcwd() if start is None else os.path.realpath(start)
    except OSError:
        # It was removed.
        return
    last = os.path.realpath(os.path.expanduser("~") if home is None else home)
    while True:
        try:
            os.lstat(os.path.join(directory, FILE_NAME))
        except OSError:
            # There is none, or the directory may not be searched, or its path is too long for the system.
            pass
        else:
            yield directory
        parent = os.path.dirname(directory)
        if parent == directory or directory == last:
            return
        directory = parent
