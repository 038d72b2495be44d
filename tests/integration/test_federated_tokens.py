"""Federated tokens: sign-ins with a token, and with a source of tokens."""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.integration.workloads import (
    GRAPH,
    OTHER_TENANT,
    POD,
    SERVICE_PRINCIPAL,
    VAULT,
    entries,
    stock,
    subscriptions_used,
    token_claims,
    traces,
    write,
    write_entries,
)
from tests.localcloud import CI_APP, GITHUB_SUBJECT, PIPELINES_SUBJECT, SERVICE_CONNECTION, LocalCloud
from tests.localcloud.scopes import RESOURCES

REFUSAL = json.dumps(
    {"error": "invalid_client", "error_description": "AADSTS700024: Not now.", "error_codes": [700024]}
)
CI_SUBSCRIPTIONS = {"Contoso Production", "Contoso Development"}


def stored_assertion(az: Az) -> str:
    (entry,) = entries(az)
    return str(entry["client_assertion"])


def store_assertion(az: Az, assertion: str) -> None:
    """Replace the federated token of the one entry."""
    (entry,) = entries(az)
    write_entries(az, [{**entry, "client_assertion": assertion}])


@pytest.fixture
def own_issuer(workload_cloud: LocalCloud) -> str:
    """The name of an issuer of ci-app's tokens whose key the test may change."""
    name = f"issuer-{uuid.uuid4().hex[:8]}"
    workload_cloud.admin.add_federated_credential("ci-app", name, POD)
    return name


def test_a_federated_token_is_stored_for_built_in_commands_and_removed_by_the_sign_out(
    workload_az: Az, workload_cloud: LocalCloud
) -> None:
    az, assertion = workload_az, workload_cloud.admin.issue_assertion(POD)
    rows = az.run(*SERVICE_PRINCIPAL, "--federated-token", assertion).ok().json()
    assert {row["name"] for row in rows} == CI_SUBSCRIPTIONS
    assert stored_assertion(az) == assertion
    assert subscriptions_used(stock(az))
    assert token_claims(stock(az), "--resource", VAULT)["appid"] == CI_APP
    assert token_claims(az, "--tenant", OTHER_TENANT)["appid"] == CI_APP
    az.run("logout").ok()
    assert not traces(az, CI_APP, assertion)


def test_a_token_file_is_read_for_every_token_and_its_content_is_stored_for_built_in_commands(
    workload_az: Az, workload_cloud: LocalCloud, own_issuer: str, tmp_path: Path
) -> None:
    az, admin = workload_az, workload_cloud.admin
    first = admin.issue_assertion(POD, issuer=own_issuer)
    file = write(tmp_path / "token", first + "\n")
    rows = az.run(*SERVICE_PRINCIPAL, "--federated-token-file", file).ok().json()
    assert {row["name"] for row in rows} == CI_SUBSCRIPTIONS
    assert stored_assertion(az) == first
    assert subscriptions_used(stock(az))

    admin.rotate_issuer_key(own_issuer)  # the first one is worth nothing now
    second = admin.issue_assertion(POD, issuer=own_issuer)
    write(file, second)
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    assert stored_assertion(az) == second
    assert token_claims(stock(az), "--resource", GRAPH)["appid"] == CI_APP

    az.run("account", "list", "--refresh").ok()
    assert {row["name"] for row in az.profile()["subscriptions"]} == CI_SUBSCRIPTIONS
    az.run("account", "clear").ok()
    assert not traces(az, CI_APP, first, second)


def test_the_path_of_a_token_file_may_be_relative_to_the_current_directory(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path
) -> None:
    write(tmp_path / "token", workload_cloud.admin.issue_assertion(POD))
    workload_az.run(*SERVICE_PRINCIPAL, "--federated-token-file", "token", cwd=tmp_path).ok()
    assert token_claims(workload_az, "--resource", VAULT)["appid"] == CI_APP


def test_the_error_for_a_missing_token_file_explains_how_to_sign_in_again(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path
) -> None:
    file = write(tmp_path / "token", workload_cloud.admin.issue_assertion(POD))
    workload_az.run(*SERVICE_PRINCIPAL, "--federated-token-file", file).ok()
    file.unlink()
    # A token is cached for Resource Manager only.
    workload_az.run("account", "get-access-token").ok()
    error = workload_az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert str(file) in error


def test_a_token_file_without_a_stored_token_works_for_our_commands_only(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path
) -> None:
    az, assertion = workload_az, workload_cloud.admin.issue_assertion(POD)
    file = write(tmp_path / "token", assertion)
    az.run(*SERVICE_PRINCIPAL, "--federated-token-file", file, "--no-store-secret").ok()
    assert not traces(az, assertion)
    assert subscriptions_used(stock(az))
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    assert not traces(az, assertion)


@pytest.mark.parametrize("service", ["github", "azure-pipelines"])
def test_a_job_of_a_build_system_signs_in_and_gets_more_tokens_while_it_runs(
    workload_az: Az, workload_cloud: LocalCloud, service: str
) -> None:
    az, cloud = workload_az, workload_cloud
    subject = GITHUB_SUBJECT if service == "github" else PIPELINES_SUBJECT
    cloud.admin.add_federated_credential("ci-app", service, subject)
    words = ["--federated-token-source", service]
    if service == "github":
        environment = cloud.github_environment()
        request_token = environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    else:
        environment = cloud.azure_pipelines_environment()
        request_token = environment["SYSTEM_ACCESSTOKEN"]
        words += ["--service-connection-id", SERVICE_CONNECTION]
    rows = az.run(*SERVICE_PRINCIPAL, *words, env=environment).ok().json()
    assert {row["name"] for row in rows} == CI_SUBSCRIPTIONS
    first = stored_assertion(az)
    assert subscriptions_used(stock(az))

    # One federated token serves many requests.
    assert token_claims(az, "--resource", VAULT, env=environment)["appid"] == CI_APP
    assert stored_assertion(az) == first
    store_assertion(az, cloud.admin.issue_assertion(subject, lifetime=-1, issuer=service))
    assert token_claims(az, "--resource", VAULT, "--force-refresh", env=environment)["appid"] == CI_APP
    assert stored_assertion(az) not in (first, "")
    assert token_claims(stock(az), "--resource", GRAPH)["appid"] == CI_APP
    assert not traces(az, request_token)

    # A step without the variables uses the stored token, as built-in commands do.
    storage = ("account", "get-access-token", "--resource", "https://storage.azure.com")
    assert az.run(*storage).ok().stderr == ""
    variable = "ACTIONS_ID_TOKEN_REQUEST_URL" if service == "github" else "SYSTEM_OIDCREQUESTURI"
    store_assertion(az, cloud.admin.issue_assertion(subject, lifetime=30, issuer=service, age=270))
    said = az.run(*storage, "--force-refresh").ok().stderr
    assert variable in said
    assert "The stored federated token is used" in said

    # The job has ended, so the service does not answer any more.
    store_assertion(az, cloud.admin.issue_assertion(subject, lifetime=-600))
    error = az.run(*storage, "--force-refresh").failed().stderr
    assert variable in error
    assert "is used" not in error
    az.run("logout").ok()
    assert not traces(az, CI_APP)


@pytest.fixture
def github_az(workload_az: Az, workload_cloud: LocalCloud) -> Az:
    """`az` in a job of GitHub Actions that has signed in."""
    workload_cloud.admin.add_federated_credential("ci-app", "github", GITHUB_SUBJECT)
    az = workload_az.with_env(**workload_cloud.github_environment())
    az.run(*SERVICE_PRINCIPAL, "--federated-token-source", "github").ok()
    return az


def fetched(az: Az, cloud: LocalCloud) -> int:
    """Return how many federated tokens the job of GitHub Actions has asked for."""
    path = str(az.env["ACTIONS_ID_TOKEN_REQUEST_URL"]).removeprefix(cloud.url).partition("?")[0]
    return cloud.admin.count_requests("^" + re.escape(path))


def test_commands_that_need_a_new_federated_token_at_the_same_time_fetch_it_once(
    github_az: Az, workload_cloud: LocalCloud
) -> None:
    before = fetched(github_az, workload_cloud)
    store_assertion(github_az, workload_cloud.admin.issue_assertion(GITHUB_SUBJECT, lifetime=-1, issuer="github"))
    resources = [uri for resource in RESOURCES if resource.consent == "given" for uri in resource.uris][:8]
    assert len(resources) == 8
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda resource: token_claims(github_az, "--resource", resource), resources))
    assert fetched(github_az, workload_cloud) == before + 1


def test_a_stored_federated_token_that_is_refused_before_it_expires_is_replaced_once(
    github_az: Az, workload_cloud: LocalCloud
) -> None:
    before = fetched(github_az, workload_cloud)
    forged = workload_cloud.admin.issue_assertion(GITHUB_SUBJECT, issuer="github", forged=True)
    store_assertion(github_az, forged)
    assert token_claims(github_az, "--resource", VAULT)["appid"] == CI_APP
    assert stored_assertion(github_az) != forged
    assert fetched(github_az, workload_cloud) == before + 1
    # A token that was fetched just now and is refused is not replaced again.
    workload_cloud.admin.fail_next("/token$", status=401, body=REFUSAL)
    store_assertion(github_az, workload_cloud.admin.issue_assertion(GITHUB_SUBJECT, lifetime=-1, issuer="github"))
    assert "AADSTS700024" in github_az.run("account", "get-access-token", "--resource", GRAPH).failed().stderr
    assert fetched(github_az, workload_cloud) == before + 2


def test_if_the_service_fails_the_refusal_of_the_stored_federated_token_is_the_error(
    github_az: Az, workload_cloud: LocalCloud
) -> None:
    store_assertion(github_az, workload_cloud.admin.issue_assertion(GITHUB_SUBJECT, issuer="github", forged=True))
    token = ("account", "get-access-token", "--resource", VAULT)
    result = github_az.run(*token, env={"ACTIONS_ID_TOKEN_REQUEST_URL": None}).failed()
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" in result.stderr
    assert "AADSTS50013" in result.stderr


def test_our_commands_use_a_federated_token_that_a_built_in_sign_in_stored(
    workload_az: Az, workload_cloud: LocalCloud
) -> None:
    assertion = workload_cloud.admin.issue_assertion(POD)
    stock(workload_az).run(*SERVICE_PRINCIPAL, "--federated-token", assertion).ok()
    assert token_claims(workload_az, "--resource", VAULT)["appid"] == CI_APP
    workload_az.run("logout").ok()
    assert not traces(workload_az, CI_APP, assertion)


def test_a_stored_source_survives_another_sign_in_with_the_built_in_command(
    workload_az: Az, workload_cloud: LocalCloud, own_issuer: str, tmp_path: Path
) -> None:
    az, admin = workload_az, workload_cloud.admin
    file = write(tmp_path / "token", admin.issue_assertion(POD, issuer=own_issuer))
    az.run(*SERVICE_PRINCIPAL, "--federated-token-file", file).ok()
    other = ("login", "--service-principal", "-u", CI_APP, "--tenant", OTHER_TENANT)
    stock(az).run(*other, "--federated-token", admin.issue_assertion(POD)).ok()
    admin.rotate_issuer_key(own_issuer)
    write(file, admin.issue_assertion(POD, issuer=own_issuer))
    claims = token_claims(az, "--subscription", "Contoso Production", "--resource", VAULT)
    assert claims["tid"] == workload_cloud.directory.tenant("contoso.example").id
