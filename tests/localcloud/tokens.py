"""Token answers: access tokens in Entra's v1 form, ID tokens in v2 form, client_info, lifetimes.

Sources: "Access token claims reference", "ID token claims reference" (Microsoft identity platform); `client_info`,
`foci`, `ext_expires_in` and `refresh_in` as MSAL Python's token_cache.py and application.py read them.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any

from tests.localcloud.claims import ClaimsRequest
from tests.localcloud.directory import Application, Membership, Tenant, User
from tests.localcloud.errors import EntraError
from tests.localcloud.keys import SigningKey, b64
from tests.localcloud.routes import ENTRA
from tests.localcloud.scopes import ScopeRequest
from tests.localcloud.signin import SignIn
from tests.localcloud.state import State

#: From this lifetime on an answer names a time to renew early (MSAL: "refresh_in"), in seconds.
LONG_LIVED = 2 * 3600


def make_uti(now: float) -> str:
    """A token id like Entra's (22 characters). It starts with the exact time, which `iat` rounds to seconds."""
    return b64(struct.pack(">Q", int(now * 1e6)) + secrets.token_bytes(8))


def issued_at(uti: str) -> float:
    """The exact time in a token id made by `make_uti`, seconds since 1970 UTC."""
    return float(struct.unpack(">Q", urlsafe_b64decode(uti + "==")[:8])[0]) / 1e6


def client_info(user: User) -> str:
    """The account in its home tenant; the same in every tenant."""
    return b64(json.dumps({"uid": user.home.oid, "utid": user.home.tenant_id}).encode())


@dataclass(frozen=True)
class Grant:
    """Everything that a token answer for a user depends on. `family` links tokens that came from one sign-in."""

    tenant: Tenant
    client: Application
    user: User
    membership: Membership
    sign_in: SignIn
    scope: ScopeRequest
    scope_text: str
    claims: ClaimsRequest
    family: str
    nonce: str | None = None
    client_info: bool = False


class Issuer:
    """Makes and signs tokens for one cloud at `base_url` (no trailing slash)."""

    def __init__(self, state: State, key: SigningKey, base_url: str) -> None:
        self.state = state
        self.key = key
        self.base_url = base_url

    #: How a client assertion may be signed: MSAL uses PS256, older libraries RS256.
    assertion_algorithms: tuple[str, ...] = ("RS256", "PS256")
    #: Whether answers identify the account in its home tenant.
    client_info = True
    routes = ENTRA

    def authority(self, segment: str) -> str:
        """The address of the authority for a tenant, or for `common`."""
        return f"{self.base_url}/{segment}"

    def token_issuer(self, tenant: Tenant) -> str:
        """`iss` of access tokens."""
        return f"{self.base_url}/{tenant.id}/"

    def refusal(self, error: EntraError) -> EntraError:
        """The refusal in this token service's words."""
        return error

    def assertion_audiences(self, segment: str) -> list[str]:
        """What a client assertion sent to the authority `segment` may have as its audience."""
        tenant = self.state.directory.find_tenant(segment)
        names = dict.fromkeys((segment, tenant.id if tenant else segment))
        endings = ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "/", "")
        return [f"{self.base_url}/{name}{end}" for name in names for end in endings]

    def _times(self) -> tuple[float, dict[str, int]]:
        now = self.state.now()
        # Entra puts iat and nbf a few minutes back; the lifetime counts from now.
        return now, {
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + self.state.settings.access_token_lifetime,
        }

    def _answer(self, scope: str) -> dict[str, Any]:
        lifetime = self.state.settings.access_token_lifetime
        found: dict[str, Any] = {
            "token_type": "Bearer",
            "scope": scope,
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
        }
        if lifetime >= LONG_LIVED:
            found["refresh_in"] = lifetime // 2
        return found

    def for_user(self, grant: Grant) -> dict[str, Any]:
        """The token answer for a user: RFC 6749 5.1 and what Entra adds."""
        answer = self._answer(grant.scope.granted)
        answer["access_token"] = self._access_token(grant)
        if "offline_access" in grant.scope.oidc:
            answer["refresh_token"] = self.state.new_refresh_token(
                grant.client.app_id, grant.scope_text, grant.sign_in, grant.family
            )
            if grant.client.family:
                answer["foci"] = "1"
        if "openid" in grant.scope.oidc:
            answer["id_token"] = self._id_token(grant)
        if grant.client_info:
            answer["client_info"] = client_info(grant.user)
        return answer

    def _access_token(self, grant: Grant) -> str:
        now, times = self._times()
        user = grant.user
        claims: dict[str, Any] = {
            "aud": grant.scope.audience,
            "iss": self.token_issuer(grant.tenant),
            **times,
            "acr": "1",
            "amr": grant.sign_in.amr(grant.tenant.id),
            "appid": grant.client.app_id,
            "appidacr": "0",
            "idtyp": "user",
            "ipaddr": "127.0.0.1",
            "name": user.name,
            "oid": grant.membership.oid,
            "sid": grant.family,
            "scp": grant.scope.scp,
            "sub": self._subject(grant),
            "tid": grant.tenant.id,
            "uti": make_uti(now),
            "ver": "1.0",
        }
        if user.home.tenant_id == grant.tenant.id and not user.microsoft_account:
            claims["unique_name"] = claims["upn"] = user.username
        else:
            # A guest has no upn of this tenant; unique_name names the tenant that the user comes from.
            prefix = "live.com#" if user.microsoft_account else ""
            claims["unique_name"] = prefix + user.username
            claims["email"] = user.username
            claims["idp"] = "live.com" if user.microsoft_account else f"{self.base_url}/{user.home.tenant_id}/"
        if grant.claims.capabilities:
            claims["xms_cc"] = list(grant.claims.capabilities)
        return self.key.sign(claims)

    def _subject(self, grant: Grant) -> str:
        """`sub` is pairwise: another one for every application."""
        return b64(hashlib.sha256(f"{grant.membership.oid}/{grant.client.app_id}".encode()).digest())

    def _id_token(self, grant: Grant) -> str:
        now, times = self._times()
        times["exp"] = int(now) + 3600
        claims: dict[str, Any] = {
            "aud": grant.client.app_id,
            "iss": f"{self.base_url}/{grant.tenant.id}/v2.0",
            **times,
            "name": grant.user.name,
            "oid": grant.membership.oid,
            "preferred_username": grant.user.username,
            "sub": self._subject(grant),
            "tid": grant.tenant.id,
            "uti": make_uti(now),
            "ver": "2.0",
            "rh": "1.local.",
        }
        if grant.claims.wants_login_hint:
            # An optional claim: opaque to clients, good as `login_hint` of a later request.
            claims["login_hint"] = grant.user.username
        if grant.nonce:
            claims["nonce"] = grant.nonce
        return self.key.sign(claims)

    def for_application(
        self,
        tenant: Tenant,
        client: Application,
        principal: Membership,
        scope: ScopeRequest,
        claims_request: ClaimsRequest,
        appidacr: str,
    ) -> dict[str, Any]:
        """The token answer for a service principal: no refresh token, no ID token (RFC 6749 4.4.3)."""
        now, times = self._times()
        claims: dict[str, Any] = {
            "aud": scope.audience,
            "iss": self.token_issuer(tenant),
            **times,
            "appid": client.app_id,
            "appidacr": appidacr,
            "idp": self.token_issuer(tenant),
            "idtyp": "app",
            "oid": principal.oid,
            "sub": principal.oid,
            "tid": tenant.id,
            "uti": make_uti(now),
            "ver": "1.0",
        }
        if claims_request.capabilities:
            claims["xms_cc"] = list(claims_request.capabilities)
        answer = self._answer("")
        del answer["scope"]
        answer["access_token"] = self.key.sign(claims)
        return answer
