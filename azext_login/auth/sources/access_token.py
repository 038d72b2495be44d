"""A finished access token that a user hands over (`az login --access-token`): what it is for, whose it is, until when.

Its signature is not verified: Azure Resource Manager does that. The checks find a token that cannot work here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from azext_login.auth.credential import FRESH_FOR
from azext_login.auth.entra.known_clouds import parse_authority
from azext_login.auth.input_files import refusal
from azext_login.auth.jwt import CLOCK_SKEW, expiry_of, start_of, unverified_claims
from azext_login.errors import RefusalKind, SignInError
from azext_login.system.text import fits_header, format_utc, is_id, is_utf_8, printable, shorten, without_controls

# The application ID of Azure Resource Manager, which is the audience of its v2.0 tokens.
_RESOURCE_MANAGER_ID = "797f4846-ba00-4fd7-ba43-dac1f8f63013"

# Issuers of v1.0 tokens: of most clouds, and of the one in China.
_STS, _STS_CHINA = "sts.windows.net", "sts.chinacloudapi.cn"
_CHINA = "login.chinacloudapi.cn"

_SHOWN = 200  # characters

_AGAIN = "Get a token for this cloud, and hand it over on standard input:\naz login --access-token=@-"


@dataclass(frozen=True)
class HandedToken:
    """An access token and the account that it is of, by its claims."""

    secret: str = field(repr=False)
    tenant: str
    """GUID."""
    audience: str
    """The resource that it is for: an address, or an application ID."""
    expires_on: int
    """POSIX time in seconds."""
    name: str
    """The user name, or the application ID."""
    object_id: str
    """The ID of the user or the service principal in the tenant."""
    is_user: bool

    @property
    def is_for_resource_manager(self) -> bool:
        """Whether it is for Azure Resource Manager by its application ID, which is the same in every cloud."""
        return self.audience.lower() == _RESOURCE_MANAGER_ID

    @property
    def scope(self) -> str:
        """The scope that commands request such a token with."""
        return f"{self.audience}/.default"


def read_token(secret: str, *, authority: str, tenant: str | None, now: float) -> HandedToken:
    """Return what a token says of itself.

    :param secret: the token.
    :param authority: the address of the active cloud's sign-in service, without a tenant.
    :param tenant: the GUID of the tenant that the user has named; None if any will do.
    :param now: POSIX time in seconds.
    :raises SignInError: it is not a token of Entra ID that can be read, is of another cloud or tenant, or is not valid
        now.
    """
    claims = _claims_of(secret)
    found = str(claims.get("tid"))
    if not is_id(claims.get("tid")):
        raise refusal("The access token does not contain its tenant, so it is not one of Entra ID.", _AGAIN)
    _check_issuer(claims, found, authority)
    if tenant is not None and found.lower() != tenant.lower():
        raise refusal(
            f"The access token is of the tenant '{found}', and not of '{tenant}'.",
            "Leave --tenant out, or get a token of that tenant.",
        )
    expires_on = _check_time(secret, claims, now)
    audience = claims.get("aud")
    if not isinstance(audience, str) or not audience.strip("/") or printable(audience) != audience:
        raise refusal("The access token does not contain the resource that it is for.", _AGAIN)
    name, is_user = _account_in(claims)
    object_id = claims.get("oid")
    if not is_id(object_id):
        raise refusal("The access token does not contain the ID of its account.", _AGAIN)
    return HandedToken(secret, found, audience, expires_on, name, str(object_id), is_user)


def same_resource(one: str, other: str) -> bool:
    """Tell whether two audiences are the same resource. A slash at the end does not count."""
    return one.rstrip("/").lower() == other.rstrip("/").lower()


def is_one_of(audience: str, resources: Collection[str]) -> bool:
    """Tell whether an audience is one of several resources."""
    return any(same_resource(audience, each) for each in resources)


def _claims_of(secret: str) -> Mapping[str, Any]:
    if not fits_header(secret):
        raise refusal("What was given with --access-token is not a token: it has white space, or other text.", _AGAIN)
    claims = unverified_claims(secret)
    if claims is not None:
        return claims
    if secret.count(".") == 4:
        raise refusal(
            "The access token is encrypted. Only its resource can read its tenant and its expiry.",
            _AGAIN,
        )
    raise refusal("The access token is opaque: it is not a JSON Web Token, so its tenant is unknown.", _AGAIN)


def _check_issuer(claims: Mapping[str, Any], tenant: str, authority: str) -> None:
    """Refuse a token whose issuer is not the sign-in service of this cloud and of the tenant.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference: `iss`.
    """
    issuer, own = parse_authority(str(claims.get("iss"))), parse_authority(authority)
    if issuer is not None and own is not None:
        hosts = {own.host}
        if own.cloud is not None:
            hosts |= {*own.cloud.hosts, _STS_CHINA if _CHINA in own.cloud.hosts else _STS}
        if issuer.host in hosts and issuer.path.strip("/").partition("/")[0].lower() == tenant.lower():
            return
    host, shown = urlsplit(str(own)).hostname, shorten(printable(claims.get("iss")), _SHOWN)
    raise refusal(
        f"The access token is of another cloud or issuer: {shown}. The sign-in service of the active cloud is {host}.",
        "To see the clouds, run:\naz cloud list --output table\nThen activate the one of the token with "
        "`az cloud set --name NAME`.",
    )


def _check_time(secret: str, claims: Mapping[str, Any], now: float) -> int:
    expires_on, clock = expiry_of(secret), f"this computer's clock: {format_utc(now)}"
    if expires_on is None:
        raise refusal("The access token does not contain when it expires.", _AGAIN)
    if expires_on <= now:
        expired = f"The access token expired at {format_utc(expires_on)} ({clock})."
        raise refusal(expired, _AGAIN, kind=RefusalKind.EXPIRED)
    if expires_on - now < FRESH_FOR:
        raise refusal(
            f"The access token expires at {format_utc(expires_on)} ({clock}). Commands use a token only if it is valid "
            f"for {FRESH_FOR // 60} more minutes.",
            _AGAIN,
        )
    starts = start_of(secret) if "nbf" in claims else 0.0
    if starts is None or starts - CLOCK_SKEW > now:
        shown = "an unknown time" if starts is None else format_utc(starts)
        raise refusal(f"The access token is not valid before {shown} ({clock}).", "Check the clock of this computer.")
    return int(expires_on)


def _account_in(claims: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the name of the account, and whether it is a user. Tokens of users have delegated permissions (`scp`)."""
    if "scp" not in claims and claims.get("idtyp") != "user":
        client_id = claims.get("appid") or claims.get("azp")
        if not is_id(client_id):
            raise _nameless()
        return str(client_id), False
    name = claims.get("upn") or claims.get("unique_name") or claims.get("preferred_username")
    if not isinstance(name, str):
        raise _nameless()
    # Guests: "live.com#name".
    name = name.rpartition("#")[2] if "#EXT#" not in name else name
    if not name or without_controls(name) != name or not is_utf_8(name):
        raise _nameless()
    return name, True


def _nameless() -> SignInError:
    return refusal("The access token does not name the user or the application that it is of.", _AGAIN)
