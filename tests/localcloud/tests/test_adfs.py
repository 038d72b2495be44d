"""The local cloud's Azure Stack: AD FS as an authority, and an Azure Resource Manager that takes its tokens."""

from __future__ import annotations

import threading
import time
from typing import Any

import jwt
import msal
import pytest
import requests

from tests.harness.http_user import Answer
from tests.localcloud import AZURE_CLI, CI_APP, CI_SECRET, LocalCloud
from tests.localcloud.azurestack import AUDIENCE, STACK_APP, STACK_SECRET, TENANT
from tests.localcloud.certificatemaker import make_certificate
from tests.localcloud.testing import ARM_SCOPE, TokenClient, Visitor, pkce_pair, trusting_session
from tests.users import ADAM, ALICE

pytest_plugins = ["tests.localcloud.fixtures"]

SCOPE = f"{AUDIENCE}/.default"
USUAL = f"{SCOPE} openid profile offline_access"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class StackVisitor(Visitor):
    """A user at a browser who has an account of AD FS."""

    def identify(self, username: str) -> Any:
        if "other-account" in self.page.buttons:
            self.press("other-account")
        self.press("submit", username=username)
        return self.press("submit", password=self.cloud.azure_stack.directory.user(username).password)


@pytest.fixture
def user(fresh_cloud: LocalCloud) -> StackVisitor:
    return StackVisitor(fresh_cloud)


def ask(cloud: LocalCloud, **form: str) -> requests.Response:
    return trusting_session(cloud).post(f"{cloud.azure_stack.authority}/oauth2/token", data=form, timeout=60)


def password(cloud: LocalCloud, **form: str) -> requests.Response:
    values = {"grant_type": "password", "client_id": AZURE_CLI, "username": ADAM, "password": "adam-local-password"}
    return ask(cloud, **{**values, "scope": USUAL, "client_info": "1", **form})


def app_token(cloud: LocalCloud, **form: str) -> requests.Response:
    return ask(cloud, **{"grant_type": "client_credentials", "client_id": STACK_APP, "scope": SCOPE, **form})


def arm(cloud: LocalCloud, path: str, token: str, version: str = "2016-06-01") -> requests.Response:
    url = f"{cloud.azure_stack.url}{path}?api-version={version}"
    return trusting_session(cloud).get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def refused(answer: requests.Response, error: str, number: str) -> None:
    assert answer.status_code in (400, 401), answer.text
    body = answer.json()
    assert set(body) == {"error", "error_description"}
    assert body["error"] == error
    assert body["error_description"].startswith(number)


def test_discovery_names_the_endpoints_and_a_tenant(fresh_cloud: LocalCloud) -> None:
    authority = fresh_cloud.azure_stack.authority
    session = trusting_session(fresh_cloud)
    found = session.get(f"{authority}/.well-known/openid-configuration").json()
    assert authority == f"{fresh_cloud.url}/adfs"
    assert found["issuer"] == f"{authority}/{TENANT.id}"
    assert found["token_endpoint"] == f"{authority}/oauth2/token/"
    assert found["authorization_endpoint"] == f"{authority}/oauth2/authorize/"
    token = password(fresh_cloud).json()["id_token"]
    key = jwt.PyJWKSet.from_dict(session.get(found["jwks_uri"]).json())[jwt.get_unverified_header(token)["kid"]]
    jwt.decode(token, key, algorithms=["RS256"], audience=AZURE_CLI, issuer=found["issuer"])


def test_there_is_no_v2_endpoint_and_no_user_realm(fresh_cloud: LocalCloud) -> None:
    session = trusting_session(fresh_cloud)
    v2 = session.get(f"{fresh_cloud.url}/adfs/v2.0/.well-known/openid-configuration")
    assert v2.status_code == 400
    assert session.post(f"{fresh_cloud.url}/adfs/oauth2/v2.0/token", data={}).json()["error"] == "invalid_request"


def test_tokens_are_without_what_entra_adds(fresh_cloud: LocalCloud) -> None:
    answer = password(fresh_cloud).json()
    assert set(answer) == {"token_type", "expires_in", "scope", "access_token", "refresh_token", "id_token"}
    identity, access = claims_of(answer["id_token"]), claims_of(answer["access_token"])
    assert identity["upn"] == access["upn"] == ADAM
    assert identity["tid"] == access["tid"] == TENANT.id
    assert "preferred_username" not in identity
    assert access["aud"] == AUDIENCE


@pytest.mark.parametrize(
    ("form", "error", "number"),
    [
        ({"password": "wrong"}, "invalid_grant", "MSIS9659"),
        ({"username": ALICE, "password": "alice-local-password"}, "invalid_grant", "MSIS9659"),
        ({"client_id": CI_APP}, "invalid_client", "MSIS9607"),
        ({"client_secret": "x"}, "invalid_client", "MSIS9622"),
        ({"scope": ARM_SCOPE}, "invalid_resource", "MSIS9602"),
        ({"scope": "user.read"}, "invalid_resource", "MSIS9602"),
        ({"grant_type": "magic"}, "unsupported_grant_type", "The app requested"),
        ({"scope": ""}, "invalid_request", "The request body must contain"),
    ],
)
def test_a_password_request_is_refused_in_the_words_of_ad_fs(
    fresh_cloud: LocalCloud, form: dict[str, str], error: str, number: str
) -> None:
    refused(password(fresh_cloud, **form), error, number)


def test_the_operator_of_azure_stack_has_his_own_switches(fresh_cloud: LocalCloud) -> None:
    fresh_cloud.azure_stack.admin.disable_user(ADAM)
    fresh_cloud.admin.token_lifetime(60)
    refused(password(fresh_cloud), "invalid_grant", "MSIS9659")
    fresh_cloud.admin.reset()
    fresh_cloud.azure_stack.admin.token_lifetime(120)
    assert password(fresh_cloud).json()["expires_in"] == 120
    with pytest.raises(KeyError):
        fresh_cloud.admin.disable_user(ADAM)


def test_the_operator_of_azure_stack_can_be_asked_over_http(fresh_cloud: LocalCloud) -> None:
    url = f"{fresh_cloud.azure_stack.url}/admin/disable_user"
    session = trusting_session(fresh_cloud)
    fresh_cloud.admin.fail_next(".*", kind="error", method="POST")
    assert session.post(url, json={"user": ADAM}).status_code == 403
    assert session.post(url, json={"user": ADAM}, headers={"X-Admin-Key": fresh_cloud.admin_key}).status_code == 200
    assert fresh_cloud.admin.requests() == []
    assert password(fresh_cloud).status_code == 500
    refused(password(fresh_cloud), "invalid_grant", "MSIS9659")


def test_faults_and_the_log_are_those_of_the_whole_server(fresh_cloud: LocalCloud) -> None:
    fresh_cloud.admin.fail_next("/adfs/oauth2/token", kind="unavailable")
    assert password(fresh_cloud).status_code == 503
    assert password(fresh_cloud).status_code == 200
    assert fresh_cloud.admin.count_requests("/adfs/oauth2/token") == 2


def test_a_refresh_token_gives_tokens_until_it_expires(fresh_cloud: LocalCloud) -> None:
    token = password(fresh_cloud).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": AZURE_CLI, "scope": USUAL}
    assert claims_of(ask(fresh_cloud, refresh_token=token, **form).json()["access_token"])["upn"] == ADAM
    refused(ask(fresh_cloud, refresh_token="1.invented", **form), "invalid_grant", "MSIS9614")
    fresh_cloud.azure_stack.admin.clock_offset(91 * 24 * 3600)
    refused(ask(fresh_cloud, refresh_token=token, **form), "invalid_grant", "MSIS9615")


def test_tokens_of_one_cloud_are_nothing_in_the_other(client: TokenClient) -> None:
    cloud = client.cloud
    ours = password(cloud).json()
    theirs = client.password(ALICE).json()
    assert arm(cloud, "/tenants", theirs["access_token"]).status_code == 401
    assert client.arm("/tenants", ours["access_token"]).status_code == 401
    assert client.refresh(ours["refresh_token"]).json()["error"] == "invalid_grant"
    refused(app_token(cloud, client_id=CI_APP, client_secret=CI_SECRET), "invalid_client", "MSIS9607")
    entra = client.token(
        "organizations", grant_type="password", username=ADAM, password="adam-local-password", scope=SCOPE
    )
    assert entra.json()["error_codes"] == [50034]
    assert client.password(ALICE, scope=SCOPE).json()["error_codes"] == [500011]


def test_resource_manager_shows_one_tenant_and_what_the_user_sees(fresh_cloud: LocalCloud) -> None:
    token = password(fresh_cloud).json()["access_token"]
    assert arm(fresh_cloud, "/tenants", token).json()["value"] == [
        {"id": f"/tenants/{TENANT.id}", "tenantId": TENANT.id}
    ]
    (modern,) = arm(fresh_cloud, "/tenants", token, "2022-12-01").json()["value"]
    assert modern["defaultDomain"] == "azurestack.example"
    rows = arm(fresh_cloud, "/subscriptions", token).json()["value"]
    assert [row["displayName"] for row in rows] == ["Azure Stack Production", "Azure Stack Lab"]


def test_a_list_goes_on_below_the_same_address(fresh_cloud: LocalCloud) -> None:
    fresh_cloud.azure_stack.admin.page_size(1)
    token = password(fresh_cloud).json()["access_token"]
    link = arm(fresh_cloud, "/subscriptions", token).json()["nextLink"]
    assert link.startswith(f"{fresh_cloud.azure_stack.url}/subscriptions?")
    answer = trusting_session(fresh_cloud).get(link, headers={"Authorization": f"Bearer {token}"})
    assert [row["displayName"] for row in answer.json()["value"]] == ["Azure Stack Lab"]


def test_resource_manager_refuses_an_expired_token_and_says_where_to_get_one(fresh_cloud: LocalCloud) -> None:
    token = password(fresh_cloud).json()["access_token"]
    fresh_cloud.azure_stack.admin.clock_offset(3601)
    answer = arm(fresh_cloud, "/tenants", token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert f'authorization_uri="{fresh_cloud.azure_stack.authority}"' in answer.headers["WWW-Authenticate"]


def test_a_service_principal_signs_in_with_its_secret(fresh_cloud: LocalCloud) -> None:
    answer = app_token(fresh_cloud, client_secret=STACK_SECRET).json()
    assert set(answer) == {"token_type", "expires_in", "access_token"}
    rows = arm(fresh_cloud, "/subscriptions", answer["access_token"]).json()["value"]
    assert [row["displayName"] for row in rows] == ["Azure Stack Lab"]
    refused(app_token(fresh_cloud, client_secret="wrong"), "invalid_client", "MSIS9622")
    refused(app_token(fresh_cloud), "invalid_client", "MSIS9622")


@pytest.mark.parametrize(
    ("claims", "algorithm", "works"),
    [
        ({}, "RS256", True),
        ({}, "PS256", False),
        ({"aud": "https://elsewhere.example/adfs/oauth2/token/"}, "RS256", False),
        ({"exp": int(time.time()) - 400}, "RS256", False),
    ],
)
def test_a_service_principal_signs_in_with_its_certificate(
    fresh_cloud: LocalCloud, claims: dict[str, Any], algorithm: str, works: bool
) -> None:
    made = make_certificate("stack-app")
    fresh_cloud.azure_stack.admin.add_certificate("stack-app", made.pem)
    endpoint = f"{fresh_cloud.azure_stack.authority}/oauth2/token/"
    assertion = made.assertion(STACK_APP, claims.pop("aud", endpoint), algorithm=algorithm, **claims)
    answer = app_token(fresh_cloud, client_assertion=assertion, client_assertion_type=ASSERTION)
    if works:
        assert answer.status_code == 200
        assertion_again = app_token(fresh_cloud, client_assertion=assertion, client_assertion_type=ASSERTION)
        refused(assertion_again, "invalid_client", "MSIS9622")
    else:
        refused(answer, "invalid_client", "MSIS9622")


def msal_public(cloud: LocalCloud) -> msal.PublicClientApplication:
    return msal.PublicClientApplication(
        AZURE_CLI,
        authority=cloud.azure_stack.authority,
        http_client=trusting_session(cloud),
        client_capabilities=["CP1"],
    )


def code_for(cloud: LocalCloud, user: StackVisitor, flow: dict[str, Any]) -> Answer:
    assert flow["auth_uri"].startswith(f"{cloud.azure_stack.authority}/oauth2/authorize/")
    return user.sign_in(flow["auth_uri"], ADAM)


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_msal_signs_in_with_a_code(fresh_cloud: LocalCloud, user: StackVisitor, mode: str) -> None:
    app = msal_public(fresh_cloud)
    flow = app.initiate_auth_code_flow([SCOPE], "http://localhost:8400", prompt="select_account", response_mode=mode)
    called = code_for(fresh_cloud, user, flow)
    assert "client_info" not in called.parameters
    result = app.acquire_token_by_auth_code_flow(flow, called.parameters)
    assert result["id_token_claims"]["upn"] == ADAM
    (account,) = app.get_accounts(ADAM)
    assert account["home_account_id"] == result["id_token_claims"]["sub"]
    assert "access_token" in app.acquire_token_silent([SCOPE], account)
    assert "access_token" in app.acquire_token_silent([SCOPE], account, force_refresh=True)


def test_a_code_is_good_once(fresh_cloud: LocalCloud, user: StackVisitor) -> None:
    app = msal_public(fresh_cloud)
    flow = app.initiate_auth_code_flow([SCOPE], "http://localhost:8400", response_mode="query")
    called = code_for(fresh_cloud, user, flow)
    form = {
        "grant_type": "authorization_code",
        "client_id": AZURE_CLI,
        "code": called.parameters["code"],
        "redirect_uri": "http://localhost:8400",
        "code_verifier": flow["code_verifier"],
        "scope": USUAL,
    }
    assert ask(fresh_cloud, **form).status_code == 200
    refused(ask(fresh_cloud, **form), "invalid_grant", "MSIS9612")


def authorize_url(cloud: LocalCloud, redirect_uri: str) -> str:
    values = {
        "client_id": AZURE_CLI,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": USUAL,
        "code_challenge": pkce_pair()[1],
        "code_challenge_method": "S256",
        "state": "s",
    }
    made = requests.Request("GET", f"{cloud.azure_stack.authority}/oauth2/authorize", params=values).prepare().url
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("redirect_uri", "known"),
    [
        ("http://localhost:8400", True),
        ("http://localhost:8400/", True),
        ("http://127.0.0.1:8400", True),
        ("http://localhost:8401", False),
        ("http://localhost", False),
        ("https://localhost:8400", False),
        ("http://localhost:8400/elsewhere", False),
    ],
)
def test_only_the_registered_port_is_a_redirect_address(
    fresh_cloud: LocalCloud, user: StackVisitor, redirect_uri: str, known: bool
) -> None:
    page = user.open(authorize_url(fresh_cloud, redirect_uri))
    if known:
        assert page.url.startswith(f"{fresh_cloud.azure_stack.authority}/ls/")
    else:
        assert (page.status, user.answer) == (400, None)
        assert "MSIS9224" in page.text
        assert "AADSTS" not in page.text


def test_what_is_wrong_with_a_request_goes_to_the_application(fresh_cloud: LocalCloud, user: StackVisitor) -> None:
    user.open(authorize_url(fresh_cloud, "http://localhost:8400").replace("response_type=code", "response_type=x"))
    assert user.answer is not None
    assert set(user.answer.parameters) == {"error", "error_description", "state"}


def test_a_wrong_password_is_reported_on_the_page(fresh_cloud: LocalCloud, user: StackVisitor) -> None:
    user.open(authorize_url(fresh_cloud, "http://localhost:8400"))
    user.press("submit", username=ADAM)
    assert "Your account or password is incorrect" in user.press("submit", password="wrong").text


def test_a_user_of_the_other_cloud_is_unknown_on_the_page(fresh_cloud: LocalCloud, user: StackVisitor) -> None:
    user.open(authorize_url(fresh_cloud, "http://localhost:8400"))
    assert "username may be incorrect" in user.press("submit", username=ALICE).text


def test_msal_signs_in_with_a_device_code(fresh_cloud: LocalCloud, user: StackVisitor) -> None:
    app = msal_public(fresh_cloud)
    flow = app.initiate_device_flow([SCOPE])
    assert flow["verification_uri"] == f"{fresh_cloud.azure_stack.authority}/oauth2/deviceauth"

    def enter() -> None:
        user.open(flow["verification_uri"])
        user.press("submit", user_code=flow["user_code"])
        user.identify(ADAM)
        user.press("accept")

    later = threading.Timer(0.2, enter)
    later.start()
    assert "access_token" in app.acquire_token_by_device_flow(flow)
    later.join()


def test_polling_says_what_rfc_8628_says(fresh_cloud: LocalCloud) -> None:
    flow = msal_public(fresh_cloud).initiate_device_flow([SCOPE])
    form = {"client_id": AZURE_CLI, "grant_type": "urn:ietf:params:oauth:grant-type:device_code"}
    answer = ask(fresh_cloud, device_code=flow["device_code"], **form).json()
    assert answer["error"] == "authorization_pending"
    refused(ask(fresh_cloud, device_code="x", **form), "invalid_grant", "The device code")
    fresh_cloud.azure_stack.admin.clock_offset(1000)
    assert ask(fresh_cloud, device_code=flow["device_code"], **form).json()["error"] == "expired_token"


def test_msal_signs_in_with_a_password(fresh_cloud: LocalCloud) -> None:
    result = msal_public(fresh_cloud).acquire_token_by_username_password(ADAM, "adam-local-password", [SCOPE])
    assert result["id_token_claims"]["tid"] == TENANT.id
    assert fresh_cloud.admin.count_requests("userrealm") == 0


@pytest.mark.parametrize("how", ["secret", "certificate"])
def test_msal_signs_a_service_principal_in(fresh_cloud: LocalCloud, how: str) -> None:
    made = make_certificate("stack-app")
    fresh_cloud.azure_stack.admin.add_certificate("stack-app", made.pem)
    credential = (
        {"private_key": made.key_pem(), "public_certificate": made.pem} if how == "certificate" else STACK_SECRET
    )
    app = msal.ConfidentialClientApplication(
        STACK_APP,
        authority=fresh_cloud.azure_stack.authority,
        client_credential=credential,
        http_client=trusting_session(fresh_cloud),
    )
    assert "access_token" in app.acquire_token_for_client([SCOPE])


def test_the_metadata_is_what_az_cloud_register_reads(fresh_cloud: LocalCloud) -> None:
    session = trusting_session(fresh_cloud)
    url = f"{fresh_cloud.azure_stack.url}/metadata/endpoints?api-version="
    found = session.get(url + "2022-09-01").json()
    assert found["authentication"]["loginEndpoint"] == f"{fresh_cloud.url}/adfs"
    assert found["authentication"]["audiences"] == [AUDIENCE]
    assert found["resourceManager"] == f"{fresh_cloud.url}/azurestack"
    assert session.get(url + "2019-05-01").json() == [found]


def test_signing_in_to_one_cloud_leaves_the_browsers_session_at_the_other(
    fresh_cloud: LocalCloud, user: StackVisitor
) -> None:
    user.sign_in(authorize_url(fresh_cloud, "http://localhost:8400"), ADAM)
    other = Visitor(fresh_cloud)
    other.session = user.session
    other.open(f"{fresh_cloud.url}/device")
    user.open(authorize_url(fresh_cloud, "http://localhost:8400"))
    assert user.answer is not None
    assert "code" in user.answer.parameters
