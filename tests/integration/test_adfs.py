"""Azure Stack with AD FS: users and service principals sign in there, and built-in commands work after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import AddressTaker
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import sign_in_with_code
from tests.integration.workloads import (
    Certificates,
    entries,
    stock,
    subscriptions_used,
    token_claims,
    traces,
    write_pem,
)
from tests.localcloud import LocalCloud
from tests.localcloud.azurestack import GRAPH_AUDIENCE, STACK_APP, STACK_SECRET, TENANT
from tests.users import ADAM, EVE

LAB, PRODUCTION = "Azure Stack Lab", "Azure Stack Production"
APPLICATION = ("login", "--service-principal", "-u", STACK_APP)
GRAPH = ("--resource", GRAPH_AUDIENCE.rstrip("/"))


@pytest.fixture
def adam(workload_cloud: LocalCloud) -> HttpUser:
    password = workload_cloud.azure_stack.directory.user(ADAM).password
    return HttpUser(Path(workload_cloud.ca_bundle), ADAM, password)


def test_a_user_signs_in_with_a_password(stack_az: Az, workload_cloud: LocalCloud) -> None:
    az = stack_az
    password = workload_cloud.azure_stack.directory.user(ADAM).password
    workload_cloud.admin.clear_requests()
    rows = az.run("login", "-u", ADAM, "--password=@-", input=password).ok().json()
    asked = [(request.method, request.path) for request in workload_cloud.admin.requests()]
    assert sorted(set(asked)) == sorted(asked), "something was asked for twice"
    assert {path.partition("/adfs/")[2] or path.rpartition("/")[2] for _, path in asked} == {
        ".well-known/openid-configuration",
        "oauth2/token/",
        "tenants",
        "subscriptions",
    }
    assert {(row["name"], row["user"]["name"], row["tenantId"]) for row in rows} == {
        (LAB, ADAM, TENANT.id),
        (PRODUCTION, ADAM, TENANT.id),
    }
    before = az.profile()["subscriptions"]
    assert subscriptions_used(stock(az))
    assert token_claims(stock(az), *GRAPH)["upn"] == ADAM
    az.run("account", "list", "--refresh").ok()
    assert az.profile()["subscriptions"] == before
    assert token_claims(az, "--tenant", TENANT.id)["upn"] == ADAM
    az.run("logout").ok()
    assert not traces(az, ADAM)


def test_a_status_is_that_of_users_and_service_principals(stack_az: Az, workload_cloud: LocalCloud) -> None:
    password = workload_cloud.azure_stack.directory.user(ADAM).password
    stack_az.run("login", "-u", ADAM, "--password=@-", input=password).ok()
    stack_az.run(*APPLICATION, "--password=@-", input=STACK_SECRET).ok()
    report = stack_az.run("account", "status").ok().json()
    found = {account["account"]: [each["refresh"] for each in account["tenants"]] for account in report["accounts"]}
    assert found == {ADAM: ["works"], STACK_APP: ["works"]}
    assert abs(report["network"]["clockDifferenceSeconds"]) < 30


def test_a_user_signs_in_with_a_browser_at_the_one_address_that_ad_fs_knows(
    stack_az: Az, adam: HttpUser, tmp_path: Path
) -> None:
    browser = AddressTaker(tmp_path / "browser")
    process = stack_az.start("login", env={"BROWSER": browser.browser})
    address = browser.address()
    assert "localhost%3A8400" in address
    adam.visit(address)
    rows = stack_az.result(process, "login").ok().json()
    assert {row["name"] for row in rows} == {LAB, PRODUCTION}
    assert subscriptions_used(stock(stack_az))


def test_a_user_signs_in_on_another_device(stack_az: Az, workload_cloud: LocalCloud) -> None:
    def answer(url: str, code: str) -> None:
        password = workload_cloud.azure_stack.directory.user(ADAM).password
        HttpUser(Path(workload_cloud.ca_bundle), ADAM, password, user_code=code).visit(url)

    result, _ = sign_in_with_code(stack_az, answer)
    assert {row["name"] for row in result.ok().json()} == {LAB, PRODUCTION}
    assert subscriptions_used(stock(stack_az))


@pytest.mark.parametrize("proof", ["secret", "certificate", "environment"])
def test_a_service_principal_signs_in_without_naming_a_tenant(
    stack_az: Az, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path, proof: str
) -> None:
    az = stack_az
    if proof == "secret":
        result = az.run(*APPLICATION, "--password=@-", input=STACK_SECRET)
    elif proof == "certificate":
        result = az.run(*APPLICATION, "--certificate", write_pem(tmp_path / "stack.pem", certificates.registered))
    else:
        # What azure-identity takes for Azure Stack with AD FS.
        environment = {
            "AZURE_AUTHORITY_HOST": f"{workload_cloud.url}/",
            "AZURE_TENANT_ID": "adfs",
            "AZURE_CLIENT_ID": STACK_APP,
            "AZURE_CLIENT_SECRET": STACK_SECRET,
        }
        result = az.run("login", "--from-env", env=environment)
    (row,) = result.ok().json()
    assert (row["name"], row["user"]["name"]) == (LAB, STACK_APP)
    before = az.profile()["subscriptions"]
    assert subscriptions_used(stock(az))
    assert token_claims(stock(az), *GRAPH)["appid"] == STACK_APP
    az.run("account", "list", "--refresh").ok()
    assert az.profile()["subscriptions"] == before
    assert token_claims(az, "--tenant", row["tenantId"])["appid"] == STACK_APP
    (entry,) = entries(az)
    assert entry["tenant"] == row["tenantId"]
    az.run("logout").ok()
    assert not traces(az, STACK_APP, STACK_SECRET)


def test_our_commands_go_on_with_a_service_principal_that_built_in_commands_signed_in(stack_az: Az) -> None:
    # Without a tenant, built-in commands end with a KeyError.
    stock(stack_az).run(*APPLICATION, f"-p={STACK_SECRET}", "--tenant", TENANT.id).ok()
    assert token_claims(stack_az, *GRAPH)["appid"] == STACK_APP
    stack_az.run("account", "list", "--refresh").ok()
    stack_az.run("logout").ok()
    assert not traces(stack_az, STACK_APP, STACK_SECRET)


@pytest.mark.parametrize(
    ("words", "password", "says"),
    [
        (("login", "-u", ADAM, "--password=@-"), "no-such-password", "password"),
        ((*APPLICATION, "--password=@-"), "no-such-secret", "az login --service-principal"),
        (("login", "-u", EVE, "--password=@-"), "eve-local-password", "No subscriptions found"),
    ],
    ids=["wrong password", "wrong secret", "nothing to see"],
)
def test_a_refusal_of_ad_fs_is_one_error_and_stores_nothing(
    stack_az: Az, words: tuple[str, ...], password: str, says: str
) -> None:
    error = stack_az.run(*words, input=password).failed().stderr
    assert says in error
    assert password not in error
    assert not traces(stack_az, words[-2])
