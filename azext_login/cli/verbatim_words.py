"""The words after `--`: a command that we run, and that the Azure CLI must not interpret.

Before it loads this extension, the host reads files in place of words such as @FILE, and obeys --debug, --verbose and
--only-show-errors wherever they are. Afterwards, its parser would take the words for options.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azext_login.system.text import printable, shorten

RUN = "account context run"
SERVE = "account serve-tokens"

_COMMANDS = (RUN, SERVE)
"""The commands that take such words."""

MISSING_COMMAND = (
    "usage error: The command to run is missing. Write it after --, for example:\n"
    "az account context run --context dev -- terraform plan"
)

MISSING_SEPARATOR = (
    "usage error: A command has to be written after --, for example:\naz account serve-tokens -- python3 job.py"
)

_SEPARATOR = "--"
_KEY = "azext_login_verbatim"

_LONGEST_WORD = 100  # characters
_LEVELS = ("--debug", "--verbose", "--only-show-errors")


@dataclass(frozen=True)
class VerbatimCommand:
    """The command after the first `--`."""

    words: tuple[str, ...]
    read_word: str | None
    """A word for which the host has read standard input or a pipe, so that the command could not read it; or None."""
    is_of_process: bool
    """Whether these are words of this process, and not of a caller that invokes the Azure CLI as a library."""


def take_verbatim_command(cli_ctx: Any, args: list[str], argv: Sequence[str]) -> None:
    """Remove `--` and the words after it from the words of a command that takes them, and keep them.

    :param args: the words of the command as the host has read them. Changed in place: the host parses what is left.
    :param argv: the words as the process was given them.
    """
    if not _takes_words(args):
        return
    is_of_process = _are_read_from(args, argv)
    given = argv if is_of_process else args
    if _SEPARATOR not in given:
        return
    position = given.index(_SEPARATOR)
    words = tuple(given[position + 1 :])
    read = [word for word, found in zip(words, args[position + 1 :], strict=True) if word != found or "@-" in word]
    cli_ctx.invocation.data[_KEY] = VerbatimCommand(words, next(filter(_is_read_once, read), None), is_of_process)
    del args[position:]
    if any(word in _LEVELS for word in words):
        _set_log_level(cli_ctx, args)


def verbatim_command(cli_ctx: Any) -> VerbatimCommand | None:
    """Return the command that the running command was given after `--`; None without `--`."""
    found: VerbatimCommand | None = cli_ctx.invocation.data.get(_KEY)
    return found


def check_not_read(command: VerbatimCommand, example: str) -> None:
    """Refuse a command of which the host has read a word.

    :param example: the words before `--` in the advice.
    :raises ValueError: the host has read it.
    """
    if command.read_word is None:
        return
    word = shorten(printable(command.read_word), _LONGEST_WORD)
    raise ValueError(
        f"usage error: Before the command could run, the Azure CLI has read what {word} stands for, so the command "
        "could not read it again. Give the whole command to a shell as one word, for example:\n"
        f"{example} -- sh -c 'curl --data @- https://contoso.com'"
    )


def _takes_words(args: Sequence[str]) -> bool:
    given = [word.lower() for word in args]
    return any(given[: len(words)] == words for words in map(str.split, _COMMANDS))


def _are_read_from(args: Sequence[str], argv: Sequence[str]) -> bool:
    """Tell whether the host has made `args` from `argv`: it changes no word without an @."""
    return len(args) == len(argv) and all(word == given or "@" in given for word, given in zip(args, argv, strict=True))


def _is_read_once(word: str) -> bool:
    """Tell whether a word names standard input or a pipe, as the host understands it (`_expand_file_prefixed_files`).

    What was read from it is lost to the command. A file can be read again.
    """
    path = word.partition("=")[2] if "=" in word else word
    if not path.startswith("@"):
        return False
    path = os.path.expanduser(path[1:])
    if path == "-" or path.startswith(("/dev/stdin", "/dev/fd/", "/proc/self/fd/")):
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and path != os.devnull)


def _set_log_level(cli_ctx: Any, args: Sequence[str]) -> None:
    """Log as the words before `--` demand. The host has found the same options after it (knack.log, `configure`)."""
    from knack.log import CLILogging, cli_logger_names

    logs = cli_ctx.logging
    if logs.log_level is None or not isinstance(logs, CLILogging):
        return
    cli_ctx.only_show_errors = cli_ctx.config.getboolean("core", "only_show_errors", fallback=False)
    logs.log_level = logs._determine_log_level(args)
    levels, formats = logs._get_console_log_levels(), logs._get_console_log_formats()
    for kind, name in (("root", None), *(("cli", name) for name in cli_logger_names)):
        for handler in logging.getLogger(name).handlers:
            # The file of the log has every message.
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(levels[kind])
                handler.setFormatter(logging.Formatter(formats[kind]))
