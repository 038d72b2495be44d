"""Secrets among the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence

from azext_login.cli.login_options import LoginOptions
from azext_login.cli.login_workload import logger

# The options of `az login` whose values are secrets.
_SECRET_OPTIONS = ("--password", "--federated-token")

_LINE_END = "\r\n"

# PowerShell puts it in front of what it pipes to a program. From a file, the host takes it away.
_BYTE_ORDER_MARK = "\ufeff"


def prepare_secrets(args: list[str], argv: Sequence[str]) -> None:
    """Make one word of a secret's option and of the secret, where that came from a file or standard input.

    The host reads `@-` and `@FILE` before anything parses the words. Of `az login --password @-`, it is left with two
    words, and with a secret that starts with a dash, the parser takes the second one for an option, and so do the
    host's command log and telemetry, which keep its name. One that starts with an @ would be read from a file once
    more. `--password=SECRET` is free of all that. Of a line of standard input that comes as on Windows, the host leaves
    the carriage return in the secret, and the byte order mark in front of it; they go.

    :param args: the words of the command as the host has read them. Changed in place.
    :param argv: the words as the process was given them. They tell which ones were read, so nothing is done for
        somebody who invokes the command in a process of another command line.
    """
    if len(args) != len(argv) or not args or args[0].lower() != "login":
        return
    if any(word != given and "@" not in given for word, given in zip(args, argv, strict=True)):
        return
    for index in reversed(range(1, len(args))):
        name, separator, source = argv[index].partition("=")
        option = secret_option(name)
        if option is None:
            continue
        if separator and source.startswith("@"):
            args[index] = f"{option}={_without_marks(args[index].partition('=')[2])}"
        elif not separator and index + 1 < len(argv) and argv[index + 1].startswith("@"):
            args[index : index + 2] = [f"{option}={_without_marks(args[index + 1])}"]


def _without_marks(secret: str) -> str:
    return secret.removeprefix(_BYTE_ORDER_MARK).rstrip(_LINE_END)


def secret_option(word: str) -> str | None:
    """Return the option that a word is, or abbreviates."""
    if word == "-p":
        return "--password"
    if len(word) < len("--p"):
        return None
    return next((option for option in _SECRET_OPTIONS if option.startswith(word)), None)


def warn_of_secret_on_command_line(options: LoginOptions, argv: Sequence[str]) -> None:
    """Say how to avoid it when a password can be read in the process list and the shell's history."""
    secret = options.password
    if not secret or not _is_on_command_line(secret, argv):
        return
    if secret.startswith("@"):
        logger.warning(
            "What is given as the password begins with @, but names no file that can be read. All of it, with the @, "
            "was taken for the password itself. If it was to be read from a file, check the path."
        )
    else:
        logger.warning(
            "The password is on the command line, where other programs and the shell's history can see it. Give it "
            "on standard input with --password=@-, in a file with --password=@FILE, or with --from-env."
        )


def _is_on_command_line(secret: str, argv: Sequence[str]) -> bool:
    """Tell whether the option has the secret itself for a value, and not where to read it."""
    for index, word in enumerate(argv):
        name, separator, value = word.partition("=")
        if secret_option(name) == "--password":
            given = value if separator else next(iter(argv[index + 1 :]), None)
            # Standard input can be read whatever it holds.
            if given == secret and given != "@-":
                return True
        elif word == f"-p{secret}":
            return True
    return False
