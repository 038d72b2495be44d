"""Messages to the user at the terminal, and the user's answers."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from knack.log import get_logger

if TYPE_CHECKING:
    from azext_login.system.terminal.paste_reader import PasteReader

logger = get_logger(__name__)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a standard stream is a terminal. For a stream that was closed (`<&-`), Python has None."""
    return stream is not None and stream.isatty()


class StandardTerminal:
    """The terminal on which the process was started. Messages never go to standard output, which is for results."""

    def __init__(self, output: TextIO | None = None) -> None:
        """:param output: standard error unless given."""
        self._given_output = output

    @property
    def _output(self) -> TextIO:
        return self._given_output or sys.stderr

    def show(self, text: str) -> None:
        """Show what the user needs in order to continue."""
        print(text, file=self._output, flush=True)

    def show_notice(self, text: str) -> None:
        """Show what is good to know; left out with --only-show-errors."""
        logger.warning("%s", text)

    def open_paste_reader(self) -> PasteReader | None:
        """Start to read pasted lines, or return None if there is no terminal to paste into."""
        if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
            return None
        from azext_login.system.terminal.paste_reader import PasteReader

        return PasteReader(sys.stdin, write=self._write)

    def ask(self, question: str) -> str:
        """Ask a question and return the answer without surrounding blanks.

        :raises EOFError: the input has ended.
        """
        print(question, end="", file=self._output, flush=True)
        return input().strip()

    def _write(self, text: str) -> None:
        print(text, end="", file=self._output, flush=True)


def can_choose() -> bool:
    """Tell whether a choice can be offered: as in the built-in, input and output must both be terminals."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


def screen() -> TextIO:
    """Return the stream for a choice, given that `can_choose`: standard error if it is a terminal as well.

    With `2>file` it is standard output. Otherwise the command would wait for the answer to an invisible question.
    """
    return sys.stderr if is_terminal(sys.stderr) else sys.stdout


def can_draw(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Tell whether the terminal can place text anywhere on the screen: TERM names its kind, except on Windows."""
    kind = environ.get("TERM", "").lower()
    return kind not in ("dumb", "unknown") and (bool(kind) or platform == "win32")
