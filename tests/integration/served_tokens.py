"""Shared by the tests of `az account serve-tokens`: an endpoint without a command, and requests to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.harness.az import Az, Result
from tests.harness.launchers import Process

SERVE = ("account", "serve-tokens")
VAULT = "https://vault.localcloud.example"
VERSION = "2019-08-01"


@dataclass(frozen=True)
class Answer:
    """One answer of the endpoint."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Endpoint:
    """An `az account serve-tokens` that runs without a command."""

    def __init__(self, az: Az, process: Process, options: tuple[str, ...]):
        self.az = az
        self.process = process
        self.options = options
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline() for _ in range(2)]
        self.reported: list[str] = []
        self._reader = threading.Thread(target=lambda: self.reported.extend(process.stderr or ()), daemon=True)
        self._reader.start()
        variables = dict(line.rstrip("\n").split("=", 1) for line in lines if "=" in line)
        if set(variables) != {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"}:
            process.wait(60)
            self._reader.join(10)
            raise AssertionError(f"no endpoint: {lines} {self.reported}")
        self.variables: dict[str, str] = variables
        self.url, self.secret = variables["IDENTITY_ENDPOINT"], variables["IDENTITY_HEADER"]
        parts = urlsplit(self.url)
        self.port = int(parts.port or 0)
        self.host = f"{parts.hostname}:{parts.port}"
        self.path = parts.path

    def request(
        self,
        resource: str = VAULT,
        *,
        secret: str | None = "",
        host: str | None = None,
        method: str = "GET",
        **more: str,
    ) -> bytes:
        """Return the bytes of a request. A secret of "" is the right one, None leaves the header out."""
        query = urlencode({"api-version": VERSION, "resource": resource, **more})
        given = self.secret if secret == "" else secret
        lines = [f"{method} {self.path}?{query} HTTP/1.1", f"Host: {host or self.host}"]
        if given is not None:
            lines.append(f"X-IDENTITY-HEADER: {given}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, data: bytes, *, address: str = "127.0.0.1") -> bytes:
        """Send bytes, and return those of the answer."""
        with socket.create_connection((address, self.port), timeout=120) as sock:
            received = bytearray()
            try:
                sock.sendall(data)
                # No more follows: half a request is not waited for.
                sock.shutdown(socket.SHUT_WR)
                while chunk := sock.recv(65536):
                    received += chunk
            except ConnectionError:
                pass  # the server has refused what is left of the request
            return bytes(received)

    def ask(self, resource: str = VAULT, *, address: str = "127.0.0.1", **options: Any) -> Answer:
        """Send a request, and return the answer."""
        return answer_of(self.send(self.request(resource, **options), address=address))

    def stop(self, number: int) -> Result:
        """Send a signal, and return what the command printed on standard error."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(60)
        result = Result((*SERVE, *self.options), code, "", "".join(self.reported), 0.0, (*self.az.secrets, self.secret))
        result.assert_clean()
        return result


def answer_of(data: bytes) -> Answer:
    """Parse an answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status.split()[1]), headers, body)


@contextmanager
def serving(az: Az, *options: str, **env: str) -> Iterator[Endpoint]:
    """Start an endpoint, and end it after the block."""
    process = az.start(*SERVE, *options, env=env)
    try:
        yield Endpoint(az, process, options)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
