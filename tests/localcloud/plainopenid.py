"""The answers of an OpenID provider that is not Entra ID: required members only, and the variations that are allowed.

RFC 6749 sections 5.1 and 5.2, RFC 8628 section 3.2, OpenID Connect Discovery 1.0 section 3.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

_DOCUMENT = (
    "issuer", "authorization_endpoint", "token_endpoint", "device_authorization_endpoint", "jwks_uri",
    "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
)  # fmt: skip
_TOKEN = ("access_token", "refresh_token", "id_token")
_DEVICE_CODE = ("device_code", "user_code", "verification_uri", "expires_in")


def make_plain(response: Response) -> Response:
    """Leave out of an answer of the sign-in service what is optional."""
    body = response.get_json(silent=True)
    if not isinstance(body, dict) or not ("/oauth2/" in request.path or "/.well-known/" in request.path):
        return response
    if "access_token" in body:
        plain: dict[str, Any] = {**_only(_TOKEN, body), "token_type": "bearer"}
    elif "device_code" in body:
        # Some providers send numbers as text.
        plain = {**_only(_DEVICE_CODE, body), "expires_in": str(body["expires_in"])}
    elif "error" in body:
        plain = _only(("error",), body)
    else:
        plain = _only(_DOCUMENT, body)
    response.set_data(json.dumps(plain))
    return response


def _only(names: tuple[str, ...], body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in names if name in body}
