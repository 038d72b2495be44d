"""An access token as it is handed out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class AccessToken(NamedTuple):
    """`expires_on` is POSIX time in seconds."""

    secret: str
    expires_on: int

    @classmethod
    def from_result(cls, result: Mapping[str, Any], *, now: float) -> AccessToken:
        """Read MSAL's result, whose `expires_in` counts from `now`."""
        return cls(result["access_token"], int(now) + int(result["expires_in"]))

    def __repr__(self) -> str:
        return f"AccessToken(expires_on={self.expires_on})"
