"""Which process is at the other end of a connection."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from azext_login.system.client_processes import ClientProcesses

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="tells the superuser only")

_CLIENT = "import socket, sys; sock = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); sys.stdin.read()"


class _Seconds:
    """A clock that goes on by a fixed time each time when it is read."""

    def __init__(self, step: float):
        self.now = 0.0
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


@contextmanager
def _listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


@contextmanager
def _client(listener: socket.socket, program: str = _CLIENT) -> Iterator[tuple[int, Any]]:
    """Start a process that connects, and yield its ID and its end of the connection."""
    words = [sys.executable, "-c", program, str(listener.getsockname()[1])]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        connection, peer = listener.accept()
        with connection:
            # A virtual environment of Windows starts another Python.
            children = psutil.Process(process.pid).children()
            yield (children[0].pid if children else process.pid), peer
        assert process.stdin
        process.stdin.close()


def test_a_process_is_named_with_its_id() -> None:
    processes = ClientProcesses()
    with _listener() as listener, _client(listener) as (first, peer), _client(listener) as (second, other):
        for pid, end in ((first, peer), (second, other), (first, peer)):
            assert processes.name_of(end) == f"{psutil.Process(pid).name()} ({pid})"


def test_this_process_may_be_the_client() -> None:
    with _listener() as listener, socket.create_connection(listener.getsockname()) as sock:
        found = ClientProcesses().name_of(sock.getsockname())
    assert found is not None
    assert found.endswith(f" ({os.getpid()})")


def test_a_connection_of_nobody_has_no_process() -> None:
    with _listener() as listener:
        closed = socket.create_connection(listener.getsockname())
        peer = closed.getsockname()
        closed.close()
        assert ClientProcesses().name_of(peer) is None


def test_a_process_that_has_ended_is_not_named_again() -> None:
    processes = ClientProcesses()
    with _listener() as listener:
        with _client(listener) as (pid, peer):
            assert str(pid) in str(processes.name_of(peer))
        assert processes.name_of(peer) is None
        with _client(listener) as (other, end):
            assert str(other) in str(processes.name_of(end))


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/comm")
def test_the_name_is_one_line_and_short() -> None:
    name = "import pathlib; pathlib.Path('/proc/self/comm').write_bytes(b'a\\n\\x1b[2J\\xe2\\x80\\xae'); "
    with _listener() as listener, _client(listener, name + _CLIENT) as (pid, peer):
        found = ClientProcesses().name_of(peer)
    assert found is not None
    assert found.isprintable()
    assert found.startswith("a ")
    assert found.endswith(f" ({pid})")


def test_looking_takes_a_tenth_of_the_time() -> None:
    seconds = _Seconds(1.0)
    with _listener() as listener, socket.create_connection(listener.getsockname()) as sock:
        peer = sock.getsockname()
        processes = ClientProcesses(clock=seconds)
        # One look takes a second here, which is more than there is at once: then some time has to pass.
        assert processes.name_of(peer) is not None
        assert processes.name_of(peer) is None
        seconds.now += 20
        assert processes.name_of(peer) is not None
