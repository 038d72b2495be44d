"""Access tokens, and what every credential that obtains them has in common."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from azext_login.errors import UnexpectedAnswerError

# Seconds. The lifetime of a token whose answer has no `expires_in`, which RFC 6749 section 5.1 only recommends. MSAL
# assumes the same (msal/token_cache.py).
_LIFETIME = 3599

FRESH_FOR = 300
"""Seconds that a token must be valid for MSAL to return it without asking for a new one (msal/application.py)."""

# Seconds. A broken service can send any number, and no calendar of Python has a date after the year 9999.
LONGEST_LIFETIME = 10**10


class TokenOrigin(enum.Enum):
    """Where an access token came from. Later versions may add members."""

    CACHE = "cache"
    """It was stored already, by this process or by another one."""
    REFRESH = "refresh"
    """The sign-in service issued it for the session of a user."""
    CREDENTIAL = "credential"
    """The sign-in service issued it for the client secret or the certificate of an application."""
    JOB = "job"
    """The sign-in service issued it for a federated token: that of a job, a file or a program."""
    MANAGED_IDENTITY = "managed_identity"
    """The computer issued it for its managed identity."""
    CLOUD_SHELL = "cloud_shell"
    """Cloud Shell issued it for the user who opened the shell."""


class AccessToken(NamedTuple):
    """`expires_on` and `refresh_on` are POSIX time in seconds."""

    secret: str
    expires_on: int
    refresh_on: int | None = None
    """When the token is due for renewal although it is still valid; None if the service did not set a time."""
    origin: TokenOrigin = TokenOrigin.CACHE
    token_type: str = "Bearer"

    @classmethod
    def from_result(
        cls, result: Mapping[str, Any], *, now: float, origin: TokenOrigin = TokenOrigin.REFRESH
    ) -> AccessToken:
        """Parse MSAL's result, which is the service's answer. Its `expires_in` counts from `now`.

        :param origin: where the token came from if MSAL did not find it in its cache.
        :raises UnexpectedAnswerError: it is not a token answer by RFC 6749 section 5.1.
        """
        secret = result.get("access_token")
        try:
            lifetime = int(result.get("expires_in", _LIFETIME))
        except (TypeError, ValueError, OverflowError):
            lifetime = LONGEST_LIFETIME
        if abs(lifetime) >= LONGEST_LIFETIME:
            raise _unexpected("whose expires_in is not the lifetime of a token")
        if not (isinstance(secret, str) and secret):
            raise _unexpected("without a token or a reason")
        refresh_on = result.get("refresh_on")
        return cls(
            secret,
            int(now) + lifetime,
            refresh_on if isinstance(refresh_on, int) else None,
            # msal/application.py, `_TOKEN_SOURCE`
            TokenOrigin.CACHE if result.get("token_source") == "cache" else origin,
            str(result.get("token_type") or "Bearer"),
        )

    def __repr__(self) -> str:
        return f"AccessToken(expires_on={self.expires_on})"


def _unexpected(shape: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"The token service sent an answer {shape}.",
        "Run the command again. If that does not help, check the addresses of the cloud with `az cloud show`.",
    )


class Credential(Protocol):
    """Obtains the tokens of one account, whatever the account signs in with."""

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AccessToken:
        """Return a token for `scopes`.

        :param tenant: GUID or verified domain; None for the account's own tenant.
        :param claims_challenge: JSON; with one, a cached token is not used.
        :param advised_scopes: scopes to name in the advice if the user has to sign in again.
        :param data: more fields of the request, such as those of an SSH certificate.
        :raises NotSignedInError: no token is cached, and nothing to obtain one with is stored.
        :raises SignInError: the service refused.
        :raises ServiceUnreachableError: the service did not answer.
        """
