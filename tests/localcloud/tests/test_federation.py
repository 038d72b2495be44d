"""The local cloud's workload issuers, and the token endpoint's answers to their tokens."""

from __future__ import annotations

import hmac
import json
import socket
from typing import Any

import jwt
import pytest
import requests

from tests.localcloud import CI_APP, LocalCloud
from tests.localcloud.keys import b64
from tests.localcloud.testing import ARM_SCOPE, TokenClient, trusting_session

pytest_plugins = ["tests.localcloud.fixtures"]

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SUBJECT = "system:serviceaccount:build:runner"


def exchange(client: TokenClient, assertion: str, **form: str) -> requests.Response:
    values = {
        "grant_type": "client_credentials",
        "client_id": CI_APP,
        "scope": ARM_SCOPE,
        "client_assertion": assertion,
        "client_assertion_type": TYPE,
        **form,
    }
    return client.token("contoso.example", **values)


def refused(answer: requests.Response, status: int, code: int, *words: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["error_codes"]) == (status, [code]), body
    for word in words:
        assert word in body["error_description"]


@pytest.fixture
def trusting(client: TokenClient) -> TokenClient:
    client.cloud.admin.add_federated_credential("ci-app", "kubernetes", SUBJECT)
    return client


def test_a_token_of_a_trusted_issuer_signs_in_with_keys_from_its_discovery_document(trusting: TokenClient) -> None:
    admin = trusting.cloud.admin
    answer = exchange(trusting, admin.issue_assertion(SUBJECT)).json()
    assert jwt.decode(answer["access_token"], options={"verify_signature": False})["appid"] == CI_APP
    assert admin.count_requests("/issuers/kubernetes/.well-known/openid-configuration") == 1
    assert admin.count_requests("/issuers/kubernetes/.well-known/jwks") == 1


def test_the_same_token_is_taken_until_it_expires(trusting: TokenClient) -> None:
    assertion = trusting.cloud.admin.issue_assertion(SUBJECT)
    assert [exchange(trusting, assertion).status_code for _ in range(3)] == [200, 200, 200]
    trusting.cloud.admin.clock_offset(570)
    assert exchange(trusting, assertion).status_code == 200
    trusting.cloud.admin.clock_offset(601)
    refused(exchange(trusting, assertion), 401, 700024, "expiry time of assertion")


def test_a_token_with_several_audiences_signs_in(trusting: TokenClient) -> None:
    audiences = ["https://vault.example", "api://AzureADTokenExchange"]
    assert exchange(trusting, trusting.cloud.admin.issue_assertion(SUBJECT, audiences)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"issuer": "github"}, 700211, ["presented assertion issuer", "/issuers/github'"]),
        ({"subject": SUBJECT.upper()}, 700213, [f"presented assertion subject '{SUBJECT.upper()}'"]),
        ({"audience": "api://other"}, 700212, ["presented assertion audience 'api://other'"]),
        ({"audience": ["a", "b"]}, 700212, ["presented assertion audience 'a b'"]),
        ({"lifetime": -301}, 700024, ["not within its valid time range"]),
        ({"starts_in": 400}, 700024, ["assertion valid from"]),
        ({"forged": True}, 50013, ["did not match the expected signature value"]),
    ],
)
def test_a_token_that_does_not_fit_is_refused_with_the_reason(
    trusting: TokenClient, changes: dict[str, Any], code: int, words: list[str]
) -> None:
    assertion = trusting.cloud.admin.issue_assertion(**{"subject": SUBJECT, **changes})
    refused(exchange(trusting, assertion), 401, code, *words)


def test_the_credential_says_which_audience_is_right(client: TokenClient) -> None:
    admin = client.cloud.admin
    admin.add_federated_credential("ci-app", "kubernetes", SUBJECT, audience="api://AzureADTokenExchangeChina")
    refused(exchange(client, admin.issue_assertion(SUBJECT)), 401, 700212)
    assert exchange(client, admin.issue_assertion(SUBJECT, "api://AzureADTokenExchangeChina")).status_code == 200


def test_an_application_without_federated_credentials_says_so(client: TokenClient) -> None:
    refused(exchange(client, client.cloud.admin.issue_assertion(SUBJECT)), 401, 70025, CI_APP, "ci-app")


def test_the_tolerance_counts_for_federated_tokens_too(trusting: TokenClient) -> None:
    admin = trusting.cloud.admin
    assert exchange(trusting, admin.issue_assertion(SUBJECT, lifetime=-20)).status_code == 200
    admin.assertion_tolerance(0)
    refused(exchange(trusting, admin.issue_assertion(SUBJECT, lifetime=-20)), 401, 700024)


def test_a_token_signed_with_a_key_that_was_replaced_is_refused(trusting: TokenClient) -> None:
    assertion = trusting.cloud.admin.issue_assertion(SUBJECT)
    trusting.cloud.admin.rotate_issuer_key("kubernetes")
    kid = jwt.get_unverified_header(assertion)["kid"]
    refused(exchange(trusting, assertion), 401, 7000272, kid, "/issuers/kubernetes")
    assert exchange(trusting, trusting.cloud.admin.issue_assertion(SUBJECT)).status_code == 200


@pytest.mark.parametrize("kind", ["error", "html", "malformed", "drop"])
@pytest.mark.parametrize("document", ["openid-configuration", "jwks"])
def test_an_issuer_whose_documents_cannot_be_had_is_named(trusting: TokenClient, kind: str, document: str) -> None:
    trusting.cloud.admin.fail_next(f"/issuers/kubernetes/.well-known/{document}", kind=kind)
    answer = exchange(trusting, trusting.cloud.admin.issue_assertion(SUBJECT))
    refused(answer, 400, 50166, "Request to External OIDC endpoint failed.")


def test_nothing_is_fetched_from_elsewhere(client: TokenClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        issuer = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
        client.cloud.admin.add_federated_credential("ci-app", issuer, SUBJECT)
        claims = {"iss": issuer, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "exp": 1 << 40}
        refused(exchange(client, jwt.encode(claims, "x" * 64, "HS256")), 400, 50166)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_an_unsigned_token_is_refused(trusting: TokenClient) -> None:
    made = trusting.cloud.admin.issue_assertion(SUBJECT)
    kid = jwt.get_unverified_header(made)["kid"]
    claims = jwt.decode(made, options={"verify_signature": False})
    refused(exchange(trusting, jwt.encode(claims, "", "none", headers={"kid": kid})), 401, 50013)


def test_a_public_key_is_no_secret_to_sign_with(trusting: TokenClient) -> None:
    made = trusting.cloud.admin.issue_assertion(SUBJECT)
    key = trusting.session.get(f"{trusting.cloud.url}/issuers/kubernetes/.well-known/jwks").json()["keys"][0]
    header = {"alg": "HS256", "kid": key["kid"]}
    signed = b64(json.dumps(header).encode()) + "." + made.split(".")[1]
    signature = b64(hmac.digest(json.dumps(key).encode(), signed.encode(), "sha256"))
    refused(exchange(trusting, f"{signed}.{signature}"), 401, 50013)


def test_each_issuer_has_its_own_address_and_key(fresh_cloud: LocalCloud) -> None:
    session = trusting_session(fresh_cloud)
    found = {}
    for name in ("github", "azure-pipelines", "kubernetes"):
        base = f"{fresh_cloud.url}/issuers/{name}"
        document = session.get(f"{base}/.well-known/openid-configuration").json()
        assert document["issuer"] == base
        found[name] = session.get(document["jwks_uri"]).json()["keys"][0]["kid"]
    entra = session.get(f"{fresh_cloud.url}/common/discovery/v2.0/keys").json()["keys"][0]["kid"]
    assert len({*found.values(), entra}) == 4


def test_an_unused_issuer_does_not_exist(fresh_cloud: LocalCloud) -> None:
    session = trusting_session(fresh_cloud)
    url = f"{fresh_cloud.url}/issuers/on-premises/.well-known"
    assert session.get(f"{url}/openid-configuration").status_code == 404
    assert session.get(f"{url}/jwks").status_code == 404
    fresh_cloud.admin.issue_assertion(SUBJECT, issuer="on-premises")
    assert session.get(f"{url}/openid-configuration").status_code == 200


@pytest.mark.parametrize("name", ["", "Has Spaces", "../x"])
def test_an_impossible_issuer_name_is_refused(fresh_cloud: LocalCloud, name: str) -> None:
    with pytest.raises(ValueError, match="issuer's name"):
        fresh_cloud.admin.issue_assertion(SUBJECT, issuer=name)
    with pytest.raises(ValueError, match="issuer's name"):
        fresh_cloud.admin.add_federated_credential("ci-app", name, SUBJECT)


def test_the_lifetime_of_tokens_is_a_setting(fresh_cloud: LocalCloud) -> None:
    def lifetime(assertion: str) -> int:
        claims = jwt.decode(assertion, options={"verify_signature": False})
        return int(claims["exp"] - claims["nbf"])

    assert lifetime(fresh_cloud.admin.issue_assertion(SUBJECT)) == 300
    fresh_cloud.admin.assertion_lifetime(60)
    assert lifetime(fresh_cloud.admin.issue_assertion(SUBJECT)) == 60
    assert lifetime(fresh_cloud.admin.issue_assertion(SUBJECT, lifetime=5)) == 5


def test_the_operator_issues_assertions_over_http(fresh_cloud: LocalCloud) -> None:
    answer = trusting_session(fresh_cloud).post(
        f"{fresh_cloud.url}/admin/issue_assertion",
        data=json.dumps({"subject": SUBJECT, "issuer": "github"}),
        headers={"X-Admin-Key": fresh_cloud.admin_key},
    )
    claims = jwt.decode(answer.json()["result"], options={"verify_signature": False})
    assert (claims["sub"], claims["iss"]) == (SUBJECT, f"{fresh_cloud.url}/issuers/github")
