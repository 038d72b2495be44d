"""Messages to the user at the terminal, and the user's answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import is_terminal

if TYPE_CHECKING:
    from azext_login.system.terminal.paste_reader import PasteReader

logger = get_logger(__name__)


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
