"""The signing key of the token service: signs RS256 JSON Web Tokens, publishes its public half, verifies."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515 appendix C)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class SigningKey:
    """One RSA key pair, kept in memory only."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._public = self._private.public_key()
        der = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.kid = b64(hashlib.sha256(der).digest()[:20])
        numbers = self._public.public_numbers()
        self.jwk = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "x5t": self.kid,
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }

    def sign(self, claims: dict[str, Any], kid: str | None = None) -> str:
        """A compact JWS. Another `kid` than this key's makes a forgery."""
        named = kid or self.kid
        return jwt.encode(claims, self._private, algorithm="RS256", headers={"kid": named, "x5t": named})

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token of ours; only the signature, `kid` and algorithm are checked here.

        Raises jwt.InvalidTokenError. Times are compared by the caller, whose clock may be shifted.
        """
        if jwt.get_unverified_header(token).get("kid") != self.kid:
            raise jwt.InvalidTokenError("unknown key id")
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        return jwt.decode(token, self._public, algorithms=["RS256"], options=options)


@functools.cache
def signing_key_of(service: str) -> SigningKey:
    """Return the key that a service signs with in every cloud of this process: making one takes a tenth of a second."""
    return SigningKey()
