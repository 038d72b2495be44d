"""Who calls Azure Resource Manager: verifies the bearer token and refuses it the way ARM does.

Refusals: RFC 6750 3.1 `WWW-Authenticate`; claims challenges: "Claims challenges, claims requests and client
capabilities" (Microsoft identity platform).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import jwt

from tests.localcloud.directory import Tenant
from tests.localcloud.state import State
from tests.localcloud.tokens import Issuer, issued_at


class ArmError(Exception):
    """An error answer: {"error": {"code", "message"}}."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True)
class Caller:
    """The verified sender of a request. `principal` is a user name or application id."""

    principal: str
    name: str
    oid: str
    tenant: Tenant
    home_tenant: str
    tenants: tuple[Tenant, ...]


def _refuse(issuer: Issuer, tenant: str, error: str, code: str, message: str, claims: str | None = None) -> ArmError:
    authority = issuer.authority(tenant)
    challenge = f'Bearer authorization_uri="{authority}", error="{error}", error_description="{message}"'
    if claims is not None:
        encoded = base64.b64encode(claims.encode()).decode()
        challenge = (
            f'Bearer realm="", authorization_uri="{issuer.authority("common")}/oauth2/authorize", '
            f'error="insufficient_claims", claims="{encoded}"'
        )
    return ArmError(401, code, message, {"WWW-Authenticate": challenge})


def authenticate(state: State, issuer: Issuer, header: str | None) -> Caller:
    """Verify `Authorization: Bearer ...`; ArmError 401 when there is anything wrong with the token."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _refuse(
            issuer,
            "common",
            "invalid_token",
            "AuthenticationFailed",
            "Authentication failed. The Authorization header is missing.",
        )
    try:
        claims = issuer.key.verify(token)
    except jwt.InvalidTokenError as exc:
        raise _refuse(
            issuer, "common", "invalid_token", "InvalidAuthenticationToken", "The access token is invalid."
        ) from exc
    directory, now = state.directory, state.now()
    tenant = directory.find_tenant(str(claims.get("tid")))
    segment = tenant.id if tenant else "common"
    if tenant is None or claims.get("iss") != issuer.token_issuer(tenant):
        raise _refuse(
            issuer,
            segment,
            "invalid_token",
            "InvalidAuthenticationTokenTenant",
            "The access token is from the wrong issuer.",
        )
    resource = state.resources.get(str(claims.get("aud")).rstrip("/"))
    if resource is None or resource.key != "arm":
        raise _refuse(
            issuer,
            segment,
            "invalid_token",
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{claims.get('aud')}'. It "
            "should exactly match with one of the allowed audiences.",
        )
    if not claims["nbf"] <= now + 300:
        raise _refuse(
            issuer, segment, "invalid_token", "InvalidAuthenticationToken", "The access token is not yet valid."
        )
    if now >= claims["exp"]:
        raise _refuse(
            issuer,
            segment,
            "invalid_token",
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is in the past.",
        )
    return _caller(state, issuer, tenant, claims)


def _caller(state: State, issuer: Issuer, tenant: Tenant, claims: dict[str, object]) -> Caller:
    directory = state.directory
    if "unique_name" not in claims:
        app = directory.find_application(str(claims["appid"]))
        principal = app.in_tenant(tenant.id) if app else None
        if app is None or principal is None:
            raise _refuse(issuer, tenant.id, "invalid_token", "InvalidAuthenticationToken", "The principal is unknown.")
        return Caller(app.app_id, app.app_id, principal.oid, tenant, tenant.id, (tenant,))
    username = str(claims["unique_name"]).rpartition("#")[2]
    user = directory.find_user(username)
    membership = user.in_tenant(tenant.id) if user else None
    if user is None or membership is None or user.disabled:
        raise _refuse(
            issuer,
            tenant.id,
            "invalid_token",
            "InvalidAuthenticationToken",
            "The account of the token is disabled or not in the tenant any more.",
        )
    if claims.get("sid") in state.revoked_families:
        raise _refuse(
            issuer,
            tenant.id,
            "invalid_token",
            "InvalidAuthenticationToken",
            "The access token came from an authorization code that was used twice.",
        )
    capabilities = [str(c).lower() for c in claims.get("xms_cc") or ()]  # type: ignore[attr-defined]
    # Continuous access evaluation: only clients that declared CP1 are challenged; the tokens of all others live on.
    if "cp1" in capabilities and state.revoked_since(user.username, issued_at(str(claims["uti"]))):
        wanted = json.dumps(
            {"access_token": {"nbf": {"essential": True, "value": str(int(state.revoked_at[user.username.lower()]))}}}
        )
        raise _refuse(
            issuer,
            tenant.id,
            "insufficient_claims",
            "TokenCreatedWithOutdatedPolicies",
            "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: "
            "TokenIssuedBeforeRevocationTimestamp.",
            wanted,
        )
    tenants = tuple(directory.tenant(m.tenant_id) for m in user.memberships)
    return Caller(
        user.username,
        user.username,
        membership.oid,
        tenant,
        user.home.tenant_id,
        tuple(t for t in tenants if t.listed),
    )
