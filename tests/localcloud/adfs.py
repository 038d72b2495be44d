"""AD FS as Azure Stack Hub has it: one tenant, its own words for no, tokens without Entra's additions.

Sources: [MS-OIDCE] and [MS-OAPX] for the endpoints and metadata; "AD FS OpenID Connect/OAuth flows and application
scenarios"; MSAL Python's authority.py, token_cache.py and application.py for what a client expects. That the issuer
ends with the tenant's id is Azure Stack's configuration (azure-cli#9779, and AzureStack-Tools read it from there).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, g, jsonify, request

from tests.localcloud.claims import ClaimsRequest
from tests.localcloud.directory import Application, Membership, Tenant
from tests.localcloud.entra import start_device_sign_in
from tests.localcloud.errors import EntraError
from tests.localcloud.keys import SigningKey
from tests.localcloud.routes import Routes, adfs_routes
from tests.localcloud.scopes import GRAPH, ScopeRequest
from tests.localcloud.service import TokenService
from tests.localcloud.state import State
from tests.localcloud.tokens import Grant, Issuer, make_uti

_CLIENT = (
    "invalid_client",
    "MSIS9622: Client authentication failed. Please verify the credential provided for client authentication is valid.",
)
_PASSWORD = ("invalid_grant", "MSIS9659: Invalid 'username' or 'password'.")
_CODE = ("invalid_grant", "MSIS9612: The authorization code received in 'code' parameter is invalid.")
_REFRESH = ("invalid_grant", "MSIS9614: The refresh token received in 'refresh_token' parameter is invalid.")
_UNKNOWN_CLIENT = (
    "invalid_client",
    "MSIS9607: The 'client_id' parameter in the request is invalid. No registered client is found with this "
    "identifier.",
)
#: What AD FS answers (error, description) where Entra gives an AADSTS number.
_WORDS = {
    **dict.fromkeys((50126, 50034, 50057, 50020), _PASSWORD),
    **dict.fromkeys((70000, 70008, 54005, 500112, 700005, 501481), _CODE),
    **dict.fromkeys((9002313, 50173, 700007), _REFRESH),
    **dict.fromkeys((7000215, 7000218, 700025, 700021, 700023, 700024, 700027, 700030, 50027, 70025, 1000502), _CLIENT),
    700016: _UNKNOWN_CLIENT,
    700082: ("invalid_grant", "MSIS9615: The refresh token received in 'refresh_token' parameter has expired."),
    500011: (
        "invalid_resource",
        "MSIS9602: The received 'resource' parameter is invalid. The authorization server can not find a registered "
        "resource with the specified identifier.",
    ),
    65004: ("access_denied", "The end user declined the authorization request."),
    # RFC 8628 3.5
    70018: ("invalid_grant", "The device code is not valid."),
}


class AdfsError(EntraError):
    """A refusal in AD FS's words: `error` and `error_description`, nothing else."""

    def __init__(self, error: EntraError) -> None:
        name, text = _WORDS.get(error.code, (error.error, error.text))
        if error.code == 50011:
            text = "MSIS9224: Received invalid OAuth authorization request. " + error.text
        super().__init__(name, error.code, text, status=error.status_code)

    @property
    def title(self) -> str:
        """What a page shows."""
        return self.text

    def body(self, now: float, correlation_id: str | None, base_url: str) -> dict[str, Any]:
        return {"error": self.error, "error_description": self.text}


class AdfsIssuer(Issuer):
    """Tokens of AD FS for one cloud at `base_url` (no trailing slash)."""

    assertion_algorithms = ("RS256",)  # application.py: SHA-1 thumbprints and RS256 for AD FS
    client_info = False

    def __init__(self, state: State, key: SigningKey, base_url: str, tenant: Tenant) -> None:
        super().__init__(state, key, base_url)
        self.routes: Routes = adfs_routes(tenant.id)

    @property
    def endpoint(self) -> str:
        """The authority."""
        return f"{self.base_url}/adfs"

    def authority(self, segment: str) -> str:
        return self.endpoint

    def token_issuer(self, tenant: Tenant) -> str:
        return f"{self.endpoint}/{tenant.id}"

    def assertion_audiences(self, segment: str) -> list[str]:
        return [f"{self.endpoint}/oauth2/token/", f"{self.endpoint}/oauth2/token"]

    def refusal(self, error: EntraError) -> EntraError:
        return AdfsError(error)

    def for_user(self, grant: Grant) -> dict[str, Any]:
        return super().for_user(replace(grant, client_info=False))

    def _answer(self, scope: str) -> dict[str, Any]:
        return {"token_type": "bearer", "expires_in": self.state.settings.access_token_lifetime, "scope": scope}

    def _common(self, tenant: Tenant, client: Application, scope: ScopeRequest) -> dict[str, Any]:
        now, times = self._times()
        return {
            "aud": "urn:microsoft:userinfo" if scope.resource is GRAPH else scope.audience,
            "iss": self.token_issuer(tenant),
            **times,
            "appid": client.app_id,
            "apptype": "Public" if client.public else "Confidential",
            "tid": tenant.id,
            "uti": make_uti(now),
            "ver": "1.0",
        }

    def _access_token(self, grant: Grant) -> str:
        user = grant.user
        return self.key.sign(
            {
                **self._common(grant.tenant, grant.client, grant.scope),
                "authmethod": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
                "oid": grant.membership.oid,
                "scp": " ".join(dict.fromkeys((*grant.scope.scp.split(), *grant.scope.oidc))),
                "sid": grant.family,
                "sub": self._subject(grant),
                "unique_name": user.username,
                "upn": user.username,
            }
        )

    def _id_token(self, grant: Grant) -> str:
        now, times = self._times()
        times["exp"] = int(now) + 3600
        claims: dict[str, Any] = {
            "aud": grant.client.app_id,
            "iss": self.token_issuer(grant.tenant),
            **times,
            "auth_time": int(grant.sign_in.at),
            "sid": grant.family,
            "sub": self._subject(grant),
            # azure-cli reads it (auth/util.py, check_result), so Azure Stack's claim rules have to issue it.
            "tid": grant.tenant.id,
            "unique_name": grant.user.username,
            "upn": grant.user.username,
        }
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
        answer = self._answer("")
        del answer["scope"]
        claims = {**self._common(tenant, client, scope), "oid": principal.oid, "sub": principal.oid}
        answer["access_token"] = self.key.sign(claims)
        return answer


def adfs_blueprint(state: State, issuer: AdfsIssuer, service: TokenService) -> Blueprint:
    """Discovery, keys, token and device codes; the pages are the same as Entra's."""
    pages = Blueprint("adfs", __name__)
    routes, endpoint = issuer.routes, issuer.endpoint
    (tenant,) = state.directory.tenants

    @pages.errorhandler(EntraError)
    def refuse(error: EntraError) -> Response:
        refusal = issuer.refusal(error)
        answer = jsonify(refusal.body(state.now(), None, issuer.base_url))
        answer.status_code = refusal.status_code
        return answer

    @pages.get("/adfs/.well-known/openid-configuration")
    def discovery() -> Response:
        g.tenant = tenant.id
        return jsonify(
            {
                "issuer": issuer.token_issuer(tenant),
                "authorization_endpoint": f"{endpoint}/oauth2/authorize/",
                "token_endpoint": f"{endpoint}/oauth2/token/",
                "jwks_uri": f"{endpoint}/discovery/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "grant_types_supported": [
                    "authorization_code",
                    "refresh_token",
                    "client_credentials",
                    "password",
                    "urn:ietf:params:oauth:grant-type:device_code",
                ],
                "subject_types_supported": ["pairwise"],
                "scopes_supported": ["openid", "profile", "email", "user_impersonation", "allatclaims", "aza"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_signing_alg_values_supported": list(issuer.assertion_algorithms),
                "access_token_issuer": issuer.token_issuer(tenant),
                "claims_supported": ["aud", "iss", "iat", "exp", "auth_time", "nonce", "sub", "upn", "unique_name"],
                "microsoft_multi_refresh_token": True,
                "device_authorization_endpoint": f"{endpoint}/oauth2/devicecode",
            }
        )

    @pages.get("/adfs/discovery/keys")
    def keys() -> Response:
        return jsonify({"keys": [issuer.key.jwk]})

    @pages.post(routes.token, defaults=routes.defaults, strict_slashes=False)
    def token(tenant: str) -> Any:
        g.tenant = tenant
        g.grant_type = request.form.get("grant_type")
        return service.create_token_response()

    @pages.post(routes.devicecode, defaults=routes.defaults, strict_slashes=False)
    def devicecode(tenant: str) -> Response:
        made = start_device_sign_in(state, tenant, f"{issuer.base_url}{routes.device}")
        return jsonify({**made, "verification_url": made["verification_uri"]})

    return pages
