"""Starts `az` as a forked child of an interpreter that has the host's packages loaded: `fork_server.py`.

What a test gets is a process of its own, with its own environment, directory, streams, terminal and exit code. It does
not read and compile the host's packages again, which is most of what a short command does. Where a child and a new
interpreter could differ, the real executable runs: see `stands_in`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pexpect
import ptyprocess

from tests.harness import fork_server
from tests.harness.hosts import Host
from tests.harness.launchers import REAL, Command, Process

if sys.platform == "win32":
    raise ImportError("a POSIX system is needed")

if TYPE_CHECKING:
    _Spawn = pexpect.spawn[str]
else:
    _Spawn = pexpect.spawn

_PROGRAM = Path(fork_server.__file__)
_NUMBER = struct.Struct("!q")
_LENGTH = struct.Struct("!I")
#: What the script `az` of a pip installation does in the end. Other installations start Python in other ways.
_SCRIPT = re.compile(
    r"#!(?P<python>/\S+)\n.*\n"
    r"os\.execl\(sys\.executable, sys\.executable, '-m', 'azure\.cli', \*sys\.argv\[1:\]\)\s*\Z",
    re.DOTALL,
)


def python_of(host: Host) -> Path | None:
    """Return the interpreter that the script `az` of a pip installation starts; None where it is another script."""
    try:
        found = _SCRIPT.match(host.az.read_text(encoding="utf-8"))
    except (OSError, UnicodeError):
        return None
    return Path(found["python"]) if found else None


def stands_in(environment: Mapping[str, str]) -> bool:
    """Tell whether a forked child is what a new interpreter would be in this environment.

    It isn't if the environment has a word with Python itself, with a library below it, or with a module of the host
    that reads it once.
    """
    return (
        environment.get("LANG") == fork_server.LANG
        and not fork_server.NOT_RECOMPUTED & environment.keys()
        and not any(name.startswith("PYTHON") for name in environment)
    )


class ForkedProcesses:
    """A launcher with one fork server for each host, which starts when it is first needed."""

    def __init__(self) -> None:
        self._servers: dict[Path, _Server | None] = {}
        self._starting = threading.Lock()

    def start(self, command: Command) -> Process:
        """See `Launcher`."""
        server = self._server(command)
        if not server:
            return REAL.start(command)
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
        try:
            call = server.call(command, (stdin, stdout, stderr))
        finally:
            for end in (stdin, stdout, stderr):
                os.close(end)
        return _ForkedProcess(command, call, to_stdin, from_stdout, from_stderr)

    def start_on_terminal(self, command: Command, size: tuple[int, int], timeout: float) -> pexpect.spawn[str]:
        """See `Launcher`."""
        server = self._server(command)
        if not server:
            return REAL.start_on_terminal(command, size, timeout)
        return _ForkedTerminal(server, command, size, timeout)

    def _server(self, command: Command) -> _Server | None:
        if not stands_in(command.environment):
            return None
        with self._starting:
            az = command.host.az
            if az not in self._servers:
                python = python_of(command.host)
                self._servers[az] = _Server(python, az) if python else None
            return self._servers[az]


class _Server:
    """The fork server of one host. It ends with this object or with this process."""

    def __init__(self, python: Path, az: Path) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # As the script `az` does.
        self._additions = {"PYTHONPATH": str(az.resolve().parent / "src"), "AZ_INSTALLER": "PIP"}
        self._folder = tempfile.TemporaryDirectory(prefix="login-fork-server-")
        # Its own standard streams are pipes to nowhere: what they turn into is decided in the children.
        (stdin, closed_writer), (closed_reader, stdout) = os.pipe(), os.pipe()
        with theirs, open(stdin, "rb"), open(stdout, "wb"):
            os.close(closed_writer)
            os.close(closed_reader)
            self._process = subprocess.Popen(
                [str(python), str(_PROGRAM), str(theirs.fileno())],
                env={
                    **self._additions,
                    **dict.fromkeys(("HOME", "AZURE_CONFIG_DIR", "AZURE_EXTENSION_DIR"), self._folder.name),
                    "LANG": fork_server.LANG,
                    "PATH": str(az.parent),
                },
                stdin=stdin,
                stdout=stdout,
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        weakref.finalize(self, _end, self._process, self._control, self._folder)

    def call(self, command: Command, streams: tuple[int, int, int]) -> _Call:
        """Start a command with these standard streams.

        Raises:
            OSError: there is no such directory.
        """
        command.directory.stat()
        wanted = json.dumps(
            {
                "arguments": list(command.arguments),
                "environment": {**self._additions, **command.environment},
                "directory": str(command.directory),
                "umask": _umask(),
                "terminal": os.isatty(streams[0]),
            }
        ).encode()
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"fork"], [theirs.fileno(), *streams])
        ours.sendall(_LENGTH.pack(len(wanted)) + wanted)
        return _Call(ours)


def _end(process: subprocess.Popen[bytes], control: socket.socket, folder: tempfile.TemporaryDirectory[str]) -> None:
    control.close()
    process.wait(timeout=30)
    folder.cleanup()


def _umask() -> int:
    """Return this process's umask. `os.umask` would change it for all threads."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("\nUmask:")[2].split(maxsplit=1)[0], 8)


class _Call:
    """What the server tells of one child: its process ID, and how it ended."""

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self._reading = threading.Lock()
        self.pid = self._read()
        self.status: int | None = None

    def wait(self, seconds: float | None) -> int | None:
        """Return the wait status, as `os.waitpid` does; None if the child has not ended after `seconds`."""
        with self._reading:
            if self.status is None and _is_readable(self._socket, seconds):
                self.status = self._read()
                self._socket.close()
            return self.status

    def _read(self) -> int:
        number = self._socket.recv(_NUMBER.size, socket.MSG_WAITALL)
        assert len(number) == _NUMBER.size, "the fork server has ended: its errors are on standard error"
        return int(_NUMBER.unpack(number)[0])


def _is_readable(socket: socket.socket, seconds: float | None) -> bool:
    poll = select.poll()  # select.select knows a thousand descriptors
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(None if seconds is None else seconds * 1000))


class _ForkedProcess:
    """A child with pipes. See `Process`."""

    def __init__(self, command: Command, call: _Call, stdin: int, stdout: int, stderr: int) -> None:
        self.pid = call.pid
        self.stdin: IO[str] | None = open(stdin, "w", encoding="utf-8")  # noqa: SIM115  # the caller's
        self.stdout: IO[str] | None = open(stdout, encoding="utf-8")  # noqa: SIM115  # the caller's
        self.stderr: IO[str] | None = open(stderr, encoding="utf-8")  # noqa: SIM115  # the caller's
        self._args = ["az", *command.arguments]
        self._call = call
        self._threads: list[threading.Thread] = []
        self._said = {"stdout": "", "stderr": ""}

    @property
    def returncode(self) -> int | Any:
        """See `Process`."""
        return None if self._call.status is None else os.waitstatus_to_exitcode(self._call.status)

    def poll(self) -> int | None:
        """See `Process`."""
        self._call.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """See `Process`."""
        status = self._call.wait(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self._args, timeout or 0)
        return os.waitstatus_to_exitcode(status)

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """See `Process`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._threads:
            self._threads = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._said]
            self._threads.append(threading.Thread(target=self._write, args=(input or "",), daemon=True))
            for thread in self._threads:
                thread.start()
        for thread in self._threads:
            thread.join(_left(deadline))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(self._args, timeout or 0)
        self.wait(_left(deadline))
        return self._said["stdout"], self._said["stderr"]

    def send_signal(self, sig: int) -> None:
        """See `Process`."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """See `Process`."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """See `Process`."""
        self.send_signal(signal.SIGTERM)

    def _read(self, name: str) -> None:
        stream: IO[str] = getattr(self, name)
        with stream:
            self._said[name] = stream.read()

    def _write(self, text: str) -> None:
        if self.stdin and not self.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # the child did not want all of it
                self.stdin.write(text)
            with contextlib.suppress(BrokenPipeError):
                self.stdin.close()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0, deadline - time.monotonic())


class _ForkedTerminal(_Spawn):
    """A child on a pseudo-terminal. All but its start and its end is pexpect's."""

    def __init__(self, server: _Server, command: Command, size: tuple[int, int], timeout: float) -> None:
        self._start = lambda: _PtyProcess.begin(server, command, size)
        super().__init__(
            str(command.host.az),
            list(command.arguments),
            env=command.environment,
            timeout=timeout,
            encoding="utf-8",
        )

    def _spawnpty(self, args: object, **options: object) -> ptyprocess.PtyProcess:
        """Called by pexpect in place of a fork and an exec."""
        return self._start()  # type: ignore[no-untyped-call, unused-ignore]


class _PtyProcess(ptyprocess.PtyProcess):  # type: ignore[misc]  # it ships no types
    """The end of a child, which the server waited for."""

    _call: _Call

    @classmethod
    def begin(cls, server: _Server, command: Command, size: tuple[int, int]) -> _PtyProcess:
        """Start a command on a new pseudo-terminal of this size (rows, columns)."""
        master, slave = os.openpty()
        try:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            call = server.call(command, (slave, slave, slave))
        finally:
            os.close(slave)
        process = cls(call.pid, master)
        process._call = call
        return process

    def isalive(self) -> bool:
        """Tell whether the child runs. After the end of its output, wait for its own."""
        return self._settle(self._call.wait(None if self.flag_eof else 0))

    def wait(self) -> int | None:
        """Wait for the end, and return the exit code; None if a signal ended it."""
        self._settle(self._call.wait(None))
        return self.exitstatus

    def _settle(self, status: int | None) -> bool:
        if status is None:
            return True
        self.status, self.terminated = status, True
        self.exitstatus = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        self.signalstatus = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        return False
