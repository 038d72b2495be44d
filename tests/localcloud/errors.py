"""Refusals as Entra ID words them: an OAuth error, an AADSTS number and the identifiers a support case needs.

Numbers and their meaning: "Microsoft Entra authentication and authorization error codes" (reference-error-codes).
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import datetime, timezone
from typing import Any

from authlib.oauth2 import OAuth2Error

_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


def is_guid(text: str) -> bool:
    """True for the usual 8-4-4-4-12 form."""
    return bool(_GUID.match(text))


class EntraError(OAuth2Error):  # type: ignore[misc]
    """An error answer of the token service.

    `code` is the AADSTS number, `suberror` and `claims` (a JSON text for the next request) are optional. The base
    class would refuse descriptions outside RFC 6749's character set; Entra's contain CR LF and quotes.
    """

    def __init__(
        self,
        error: str,
        code: int,
        text: str,
        *,
        status: int = 400,
        suberror: str | None = None,
        claims: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(error=error, status_code=status)
        self.code = code
        self.text = text
        self.suberror = suberror
        self.claims = claims

    @property
    def title(self) -> str:
        """What a page shows."""
        return f"AADSTS{self.code}: {self.text}"

    def body(self, now: float, correlation_id: str | None, base_url: str) -> dict[str, Any]:
        """The JSON of the answer. `now` is the server's time in seconds since 1970, UTC."""
        stamp = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        trace = str(uuid.uuid4())
        correlation = correlation_id if correlation_id and is_guid(correlation_id) else str(uuid.uuid4())
        found: dict[str, Any] = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.text} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {stamp}",
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{base_url}/error?code={self.code}",
        }
        if self.suberror:
            found["suberror"] = self.suberror
        if self.claims is not None:
            found["claims"] = json.dumps(self.claims)
        return found


def invalid_grant(
    code: int, text: str, suberror: str | None = None, claims: dict[str, Any] | None = None
) -> EntraError:
    """RFC 6749 5.2 invalid_grant: the user has to sign in again, or differently."""
    return EntraError("invalid_grant", code, text, suberror=suberror, claims=claims)


def invalid_client(code: int, text: str) -> EntraError:
    """RFC 6749 5.2 invalid_client: the credential of the application is not valid."""
    return EntraError("invalid_client", code, text, status=401)


def missing_parameter(name: str) -> EntraError:
    """The answer to a request without a required parameter."""
    return EntraError("invalid_request", 900144, f"The request body must contain the following parameter: '{name}'.")


def unknown_tenant(name: str, error: str = "invalid_tenant") -> EntraError:
    """No such tenant. Discovery answers invalid_tenant, the token endpoint invalid_request."""
    if not is_guid(name) and "." not in name:
        return EntraError(
            error,
            900023,
            f"Specified tenant identifier '{name}' is neither a valid DNS name, nor a valid external domain.",
        )
    return EntraError(
        error,
        90002,
        f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID "
        "and are signing into the correct cloud. Check with your subscription "
        "administrator, this may happen if there are no active subscriptions for the "
        "tenant.",
    )


def mfa_required(resource: str, policy_id: str, error: str = "invalid_grant") -> EntraError:
    """A conditional access policy wants a second factor; the claims name the policy for the interactive request."""
    return EntraError(
        error,
        50076,
        "Due to a configuration change made by your administrator, or because you moved to a new "
        f"location, you must use multi-factor authentication to access '{resource}'.",
        suberror="basic_action",
        claims={"access_token": {"capolids": {"essential": True, "values": [policy_id]}}},
    )


def consent_required(app_id: str, app_name: str, error: str = "invalid_grant") -> EntraError:
    """No user has agreed to this application reading this resource."""
    return EntraError(
        error,
        65001,
        f"The user or administrator has not consented to use the application with ID "
        f"'{app_id}' named '{app_name}'. Send an interactive authorization request for "
        "this user and resource.",
        suberror="consent_required",
    )
