"""Secrets among the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence

from azext_login.system.log import get_logger

logger = get_logger(__name__)

_LINE_END = "\r\n"

# PowerShell writes it before text that it pipes to a program. The host removes it from text that it reads from a file.
_BYTE_ORDER_MARK = "\ufeff"


def prepare_secrets(args: list[str], argv: Sequence[str]) -> None:
    """Join a secret's option and the secret into one word, where the secret came from a file or standard input.

    The host reads `@-` and `@FILE` before anything parses the words. `az login --password @-` becomes two words, and
    if the secret starts with a dash, the parser takes it for an option, and so do the host's command log and
    telemetry, which record its name. If it starts with an @, it would be read from a file once more.
    `--password=SECRET` has none of these problems. From a line of standard input in Windows' format, the host leaves
    the carriage return and the byte order mark in the secret; both are removed.

    :param args: the words of the command as the host has read them. Changed in place.
    :param argv: the words as the process was given them. They tell which ones were read, so nothing is done for a
        caller that invokes the command in a process with another command line.
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
    """Return the option of `az login` that a word is, or abbreviates, if its value is a secret."""
    from azext_login.cli.login_options import LoginOptions
    from azext_login.cli.options import secret_options

    if word == "-p":
        return "--password"
    if len(word) < len("--p"):
        return None
    return next((option for option in secret_options(LoginOptions) if option.startswith(word)), None)


def warn_of_token_on_command_line(token: str | None, argv: Sequence[str]) -> None:
    """Explain how to avoid it, if the process list and the shell's history show the --access-token."""
    if token and _is_on_command_line(token, argv, "--access-token"):
        logger.warning(
            "The access token is on the command line, where other programs and the shell's history can see it. Give it "
            "on standard input with --access-token=@-, or in a file with --access-token=@FILE."
        )


def warn_of_secret_on_command_line(secret: str | None, argv: Sequence[str]) -> None:
    """Explain how to avoid it, if the process list and the shell's history show the --password."""
    if not secret or not _is_on_command_line(secret, argv, "--password"):
        return
    if secret.startswith("@"):
        logger.warning(
            "The value of --password begins with @, but there is no such file that can be read. All of it, with the "
            "@, is used as the password itself. To read the password from a file, check the path."
        )
    else:
        logger.warning(
            "The password is on the command line, where other programs and the shell's history can see it. Give it "
            "on standard input with --password=@-, in a file with --password=@FILE, or with --from-env."
        )


def _is_on_command_line(secret: str, argv: Sequence[str], option: str) -> bool:
    """Tell whether the option's value is the secret itself, and not the place to read it from."""
    for index, word in enumerate(argv):
        name, separator, value = word.partition("=")
        if secret_option(name) == option:
            given = value if separator else next(iter(argv[index + 1 :]), None)
            # Standard input can be read, whatever it holds.
            if given == secret and given != "@-":
                return True
        elif option == "--password" and word == f"-p{secret}":
            return True
    return False
