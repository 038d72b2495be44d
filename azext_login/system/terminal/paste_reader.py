"""Reads secret lines, which may be pasted, from a terminal without blocking.

prompt_toolkit, which draws the list of subscriptions, does not replace this module. Its input (3.0.53) loses four
guarantees of a prompt that waits beside something else:

* After the start of a bracketed paste without its end, it reports no key any more, not even Ctrl-C.
* When it restores the terminal, it keeps what was typed and not read. The shell then runs the rest of a paste as a
  command, secret included.
* In a background job, it changes the mode of the terminal, and the kernel stops the job (SIGTTOU).
* After Ctrl-Z and `fg`, it does not take the terminal over again, and the terminal echoes what is pasted.

The last three need `termios` beside it, and only an own parser fixes the first. Besides, another extension may have
loaded an old prompt_toolkit, and a paste has no fallback as the list has.
"""

from __future__ import annotations

import atexit
import contextlib
import time
from collections.abc import Callable
from typing import TextIO

from azext_login.system.signals import restore_on_signals
from azext_login.system.terminal.line_editor import LineEditor
from azext_login.system.terminal.raw_terminal import raw_terminal


class PasteReader:
    """Takes the terminal over until `close`, and shows stars for what is typed and pasted.

    Call `poll` in a loop, about ten times a second. `close` restores the terminal and discards what was typed and not
    read. So do the exit of the process and signals that end or stop it. In a background job, the terminal stays as it
    is, and no line arrives.
    """

    def __init__(
        self, stdin: TextIO, *, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take the terminal over.

        :param write: writes stars to the terminal.
        :param clock: counts seconds and never goes back.
        :raises ValueError: `stdin` is not a terminal.
        """
        self._terminal = raw_terminal(stdin)
        self._editor = LineEditor(write, clock)
        self._resources = contextlib.ExitStack()
        # First, so that even an interrupt within the next lines leaves the terminal restored.
        atexit.register(self.close)
        self._resources.callback(atexit.unregister, self.close)
        self._resources.enter_context(restore_on_signals(self._terminal.suspend, self._terminal.open))
        self._resources.callback(self._terminal.close)
        self._terminal.open()

    @property
    def has_ended(self) -> bool:
        """Whether the input has ended (Ctrl-D, a closed window): `poll` returns no line any more."""
        return self._editor.has_ended

    def poll(self) -> str | None:
        """Return the next line if it is complete, else None, at once. The line is a secret.

        Enter without any text before it returns "".

        :raises KeyboardInterrupt: Ctrl-C was pressed.
        """
        if self.has_ended:
            return None
        typed = self._terminal.read()
        if typed is None:
            self._editor.has_ended = True
            return None
        self._editor.feed(typed)
        return self._editor.take()

    def close(self) -> None:
        """Restore the terminal. Idempotent."""
        self._resources.close()
