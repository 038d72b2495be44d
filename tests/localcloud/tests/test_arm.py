"""The local cloud's ARM verifies tokens and lists what a user sees, page by page."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.localcloud.testing import ARM_SCOPE, TokenClient, Visitor, trusting_session
from tests.users import ALICE, ERIN

pytest_plugins = ["tests.localcloud.fixtures"]

CP1 = '{"access_token": {"xms_cc": {"values": ["CP1"]}}}'


@pytest.fixture
def token(client: TokenClient) -> str:
    return str(client.password(ALICE).json()["access_token"])


def refusal(answer: requests.Response, status: int = 401) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


def forged(token: str, **changes: Any) -> str:
    """The same claims (with changes), same key id, signed with another key."""
    claims = jwt.decode(token, options={"verify_signature": False})
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode({**claims, **changes}, key, "RS256", headers=jwt.get_unverified_header(token))


def test_a_token_signed_with_another_key_is_refused(client: TokenClient, token: str) -> None:
    assert client.arm("/subscriptions", token).status_code == 200
    answer = client.arm("/subscriptions", forged(token))
    assert refusal(answer) == "InvalidAuthenticationToken"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_an_unsigned_token_is_refused(client: TokenClient, token: str) -> None:
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", "none", headers={"kid": header["kid"]})
    assert refusal(client.arm("/subscriptions", unsigned)) == "InvalidAuthenticationToken"


@pytest.mark.parametrize("header", [None, "x", "a.b.c"])
def test_a_request_without_a_proper_token_is_refused(client: TokenClient, header: str | None) -> None:
    answer = client.arm("/subscriptions", header)
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["WWW-Authenticate"]


def test_an_id_token_is_no_access_token(client: TokenClient) -> None:
    token = client.password(ALICE).json()["id_token"]
    assert refusal(client.arm("/subscriptions", token)) == "InvalidAuthenticationTokenTenant"


def test_a_token_for_another_resource_is_refused(client: TokenClient) -> None:
    token = client.password(ALICE, scope="https://graph.microsoft.com//.default").json()["access_token"]
    assert refusal(client.arm("/subscriptions", token)) == "InvalidAuthenticationTokenAudience"


@pytest.mark.parametrize(
    "audience",
    [
        "https://management.localcloud.example/",
        "https://management.azure.com",
        "https://management.core.windows.net/",
    ],
)
def test_every_audience_of_arm_is_accepted(client: TokenClient, audience: str) -> None:
    token = client.password(ALICE, scope=f"{audience}/.default").json()["access_token"]
    assert client.arm("/subscriptions", token).status_code == 200


def test_an_expired_token_is_refused(client: TokenClient, token: str) -> None:
    client.cloud.admin.clock_offset(3601)
    assert refusal(client.arm("/subscriptions", token)) == "ExpiredAuthenticationToken"


def test_a_token_of_the_future_is_refused(client: TokenClient, token: str) -> None:
    client.cloud.admin.clock_offset(-3600)
    assert refusal(client.arm("/subscriptions", token)) == "InvalidAuthenticationToken"


def test_the_token_of_a_disabled_account_is_refused(client: TokenClient, token: str) -> None:
    client.cloud.admin.disable_user(ALICE)
    assert refusal(client.arm("/subscriptions", token)) == "InvalidAuthenticationToken"


def test_revocation_challenges_a_client_that_understands_challenges(client: TokenClient) -> None:
    capable = client.password(ALICE, claims=CP1).json()["access_token"]
    client.cloud.admin.revoke(ALICE)
    answer = client.arm("/subscriptions", capable)
    assert answer.status_code == 401
    challenge = answer.headers["WWW-Authenticate"]
    assert 'error="insufficient_claims"' in challenge
    claims = json.loads(base64.b64decode(challenge.partition('claims="')[2].partition('"')[0]))
    assert claims["access_token"]["nbf"]["essential"] is True
    time.sleep(0.01)
    fresh = client.password(ALICE, claims=CP1).json()["access_token"]
    assert client.arm("/subscriptions", fresh).status_code == 200


def test_revocation_does_not_reach_the_token_of_a_client_without_the_capability(
    client: TokenClient, token: str
) -> None:
    client.cloud.admin.revoke(ALICE)
    assert client.arm("/subscriptions", token).status_code == 200


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (None, "MissingApiVersionParameter"),
        ("2015-11-01", "InvalidApiVersionParameter"),
        ("latest", "InvalidApiVersionParameter"),
    ],
)
def test_the_api_version_is_required(client: TokenClient, token: str, version: str | None, code: str) -> None:
    assert refusal(client.arm("/subscriptions", token, version), 400) == code


def names(client: TokenClient, token: str, path: str = "/subscriptions") -> list[str]:
    return [row["displayName"] for row in client.arm(path, token).json()["value"]]


def test_the_list_depends_on_the_tenant_of_the_token(client: TokenClient, token: str) -> None:
    refresh = client.password(ALICE).json()["refresh_token"]
    fabrikam = client.refresh(refresh, "fabrikam.example").json()["access_token"]
    tailspin = client.refresh(refresh, "tailspin.example").json()["access_token"]
    assert "Contoso Production" in names(client, token)
    assert "Contoso Production" not in names(client, fabrikam)
    assert "Shared Platform" in names(client, token)
    assert "Shared Platform" in names(client, fabrikam)
    assert names(client, tailspin) == []


def test_tenants_lists_where_the_user_is_and_home_first(client: TokenClient, token: str) -> None:
    rows = client.arm("/tenants", token).json()["value"]
    assert [row["defaultDomain"] for row in rows] == [
        "contoso.example",
        "fabrikam.example",
        "woodgrove.example",
        "tailspin.example",
    ]
    assert rows[0]["tenantCategory"] == "Home"


def test_the_tenant_of_microsoft_accounts_is_not_listed(client: TokenClient) -> None:
    flow = client.device_code()
    Visitor(client.cloud).enter_device_code(flow["user_code"], ERIN)
    token = client.poll(flow["device_code"]).json()["access_token"]
    assert names(client, token, "/tenants") == ["Contoso"]


def test_the_oldest_api_version_knows_no_home_tenant(client: TokenClient, token: str) -> None:
    old = client.arm("/subscriptions", token, "2016-06-01").json()["value"][0]
    assert "tenantId" not in old
    assert "managedByTenants" not in old
    assert set(client.arm("/tenants", token, "2016-06-01").json()["value"][0]) == {"id", "tenantId"}


def test_a_list_in_pages_is_complete_and_in_order(client: TokenClient, token: str) -> None:
    everything = names(client, token)
    client.cloud.admin.page_size(2)
    pages: list[list[str]] = []
    url: str | None = "/subscriptions"
    while url:
        answer = client.arm(url, token).json()
        pages.append([row["displayName"] for row in answer["value"]])
        url = answer.get("nextLink")
        assert url is None or url.startswith(client.cloud.url)
    assert [len(p) for p in pages] == [2, 2, 1]
    assert [name for p in pages for name in p] == everything


def test_a_subscription_that_one_may_not_see_is_forbidden_and_an_unknown_one_not_found(
    client: TokenClient, token: str
) -> None:
    hidden = client.cloud.directory.subscription("Fabrikam Main").id
    assert refusal(client.arm(f"/subscriptions/{hidden}", token), 403) == "AuthorizationFailed"
    unknown = "00000000-0000-0000-0000-000000000000"
    assert refusal(client.arm(f"/subscriptions/{unknown}/resourcegroups", token), 404) == "SubscriptionNotFound"


def test_below_a_subscription_there_are_groups_locations_resources_and_providers(
    client: TokenClient, token: str
) -> None:
    base = f"/subscriptions/{client.cloud.directory.subscription('Contoso Production').id}"
    for path in ("/resourcegroups", "/locations", "/resources", "/providers"):
        assert client.arm(base + path, token).json()["value"]
    assert client.arm(f"{base}/resourcegroups/app", token).json()["name"] == "app"
    assert client.arm(f"{base}/resourcegroups/app", token, method="HEAD").status_code == 204
    assert refusal(client.arm(f"{base}/resourcegroups/none", token), 404) == "ResourceGroupNotFound"


def test_a_service_principal_sees_one_tenant_and_its_own_subscriptions(client: TokenClient) -> None:
    token = client.token(
        "fabrikam.example",
        grant_type="client_credentials",
        client_id=CI_APP,
        client_secret=CI_SECRET,
        scope=ARM_SCOPE,
    ).json()["access_token"]
    assert names(client, token) == ["Fabrikam Main"]
    assert names(client, token, "/tenants") == ["Fabrikam"]


def test_the_metadata_names_this_server(fresh_cloud: LocalCloud) -> None:
    url = f"{fresh_cloud.url}/metadata/endpoints?api-version="
    session = trusting_session(fresh_cloud)
    found = session.get(url + "2022-09-01").json()
    assert found["authentication"]["loginEndpoint"] == found["resourceManager"] == fresh_cloud.url
    assert session.get(url + "2019-05-01").json() == [found]


@pytest.mark.parametrize(
    ("tenant", "issuer"),
    [("organizations", "{tenantid}"), ("common", "{tenantid}"), ("contoso.onmicrosoft.example", None)],
)
def test_discovery_names_the_tenant_or_a_placeholder(fresh_cloud: LocalCloud, tenant: str, issuer: str | None) -> None:
    found = trusting_session(fresh_cloud).get(f"{fresh_cloud.url}/{tenant}/v2.0/.well-known/openid-configuration")
    who = issuer or fresh_cloud.directory.tenant("contoso.example").id
    assert found.json()["issuer"] == f"{fresh_cloud.url}/{who}/v2.0"


def test_discovery_of_an_unknown_tenant_is_an_error(fresh_cloud: LocalCloud) -> None:
    answer = trusting_session(fresh_cloud).get(f"{fresh_cloud.url}/nope.example/v2.0/.well-known/openid-configuration")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_tenant"
    assert answer.json()["error_codes"] == [90002]
