"""Ours beside the extension `account`, which adds commands to the group that ours takes over.

The official one is in azure-cli-extensions, and cannot be installed without a network. tests/samples/azext_account
stands for it: it has the name, the module and the public command names of version 0.2.5. What its commands do is not
tested, except that requests to Azure Resource Manager reach it with the right token.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.harness.wheel import ACCOUNT
from tests.integration.token_cache_files import let_tokens_expire
from tests.integration.workloads import guarded
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

#: The public commands of the official extension, and those that ours and the Azure CLI have beside them.
THEIRS = (
    "alias create", "alias list", "alias show", "alias delete", "alias wait",
    "subscription list", "subscription show", "subscription rename", "subscription cancel", "subscription enable",
    "subscription list-location", "subscription accept-ownership", "subscription accept-ownership-status",
    "tenant list",
)  # fmt: skip
OURS = ("show", "list", "set", "clear", "get-access-token", "export-token", "renew", "context list")
BUILT_IN = ("list-locations", "lock list", "management-group list")

_ORDERS = [
    pytest.param(("newest", False), id="ours-first"),
    pytest.param(("newest", True), id="theirs-first"),
    pytest.param(("oldest", False), id="oldest", marks=pytest.mark.oldest),
]


@pytest.fixture(params=_ORDERS)
def az(request: pytest.FixtureRequest, make_az: Callable[..., Az], stage: Stage, workload_cloud: LocalCloud) -> Az:
    """An `az` with both, in either order of installation, with alice and bob signed in."""
    name, theirs_first = request.param
    host = hosts.named(name)
    made = guarded(make_az(host=host, cloud=workload_cloud))
    made = replace(made, extension_dir=stage.extension_dir_with_sample(host, ACCOUNT, first=theirs_first))
    # As `az extension add` leaves it: the next command makes the index of commands.
    for file in ("commandIndex.json", "extensionIndex.json"):
        (made.config_dir / file).unlink(missing_ok=True)
    sign_in(made, workload_cloud, BOB).ok()
    sign_in(made, workload_cloud, ALICE).ok()
    return made


def test_every_command_of_both_is_there(az: Az) -> None:
    for command in THEIRS:
        assert "following extension: account" in az.run("account", *command.split(), "-h", timeout=180).ok().stderr
    for command in OURS:
        assert "following extension: login" in az.run("account", *command.split(), "-h").ok().stderr
    for command in BUILT_IN:
        assert "extension" not in az.run("account", *command.split(), "-h").ok().stderr
    assert "following extension: login" in az.run("login", "-h").ok().stderr


def test_their_commands_run_and_ours_give_our_results(az: Az) -> None:
    run = az.run("account", "alias", "create", timeout=180).ok().json()
    assert run == {"extension": "account", "command": "account alias create"}
    listed = az.run("account", "list", "--all-identities").ok().json()
    assert {row["user"]["name"] for row in listed} == {ALICE, BOB}
    az.run("account", "set", "--subscription", "Contoso Development").ok()
    assert az.run("account", "show").ok().json()["name"] == "Contoso Development"


def test_the_hooks_work_in_their_commands(az: Az) -> None:
    """An expired token is renewed, and the variables choose the account."""
    let_tokens_expire(az, int(time.time()) - 60)
    of_alice = az.run("account", "tenant", "list", timeout=180).ok().json()
    of_bob = az.run("account", "tenant", "list", env={"AZURE_LOGIN_ACCOUNT": BOB}).ok().json()
    tenants_of_alice, tenants_of_bob = ({each["tenantId"] for each in listed} for listed in (of_alice, of_bob))
    assert tenants_of_alice
    assert tenants_of_bob
    assert tenants_of_alice != tenants_of_bob
    active = az.run("account", "show").ok().json()["id"]
    shown = az.run("account", "subscription", "show", "--id", active).ok().json()
    assert shown["subscriptionId"] == active
    failed = az.run("account", "tenant", "list", env={"AZURE_LOGIN_ACCOUNT": "nobody@nowhere.example"}).failed()
    assert "AZURE_LOGIN_ACCOUNT" in failed.stderr


def test_their_commands_stay_when_ours_is_removed(az: Az) -> None:
    assert az.extension_dir is not None
    folder = az.config_dir.parent / "theirs-only"
    shutil.copytree(az.extension_dir / "account", folder / "account")
    alone = replace(az, extension_dir=folder)
    for file in ("commandIndex.json", "extensionIndex.json"):
        (az.config_dir / file).unlink(missing_ok=True)
    assert alone.run("account", "tenant", "list", timeout=180).ok().json()
    assert alone.run("account", "show").ok().json()["user"]["name"] == ALICE
