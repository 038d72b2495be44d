"""`azext_login.api`, as another extension uses it in real commands."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.contexts import CONTEXT, add_context, pin
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.integration.test_sample_extension import KINDS, sign_in_workload
from tests.integration.token_cache_files import let_tokens_expire
from tests.integration.workloads import OTHER_TENANT, TENANT, VAULT, Certificates, guarded, kept
from tests.localcloud import CI_APP, LocalCloud
from tests.users import ALICE, BOB


@pytest.fixture
def alice_az(make_az: Callable[..., Az], stage: Stage, cloud: LocalCloud, signed_in: Az) -> Az:
    """An `az` with both extensions, with alice signed in, whose index knows the sample."""
    az = make_az()
    shutil.copytree(signed_in.config_dir, az.config_dir, dirs_exist_ok=True)
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    az.run("sample", "-h", timeout=180).ok()
    return az


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", [(), ("--asynchronous",)], ids=["sync", "async"])
def test_an_unmodified_client_lists_groups_with_the_credential(
    make_az: Callable[..., Az],
    stage: Stage,
    workload_cloud: LocalCloud,
    certificates: Certificates,
    tmp_path: Path,
    kind: str,
    mode: tuple[str, ...],
) -> None:
    az = guarded(make_az(cloud=workload_cloud))
    az = replace(az, extension_dir=stage.extension_dir_with_sample(az.host))
    if kind == "user":
        sign_in(az, workload_cloud, ALICE).ok()
    else:
        az = sign_in_workload(az, kind, workload_cloud, certificates, tmp_path)
    let_tokens_expire(az, int(time.time()) - 60)
    listed = az.run("sample", "groups", *mode, timeout=180).ok().json()
    assert listed["account"] == (ALICE if kind == "user" else CI_APP)
    assert listed["api"] == "1.0"
    assert listed["groups"]
    assert all(f"/subscriptions/{listed['subscription']}/" in group for group in listed["groups"])


def test_arguments_take_precedence_over_the_variables(alice_az: Az, cloud: LocalCloud) -> None:
    sign_in(alice_az, cloud, BOB).ok()
    env = {"AZURE_LOGIN_ACCOUNT": BOB}
    assert alice_az.run("sample", "groups", env=env).ok().json()["account"] == BOB
    assert alice_az.run("sample", "groups", "--account", ALICE, env=env).ok().json()["account"] == ALICE


def test_without_the_extension_the_fallback_is_used(stage: Stage, alice_az: Az, tmp_path: Path) -> None:
    shutil.copytree(Path(str(alice_az.extension_dir)) / "sample", tmp_path / "only" / "sample")
    az = replace(alice_az, extension_dir=tmp_path / "only")
    listed = az.run("sample", "groups", timeout=180).ok().json()
    assert listed["api"] is None
    assert listed["groups"]


def test_no_sign_in_is_one_error_with_the_next_step(make_az: Callable[..., Az], stage: Stage) -> None:
    az = make_az()
    az = replace(az, extension_dir=stage.extension_dir_with_sample(az.host))
    failed = az.run("sample", "groups", timeout=180).failed()
    assert "az login" in failed.stderr
    assert failed.stderr.count("ERROR") == 1


def test_a_token_tells_where_it_came_from_and_how_fresh_it_is(alice_az: Az) -> None:
    alice_az.run("account", "get-access-token", "--resource", VAULT).ok()
    told = alice_az.run("sample", "new-token", "--resource", VAULT).ok().json()
    first, new = told["first"], told["new"]
    assert (first["origin"], new["origin"]) == ("cache", "refresh")
    assert (first["freshness"], new["freshness"]) == ("fresh", "fresh")
    assert told["is_another"]
    assert first["account"] == ALICE
    assert first["token_type"] == "Bearer"
    assert first["subscription"] == alice_az.run("account", "show").ok().json()["id"]
    assert first["tenant"] == alice_az.run("account", "show").ok().json()["tenantId"]


def test_the_accounts_are_those_of_the_commands(alice_az: Az, cloud: LocalCloud) -> None:
    sign_in(alice_az, cloud, BOB).ok()
    before = kept(alice_az)["azureProfile.json"]
    told = alice_az.run("sample", "accounts").ok().json()
    shown = alice_az.run("account", "show").ok().json()
    active = told["current"]
    assert (active["name"], active["subscription"]["id"], active["tenant"], active["reason"]) == (
        shown["user"]["name"], shown["id"], shown["tenantId"], "stored",
    )  # fmt: skip
    listed = alice_az.run("account", "list", "--all-identities", "--all").ok().json()
    seen = {
        (account["name"], each["id"], each["tenant"])
        for account in told["accounts"]
        for each in account["subscriptions"]
    }
    assert seen == {(row["user"]["name"], row["id"], row["tenantId"]) for row in listed}
    assert [account["name"] for account in told["accounts"] if account["is_active"]] == [BOB]
    assert told["contexts"] == []
    assert kept(alice_az)["azureProfile.json"] == before
    chosen = alice_az.run("sample", "accounts", env={"AZURE_LOGIN_ACCOUNT": ALICE}).ok().json()["current"]
    assert (chosen["name"], chosen["reason"], chosen["variables"]) == (ALICE, "variable", ["AZURE_LOGIN_ACCOUNT"])


def test_a_context_is_listed_and_is_the_reason_for_what_is_active(
    alice_az: Az, cloud: LocalCloud, tmp_path: Path
) -> None:
    sign_in(alice_az, cloud, BOB).ok()
    add_context(alice_az, "dev", ALICE, "Contoso Development")
    add_context(alice_az, "bob", BOB, alice_az.run("account", "show").ok().json()["name"])
    told = alice_az.run("sample", "accounts", env={CONTEXT: "DEV"}).ok().json()
    active = told["current"]
    assert (active["name"], active["subscription"]["name"], active["reason"]) == (
        ALICE, "Contoso Development", "context",
    )  # fmt: skip
    assert (active["context"], active["context_file"], active["variables"]) == ("dev", None, [])
    assert [(each["name"], each["account"], each["is_active"]) for each in told["contexts"]] == [
        ("bob", BOB, False), ("dev", ALICE, True),
    ]  # fmt: skip
    file = pin(alice_az, tmp_path / "project", "bob")
    active = alice_az.run("sample", "accounts", cwd=file.parent).ok().json()["current"]
    assert (active["name"], active["context"], active["context_file"]) == (BOB, "bob", str(file))


def test_the_stored_default_changes_although_the_program_is_in_a_context(alice_az: Az) -> None:
    before = alice_az.run("account", "show").ok().json()
    add_context(alice_az, "here", ALICE, before["name"])
    chosen = alice_az.run("sample", "select", "--default", "Contoso Development", env={CONTEXT: "here"}).ok().json()
    assert chosen["name"] == "Contoso Development"
    assert alice_az.run("account", "show", env={CONTEXT: "here"}).ok().json()["id"] == before["id"]
    assert alice_az.run("account", "show").ok().json()["id"] == chosen["id"]


def test_no_account_is_no_active_one(make_az: Callable[..., Az], stage: Stage) -> None:
    az = make_az()
    az = replace(az, extension_dir=stage.extension_dir_with_sample(az.host))
    assert az.run("sample", "accounts", timeout=180).ok().json() == {"current": None, "accounts": [], "contexts": []}


def test_a_token_of_another_tenant_does_not_change_the_tenant_of_the_credential(
    alice_az: Az, cloud: LocalCloud
) -> None:
    own = alice_az.run("account", "show").ok().json()["tenantId"]
    other = next(tenant.id for tenant in map(cloud.directory.tenant, (TENANT, OTHER_TENANT)) if tenant.id != own)
    tenants = alice_az.run("sample", "tenants", "--tenant", other).ok().json()
    assert tenants == {
        "own": own, "asked": other, "copied": other, "auxiliary": other, "info": other, "afterwards": own,
    }  # fmt: skip


def test_a_claims_challenge_that_the_user_has_to_answer_is_one_error_with_the_next_step(
    make_az: Callable[..., Az], stage: Stage, own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    sign_in(az, own_cloud, ALICE).ok()
    az.run("sample", "groups", timeout=180).ok()
    own_cloud.admin.revoke(ALICE)
    failed = az.run("sample", "groups").failed()
    assert failed.stderr.count("ERROR") == 1
    assert "az login" in failed.stderr
    assert "AADSTS50173" in failed.stderr


def test_a_claims_challenge_is_answered_with_a_new_token(
    make_az: Callable[..., Az], stage: Stage, own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    sign_in(az, own_cloud, ALICE).ok()
    az.run("sample", "-h", timeout=180).ok()
    kept_token = (az.config_dir / "msal_token_cache.json").read_bytes()
    own_cloud.admin.revoke(ALICE)
    sign_in(az, own_cloud, ALICE).ok()
    signed_in_again = json.loads((az.config_dir / "msal_token_cache.json").read_bytes())
    # The access tokens from before, which are revoked, with the refresh token from after.
    signed_in_again["AccessToken"] = json.loads(kept_token)["AccessToken"]
    (az.config_dir / "msal_token_cache.json").write_text(json.dumps(signed_in_again), encoding="utf-8")
    assert az.run("sample", "groups").ok().json()["groups"]


@pytest.mark.oldest
def test_the_oldest_azure_cli_works_too(make_az: Callable[..., Az], stage: Stage, cloud: LocalCloud) -> None:
    az = make_az(host=hosts.oldest())
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    sign_in(az, cloud, ALICE, timeout=180).ok()
    for mode in ((), ("--asynchronous",)):
        listed = az.run("sample", "groups", *mode, timeout=180).ok().json()
        assert (listed["account"], listed["api"]) == (ALICE, "1.0")
        assert listed["groups"]


def test_the_tokens_of_a_managed_identity_are_known_as_such(
    make_az: Callable[..., Az], stage: Stage, cloud: LocalCloud
) -> None:
    az = make_az().with_env(**cloud.imds_environment())
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    made = az.run("sample", "sign-in", "--method", "identity", timeout=180).ok().json()
    assert (made["kind"], made["is_active"]) == ("managed_identity", True)
    token = az.run("sample", "new-token", "--resource", VAULT).ok().json()["new"]
    assert (token["origin"], token["freshness"]) == ("managed_identity", "fresh")
    assert "issues no SSH certificates" in az.run("sample", "certificate").failed().stderr


def test_the_tokens_for_a_federated_token_are_those_of_a_job(
    make_az: Callable[..., Az], stage: Stage, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path
) -> None:
    az = guarded(make_az(cloud=workload_cloud))
    az = replace(az, extension_dir=stage.extension_dir_with_sample(az.host))
    az = sign_in_workload(az, "federated", workload_cloud, certificates, tmp_path)
    token = az.run("sample", "new-token", "--resource", VAULT, timeout=180).ok().json()["new"]
    assert (token["origin"], token["account"]) == ("job", CI_APP)
