"""An access token as it is handed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from azext_login.errors import UnexpectedAnswerError

# Seconds. Nothing that lives for centuries is a time that clocks and calendars can hold.
_LONGEST = 10**10

# Seconds that a token lives whose answer does not say so. RFC 6749 section 5.1 only recommends it; MSAL takes this
# (msal/token_cache.py).
_LIFETIME = 3599


class AccessToken(NamedTuple):
    """`expires_on` is POSIX time in seconds."""

    secret: str
    expires_on: int

    @classmethod
    def from_result(cls, result: Mapping[str, Any], *, now: float) -> AccessToken:
        """Read MSAL's result, whose `expires_in` counts from `now`. MSAL hands on what the service answered.

        :raises UnexpectedAnswerError: it is not what RFC 6749 section 5.1 asks for.
        """
        secret = result.get("access_token")
        try:
            lifetime = int(result.get("expires_in", _LIFETIME))
            is_time = abs(lifetime) < _LONGEST
        except (TypeError, ValueError, OverflowError):
            is_time = False
        if not (isinstance(secret, str) and secret and is_time):
            missing = "a token, and without a reason" if is_time else "saying how long its token lives"
            raise UnexpectedAnswerError(
                f"The service that gives out tokens answered without {missing}.",
                "Run the command again. If that does not help, check the addresses of the cloud with `az cloud show`.",
            )
        return cls(secret, int(now) + lifetime)

    def __repr__(self) -> str:
        return f"AccessToken(expires_on={self.expires_on})"


class Credential(Protocol):
    """The tokens of one account, whatever it signs in with."""

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
    ) -> AccessToken:
        """Return a token for `scopes`.

        :param tenant: GUID or verified domain; None for the account's own.
        :param claims_challenge: JSON; a cached token is then not used.
        :param advised_scopes: scopes to repeat in the advice when a person has to sign in again.
        :raises NotSignedInError: what it takes is not stored here.
        :raises SignInError: the service refused.
        :raises ServiceUnreachableError: the service did not answer.
        """
