"""Decodes claims challenges, which resources send in a `WWW-Authenticate` header."""

from __future__ import annotations


def decode_claims_challenge(encoded: str | None) -> str | None:
    """Return the JSON text in a base64-encoded claims challenge; None without a challenge.

    https://learn.microsoft.com/entra/identity-platform/claims-challenge#claims-challenge-header-format

    :raises InvalidArgumentValueError: it is not base64, or not a JSON object.
    """
    if not encoded:
        return None
    import base64  # here for start-up time: nearly no command has a challenge
    import binascii
    import json

    from azext_login.host_errors import InvalidArgumentValueError

    padded = encoded.strip() + "=" * (-len(encoded.strip()) % 4)
    try:
        # Resources use both the standard and the URL-safe alphabet.
        decoded = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True).decode("utf-8")
        claims = json.loads(decoded)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgumentValueError(
            "--claims-challenge is not base64-encoded JSON. Nothing was sent.",
            'Copy the value of claims="..." from the WWW-Authenticate header without changes.',
        ) from error
    if not isinstance(claims, dict):
        raise InvalidArgumentValueError("--claims-challenge does not hold a JSON object. Nothing was sent.")
    return decoded
