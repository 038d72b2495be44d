"""Which certificate signed a client assertion: a registered one, or one of a trusted subject name and issuer.

The header names the certificate by thumbprint (RFC 7515 4.1.7, 4.1.8) and may carry it with its chain (4.1.6). Trust in
a name instead of a thumbprint is "SN+I": MSAL's `public_certificate` and azure-identity's `send_certificate_chain`
put the chain there. Refusals: AADSTS700027 as issue trackers quote it; AADSTS1000502 is what Microsoft.Identity.Web
knows as "certificate is outside its validity window" (microsoft-identity-web#2834).
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timezone
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.localcloud.directory import Application, TrustedSubject
from tests.localcloud.errors import EntraError, invalid_client
from tests.localcloud.keys import b64


def invalid_signature(app: Application, reason: str, thumbprint: str, found: x509.Certificate | None) -> EntraError:
    """AADSTS700027 with its reason; `thumbprint` is the hexadecimal SHA-1 of the client's key, if known."""
    details = [f"Reason - {reason}", f"Thumbprint of key used by client: '{thumbprint}'"]
    if found is not None:
        start, end = found.not_valid_before_utc, found.not_valid_after_utc
        details.append(f"Found key 'Start={start:%m/%d/%Y %H:%M:%S}, End={end:%m/%d/%Y %H:%M:%S}'")
    details.append(f"Please visit the Azure Portal to see configured keys for app Id '{app.app_id}'")
    return invalid_client(700027, f"Client assertion contains an invalid signature. [{', '.join(details)}].")


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-1 over the DER form, upper-case hexadecimal, as portals show it."""
    return certificate.fingerprint(hashes.SHA1()).hex().upper()


def _is_named(certificate: x509.Certificate, header: dict[str, Any]) -> bool:
    """True when every thumbprint of the header is this certificate's, and there is one."""
    named = {
        "x5t": b64(certificate.fingerprint(hashes.SHA1())),
        "x5t#S256": b64(certificate.fingerprint(hashes.SHA256())),
    }
    present = [key for key in named if header.get(key)]
    return bool(present) and all(str(header[key]).rstrip("=") == named[key] for key in present)


def _named_thumbprint(header: dict[str, Any]) -> str:
    try:
        return base64.urlsafe_b64decode(str(header.get("x5t", "")) + "==").hex().upper()
    except (ValueError, binascii.Error):
        return ""


def _chain(header: dict[str, Any]) -> list[x509.Certificate]:
    """The certificates in `x5c`, the signer's first; base64 with padding, not base64url (RFC 7515 4.1.6).

    Line breaks in it count for nothing: MSAL Python sends the body of the PEM form.
    """
    try:
        ders = [base64.b64decode("".join(item.split()), validate=True) for item in header.get("x5c", [])]
        return [x509.load_der_x509_certificate(der) for der in ders]
    except (AttributeError, TypeError, ValueError) as exc:
        raise invalid_client(50027, "JWT token is invalid or malformed: 'x5c' holds no certificate.") from exc


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return _may_issue(issuer)


def _path(
    leaf: x509.Certificate, others: list[x509.Certificate], anchor: x509.Certificate
) -> list[x509.Certificate] | None:
    """The certificates from the leaf through some of the others up to `anchor`, or None when they don't lead there."""
    path, left = [leaf], list(others)
    while not _issued(path[-1], anchor):
        step = next((candidate for candidate in left if _issued(path[-1], candidate)), None)
        if step is None:
            return None
        left.remove(step)
        path.append(step)
    return [*path, anchor]


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _trusted_path(subjects: tuple[TrustedSubject, ...], chain: list[x509.Certificate]) -> list[x509.Certificate] | None:
    for trusted in subjects:
        if _common_name(chain[0]) == trusted.subject:
            anchor, *known = x509.load_pem_x509_certificates(trusted.issuer_ca.encode())
            path = _path(chain[0], [*chain[1:], *known], anchor)
            if path is not None:
                return path
    return None


def signing_key(app: Application, header: dict[str, Any], now: float) -> RSAPublicKey:
    """The public key that an assertion with this header has to be signed with; `now` in seconds UTC.

    EntraError AADSTS700027 when the certificate is neither registered nor of a trusted name, or a registered one is
    expired or not valid yet, or `x5c` starts with another certificate than the thumbprint names; AADSTS1000502 when one
    of a trusted chain is outside its dates.
    """
    moment = datetime.fromtimestamp(now, timezone.utc)
    chain = _chain(header)
    if chain and not _is_named(chain[0], header):
        raise invalid_signature(
            app, "The certificate in x5c is not the one that x5t names.", _named_thumbprint(header), chain[0]
        )
    for pem in app.certificates:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        if not _is_named(certificate, header):
            continue
        if not _is_valid(certificate, moment):
            late = moment > certificate.not_valid_after_utc
            reason = "The key used is expired." if late else "The key used is not valid yet."
            raise invalid_signature(app, reason, thumbprint(certificate), certificate)
        return _rsa(app, certificate)
    path = _trusted_path(app.subject_names, chain) if chain else None
    if path is None:
        raise invalid_signature(app, "The key was not found.", _named_thumbprint(header), None)
    if not all(_is_valid(certificate, moment) for certificate in path):
        raise invalid_client(1000502, "The provided certificate is not within its specified validity window.")
    return _rsa(app, chain[0])


def _rsa(app: Application, certificate: x509.Certificate) -> RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise invalid_signature(app, "The key type is not supported.", thumbprint(certificate), certificate)
    return key
