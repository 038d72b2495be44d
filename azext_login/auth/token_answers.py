"""Answers of token services in the form that MSAL requires: members that a protocol leaves out are added.

MSAL expects what Entra ID sends. By RFC 6749 and RFC 8628, most members are optional and `token_type` is not
case-sensitive. Several services send numbers as text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from azext_login.auth.credential import LONGEST_LIFETIME

# POSIX time in seconds; no calendar of Python reaches it.
_LATEST = 10**12

_TEXTS = (
    "access_token", "refresh_token", "id_token", "token_type", "scope", "client_info", "foci", "error",
    "error_description", "error_uri", "suberror", "claims", "device_code", "user_code", "verification_uri",
    "verification_uri_complete", "message", "correlation_id", "trace_id", "timestamp",
)  # fmt: skip

# Numbers without which an answer is still usable.
_OPTIONAL_NUMBERS = ("ext_expires_in", "refresh_in", "interval")

_NUMBER = re.compile(r"\s*(-?\d{1,15})(?:\.\d*)?\s*", re.ASCII)

# https://github.com/Azure/azure-sdk-for-python/blob/main/sdk/identity/azure-identity/azure/identity/_internal/managed_identity_client.py
_DATES = ("%m/%d/%Y %H:%M:%S %z", "%m/%d/%Y %I:%M:%S %p %z", "%Y-%m-%dT%H:%M:%S%z")

# Of a second: .NET writes seven digits.
_FRACTION = re.compile(r"(?<=:[0-9]{2})\.[0-9]+")


def standard_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of an OAuth endpoint without members of a wrong type, and with numbers as numbers.

    :raises ValueError: `expires_in` is neither missing nor the lifetime of a token.
    """
    answer = dict(body)
    if isinstance(scopes := answer.get("scope"), list):
        answer["scope"] = " ".join(scope for scope in scopes if isinstance(scope, str))
    for name in _TEXTS:
        if not isinstance(answer.get(name), str):
            answer.pop(name, None)
    if "access_token" in answer:
        answer["token_type"] = _token_type(answer)
    for name in _OPTIONAL_NUMBERS:
        number = as_integer(answer.pop(name, None))
        if number is not None and abs(number) < LONGEST_LIFETIME:
            answer[name] = number
    if answer.get("interval", 1) < 0:
        del answer["interval"]
    if "expires_in" in answer:
        lifetime = as_integer(answer["expires_in"])
        if lifetime is None or abs(lifetime) >= LONGEST_LIFETIME:
            raise ValueError("its expires_in is not the lifetime of a token")
        answer["expires_in"] = lifetime
    return answer


def standard_identity_answer(body: Mapping[str, Any], *, now: float) -> dict[str, Any]:
    """Return the token of a service for managed identities with all members that MSAL reads for any of the services.

    :param now: POSIX time in seconds.
    :raises ValueError: it has no lifetime that can be used.
    """
    answer = dict(body)
    lifetime, expires_on = as_integer(body.get("expires_in")), _as_time(body.get("expires_on"))
    if lifetime is None:
        lifetime = 0 if expires_on is None else expires_on - int(now)
    if expires_on is None:
        expires_on = int(now) + lifetime
    if not 0 < lifetime < _LATEST or not 0 < expires_on < _LATEST:
        raise ValueError("its lifetime is invalid")
    answer["expires_in"], answer["expires_on"] = lifetime, expires_on
    answer["token_type"] = _token_type(answer)
    return answer


def as_integer(value: object) -> int | None:
    """Return a number, which may be a text or have a fraction; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return None if isinstance(value, float) and not math.isfinite(value) else int(value)
    found = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def _as_time(value: object) -> int | None:
    """Return a POSIX time, which may be written as a date: in UTC, if it has no zone."""
    number = as_integer(value)
    if number is not None or not isinstance(value, str):
        return number
    text = _FRACTION.sub("", value.strip())
    for layout in (*_DATES, *(layout.removesuffix("%z").rstrip() for layout in _DATES)):
        try:
            moment = datetime.strptime(text, layout)
        except ValueError:
            continue
        return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp())
    return None


def _token_type(answer: Mapping[str, Any]) -> str:
    """Return the type in the spelling that MSAL compares. It is not case-sensitive (RFC 6749 section 5.1)."""
    found = answer.get("token_type")
    return found if isinstance(found, str) and found.lower() not in ("", "bearer") else "Bearer"
