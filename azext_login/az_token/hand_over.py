"""Lets `az` answer in place of this program: the same words, environment and standard input, and its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

FORMAT_OPTIONS = ("--format", "-f")

JSON = "json"
"""The format that is no format of `az account export-token`: it is what `az account get-access-token` writes."""


class NotAnsweredError(Exception):
    """This program leaves the answer to `az`. The argument is the reason."""


class BlocksAzError(Exception):
    """A file would block `az` too. The argument is the message."""


def hand_over(words: Sequence[str]) -> NoReturn:
    """Run `az` with the words of this program. It takes the place of this process, except on Windows."""
    command = [sys.executable, *_safe_path(), "-m", "azure.cli", *az_words(words)]
    if sys.platform == "win32":
        # The shell would not wait for a program that took the place of this one.
        from azext_login.system.child_process import run_child

        sys.exit(run_child(command, os.environ))
    os.execv(command[0], command)


def az_words(words: Sequence[str]) -> list[str]:
    """Return the words of the `az` command that has the options of this program."""
    found = [index for index, word in enumerate(words) if word.partition("=")[0] in FORMAT_OPTIONS]
    if len(found) == 1:
        (at,) = found
        _, is_joined, value = words[at].partition("=")
        after = at + 1 if is_joined else at + 2
        if (value if is_joined else "".join(words[at + 1 : after])) == JSON:
            # An --output among the words takes precedence.
            return ["account", "get-access-token", "--output", "json", *words[:at], *words[after:]]
    return ["account", "export-token", *words]


def _safe_path() -> list[str]:
    """Return the option of Python that keeps the modules of the working directory out, where there is one."""
    return ["-P"] if sys.version_info >= (3, 11) else []
