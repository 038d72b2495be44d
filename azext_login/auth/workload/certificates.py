"""The certificate that a service principal signs in with, as MSAL takes it and as the host can use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from azext_login.auth.input_files import refusal
from azext_login.auth.workload.certificate_files import (
    COMBINE,
    FileContent,
    load_file,
    needs_passphrase,
    unsupported_key,
)
from azext_login.auth.workload.pem import find_blocks, is_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

__all__ = ["ClientCertificate", "needs_passphrase", "read_certificate"]

# A certificate may have been made a moment ago on a machine whose clock is ahead of this one, in seconds.
_CLOCK_SKEW = 300.0


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate that is valid now, with its RSA key."""

    certificate: str
    """The certificate of the private key, as PEM."""
    chain: str
    """The certificate, then its issuers as far as the file has them, without the root; as PEM."""
    thumbprint: str
    """SHA-1 of the certificate, 40 upper-case hexadecimal digits: the form that azure-cli registers and sends."""
    host_readable: bool
    """Whether built-in commands can use the file as it is.

    azure.cli.core.auth.identity.ServicePrincipalAuth reads it as text, takes the thumbprint of its first certificate,
    and hands the whole text to MSAL as a private key, without a passphrase.
    """
    private_key: str = field(repr=False)
    """The key as PEM, PKCS#8 (RFC 5958), not encrypted."""

    def as_msal_credential(self, *, send_chain: bool) -> dict[str, str]:
        """Return the `client_credential` of msal.ConfidentialClientApplication. A secret.

        :param send_chain: send the certificates along (x5c), so that Entra can go by subject name and issuer. What
            MSAL finds between the markers it sends as it is, and RFC 7515 section 4.1.6 has no line breaks there.
        """
        credential = {"private_key": self.private_key, "thumbprint": self.thumbprint}
        if send_chain:
            credential["public_certificate"] = "\n".join(
                f"-----BEGIN CERTIFICATE-----{block.body}-----END CERTIFICATE-----" for block in find_blocks(self.chain)
            )
        return credential

    def pem_text(self) -> str:
        """Return the key, not encrypted, and the chain, in a form that built-in commands can use. A secret."""
        return self.private_key + self.chain


def read_certificate(path: Path, *, passphrase: str | None, now: float) -> ClientCertificate:
    """Read the certificate and the key of a service principal from a PEM or PKCS#12 (PFX) file.

    The blocks of a PEM file may stand in any order, with other text around them. The certificate is the one with the
    private key's public key; of several, the first that is valid now.

    :param path: the file. To expand a `~` is up to the caller, who has to store the path as well.
    :param passphrase: of the key or the PFX file; None or empty for none. Not looked at where none is needed.
    :param now: POSIX time in seconds.
    :raises SignInError: the file cannot be read or lacks the key or the certificate, they do not belong together, the
        passphrase is missing or wrong, the key is not RSA, or the certificate is not valid now.
    """
    content = load_file(path, passphrase)
    key, candidates = _matching(content)
    leaf = _valid(content.path, candidates, now)
    return _client_certificate(content, key, leaf)


def _matching(content: FileContent) -> tuple[PrivateKeyTypes, list[Certificate]]:
    """Return the first key that has a certificate in the file, and its certificates."""
    for key in content.keys:
        wanted = _public_bytes(key)
        matching = [one for one in content.certificates if _public_bytes(one) == wanted]
        if matching:
            return key, matching
    if content.unusable_key is not None:
        raise content.unusable_key
    names = " / ".join(one.subject.rfc4514_string() or "without a name" for one in content.certificates)
    raise refusal(f"The private key in {content.path} does not belong to the certificate there ({names}).", COMBINE)


def _public_bytes(owner: PrivateKeyTypes | Certificate) -> bytes | None:
    """Return the public key as DER; None for a certificate with a key of a kind that cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (UnsupportedAlgorithm, ValueError):
        return None


def _valid(path: str, candidates: Sequence[Certificate], now: float) -> Certificate:
    for one in candidates:
        if one.not_valid_before_utc.timestamp() - _CLOCK_SKEW <= now <= one.not_valid_after_utc.timestamp():
            return one
    latest = max(candidates, key=lambda one: one.not_valid_after_utc)
    clock = f"the clock here says {_utc(datetime.fromtimestamp(now, timezone.utc))}"
    if latest.not_valid_after_utc.timestamp() < now:
        raise refusal(
            f"The certificate in {path} expired at {_utc(latest.not_valid_after_utc)} ({clock}).",
            "Create another one with an account that owns the application:\n"
            "az ad app credential reset --id APP_ID --create-cert --append",
        )
    raise refusal(
        f"The certificate in {path} is not valid before {_utc(latest.not_valid_before_utc)} ({clock}).",
        "Check the clock of this machine, or wait; then run the command again.",
    )


def _utc(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")


def _client_certificate(content: FileContent, key: PrivateKeyTypes, leaf: Certificate) -> ClientCertificate:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    # MSAL signs with RS256 and PS256 only (`_build_client` in msal/application.py).
    if not isinstance(key, RSAPrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey").replace("EllipticCurve", "EC")
        raise unsupported_key(content.path, kind)
    return ClientCertificate(
        certificate=_pem(leaf),
        chain="".join(map(_pem, _chain(leaf, content.certificates))),
        thumbprint=leaf.fingerprint(SHA1()).hex().upper(),
        host_readable=_is_host_readable(content.raw, key, leaf),
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"),
    )


def _pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _chain(leaf: Certificate, certificates: Sequence[Certificate]) -> list[Certificate]:
    """Return the leaf and its issuers. Whoever checks a chain has the root already (RFC 8446 section 4.4.2)."""
    chain = [leaf]
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((one for one in certificates if one not in chain and _issued(one, chain[-1])), None)
        if issuer is None or issuer.issuer == issuer.subject:
            break
        chain.append(issuer)
    return chain


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    """Tell whether the signature is the issuer's: one name may stand for the keys of several years."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_host_readable(raw: bytes, key: PrivateKeyTypes, leaf: Certificate) -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        # pyOpenSSL takes ASCII only.
        text = raw.decode("ascii")
        first_key = load_pem_private_key(raw, None)
        first_certificate = load_pem_x509_certificate(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key is encrypted
        return False
    return is_plain(text) and first_certificate == leaf and _public_bytes(first_key) == _public_bytes(key)
