"""Managed identities and Cloud Shell: sign-ins on every kind of host, and built-in commands after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import NOWHERE, Az
from tests.harness.hosts import Host
from tests.integration.internet import internet_of_cloud_shell
from tests.integration.workloads import VAULT, id_of, stock, subscriptions_used, token_claims
from tests.localcloud import DEPLOY_IDENTITY, READER_IDENTITY, VM_IDENTITY, LocalCloud
from tests.users import ALICE, BOB

IDENTITY = ("login", "--identity")
#: A row's subscription, and the name that the host gives to the identity.
Signed = set[tuple[str, str]]
SYSTEM: Signed = {
    ("Contoso Production", "systemAssignedIdentity"),
    ("Shared Platform", "systemAssignedIdentity"),
}
USER: Signed = {("Contoso Development", "userAssignedIdentity")}


def environment_of(cloud: LocalCloud, kind: str) -> dict[str, str]:
    """Return the environment of a kind of host. Skips the test if Azure Arc's folder cannot be created."""
    if kind != "arc":
        environment: dict[str, str] = getattr(cloud, f"{kind}_environment")()
        return environment
    try:
        return cloud.arc_environment()
    except OSError as error:
        pytest.skip(f"MSAL reads the challenge files of Azure Arc in one folder only: {error}")


def signed(rows: list[dict[str, Any]]) -> Signed:
    return {(row["name"], row["user"]["name"]) for row in rows}


@pytest.mark.parametrize(
    ("kind", "option", "expected"),
    [
        ("imds", None, SYSTEM),
        ("imds", "--client-id", USER),
        ("imds", "--object-id", USER),
        ("imds", "--resource-id", USER),
        ("app_service", None, SYSTEM),
        ("app_service", "--resource-id", USER),
        ("arc", None, SYSTEM),
        ("service_fabric", None, SYSTEM),
        ("machine_learning", None, SYSTEM),
        ("machine_learning", "--client-id", USER),
    ],
)
def test_a_managed_identity_signs_in_and_built_in_commands_work_as_it(
    az: Az, cloud: LocalCloud, kind: str, option: str | None, expected: Signed
) -> None:
    here = az.with_env(**environment_of(cloud, kind))
    words = (option, id_of(cloud, option)) if option else ()
    assert signed(here.run(*IDENTITY, *words).ok().json()) == expected
    assert subscriptions_used(stock(here))


@pytest.mark.parametrize(
    ("words", "who", "leaving"),
    [((), VM_IDENTITY, "account clear"), (("--client-id", DEPLOY_IDENTITY), DEPLOY_IDENTITY, "logout")],
    ids=["system-assigned", "user-assigned"],
)
def test_a_managed_identity_is_refreshed_gets_tokens_and_signs_out(
    az: Az, cloud: LocalCloud, words: tuple[str, ...], who: str, leaving: str
) -> None:
    here = az.with_env(**cloud.imds_environment())
    rows = here.run(*IDENTITY, *words).ok().json()
    before = here.profile()["subscriptions"]
    here.run("account", "list", "--refresh").ok()
    assert here.profile()["subscriptions"] == before
    claims = token_claims(here, "--resource", VAULT, "--tenant", rows[0]["tenantId"])
    assert (claims["appid"], claims["aud"]) == (who, VAULT)
    other = cloud.directory.tenant("fabrikam.example").id
    assert rows[0]["tenantId"] in here.run("account", "get-access-token", "--tenant", other).failed().stderr
    # No token is stored, so no command works on another host.
    elsewhere = az.with_env(AZURE_POD_IDENTITY_AUTHORITY_HOST=NOWHERE)
    assert "az login" in elsewhere.run("account", "get-access-token").failed().stderr
    here.run(*leaving.split()).ok()
    assert here.profile()["subscriptions"] == []


def test_our_commands_use_an_identity_that_a_built_in_sign_in_stored(az: Az, cloud: LocalCloud) -> None:
    here = az.with_env(**cloud.imds_environment())
    stock(here).run(*IDENTITY, "--client-id", DEPLOY_IDENTITY).ok()
    assert token_claims(here, "--resource", VAULT)["appid"] == DEPLOY_IDENTITY
    here.run("account", "list", "--refresh").ok()
    assert signed(here.profile()["subscriptions"]) == USER


@pytest.mark.parametrize("chosen_by", ["AZURE_LOGIN_CONTEXT", "AZURE_LOGIN_ACCOUNT"])
def test_a_sign_out_where_one_identity_is_chosen_keeps_the_other(
    make_az: Callable[..., Az], own_cloud: LocalCloud, chosen_by: str
) -> None:
    own_cloud.admin.add_access("reader-identity", "contoso.example", "Contoso Development")
    az = make_az(cloud=own_cloud).with_env(**own_cloud.imds_environment())
    for identity in (DEPLOY_IDENTITY, READER_IDENTITY):
        az.run(*IDENTITY, "--client-id", identity).ok()
    label = f"MSIClient-{DEPLOY_IDENTITY}"
    az.run("account", "context", "create", "--name", label, "--username", label).ok()
    az.with_env(**{chosen_by: label}).run("logout").ok()
    left = az.run("account", "list", "--all-identities").ok().json()
    assert {row["user"]["assignedIdentityInfo"] for row in left} == {f"MSIClient-{READER_IDENTITY}"}


def test_two_identities_of_a_host_are_signed_in_at_the_same_time(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    own_cloud.admin.add_access("reader-identity", "contoso.example", "Contoso Development")
    az = make_az(cloud=own_cloud).with_env(**own_cloud.imds_environment())
    az.run(*IDENTITY, "--client-id", DEPLOY_IDENTITY).ok()
    az.run(*IDENTITY, "--client-id", READER_IDENTITY).ok()
    listed = az.run("account", "list", "--all-identities").ok().json()
    assert {row["user"]["assignedIdentityInfo"] for row in listed} == {
        f"MSIClient-{DEPLOY_IDENTITY}",
        f"MSIClient-{READER_IDENTITY}",
    }
    for identity in (DEPLOY_IDENTITY, READER_IDENTITY):
        az.run("account", "set", "-s", "Contoso Development", "--username", f"MSIClient-{identity}").ok()
        assert token_claims(stock(az))["appid"] == identity
    az.run("logout", "--username", f"MSIClient-{READER_IDENTITY}").ok()
    (left,) = az.run("account", "list", "--all-identities").ok().json()
    assert left["user"]["assignedIdentityInfo"] == f"MSIClient-{DEPLOY_IDENTITY}"
    az.run("account", "set", "-s", "Contoso Development").ok()
    assert token_claims(az)["appid"] == DEPLOY_IDENTITY


def test_cloud_shell_signs_its_user_in_and_built_in_commands_work_as_that_user(
    az: Az, cloud: LocalCloud, tmp_path: Path
) -> None:
    environment = cloud.cloud_shell_environment(ALICE)
    here = az.with_env(**environment)
    rows = here.run(*IDENTITY).ok().json()
    assert {row["user"]["name"] for row in rows} == {ALICE}
    assert {"Contoso Production", "Contoso Development"} <= {row["name"] for row in rows}
    assert all(row["user"]["cloudShellID"] is True for row in rows)
    before = here.profile()["subscriptions"]
    here.run("account", "list", "--refresh").ok()
    assert here.profile()["subscriptions"] == before
    assert token_claims(here, "--resource", VAULT)["unique_name"] == ALICE
    with internet_of_cloud_shell(cloud, environment, tmp_path) as internet:
        assert subscriptions_used(stock(here), env=internet)
    assert "az login --identity" in here.run("logout").ok().stderr
    assert here.profile()["subscriptions"] == []


def test_in_cloud_shell_another_account_can_sign_in_too(az: Az, cloud: LocalCloud) -> None:
    here = az.with_env(**cloud.cloud_shell_environment(ALICE))
    here.run(*IDENTITY).ok()
    bob = cloud.directory.user(BOB)
    said = here.run("login", "-u", bob.username, "--password=@-", input=bob.password).ok().stderr
    assert "Cloud Shell is automatically authenticated" in said
    users = {row["user"]["name"] for row in here.run("account", "list").ok().json()}
    assert users == {ALICE, bob.username}


@pytest.mark.oldest
def test_the_oldest_azure_cli_trusts_service_fabric_by_its_certificate(
    make_az: Callable[..., Az], oldest: Host, cloud: LocalCloud
) -> None:
    # Its MSAL requires a certificate signed by an authority, which this one is not.
    here = make_az(host=oldest).with_env(**environment_of(cloud, "service_fabric"))
    assert signed(here.run(*IDENTITY).ok().json()) == SYSTEM
    stranger = here.run("account", "get-access-token", env={"IDENTITY_SERVER_THUMBPRINT": "0" * 40}).failed()
    assert "has another certificate than" in stranger.stderr
