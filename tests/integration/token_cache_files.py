"""What tests do to the stored tokens of an `az`: look at them, and let time pass."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from tests.harness.az import Az

_FILE = "msal_token_cache.json"


def let_tokens_age(az: Az, *, left: float, cached_ago: float = 3000) -> None:
    """Make every stored access token one that was cached some seconds ago and is valid for `left` more seconds."""
    let_tokens_expire(az, int(time.time() + left), cached_ago=cached_ago)


def let_tokens_expire(az: Az, moment: int, *, cached_ago: float = 3000) -> None:
    """Make every stored access token one that expires at `moment` (POSIX time)."""
    path = az.config_dir / _FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    for entry in document["AccessToken"].values():
        entry["cached_at"] = str(int(time.time() - cached_ago))
        entry["expires_on"] = entry["extended_expires_on"] = str(moment)
    path.write_text(json.dumps(document), encoding="utf-8")


def let_tokens_be_due(az: Az) -> None:
    """Make every stored access token one that Entra wants to be renewed already, although it has not expired."""
    path = az.config_dir / _FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    for entry in document["AccessToken"].values():
        entry["refresh_on"] = str(int(time.time() - 60))
    path.write_text(json.dumps(document), encoding="utf-8")


def access_tokens(az: Az) -> set[str]:
    """Return the access tokens that are stored."""
    document = json.loads((az.config_dir / _FILE).read_text(encoding="utf-8"))
    return {entry["secret"] for entry in document["AccessToken"].values()}


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token of the local cloud (RFC 7519), unverified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def make_cold(az: Az) -> None:
    """Leave refresh tokens, and nothing else that saves a request."""
    (az.config_dir / "msal_http_cache.bin").unlink(missing_ok=True)
    path = az.config_dir / "msal_token_cache.json"
    tokens = json.loads(path.read_text(encoding="utf-8"))
    tokens["AccessToken"] = {}
    path.write_text(json.dumps(tokens), encoding="utf-8")
