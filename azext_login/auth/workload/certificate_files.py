"""Reads the keys and certificates of a PEM or PKCS#12 file, and explains what is wrong with any other file."""

from __future__ import annotations

import base64
import binascii
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azext_login.auth.input_files import decode_text, read_input_file, refusal
from azext_login.auth.workload.pem import PemBlock, find_blocks
from azext_login.errors import SignInError
from azext_login.system.command_line import Command, quote_word
from azext_login.system.login_command import with_password

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

PASSPHRASE_VARIABLE = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
"""The environment variable with the passphrase of a certificate file. azure-identity uses the same name."""

COMBINE = (
    "Give a file with the certificate and its private key. To combine two files:\n"
    "openssl pkcs12 -export -inkey KEY_FILE -in CERTIFICATE_FILE -out BOTH.pfx"
)
"""Advice for a file that lacks the key or the certificate."""

_LONGEST_FILE = 1024 * 1024  # bytes; a key with a chain has a few thousand


@dataclass(frozen=True)
class FileContent:
    """The keys and certificates of a file, in its order. `raw` contains the private key: it is a secret like `keys`."""

    path: str
    raw: bytes
    keys: Sequence[PrivateKeyTypes]
    certificates: Sequence[Certificate]
    unusable_key: SignInError | None
    """Why a key of the file is not in `keys`; to be raised if no certificate belongs to one of `keys`."""

    def __repr__(self) -> str:
        return f"FileContent(path={self.path!r}, keys={len(self.keys)}, certificates={len(self.certificates)})"


def needs_passphrase(path: Path) -> bool:
    """Tell whether the file is encrypted.

    False for a file without a key or certificate: `load_file` explains what is wrong with it.

    :raises SignInError: the file cannot be read.
    """
    raw = _read(path)
    if is_pkcs12(raw):
        from cryptography.exceptions import UnsupportedAlgorithm

        try:
            _load_pkcs12(raw, None)
        except UnsupportedAlgorithm:
            return True
        except ValueError as error:
            return _is_about_passphrase(error)
        return False
    keys = [block for block in find_blocks(decode_text(raw)) if block.is_private_key]
    return bool(keys) and all(block.is_encrypted for block in keys)


def load_file(path: Path, passphrase: str | None, command: Command) -> FileContent:
    """Return the private keys and certificates of a PEM or PKCS#12 (PFX; RFC 7292) file.

    There is at least one of each, but a PEM file whose only key cannot be used has `unusable_key` instead.

    :param passphrase: None or empty without one; ignored if the file has none.
    :param command: the `az login` with this certificate, for the advice.
    :raises SignInError: the file cannot be read, is another kind of file, lacks the key or the certificate, or the
        passphrase is missing or wrong.
    """
    return load_content(os.path.abspath(path), _read(path), passphrase, command)


def load_content(shown: str, raw: bytes, passphrase: str | None, command: Command) -> FileContent:
    """Return the private keys and certificates in the content of such a file.

    :param shown: what errors call the content, for example the path of the file.
    :raises SignInError: as `load_file`.
    """
    if is_pkcs12(raw):
        return _from_pkcs12(shown, raw, passphrase or None, command)
    blocks = find_blocks(decode_text(raw))
    keys = [block for block in blocks if block.is_private_key]
    certificates = [block for block in blocks if block.is_certificate]
    if not keys and not certificates:
        raise _other_kind_of_file(shown, raw)
    if not keys:
        raise _incomplete(shown, "a certificate", "private key")
    if not certificates:
        raise _incomplete(shown, "a private key", "certificate")
    return _from_pem(shown, raw, keys, certificates, passphrase or None, command)


def unsupported_key(path: str, kind: str) -> SignInError:
    """Return the error for a key that is not RSA. `kind` is its type's name, for example EC."""
    return refusal(
        f"The private key in {path} is of type {kind}. Service principals sign in with RSA keys only.",
        "Create a certificate with an RSA key, with an account that owns the application:\n"
        "az ad app credential reset --id APP_ID --create-cert --append",
    )


def is_pkcs12(raw: bytes) -> bool:
    """Tell whether this begins like a PFX structure: a sequence that starts with version 3 (RFC 7292 section 4)."""
    if raw[:1] != b"\x30" or len(raw) < 2:
        return False
    # The length has one byte. If its highest bit is set, the other bits tell how many bytes follow; BER's indefinite
    # length has none.
    following = raw[1] & 0x7F if raw[1] & 0x80 else 0
    return raw[2 + following : 5 + following] == b"\x02\x01\x03"


def _read(path: Path) -> bytes:
    return read_input_file(path, what="the certificate file", limit=_LONGEST_FILE)


def _from_pkcs12(path: str, raw: bytes, passphrase: str | None, command: Command) -> FileContent:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key, certificates = _load_pkcs12(raw, passphrase)
    except UnsupportedAlgorithm as error:
        raise _unsupported_encryption(path) from error
    except ValueError as error:
        if not _is_about_passphrase(error):
            raise _damaged(path) from error
        # `from None`: an error of encoding quotes the passphrase.
        raise (_wrong_passphrase if passphrase else _passphrase_missing)(path, command) from None
    if key is None:
        raise _incomplete(path, "certificates" if certificates else "no certificate", "private key")
    if not certificates:
        raise _incomplete(path, "a private key", "certificate")
    return FileContent(path, raw, [key], certificates, None)


def _load_pkcs12(raw: bytes, passphrase: str | None) -> tuple[PrivateKeyTypes | None, list[Certificate]]:
    """Return the key, if the file has one, and the certificates.

    :raises ValueError: the passphrase is wrong (see `_is_about_passphrase`), or the file is damaged.
    :raises UnsupportedAlgorithm: cryptography does not support the encryption.
    """
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    with warnings.catch_warnings():
        # Older tools write BER instead of DER. cryptography warns that it may stop reading BER: no use to the user.
        warnings.simplefilter("ignore")
        try:
            # The passphrase is a string of characters (RFC 7292 appendix B.1), so other bytes are wrong in any case.
            loaded = load_key_and_certificates(raw, None if passphrase is None else _encoded(passphrase, "strict"))
        except ValueError as error:
            if passphrase is None or not _is_about_passphrase(error):
                raise
            # As with PEM files, a passphrase for a file without one is ignored. For other files, the error comes again.
            loaded = load_key_and_certificates(raw, None)
    key, certificate, others = loaded
    return key, ([certificate] if certificate is not None else []) + list(others)


def _is_about_passphrase(error: ValueError) -> bool:
    """Tell whether cryptography reports a wrong passphrase. Some kinds of damage look the same to it."""
    return isinstance(error, UnicodeEncodeError) or "password" in str(error).lower()


def _from_pem(
    path: str,
    raw: bytes,
    keys: Sequence[PemBlock],
    certificates: Sequence[PemBlock],
    passphrase: str | None,
    command: Command,
) -> FileContent:
    usable: list[PrivateKeyTypes] = []
    unusable: SignInError | None = None
    for block in keys:
        try:
            usable.append(_load_key(path, block, passphrase, command))
        except SignInError as error:  # Another key in the file may belong to the certificate.
            unusable = unusable or error
    loaded = [one for one in map(_load_certificate, certificates) if one is not None]
    if not loaded:
        raise _damaged(path)
    return FileContent(path, raw, usable, loaded, unusable)


def _load_key(path: str, block: PemBlock, passphrase: str | None, command: Command) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if block.label == "OPENSSH PRIVATE KEY":
        raise refusal(
            f"The private key in {path} is in OpenSSH's own format.",
            "Convert a copy of the key, and append the certificate to the file:\nssh-keygen -p -m PKCS8 -f COPY_OF_KEY",
        )
    if block.is_encrypted and not passphrase:
        raise _passphrase_missing(path, command)
    try:
        password = _encoded(passphrase, "surrogateescape") if block.is_encrypted and passphrase else None
        return load_pem_private_key(block.text().encode("ascii"), password)
    except UnsupportedAlgorithm as error:
        raise (_unsupported_encryption(path) if password else unsupported_key(path, "unknown")) from error
    except (ValueError, TypeError):
        raise (_wrong_passphrase(path, command) if block.is_encrypted else _damaged(path)) from None


def _load_certificate(block: PemBlock) -> Certificate | None:
    """Return a certificate; None for a damaged one, because the other certificates of a chain are still useful."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(block.text().encode("ascii"))
    except ValueError:
        return None


def _encoded(passphrase: str, errors: str) -> bytes:
    """Return a passphrase as bytes for OpenSSL. Bytes of argv that were not UTF-8 are surrogates (PEP 383).

    :param errors: the error handler of str.encode for surrogates.
    :raises ValueError: no file can have this passphrase.
    """
    if "\0" in passphrase:
        # OpenSSL's strings end at a NUL. cryptography 50 panics and shows the passphrase.
        raise ValueError("A password has no NUL character.")
    return passphrase.encode("utf-8", errors)


def _other_kind_of_file(path: str, raw: bytes) -> SignInError:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from cryptography.x509 import load_der_x509_certificate

    try:
        load_der_x509_certificate(raw)
    except ValueError:
        pass
    else:
        return _incomplete(path, "a certificate in DER form", "private key")
    try:
        load_der_private_key(raw, None)
    except (TypeError, UnsupportedAlgorithm):  # TypeError: the key is encrypted
        return _incomplete(path, "a private key in DER form", "certificate")
    except ValueError:
        pass
    else:
        return _incomplete(path, "a private key in DER form", "certificate")
    try:
        decoded = base64.b64decode(b"".join(raw.split()), validate=True)
    except binascii.Error:
        decoded = b""
    if is_pkcs12(decoded):
        return refusal(
            f"{path} is a base64-encoded PFX file, the form in which Azure Key Vault returns it as a secret.",
            f'Decode it, and give the path of the result:\nbase64 --decode "{path}" > CERTIFICATE.pfx',
        )
    return refusal(
        f"{path} is neither a PEM file nor a PFX (PKCS#12) file.",
        "Give a file with the certificate and its private key. A PEM file has the lines "
        "-----BEGIN CERTIFICATE----- and -----BEGIN PRIVATE KEY-----.",
    )


def _incomplete(path: str, found: str, missing: str) -> SignInError:
    return refusal(f"{path} contains {found}, but no {missing}.", COMBINE)


def _passphrase_missing(path: str, command: Command) -> SignInError:
    return refusal(f"{path} is encrypted, and no passphrase was given.", _advise_passphrase(command))


def _wrong_passphrase(path: str, command: Command) -> SignInError:
    return refusal(f"The passphrase of {path} is wrong, or the file is damaged.", _advise_passphrase(command))


def _advise_passphrase(command: Command) -> str:
    variable, again = f"Set {PASSPHRASE_VARIABLE} to the passphrase", with_password(command, "@-")
    if again == command and not command.has("--password"):
        return f"{variable}; then run:\n{command}"
    return f"{variable}, or give it on standard input:\n{again}"


def _damaged(path: str) -> SignInError:
    return refusal(
        f"{path} is damaged: its key or its certificate cannot be read.",
        "Copy or export the certificate with its private key again; then run the command again.",
    )


def _unsupported_encryption(path: str) -> SignInError:
    return refusal(
        f"{path} is encrypted with an algorithm that is not supported.",
        f"Convert it; openssl asks for the passphrase:\nopenssl pkcs12 -legacy -in {quote_word(path)} -out NEW.pem",
    )
