"""A finished access token that a credential source gives a service principal: whether it is of that, and until when.

Its signature is not verified: its resource does that. An opaque or encrypted token cannot be read, and passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azext_login.auth.input_files import refusal
from azext_login.auth.jwt import CLOCK_SKEW, expiry_of, start_of, unverified_claims
from azext_login.auth.sources.credential_source import SourceCredential
from azext_login.errors import RefusalKind, SignInError
from azext_login.system.text import format_utc, is_id, printable

_ADVICE = "Let the source give another one; then run the command again."


def check_given_token(given: SourceCredential, *, client_id: str, tenant: str | None, now: float) -> int:
    """Return when the token expires (POSIX time in seconds): by the source or by its claims, whichever is earlier.

    :param given: the answer, of the kind TOKEN.
    :param client_id: the application (client) ID of the service principal. An address (URI) is not compared.
    :param tenant: GUID; None at an AD FS server. A domain name is not compared.
    :param now: POSIX time in seconds.
    :raises SignInError: the token is not valid now, or is of another application or tenant.
    """
    _check_owner(unverified_claims(given.value) or {}, client_id, tenant)
    clock = f"this computer's clock: {format_utc(now)}"
    starts = start_of(given.value)
    if starts is not None and starts - CLOCK_SKEW > now:
        raise _refused(f"is not valid before {format_utc(starts)} ({clock}).")
    moments = [moment for moment in (given.expires_on, expiry_of(given.value)) if moment is not None]
    expires_on = int(min(moments, default=0.0))
    if expires_on <= now:
        raise _refused(f"expired at {format_utc(expires_on)} ({clock}).", RefusalKind.EXPIRED)
    return expires_on


def _check_owner(claims: Mapping[str, Any], client_id: str, tenant: str | None) -> None:
    owners = {
        "tenant": (claims.get("tid"), tenant),
        "application": (claims.get("appid") or claims.get("azp"), client_id),
    }
    for name, (found, expected) in owners.items():
        if found is not None and _is_comparable(expected) and str(found).lower() != str(expected).lower():
            raise _refused(f"is of the {name} '{printable(found)}', and not of '{expected}'.")


def _is_comparable(name: str | None) -> bool:
    """Tell whether this is an ID, and not a domain name or the address of an application, as claims never have."""
    return is_id(name) and "." not in str(name)


def _refused(what: str, kind: RefusalKind | None = None) -> SignInError:
    return refusal(f"The access token of the credential source {what}", _ADVICE, kind=kind)
