"""Runs a program that the user has configured: without a shell, and with limits of its time and of its output.

The program has no standard input and, except on Windows, no terminal, so it cannot wait for an answer. Beyond a limit,
it ends with all the processes that it has started.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO

from azext_login.system.patience import SILENT_WAIT
from azext_login.system.pauses import announce
from azext_login.system.signals import restore_on_signals
from azext_login.system.text import printable, without_tokens
from azext_login.system.threads import start_thread

# Seconds between two looks: on Windows, Ctrl-C has no effect during a longer wait.
_TICK = 0.2
_CHUNK = 64 * 1024  # bytes
_KEPT_ERRORS = 16 * 1024  # bytes: the last ones on standard error, where programs explain why they failed
_SHOWN_ERRORS = 500  # characters

# Colours and the like (ECMA-48, control sequences).
_CONTROL_SEQUENCE = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")

if sys.platform == "win32":
    _NEW_GROUP = subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _NEW_GROUP = 0


class ProgramError(Exception):
    """A program did not run, or did not succeed. The text completes a sentence whose subject is the program.

    For example: "exited with code 3. It printed: no such service". Its standard output is never in it.
    """


def run_program(words: Sequence[str], *, seconds: float, limit: int, environ: Mapping[str, str]) -> bytes:
    """Run a program and return what it has written to standard output.

    :param words: the program, by its name on the PATH of `environ` or by its path, and its arguments.
    :param seconds: after which the program is killed.
    :param limit: the longest output in bytes; the program is killed when it has written more.
    :param environ: its environment variables.
    :raises ProgramError: it cannot be started, has not succeeded, or has exceeded a limit.
    """
    process = _start(words, environ)
    stop = partial(_kill, process)
    # A caller that does not wait any longer leaves the thread of this call behind when the process exits.
    atexit.register(stop)
    try:
        # A signal that ends this process does not reach the program's group.
        with restore_on_signals(stop, may_stop=False):
            return _wait(process, words[0], time.monotonic() + seconds, seconds, limit)
    finally:
        atexit.unregister(stop)
        stop()


def _wait(process: subprocess.Popen[bytes], name: str, end: float, seconds: float, limit: int) -> bytes:
    """Return the output of a program that has succeeded. See `run_program`."""
    output = _Output(process.stdout, keep=limit, may_be_longer=False)
    errors = _Output(process.stderr, keep=_KEPT_ERRORS, may_be_longer=True)
    wait = _Wait(name, end)
    has_ended = all(wait.until(condition) for condition in (output.ended.wait, errors.ended.wait))
    if output.is_too_long:
        raise ProgramError(f"wrote more than {limit // 1024} KB, and was stopped.")
    if not (has_ended and wait.until(lambda pause: _has_ended(process, pause))):
        raise ProgramError(f"did not end within {seconds:g} seconds, and was stopped.{errors.shown()}")
    if process.returncode < 0:
        raise ProgramError(f"was ended by signal {-process.returncode}.{errors.shown()}")
    if process.returncode:
        raise ProgramError(f"exited with code {process.returncode}.{errors.shown()}")
    return output.content()


def _start(words: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [find_program(words[0], environ), *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environ,
            # A group of its own can be killed as a whole, and Ctrl-C does not reach it before us.
            start_new_session=sys.platform != "win32",
            creationflags=_NEW_GROUP,
        )
    except FileNotFoundError:
        raise ProgramError("was not found, or the interpreter that it needs was not found.") from None
    except PermissionError:
        raise ProgramError("may not be run by this user.") from None
    except OSError as error:
        raise ProgramError(f"could not be started: {error.strerror or error}.") from None
    except ValueError:  # a NUL character, or half of a surrogate pair
        raise ProgramError("could not be started: no program can receive these arguments.") from None


def find_program(name: str, environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Return the program to start: on Windows, its path.

    There, the system itself would find no .cmd file, and would look in the current directory first, where a file of
    another user may have the name. Relative directories on PATH are left out for the same reason.

    :raises FileNotFoundError: on Windows, no directory on PATH has the program.
    """
    if platform != "win32" or os.path.dirname(name):
        return name
    for folder in environ.get("PATH", "").split(os.pathsep):
        found = shutil.which(os.path.join(folder, name)) if os.path.isabs(folder) else None
        if found:
            return found
    raise FileNotFoundError


def _has_ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for the end of a process, at most for `seconds`. Return whether it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that has not been waited for, and those that it has started."""
    if process.returncode is not None:
        # Another process may have its number by now.
        return
    if sys.platform == "win32":
        system = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            tree = [system, "/PID", str(process.pid), "/T", "/F"]
            subprocess.run(tree, stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False)
    else:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        process.kill()
    _has_ended(process, 2)


class _Wait:
    """Waits for several conditions until one point in time, and shows a user at a terminal what it waits for."""

    def __init__(self, name: str, end: float):
        self._name = name
        self._end = end
        self._announce_at = time.monotonic() + 2 * SILENT_WAIT

    def until(self, condition: Callable[[float], bool]) -> bool:
        """Return whether the condition is met in time.

        :param condition: waits for so many seconds, and returns whether it is met.
        """
        while not condition(min(_TICK, max(0.0, self._end - time.monotonic()))):
            now = time.monotonic()
            if now >= self._end:
                return False
            if now >= self._announce_at:
                self._announce_at = self._end
                announce(f"Waiting for {printable(self._name)}.")
        return True


class _Output:
    """What a program writes to one of its pipes, read in a thread of its own."""

    def __init__(self, pipe: IO[bytes] | None, *, keep: int, may_be_longer: bool):
        """:param keep: how many bytes are kept: the last ones.
        :param may_be_longer: whether more is read and discarded. Otherwise reading ends, and `is_too_long` is True.
        """
        self.ended = threading.Event()
        """Set when nothing more is read."""
        self.is_too_long = False
        self._pipe = pipe
        self._keep = keep
        self._may_be_longer = may_be_longer
        self._content = b""
        self._is_cut = False
        if not start_thread(self._read):
            raise ProgramError("was stopped, because this system allows no more threads.")

    def content(self) -> bytes:
        """Return what was kept."""
        return self._content

    def shown(self) -> str:
        """Return a sentence to append to an error, on one line: the end of what was written, without tokens."""
        text = _CONTROL_SEQUENCE.sub("", self._content.decode("utf-8", errors="replace"))
        if self._is_cut:
            # The first word may be a part of a token.
            text = re.sub(r"^\S*", "", text)
        text = without_tokens(" ".join(printable(text).split()))
        if len(text) > _SHOWN_ERRORS:
            text = "..." + text[3 - _SHOWN_ERRORS :]
        return f" It printed: {text}" if text else ""

    def _read(self) -> None:
        # Another process may keep the pipe open after its end, so nothing but this thread may close it.
        with contextlib.suppress(OSError, ValueError), self._pipe or contextlib.nullcontext() as pipe:
            while pipe is not None and (chunk := pipe.read(_CHUNK)):
                content = self._content + chunk
                if len(content) > self._keep:
                    self._is_cut = True
                    if not self._may_be_longer:
                        self.is_too_long = True
                        break
                self._content = content[-self._keep :]
        self.ended.set()
