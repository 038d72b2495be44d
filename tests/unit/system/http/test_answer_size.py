"""Answers that are too large: each request of ours gets one, and reports it once, without the memory for it."""

from __future__ import annotations

import gzip
import resource
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest import mock

import pytest
import requests

from azext_login.auth.entra.http_client import AuthorityHttpClient
from azext_login.auth.entra.tenants import resolve_tenant
from azext_login.auth.managed_identity.cloud_shell import CloudShellCredential
from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
from azext_login.auth.managed_identity.requests import build_direct_session, check_reachable
from azext_login.auth.managed_identity.sources import find_source
from azext_login.auth.sources.build_services import fetch_from_azure_pipelines, fetch_from_github
from azext_login.errors import MalformedAnswerError, UnexpectedAnswerError
from azext_login.resource_manager.client import ResourceManager
from azext_login.resource_manager.resources import Tenant
from azext_login.system.http.bounded import DOCUMENT_LIMIT, read_answer
from azext_login.system.http.session import build_session
from tests.localcloud import LocalCloud
from tests.unit.auth.managed_identity.environments import in_environment
from tests.unit.auth.managed_identity.identities import SCOPES, environment_of

GIGABYTE = 1 << 30
TENANT = Tenant("0f1e2d3c-0000-4000-8000-000000000001")
SUBSCRIPTION = "0f1e2d3c-0000-4000-8000-000000000002"

_BLOCK = gzip.compress(b" " * (1 << 24))
# A gzip file may consist of several members (RFC 1952 section 2.2): a gigabyte of spaces in a megabyte.
GZIP = _BLOCK * (GIGABYTE >> 24)

BOMBS: dict[str, tuple[bytes, str]] = {
    "gzip": (GZIP, "gzip"),
    "deflate": (zlib.compress(b" " * (1 << 27)), "deflate"),
    "raw deflate": (zlib.compress(b" " * (1 << 27))[2:-4], "deflate"),
    "gzip in gzip": (gzip.compress(GZIP), "gzip, gzip"),
    "gzip in deflate": (zlib.compress(GZIP), "gzip, deflate"),
    "text": (b'{"a": "' + b"x" * (2 << 20) + b'"}', ""),
}


@pytest.fixture(scope="module")
def http() -> Iterator[requests.Session]:
    with build_session() as session:
        session.trust_env = False
        yield session


def _manager(cloud: LocalCloud, http: requests.Session) -> ResourceManager:
    return ResourceManager(cloud.url, session=http, api_version="2022-12-01", token=lambda tenant, claims: "token")


def _post(cloud: LocalCloud, http: requests.Session) -> None:
    AuthorityHttpClient(http, cloud.url).post(f"{cloud.url}/organizations/oauth2/v2.0/token", data={"grant_type": "x"})


def _get(path: str, cloud: LocalCloud, http: requests.Session) -> None:
    AuthorityHttpClient(http, cloud.url).get(f"{cloud.url}/{path}")


def _post_soap(cloud: LocalCloud, http: requests.Session) -> None:
    AuthorityHttpClient(http, cloud.url).post(f"{cloud.url}/adfs/services/trust/13/usernamemixed", data="<xml/>")


def _github(cloud: LocalCloud, http: requests.Session) -> None:
    fetch_from_github("audience", http=http, environ=cloud.github_environment())


def _pipelines(cloud: LocalCloud, http: requests.Session) -> None:
    fetch_from_azure_pipelines(SUBSCRIPTION, http=http, environ=cloud.azure_pipelines_environment())


def _identity(kind: str, cloud: LocalCloud, http: requests.Session) -> None:
    with in_environment(environment_of(cloud, kind)):
        ManagedIdentityCredential(http=http, sleep=lambda seconds: None).token(SCOPES)


def _probe(cloud: LocalCloud, http: requests.Session) -> None:
    # An instance metadata service is asked without a proxy and without retries.
    with build_direct_session(None) as direct:
        check_reachable(find_source(cloud.imds_environment(), exists=lambda path: False), direct)


def _cloud_shell(cloud: LocalCloud, http: requests.Session) -> None:
    with in_environment(cloud.cloud_shell_environment()):
        CloudShellCredential(http=http, sleep=lambda seconds: None).token(SCOPES)


@dataclass(frozen=True)
class Request:
    """One kind of request, the path of its answer, and the status of the answer."""

    send: Callable[[LocalCloud, requests.Session], Any]
    path: str
    status: int = 200


REQUESTS = {
    "tenants": Request(lambda cloud, http: _manager(cloud, http).tenants(), "/tenants"),
    "subscriptions": Request(lambda cloud, http: list(_manager(cloud, http).subscriptions(TENANT)), "/subscriptions"),
    "a subscription": Request(
        lambda cloud, http: _manager(cloud, http).subscription(SUBSCRIPTION, TENANT), "/subscriptions/"
    ),
    "a refusal": Request(lambda cloud, http: _manager(cloud, http).tenants(), "/tenants", status=403),
    "a redirect": Request(lambda cloud, http: _manager(cloud, http).tenants(), "/tenants", status=302),
    "a busy service": Request(lambda cloud, http: _manager(cloud, http).tenants(), "/tenants", status=400),
    "a token": Request(_post, "/token"),
    "a refused token": Request(_post, "/token", status=400),
    "a federated token by WS-Trust": Request(_post_soap, "/trust/"),
    "a discovery document": Request(partial(_get, "organizations/v2.0/.well-known/openid-configuration"), "/openid"),
    "instances": Request(partial(_get, "common/discovery/instance?api-version=1.1"), "/common/discovery/"),
    "a user realm": Request(partial(_get, "common/userrealm/alice@contoso.example?api-version=1.0"), "/userrealm/"),
    "a tenant's ID": Request(
        lambda cloud, http: resolve_tenant(http, cloud.url, "contoso.example", verify=True), "/openid-configuration"
    ),
    "GitHub": Request(_github, "."),
    "Azure Pipelines": Request(_pipelines, "."),
    "IMDS": Request(partial(_identity, "imds"), "/metadata/identity/oauth2/token"),
    "whether there is an IMDS": Request(_probe, "/metadata/instance"),
    "App Service": Request(partial(_identity, "app_service"), "/token"),
    "Azure Machine Learning": Request(partial(_identity, "machine_learning"), "/token"),
    "Service Fabric": Request(partial(_identity, "service_fabric"), "/token"),
    "Azure Arc": Request(partial(_identity, "arc"), "/token"),
    "Cloud Shell": Request(_cloud_shell, "/token"),
}


def _peak_memory() -> int:
    """Return the most memory in bytes that this process had."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        (name, bomb)
        for name in REQUESTS
        for bomb in ("gzip", "text")
        # A page of a list may have 64 MB.
        if bomb != "text" or name not in ("tenants", "subscriptions")
    ],
)
def test_an_answer_that_is_too_large_is_one_error_and_is_not_asked_for_again(
    cloud: LocalCloud, http: requests.Session, name: str, bomb: str
) -> None:
    asked = REQUESTS[name]
    body, encoding = BOMBS[bomb]
    headers = {"Content-Type": "application/json", **({"Content-Encoding": encoding} if encoding else {})}
    headers |= {"Location": "/elsewhere"} if asked.status == 302 else {}
    with mock.patch.object(http, "verify", str(cloud.ca_bundle)):
        cloud.admin.clear_faults()
        cloud.admin.fail_next(asked.path, count=None, status=asked.status, body=body, headers=headers)
        cloud.admin.clear_requests()
        before = _peak_memory()
        try:
            with pytest.raises(UnexpectedAnswerError) as caught:
                asked.send(cloud, http)
        finally:
            cloud.admin.clear_faults()
    assert _peak_memory() - before < 100 << 20
    assert not isinstance(caught.value, MalformedAnswerError), str(caught.value)
    assert "127.0.0.1" in str(caught.value) or "localhost" in str(caught.value)
    assert "too large" in str(caught.value)
    assert caught.value.recommendations
    assert cloud.admin.count_requests(asked.path) == 1


# One request, to a server that writes what it likes.


@dataclass
class Server:
    """Writes `answer` to each request, and then `endless` until the client is gone."""

    address: str = ""
    answer: bytes = b""
    endless: bytes = b""
    requests: int = 0
    connections: int = 0


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with suppress(OSError):  # the client is gone
                super().handle()

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def do_GET(self) -> None:
            server.requests += 1
            try:
                self.wfile.write(server.answer)
                while server.endless:
                    self.wfile.write(server.endless)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.address = f"http://127.0.0.1:{listener.server_port}/"
        yield server
        listener.shutdown()
        thread.join()


@pytest.fixture
def retrying() -> Iterator[requests.Session]:
    """A session that treats http like https."""
    with build_session() as session:
        session.trust_env = False
        session.mount("http://", session.get_adapter("https://any.example"))
        yield session


def _http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate", "raw deflate", "gzip, deflate", "identity", "br"])
def test_an_answer_within_the_limit_is_read_whole_and_its_connection_is_used_again(
    server: Server, retrying: requests.Session, encoding: str
) -> None:
    content = bytes(range(256)) * (DOCUMENT_LIMIT // 256)
    encoded = {
        "gzip": gzip.compress(content[:1000]) + gzip.compress(content[1000:]) + b"\0 rest",
        "x-gzip": gzip.compress(content),
        "deflate": zlib.compress(content),
        "raw deflate": zlib.compress(content)[2:-4],
        "gzip, deflate": zlib.compress(gzip.compress(content)),
    }.get(encoding, content)
    server.answer = _http(encoded, f"Content-Encoding: {encoding.removeprefix('raw ')}")
    for _ in range(3):
        assert retrying.get(server.address).content == content
    assert server.connections == 1


@pytest.mark.parametrize("bomb", BOMBS)
def test_every_kind_of_compression_is_counted(server: Server, retrying: requests.Session, bomb: str) -> None:
    body, encoding = BOMBS[bomb]
    server.answer = _http(body, f"Content-Encoding: {encoding}")
    with pytest.raises(UnexpectedAnswerError, match=r"The answer of 127\.0\.0\.1:\d+ is too large"):
        retrying.get(server.address)
    assert server.requests == 1


def test_an_answer_without_an_end_is_cut_off(server: Server, retrying: requests.Session) -> None:
    server.answer, server.endless = _http(b"").replace(b"Content-Length: 0\r\n", b""), b"x" * 65536
    with pytest.raises(UnexpectedAnswerError, match="too large"):
        retrying.get(server.address)
    server.answer = server.answer.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    server.endless = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with pytest.raises(UnexpectedAnswerError, match="too large"):
        retrying.get(server.address)
    assert server.requests == 2


def test_a_busy_service_without_an_end_is_asked_again_and_cut_off(server: Server, retrying: requests.Session) -> None:
    server.answer = _http(b"", status="503 Busy").replace(b"Content-Length: 0\r\n", b"Retry-After: 0\r\n")
    server.endless = b"x" * 65536
    with pytest.raises(UnexpectedAnswerError, match="503"):
        retrying.get(server.address)
    assert server.requests == 4


def test_a_busy_service_with_a_long_answer_is_not_asked_again(server: Server, retrying: requests.Session) -> None:
    server.answer = _http(bytes(DOCUMENT_LIMIT + 1), "Retry-After: 0", status="503 Busy")
    with pytest.raises(UnexpectedAnswerError, match="503"):
        retrying.get(server.address)
    assert server.requests == 1


@pytest.mark.parametrize(
    "headers", ["\r\n".join(f"X-{number}: x" for number in range(200)), "X: " + "x" * 70_000], ids=["many", "long"]
)
def test_headers_that_are_too_large_are_not_asked_for_again(
    server: Server, retrying: requests.Session, headers: str
) -> None:
    server.answer = _http(b"{}", headers)
    with pytest.raises(UnexpectedAnswerError, match="headers that are too large"):
        retrying.get(server.address)
    assert server.requests == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"no gzip", "gzip"),
        (b"no deflate", "deflate"),
        (gzip.compress(b"{}")[:-12], "gzip"),
        (gzip.compress(b"{}"), ", ".join(["gzip"] * 6)),
    ],
    ids=["not gzip", "not deflate", "cut off", "six layers"],
)
def test_an_answer_that_cannot_be_decompressed_is_an_error_of_requests(
    server: Server, retrying: requests.Session, body: bytes, encoding: str
) -> None:
    server.answer = _http(body, f"Content-Encoding: {encoding}")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        retrying.get(server.address)


def test_an_answer_that_is_cut_off_is_an_error_of_requests(server: Server, retrying: requests.Session) -> None:
    server.answer = _http(b"{}").replace(b"Content-Length: 2", b"Connection: close\r\nContent-Length: 3")
    response = retrying.get(server.address, stream=True, timeout=(1, 0.3))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        read_answer(response)


def test_encodings_that_are_not_counted_are_not_requested(retrying: requests.Session) -> None:
    assert retrying.headers["Accept-Encoding"] == "gzip, deflate"
