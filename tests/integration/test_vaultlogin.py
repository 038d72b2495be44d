"""The sample of the author's guide, from its wheel beside ours: it has a source, listens to events and uses the API."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.stage import Stage
from tests.harness.vault import KEY, Vault, running_vault
from tests.harness.wheel import VAULTLOGIN
from tests.integration.workloads import (
    POD,
    SERVICE_PRINCIPAL,
    VAULT,
    end_access_tokens,
    entries,
    guarded,
    subscriptions_used,
    traces,
    write_entries,
)
from tests.localcloud import CI_APP, LocalCloud

_HOSTS = ["newest", pytest.param("oldest", marks=pytest.mark.oldest)]


@pytest.fixture
def vault(tmp_path: Path, workload_cloud: LocalCloud) -> Iterator[Vault]:
    """A Vault whose identity tokens ci-app trusts."""
    with running_vault(tmp_path, lambda: workload_cloud.admin.issue_assertion(POD)) as running:
        yield running


@pytest.fixture(params=_HOSTS)
def az(
    request: pytest.FixtureRequest, make_az: Callable[..., Az], stage: Stage, workload_cloud: LocalCloud, vault: Vault
) -> Az:
    """An `az` with both extensions, which trusts the CA of the vault and has its key."""
    made = guarded(make_az(host=hosts.named(request.param), cloud=workload_cloud))
    made = replace(made, extension_dir=stage.extension_dir_with_sample(made.host, VAULTLOGIN))
    made = replace(made, secrets=(*made.secrets, KEY)).with_env(SSL_CERT_FILE=vault.ca_file)
    home = made.config_dir / "home"
    home.mkdir(exist_ok=True)
    (home / ".vault-token").write_text(KEY, encoding="utf-8")
    # The index of commands is made again when a word is not in it; `az extension add` removes it.
    made.run("vaultlogin", "-h", timeout=180).ok()
    return made


def _sign_in(az: Az, vault: Vault) -> None:
    source = ("--credential-source", "vault", "--source-arg", f"address={vault.address}", "role=deploy")
    az.run(*SERVICE_PRINCIPAL, *source, timeout=180).ok()


def _expire_everything(az: Az, cloud: LocalCloud) -> None:
    """Let the access tokens and the stored federated token expire."""
    end_access_tokens(az)
    (entry,) = entries(az)
    write_entries(az, [{**entry, "client_assertion": cloud.admin.issue_assertion(POD, lifetime=-60)}])


def test_the_sample_signs_in_renews_and_uses_the_api(az: Az, vault: Vault, workload_cloud: LocalCloud) -> None:
    _sign_in(az, vault)
    assert vault.roles == ["deploy"]
    assert traces(az, KEY) == ["home/.vault-token"]

    # A built-in command.
    _expire_everything(az, workload_cloud)
    assert subscriptions_used(az)
    assert vault.roles == ["deploy"] * 2

    # An unmodified client of azure-mgmt-resource with a credential of the API.
    _expire_everything(az, workload_cloud)
    assert az.run("vaultlogin", "groups").ok().json() == ["app", "network"]
    assert vault.roles == ["deploy"] * 3

    # As long as nothing has expired, nothing is asked.
    assert az.run("vaultlogin", "groups").ok().json() == ["app", "network"]
    az.run("account", "get-access-token", "--resource", VAULT).ok()
    assert vault.roles == ["deploy"] * 3


def test_the_sample_lists_the_groups_of_the_subscription_that_is_named(
    az: Az, vault: Vault, workload_cloud: LocalCloud
) -> None:
    _sign_in(az, vault)
    other = workload_cloud.directory.subscription("Contoso Development").id
    assert az.run("vaultlogin", "groups", "--subscription", other).ok().json() == ["app", "network"]
    failed = az.run("vaultlogin", "groups", "--subscription", "nothing").failed()
    assert "nothing" in failed.stderr


def test_the_listener_records_what_changes(az: Az, vault: Vault) -> None:
    _sign_in(az, vault)
    az.run("account", "set", "--subscription", "Contoso Development").ok()
    az.run("account", "set", "--subscription", "Contoso Production").ok()
    az.run("account", "clear").ok()
    changes = az.run("account", "changes").ok().json()
    names = [change["event"].removeprefix("azext_login.") for change in changes]
    assert names[-1] == "SignedOut"
    assert "SubscriptionChanged" in names
    assert {change["account"] for change in changes} == {CI_APP, None}


def test_a_refusal_of_the_vault_is_one_error_with_the_next_step(az: Az, vault: Vault) -> None:
    (az.config_dir / "home" / ".vault-token").write_text("another", encoding="utf-8")
    source = ("--credential-source", "vault", "--source-arg", f"address={vault.address}", "role=deploy")
    failed = az.run(*SERVICE_PRINCIPAL, *source, timeout=180).failed()
    assert "Vault refused with HTTP status 403." in failed.stderr
    assert "vault login" in failed.stderr
    assert failed.stderr.count("ERROR") == 1


def test_a_missing_argument_is_named(az: Az, vault: Vault) -> None:
    source = ("--credential-source", "vault", "--source-arg", f"address={vault.address}")
    failed = az.run(*SERVICE_PRINCIPAL, *source, timeout=180).failed()
    assert "requires --source-arg role=VALUE" in failed.stderr


def test_without_our_extension_the_sample_uses_the_azure_cli_itself(az: Az, vault: Vault, tmp_path: Path) -> None:
    _sign_in(az, vault)
    assert az.extension_dir is not None
    shutil.copytree(az.extension_dir / "vaultlogin", tmp_path / "only" / "vaultlogin")
    alone = replace(az, extension_dir=tmp_path / "only")
    asked = len(vault.roles)
    assert alone.run("vaultlogin", "groups", timeout=180).ok().json() == ["app", "network"]
    assert alone.run("account", "changes").ok().json() == []
    assert len(vault.roles) == asked
    assert json.loads((az.config_dir / "azureProfile.json").read_text(encoding="utf-8-sig"))["subscriptions"]
