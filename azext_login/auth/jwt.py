"""What an access token of our own says about its owner."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from typing import Any

from azext_login.errors import UnexpectedAnswerError


def claims_of(access_token: str) -> Mapping[str, Any]:
    """Return the claims of a token that came straight from its issuer; the signature is the resource's business.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: `tid` is the tenant, `oid` the
    object, `appid` the application, `unique_name` the user, `xms_mirid` the managed identity's resource ID.

    :raises UnexpectedAnswerError: it is no JSON Web Token.
    """
    import jwt

    try:
        claims: Mapping[str, Any] = jwt.decode(access_token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError) as error:
        raise UnexpectedAnswerError(
            "The access token is not a JSON Web Token, so it does not say which tenant it is for.",
            "Something else than Azure's service may have answered. Check the environment and run the command again.",
        ) from error
    return claims


def is_assertion(text: str) -> bool:
    """Tell whether this is a signed JSON Web Token, whoever issued it."""
    return unverified_claims(text) is not None


def expiry_of(assertion: str) -> float | None:
    """Return when an assertion expires (`exp`, RFC 7519 section 4.1.4), in POSIX seconds. Verifies no signature.

    None if it does not say, or is not a JSON Web Token.
    """
    expiry = (unverified_claims(assertion) or {}).get("exp")
    if isinstance(expiry, bool) or not isinstance(expiry, (int, float)):
        return None
    try:
        return float(expiry) if math.isfinite(expiry) else None
    except OverflowError:
        return None


def unverified_claims(token: str) -> Mapping[str, Any] | None:
    """Return the claims of a signed JSON Web Token in compact form (RFC 7515 section 7.1); None if it is not one."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return None
    header, claims = (_json_object(part) for part in parts[:2])
    return claims if header is not None and _base64url(parts[2]) is not None else None


def _json_object(part: str) -> dict[str, Any] | None:
    decoded = _base64url(part)
    if decoded is None:
        return None
    try:
        value = json.loads(decoded)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _base64url(part: str) -> bytes | None:
    """Return the bytes; RFC 7515 section 2 leaves the padding away."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
