"""Issuers of workload tokens, as GitHub, Azure DevOps and Kubernetes clusters run them, below /issuers/NAME.

Each has a key of its own, and a discovery document (OpenID Connect Discovery 1.0, section 4) that leads to it. They are
no part of the token service: it learns their keys through that document, like Entra ("Workload identity federation").
"""

from __future__ import annotations

import re
import secrets
import threading
from typing import Any

from flask import Blueprint, Response, abort, jsonify

from tests.localcloud.keys import SigningKey

#: Issuers that exist from the start.
NAMES = ("github", "azure-pipelines", "kubernetes")
_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,40}$")


class WorkloadIssuers:
    """The issuers of one cloud; a name becomes an issuer when it is first used. `base_url` is set when it listens."""

    def __init__(self) -> None:
        self.base_url = ""
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}

    def url(self, name_or_url: str) -> str:
        """What tokens of an issuer have as `iss`; an address stays as it is. ValueError for an impossible name."""
        if "://" in name_or_url:
            return name_or_url
        if not _NAME.match(name_or_url):
            raise ValueError("an issuer's name is lower-case letters, digits and hyphens")
        return f"{self.base_url}/issuers/{name_or_url}"

    def key(self, name: str) -> SigningKey:
        """The issuer's key, made when it is first asked for."""
        with self._lock:
            if name not in self._keys:
                self._keys[name] = SigningKey()
            return self._keys[name]

    def known(self, name: str) -> SigningKey | None:
        """The issuer's key, if there is such an issuer."""
        return self.key(name) if name in NAMES or name in self._keys else None

    def rotate(self, name: str) -> None:
        """Give an issuer a new key and forget the old one."""
        with self._lock:
            self._keys[name] = SigningKey()

    def issue(
        self, name: str, subject: str, audience: str | list[str], start: float, end: float, forged: bool = False
    ) -> str:
        """A signed token, valid from `start` to `end` (seconds UTC). A forged one names the key that didn't sign it."""
        claims = {
            "iss": self.url(name),
            "sub": subject,
            "aud": audience,
            "iat": int(start),
            "nbf": int(start),
            "exp": int(end),
            "jti": secrets.token_hex(16),
        }
        key = self.key(name)
        return SigningKey().sign(claims, key.kid) if forged else key.sign(claims)


def issuers_blueprint(issuers: WorkloadIssuers) -> Blueprint:
    """The discovery documents and key sets."""
    pages = Blueprint("issuers", __name__)

    @pages.get("/issuers/<name>/.well-known/openid-configuration")
    def discovery(name: str) -> Response:
        if issuers.known(name) is None:
            abort(404)
        found: dict[str, Any] = {
            "issuer": issuers.url(name),
            "jwks_uri": f"{issuers.url(name)}/.well-known/jwks",
            "subject_types_supported": ["public"],
            "response_types_supported": ["id_token"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["sub", "aud", "exp", "iat", "iss", "jti", "nbf"],
        }
        return jsonify(found)

    @pages.get("/issuers/<name>/.well-known/jwks")
    def keys(name: str) -> Response:
        key = issuers.known(name)
        if key is None:
            abort(404)
        return jsonify({"keys": [key.jwk]})

    return pages
