"""AZURE_LOGIN_ACCOUNT and AZURE_LOGIN_SUBSCRIPTION choose for one process, and nothing is written."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.completion import complete
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB, CAROL

ACCOUNT, SUBSCRIPTION = "AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"
TOKEN = ("account", "get-access-token")
_SHARED, _DEVELOPMENT = "Shared Platform", "Contoso Development"
_WRITTEN = ("azureProfile.json", "clouds.config", "login_last_good.json", "config")


@pytest.fixture(scope="module")
def _config(cloud_stage: CloudStage, newest: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("both") / "azure")
    for name in (BOB, ALICE):
        sign_in(az, cloud_stage.cloud, name).ok()
    az.run("account", "set", "--subscription", _DEVELOPMENT).ok()
    return az.config_dir


@pytest.fixture
def both(_config: Path, az: Az) -> Az:
    """`az` with alice and bob signed in. alice is active, and her row of Shared Platform shadows bob's."""
    shutil.copytree(_config, az.config_dir, dirs_exist_ok=True)
    return az


@pytest.fixture
def untouched(both: Az) -> Iterator[Az]:
    """The same. Its files have to be the same, byte for byte, when the test is over."""
    before = _files(both)
    yield both
    assert _files(both) == before


def _files(az: Az) -> dict[str, bytes]:
    found = {name: az.config_dir / name for name in _WRITTEN}
    return {name: path.read_bytes() for name, path in found.items() if path.exists()}


def _user_of(az: Az, *options: str) -> str:
    claims = claims_of(az.run(*TOKEN, *options).ok().json()["accessToken"])
    return str(claims.get("upn") or claims["unique_name"])


def _default_of(az: Az) -> tuple[str, str]:
    row = az.run("account", "show").ok().json()
    return row["name"], row["user"]["name"]


def test_the_account_is_the_only_one_that_is_used(untouched: Az) -> None:
    az = untouched.with_env(**{ACCOUNT: BOB.upper()})
    assert _default_of(az)[1] == BOB
    assert _user_of(az) == BOB
    # Both have it, and alice's row is the stored one.
    assert _user_of(az, "--subscription", _SHARED) == BOB
    assert az.run("account", "show", "--subscription", _SHARED).ok().json()["user"]["name"] == BOB
    # alice alone has it.
    for command in (TOKEN, ("group", "list")):
        error = az.run(*command, "--subscription", _DEVELOPMENT).failed()
        assert f"Subscription '{_DEVELOPMENT}' not found" in error.stderr
        assert f"{ACCOUNT} is set" in error.stderr


def test_the_subscription_is_the_default(untouched: Az) -> None:
    shared = next(row["id"] for row in untouched.profile()["subscriptions"] if row["name"] == _SHARED)
    for word in (_SHARED, shared.upper()):
        az = untouched.with_env(**{SUBSCRIPTION: word})
        assert _default_of(az) == (_SHARED, ALICE)
        assert az.run(*TOKEN).ok().json()["subscription"] == shared
        # What the command line names takes precedence, and every other subscription stays.
        assert az.run("account", "show", "--subscription", _DEVELOPMENT).ok().json()["name"] == _DEVELOPMENT


def test_both_choose_together(untouched: Az) -> None:
    az = untouched.with_env(**{ACCOUNT: BOB, SUBSCRIPTION: _SHARED})
    assert _default_of(az) == (_SHARED, BOB)
    exported = az.run("account", "export-token", "--format", "header").ok().stdout.split()[-1]
    assert claims_of(exported).get("upn", claims_of(exported).get("unique_name", "")).endswith(BOB)


def test_a_tenant_does_not_lead_to_another_account(untouched: Az) -> None:
    tenant = ("--tenant", "contoso.example")
    assert _user_of(untouched, *tenant) == ALICE
    chosen = untouched.with_env(**{ACCOUNT: CAROL})
    assert f"{ACCOUNT} is '{CAROL}'" in chosen.run(*TOKEN, *tenant).failed().stderr
    bob = untouched.with_env(**{ACCOUNT: BOB})
    # alice is signed in to the first one, and bob is in none of them.
    for options in (tenant, ("--tenant", "woodgrove.example"), (*tenant, "--subscription", _SHARED)):
        for command in (TOKEN, ("account", "export-token", "--format", "header")):
            refused = bob.run(*command, *options).failed()
            assert "AADSTS50020" in refused.stderr
            assert ALICE not in refused.stderr
    # An account that the command line names takes precedence.
    assert _user_of(bob, "--username", ALICE) == ALICE
    assert _user_of(chosen, "--username", ALICE) == ALICE


def test_the_list_shows_all_and_marks_what_is_chosen(untouched: Az) -> None:
    stored = untouched.run("account", "list").ok().json()
    chosen = untouched.with_env(**{ACCOUNT: BOB, SUBSCRIPTION: _SHARED}).run("account", "list").ok().json()
    assert {row["id"] for row in chosen} == {row["id"] for row in stored}
    assert [(row["name"], row["user"]["name"]) for row in chosen if row["isDefault"]] == [(_SHARED, BOB)]


@pytest.mark.parametrize("variable", [ACCOUNT, SUBSCRIPTION])
def test_an_unknown_value_is_one_error_and_the_list_still_works(untouched: Az, variable: str) -> None:
    az = untouched.with_env(**{variable: "nothing\x1b[31m"})
    for command in (("account", "show"), TOKEN, (*TOKEN, "--tenant", "contoso.example"), ("logout",)):
        error = az.run(*command).failed()
        assert f"{variable} is 'nothing" in error.stderr
        assert "\x1b" not in error.stderr
        assert "az login" in error.stderr or "az account set" in error.stderr
        assert "unset" in error.stderr
    listed = az.run("account", "list").ok()
    assert f"{variable} is 'nothing" in listed.stderr
    assert listed.json() == untouched.run("account", "list").ok().json()


def test_an_unknown_subscription_does_not_matter_if_the_command_names_one(untouched: Az) -> None:
    az = untouched.with_env(**{SUBSCRIPTION: "nothing"})
    assert az.run("account", "show", "--subscription", _SHARED).ok().json()["name"] == _SHARED
    tenant = az.profile()["subscriptions"][0]["tenantId"]
    az.run(*TOKEN, "--tenant", tenant, "--subscription", _SHARED).ok()


def test_show_explains_a_default_that_is_not_the_stored_one(untouched: Az) -> None:
    shown = untouched.with_env(**{ACCOUNT: BOB, SUBSCRIPTION: _SHARED}).run("account", "show").ok()
    assert f"{ACCOUNT} and {SUBSCRIPTION} chose" in shown.stderr
    assert f"'{_DEVELOPMENT}'" in shown.stderr
    for env in ({}, {ACCOUNT: ALICE}, {SUBSCRIPTION: _DEVELOPMENT}, {ACCOUNT: "", SUBSCRIPTION: " "}):
        assert untouched.with_env(**env).run("account", "show").ok().stderr == ""


def test_show_explains_that_other_commands_do_not_follow_the_choice(untouched: Az) -> None:
    az = untouched.with_env(**{ACCOUNT: BOB, SUBSCRIPTION: _SHARED})
    reason = "because login.every_command is off"
    assert reason not in az.run("account", "show").ok().stderr
    assert reason in az.with_env(AZURE_LOGIN_EVERY_COMMAND="off").run("account", "show").ok().stderr


def test_setting_the_default_stores_it_and_warns_that_the_variable_still_decides(both: Az) -> None:
    for env in ({ACCOUNT: BOB}, {SUBSCRIPTION: _DEVELOPMENT}, {SUBSCRIPTION: "nothing"}):
        both.run("account", "set", "--subscription", _DEVELOPMENT).ok()
        done = both.with_env(**env).run("account", "set", "--subscription", _SHARED).ok()
        assert f"this shell follows {next(iter(env))}." in done.stderr
        assert _default_of(both) == (_SHARED, ALICE)
    matching = both.with_env(**{SUBSCRIPTION: _SHARED}).run("account", "set", "--subscription", _SHARED).ok()
    assert matching.stderr == ""


def test_signing_in_and_out_do_not_depend_on_the_value(both: Az, cloud: LocalCloud) -> None:
    az = both.with_env(**{ACCOUNT: "nothing", SUBSCRIPTION: "nothing"})
    sign_in(az, cloud, BOB).ok()
    az.run("account", "list", "--refresh").ok()
    az.run("logout", "--username", BOB).ok()
    assert {row["user"]["name"] for row in both.profile()["subscriptions"]} == {ALICE}
    az.run("account", "clear").ok()
    assert both.profile()["subscriptions"] == []


def test_signing_out_without_a_name_signs_the_chosen_account_out(both: Az) -> None:
    both.with_env(**{ACCOUNT: BOB}).run("logout").ok()
    assert {row["user"]["name"] for row in both.profile()["subscriptions"]} == {ALICE}
    assert _default_of(both) == (_DEVELOPMENT, ALICE)


def test_renewing_follows_the_choice(untouched: Az) -> None:
    assert untouched.with_env(**{ACCOUNT: BOB}).run("account", "renew").ok().json()["user"]["name"] == BOB
    renewed = untouched.with_env(**{ACCOUNT: BOB}).run("account", "renew", "--username", ALICE).ok()
    assert renewed.json()["user"]["name"] == ALICE


def test_a_profile_without_an_installation_id_keeps_its_stored_default(both: Az) -> None:
    profile = both.profile()
    del profile["installationId"]
    both.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    az = both.with_env(**{ACCOUNT: BOB, "AZURE_CORE_COLLECT_TELEMETRY": "yes"})
    assert _default_of(az)[1] == BOB
    assert both.profile()["installationId"]
    assert both.profile()["subscriptions"] == profile["subscriptions"]


# Commands that are not ours


@pytest.mark.parametrize(
    "env, user",
    [
        ({}, ALICE),
        ({ACCOUNT: BOB}, BOB),
        ({SUBSCRIPTION: _SHARED}, ALICE),
        ({ACCOUNT: BOB, SUBSCRIPTION: _SHARED}, BOB),
    ],
)
def test_built_in_commands_use_the_choice(untouched: Az, cloud: LocalCloud, env: dict[str, str], user: str) -> None:
    az = untouched.with_env(**env)
    expected = az.run("account", "show").ok().json()
    assert expected["user"]["name"] == user
    url = f"{cloud.url}/subscriptions/{{subscriptionId}}/resourcegroups?api-version=2022-09-01"
    for command in (("group", "list"), ("rest", "--url", url)):
        with _requests(cloud) as asked:
            az.run(*command).ok()
        assert asked == {(user, expected["id"])}


@pytest.mark.oldest
def test_built_in_commands_of_the_oldest_host_use_the_choice(
    make_az: Callable[..., Az], oldest: Host, cloud: LocalCloud
) -> None:
    az = make_az(oldest)
    for name in (BOB, ALICE):
        sign_in(az, cloud, name).ok()
    before = _files(az)
    for env, user in (({}, ALICE), ({ACCOUNT: BOB}, BOB), ({ACCOUNT: BOB, SUBSCRIPTION: _SHARED}, BOB)):
        with _requests(cloud) as asked:
            az.with_env(**env).run("group", "list").ok()
        assert {name for name, _ in asked} == {user}
    az.with_env(**{ACCOUNT: "nothing"}).run("group", "list").failed()
    assert _files(az) == before


def test_built_in_commands_take_an_explicit_subscription_from_the_chosen_account(
    untouched: Az, cloud: LocalCloud
) -> None:
    az = untouched.with_env(**{ACCOUNT: BOB})
    assert "not found" in az.run("group", "list", "--subscription", _DEVELOPMENT).failed().stderr
    with _requests(cloud) as asked:
        az.run("group", "list", "--subscription", _SHARED).ok()
    assert {user for user, _ in asked} == {BOB}
    untouched.with_env(**{SUBSCRIPTION: "nothing"}).run("group", "list", "--subscription", _SHARED).ok()


@pytest.mark.parametrize("variable", [ACCOUNT, SUBSCRIPTION])
def test_an_unknown_value_is_one_error_of_a_built_in_command(untouched: Az, variable: str) -> None:
    az = untouched.with_env(**{variable: "nothing"})
    error = az.run("group", "list").failed()
    assert f"{variable} is 'nothing'" in error.stderr
    assert "unset" in error.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the completion protocol needs file descriptor 8")
def test_tab_offers_the_subscriptions_of_the_chosen_account(untouched: Az, tmp_path: Path) -> None:
    line = "az group list --subscription "
    assert _DEVELOPMENT.split()[0] in " ".join(complete(untouched, line, tmp_path))
    offered = " ".join(complete(untouched.with_env(**{ACCOUNT: BOB}), line, tmp_path))
    assert "Contoso" not in offered
    assert _SHARED.split()[0] in offered


def test_a_built_in_command_that_saves_the_profile_keeps_the_stored_default(both: Az) -> None:
    profile = both.profile()
    del profile["installationId"]
    both.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    both.with_env(**{ACCOUNT: BOB, "AZURE_CORE_COLLECT_TELEMETRY": "yes"}).run("group", "list").ok()
    after = both.profile()
    assert after.pop("installationId")
    assert after == profile


def test_a_subscription_that_only_a_shadowed_row_has_is_used_through_its_account(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, BOB).ok()
    shared = next(row["id"] for row in az.profile()["subscriptions"] if row["name"] == _SHARED)
    own_cloud.admin.rename_subscription(shared, "Renamed")
    sign_in(az, own_cloud, ALICE).ok()
    before = _files(az)
    for word, user in ((_SHARED, BOB), ("Renamed", ALICE), (shared, ALICE)):
        with _requests(own_cloud) as asked:
            assert az.run("group", "list", "--subscription", word).ok().stderr == ""
        assert asked == {(user, shared)}
        assert az.run("account", "show", "--subscription", word).ok().json()["user"]["name"] == user
    assert _files(az) == before


@contextmanager
def _requests(cloud: LocalCloud) -> Iterator[set[tuple[str, str]]]:
    """Yield a set that has the user and the subscription of each request for resource groups when the block ends."""
    asked: set[tuple[str, str]] = set()
    before = len(cloud.admin.requests())
    yield asked
    for request in cloud.admin.requests()[before:]:
        if request.path.lower().endswith("/resourcegroups"):
            asked.add((str(request.user), request.path.split("/")[2]))


def test_switching_the_cloud_switches_the_stored_default(both: Az, cloud: LocalCloud) -> None:
    for env in ({ACCOUNT: BOB}, {ACCOUNT: "nothing"}, {SUBSCRIPTION: "nothing"}):
        az = both.with_env(**env)
        away = az.run("cloud", "set", "-n", "AzureCloud").ok()
        back = az.run("cloud", "set", "-n", "LocalCloud").ok()
        assert "AZURE_LOGIN" not in away.stderr + back.stderr
        assert f"Active subscription switched to '{_DEVELOPMENT}" in back.stderr
        assert _default_of(both) == (_DEVELOPMENT, ALICE)
