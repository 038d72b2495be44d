"""The local cloud as a running thing: certificates, loopback listeners, start and stop."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import trustme
from cheroot import wsgi
from cheroot.ssl import Adapter
from cheroot.ssl.builtin import BuiltinSSLAdapter

from tests.localcloud.admin import Admin
from tests.localcloud.app import DROP, make_app
from tests.localcloud.azurestack import AzureStack
from tests.localcloud.cijobs import GITHUB_SUBJECT, PIPELINES_SUBJECT, SERVICE_CONNECTION
from tests.localcloud.directory import Directory
from tests.localcloud.keys import signing_key_of
from tests.localcloud.managedidentity_endpoints import make_identity_app
from tests.localcloud.managedidentity_hosts import IdentityHosts, make_self_signed
from tests.localcloud.seed import default_directory
from tests.localcloud.state import Settings, State
from tests.localcloud.tokens import Issuer

#: The port that an address without one means.
HTTPS = 443
THREADS = 64
#: Managed identities are asked by one process at a time, mostly.
IDENTITY_THREADS = 8
#: Seconds between the looks that a server takes at its connections; a server that is told to stop waits for the next.
TICK = 0.05


class _LazyHandshake(BuiltinSSLAdapter):
    """TLS whose handshake runs in the worker thread, at the first read.

    Cheroot does it in the thread that accepts, so one slow client would hold up all others.
    """

    def __init__(self, pem: Path, context: ssl.SSLContext) -> None:
        # Without the parent's own: it makes two contexts with the system's authorities to describe the certificate.
        Adapter.__init__(self, str(pem), str(pem))
        self.context = context

    def wrap(self, sock: Any) -> tuple[Any, dict[str, Any]]:
        wrapped = self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Gateway(wsgi.Gateway_10):
    """Lets the application drop a connection."""

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        connection = self.req.conn

        def drop() -> None:
            self.req.close_connection = True
            with contextlib.suppress(OSError):  # the client was faster
                connection.socket.shutdown(socket.SHUT_RDWR)

        environ[DROP] = drop
        return environ


class _Server(wsgi.Server):
    """Cheroot's server, silent: clients that leave early are what this cloud is for."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        if os.environ.get("LOCALCLOUD_DEBUG"):
            super().error_log(msg, level, traceback)


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(data)


def _make_certificates(directory: Path, keep: bool) -> tuple[Path, Path]:
    """(CA certificate, server key and certificate). With `keep`, a CA that lies in the directory is used again."""
    ca_file, key_file, server_file = directory / "ca.pem", directory / "ca-key.pem", directory / "server.pem"
    if ca_file.exists() and key_file.exists():
        ca = trustme.CA.from_pem(ca_file.read_bytes(), key_file.read_bytes())
    else:
        ca = trustme.CA(organization_name="Local cloud for development")
        _write_private(ca_file, ca.cert_pem.bytes())
        if keep:
            _write_private(key_file, ca.private_key_pem.bytes())
    issued = ca.issue_cert("localhost", "127.0.0.1", "::1")
    _write_private(server_file, issued.private_key_and_cert_chain_pem.bytes())
    return ca_file, server_file


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class LocalCloud(IdentityHosts):
    """A cloud in this process, served by background threads. Use as a context manager, or `start()` and `stop()`.

    `tenants` and `subscriptions` generate a large directory; `port` 0 takes a free one. `state_dir` keeps the CA
    between runs; without it everything is temporary. `host` is its name in addresses, localhost or 127.0.0.1: MSAL
    drops the port, so two clouds in one config directory need two names.
    """

    def __init__(
        self,
        tenants: int = 0,
        subscriptions: int = 0,
        latency_ms: int = 0,
        port: int = 0,
        state_dir: str | os.PathLike[str] | None = None,
        host: str = "localhost",
    ) -> None:
        self._temporary = state_dir is None
        self._dir = Path(tempfile.mkdtemp(prefix="localcloud-") if state_dir is None else state_dir)
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state = State(default_directory(tenants, subscriptions), Settings(latency_ms=latency_ms))
        self.admin = Admin(self.state)
        #: Azure Stack with AD FS, on the same server.
        self.azure_stack = AzureStack(self.state)
        self.admin_key = secrets.token_urlsafe(24)
        self.ca_bundle, self._server_pem = _make_certificates(self._dir, not self._temporary)
        self._servers: list[_Server] = []
        self._threads: list[threading.Thread] = []
        self._wanted_port, self._host = port, host
        self.port = self.identity_port = self.fabric_port = 0
        self.identity_secret = secrets.token_urlsafe(24)
        self.fabric_thumbprint = make_self_signed(self._dir / "fabric.pem")
        self._arc_files = set()

    @property
    def url(self) -> str:
        """`https://localhost:PORT`, without a trailing slash; `https://localhost` at the usual port."""
        return f"https://{self._host}" if self.port == HTTPS else f"https://{self._host}:{self.port}"

    @property
    def directory(self) -> Directory:
        """The users, tenants and subscriptions right now."""
        return self.state.directory

    def github_environment(self, subject: str = GITHUB_SUBJECT) -> dict[str, str]:
        """The environment variables of a new GitHub Actions job; its tokens are of the issuer "github"."""
        return self.admin.github_environment(subject)

    def azure_pipelines_environment(
        self, subject: str = PIPELINES_SUBJECT, service_connection_id: str = SERVICE_CONNECTION
    ) -> dict[str, str]:
        """The environment variables of a new Azure Pipelines job; its tokens are of the issuer "azure-pipelines"."""
        return self.admin.azure_pipelines_environment(subject, service_connection_id)

    def start(self) -> LocalCloud:
        """Listen; returns when connections are accepted."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._server_pem)
        # A free port on IPv4 may be taken on IPv6: try again with another one.
        for _ in range(10):
            try:
                self._listen(context)
                break
            except OSError:
                self._close()
                if self._wanted_port:
                    raise
        else:
            raise OSError("no port is free on both 127.0.0.1 and ::1")
        for server in self._servers:
            thread = threading.Thread(target=server.serve, name=f"localcloud {server.bind_addr[0]}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def _listen(self, context: ssl.SSLContext) -> None:
        self.port = self._wanted_port
        for host in ["127.0.0.1"] + (["::1"] if _has_ipv6() else []):
            self.port = self._open(host, self.port, THREADS, self._server_pem, context)
        issuer = Issuer(self.state, signing_key_of("Entra ID"), self.url)
        self.state.issuers.base_url = self.url
        app = make_app(self.state, issuer, self.admin, self.admin_key, self.ca_bundle, self.azure_stack)
        for server in self._servers:
            server.wsgi_app = app
        self._listen_for_identities(issuer)

    def _listen_for_identities(self, issuer: Issuer) -> None:
        """Managed identities ask over plain http, a Service Fabric cluster over TLS with a certificate of its own."""
        fabric = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        fabric.load_cert_chain(self._dir / "fabric.pem")
        self.identity_port = self._open("127.0.0.1", 0, IDENTITY_THREADS)
        self.fabric_port = self._open("127.0.0.1", 0, IDENTITY_THREADS, self._dir / "fabric.pem", fabric)
        app = make_identity_app(self.state, issuer, self.identity_secret, self._arc_files)
        for server in self._servers[-2:]:
            server.wsgi_app = app

    def _open(
        self, host: str, port: int, threads: int, pem: Path | None = None, context: ssl.SSLContext | None = None
    ) -> int:
        """Prepare a server, with TLS if there is a context; return its port."""
        server = _Server((host, port), None, numthreads=threads, request_queue_size=256, timeout=30, shutdown_timeout=1)
        server.gateway = _Gateway
        server.keep_alive_conn_limit = 512
        server.expiration_interval = TICK
        if context is not None:
            assert pem
            server.ssl_adapter = _LazyHandshake(pem, context)
        self._servers.append(server)
        server.prepare()
        return int(server.bind_addr[1])

    def _close(self) -> None:
        for server in self._servers:
            server.stop()
        for thread in self._threads:
            thread.join(timeout=5)
        self._servers.clear()
        self._threads.clear()

    def stop(self) -> None:
        """Stop listening and remove temporary files. Nothing hangs any longer than that."""
        self.state.faults.clear()
        self._close()
        self._remove_arc_files()
        if self._temporary:
            shutil.rmtree(self._dir, ignore_errors=True)

    def __enter__(self) -> LocalCloud:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
