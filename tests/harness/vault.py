"""A stand-in for HashiCorp Vault: an HTTPS server on this computer that issues the tokens of the local cloud.

https://developer.hashicorp.com/vault/api-docs/secret/identity/tokens#generate-a-signed-id-token
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

KEY = "hvs.vault-key-canary"
_PATH = "/v1/identity/oidc/token/"


@dataclass
class Vault:
    """A Vault that runs."""

    address: str
    ca_file: Path
    issue: Callable[[], str]
    """Returns a new identity token."""
    roles: list[str] = field(default_factory=list)
    """The roles that tokens were issued for, the first one first."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A connection that does not fit in the queue is tried again after a second, by default the sixth one.
    request_queue_size = 64


@contextmanager
def running_vault(folder: Path, issue: Callable[[], str]) -> Iterator[Vault]:
    """Run a Vault. It accepts the key `KEY` alone.

    folder: receives its CA certificate.
    """
    authority = trustme.CA()
    ca_file = folder / "vault-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["X-Vault-Token"] != KEY or not self.path.startswith(_PATH):
                self.send_error(403)
                return
            vault.roles.append(self.path.removeprefix(_PATH))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": {"token": vault.issue(), "ttl": 600}}).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    vault = Vault(f"https://localhost:{server.server_port}", ca_file, issue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
