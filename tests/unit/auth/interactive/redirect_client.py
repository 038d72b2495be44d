"""A raw HTTP client for the tests of the redirect receiver: it sends bytes and keeps the response."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlencode

from azext_login.auth.interactive.redirect_receiver import RedirectReceiver

CODE = "0.AXEAcode-that-must-never-show-up"
STATE = "state-of-this-sign-in"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Reply:
    """What came back until the server closed the connection; status 0 if nothing did."""

    raw: bytes
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


def parse(raw: bytes) -> Reply:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/1.1 "):
        return Reply(raw)
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return Reply(raw, int(lines[0].split()[1]), headers, body.decode("utf-8"))


def connect(receiver: RedirectReceiver, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((host, receiver.port), timeout=60)


def read_all(sock: socket.socket) -> bytes:
    """Everything until the end of the connection; what came before a reset counts."""
    chunks = []
    try:
        while chunk := sock.recv(65536):
            chunks.append(chunk)
    except ConnectionError:
        pass
    return b"".join(chunks)


def send(receiver: RedirectReceiver, request: bytes, host: str = "127.0.0.1") -> Reply:
    with connect(receiver, host) as sock:
        with suppress(ConnectionError):  # refused before everything was sent
            sock.sendall(request)
        return parse(read_all(sock))


def get(receiver: RedirectReceiver, target: str, *extra: str, host: str | None = None) -> bytes:
    lines = [f"GET {target} HTTP/1.1", f"Host: {host or f'localhost:{receiver.port}'}", *extra]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def post(receiver: RedirectReceiver, body: str | bytes, *extra: str, content_type: str = FORM) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = ["POST / HTTP/1.1", f"Host: localhost:{receiver.port}", f"Content-Type: {content_type}"]
    lines += [*extra, f"Content-Length: {len(data)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


def answer(**parameters: str) -> str:
    """A query or form body with the code and the state, or with what is given instead."""
    return urlencode(parameters or {"code": CODE, "state": STATE})


def proper(receiver: RedirectReceiver) -> bytes:
    return get(receiver, "/?" + answer())


class InBackground:
    """Runs one client call in a thread; `result` waits for it."""

    def __init__(self, call: Callable[[], Reply]) -> None:
        self._call = call
        self._reply: Reply | None = None
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        start = time.monotonic()
        self._reply = self._call()
        self.seconds = time.monotonic() - start

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Reply:
        self._thread.join(60)
        assert self._reply is not None, "the client got no answer"
        return self._reply


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Fails when a thread that was started inside is still alive at the end."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()
