"""Sign-in with a user name and a password (RFC 6749 section 4.3), for learning and for legacy scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def sign_in_with_password(application: Any, *, username: str, password: str, scopes: Sequence[str]) -> dict[str, Any]:
    """Return MSAL's result. Federated users are sent through WS-Trust by MSAL."""
    result: dict[str, Any] = application.acquire_token_by_username_password(username, password, list(scopes))
    return result
