"""Questions that are answered with yes or no, on standard error: standard output is for results."""

from __future__ import annotations

from azext_login.system.terminal.terminal import StandardTerminal


def is_agreed(question: str, *reasons: str) -> bool:
    """Ask a question and tell whether the answer is yes. Ctrl-C, Ctrl-D and anything else are a no.

    :param reasons: the lines to show before it.
    """
    terminal = StandardTerminal()
    for reason in filter(None, reasons):
        terminal.show(reason)
    try:
        return terminal.ask(f"{question} (y/N): ").lower() in ("y", "yes")
    except (EOFError, KeyboardInterrupt, UnicodeDecodeError):
        # The cursor is still behind the question.
        terminal.show("")
        return False
