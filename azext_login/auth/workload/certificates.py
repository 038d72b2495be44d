"""The certificate of a service principal, in the form that MSAL uses and in the form that the host can read."""

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
    load_content,
    load_file,
    needs_passphrase,
    unsupported_key,
)
from azext_login.auth.workload.pem import find_blocks, is_plain
from azext_login.errors import RefusalKind
from azext_login.system.command_line import Command

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

__all__ = ["ClientCertificate", "certificate_in", "needs_passphrase", "read_certificate"]

# Seconds. A new certificate may come from a computer whose clock is ahead of this one's.
_CLOCK_SKEW = 300.0


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate that is valid now, with its RSA key."""

    chain: str
    """PEM blocks: the certificate, then its issuers as far as the file contains them, without the root."""
    thumbprint: str
    """SHA-1 of the certificate as 40 upper-case hexadecimal digits: the form that azure-cli registers and sends."""
    host_readable: bool
    """Whether built-in commands can use the file unchanged.

    azure.cli.core.auth.identity.ServicePrincipalAuth reads it as text, uses the thumbprint of its first certificate,
    and passes the whole text to MSAL as a private key without a passphrase.
    """
    private_key: str = field(repr=False)
    """The unencrypted key: PKCS#8 (RFC 5958) as PEM."""

    def as_msal_credential(self, *, send_chain: bool) -> dict[str, str]:
        """Return the `client_credential` of msal.ConfidentialClientApplication. A secret.

        :param send_chain: whether to send the chain (`x5c`), so that Entra can trust the certificate by its subject
            name and issuer.
        """
        credential = {"private_key": self.private_key, "thumbprint": self.thumbprint}
        if send_chain:
            # MSAL sends the text between the markers unchanged, and RFC 7515 section 4.1.6 allows no line breaks.
            credential["public_certificate"] = "\n".join(
                f"-----BEGIN CERTIFICATE-----{block.body}-----END CERTIFICATE-----" for block in find_blocks(self.chain)
            )
        return credential

    def pem_text(self) -> str:
        """Return the unencrypted key and the chain as PEM, which built-in commands can use. A secret."""
        return self.private_key + self.chain


def read_certificate(path: Path, *, passphrase: str | None, now: float, command: Command) -> ClientCertificate:
    """Read the certificate and the key of a service principal from a PEM or PKCS#12 (PFX) file.

    The blocks of a PEM file may be in any order and may be surrounded by other text. The certificate is the one that
    belongs to the private key; of several, the first one that is valid now.

    :param path: the file, without `~`.
    :param passphrase: of the key or the PFX file; None or empty without one. Ignored if the file has none.
    :param now: POSIX time in seconds.
    :param command: the `az login` with this certificate, for the advice. Contains no secret.
    :raises SignInError: the file cannot be read or lacks the key or the certificate, they do not belong together, the
        passphrase is missing or wrong, the key is not RSA, or the certificate is not valid now.
    """
    return _certificate_of(load_file(path, passphrase, command), now)


def certificate_in(text: str, shown: str, *, now: float, command: Command) -> ClientCertificate:
    """Return the certificate and the key of a PEM text in memory.

    :param text: has no passphrase. A secret.
    :param shown: where it comes from, for errors.
    :param now: POSIX time in seconds.
    :param command: the `az login` that gets it, for the advice.
    :raises SignInError: as `read_certificate`.
    """
    return _certificate_of(load_content(shown, text.encode("utf-8", "replace"), None, command), now)


def _certificate_of(content: FileContent, now: float) -> ClientCertificate:
    try:
        key, candidates = _match_key(content)
        leaf = _select_valid(content.path, candidates, now)
        return _client_certificate(content, key, leaf)
    except ValueError:
        # cryptography parses the parts of a certificate when they are used.
        raise refusal(
            f"The certificate in {content.path} is damaged.",
            "Create or export it again; then run the command again.",
        ) from None


def _match_key(content: FileContent) -> tuple[PrivateKeyTypes, list[Certificate]]:
    """Return the first key that has a certificate in the file, and the certificates of that key."""
    for key in content.keys:
        wanted = _public_bytes(key)
        matching = [one for one in content.certificates if _public_bytes(one) == wanted]
        if matching:
            return key, matching
    if content.unusable_key is not None:
        raise content.unusable_key
    names = " / ".join(one.subject.rfc4514_string() or "no subject" for one in content.certificates)
    raise refusal(f"The private key in {content.path} does not belong to the certificate in it ({names}).", COMBINE)


def _public_bytes(owner: PrivateKeyTypes | Certificate) -> bytes | None:
    """Return the public key as DER; None for a certificate whose key cryptography does not support."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        return owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (UnsupportedAlgorithm, ValueError):
        return None


def _select_valid(path: str, candidates: Sequence[Certificate], now: float) -> Certificate:
    for one in candidates:
        if one.not_valid_before_utc.timestamp() - _CLOCK_SKEW <= now <= one.not_valid_after_utc.timestamp():
            return one
    latest = max(candidates, key=lambda one: one.not_valid_after_utc)
    clock = f"this computer's clock: {_utc(datetime.fromtimestamp(now, timezone.utc))}"
    if latest.not_valid_after_utc.timestamp() < now:
        raise refusal(
            f"The certificate in {path} expired at {_utc(latest.not_valid_after_utc)} ({clock}).",
            "Create a new one with an account that owns the application:\n"
            "az ad app credential reset --id APP_ID --create-cert --append",
            kind=RefusalKind.EXPIRED,
        )
    raise refusal(
        f"The certificate in {path} is not valid before {_utc(latest.not_valid_before_utc)} ({clock}).",
        "Check the clock of this computer, or wait; then run the command again.",
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
        chain="".join(map(_pem, _chain(leaf, content.certificates))),
        thumbprint=leaf.fingerprint(SHA1()).hex().upper(),
        host_readable=_is_host_readable(content.raw, key, leaf),
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii"),
    )


def _pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _chain(leaf: Certificate, certificates: Sequence[Certificate]) -> list[Certificate]:
    """Return the leaf and its issuers. The root may be omitted: the recipient has it (RFC 8446 section 4.4.2)."""
    chain = [leaf]
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((one for one in certificates if one not in chain and _issued(one, chain[-1])), None)
        if issuer is None or issuer.issuer == issuer.subject:
            break
        chain.append(issuer)
    return chain


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    """Tell whether the signature is the issuer's. Several issuers may have the same name: one for each of its keys."""
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
        # pyOpenSSL accepts ASCII only.
        text = raw.decode("ascii")
        first_key = load_pem_private_key(raw, None)
        first_certificate = load_pem_x509_certificate(raw)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: the key is encrypted
        return False
    return is_plain(text) and first_certificate == leaf and _public_bytes(first_key) == _public_bytes(key)
