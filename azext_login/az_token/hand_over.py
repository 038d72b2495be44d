"""Lets `az` answer in place of this program: the same words, environment and standard input, and its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

JSON = "json"
"""The format that is no format of `az account export-token`: it is what `az account get-access-token` writes."""


# AZ_INSTALLER -> how that package of the Azure CLI starts Python: without the variables PYTHON... and the packages of
# the user (-I), or without the latter alone (-s). Their scripts, such as debian/prepare.sh, are in
# https://github.com/Azure/azure-cli/tree/azure-cli-2.90.0/scripts/release
_OPTIONS_OF_PACKAGE = {
    **dict.fromkeys(("DEB", "HOMEBREW", "MSI"), "-I"),
    **dict.fromkeys(("RPM", "HOMEBREW_CASK", "TARBALL"), "-s"),
}

# Python up to 3.10 has no option that keeps the modules of the working directory out. With -c, Python adds that
# directory when its own modules are loaded, and the program can remove it again.
_RUN_MODULE = (
    "import sys; del sys.path[0]; import runpy; runpy.run_module('azure.cli', run_name='__main__', alter_sys=True)"
)


class NotAnsweredError(Exception):
    """This program leaves the answer to `az`. The argument is the reason."""


class FinalError(Exception):
    """`az` could not answer either: a file would block it, or standard output cannot be written to.

    The argument is the message.
    """


def hand_over(words: Sequence[str]) -> NoReturn:
    """Run `az` with the words of this program. It takes the place of this process, except on Windows."""
    command = [sys.executable, *python_options(os.environ), *az_words(words)]
    if sys.platform == "win32":
        # The shell would not wait for a program that took the place of this one.
        from azext_login.system.child_process import run_child

        sys.exit(run_child(command, os.environ))
    os.execv(command[0], command)


def az_words(words: Sequence[str]) -> list[str]:
    """Return the words of the `az` command that has the options of this program."""
    found = [(at, *given) for at in range(len(words)) if (given := _format_at(words, at)) is not None]
    if len(found) == 1:
        ((at, value, after),) = found
        if value == JSON:
            # An --output among the words takes precedence.
            return ["account", "get-access-token", "--output", "json", *words[:at], *words[after:]]
    return ["account", "export-token", *words]


def _format_at(words: Sequence[str], at: int) -> tuple[str, int] | None:
    """Return the value of the option --format that a word is, and the index after it; None for every other word.

    As argparse reads it: `--format json`, `--form=json`, `-f=json` and `-fjson`
    (https://docs.python.org/3/library/argparse.html#option-value-syntax).
    """
    from azext_login.cli.options import options_of
    from azext_login.cli.token_options import ExportOptions

    options = options_of(ExportOptions)
    spellings = options["token_format"].strings
    word = words[at]
    joined = None
    if word.startswith("--"):
        name, is_joined, value = word.partition("=")
        meant = {text for option in options.values() for text in option.strings if text.startswith(name)}
        if not meant or not meant <= set(spellings):
            return None
        joined = value if is_joined else None
    elif word[:2] not in spellings:
        return None
    elif len(word) > 2:
        joined = word[2:].removeprefix("=")
    return (joined, at + 1) if joined is not None else ("".join(words[at + 1 : at + 2]), at + 2)


def python_options(environ: Mapping[str, str], version: tuple[int, ...] = sys.version_info[:2]) -> list[str]:
    """Return what lets Python run the Azure CLI, as its package does, but never with modules of the working directory.

    :param version: of Python.
    """
    option = _OPTIONS_OF_PACKAGE.get(environ.get("AZ_INSTALLER", ""))
    if option == "-I":
        return [option, "-m", "azure.cli"]
    options = [option] if option else []
    return [*options, "-P", "-m", "azure.cli"] if version >= (3, 11) else [*options, "-c", _RUN_MODULE]
