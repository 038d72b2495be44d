"""`az login --access-token`: a finished access token that is handed over, and what commands can do with it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jwt
import pytest

from tests.harness.az import Az, Result
from tests.integration.workloads import (
    GRAPH,
    OTHER_TENANT,
    SERVICE_PRINCIPAL,
    TENANT,
    VAULT,
    end_access_tokens,
    entries,
    kept,
    stock,
    subscriptions_used,
    token_claims,
    traces,
)
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

LOGIN = ("login", "--access-token=@-")
TENANT_ONLY = "N/A(tenant level account)"


def obtain(az: Az, who: str, *resource: str) -> str:
    """Return an access token of ci-app or of alice, and leave nobody signed in."""
    if who == CI_APP:
        az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    else:
        az.run("login", "-u", ALICE, "--password=@-", "--tenant", TENANT, input="alice-local-password").ok()
    token = az.run("account", "get-access-token", *resource).ok().json()["accessToken"]
    az.run("account", "clear").ok()
    return str(token)


def hand_over(az: Az, token: str, *words: str) -> Result:
    return az.run(*LOGIN, *words, input=token + "\n")


def changed(token: str, **claims: Any) -> str:
    """Return a token with other claims. Its signature does not fit."""
    content = jwt.decode(token, options={"verify_signature": False}) | claims
    left = {name: value for name, value in content.items() if value is not None}
    payload = base64.urlsafe_b64encode(json.dumps(left).encode()).rstrip(b"=").decode()
    header, _, signature = token.split(".")
    return f"{header}.{payload}.{signature}"


@dataclass(frozen=True)
class Handed:
    """An account that has signed in with a token for Resource Manager."""

    az: Az
    name: str
    token: str


@pytest.fixture(params=[CI_APP, ALICE], ids=["application", "user"])
def handed(request: pytest.FixtureRequest, workload_az: Az) -> Handed:
    az, name = workload_az, request.param
    token = obtain(az, name)
    az = replace(az, secrets=(*az.secrets, token))
    done = hand_over(az, token).ok()
    assert {row["user"]["name"] for row in done.json()} == {name}
    assert f"'{name}' is signed in with an access token for https://management" in done.stderr
    assert "Nothing renews it." in done.stderr
    return Handed(az, name, token)


def test_commands_work_with_the_token_until_it_expires(handed: Handed, workload_cloud: LocalCloud) -> None:
    az = replace(handed.az, secrets=())
    assert az.run("account", "get-access-token").ok().json()["accessToken"] == handed.token
    assert subscriptions_used(az)
    assert subscriptions_used(stock(az))
    # It is for Resource Manager in one tenant.
    said = handed.az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert f"'{handed.name}' has only the access token that was handed over with --access-token. It expires at" in said
    assert "az login --access-token=@-" in said
    before = az.profile()["subscriptions"]
    handed.az.run("account", "renew").failed()
    assert az.run("account", "get-access-token").ok().json()["accessToken"] == handed.token

    end_access_tokens(az)
    said = handed.az.run("account", "get-access-token").failed().stderr
    assert "nothing renews it" in said
    assert said.count("ERROR") == 1
    handed.az.run("group", "list").failed()
    assert az.profile()["subscriptions"] == before
    az.run("logout").ok()
    assert not traces(az, handed.name, handed.token)


def test_a_status_counts_the_token_until_it_expires(handed: Handed) -> None:
    status = ("account", "status")
    (account,) = handed.az.run(*status).ok().json()["accounts"]
    assert (account["account"], account["signIn"]) == (handed.name, "access token")
    assert [tenant["refresh"] for tenant in account["tenants"]] == ["not tried"]
    end_access_tokens(handed.az)
    for options in ((), ("--offline",)):
        result = handed.az.run(*status, *options)
        assert result.exit_code == 11, result
        assert result.json()["findings"][0]["command"] == "az login --access-token=@-"


def test_another_token_takes_the_place_of_the_first(handed: Handed) -> None:
    hand_over(handed.az, handed.token).ok()
    assert subscriptions_used(handed.az)


def test_a_user_hands_over_tokens_of_two_tenants(workload_az: Az, workload_cloud: LocalCloud) -> None:
    az, tokens = workload_az, {}
    for tenant in (TENANT, OTHER_TENANT):
        az.run("login", "-u", ALICE, "--password=@-", "--tenant", tenant, input="alice-local-password").ok()
        tokens[tenant] = az.run("account", "get-access-token").ok().json()["accessToken"]
        az.run("account", "clear").ok()
    for token in tokens.values():
        hand_over(az, token).ok()
    for tenant, token in tokens.items():
        directory = workload_cloud.directory.tenant(tenant).id
        for one in (az, stock(az)):
            found = one.run("account", "get-access-token", "--tenant", directory).ok().json()["accessToken"]
            assert found == token
    assert {row["tenantId"] for row in az.profile()["subscriptions"]} == {
        workload_cloud.directory.tenant(tenant).id for tenant in tokens
    }


def test_a_refresh_keeps_what_the_token_has_found(handed: Handed) -> None:
    az = replace(handed.az, secrets=())
    before = {row["id"] for row in az.profile()["subscriptions"]}
    handed.az.run("account", "list", "--refresh")
    assert {row["id"] for row in az.profile()["subscriptions"]} == before
    assert subscriptions_used(az)


def test_a_real_sign_in_takes_the_place_of_the_token(handed: Handed, workload_cloud: LocalCloud) -> None:
    az = handed.az
    if handed.name == CI_APP:
        az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
        assert entries(az)[0].get("client_secret") == CI_SECRET
    else:
        az.run("login", "-u", ALICE, "--password=@-", "--tenant", TENANT, input="alice-local-password").ok()
    assert token_claims(replace(az, secrets=()), "--resource", VAULT)["tid"]
    before = kept(az)
    said = hand_over(az, handed.token).failed().stderr
    assert "is signed in already, with a credential that renews its tokens" in said
    assert f"az logout --username {handed.name}" in said
    assert kept(az) == before


@pytest.mark.parametrize("who", [CI_APP, ALICE], ids=["application", "user"])
def test_a_token_of_another_resource_serves_that_resource(workload_az: Az, who: str) -> None:
    token = obtain(workload_az, who, "--resource", VAULT)
    az = replace(workload_az, secrets=(*workload_az.secrets, token))
    said = hand_over(az, token).failed().stderr
    assert f"The access token is for {VAULT}, and not for Azure Resource Manager" in said
    assert "az login --access-token=@- --allow-no-subscriptions" in said
    rows = hand_over(az, token, "--allow-no-subscriptions").ok().json()
    assert [row["name"] for row in rows] == [TENANT_ONLY]
    shown = replace(az, secrets=()).run("account", "get-access-token", "--resource", VAULT).ok().json()
    assert shown["accessToken"] == token
    assert "has only the access token" in az.run("account", "get-access-token", "--resource", GRAPH).failed().stderr


def _encrypted(token: str) -> str:
    return ".".join([*token.split("."), "AA", "AA"])


REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "opaque": (lambda token: "opaque-access-token-canary", "is opaque"),
    "encrypted": (_encrypted, "is encrypted"),
    "two words": (lambda token: f"Bearer {token}", "is not a token"),
    "expired": (lambda token: changed(token, exp=int(time.time()) - 10), "The access token expired at"),
    "about to expire": (
        lambda token: changed(token, exp=int(time.time()) + 200),
        "only if it is valid for 5 more minutes",
    ),
    "without an expiry": (lambda token: changed(token, exp=None), "when it expires"),
    "not yet valid": (lambda token: changed(token, nbf=int(time.time()) + 1000), "is not valid before"),
    "valid from no time at all": (lambda token: changed(token, nbf=10**400), "not valid before an unknown time"),
    "of an endless issuer": (lambda token: changed(token, iss="x" * 1000), f"issuer: {'x' * 150}"),
    "of another cloud": (
        lambda token: changed(token, iss="https://login.microsoftonline.us/x/v2.0"),
        "is of another cloud or issuer: https://login.microsoftonline.us/x/v2.0",
    ),
    "of another issuer": (lambda token: changed(token, iss="https://accounts.example"), "another cloud or issuer"),
    "of another tenant than its issuer": (lambda token: changed(token, tid="0" * 8), "another cloud or issuer"),
    "without a tenant": (lambda token: changed(token, tid=None), "does not contain its tenant"),
    "without a resource": (lambda token: changed(token, aud=["a"]), "does not contain the resource"),
    "without a name": (
        lambda token: changed(token, appid=None, upn=None, unique_name=None),
        "does not name the user or the application",
    ),
    "without an ID": (lambda token: changed(token, oid=5), "does not contain the ID of its account"),
}


@pytest.mark.parametrize("who", [CI_APP, ALICE], ids=["application", "user"])
def test_a_token_that_cannot_work_is_refused_and_changes_nothing(workload_az: Az, who: str) -> None:
    token = obtain(workload_az, who)
    before = kept(workload_az)
    for name, (make, says) in REFUSED.items():
        bad = make(token)
        az = replace(workload_az, secrets=(*workload_az.secrets, token, bad))
        said = hand_over(az, bad).failed().stderr
        assert says in said, name
        assert "Nothing was sent" in said
        assert said.count("ERROR") == 1
    said = hand_over(workload_az, token, "--tenant", OTHER_TENANT).failed().stderr
    assert "and not of" in said
    # Azure Resource Manager itself finds the signature that does not fit.
    forged = changed(token, name="Mallory")
    hand_over(replace(workload_az, secrets=(token, forged)), forged).failed()
    assert kept(workload_az) == before


@pytest.mark.parametrize(
    "words",
    [("--username", ALICE), ("--service-principal",), ("--identity",), ("--use-device-code",), ("--no-browser",)],
)
def test_a_token_is_not_combined_with_another_way_to_sign_in(workload_az: Az, words: tuple[str, ...]) -> None:
    said = hand_over(workload_az, "x", *words).failed().stderr
    assert f"is not applicable with '{words[0]}'" in said


def test_a_token_on_the_command_line_is_warned_of_and_never_in_the_advice(workload_az: Az) -> None:
    token = obtain(workload_az, CI_APP, "--resource", VAULT)
    said = workload_az.run("login", "--access-token", token).failed().stderr
    assert "The access token is on the command line" in said
    assert token not in said
