"""Runs a program that takes the terminal over: signals, standard streams and the exit code are its own."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType

from azext_login.system.run_program import find_program

# The exit codes of shells (POSIX, Shell Command Language, 2.8.2).
_NOT_FOUND = 127
_NOT_RUNNABLE = 126
_KILLED = 128

# The terminal sends these to the program too, and the program decides what they mean.
_OF_TERMINAL = ("SIGINT", "SIGBREAK")
# They are sent to one process, so the program receives them from us. Those of the terminal among them arrive twice.
_PASSED_ON = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")

# Python ignores them, and a program that it becomes would ignore them too.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")

CAN_REPLACE_PROCESS = sys.platform != "win32"
"""Whether this process can become another program. On Windows, the shell would not wait for that one."""


class NotStartedError(Exception):
    """A program could not be started. The text completes a sentence whose subject is the program."""

    def __init__(self, problem: str, exit_code: int):
        """:param exit_code: what a shell exits with."""
        super().__init__(problem)
        self.exit_code = exit_code


def become_program(words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Replace this process by a program. Returns only by an exception.

    :param words: the program, by its name on the PATH of `environ` or by its path, and its arguments.
    :raises NotStartedError: it cannot be started.
    """
    _flush()
    with _start_errors(words[0]), _default_signals():
        os.execvpe(words[0], list(words), environ)


def run_child(words: Sequence[str], environ: Mapping[str, str], *, inherits: Sequence[int] = ()) -> int:
    """Run a program until it ends, and return its exit code: that of a shell if a signal has ended it.

    Ctrl-C is left to the program. Other signals to this process are passed on to it. Signals that this process ignores
    are ignored by the program too.

    :param words: as for `become_program`.
    :param inherits: open descriptors that the program gets too. Not on Windows.
    :raises NotStartedError: it cannot be started.
    """
    _flush()
    with _signals_to_child() as pass_on_to, _start_errors(words[0]):
        program = find_program(words[0], environ)
        process = subprocess.Popen(
            [program, *words[1:]],
            env=environ,
            pass_fds=() if sys.platform == "win32" else inherits,
        )
        pass_on_to(process)
        code = process.wait()
    return code if code >= 0 else _KILLED - code


@contextlib.contextmanager
def _start_errors(name: str) -> Iterator[None]:
    try:
        if not name:
            raise FileNotFoundError
        yield
    except FileNotFoundError:
        raise NotStartedError("was not found, or the interpreter that it needs was not found.", _NOT_FOUND) from None
    except PermissionError:
        raise NotStartedError("is not a program that this user may run.", _NOT_RUNNABLE) from None
    except OSError as error:
        problem = "is not in a format that the system can run" if error.errno == errno.ENOEXEC else error.strerror
        raise NotStartedError(f"could not be started: {problem or error}.", _NOT_RUNNABLE) from None
    except ValueError:  # a NUL character
        raise NotStartedError("could not be started: no program can receive these arguments.", _NOT_RUNNABLE) from None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # Closed, or its reader has gone: that is for the program to find out.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()


@contextlib.contextmanager
def _default_signals() -> Iterator[None]:
    """Restore within the block what Python ignores, as `subprocess` does for a child."""
    numbers = [getattr(signal, name) for name in _IGNORED_BY_PYTHON if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _signals_to_child() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Pass signals on within the block, from the moment when the yielded function is called with the child.

    A child begins with the default actions in place of these handlers, and ignores what this process ignores.
    """
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if children:
            # Does nothing after the end of the child.
            children[0].send_signal(number)
        else:
            early.append(number)

    def pass_on_to(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread only.
        yield pass_on_to
        return
    handlers = {**dict.fromkeys(_OF_TERMINAL, lambda number, frame: None), **dict.fromkeys(_PASSED_ON, pass_on)}
    numbers = {getattr(signal, name): handler for name, handler in handlers.items() if hasattr(signal, name)}
    before = {number: signal.getsignal(number) for number in numbers}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    try:
        for number in handled:
            signal.signal(number, numbers[number])
        yield pass_on_to
    finally:
        for number in handled:
            signal.signal(number, before[number])
