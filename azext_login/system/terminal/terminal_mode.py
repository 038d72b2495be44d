"""The mode of a terminal (termios): the one to restore, and ours. Windows consoles have no such mode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

if sys.platform != "win32":
    import contextlib
    import os
    import signal
    import termios
    import threading

    from azext_login.system.signals import defer_signals, restore_on_signals

    _LOCAL_FLAGS = 3  # index in the list of tcgetattr, termios(3)
    _WATCH_PAUSE = 0.2  # seconds

    class TerminalMode:
        """The mode in which a terminal was found. Nothing is changed before `take`.

        The mode belongs to the jobs in the foreground. The kernel stops a background process that changes it (SIGTTOU),
        and the shell in the foreground may have set its own.
        """

        def __init__(self, descriptor: int) -> None:
            """:param descriptor: a terminal.

            :raises termios.error: it is not a terminal.
            """
            self._descriptor = descriptor
            self._before = termios.tcgetattr(descriptor)
            self._ours: list[Any] | None = None
            self._is_closed = False

        def take(self, change: Callable[[list[Any]], None]) -> None:
            """Change the mode. The process is in the foreground.

            :param change: changes a list of termios.tcgetattr, and nothing that it has changed already.
            """
            now = termios.tcgetattr(self._descriptor)
            ours = [*now[:-1], list(now[-1])]
            change(ours)
            # Before it is set, so that a signal in between restores the right mode.
            self._ours = ours
            if ours != now:
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, ours)

        def adopt(self) -> None:
            """Regard the present mode, which another library has set, as ours. In the background, it is not."""
            with contextlib.suppress(termios.error):
                if is_in_foreground(self._descriptor):
                    self._ours = termios.tcgetattr(self._descriptor)

        @contextmanager
        def watched(self) -> Iterator[None]:
            """Restore the mode if the script that started this process ends within the block, which may wait for a key.

            The shell then takes the terminal, and may keep our mode. No user can answer any more, and the next line is
            meant for the shell, so the process also ends, as if the terminal had been closed.
            """
            ended = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(ended, os.getppid()), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                ended.set()
                watcher.join()

        def _watch(self, ended: threading.Event, parent: int) -> None:
            while not ended.wait(_WATCH_PAUSE):
                if os.getppid() != parent and not is_in_foreground(self._descriptor):
                    self.give_back()
                    os.kill(os.getpid(), signal.SIGHUP)
                    return

        def give_back(self) -> None:
            """Restore the mode, and discard what was typed and not read: the shell would run it as a command.

            In the background, nothing is discarded, and a mode that another program has set stays. Idempotent.
            """
            with contextlib.suppress(termios.error), defer_signals():
                is_ours = termios.tcgetattr(self._descriptor) == self._ours
                if is_in_foreground(self._descriptor):
                    self._set(self._before)
                    termios.tcflush(self._descriptor, termios.TCIFLUSH)
                elif is_ours:
                    self._set(self._before)

        def take_again(self) -> bool:
            """Set our mode again after `give_back` or a shell has changed it. Return whether we are in the foreground.

            In the background, nothing is changed.
            """
            if not is_in_foreground(self._descriptor):
                return False
            if self._ours is not None and not self._is_closed:
                with contextlib.suppress(termios.error):
                    self._set(self._ours)
            return True

        def close(self) -> None:
            """Restore the mode for good: `take_again`, which a signal may call, changes nothing any more."""
            self._is_closed = True
            self.give_back()

        def _set(self, mode: list[Any]) -> None:
            # At once: with Ctrl-S, the output may never drain. The kernel does not stop a process that blocks SIGTTOU.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
            try:
                termios.tcsetattr(self._descriptor, termios.TCSANOW, mode)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def is_in_foreground(descriptor: int) -> bool:
        """Tell whether this process may read from a terminal and change its mode."""
        try:
            return os.tcgetpgrp(descriptor) == os.getpgrp()
        except OSError:
            return True  # the terminal of another session, which has no job control here


@contextmanager
def echo_switched_off(stdin: TextIO) -> Iterator[None]:
    """Switch echo off for a prompt within the block, and restore it, also before a signal ends or stops the process.

    The controlling terminal counts, where `getpass` reads, or else `stdin`. Windows consoles do not echo such keys.
    """
    if sys.platform == "win32":
        yield
    else:
        with contextlib.ExitStack() as resources:
            try:
                descriptor = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
                resources.callback(os.close, descriptor)
            except OSError:
                descriptor = stdin.fileno()
            try:
                mode = TerminalMode(descriptor)
            except termios.error:
                yield
                return
            resources.enter_context(restore_on_signals(mode.give_back, mode.take_again))
            resources.callback(mode.close)
            if is_in_foreground(descriptor):
                mode.take(_without_echo)
            with mode.watched():
                yield


def _without_echo(mode: list[Any]) -> None:
    if sys.platform != "win32":
        mode[_LOCAL_FLAGS] &= ~termios.ECHO
