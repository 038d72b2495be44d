"""How a command of `az` is started: the real executable, or anything that is used in the same way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import pexpect

from tests.harness.hosts import Host

#: Set to anything, it makes `az` the executable itself in every test.
REAL_PROCESSES = "LOGIN_REAL_PROCESSES"


@dataclass(frozen=True)
class Command:
    """What to run: a host's `az` with arguments, in a directory, with an environment that is complete."""

    host: Host
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


class Process(Protocol):
    """A process with pipes, as `subprocess.Popen` has them."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None
    stderr: IO[str] | None

    @property
    def returncode(self) -> int | Any:
        """The exit code, or minus the signal that ended it; None until `poll` or `wait` has seen the end."""

    def poll(self) -> int | None:
        """Return `returncode` as it is now."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """Write `input`, close standard input, wait for the end, and return standard output and errors.

        Raises `subprocess.TimeoutExpired` after `timeout` seconds; another call goes on where that one was.
        """

    def send_signal(self, sig: int) -> None:
        """Send a signal to the process if it has not ended."""

    def kill(self) -> None:
        """Send SIGKILL."""

    def terminate(self) -> None:
        """Send SIGTERM."""


class Launcher(Protocol):
    """Starts commands."""

    def start(self, command: Command) -> Process:
        """Start a command with a pipe for each of its standard streams, and return at once."""

    def start_on_terminal(self, command: Command, size: tuple[int, int], timeout: float) -> pexpect.spawn[str]:
        """Start a command on a pseudo-terminal of `size` (rows, columns); `expect` waits `timeout` seconds."""


class RealProcesses:
    """Starts the executable itself."""

    def start(self, command: Command) -> Process:
        """See `Launcher`."""
        return subprocess.Popen(
            [str(command.host.az), *command.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=command.environment,
            cwd=command.directory,
        )

    def start_on_terminal(self, command: Command, size: tuple[int, int], timeout: float) -> pexpect.spawn[str]:
        """See `Launcher`."""
        return pexpect.spawn(
            str(command.host.az),
            list(command.arguments),
            env=command.environment,
            cwd=str(command.directory),
            timeout=timeout,
            dimensions=size,
            encoding="utf-8",
        )


#: The executable itself, as users start it.
REAL = RealProcesses()


def default_launcher() -> Launcher:
    """Return what starts `az` in tests that neither measure nor check how it starts."""
    if os.environ.get(REAL_PROCESSES) or not sys.platform.startswith("linux"):
        return REAL
    from tests.harness.forked import ForkedProcesses  # needs what other systems lack

    return ForkedProcesses()
