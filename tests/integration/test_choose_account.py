"""A tenant that is not the active account's: the account that is signed in to it gets the token."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage
from tests.integration.token_cache_files import claims_of
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL

TOKEN = ("account", "get-access-token")
EXPORT = ("account", "export-token", "--format", "header", "--tenant")
RENEW = ("account", "renew")
_FABRIKAM, _CONTOSO, _TAILSPIN = "fabrikam.example", "contoso.example", "tailspin.example"
_APP = ("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant")


@pytest.fixture(scope="module")
def _carol_config(cloud_stage: CloudStage, newest: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("carol") / "azure")
    sign_in(az, cloud_stage.cloud, BOB).ok()
    carol = cloud_stage.cloud.directory.user(CAROL)
    az.run("login", "-u", CAROL, f"-p={carol.password}", "--allow-no-subscriptions").ok()
    return az.config_dir


@pytest.fixture
def carol(_carol_config: Path, az: Az) -> Az:
    """`az` with bob (Fabrikam) and carol (Tailspin) signed in. carol is active."""
    shutil.copytree(_carol_config, az.config_dir, dirs_exist_ok=True)
    return az


def _guid(cloud: LocalCloud, domain: str) -> str:
    return cloud.directory.tenant(domain).id


def _user_of(result: Result) -> str:
    claims = claims_of(result.ok().json()["accessToken"])
    return str(claims.get("upn") or claims.get("unique_name") or claims["appid"])


def _advised(result: Result) -> list[list[str]]:
    """Return the words of the advised commands, without `az`."""
    return [shlex.split(line)[1:] for line in result.stderr.splitlines() if line.startswith("az ")]


@pytest.mark.parametrize(
    "spell",
    [
        lambda cloud: _FABRIKAM,
        lambda cloud: _FABRIKAM.upper(),
        lambda cloud: _guid(cloud, _FABRIKAM),
        lambda cloud: _guid(cloud, _FABRIKAM).upper(),
        # No row contains a second domain.
        lambda cloud: "fabrikam.onmicrosoft.example",
    ],
    ids=["domain", "domain in capitals", "ID", "ID in capitals", "second domain"],
)
def test_the_one_account_of_the_tenant_gets_the_token(
    carol: Az, cloud: LocalCloud, spell: Callable[[LocalCloud], str]
) -> None:
    tenant = spell(cloud)
    result = carol.run(*TOKEN, "--tenant", tenant)
    assert _user_of(result) == BOB
    # What azure-identity and Terraform read.
    assert set(result.json()) == {"tokenType", "accessToken", "expires_on", "expiresOn", "tenant"}
    assert result.json()["tenant"] == tenant
    (line,) = result.stderr.splitlines()
    assert f"Tenant '{tenant}': using '{BOB}', which is signed in to it, because '{CAROL}' is not in this" in line
    assert "az login" not in line
    assert "az account set" not in line
    # The active account is the same as before.
    assert carol.run("account", "show", "--query", "user.name").ok().json() == CAROL


def test_export_token_and_renew_choose_in_the_same_way(carol: Az, cloud: LocalCloud) -> None:
    exported = carol.run(*EXPORT, _FABRIKAM).ok()
    assert claims_of(exported.stdout.split()[-1])["upn"] == BOB
    assert f"using '{BOB}'" in exported.stderr
    for tenant in (_FABRIKAM, "Fabrikam", _guid(cloud, _FABRIKAM).upper(), "fabrikam.onmicrosoft.example"):
        renewed = carol.run(*RENEW, "--tenant", tenant).ok()
        assert renewed.json()["user"]["name"] == BOB
        assert f"using '{BOB}'" in renewed.stderr


def test_the_active_account_is_asked_first_as_it_can_be_a_guest(az: Az, cloud: LocalCloud) -> None:
    sign_in(az, cloud, BOB).ok()
    alice = cloud.directory.user(ALICE)
    # alice is a guest of Fabrikam, of which nothing is stored after this.
    az.run("login", "-u", ALICE, f"-p={alice.password}", "--tenant", _CONTOSO).ok()
    result = az.run(*TOKEN, "--tenant", _FABRIKAM)
    assert _user_of(result).endswith(ALICE)
    assert result.stderr == ""


@pytest.mark.parametrize("code", [16000, 16003, 50014, 50034, 50177, 50178, 51004, 90072, 90084])
def test_every_code_for_a_user_whom_the_tenant_does_not_know(
    make_az: Callable[..., Az], own_cloud: LocalCloud, code: int
) -> None:
    az = make_az(cloud=own_cloud)
    for name in (BOB, CAROL):
        user = own_cloud.directory.user(name)
        az.run("login", "-u", name, f"-p={user.password}", "--allow-no-subscriptions").ok()
    body = {"error": "invalid_grant", "error_codes": [code], "error_description": f"AADSTS{code}: Not here."}
    own_cloud.admin.fail_next("/token$", status=400, body=json.dumps(body))
    assert _user_of(az.run(*TOKEN, "--tenant", _FABRIKAM)) == BOB


def test_several_accounts_of_the_tenant_are_listed_with_commands(carol: Az, cloud: LocalCloud) -> None:
    carol.run(*_APP, _FABRIKAM).ok()
    tailspin = _guid(cloud, _TAILSPIN)
    carol.run("account", "set", "--subscription", tailspin).ok()
    for command in (TOKEN, EXPORT[:4], RENEW):
        result = carol.run(*command, "--tenant", _FABRIKAM).failed()
        assert "several other accounts are signed in to it" in result.stderr
        assert "az account set" in result.stderr
        commands = _advised(result)
        assert [words[:2] for words in commands] == [list(command[:2])] * 2 + [["account", "set"]] * 2
        for words in commands[:2]:
            carol.run(*words).ok()
    assert [_user_of(carol.run(*TOKEN, *words[2:])) for words in commands[:2]] == [BOB, CI_APP]
    carol.run(*commands[3]).ok()
    assert _user_of(carol.run(*TOKEN, "--tenant", _FABRIKAM)) == CI_APP


def test_a_refusal_for_another_reason_stays(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, BOB).ok()
    password = own_cloud.directory.user(CAROL).password
    az.run("login", "-u", CAROL, f"-p={password}", "--allow-no-subscriptions").ok()
    own_cloud.admin.revoke(CAROL)
    result = az.run(*TOKEN, "--tenant", _FABRIKAM).failed()
    assert "az login" in result.stderr
    assert BOB not in result.stderr


def test_a_tenant_of_no_account_is_reported_as_before(carol: Az) -> None:
    result = carol.run(*TOKEN, "--tenant", _CONTOSO).failed()
    assert "AADSTS50020" in result.stderr
    assert "az login" in result.stderr


def test_an_active_service_principal_gives_way(az: Az, cloud: LocalCloud) -> None:
    password = cloud.directory.user(CAROL).password
    az.run("login", "-u", CAROL, f"-p={password}", "--allow-no-subscriptions").ok()
    az.run(*_APP, _CONTOSO).ok()
    result = az.run(*TOKEN, "--tenant", _TAILSPIN)
    assert _user_of(result) == CAROL
    assert f"because '{CI_APP}' is not in this tenant" in result.stderr


def _with_active_identity(az: Az) -> None:
    document = az.profile()
    for row in document["subscriptions"]:
        row["isDefault"] = False
    user = {"name": "systemAssignedIdentity", "type": "servicePrincipal", "assignedIdentityInfo": "MSI"}
    row = {**document["subscriptions"][0], "id": "9" * 8, "name": "Of the VM", "user": user, "isDefault": True}
    row |= {"tenantId": "99999999-0000-4000-8000-000000000000"}
    row.pop("tenantDefaultDomain", None)
    row.pop("tenantDisplayName", None)
    document["subscriptions"].append(row)
    az.profile_path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize("tenant", [_FABRIKAM, "fabrikam.onmicrosoft.example"])
def test_an_active_managed_identity_gives_way(carol: Az, tenant: str) -> None:
    _with_active_identity(carol)
    result = carol.run(*TOKEN, "--tenant", tenant)
    assert _user_of(result) == BOB
    assert "because 'MSI' has tokens of its own tenant only" in result.stderr
    refused = carol.run(*TOKEN, "--tenant", _CONTOSO).failed()
    assert "getting access token for non-current tenants is not supported" in refused.stderr


def test_without_an_active_account_the_one_of_the_tenant_is_used(carol: Az) -> None:
    document = carol.profile()
    for row in document["subscriptions"]:
        row["isDefault"] = False
    carol.profile_path.write_text(json.dumps(document), encoding="utf-8")
    assert _user_of(carol.run(*TOKEN, "--tenant", _FABRIKAM)) == BOB
    assert "az account set" in carol.run(*TOKEN, "--tenant", _CONTOSO).failed().stderr


def test_a_named_account_or_subscription_is_not_replaced(carol: Az) -> None:
    for options in (("--username", CAROL), ("--subscription", "N/A(tenant level account)")):
        result = carol.run(*TOKEN, "--tenant", _FABRIKAM, *options).failed()
        assert "AADSTS50020" in result.stderr
        assert "using" not in result.stderr


def test_a_subscription_of_another_account_in_the_tenant_is_found(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    """bob and alice have the subscription through different tenants. alice is active, and no longer in Fabrikam."""
    own_cloud.admin.leave_tenant(ALICE, _FABRIKAM)
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, BOB).ok()
    sign_in(az, own_cloud, ALICE).ok()
    shared = next(row["id"] for row in az.profile()["subscriptions"] if row["name"] == "Shared Platform")
    for word in ("Shared Platform", shared.upper()):
        assert _user_of(az.run(*TOKEN, "--subscription", word)) == ALICE
        result = az.run(*TOKEN, "--tenant", _FABRIKAM, "--subscription", word)
        assert _user_of(result) == BOB
        assert result.json()["subscription"] == shared
        assert f"using '{BOB}'" in result.stderr
