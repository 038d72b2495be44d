"""Tokens of another issuer as client assertions ("Workload identity federation"): whom an application trusts.

Numbers and words: AADSTS70025, 700211, 700213 and 7000272 as quoted in Azure/azure-workload-identity (#1200, #1232),
AADSTS700212 for the audience, AADSTS50166 when the issuer's documents can't be had (#642 there). A token may be used
again until it expires: Kubernetes and CI systems hand the same one out many times.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt

from tests.localcloud.directory import Application, FederatedCredential
from tests.localcloud.errors import EntraError, invalid_client

AUDIENCE = "api://AzureADTokenExchange"
#: The application ID of that resource, which is the `aud` of tokens that Entra itself issues for it.
EXCHANGE_APP_ID = "fb60f99c-7a34-4190-8149-302f77469936"
_ADVICE = (
    "Check your federated identity credential Subject, Audience and Issuer against the presented assertion. "
    "https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
)
#: Gets the JSON at an address; OSError or ValueError when it can't.
Fetch = Callable[[str], Any]


def local_fetch(base_url: str, ca_bundle: Path) -> Fetch:
    """Fetches from `base_url` only, over TLS: this cloud never sends a request to the network."""

    def fetch(url: str) -> Any:
        if not url.startswith(base_url + "/"):
            raise OSError(f"{url} is not an address of this cloud")
        context = ssl.create_default_context(cafile=str(ca_bundle))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(url, timeout=10) as answer:
                return json.load(answer)
        except http.client.HTTPException as exc:
            raise OSError(f"{url} answered no HTTP") from exc

    return fetch


def _no_match(code: int, what: str, value: object) -> EntraError:
    return invalid_client(
        code, f"No matching federated identity record found for presented assertion {what} '{value}'. {_ADVICE}"
    )


def _audiences(claims: dict[str, Any]) -> list[str]:
    audience = claims.get("aud")
    named = [str(a) for a in audience] if isinstance(audience, list) else [str(audience)]
    return [AUDIENCE if a == EXCHANGE_APP_ID else a for a in named]


def audiences_of(credential: FederatedCredential) -> list[str]:
    """What the `aud` of a token for this credential may be."""
    return [credential.audience, *([EXCHANGE_APP_ID] if credential.audience == AUDIENCE else [])]


def find_credential(app: Application, claims: dict[str, Any]) -> FederatedCredential:
    """The application's credential for these claims; EntraError names the first of them that fits none."""
    if not app.federated:
        raise invalid_client(
            70025, f"The client '{app.app_id}'({app.name}) has no configured federated identity credentials."
        )
    _check_identity(app, claims)
    rows = [f for f in app.federated if f.issuer == claims.get("iss")]
    if not rows:
        raise _no_match(700211, "issuer", claims.get("iss"))
    # The comparison is case-sensitive ("What's new for authentication", federated identity credentials).
    rows = [f for f in rows if f.subject == claims.get("sub")]
    if not rows:
        raise _no_match(700213, "subject", claims.get("sub"))
    rows = [f for f in rows if f.audience in _audiences(claims)]
    if not rows:
        raise _no_match(700212, "audience", " ".join(_audiences(claims)))
    return rows[0]


def _check_identity(app: Application, claims: dict[str, Any]) -> None:
    """Refuse tokens of Entra itself, except those of a managed identity in the application's own tenant.

    "Configure an application to trust a managed identity": both belong to one tenant. The wording of AADSTS700236 is
    that of Entra.
    """
    if "tid" not in claims:
        return
    home = app.principals[0].tenant_id if app.principals else None
    if not claims.get("xms_mirid") or claims["tid"] != home or claims.get("aud") != EXCHANGE_APP_ID:
        raise invalid_client(
            700236,
            f"Entra ID tokens issued by issuer '{claims.get('iss')}' may not be used for federated identity credential "
            "flows for applications or managed identities registered in this tenant.",
        )


def _key_set(credential: FederatedCredential, fetch: Fetch) -> Any:
    if credential.jwks is not None:
        return json.loads(credential.jwks)
    try:
        document = fetch(credential.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document["issuer"] != credential.issuer:
            raise ValueError("the document is another issuer's")
        return fetch(document["jwks_uri"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise EntraError("invalid_request", 50166, "Request to External OIDC endpoint failed.") from exc


def federated_key(credential: FederatedCredential, header: dict[str, Any], fetch: Fetch) -> Any:
    """The issuer's public key with the header's `kid`."""
    try:
        keys = jwt.PyJWKSet.from_dict(_key_set(credential, fetch)).keys
    except (jwt.PyJWKSetError, AttributeError) as exc:
        raise EntraError("invalid_request", 50166, "Request to External OIDC endpoint failed.") from exc
    for key in keys:
        if key.key_id == header.get("kid"):
            return key.key
    raise invalid_client(
        7000272,
        f"The certificate with identifier {header.get('kid')} used to sign the federated credential could not be found "
        f"in the metadata of identity provider {credential.issuer}. Please validate that your Identity Provider's "
        "metadata exposes the key used to sign the incoming token.",
    )
