"""Tenants and subscriptions, read from the local cloud's Resource Manager with its faults."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msal
import pytest
import requests

from azext_login.auth.entra.http_client import AuthorityHttpClient
from azext_login.errors import (
    IncompleteListError,
    MalformedAnswerError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
)
from azext_login.profile.model import Account
from azext_login.resource_manager.ask_tenants import discover
from azext_login.resource_manager.client import ResourceManager
from azext_login.resource_manager.pages import RowBudget
from azext_login.resource_manager.resources import Tenant
from azext_login.system.http.session import build_session
from azext_login.usecases.rows import row_of
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

SCOPES = ["https://management.localcloud.example//.default"]
CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@pytest.fixture
def session(own_cloud: LocalCloud) -> Iterator[requests.Session]:
    with build_session(user_agent="test-agent/1") as session:
        session.trust_env = False
        session.verify = str(own_cloud.ca_bundle)
        yield session


@pytest.fixture
def manager_of(own_cloud: LocalCloud, session: requests.Session) -> Callable[..., ResourceManager]:
    """Return a function that signs a user in with a password and creates the ResourceManager."""

    def make(username: str, **options: Any) -> ResourceManager:
        cache = msal.TokenCache()
        http_client = AuthorityHttpClient(session, own_cloud.url)

        def application(tenant: str | None) -> Any:
            return msal.PublicClientApplication(
                CLIENT_ID,
                authority=f"{own_cloud.url}/{tenant or 'organizations'}",
                instance_discovery=False,
                http_client=http_client,
                token_cache=cache,
                client_capabilities=["CP1"],
            )

        password = own_cloud.directory.user(username).password
        signed_in = application(None).acquire_token_by_username_password(username, password, SCOPES)
        assert "access_token" in signed_in, signed_in

        def token(tenant: str | None, claims: str | None) -> str:
            found = application(tenant)
            (account,) = found.get_accounts(username)
            result = found.acquire_token_silent_with_error(SCOPES, account, claims_challenge=claims)
            if "error" in result:
                raise SignInError(result["error_description"])
            return str(result["access_token"])

        settings: dict[str, Any] = {"api_version": "2022-12-01", "token": token, **options}
        return ResourceManager(own_cloud.url, session=session, **settings)

    return make


def test_every_tenant_is_asked_and_a_refusal_costs_only_its_own_result(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    found = discover(manager.tenants(), partial(manager.subscriptions, described=True))
    names = {report.tenant.display_name: len(report.subscriptions) for report in found.reports}
    assert names["Contoso"] == 5
    assert names["Fabrikam"] == 2
    assert [report.tenant.display_name for report in found.failed] == ["Woodgrove Bank"]
    answered = [report for report in found.reports if report.failure is None]
    assert [report.tenant.display_name for report in answered if not report.subscriptions] == ["Tailspin Toys"]
    assert [duplicate.subscription.name for duplicate in found.duplicates] == ["Shared Platform"]


def test_a_list_in_pages_is_read_to_its_end(own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]) -> None:
    manager = manager_of(ALICE)
    contoso = own_cloud.directory.tenant("contoso.example")
    whole = [subscription.id for subscription in manager.subscriptions(Tenant(contoso.id))]
    own_cloud.admin.page_size(2)
    own_cloud.admin.clear_requests()
    assert [subscription.id for subscription in manager.subscriptions(Tenant(contoso.id))] == whole
    assert own_cloud.admin.count_requests("^/subscriptions") == 3


def test_subscriptions_that_are_read_ahead_are_those_of_the_described_tenant(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    tenant = next(tenant for tenant in manager.tenants() if tenant.display_name == "Contoso")
    expected = list(manager.subscriptions(tenant, described=True))
    own_cloud.admin.page_size(2)
    own_cloud.admin.clear_requests()
    manager.read_ahead(Tenant(tenant.id))
    assert list(manager.subscriptions(tenant, described=True)) == expected
    assert own_cloud.admin.count_requests("^/subscriptions") == 3
    # Only once: a tenant that is asked again is asked anew.
    assert list(manager.subscriptions(tenant, described=True)) == expected
    assert own_cloud.admin.count_requests("^/subscriptions") == 6


def test_the_names_of_a_tenant_count_for_rows_that_are_read_ahead(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE, budget=RowBudget("subscriptions", "", rows=100, text=6000))
    (tenant,) = (tenant for tenant in manager.tenants() if tenant.display_name == "Contoso")
    tenant = dataclasses.replace(tenant, display_name="x" * 1000)
    manager.read_ahead(Tenant(tenant.id))
    found = manager.subscriptions(tenant, described=True)
    assert next(found)
    with pytest.raises(IncompleteListError):
        list(found)


@pytest.mark.parametrize("claims", ["\xff", "%%%", "/w==", "eA==", "W10=", "A", "e30="])
def test_a_challenge_without_claims_is_a_refusal(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager], claims: str
) -> None:
    challenge = {"WWW-Authenticate": f'Bearer claims="{claims}"'}
    own_cloud.admin.fail_next("/tenants", count=None, status=401, headers=challenge, body="{}")
    with pytest.raises(SignInError, match="Azure Resource Manager refused"):
        manager_of(ALICE).tenants()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("encoding", ["deflate", "gzip", ", ".join(["gzip"] * 50)])
def test_a_redirect_whose_body_is_not_encoded_as_it_claims_is_refused(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager], encoding: str
) -> None:
    headers = {"Location": "https://portal.example/", "Content-Encoding": encoding}
    manager = manager_of(ALICE)
    own_cloud.admin.fail_next("/tenants", count=None, status=302, headers=headers, body='{"value": []}')
    with pytest.raises(MalformedAnswerError):
        manager.tenants()


def test_a_claims_challenge_is_answered_with_a_new_token(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    manager.tenants()
    claims = "eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxIn19fQ=="
    challenge = f'Bearer error="insufficient_claims", claims="{claims}"'
    own_cloud.admin.fail_next("/tenants", status=401, headers={"WWW-Authenticate": challenge}, body="{}")
    own_cloud.admin.clear_requests()
    assert manager.tenants()
    assert own_cloud.admin.count_requests("/oauth2/v2.0/token") == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "html"}, UnexpectedAnswerError),
        ({"kind": "malformed"}, UnexpectedAnswerError),
        ({"status": 200, "body": "[]"}, UnexpectedAnswerError),
        ({"status": 200, "body": '{"value": [1, null]}'}, UnexpectedAnswerError),
        ({"status": 200, "body": '{"value": "x"}'}, UnexpectedAnswerError),
        ({"status": 200, "body": '{"value": [], "nextLink": "https://evil.example/"}'}, UnexpectedAnswerError),
        ({"status": 200, "body": '{"value": [], "nextLink": 7}'}, UnexpectedAnswerError),
        ({"status": 200, "body": '{"value": [], "value": []}'}, MalformedAnswerError),
        ({"status": 200, "body": '{"value": [], "x": "' + "x" * (1 << 21) + '"}'}, MalformedAnswerError),
        ({"status": 200, "body": '{"value": [' + "[" * 100_000}, MalformedAnswerError),
        ({"status": 200, "body": '{"value": [{"tenantId": "\\ud800"}]}'}, UnexpectedAnswerError),
        ({"status": 200, "body": '{"value": [], "nextLink": "https://[bad"}'}, UnexpectedAnswerError),
        ({"status": 200, "body": "{}"}, MalformedAnswerError),
        ({"status": 200, "body": '{"value": null}'}, MalformedAnswerError),
        ({"status": 200, "body": '{"error": "x"}'}, MalformedAnswerError),
        ({"status": 200, "body": '{"value": ' + "[" * 100_000 + "]" * 100_000 + "}"}, MalformedAnswerError),
        ({"status": 200, "body": '{"value": [{"displayName": "no ID"}]}'}, UnexpectedAnswerError),
        ({"status": 403, "body": '{"error": {"code": "AuthorizationFailed", "message": "no"}}'}, SignInError),
        ({"status": 401, "body": '{"error": {"code": "InvalidToken", "message": "no"}}'}, SignInError),
        ({"status": 500, "body": '{"error": "text"}'}, ServiceUnreachableError),
        ({"status": 404, "body": "{}"}, UnexpectedAnswerError),
    ],
)
def test_a_bad_answer_is_one_error(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager], fault: dict[str, Any], error: type[Exception]
) -> None:
    manager = manager_of(ALICE)
    own_cloud.admin.fail_next("/tenants", count=None, **fault)
    with pytest.raises(error):
        manager.tenants()


@pytest.mark.parametrize(
    "item", ['{"displayName": "no ID"}', '{"id": 7}', '{"id": "/subscriptions/1", "managedByTenants": ["text"]}']
)
def test_a_subscription_of_another_shape_is_one_error_of_its_tenant(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager], item: str
) -> None:
    manager = manager_of(ALICE)
    contoso = own_cloud.directory.tenant("contoso.example").id
    own_cloud.admin.fail_next("^/subscriptions", count=None, status=200, body=f'{{"value": [{item}]}}')
    found = discover([Tenant(contoso)], manager.subscriptions)
    assert [type(report.failure) for report in found.reports] == [UnexpectedAnswerError]


@pytest.mark.parametrize(
    ("members", "name", "details"),
    [
        ("", "", {}),
        ('"displayName": null, "state": null', "", {}),
        ('"displayName": NaN, "state": 1e999, "tenantId": Infinity', "", {}),
        ('"displayName": 7, "state": ["Enabled"], "tenantId": {}', "", {}),
        ('"displayName": "half \\ud800", "state": true', "half \ufffd", {}),
        ('"displayName": "' + "x" * 100_000 + '"', "x" * 512, {}),
        ('"displayName": "first", "displayName": "last"', "last", {}),
        ('"managedByTenants": NaN', "", {}),
        ('"managedByTenants": "text"', "", {}),
        ('"managedByTenants": []', "", {"managedByTenants": []}),
        ('"managedByTenants": [{"tenantId": NaN}]', "", {"managedByTenants": [{"tenantId": None}]}),
        ('"managedByTenants": [' + ",".join(["{}"] * 1000) + "]", "", {"managedByTenants": [{"tenantId": None}] * 100}),
        ('"other": [NaN, ' + "9" * 5000 + "]", "", {}),
    ],
)
def test_a_row_is_read_whatever_its_optional_members_are(
    own_cloud: LocalCloud,
    manager_of: Callable[..., ResourceManager],
    members: str,
    name: str,
    details: dict[str, Any],
) -> None:
    manager = manager_of(ALICE)
    contoso = own_cloud.directory.tenant("contoso.example").id
    row = f'"id": "/subscriptions/{contoso}"' + (f", {members}" if members else "")
    own_cloud.admin.fail_next("^/subscriptions", count=None, status=200, body=f'{{"value": [{{{row}}}]}}')
    (found,) = manager.subscriptions(Tenant(contoso))
    assert (found.id, found.name, found.state) == (contoso, name, None)
    assert found.details == {"homeTenantId": None, "managedByTenants": None, **details}


def test_a_list_that_goes_in_a_circle_is_ended(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    first = f"{own_cloud.url}/tenants?api-version=2022-12-01"
    own_cloud.admin.fail_next("/tenants", count=20, status=200, body=f'{{"value": [], "nextLink": "{first}"}}')
    with pytest.raises(UnexpectedAnswerError, match="had sent before"):
        manager.tenants()


def test_a_tenant_that_is_listed_twice_is_asked_once(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    items = '{"tenantId": "aa"}, {"tenantId": "bb"}, {"tenantId": "AA"}'
    own_cloud.admin.fail_next("/tenants", status=200, body=f'{{"value": [{items}]}}')
    assert [tenant.id.lower() for tenant in manager.tenants()] == ["aa", "bb"]


@pytest.mark.parametrize("kind", ["unavailable", "drop"])
def test_an_overloaded_service_is_asked_again(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager], kind: str
) -> None:
    manager = manager_of(ALICE)
    own_cloud.admin.fail_next("/tenants", count=2, kind=kind)
    assert len(manager.tenants()) == 4


def test_a_service_that_asks_for_minutes_of_patience_is_not_waited_for(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    own_cloud.admin.clear_requests()
    own_cloud.admin.fail_next("/tenants", count=5, status=429, headers={"Retry-After": "3600"}, body='{"error": {}}')
    with pytest.raises(ServiceUnreachableError):
        manager.tenants()
    assert own_cloud.admin.count_requests("/tenants") == 1


def test_a_short_answer_is_asked_for_again_and_the_rest_of_the_list_is_not(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    contoso = own_cloud.directory.tenant("contoso.example").id
    own_cloud.admin.page_size(2)
    own_cloud.admin.fail_next("skiptoken", kind="malformed")
    own_cloud.admin.clear_requests()
    assert len(list(manager.subscriptions(Tenant(contoso)))) == 5
    assert own_cloud.admin.count_requests("^/subscriptions") == 4


def test_a_page_without_a_list_is_asked_for_again(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    manager = manager_of(ALICE)
    own_cloud.admin.fail_next("/tenants", status=200, body="{}")
    assert len(manager.tenants()) == 4


def test_the_hosts_headers_and_user_agent_are_sent(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager], session: requests.Session
) -> None:
    sent: list[requests.PreparedRequest] = []
    session.hooks["response"].append(lambda response, **_: sent.append(response.request))
    manager_of(BOB, headers={"x-ms-client-request-id": "id-1"}).tenants()
    assert sent[-1].headers["x-ms-client-request-id"] == "id-1"
    assert str(sent[-1].headers["User-Agent"]).endswith("test-agent/1")


def test_rows_have_the_keys_of_their_api_version(
    own_cloud: LocalCloud, manager_of: Callable[..., ResourceManager]
) -> None:
    contoso = own_cloud.directory.tenant("contoso.example")
    tenant = Tenant(contoso.id, "Contoso", "contoso.example")
    account = Account(ALICE)
    base = ["id", "name", "state", "user", "isDefault", "tenantId", "environmentName"]
    new, old = manager_of(account.name), manager_of(account.name, api_version="2016-06-01")
    described = row_of(next(iter(new.subscriptions(tenant, described=True))), account, "LocalCloud")
    assert list(described) == [*base, "homeTenantId", "tenantDefaultDomain", "tenantDisplayName", "managedByTenants"]
    plain = row_of(next(iter(new.subscriptions(tenant))), account, "LocalCloud")
    assert list(plain) == [*base, "homeTenantId", "managedByTenants"]
    assert list(row_of(next(iter(old.subscriptions(tenant))), account, "LocalCloud")) == base


def test_the_user_realm_is_looked_up_at_the_authoritys_own_port(
    own_cloud: LocalCloud, session: requests.Session
) -> None:
    client = AuthorityHttpClient(session, own_cloud.url)
    answer = client.get("https://localhost/common/userrealm/guest_contoso.example#EXT#@x.example?api-version=1.0")
    assert answer.status_code == 200
    assert own_cloud.admin.count_requests("/common/userrealm/") == 1
    assert "%23EXT%23" in str(answer.request.url)
