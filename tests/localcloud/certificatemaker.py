"""Certificates and the assertions signed with them, for tests: self-signed, issued by a CA, expired, not yet valid."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.localcloud.keys import b64


@dataclass(frozen=True)
class MadeCertificate:
    """A certificate, its key, and the certificates that lead from it to a CA (`chain`, its issuer first)."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        """The certificate and its chain as PEM text."""
        rest = (c.public_bytes(serialization.Encoding.PEM).decode() for c in self.chain)
        return self.pem + "".join(rest)

    def key_pem(self, passphrase: str | None = None) -> str:
        """The key as PEM text (PKCS #8), encrypted when there is a passphrase."""
        how: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase is not None:
            how = serialization.BestAvailableEncryption(passphrase.encode())
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()

    @property
    def thumbprint(self) -> str:
        """SHA-1, upper-case hexadecimal."""
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()

    def x5c(self) -> list[str]:
        """The certificate and its chain as the header parameter (RFC 7515 4.1.6)."""
        ders = (c.public_bytes(serialization.Encoding.DER) for c in (self.certificate, *self.chain))
        return [base64.b64encode(der).decode() for der in ders]

    def assertion(
        self,
        app_id: str,
        audience: str,
        *,
        headers: dict[str, Any] | None = None,
        with_chain: bool = False,
        algorithm: str = "RS256",
        **claims: Any,
    ) -> str:
        """A client assertion (RFC 7523); `headers` and `claims` replace what is usual, None removes one."""
        usual = {
            "aud": audience,
            "iss": app_id,
            "sub": app_id,
            "exp": int(time.time()) + 600,
            "jti": str(uuid4()),
            **claims,
        }
        named: dict[str, Any] = {
            "x5t": b64(self.certificate.fingerprint(hashes.SHA1())),
            **({"x5c": self.x5c()} if with_chain else {}),
            **(headers or {}),
        }
        return jwt.encode(
            {k: v for k, v in usual.items() if v is not None},
            self.key,
            algorithm,
            headers={k: v for k, v in named.items() if v is not None},
        )


def make_certificate(
    common_name: str,
    issuer: MadeCertificate | None = None,
    *,
    ca: bool = False,
    starts_in: timedelta = timedelta(hours=-1),
    ends_in: timedelta = timedelta(days=1),
) -> MadeCertificate:
    """A certificate signed by `issuer`, or by itself; its dates are relative to now."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts_in)
        .not_valid_after(now + ends_in)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    chain = (issuer.certificate, *issuer.chain) if issuer else ()
    return MadeCertificate(built, key, chain)
