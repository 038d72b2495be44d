"""Reads the claims of JSON Web Tokens (RFC 7519). Nothing in here verifies a signature: that is up to the resource.

The parser is our own. PyJWT, which the host brings, imports cryptography: together 45 to 85 ms that MSAL needs for
certificates only. And how strict PyJWT is about base64url depends on its version.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from azext_login.errors import UnexpectedAnswerError
from azext_login.system.text import is_id

CLOCK_SKEW = 300.0
"""Seconds that the clock of this computer may be slow when a token is not valid yet."""


def claims_of(access_token: str) -> Mapping[str, Any]:
    """Return the claims of an access token that its issuer has just answered with.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: `tid` is the tenant, `oid` the
    object, `appid` the application, `unique_name` the user, `xms_mirid` the managed identity's resource ID.

    :raises UnexpectedAnswerError: it is not a JSON Web Token.
    """
    claims = unverified_claims(access_token)
    if claims is None:
        raise UnexpectedAnswerError(
            "The access token is not a JSON Web Token, so its tenant is unknown.",
            "Something other than Azure's service may have answered. Check the environment and run the command again.",
        )
    return claims


def tenant_in(access_token: str) -> str:
    """Return the tenant of an access token that its issuer has just answered with.

    :raises UnexpectedAnswerError: it is not a JSON Web Token, or names no tenant.
    """
    tenant = claims_of(access_token).get("tid")
    if not is_id(tenant):
        raise UnexpectedAnswerError(
            "The access token names no tenant.",
            "Something other than Azure's service may have answered. Check the environment and run the command again.",
        )
    return str(tenant)


def is_assertion(text: str) -> bool:
    """Tell whether this is a signed JSON Web Token of any issuer."""
    return unverified_claims(text) is not None


def expiry_of(assertion: str) -> float | None:
    """Return when an assertion expires (`exp`, RFC 7519 section 4.1.4), in POSIX seconds.

    None if it has no such claim, or is not a JSON Web Token.
    """
    return _time_in(assertion, "exp")


def issue_time_of(assertion: str) -> float | None:
    """Return when an assertion was issued (`iat`, RFC 7519 section 4.1.6), in POSIX seconds, or None as `expiry_of`."""
    return _time_in(assertion, "iat")


def start_of(token: str) -> float | None:
    """Return from when a token is valid (`nbf`, RFC 7519 section 4.1.5), in POSIX seconds, or None as `expiry_of`."""
    return _time_in(token, "nbf")


def _time_in(assertion: str, claim: str) -> float | None:
    moment = (unverified_claims(assertion) or {}).get(claim)
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        return None
    try:
        return float(moment) if math.isfinite(moment) else None
    except OverflowError:
        return None


def unverified_claims(token: str) -> Mapping[str, Any] | None:
    """Return the claims of a signed JSON Web Token in compact form (RFC 7515 section 7.1); None if it is not one."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        return None
    try:
        encoded_header, encoded_claims, _signature = (_decode_base64url(part) for part in parts)
        header, claims = json.loads(encoded_header), json.loads(encoded_claims)
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(header, dict) and isinstance(claims, dict) else None


def _decode_base64url(part: str) -> bytes:
    """:raises ValueError: it is something else. RFC 7515 section 2 omits the padding."""
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
