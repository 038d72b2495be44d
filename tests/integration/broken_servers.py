"""Servers on loopback that fail below HTTP, or on the way to it: sockets, TLS, proxies."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme

Handler = Callable[[socket.socket], None]

_NOW = datetime.now(timezone.utc)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no time to linger, so that closing resets the connection


@contextmanager
def serving(handle: Handler) -> Iterator[int]:
    """Yield the port of a server that calls `handle` with each connection, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def work(client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):  # the client may leave at any time
            client.settimeout(20)
            handle(client)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed: the test is over
                return
            threading.Thread(target=work, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def reset(client: socket.socket) -> None:
    """Reset the connection when the first bytes have come."""
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def hang_up(client: socket.socket) -> None:
    """Close the connection when the first bytes have come."""
    client.recv(65536)


def stay_silent(client: socket.socket) -> None:
    """Read, and never answer."""
    while client.recv(65536):
        pass


def answer(content: bytes) -> Handler:
    """Return a handler that sends this to each client."""

    def handle(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(content)

    return handle


def status(line: str, headers: str = "", body: str = "") -> bytes:
    """Return an answer of HTTP/1.1."""
    head = f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return f"{head}{body}".encode()


def speaking_tls(context: ssl.SSLContext, handle: Handler) -> Handler:
    """Return a handler that calls `handle` with the decrypted connection."""

    def wrap(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as decrypted:
            handle(decrypted)

    return wrap


def intercept(context: ssl.SSLContext) -> Handler:
    """Return the handler of a proxy that shows a certificate of its own in place of that of the service."""

    def handle(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        speaking_tls(context, hang_up)(client)

    return handle


def drip(client: socket.socket) -> None:
    """Answer with one byte after the other, without an end."""
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        client.sendall(b"1\r\n \r\n")
        time.sleep(0.05)


def trickle(client: socket.socket) -> None:
    """Answer with a body of a known length, one byte a second for a client whose time passes 20 times faster."""
    client.recv(65536)
    client.sendall(status("200 OK", "Content-Type: application/json\r\n", " " * 100_000).partition(b" " * 9)[0])
    while True:
        client.sendall(b" ")
        time.sleep(0.05)


# Never the same page, on another connection neither.
_pages = itertools.count()


def never_end_pages(client: socket.socket) -> None:
    """Answer each request with an empty page of a list that continues on another page of this server."""
    with client.makefile("rb") as requests:
        while True:
            host = ""
            while line := requests.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                host = value.strip() if name.lower() == "host" else host
            if not host:
                return
            body = json.dumps({"value": [], "nextLink": f"https://{host}/subscriptions?page={next(_pages)}"})
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(f"{head}{body}".encode())


def never_end_headers(client: socket.socket) -> None:
    """Answer with one header after the other, without an end."""
    client.recv(65536)
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        client.sendall(b"X-More: more\r\n")
        time.sleep(0.05)


class TlsServers:
    """Contexts for `speaking_tls`, and the file with the CA certificate that they are verified with."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(self._authority.cert_pem.bytes())

    def trusted(self) -> ssl.SSLContext:
        """Return a context with a certificate that is good."""
        return self._context(self._authority.issue_cert("localhost"))

    def untrusted(self) -> ssl.SSLContext:
        """Return a context with a certificate of another CA."""
        return self._context(trustme.CA().issue_cert("localhost"))

    def expired(self) -> ssl.SSLContext:
        """Return a context with a certificate that has expired."""
        day = timedelta(days=1)
        return self._context(self._authority.issue_cert("localhost", not_before=_NOW - 9 * day, not_after=_NOW - day))

    def not_valid_yet(self) -> ssl.SSLContext:
        """Return a context with a certificate that is not valid yet."""
        day = timedelta(days=1)
        return self._context(self._authority.issue_cert("localhost", not_before=_NOW + day, not_after=_NOW + 9 * day))

    def of_another_name(self) -> ssl.SSLContext:
        """Return a context with a certificate for another host."""
        return self._context(self._authority.issue_cert("elsewhere.example"))

    def old(self) -> ssl.SSLContext:
        """Return a context that speaks no version of TLS after 1.1."""
        context = self.trusted()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def _context(self, certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context
