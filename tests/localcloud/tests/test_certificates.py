"""The local cloud's token endpoint and certificates: registered ones, trusted names, chains, dates."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import jwt
import msal
import pytest
import requests

from tests.localcloud import CI_APP, LocalCloud
from tests.localcloud.certificatemaker import MadeCertificate, make_certificate
from tests.localcloud.testing import ARM_SCOPE, TokenClient, trusting_session

pytest_plugins = ["tests.localcloud.fixtures"]

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def root() -> MadeCertificate:
    return make_certificate("Local Root CA", ca=True)


@pytest.fixture(scope="module")
def intermediate(root: MadeCertificate) -> MadeCertificate:
    return make_certificate("Local Issuing CA", root, ca=True)


@pytest.fixture(scope="module")
def leaf(intermediate: MadeCertificate) -> MadeCertificate:
    return make_certificate("ci.contoso.example", intermediate)


def answer_to(client: TokenClient, made: MadeCertificate, **how: Any) -> requests.Response:
    audience = f"{client.cloud.url}/contoso.example/oauth2/v2.0/token"
    return client.token(
        "contoso.example",
        grant_type="client_credentials",
        client_id=CI_APP,
        scope=ARM_SCOPE,
        client_assertion=made.assertion(CI_APP, audience, **how),
        client_assertion_type=TYPE,
    )


def refusal(answer: requests.Response) -> tuple[int, int, str]:
    body = answer.json()
    return answer.status_code, body["error_codes"][0], body["error_description"]


def refused(answer: requests.Response, code: int, *words: str) -> None:
    status, found, text = refusal(answer)
    assert (status, found) == (401, code), text
    for word in words:
        assert word in text


def test_a_certificate_of_a_trusted_name_and_issuer_signs_in_without_being_registered(
    client: TokenClient, root: MadeCertificate, leaf: MadeCertificate
) -> None:
    refused(answer_to(client, leaf, with_chain=True), 700027, "The key was not found.", leaf.thumbprint)
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    answer = answer_to(client, leaf, with_chain=True)
    token = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert (token["appid"], token["appidacr"]) == (CI_APP, "2")


def test_the_trusted_issuer_may_be_in_the_middle_of_the_chain(
    client: TokenClient, intermediate: MadeCertificate, leaf: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", intermediate.pem)
    assert answer_to(client, leaf, with_chain=True).status_code == 200


def test_a_renewed_certificate_of_the_same_name_signs_in(
    client: TokenClient, root: MadeCertificate, intermediate: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    for _ in range(2):
        made = make_certificate("ci.contoso.example", intermediate)
        assert answer_to(client, made, with_chain=True).status_code == 200


def test_a_trusted_name_needs_the_chain_in_the_assertion(
    client: TokenClient, root: MadeCertificate, leaf: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    refused(answer_to(client, leaf), 700027, "The key was not found.")


def test_an_incomplete_chain_is_not_trusted(client: TokenClient, root: MadeCertificate, leaf: MadeCertificate) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    refused(answer_to(client, leaf, headers={"x5c": leaf.x5c()[:1]}), 700027, "The key was not found.")


def test_another_name_from_the_trusted_issuer_is_not_trusted(
    client: TokenClient, root: MadeCertificate, intermediate: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    refused(answer_to(client, make_certificate("mallory.example", intermediate), with_chain=True), 700027)


def test_the_trusted_name_from_another_issuer_is_not_trusted(client: TokenClient, root: MadeCertificate) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    twin = make_certificate("Local Root CA", ca=True)
    refused(answer_to(client, make_certificate("ci.contoso.example", twin), with_chain=True), 700027)


def test_a_self_signed_certificate_of_the_trusted_name_is_not_trusted(
    client: TokenClient, root: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    refused(answer_to(client, make_certificate("ci.contoso.example"), with_chain=True), 700027)


def test_a_certificate_that_is_no_ca_issues_nothing(
    client: TokenClient, root: MadeCertificate, leaf: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    below = make_certificate("ci.contoso.example", leaf)
    refused(answer_to(client, below, with_chain=True), 700027, "The key was not found.")


def test_the_name_is_trusted_for_its_application_only(client: TokenClient, root: MadeCertificate) -> None:
    with pytest.raises(KeyError):
        client.cloud.admin.trust_subject_name("no-such-app", "ci.contoso.example", root.pem)
    with pytest.raises(ValueError, match="PEM"):
        client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", "no certificate")


@pytest.mark.parametrize(("starts", "ends"), [(-2 * DAY, -DAY), (DAY, 2 * DAY)])
def test_a_certificate_of_a_trusted_name_outside_its_dates_is_refused(
    client: TokenClient, root: MadeCertificate, intermediate: MadeCertificate, starts: timedelta, ends: timedelta
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    made = make_certificate("ci.contoso.example", intermediate, starts_in=starts, ends_in=ends)
    refused(answer_to(client, made, with_chain=True), 1000502, "not within its specified validity window")


def test_an_expired_certificate_in_the_middle_of_the_chain_is_refused(
    client: TokenClient, root: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    old = make_certificate("Old Issuing CA", root, ca=True, starts_in=-2 * DAY, ends_in=-DAY)
    refused(answer_to(client, make_certificate("ci.contoso.example", old), with_chain=True), 1000502)


@pytest.mark.parametrize(("starts", "ends", "why"), [(-2 * DAY, -DAY, "expired"), (DAY, 2 * DAY, "not valid yet")])
def test_a_registered_certificate_outside_its_dates_is_refused(
    client: TokenClient, starts: timedelta, ends: timedelta, why: str
) -> None:
    made = make_certificate("ci-app", starts_in=starts, ends_in=ends)
    client.cloud.admin.add_certificate("ci-app", made.pem)
    refused(answer_to(client, made), 700027, f"The key used is {why}.", made.thumbprint, "Found key 'Start=")


def test_a_certificate_expires_with_the_clock_of_the_cloud(client: TokenClient) -> None:
    made = make_certificate("ci-app", ends_in=timedelta(minutes=30))
    client.cloud.admin.add_certificate("ci-app", made.pem)
    assert answer_to(client, made).status_code == 200
    client.cloud.admin.clock_offset(3600)
    refused(answer_to(client, made, exp=int(time.time()) + 7200), 700027, "The key used is expired.")


def test_a_registered_certificate_may_come_with_its_chain(client: TokenClient, leaf: MadeCertificate) -> None:
    client.cloud.admin.add_certificate("ci-app", leaf.pem)
    assert answer_to(client, leaf, with_chain=True).status_code == 200
    assert answer_to(client, leaf).status_code == 200


def test_a_chain_that_starts_with_another_certificate_than_the_thumbprint_names_is_refused(
    client: TokenClient, root: MadeCertificate, intermediate: MadeCertificate, leaf: MadeCertificate
) -> None:
    client.cloud.admin.add_certificate("ci-app", leaf.pem)
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    other = make_certificate("ci.contoso.example", intermediate)
    refused(answer_to(client, leaf, headers={"x5c": other.x5c()}), 700027, "not the one that x5t names")
    refused(answer_to(client, leaf, headers={"x5c": leaf.x5c(), "x5t": None}), 700027)


def test_the_assertion_has_to_be_signed_by_the_certificate_that_it_shows(
    client: TokenClient, root: MadeCertificate, intermediate: MadeCertificate, leaf: MadeCertificate
) -> None:
    client.cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    audience = f"{client.cloud.url}/contoso.example/oauth2/v2.0/token"
    shown = jwt.get_unverified_header(leaf.assertion(CI_APP, audience, with_chain=True))
    thief = make_certificate("ci.contoso.example", intermediate)
    answer = answer_to(client, thief, headers={"x5t": shown["x5t"], "x5c": shown["x5c"]})
    refused(answer, 700027, "use of the key to verify the signature failed")


@pytest.mark.parametrize("x5c", [["no base64!"], ["aGVsbG8="], 5, [None]])
def test_a_chain_of_anything_but_certificates_is_malformed(
    client: TokenClient, leaf: MadeCertificate, x5c: Any
) -> None:
    client.cloud.admin.add_certificate("ci-app", leaf.pem)
    refused(answer_to(client, leaf, headers={"x5c": x5c}), 50027)


@pytest.mark.parametrize(("tolerance", "code"), [(300, None), (10, 700024)])
def test_an_assertion_is_good_for_the_tolerance_after_its_end(
    client: TokenClient, leaf: MadeCertificate, tolerance: int, code: int | None
) -> None:
    client.cloud.admin.add_certificate("ci-app", leaf.pem)
    client.cloud.admin.assertion_tolerance(tolerance)
    answer = answer_to(client, leaf, exp=int(time.time()) - 60)
    if code is None:
        assert answer.status_code == 200
    else:
        refused(answer, code, "Current time:", "expiry time of assertion")


def test_an_assertion_is_good_for_the_tolerance_before_its_start(client: TokenClient, leaf: MadeCertificate) -> None:
    client.cloud.admin.add_certificate("ci-app", leaf.pem)
    assert answer_to(client, leaf, nbf=int(time.time()) + 60).status_code == 200
    client.cloud.admin.assertion_tolerance(10)
    refused(answer_to(client, leaf, nbf=int(time.time()) + 60), 700024)


@pytest.mark.parametrize("claims", [{"exp": "soon"}, {"nbf": "never"}])
def test_times_that_are_no_numbers_are_refused(
    client: TokenClient, leaf: MadeCertificate, claims: dict[str, str]
) -> None:
    client.cloud.admin.add_certificate("ci-app", leaf.pem)
    refused(answer_to(client, leaf, **claims), 700024)


def msal_application(cloud: LocalCloud, credential: dict[str, str]) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        CI_APP,
        authority=f"{cloud.url}/contoso.example",
        instance_discovery=False,
        client_credential=credential,
        http_client=trusting_session(cloud),
    )


def test_msal_signs_in_with_a_subject_name_and_issuer(
    fresh_cloud: LocalCloud, root: MadeCertificate, leaf: MadeCertificate
) -> None:
    fresh_cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem)
    credential = {"private_key": leaf.key_pem(), "thumbprint": leaf.thumbprint}
    assert msal_application(fresh_cloud, credential).acquire_token_for_client([ARM_SCOPE])["error_codes"] == [700027]
    credential["public_certificate"] = leaf.chain_pem
    assert "access_token" in msal_application(fresh_cloud, credential).acquire_token_for_client([ARM_SCOPE])


def test_intermediates_that_the_cloud_knows_need_not_be_sent(
    fresh_cloud: LocalCloud, root: MadeCertificate, intermediate: MadeCertificate, leaf: MadeCertificate
) -> None:
    fresh_cloud.admin.trust_subject_name("ci-app", "ci.contoso.example", root.pem + intermediate.pem)
    # Without a thumbprint MSAL makes a PS256 assertion, and sends the first certificate only.
    credential = {"private_key": leaf.key_pem(), "public_certificate": leaf.chain_pem}
    assert "access_token" in msal_application(fresh_cloud, credential).acquire_token_for_client([ARM_SCOPE])
