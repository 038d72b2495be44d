"""The local cloud's token endpoint: passwords, refresh tokens, service principals, and Entra's words for no."""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.localcloud import CI_APP, CI_SECRET, SAMPLE_APP, LocalCloud
from tests.localcloud.testing import ARM_SCOPE, TokenClient
from tests.users import ALICE, BOB, DAVE, ERIN, MIA, NINA

pytest_plugins = ["tests.localcloud.fixtures"]


def refusal(answer: requests.Response) -> tuple[str, int]:
    assert answer.status_code in (400, 401), answer.text
    body = answer.json()
    return body["error"], body["error_codes"][0]


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


@pytest.mark.parametrize(
    ("username", "tenant", "form", "expected"),
    [
        (ALICE, "organizations", {"password": "wrong"}, ("invalid_grant", 50126)),
        ("nobody@contoso.example", "organizations", {}, ("invalid_grant", 50034)),
        (DAVE, "organizations", {}, ("invalid_grant", 50057)),
        (DAVE, "organizations", {"password": "wrong"}, ("invalid_grant", 50126)),
        (MIA, "organizations", {}, ("invalid_grant", 50076)),
        (ERIN, "contoso.example", {}, ("invalid_grant", 50034)),
        (BOB, "contoso.example", {}, ("invalid_grant", 50020)),
        (NINA, "organizations", {}, ("invalid_grant", 65001)),
        (ALICE, "common", {}, ("invalid_request", 9001023)),
        (ALICE, "nowhere.example", {}, ("invalid_request", 90002)),
        (ALICE, "nowhere", {}, ("invalid_request", 900023)),
        (ALICE, "organizations", {"client_id": str(uuid4())}, ("unauthorized_client", 700016)),
        (ALICE, "organizations", {"client_secret": "x"}, ("invalid_client", 700025)),
        (ALICE, "organizations", {"scope": ""}, ("invalid_request", 900144)),
        (ALICE, "organizations", {"scope": "https://nothing.example/.default"}, ("invalid_resource", 500011)),
        (ALICE, "organizations", {"scope": "https://nothing"}, ("invalid_scope", 70011)),
        (ALICE, "organizations", {"scope": f"{ARM_SCOPE} user.read"}, ("invalid_request", 28000)),
        (ALICE, "organizations", {"claims": "{"}, ("invalid_request", 90100)),
        (ALICE, "organizations", {"grant_type": "magic"}, ("unsupported_grant_type", 70003)),
    ],
)
def test_a_password_request_is_refused(
    client: TokenClient, username: str, tenant: str, form: dict[str, str], expected: tuple[str, int]
) -> None:
    assert refusal(client.password(username, tenant, **form)) == expected


def test_a_password_of_awkward_characters_is_taken_literally(client: TokenClient) -> None:
    assert client.password(BOB).status_code == 200


def test_an_error_has_everything_that_a_support_case_needs(client: TokenClient) -> None:
    correlation = str(uuid4())
    url = f"{client.cloud.url}/organizations/oauth2/v2.0/token"
    body = client.session.post(
        url,
        data={"client_id": client.client_id, "grant_type": "password", "username": ALICE, "password": "x"},
        headers={"client-request-id": correlation},
    ).json()
    assert body["correlation_id"] == correlation
    pattern = (
        r"AADSTS50126: .* Trace ID: [0-9a-f-]{36} Correlation ID: [0-9a-f-]{36} "
        r"Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"
    )
    assert re.fullmatch(pattern, body["error_description"])
    assert set(body) == {
        "error",
        "error_description",
        "error_codes",
        "timestamp",
        "trace_id",
        "correlation_id",
        "error_uri",
    }


def test_demanded_mfa_names_the_policy_in_the_claims(client: TokenClient) -> None:
    body = client.password(MIA).json()
    assert body["suberror"] == "basic_action"
    policies = json.loads(body["claims"])["access_token"]["capolids"]["values"]
    assert policies == [client.cloud.directory.tenant("woodgrove.example").policy_id]


def test_an_access_token_says_who_where_and_for_what(client: TokenClient) -> None:
    answer = client.password(ALICE).json()
    claims = claims_of(answer["access_token"])
    contoso = client.cloud.directory.tenant("contoso.example")
    assert claims["aud"] == "https://management.core.windows.net/"
    assert claims["tid"] == contoso.id
    assert claims["iss"] == f"{client.cloud.url}/{contoso.id}/"
    assert claims["upn"] == ALICE
    assert claims["scp"] == "user_impersonation"
    assert claims["amr"] == ["pwd"]
    assert claims["exp"] - claims["iat"] == answer["expires_in"] == answer["ext_expires_in"] == 3600
    assert "xms_cc" not in claims
    assert "refresh_in" not in answer


def test_tokens_are_signed_with_the_published_key(client: TokenClient) -> None:
    keys = client.session.get(f"{client.cloud.url}/common/discovery/v2.0/keys").json()
    token = client.password(ALICE).json()["id_token"]
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    jwt.decode(token, key, algorithms=["RS256"], audience=client.client_id)


def test_a_long_lived_answer_says_when_to_renew(client: TokenClient) -> None:
    client.cloud.admin.token_lifetime(7200)
    assert client.password(ALICE).json()["refresh_in"] == 3600


def test_client_capabilities_get_into_the_token(client: TokenClient) -> None:
    answer = client.password(ALICE, claims='{"access_token": {"xms_cc": {"values": ["CP1"]}}}').json()
    assert claims_of(answer["access_token"])["xms_cc"] == ["CP1"]


def test_the_login_hint_is_in_the_id_token_when_asked_for(client: TokenClient) -> None:
    assert "login_hint" not in claims_of(client.password(ALICE).json()["id_token"])
    asked = client.password(ALICE, claims='{"id_token": {"login_hint": null}}').json()
    assert claims_of(asked["id_token"])["login_hint"] == ALICE


def test_only_openid_scopes_give_a_graph_token(client: TokenClient) -> None:
    answer = client.password(ALICE, scope="openid").json()
    assert claims_of(answer["access_token"])["aud"] == "00000003-0000-0000-c000-000000000000"
    assert "refresh_token" not in answer


def test_a_refresh_token_is_good_for_every_tenant_and_resource(client: TokenClient) -> None:
    home = client.password(ALICE).json()
    guest = client.refresh(home["refresh_token"], "fabrikam.example").json()
    graph = client.refresh(home["refresh_token"], scope="https://graph.microsoft.com/.default").json()
    assert claims_of(graph["access_token"])["aud"] == "https://graph.microsoft.com"
    assert guest["client_info"] == home["client_info"]
    assert claims_of(guest["access_token"])["oid"] != claims_of(home["access_token"])["oid"]
    assert "upn" not in claims_of(guest["access_token"])


def test_an_older_refresh_token_stays_good_after_its_use(client: TokenClient) -> None:
    first = client.password(ALICE).json()["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    assert second != first
    assert client.refresh(first).status_code == 200
    assert client.refresh(second).status_code == 200


def test_a_refresh_token_is_refused_where_mfa_is_demanded(client: TokenClient) -> None:
    token = client.password(ALICE).json()["refresh_token"]
    answer = client.refresh(token, "woodgrove.example")
    assert refusal(answer) == ("invalid_grant", 50076)
    assert "capolids" in answer.json()["claims"]


def test_a_claims_challenge_with_a_policy_demands_mfa(client: TokenClient) -> None:
    token = client.password(ALICE).json()["refresh_token"]
    claims = '{"access_token": {"capolids": {"essential": true, "values": ["x"]}}}'
    assert refusal(client.refresh(token, claims=claims)) == ("invalid_grant", 50076)


def test_a_revoked_refresh_token_is_refused(client: TokenClient) -> None:
    token = client.password(ALICE).json()["refresh_token"]
    client.cloud.admin.revoke(ALICE)
    assert refusal(client.refresh(token)) == ("invalid_grant", 50173)
    assert client.password(ALICE).status_code == 200


def test_revoking_one_user_leaves_the_others_alone(client: TokenClient) -> None:
    token = client.password(BOB).json()["refresh_token"]
    client.cloud.admin.revoke(ALICE)
    assert client.refresh(token).status_code == 200


def test_a_refresh_token_expires(client: TokenClient) -> None:
    token = client.password(ALICE).json()["refresh_token"]
    client.cloud.admin.clock_offset(91 * 24 * 3600)
    assert refusal(client.refresh(token)) == ("invalid_grant", 700082)


def test_a_refresh_token_is_bound_to_its_client(client: TokenClient) -> None:
    token = client.password(ALICE).json()["refresh_token"]
    answer = client.refresh(token, client_id=SAMPLE_APP)
    assert refusal(answer) == ("invalid_grant", 700007)
    assert answer.json()["suberror"] == "client_mismatch"


def test_an_invented_refresh_token_is_refused(client: TokenClient) -> None:
    assert refusal(client.refresh("1.invented"))[0] == "invalid_grant"


def test_a_user_who_left_a_tenant_gets_no_token_there(client: TokenClient) -> None:
    token = client.password(ALICE).json()["refresh_token"]
    client.cloud.admin.leave_tenant(ALICE, "fabrikam.example")
    assert refusal(client.refresh(token, "fabrikam.example")) == ("invalid_grant", 50020)


def app_token(client: TokenClient, tenant: str = "contoso.example", **form: str) -> requests.Response:
    values = {"grant_type": "client_credentials", "client_id": CI_APP, "scope": ARM_SCOPE, **form}
    return client.token(tenant, **values)


def test_a_service_principal_gets_a_token_of_the_tenant_and_nothing_else(client: TokenClient) -> None:
    answer = app_token(client, client_secret=CI_SECRET).json()
    claims = claims_of(answer["access_token"])
    assert claims["idtyp"] == "app"
    assert "scp" not in claims
    assert set(answer) == {"token_type", "expires_in", "ext_expires_in", "access_token"}


@pytest.mark.parametrize(
    ("tenant", "form", "expected"),
    [
        ("contoso.example", {"client_secret": "wrong"}, ("invalid_client", 7000215)),
        ("contoso.example", {}, ("invalid_client", 7000218)),
        ("tailspin.example", {"client_secret": CI_SECRET}, ("unauthorized_client", 700016)),
        ("organizations", {"client_secret": CI_SECRET}, ("invalid_request", 50059)),
        (
            "contoso.example",
            {"client_secret": CI_SECRET, "scope": "https://management.azure.com/user_impersonation"},
            ("invalid_scope", 1002012),
        ),
    ],
)
def test_a_service_principal_is_refused(
    client: TokenClient, tenant: str, form: dict[str, str], expected: tuple[str, int]
) -> None:
    assert refusal(app_token(client, tenant, **form)) == expected


class Certificate:
    """A self-signed certificate and assertions made with it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ci-app")])
        now = datetime.now(timezone.utc)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def assertion(self, **changes: Any) -> str:
        digest = self.certificate.fingerprint(hashes.SHA256())
        claims = {
            "aud": f"{self.cloud.url}/contoso.example/oauth2/v2.0/token",
            "iss": CI_APP,
            "sub": CI_APP,
            "exp": time.time() + 600,
            "jti": str(uuid4()),
            **changes,
        }
        thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return jwt.encode(
            {k: v for k, v in claims.items() if v is not None},
            self.key,
            "RS256",
            headers={"x5t#S256": thumbprint},
        )


@pytest.fixture(scope="module")
def certificate(_running_cloud: LocalCloud) -> Certificate:
    return Certificate(_running_cloud)


def assertion_answer(client: TokenClient, assertion: str) -> requests.Response:
    return app_token(
        client,
        client_assertion=assertion,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    )


def test_a_registered_certificate_signs_a_service_principal_in(client: TokenClient, certificate: Certificate) -> None:
    assert refusal(assertion_answer(client, certificate.assertion())) == ("invalid_client", 700027)
    client.cloud.admin.add_certificate("ci-app", certificate.pem)
    answer = assertion_answer(client, certificate.assertion()).json()
    assert claims_of(answer["access_token"])["appidacr"] == "2"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "https://elsewhere.example"}, 700023),
        ({"exp": time.time() - 400}, 700024),
        ({"sub": "x"}, 700021),
        ({"jti": None}, 50027),
    ],
)
def test_a_wrong_assertion_is_refused(
    client: TokenClient, certificate: Certificate, changes: dict[str, Any], code: int
) -> None:
    client.cloud.admin.add_certificate("ci-app", certificate.pem)
    assert refusal(assertion_answer(client, certificate.assertion(**changes))) == ("invalid_client", code)


def test_an_assertion_is_good_once(client: TokenClient, certificate: Certificate) -> None:
    client.cloud.admin.add_certificate("ci-app", certificate.pem)
    assertion = certificate.assertion()
    assert assertion_answer(client, assertion).status_code == 200
    assert refusal(assertion_answer(client, assertion)) == ("invalid_client", 700030)


def test_an_assertion_signed_by_another_key_is_refused(client: TokenClient, certificate: Certificate) -> None:
    client.cloud.admin.add_certificate("ci-app", certificate.pem)
    header, payload, _ = certificate.assertion().split(".")
    _, _, signature = certificate.assertion().split(".")
    assert refusal(assertion_answer(client, f"{header}.{payload}.{signature}")) == ("invalid_client", 700027)


def test_a_federated_token_signs_in_when_issuer_subject_and_audience_fit(client: TokenClient) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    client.cloud.admin.add_federated_credential(
        "ci-app", "https://ci.example", "repo:main", json.dumps({"keys": [{**jwk, "kid": "k"}]})
    )

    def token(**changes: Any) -> str:
        claims = {
            "iss": "https://ci.example",
            "sub": "repo:main",
            "aud": "api://AzureADTokenExchange",
            "exp": time.time() + 300,
            **changes,
        }
        return jwt.encode(claims, key, "RS256", headers={"kid": "k"})

    assert assertion_answer(client, token()).status_code == 200
    assert refusal(assertion_answer(client, token(sub="repo:other"))) == ("invalid_client", 700213)
    assert refusal(assertion_answer(client, token(exp=time.time() - 400))) == ("invalid_client", 700024)
