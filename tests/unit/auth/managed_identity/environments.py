"""What managed identities depend on: the environment variables of this process, and local services."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from unittest import mock

import pytest

VARIABLES = (
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "AZUREPS_HOST_ENVIRONMENT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "ACC_CLOUD",
    "AZURE_FEDERATED_TOKEN_FILE",
)


@contextmanager
def in_environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Set exactly these of VARIABLES in the environment of this process, which MSAL reads."""
    others = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    with mock.patch.dict(os.environ, {**others, **environment}, clear=True):
        yield


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield host:port of a socket that drops packets: its queue of connections is full, so Linux ignores a SYN."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.settimeout(0.2)
            try:
                client.connect(listener.getsockname())
            except TimeoutError:
                break
        else:
            pytest.skip("this system drops no packets to a socket with a full queue")
        yield "{}:{}".format(*listener.getsockname())


@contextmanager
def listening(answer: bytes = b"") -> Iterator[tuple[str, list[bytes]]]:
    """Yield host:port of a socket, and the list of what its clients have sent.

    :param answer: sent to each client before its connection is closed.
    """
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # closed: the test is over
                return
            with client, suppress(OSError):  # the client may close the connection without sending anything
                client.settimeout(2)
                heard.append(client.recv(65536))
                client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield "{}:{}".format(*listener.getsockname()), heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=3)
