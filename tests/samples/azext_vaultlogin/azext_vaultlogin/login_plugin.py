"""The credential source `vault`: identity tokens of HashiCorp Vault, which an application trusts.

https://developer.hashicorp.com/vault/api-docs/secret/identity/tokens
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from azext_login.api import SignInError

if TYPE_CHECKING:
    from azext_login.api import SourceRequest

TIMEOUT = 10.0  # seconds


class VaultSource:
    """Identity tokens of one role. The arguments are stored, so they name the file with Vault's own token."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        for name in arguments:
            if name not in ("address", "role", "token_file"):
                raise ValueError(f"The source 'vault' has no argument '{name}'.")
        for name in ("address", "role"):
            if name not in arguments:
                raise ValueError(f"The source 'vault' requires --source-arg {name}=VALUE.")
        address = urlsplit(arguments["address"])
        if address.scheme != "https" and address.hostname != "127.0.0.1":
            raise ValueError("The argument 'address' is not an https address.")
        self._url = f"{arguments['address'].rstrip('/')}/v1/identity/oidc/token/{quote(arguments['role'], safe='')}"
        self._token_file = Path(arguments.get("token_file", "~/.vault-token")).expanduser()

    def fetch(self, request: SourceRequest) -> dict[str, object]:
        """Return a new identity token."""
        try:
            key = self._token_file.read_text(encoding="utf-8").strip()
            asked = urllib.request.Request(self._url, headers={"X-Vault-Token": key})
            with urllib.request.build_opener(_NoRedirect).open(asked, timeout=TIMEOUT) as answer:
                token = json.load(answer)["data"]["token"]
        except urllib.error.HTTPError as error:
            raise SignInError(f"Vault refused with HTTP status {error.code}.", next_step="Run:\nvault login") from None
        except OSError as error:
            raise SignInError(f"Vault could not be asked for a token: {error}") from None
        return {"version": 1, "kind": "assertion", "assertion": token}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Vault's own token goes to the address of the argument, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Return nothing, which makes a redirect an error."""


SOURCES = {"vault": VaultSource}
