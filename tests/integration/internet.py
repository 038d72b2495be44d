"""What the built-in commands ask in Cloud Shell at fixed addresses: its token service, and Entra's public authority."""

from __future__ import annotations

import http.client
import http.server
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from tests.localcloud import LocalCloud

#: MSAL asks there, whatever the value of MSI_ENDPOINT (msal/cloudshell.py).
_CLOUD_SHELL = ("127.0.0.1", 50342)
#: MSAL makes no application without its discovery document, and the host's one for Cloud Shell has no other authority.
_AUTHORITY = "login.microsoftonline.com"


@contextmanager
def internet_of_cloud_shell(cloud: LocalCloud, shell: Mapping[str, str], folder: Path) -> Iterator[dict[str, str]]:
    """Yield environment variables with which the two are found on loopback; `shell` is the environment there."""
    authority = trustme.CA()
    bundle = folder / "bundle.pem"
    bundle.write_bytes(Path(cloud.ca_bundle).read_bytes() + authority.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(_AUTHORITY).configure_cert(context)
    with ExitStack() as stack:
        stack.enter_context(_serving(_CLOUD_SHELL, _forwarder_to(shell["MSI_ENDPOINT"])))
        proxy = stack.enter_context(_serving(("127.0.0.1", 0), _proxy_to_authority(context)))
        yield {"HTTPS_PROXY": f"http://127.0.0.1:{proxy}", "REQUESTS_CA_BUNDLE": str(bundle)}


class _Silent(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _forwarder_to(address: str) -> type[_Silent]:
    target = urlsplit(address)

    class Forwarder(_Silent):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name: self.headers[name] for name in ("Metadata", "Content-Type")}
            onward = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            onward.request("POST", target.path, body, headers)
            answer = onward.getresponse()
            self.answer(answer.status, answer.read())

    return Forwarder


def _proxy_to_authority(context: ssl.SSLContext) -> type[_Silent]:
    class Proxy(_Silent):
        def do_CONNECT(self) -> None:
            if self.path != f"{_AUTHORITY}:443":
                self.send_error(403)
                return
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
            self.handle_one_request()

        def do_GET(self) -> None:
            base = f"https://{_AUTHORITY}/common"
            document = {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": f"https://{_AUTHORITY}/{{tenantid}}/v2.0",
            }
            self.answer(200, json.dumps(document).encode())

    return Proxy


@contextmanager
def _serving(address: tuple[str, int], handler: type[_Silent]) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(address, handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
