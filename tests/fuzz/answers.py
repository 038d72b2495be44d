"""Targets that answer requests: the sign-in service, Resource Manager, managed identities and build systems."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import msal

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.application import ApplicationFactory, ApplicationSettings, authority_errors
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.entra.documents import AuthorityDocuments
from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.entra.http_client import AuthorityHttpClient
from azext_login.auth.entra.tenants import resolve_tenant
from azext_login.auth.entra.user_credential import UserCredential
from azext_login.auth.interactive.device_code import sign_in_with_device_code
from azext_login.auth.interactive.password import sign_in_with_password
from azext_login.auth.managed_identity.answers import check_response
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.requests import translate_errors
from azext_login.auth.managed_identity.sources import find_cloud_shell_source, find_source
from azext_login.auth.sources.build_services import fetch_from_azure_pipelines, fetch_from_github
from azext_login.profile.model import Account
from azext_login.profile.state import ProfileState
from azext_login.resource_manager.client import ResourceManager
from azext_login.resource_manager.resources import Tenant
from azext_login.system.http_server.request import FormError, parse_form
from azext_login.usecases.rows import row_of
from azext_login.usecases.sign_in import SignInRequest, authenticate_user
from tests.fuzz.mutate import Mutator, token_of
from tests.fuzz.place import Place, Wire, damaged
from tests.fuzz.run import RefusedError, Target
from tests.users import ALICE

HOST = "https://login.contoso.example"
ENTRA = "https://login.microsoftonline.com"
TENANT = "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a"
OTHER_TENANT = "0f1e2d3c-0000-4000-8000-000000000001"
SUBSCRIPTION = "0f1e2d3c-0000-4000-8000-000000000002"
OBJECT = "0d1c7a70-7b3e-4b6e-b9d5-1d0f6b1f0c11"
ARM = "https://management.contoso.example"
SCOPES = [f"{ARM}/.default"]
FAR = 4_000_000_000
CLAIMS = {
    "aud": AZURE_CLI_CLIENT_ID, "iss": f"{HOST}/{TENANT}/v2.0", "sub": "subject", "oid": OBJECT, "tid": TENANT,
    "preferred_username": ALICE, "name": "Alice", "exp": FAR, "iat": 1_700_000_000, "nbf": 1_700_000_000, "ver": "2.0",
}  # fmt: skip
ACCESS_TOKEN = token_of({**CLAIMS, "aud": ARM})

_ASSERTION = token_of({"iss": "https://issuer.example", "sub": "x", "exp": FAR})


def _client_info(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _document(tenant: str = TENANT, host: str = HOST) -> dict[str, Any]:
    base = f"{host}/{tenant}"
    return {
        "issuer": f"{host}/{TENANT}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "tenant_region_scope": None,
        "scopes_supported": ["openid"],
    }


_REFUSAL = {
    "error": "invalid_grant",
    "error_description": "AADSTS50076: Due to a configuration change you must use MFA. Trace ID: 1-2 "
    "Correlation ID: 3-4 Timestamp: 2026-01-02 03:04:05Z",
    "error_codes": [50076],
    "suberror": "basic_action",
    "claims": '{"access_token": {"capolids": {"essential": true, "values": ["x"]}}}',
    "timestamp": "2026-01-02 03:04:05Z",
    "trace_id": "1-2",
    "correlation_id": "3-4",
}


def tokens() -> dict[str, Any]:
    return {
        "token_type": "Bearer",
        "scope": SCOPES[0],
        "expires_in": 3599,
        "ext_expires_in": 3599,
        "refresh_in": 1800,
        "access_token": ACCESS_TOKEN,
        "refresh_token": "0.refresh-token",
        "id_token": token_of(CLAIMS),
        "client_info": _client_info(json.dumps({"uid": OBJECT, "utid": TENANT}).encode()),
        "foci": "1",
    }


def answer_of(content: Any, status: int = 200) -> Wire:
    return Wire(json.dumps(content).encode(), status)


def _factory(
    here: Place, cache: Any, *, host: str = HOST, discovery: bool = False, known: bool = False
) -> ApplicationFactory:
    settings = ApplicationSettings(host, False, discovery, ("CP1",), {})
    documents = AuthorityDocuments(host) if known else None
    client = AuthorityHttpClient(here.http, host, documents=documents)
    return ApplicationFactory(settings, token_cache=cache, http_client=client, http_cache={})


def _signed_in(here: Place) -> str:
    """Return MSAL's cache of a user who has signed in."""

    def make() -> str:
        cache = msal.SerializableTokenCache()
        here.serve(
            lambda method, url: answer_of(tokens() if method == "POST" else {"account_type": "Managed", **_document()})
        )
        application = _factory(here, cache).build(TENANT)
        result = sign_in_with_password(application, username=ALICE, password="x", scopes=SCOPES)
        assert "access_token" in result, result
        return str(cache.serialize())

    return str(here.once("signed in", make))


def _token_answer(mutate: Mutator, here: Place) -> object:
    cache = msal.SerializableTokenCache()
    cache.deserialize(_signed_in(here))
    wire = damaged(mutate, _REFUSAL, status=400) if mutate.chance(3) else damaged(mutate, tokens())
    here.serve(lambda method, url: wire if method == "POST" else answer_of(_document()))
    factory = _factory(here, cache)
    credential = UserCredential(factory, ALICE, authority=HOST, environ={})
    found = credential.token(["https://vault.contoso.example/.default"], tenant=TENANT)
    factory.copy_for_home(found.secret, TENANT)
    cache.serialize()
    return found


def _id_token(mutate: Mutator, here: Place) -> object:
    answer = tokens()
    if mutate.chance(3):
        answer["client_info"] = _client_info(mutate.json({"uid": OBJECT, "utid": TENANT}))
    else:
        answer["id_token"] = mutate.token(CLAIMS)
    realm = (
        damaged(mutate, {"account_type": "Managed", "ver": "1.0"})
        if mutate.chance(4)
        else answer_of({"account_type": "Managed"})
    )
    here.serve(
        lambda method, url: (
            answer_of(answer) if method == "POST" else realm if "/userrealm/" in url else answer_of(_document())
        )
    )
    cache = msal.SerializableTokenCache()
    session = SimpleNamespace(settings=SimpleNamespace(authority=HOST, arm_scopes=SCOPES))
    factory = _factory(here, cache)
    account = authenticate_user(
        cast(Any, session),
        SignInRequest(password_user=ALICE),
        lambda applications, application, scopes: sign_in_with_password(
            application, username=ALICE, password="x", scopes=scopes
        ),
        factory,
    )
    credential = UserCredential(factory, account.name, authority=HOST, environ={})
    credential.share_with_home(SCOPES)
    cache.serialize()
    return account


def _device_code(mutate: Mutator, here: Place) -> object:
    sample = {
        "user_code": "ABC", "device_code": "D", "verification_uri": "https://microsoft.com/devicelogin",
        "expires_in": 900, "interval": 0, "message": "To sign in, open the page and enter ABC.",
    }  # fmt: skip
    wire = damaged(mutate, sample)
    here.serve(
        lambda method, url: (
            (wire if "devicecode" in url else answer_of(tokens())) if method == "POST" else answer_of(_document())
        )
    )
    application = _factory(here, msal.TokenCache()).build(TENANT)
    shown: list[str] = []
    with authority_errors(HOST):
        result = sign_in_with_device_code(
            application, scopes=SCOPES, claims_challenge=None, show_message=shown.append, attempt=Attempt()
        )
    if "error" in result:
        raise explain(result, Attempt())
    return AccessToken.from_result(result, now=here.now)


def _redirected(mutate: Mutator, here: Place) -> object:
    """Read the parameters that a browser brings: a code, or the service's refusal."""
    application = here.once("public", lambda: build_public(here))
    with authority_errors(HOST):
        flow = application.initiate_auth_code_flow(
            SCOPES, redirect_uri="http://localhost:8400", response_mode="form_post"
        )
    answer = f"code=0.code&state={flow['state']}&session_state=1".encode()
    if mutate.chance(2):
        answer = (
            f"error=access_denied&error_description=AADSTS65004%3A+declined%0D%0ATrace+ID%3A+1-2&state={flow['state']}"
        ).encode()
    try:
        parameters = parse_form(mutate.octets(answer))
    except FormError as error:
        raise RefusedError from error
    # The request has a hash of the nonce, and the ID token repeats that.
    nonce = parse_qs(urlsplit(flow["auth_uri"]).query)["nonce"][0]
    here.serve(lambda method, url: answer_of({**tokens(), "id_token": token_of({**CLAIMS, "nonce": nonce})}))
    with authority_errors(HOST):
        result = application.acquire_token_by_auth_code_flow(flow, parameters)
    if "error" in result:
        raise explain(result, Attempt(tenant=TENANT, username=ALICE))
    return AccessToken.from_result(result, now=here.now)


def build_public(here: Place) -> Any:
    here.serve(lambda method, url: answer_of(_document()))
    return _factory(here, msal.TokenCache()).build(TENANT)


def _refusal(mutate: Mutator, here: Place) -> object:
    """Explain a refusal to users and to service principals."""
    error = mutate.plain(_REFUSAL)
    if not isinstance(error, dict):
        raise RefusedError
    attempts = (
        Attempt(tenant=TENANT, username=ALICE),
        Attempt(service_principal=True, tenant=TENANT, username=OBJECT),
        Attempt(username=ALICE, with_password=True),
    )
    found = [explain(error, attempt) for attempt in attempts]
    if "error" not in error:
        # Nothing of ours asks for an explanation of another answer.
        return found
    raise mutate.choose(*found)


def _discovery(mutate: Mutator, here: Place) -> object:
    """Read discovery documents: of tenants, and of the instance."""
    tenant = mutate.choose(TENANT, None)
    host = mutate.choose(HOST, ENTRA)
    wire = damaged(mutate, _document(tenant or "organizations", host))
    instance = damaged(
        mutate,
        {
            "tenant_discovery_endpoint": f"{host}/{TENANT}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": "login.contoso.example", "aliases": ["login.contoso.example"]}],
        },
    )
    here.serve(lambda method, url: instance if "/discovery/instance" in url else wire)
    factory = _factory(here, msal.TokenCache(), host=host, discovery=mutate.choose(False, True), known=True)
    application = factory.build(tenant, is_named_by_user=bool(tenant))
    with authority_errors(host):
        return application.initiate_auth_code_flow(SCOPES, response_mode="form_post")


def _tenant_domain(mutate: Mutator, here: Place) -> object:
    wire = damaged(mutate, _document()) if not mutate.chance(5) else damaged(mutate, _REFUSAL, status=400)
    http = here.serve(lambda method, url: wire)
    documents = AuthorityDocuments(HOST)
    return resolve_tenant(http, HOST, mutate.text("contoso.example") if mutate.chance(5) else "contoso.example",
                          verify=True, documents=documents)  # fmt: skip


def _resource_manager(mutate: Mutator, here: Place) -> object:
    tenants = {
        "value": [
            {
                "id": f"/tenants/{TENANT}",
                "tenantId": TENANT,
                "displayName": "Contoso",
                "defaultDomain": "contoso.example",
            },
            {"id": f"/tenants/{OTHER_TENANT}", "tenantId": OTHER_TENANT, "displayName": "Fabrikam"},
        ],
        "nextLink": f"{ARM}/tenants?page=2",
    }
    subscriptions = {
        "value": [
            {
                "id": f"/subscriptions/{SUBSCRIPTION}", "subscriptionId": SUBSCRIPTION, "displayName": "Development",
                "state": "Enabled", "tenantId": TENANT, "managedByTenants": [{"tenantId": OTHER_TENANT}],
            }
        ],
        "nextLink": f"{ARM}/subscriptions?page=2",
    }  # fmt: skip
    refusal = {"error": {"code": "AuthorizationFailed", "message": "The client has no authorization."}}
    last = answer_of({"value": []})
    which = mutate.choose(0, 1, 2, 3)
    pages = {
        "tenants": damaged(mutate, tenants) if which != 1 else answer_of({"value": tenants["value"]}),
        "subscriptions": damaged(mutate, subscriptions) if which else answer_of(subscriptions),
    }
    if which == 3:
        pages["subscriptions"] = damaged(mutate, refusal, status=mutate.random.choice((401, 403, 404, 409)))

    def answer(method: str, url: str) -> Wire:
        return last if url.endswith("page=2") else pages["tenants" if "/tenants" in url else "subscriptions"]

    manager = ResourceManager(
        ARM, session=here.serve(answer), api_version="2022-12-01", token=lambda tenant, claims: "token"
    )
    found: list[Tenant] = manager.tenants()
    rows = []
    for tenant in found[:5]:
        for subscription in manager.subscriptions(tenant, described=True):
            rows.append(row_of(subscription, Account(ALICE), "LocalCloud"))
    json.dumps(rows).encode()
    state = ProfileState(rows=rows)
    state.write_to({}, 1)
    return rows


def _managed_identity(mutate: Mutator, here: Place) -> object:
    sources = here.once("sources", lambda: (
        find_source({}, exists=lambda path: False),
        find_source({"IDENTITY_ENDPOINT": "http://127.0.0.1/b", "IDENTITY_HEADER": "c"}),
        find_source({"MSI_ENDPOINT": "http://127.0.0.1/b", "MSI_SECRET": "c"}),
        find_source({"IDENTITY_ENDPOINT": "http://127.0.0.1/b", "IMDS_ENDPOINT": "http://127.0.0.1"}),
        find_cloud_shell_source({"MSI_ENDPOINT": "http://127.0.0.1/b"}),
    ))  # fmt: skip
    source = mutate.choose(*sources)
    identity = mutate.choose(AssignedIdentity(), AssignedIdentity("client-id", OBJECT))
    sample: dict[str, Any] = {
        "access_token": ACCESS_TOKEN, "client_id": OBJECT, "expires_in": "86400", "expires_on": str(FAR),
        "ext_expires_in": "86399", "not_before": "1700000000", "resource": ARM, "token_type": "Bearer",
    }  # fmt: skip
    status = mutate.choose(200, 200, 200, 400, 403)
    if status != 200:
        sample = {
            "error": "invalid_request",
            "error_description": f"Multiple user assigned identities exist: {OBJECT}, "
            f"/subscriptions/{SUBSCRIPTION}/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/n",
        }
    http = here.serve(lambda method, url: wire)
    wire = damaged(mutate, sample, status=status)
    with translate_errors(source):
        response = http.get("http://127.0.0.1/metadata/identity/oauth2/token", allow_redirects=False)
        check_response(response, source, identity)
    if response.status_code == 401:
        raise RefusedError
    return AccessToken.from_result(response.json(), now=here.now)


def _build_system(mutate: Mutator, here: Place) -> object:
    service = mutate.choose("value", "oidcToken")
    sample = {service: mutate.token({"iss": "https://issuer.example", "exp": FAR}) if mutate.chance(3) else _ASSERTION}
    status = mutate.choose(200, 200, 400)
    if status != 200:
        sample = {"message": "The job may not request tokens.", "value": {"Message": "No."}}  # type: ignore[dict-item]
    wire = damaged(mutate, sample, status=status)
    http = here.serve(lambda method, url: wire)
    if service == "value":
        environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ci.example/x?a=b", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
        return fetch_from_github("api://AzureADTokenExchange", http=http, environ=environ)
    environ = {"SYSTEM_OIDCREQUESTURI": "https://ci.example/x", "SYSTEM_ACCESSTOKEN": "job"}
    return fetch_from_azure_pipelines(SUBSCRIPTION, http=http, environ=environ)


TARGETS = (
    Target("token-answer", _token_answer, 4),
    Target("id-token", _id_token, 4),
    Target("device-code", _device_code, 2),
    Target("authorization-answer", _redirected, 4),
    Target("refusal", _refusal, 8, valid="InteractionRequiredError"),
    Target("discovery", _discovery, 4),
    Target("tenant-domain", _tenant_domain, 4, quotes=True),
    Target("resource-manager", _resource_manager, 8),
    Target("managed-identity", _managed_identity, 4),
    Target("build-system", _build_system, 4),
)
