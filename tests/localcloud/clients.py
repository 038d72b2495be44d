"""Registered clients as Authlib sees them, and how they authenticate: not at all, by secret, by signed assertion."""

from __future__ import annotations

import hmac
import json
from typing import Any
from urllib.parse import urlsplit

import jwt
from authlib.oauth2.rfc6749 import ClientMixin
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .directory import Application, FederatedCredential
from .errors import EntraError
from .keys import b64
from .state import State

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_LOOPBACK = ("localhost", "127.0.0.1")


def redirect_matches(registered: str, asked: str) -> bool:
    """Entra's rule: exact, except that the port of a loopback address does not count (RFC 8252 7.3).

    An address without a path equals the same with "/" ("Redirect URI restrictions and limitations").
    """
    want, got = urlsplit(registered), urlsplit(asked)
    if got.query or got.fragment or got.username:
        return False
    same_port = want.port == got.port or want.hostname in _LOOPBACK
    return (
        want.scheme == got.scheme
        and want.hostname == got.hostname
        and same_port
        and (want.path or "/") == (got.path or "/")
    )


class Client(ClientMixin):  # type: ignore[misc]
    """Authlib's view of an application."""

    def __init__(self, app: Application) -> None:
        self.app = app

    def get_client_id(self) -> str:
        return self.app.app_id

    def get_default_redirect_uri(self) -> str | None:
        return None

    def get_allowed_scope(self, scope: str | None) -> str:
        # The token service parses scopes itself, and has more to say than yes or no.
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return any(redirect_matches(known, redirect_uri) for known in self.app.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        return any(hmac.compare_digest(s.encode(), client_secret.encode()) for s in self.app.secrets)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "entra"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        public = ("authorization_code", "password", "refresh_token", DEVICE_CODE)
        return grant_type in (public if self.app.public else ("client_credentials",))


def _invalid_client(code: int, text: str) -> EntraError:
    return EntraError("invalid_client", code, text, status=401)


def unknown_client(client_id: str, tenant_name: str) -> EntraError:
    """No such application in the tenant."""
    return EntraError(
        "unauthorized_client",
        700016,
        f"Application with identifier '{client_id}' was not found in the directory '{tenant_name}'. This "
        "can happen if the application has not been installed by the administrator of the tenant or "
        "consented to by any user in the tenant. You may have sent your authentication request to the "
        "wrong tenant.",
    )


class ClientAuthenticator:
    """The one client authentication method of the token endpoint, registered with Authlib as "entra"."""

    def __init__(self, state: State, base_url: str) -> None:
        self._state = state
        self._base_url = base_url

    def __call__(self, query_client: Any, request: Any) -> Client:
        form = request.form
        client_id = form.get("client_id", "")
        if not client_id:
            raise EntraError(
                "invalid_request",
                900144,
                "The request body must contain the following parameter: 'client_id'.",
            )
        client: Client | None = query_client(client_id)
        if client is None:
            raise unknown_client(client_id, request.tenant_segment)
        secret, assertion = form.get("client_secret"), form.get("client_assertion")
        if client.app.public:
            if secret or assertion:
                raise _invalid_client(
                    700025,
                    "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
                )
            return client
        if secret:
            if not client.check_client_secret(secret):
                raise _invalid_client(
                    7000215,
                    "Invalid client secret provided. Ensure the secret being sent in the "
                    "request is the client secret value, not the client secret ID, for a "
                    f"secret added to app '{client.app.app_id}'.",
                )
            request.appidacr = "1"
        elif assertion:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise EntraError(
                    "invalid_request",
                    900144,
                    "The request body must contain the following parameter: 'client_assertion_type'.",
                )
            self._check_assertion(client.app, assertion, request.tenant_segment)
            request.appidacr = "2"
        else:
            raise _invalid_client(
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )
        return client

    def _check_assertion(self, app: Application, assertion: str, segment: str) -> None:
        """RFC 7523 section 3, with a registered certificate or a federated credential."""
        try:
            header = jwt.get_unverified_header(assertion)
            claims = jwt.decode(assertion, options={"verify_signature": False})
        except jwt.InvalidTokenError as exc:
            raise _invalid_client(50027, "JWT token is invalid or malformed.") from exc
        if claims.get("iss") != app.app_id and app.federated:
            self._check_federated(app, assertion, header, claims)
            return
        key = self._certificate_key(app, header)
        if claims.get("iss") != app.app_id or claims.get("sub") != app.app_id:
            raise _invalid_client(
                700021, "Client assertion application identifier doesn't match 'client_id' parameter."
            )
        tenant = self._state.directory.find_tenant(segment)
        names = {segment, tenant.id if tenant else segment}
        audiences = [
            f"{self._base_url}/{name}{end}"
            for name in names
            for end in ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "/", "")
        ]
        self._decode(assertion, key, audiences, ["RS256", "PS256"])
        if "jti" not in claims:
            raise _invalid_client(50027, "JWT token is invalid or malformed: 'jti' is missing.")
        with self._state.lock:
            # RFC 7523 3 (7): an assertion must not be used twice.
            if claims["jti"] in self._state.seen_assertions:
                raise _invalid_client(700030, "The client assertion was used before.")
            self._state.seen_assertions[claims["jti"]] = self._state.now()

    def _certificate_key(self, app: Application, header: dict[str, Any]) -> RSAPublicKey:
        """The public key of the registered certificate that the header names by thumbprint (RFC 7515 4.1.7, 4.1.8)."""
        for pem in app.certificates:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            sha1 = b64(certificate.fingerprint(hashes.SHA1()))
            sha256 = b64(certificate.fingerprint(hashes.SHA256()))
            if header.get("x5t#S256") == sha256 or header.get("x5t", "").rstrip("=") == sha1:
                key = certificate.public_key()
                if isinstance(key, RSAPublicKey):
                    return key
        raise _invalid_client(
            700027,
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        )

    def _check_federated(
        self, app: Application, assertion: str, header: dict[str, Any], claims: dict[str, Any]
    ) -> None:
        audience = claims.get("aud")
        for known in app.federated:
            if (
                known.issuer == claims.get("iss")
                and known.subject == claims.get("sub")
                and known.audience in (audience if isinstance(audience, list) else [audience])
            ):
                self._decode(assertion, self._federated_key(known, header), [known.audience], ["RS256"])
                return
        raise _invalid_client(
            700213,
            "No matching federated identity record found for presented assertion subject "
            f"'{claims.get('sub')}'. Check your federated identity credential Subject, "
            "Audience and Issuer against the presented assertion.",
        )

    @staticmethod
    def _federated_key(credential: FederatedCredential, header: dict[str, Any]) -> Any:
        for key in jwt.PyJWKSet.from_dict(json.loads(credential.jwks)).keys:
            if key.key_id == header.get("kid"):
                return key.key
        raise _invalid_client(700211, "No matching key was found for the presented assertion.")

    def _decode(self, assertion: str, key: Any, audiences: list[str], algorithms: list[str]) -> None:
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp"]}
        try:
            claims = jwt.decode(assertion, key, algorithms=algorithms, audience=audiences, options=options)
        except jwt.InvalidAudienceError as exc:
            raise _invalid_client(700023, "Client assertion audience claim does not match Realm issuer.") from exc
        except jwt.InvalidTokenError as exc:
            raise _invalid_client(700027, "Client assertion failed signature validation.") from exc
        now = self._state.now()
        # Five minutes either way, as Entra tolerates between its clock and the client's.
        if not claims.get("nbf", now) - 300 <= now < claims["exp"] + 300:
            raise _invalid_client(700024, "Client assertion is not within its valid time range.")
