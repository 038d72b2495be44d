"""Keys, certificates and files with them, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def _encryption(passphrase: str | None) -> KeySerializationEncryption:
    return BestAvailableEncryption(passphrase.encode("utf-8", "surrogateescape")) if passphrase else NoEncryption()


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def thumbprint(self) -> str:
        """SHA-1, as the portal shows it."""
        return self.certificate.fingerprint(hashes.SHA1()).hex().upper()

    def key_pem(self, form: PrivateFormat = PrivateFormat.PKCS8, passphrase: str | None = None) -> str:
        """The private key in one of OpenSSL's forms."""
        encryption = _encryption(passphrase)
        return self.key.private_bytes(Encoding.PEM, form, encryption).decode()

    def key_der(self, passphrase: str | None = None) -> bytes:
        """The private key as PKCS#8 in DER."""
        encryption = _encryption(passphrase)
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption)

    def pfx(self, *others: Identity, passphrase: str | None = None) -> bytes:
        """Key, certificate and other certificates in a PKCS#12 file."""
        encryption = _encryption(passphrase)
        return pkcs12.serialize_key_and_certificates(
            b"test", self.key, self.certificate, [one.certificate for one in others], encryption
        )


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the key of this name. It is generated once, because that is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def issue(
    name: str,
    *,
    issuer: Identity | None = None,
    key: Key | None = None,
    valid: tuple[datetime, datetime] = (NOW - DAY, NOW + 365 * DAY),
) -> Identity:
    """Issue a certificate; without an issuer it is signed by its own key."""
    key = key or rsa_key(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = issuer.key if issuer else key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return Identity(key, certificate)
