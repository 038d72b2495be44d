"""Takes the redirect address that somebody copied from the browser and pasted into the terminal.

This is the way out when the browser cannot reach the redirect receiver: another machine, a container, a
browser that insists on https. The address holds the authorization code, so no message of this module repeats
any part of it, and the terminal does not show it.
"""

from __future__ import annotations

import atexit
import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from azext_login.system.signals import exit_on_termination
from azext_login.system.terminal.line_editor import LineEditor
from azext_login.system.terminal.raw_terminal import raw_terminal

MAX_LENGTH = 64 * 1024


class PasteReader:
    """Reads lines from a terminal without blocking, so that the browser can answer first.

    `poll` it in a loop, ten times a second or so. What is typed is shown as stars through `prompt_writer`.
    Leaving the ``with`` block or calling `close` restores the terminal and throws away what was typed and not
    read; so does the end of the process, by a signal (SIGTERM) as well. Raises ValueError if `stdin` is no terminal.
    """

    def __init__(
        self,
        stdin: TextIO,
        *,
        prompt_writer: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = raw_terminal(stdin)
        self._editor = LineEditor(prompt_writer, clock)
        self._until_closed = contextlib.ExitStack()
        self._started = False

    def __enter__(self) -> PasteReader:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def ended(self) -> bool:
        """Whether the input has ended (Ctrl-D, a closed window): `poll` will not give a line any more."""
        return self._editor.ended

    def start(self) -> None:
        """Take the terminal over. In a background job, this does nothing and no line will come."""
        self._started = True
        atexit.register(self.close)
        self._until_closed.enter_context(exit_on_termination())
        self._terminal.open()

    def poll(self) -> str | None:
        """The next line if one is complete, else None; returns at once. Raises KeyboardInterrupt for Ctrl-C.

        An Enter without anything before it gives "". The line is a secret: hand it to `parse_pasted_address`
        and nowhere else.
        """
        if not self._started or self.ended:
            return None
        typed = self._terminal.read()
        if typed is None:
            self._editor.ended = True
            return None
        self._editor.feed(typed)
        return self._editor.take()

    def close(self) -> None:
        """Restore the terminal. Idempotent."""
        if self._started:
            self._started = False
            self._terminal.close()
            self._until_closed.close()
            atexit.unregister(self.close)
