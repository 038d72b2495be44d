"""The network of a Cloud Shell, as a proxy: MSAL has the addresses that it asks there built in.

It asks `localhost:50342` for tokens, whatever MSI_ENDPOINT is (msal/cloudshell.py), and Microsoft's sign-in service
for the discovery document of the authority, which it makes no use of (msal/application.py). Both are answered here;
everything else on loopback is passed on, and nothing leaves the computer.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

_SIGN_IN_SERVICE = "login.microsoftonline.com"
_TOKENS = "http://localhost:50342/oauth2/token"
#: Host names that tunnels may lead to.
_LOOPBACK = ("localhost", "127.0.0.1")
_PATIENCE = 60.0  # seconds


class CloudShellNetwork:
    """Proxies for any number of shells at the same time, and the authorities that processes behind them trust."""

    def __init__(self, cloud_ca: str | Path, bundle: Path) -> None:
        """cloud_ca: the certificate authority of the local cloud. bundle: gets it, and the one of the stand-in."""
        ca = trustme.CA(organization_name="Cloud Shell of the parity suite")
        bundle.write_bytes(Path(cloud_ca).read_bytes() + ca.cert_pem.bytes())
        self._bundle = bundle
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(_SIGN_IN_SERVICE).configure_cert(self._tls)

    @contextlib.contextmanager
    def around(self, variables: dict[str, str]) -> Iterator[dict[str, str]]:
        """Start a proxy and yield the environment of a process behind it; stop it at the end.

        variables: the environment of the shell, MSI_ENDPOINT among it (`LocalCloud.cloud_shell_environment`).
        """

        class Handler(_Handler):
            token_service = variables["MSI_ENDPOINT"]
            tls = self._tls

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        proxy = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield {
                **variables,
                "HTTP_PROXY": proxy,
                "HTTPS_PROXY": proxy,
                # Not localhost, which is what MSAL calls the token service.
                "NO_PROXY": "127.0.0.1,::1",
                "REQUESTS_CA_BUNDLE": str(self._bundle),
            }
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection to the proxy."""

    token_service: str
    tls: ssl.SSLContext

    def do_POST(self) -> None:
        """Pass a request for a token on to the local cloud. The host's name is `localhost` in what MSAL sends."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != _TOKENS:
            self.send_error(403)
            return
        names = ("Content-Type", "Metadata")
        request = urllib.request.Request(
            self.token_service, body, {name: self.headers[name] for name in names if name in self.headers}
        )
        # The process that runs the suite may have a proxy of its own.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AnyStatus())
        with opener.open(request, timeout=_PATIENCE) as answer:
            self._answer(answer.status, answer.read())

    def do_CONNECT(self) -> None:
        """Open a tunnel to this machine, or to the stand-in for the sign-in service."""
        host, _, port = self.path.rpartition(":")
        self.close_connection = True
        if host in _LOOPBACK:
            with socket.create_connection((host, int(port)), timeout=_PATIENCE) as target:
                self._connected()
                _relay(self.connection, target)
        elif host == _SIGN_IN_SERVICE:
            self._connected()
            self._sign_in_service()
        else:
            self.send_error(403)

    def _connected(self) -> None:
        self.send_response(200, "Connection established")
        self.end_headers()

    def _sign_in_service(self) -> None:
        """Answer one request for a discovery document (OpenID Connect Discovery 1.0 section 4.2)."""
        with contextlib.suppress(OSError), self.tls.wrap_socket(self.connection, server_side=True) as secured:
            path = secured.makefile("rb").readline().split()[1].decode()
            base = f"https://{_SIGN_IN_SERVICE}{path.partition('/v2.0')[0]}"
            document = {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
            self.wfile = secured.makefile("wb")
            self._answer(200, json.dumps(document).encode())
            self.wfile.flush()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: only the output of commands counts."""


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Hands refusals on instead of raising them."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one end sends nothing more."""
    ends = {one: other, other: one}
    with contextlib.suppress(OSError):
        while True:
            ready, _, _ = select.select(list(ends), [], [], _PATIENCE)
            for end in ready:
                if not (data := end.recv(65536)):
                    return
                ends[end].sendall(data)
            if not ready:
                return
