from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from azext_vaultlogin import login_plugin, record_change

from azext_login.api import SignedIn
from azext_login.testing import CredentialSourceContract, FakeCliContext, FakeIssuer, SourceBackend


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # by default, five threads may connect at the same time


class FakeVault(SourceBackend):
    """A Vault on this computer. Its tokens are those of a fake issuer."""

    key = "hvs.the-token-of-vault-itself"

    def __init__(self, issuer: FakeIssuer, folder: Path) -> None:
        self.lifetime, self.status, self.is_hanging = 600, 200, threading.Event()
        vault = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if vault.is_hanging.is_set():
                    threading.Event().wait(6)
                is_allowed = self.headers["X-Vault-Token"] == vault.key
                self.send_response(vault.status if is_allowed else 403)
                self.end_headers()
                self.wfile.write(json.dumps({"data": {"token": issuer.issue(lifetime=vault.lifetime)}}).encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.token_file = folder / "token"
        self.token_file.write_text(self.key)

    @property
    def arguments(self) -> Mapping[str, str]:
        address = f"http://127.0.0.1:{self.server.server_port}"
        return {"address": address, "role": "deploy", "token_file": str(self.token_file)}

    @property
    def secrets(self) -> Sequence[str]:
        return [self.key]

    def renew(self) -> None:
        """Each request gets a new token."""

    def expire(self) -> None:
        self.lifetime = -60

    def fail(self) -> None:
        self.status = 500

    def hang(self) -> None:
        self.is_hanging.set()


class TestVaultSource(CredentialSourceContract):
    module = "azext_vaultlogin.login_plugin"
    name = "vault"
    required_arguments = ("address", "role")

    @pytest.fixture
    def backend(self, issuer: FakeIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SourceBackend]:
        monkeypatch.setattr(login_plugin, "TIMEOUT", 3.0)
        vault = FakeVault(issuer, tmp_path)
        threading.Thread(target=vault.server.serve_forever, daemon=True).start()
        yield vault
        vault.server.shutdown()
        vault.server.server_close()


def test_a_sign_in_is_recorded(tmp_path: Path) -> None:
    cli_ctx = FakeCliContext(config_dir=tmp_path)
    cli_ctx.register_event(SignedIn.name, record_change)
    cli_ctx.raise_event(SignedIn.name, payload=SignedIn("AzureCloud", "alice@contoso.com"))
    (line,) = (tmp_path / "vaultlogin-changes.jsonl").read_text().splitlines()
    assert json.loads(line) == {"event": "azext_login.SignedIn", "account": "alice@contoso.com"}
