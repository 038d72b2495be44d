"""The `claims` parameter (OpenID Connect Core 5.5): client capabilities and answers to claims challenges."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.localcloud.errors import EntraError


@dataclass(frozen=True)
class ClaimsRequest:
    """What the parameter asks of the access token. `wants_policy` is true for capolids or acrs: step up to MFA.

    Capability CP1 states that the client understands claims challenges (continuous access evaluation).
    """

    capabilities: tuple[str, ...] = ()
    wants_policy: bool = False
    wants_login_hint: bool = False


def _values(entry: Any) -> tuple[str, ...]:
    if not isinstance(entry, dict):
        return ()
    values = entry.get("values", [entry["value"]] if "value" in entry else [])
    return tuple(str(v) for v in values) if isinstance(values, list) else ()


def parse_claims(text: str | None) -> ClaimsRequest:
    """Parse the parameter; EntraError invalid_request when it is not a JSON object of objects."""
    if not text:
        return ClaimsRequest()
    try:
        asked = json.loads(text)
        access = asked.get("access_token", {})
        capabilities = _values(access.get("xms_cc"))
        wants_policy = bool(_values(access.get("capolids")) or _values(access.get("acrs")))
        wants_login_hint = "login_hint" in asked.get("id_token", {})
    except (ValueError, AttributeError, TypeError) as exc:
        raise EntraError(
            "invalid_request",
            90100,
            "claims parameter is not valid: it is not a JSON object that maps token kinds to claims.",
        ) from exc
    return ClaimsRequest(capabilities, wants_policy, wants_login_hint)
