"""The certificate that a service principal signs in with: its file, its passphrase, and what MSAL and the host need."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SignInError
from ._input_files import decode_text, read_input_file, refusal
from .pem import PemBlock, find_blocks, is_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

_LIMIT = 1024 * 1024  # bytes; a key with a chain has a few thousand

# A certificate may have been made a moment ago, on a machine whose clock is ahead of this one. Entra tolerates as much.
_CLOCK_SKEW = 300.0  # seconds

_NEW_CERTIFICATE = (
    "Create another certificate with an account that owns the application:\n"
    "az ad app credential reset --id APP_ID --create-cert --append"
)
_BOTH = (
    "Give a file with the certificate and its private key. To make one of the two files:\n"
    "openssl pkcs12 -export -inkey KEY_FILE -in CERTIFICATE_FILE -out BOTH.pfx"
)


@dataclass(frozen=True)
class ClientCertificate:
    """A certificate that is valid now, with its RSA key."""

    certificate: str
    """The certificate of the private key, as PEM."""
    chain: str
    """The certificate and its issuers as far as the file has them, without the root, as PEM."""
    thumbprint: str
    """SHA-1 of the certificate, 40 upper-case hexadecimal digits; azure-cli registers and sends it in this form."""
    host_readable: bool
    """Whether azure-cli's built-in commands can use the file as it is.

    They read it as text, take its first certificate for the thumbprint, and hand the whole text to MSAL as a
    private key without a passphrase (azure.cli.core.auth.identity.ServicePrincipalAuth).
    """
    private_key: str = field(repr=False)
    """The key as PEM, PKCS#8, without encryption."""

    def as_msal_credential(self, *, send_chain: bool) -> dict[str, str]:
        """Return MSAL's `client_credential` (msal.ClientApplication).

        :param send_chain: send the certificates along (x5c, RFC 7515 section 4.1.6), so that Entra can check subject
            name and issuer in place of the thumbprint.
        """
        credential = {"private_key": self.private_key, "thumbprint": self.thumbprint}
        if send_chain:
            # MSAL sends what is between the markers as it is, and base64 in a header has no line breaks (RFC 7515).
            credential["public_certificate"] = "".join(
                f"-----BEGIN CERTIFICATE-----{block.body}-----END CERTIFICATE-----" for block in find_blocks(self.chain)
            )
        return credential

    def pem_text(self) -> str:
        """Return the key without encryption and the certificates, in a form that built-in commands read. A secret."""
        return self.private_key + self.chain


def needs_passphrase(path: Path) -> bool:
    """Whether the file at `path` is encrypted, found out without a passphrase.

    False for a file that is no certificate at all: `read_certificate` says what it is.

    :raises SignInError: the file cannot be read.
    """
    content = read_input_file(path, what="the certificate file", limit=_LIMIT)
    if _is_pkcs12(content):
        try:
            _load_pkcs12(content, None)
        except ValueError as error:
            return _is_wrong_passphrase(error)
        return False
    keys = [block for block in find_blocks(decode_text(content)) if block.is_private_key]
    return bool(keys) and all(block.is_encrypted for block in keys)


def read_certificate(path: Path, *, passphrase: str | None, now: float) -> ClientCertificate:
    """Read a service principal's certificate and key: PEM, or PKCS#12 (PFX; RFC 7292).

    In a PEM file the blocks may stand in any order, with other text around them. The certificate is the one that has
    the private key's public key; of several, the first that is valid.

    :param path: the file; a `~` is the caller's to expand.
    :param passphrase: of the PEM key or the PKCS#12 file; None or empty for none. Not looked at if none is needed.
    :param now: POSIX time in seconds.
    :raises SignInError: the file cannot be used, the passphrase is missing or wrong, the key fits no certificate or is
        not RSA, or the certificate is not valid now. The message names no secret.
    """
    content = read_input_file(path, what="the certificate file", limit=_LIMIT)
    file = _CertificateFile(os.path.abspath(path), content, passphrase or None)
    keys, certificates = file.read_pkcs12() if _is_pkcs12(content) else file.read_pem()
    key, candidates = file.match(keys, certificates)
    leaf = file.choose(candidates, now)
    return _client_certificate(file, key, leaf, _chain(leaf, certificates))


class _CertificateFile:
    """A file that is being read: its errors name it."""

    def __init__(self, path: str, content: bytes, passphrase: str | None):
        self.path = path
        self.content = content
        self._passphrase = passphrase
        self._unusable_key: SignInError | None = None

    def read_pkcs12(self) -> tuple[list[PrivateKeyTypes], list[Certificate]]:
        """Return the key and the certificates of a PKCS#12 file."""
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            key, certificates = _load_pkcs12(self.content, self._passphrase)
        except UnsupportedAlgorithm as error:
            raise self._unsupported_encryption() from error
        except ValueError as error:
            if not _is_wrong_passphrase(error):
                raise self._damaged() from error
            raise (self._wrong_passphrase() if self._passphrase else self._passphrase_missing()) from error
        if key is None:
            raise self._half("certificates" if certificates else "nothing that is of use here,", "private key")
        if not certificates:
            raise self._half("a private key", "certificate")
        return [key], certificates

    def read_pem(self) -> tuple[list[PrivateKeyTypes], list[Certificate]]:
        """Return the keys and the certificates of a PEM file; a key that cannot be read is remembered."""
        blocks = find_blocks(decode_text(self.content))
        key_blocks = [block for block in blocks if block.is_private_key]
        certificate_blocks = [block for block in blocks if block.is_certificate]
        if not key_blocks and not certificate_blocks:
            raise self._unknown_format()
        if not key_blocks:
            raise self._half("a certificate", "private key")
        if not certificate_blocks:
            raise self._half("a private key", "certificate")
        keys = [key for key in map(self._load_key, key_blocks) if key is not None]
        certificates = [one for one in map(_load_certificate, certificate_blocks) if one is not None]
        if not certificates:
            raise self._damaged()
        return keys, certificates

    def _load_key(self, block: PemBlock) -> PrivateKeyTypes | None:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        problem: SignInError
        if block.label == "OPENSSH PRIVATE KEY":
            problem = refusal(
                f"The private key in {self.path} is in OpenSSH's format.",
                'Convert a copy of the key, and put the certificate behind it:\nssh-keygen -p -m PKCS8 -f "COPY"',
            )
        elif block.is_encrypted and not self._passphrase:
            problem = self._passphrase_missing()
        else:
            try:
                password = _encoded(self._passphrase) if block.is_encrypted else None
                return load_pem_private_key(block.text().encode("ascii", "replace"), password)
            except UnsupportedAlgorithm:
                problem = self._unsupported_encryption() if block.is_encrypted else self._unsupported_key("unknown")
            except (ValueError, TypeError):
                problem = self._wrong_passphrase() if block.is_encrypted else self._damaged()
        # Another key in the file may be the one.
        self._unusable_key = self._unusable_key or problem
        return None

    def match(
        self, keys: Sequence[PrivateKeyTypes], certificates: Sequence[Certificate]
    ) -> tuple[PrivateKeyTypes, list[Certificate]]:
        """Return the first key that has a certificate, and its certificates."""
        for key in keys:
            wanted = _public_bytes(key.public_key())
            matching = [one for one in certificates if _public_bytes_of(one) == wanted]
            if matching:
                return key, matching
        if self._unusable_key is not None:
            raise self._unusable_key
        subjects = " / ".join(one.subject.rfc4514_string() or "(no name)" for one in certificates)
        raise refusal(f"The private key in {self.path} does not belong to its certificate ({subjects}).", _BOTH)

    def choose(self, candidates: Sequence[Certificate], now: float) -> Certificate:
        """Return the first certificate that is valid now."""
        for one in candidates:
            if one.not_valid_before_utc.timestamp() - _CLOCK_SKEW <= now <= one.not_valid_after_utc.timestamp():
                return one
        latest = max(candidates, key=lambda one: one.not_valid_after_utc)
        clock = f"the clock here says {_utc(datetime.fromtimestamp(now, timezone.utc))}"
        if latest.not_valid_after_utc.timestamp() < now:
            raise refusal(
                f"The certificate in {self.path} expired at {_utc(latest.not_valid_after_utc)} ({clock}).",
                _NEW_CERTIFICATE,
            )
        raise refusal(
            f"The certificate in {self.path} is not valid before {_utc(latest.not_valid_before_utc)} ({clock}).",
            "Check the clock of this machine, or wait; then run the command again.",
        )

    def _unknown_format(self) -> SignInError:
        from cryptography.hazmat.primitives.serialization import load_der_private_key
        from cryptography.x509 import load_der_x509_certificate

        if _accepts(load_der_x509_certificate, self.content):
            return self._half("a certificate in DER form", "private key")
        if _accepts(load_der_private_key, self.content, None):
            return self._half("a private key in DER form", "certificate")
        if _is_pkcs12(_decoded_base64(self.content)):
            return refusal(
                f"{self.path} is a PFX file in base64, as Azure Key Vault gives it out.",
                f'Decode it, and give the path of the result:\nbase64 --decode "{self.path}" > CERTIFICATE.pfx',
            )
        return refusal(
            f"{self.path} is neither a PEM file nor a PFX (PKCS#12) file.",
            "Give a file with the certificate and its private key. A PEM file has lines that read "
            "-----BEGIN CERTIFICATE----- and -----BEGIN PRIVATE KEY-----.",
        )

    def _half(self, found: str, missing: str) -> SignInError:
        return refusal(f"{self.path} holds {found} but no {missing}.", _BOTH)

    def _passphrase_missing(self) -> SignInError:
        return refusal(f"{self.path} is encrypted, and no passphrase was given.", self._with_passphrase())

    def _wrong_passphrase(self) -> SignInError:
        return refusal(f"The passphrase for {self.path} is wrong, or the file is damaged.", self._with_passphrase())

    def _with_passphrase(self) -> str:
        return (
            "Give the passphrase on standard input:\n"
            f'az login --service-principal --username APP_ID --tenant TENANT_ID --certificate "{self.path}" '
            "--password=@-"
        )

    def _damaged(self) -> SignInError:
        return refusal(
            f"{self.path} is damaged: what is in it can be found but not read.",
            "Copy or export the certificate and its private key again; then run the command again.",
        )

    def _unsupported_encryption(self) -> SignInError:
        return refusal(
            f"{self.path} is encrypted in a way that is not supported here.",
            f'Write it again with encryption of today:\nopenssl pkcs12 -legacy -in "{self.path}" -out NEW.pem',
        )

    def _unsupported_key(self, kind: str) -> SignInError:
        return refusal(
            f"The private key in {self.path} is of type {kind}. Service principals sign in with RSA keys only.",
            _NEW_CERTIFICATE,
        )

    def require_rsa(self, key: PrivateKeyTypes) -> None:
        """Refuse a key that MSAL cannot sign with: it knows RS256 and PS256 only (msal.application, `_build_client`)."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        if not isinstance(key, RSAPrivateKey):
            raise self._unsupported_key(type(key).__name__.removesuffix("PrivateKey").replace("EllipticCurve", "EC"))
