"""Services that send single bytes: requests have a limit of time as a whole, besides those between two parts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from azext_login.auth.managed_identity import requests as identity_requests
from azext_login.auth.managed_identity.requests import build_direct_session, check_reachable
from azext_login.auth.managed_identity.sources import IMDS_HOST_VARIABLE, find_source
from azext_login.errors import ServiceUnreachableError
from azext_login.resource_manager import client as client_module
from azext_login.resource_manager.client import ResourceManager
from azext_login.resource_manager.resources import Tenant
from azext_login.system.http.session import build_session
from tests.integration.broken_servers import Handler, serving

# Parts of an answer, fewer than the headers that Python reads. A request without a limit
# takes all of them, and then has its answer.
_PARTS = 90
_BETWEEN = 0.05  # seconds


@pytest.fixture
def is_over() -> Iterator[threading.Event]:
    """Set at the end of the test, so that no server goes on."""
    event = threading.Event()
    yield event
    event.set()


def _drip(head: bytes, part: bytes, end: bytes, is_over: threading.Event) -> Handler:
    def handle(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(head)
        for _ in range(_PARTS):
            if is_over.wait(_BETWEEN):
                return
            client.sendall(part)
        client.sendall(end)

    return handle


def _in_headers(body: bytes, is_over: threading.Event) -> Handler:
    return _drip(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n", b"Content-Length: %d\r\n\r\n%b" % (len(body), body), is_over)


def _in_body(body: bytes, is_over: threading.Event) -> Handler:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (_PARTS + len(body))
    return _drip(head, b" ", body, is_over)


each_way = pytest.mark.parametrize("way", [_in_headers, _in_body], ids=["headers", "body"])


@each_way
def test_the_request_for_one_subscription(
    monkeypatch: pytest.MonkeyPatch, is_over: threading.Event, way: Callable[[bytes, threading.Event], Handler]
) -> None:
    monkeypatch.setattr(client_module, "LONGEST_REQUEST", 0.3)
    body = b'{"id": "/subscriptions/6b6a3e2e-0a53-4f5c-8a4e-0d1b8f3f7d10", "displayName": "Development"}'
    with serving(way(body, is_over)) as port, build_session() as session:
        manager = ResourceManager(
            f"http://127.0.0.1:{port}", session=session, api_version="2022-12-01", token=lambda tenant, claims: "token"
        )
        with pytest.raises(ServiceUnreachableError, match=r"did not answer within 0\.3 seconds"):
            manager.subscription("6b6a3e2e-0a53-4f5c-8a4e-0d1b8f3f7d10", Tenant("t", None, None))


@each_way
def test_the_request_that_looks_for_the_instance_metadata_service(
    monkeypatch: pytest.MonkeyPatch, is_over: threading.Event, way: Callable[[bytes, threading.Event], Handler]
) -> None:
    monkeypatch.setattr(identity_requests, "PROBE_TIMEOUT", (0.3, 0.3))
    with serving(way(b"{}", is_over)) as port, build_direct_session(None) as session:
        source = find_source({IMDS_HOST_VARIABLE: f"http://127.0.0.1:{port}"}, exists=lambda path: False)
        with pytest.raises(ServiceUnreachableError):
            check_reachable(source, session)
