"""The person at the terminal: what is said to them on standard error, and what they type."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from knack.log import get_logger

if TYPE_CHECKING:
    from .auth.paste import PasteReader

logger = get_logger(__name__)


class StandardTerminal:
    """The terminal that the process was started on. Nothing of it goes to standard output, which is for results."""

    def say(self, text: str) -> None:
        """Show what the person needs in order to go on."""
        print(text, file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Show what is good to know; left out with --only-show-errors."""
        logger.warning("%s", text)

    def open_paste_reader(self) -> PasteReader | None:
        """Return a reader for a pasted address, or None without a terminal to paste into."""
        if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        from .auth.paste import PasteReader

        return PasteReader(sys.stdin, prompt_writer=self._write)

    def ask(self, question: str) -> str:
        """Ask on standard error and return the answer without surrounding blanks.

        :raises EOFError: the input has ended.
        """
        print(question, end="", file=sys.stderr, flush=True)
        return input().strip()

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def can_choose() -> bool:
    """Tell whether a choice can be offered: by the built-in's rule, input and output are both a terminal."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stdout and sys.stdout.isatty())
