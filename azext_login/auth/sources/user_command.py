"""Runs a command of the user's that prints a credential. It runs without a shell: one program with its arguments."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from azext_login.auth.input_files import refusal
from azext_login.auth.sources import nesting
from azext_login.system.directory import ANY_USER
from azext_login.system.posix import this_user
from azext_login.system.run_program import ProgramError, run_program
from azext_login.system.text import printable, shorten

_LONGEST_OUTPUT = 256 * 1024  # bytes; Entra accepts far less
_TIME_LIMIT = 30.0  # seconds
_SHOWN = 200  # characters

# The command is the user's, and may not expect to run twice at a time. azure-cli#33989 promises that it does not.
_turn = threading.Lock()


@dataclass(frozen=True)
class UserCommand:
    """A command line, and how errors name it."""

    command_line: str
    """See `split_command_line`."""
    label: str
    """What the command is, for the beginning of a sentence."""
    advice: str
    """What to do after an error."""
    owner: int | None = None
    """The ID of the user who could store the command line; only for this user does it run. None for any user."""

    @property
    def shown(self) -> str:
        """The command for the beginning of a sentence."""
        return f"{self.label} ({shorten(printable(self.command_line).strip(), _SHOWN)})"

    def run(self, environ: Mapping[str, str]) -> bytes:
        """Return what the command writes to standard output. It may be a secret.

        :param environ: its environment variables.
        :raises SignInError: the command cannot run, has failed, or has exceeded a limit.
        """
        self._refuse_unless_own()
        words = self._words()
        if nesting.is_asked(self.command_line, environ):
            raise refusal(
                f"{self.shown} runs `az`, which needs a token of this command.",
                "Let the command run `az` with another config directory (AZURE_CONFIG_DIR), or without `az`.",
            )
        surroundings = {**environ, nesting.VARIABLE: nesting.naming(self.command_line, environ)}
        try:
            with _turn:
                return run_program(words, seconds=_TIME_LIMIT, limit=_LONGEST_OUTPUT, environ=surroundings)
        except ProgramError as error:
            raise refusal(f"{self.shown} {error}", self.advice) from None

    def _refuse_unless_own(self) -> None:
        if is_own(self.owner):
            return
        what = f"the config directory with {self.label[:1].lower()}{self.label[1:]}, {printable(self.command_line)}"
        if self.owner == ANY_USER:
            raise refusal(
                f"Other users can write to {what}. The command did not run.",
                "Run `chmod go-w` with the config directory, `~/.azure` or the value of AZURE_CONFIG_DIR. Check the "
                "command; then run `az` again.",
            )
        raise refusal(
            f"Another user (ID {self.owner}) owns {what}. The command did not run.",
            "Run `az` as that user, or set AZURE_CONFIG_DIR to a directory of your own and sign in again.",
        )

    def _words(self) -> list[str]:
        try:
            words = split_command_line(self.command_line)
        except ValueError:
            raise refusal(f"{self.shown} has a quotation mark without a counterpart.", self.advice) from None
        if not words or not words[0]:
            raise refusal(f"{self.label} is empty.", self.advice)
        return words


def is_own(owner: int | None) -> bool:
    """Tell whether a stored command line is this user's.

    :param owner: the ID of the user who could store it; None for any user.
    """
    return sys.platform == "win32" or owner in (None, this_user())


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
