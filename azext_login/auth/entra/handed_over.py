"""Accounts that have only an access token which was handed over (`az login --access-token`)."""

from __future__ import annotations

from azext_login.errors import NotSignedInError
from azext_login.system.command_line import AZ_LOGIN
from azext_login.system.text import format_utc

LOGIN_WITH_TOKEN = AZ_LOGIN.with_option("--access-token", "@-")
"""Hands another access token over, on standard input."""


def not_renewed(name: str, expires_on: float, now: float) -> NotSignedInError:
    """Return the error for a token request that the token of such an account does not answer.

    :param expires_on: POSIX time in seconds, like `now`.
    """
    verb = "expired" if expires_on <= now else "expires"
    return NotSignedInError(
        f"'{name}' has only the access token that was handed over with --access-token. It {verb} at "
        f"{format_utc(expires_on)}, and nothing renews it. It does not serve this request.",
        next_step=f"Hand another token over, or sign in with `az login`:\n{LOGIN_WITH_TOKEN}",
    )
