"""The person at the terminal: what is said to them on standard error, and what they type."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from knack.log import get_logger

if TYPE_CHECKING:
    from azext_login.system.terminal.paste_reader import PasteReader

logger = get_logger(__name__)


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether a standard stream is a terminal. Python has None for one that was closed (`<&-`)."""
    return stream is not None and stream.isatty()


class StandardTerminal:
    """The terminal that the process was started on. Nothing of it goes to standard output, which is for results."""

    def __init__(self, output: TextIO | None = None) -> None:
        """:param output: standard error unless given."""
        self._given_output = output

    @property
    def _output(self) -> TextIO:
        return self._given_output or sys.stderr

    def say(self, text: str) -> None:
        """Show what the person needs in order to go on."""
        print(text, file=self._output, flush=True)

    def note(self, text: str) -> None:
        """Show what is good to know; left out with --only-show-errors."""
        logger.warning("%s", text)

    def open_paste_reader(self) -> PasteReader | None:
        """Return a reader for a pasted address, or None without a terminal to paste into."""
        if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
            return None
        from azext_login.system.terminal.paste_reader import PasteReader

        return PasteReader(sys.stdin, prompt_writer=self._write)

    def ask(self, question: str) -> str:
        """Ask and return the answer without surrounding blanks.

        :raises EOFError: the input has ended.
        """
        print(question, end="", file=self._output, flush=True)
        return input().strip()

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def can_choose() -> bool:
    """Tell whether a choice can be offered: by the built-in's rule, input and output are both a terminal."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


def screen() -> TextIO:
    """Return where a choice is shown, given that `can_choose`: on standard error if that is a terminal as well.

    With `2>file` it is standard output: a question that nobody sees would keep the command waiting.
    """
    return sys.stderr if is_terminal(sys.stderr) else sys.stdout


def can_draw(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Tell whether a terminal can place text anywhere on the screen: TERM says what it is, except to Windows."""
    kind = environ.get("TERM", "").lower()
    return kind not in ("dumb", "unknown") and (bool(kind) or platform == "win32")
