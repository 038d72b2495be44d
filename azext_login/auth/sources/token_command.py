"""A command of the user's that prints a federated token, as `az login --federated-token-callback` of azure-cli#33989.

The command runs without a shell: it is one program with its arguments.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
import threading
from collections.abc import Mapping

from azext_login.auth.input_files import decode_text, refusal
from azext_login.auth.jwt import is_assertion
from azext_login.system.run_program import ProgramError, run_program
from azext_login.system.text import printable, shorten

_LONGEST_OUTPUT = 256 * 1024  # bytes; Entra accepts far less
_TIME_LIMIT = 30.0  # seconds
_SHOWN = 200  # characters

# In the environment of a command: which commands for federated tokens run, as digests with spaces between them.
_RUNNING = "AZURE_LOGIN_TOKEN_COMMANDS"

# The command is the user's, and may not expect to run twice at a time. azure-cli#33989 promises that it does not.
_turn = threading.Lock()


def fetch_from_command(command_line: str, *, environ: Mapping[str, str]) -> str:
    """Return the federated token that a command prints. A secret.

    :param command_line: see `split_command_line`.
    :raises SignInError: the command cannot run, has failed, or has printed something else.
    """
    shown = f"The command for federated tokens ({shorten(printable(command_line).strip(), _SHOWN)})"
    advice = "Run the command by itself. It has to print the token on standard output, and nothing else."
    try:
        words = split_command_line(command_line)
    except ValueError:
        raise refusal(f"{shown} has a quotation mark without a counterpart.", advice) from None
    if not words or not words[0]:
        raise refusal("The command for federated tokens is empty.", advice)
    running, digest = environ.get(_RUNNING, "").split(), hashlib.sha256(command_line.encode("utf-8", "replace"))
    if digest.hexdigest() in running:
        raise refusal(
            f"{shown} runs `az`, which needs a token of this command.",
            "Let the command run `az` with another config directory (AZURE_CONFIG_DIR), or without `az`.",
        )
    surroundings = {**environ, _RUNNING: " ".join([*running, digest.hexdigest()])}
    try:
        with _turn:
            output = run_program(words, seconds=_TIME_LIMIT, limit=_LONGEST_OUTPUT, environ=surroundings)
    except ProgramError as error:
        raise refusal(f"{shown} {error}", advice) from None
    assertion = decode_text(output).strip()
    if not assertion:
        raise refusal(f"{shown} printed nothing on standard output.", advice)
    if not is_assertion(assertion):
        raise refusal(f"{shown} printed something other than a federated token (a JSON Web Token).", advice)
    return assertion


def split_command_line(command_line: str, platform: str = sys.platform) -> list[str]:
    r"""Return the words of a command line, as azure-cli#33989 splits it. Quotation marks are removed.

    On Windows, a backslash is an ordinary character: C:\tools\get-token.exe.

    :raises ValueError: a quotation mark has no counterpart.
    """
    if platform != "win32":
        return shlex.split(command_line)
    return [_without_quotes(word) for word in shlex.split(command_line, posix=False)]


def _without_quotes(word: str) -> str:
    is_quoted = len(word) >= 2 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if is_quoted else word
