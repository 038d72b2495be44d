"""A context of another cloud than the stored one: this process uses that cloud, and the stored one stays."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.contexts import CONTEXT, OTHER_CLOUD, add_context, pin, register_other_cloud
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.harness.stage import CLOUD_NAME
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB, CAROL

_DEFAULT = ("Contoso Production", ALICE)
_SHARED = ("Shared Platform", BOB)


@pytest.fixture
def other(contexts: Az) -> Az:
    """`az` in the context `other`."""
    return contexts.with_env(**{CONTEXT: "other"})


def _default_of(az: Az) -> tuple[str, str]:
    row = az.run("account", "show").ok().json()
    return row["name"], row["user"]["name"]


def _stored_default(az: Az) -> tuple[str, str, str]:
    (row,) = [row for row in az.profile()["subscriptions"] if row["isDefault"]]
    return row["environmentName"], row["name"], row["user"]["name"]


def _stored_cloud(az: Az) -> str:
    return az.run("cloud", "show", "--query", "name", "--output", "tsv", env={CONTEXT: None}).ok().stdout.strip()


def test_commands_about_the_cloud_show_that_of_the_context(other: Az) -> None:
    assert other.run("cloud", "show").ok().json()["name"] == OTHER_CLOUD
    listed = other.run("cloud", "list").ok().json()
    assert [cloud["name"] for cloud in listed if cloud["isActive"]] == [OTHER_CLOUD]
    assert _default_of(other) == _SHARED
    assert _stored_cloud(other) == CLOUD_NAME


def test_commands_that_change_clouds_work_on_the_stored_one(other: Az, other_cloud: LocalCloud) -> None:
    switched = other.run("cloud", "set", "-n", OTHER_CLOUD).ok()
    assert f"Switched active cloud to '{OTHER_CLOUD}'" in switched.stderr
    assert _stored_cloud(other) == OTHER_CLOUD
    other.run("cloud", "set", "-n", CLOUD_NAME).ok()
    other.run("cloud", "update", "--suffix-storage-endpoint", "changed.example").ok()
    suffixes = {cloud["name"]: cloud["suffixes"] for cloud in other.run("cloud", "list").ok().json()}
    assert suffixes[CLOUD_NAME]["storageEndpoint"] == "changed.example"
    assert suffixes[OTHER_CLOUD]["storageEndpoint"] != "changed.example"
    assert "currently active" in other.run("cloud", "unregister", "-n", CLOUD_NAME).failed().stderr
    assert _stored_default(other) == (CLOUD_NAME, *_DEFAULT)
    other.run("cloud", "unregister", "-n", OTHER_CLOUD).ok()


def test_setting_the_default_changes_that_of_the_stored_cloud(other: Az) -> None:
    done = other.run("account", "set", "--subscription", "Contoso Development").ok()
    assert (
        f"The default of cloud '{CLOUD_NAME}' is stored, but {CONTEXT} still chooses the context 'other'" in done.stderr
    )
    # A context keeps its cloud, so no command can let it stand for that subscription.
    assert "context update" not in done.stderr
    assert f"unset {CONTEXT}" in done.stderr
    assert _stored_default(other) == (CLOUD_NAME, "Contoso Development", ALICE)
    assert _default_of(other) == _SHARED


def test_signing_in_there_leaves_the_stored_default_alone(other: Az, other_cloud: LocalCloud) -> None:
    said = [sign_in(other, other_cloud, BOB).ok().stderr]
    said.append(sign_in(other, other_cloud, CAROL, "--allow-no-subscriptions").ok().stderr)
    assert not any("is the default subscription now" in text for text in said)
    assert CAROL in {
        row["user"]["name"] for row in other.profile()["subscriptions"] if row["environmentName"] == OTHER_CLOUD
    }
    assert _stored_default(other) == (CLOUD_NAME, *_DEFAULT)
    assert _stored_cloud(other) == CLOUD_NAME
    assert _default_of(other) == _SHARED
    assert _default_of(other.with_env(**{CONTEXT: None})) == _DEFAULT


def test_the_advice_after_a_sign_in_there_does_not_set_the_default_of_the_stored_cloud(
    other: Az, other_cloud: LocalCloud
) -> None:
    said = sign_in(other, other_cloud, ALICE).ok().stderr
    assert "account set" not in said
    advised = said.partition("To use the other one, run az ")[2].partition("\n")[0].split()
    assert advised[:3] == ["account", "context", "create"]
    created = other.run(*advised).ok().json()
    assert (created["cloud"], created["account"]) == (OTHER_CLOUD, ALICE)
    unknown = sign_in(other, other_cloud, ALICE, "--subscription", "Contoso Productio").failed()
    assert "az account context create --name NAME --username" in unknown.stderr


def test_signing_out_there_leaves_the_stored_default_alone(other: Az) -> None:
    other.run("logout").ok()
    assert _stored_default(other) == (CLOUD_NAME, *_DEFAULT)
    error = other.run("group", "list").failed()
    assert f"'{BOB}' is not signed in to cloud '{OTHER_CLOUD}'" in error.stderr
    assert "az login" in error.stderr


def test_signing_out_there_says_that_the_stored_default_is_gone_too(other: Az, contexts: Az) -> None:
    contexts.run("account", "set", "--subscription", "Fabrikam Main", "--username", BOB).ok()
    said = other.run("logout").ok().stderr
    assert "No subscription is active now. Choose one with `az account set --subscription" in said
    advised = said.partition("`az account set --subscription ")[2].partition("`")[0]
    other.run("account", "set", "--subscription", advised).ok()
    assert _stored_default(contexts)[::2] == (CLOUD_NAME, ALICE)


@pytest.mark.parametrize(
    "words",
    [
        ("account", "context", "use", "--name", "other"),
        ("account", "context", "update", "--name", "other", "--subscription", "Fabrikam Main"),
        ("account", "context", "run", "--isolated", "--from", "other", "--", "true"),
    ],
    ids=lambda words: words[2],
)
def test_the_advice_signs_in_to_the_cloud_of_the_context(contexts: Az, words: tuple[str, ...]) -> None:
    contexts.run("logout", "--username", BOB).ok()
    advised = "az account context run --context other -- az login --tenant"
    assert advised in contexts.run(*words).failed().stderr
    # In the context, and in another one of that cloud, a plain one does the same.
    inside = contexts.with_env(**{CONTEXT: "other"}).run(*words).failed().stderr
    assert "\naz login --tenant" in inside
    work = contexts.run("account", "context", "use", "--name", "shared").failed().stderr
    assert "\naz login --tenant" in work
    elsewhere = contexts.with_env(**{CONTEXT: "other"}).run("account", "context", "use", "--name", "shared").failed()
    assert "az account context run --context shared -- az login --tenant" in elsewhere.stderr


def test_a_context_of_a_cloud_that_is_not_registered_any_more_is_one_error(other: Az, cloud: LocalCloud) -> None:
    other.run("cloud", "unregister", "-n", OTHER_CLOUD).ok()
    for command in (("account", "show"), ("group", "list"), ("account", "get-access-token")):
        error = other.run(*command).failed()
        assert f"which is for cloud '{OTHER_CLOUD}'. This cloud is not registered." in error.stderr
        assert "az cloud register" in error.stderr
    isolated = other.run(
        "account", "context", "run", "--isolated", "--from", "other", "--", "/bin/echo", "ran"
    ).failed()
    assert f"which is for cloud '{OTHER_CLOUD}'. This cloud is not registered." in isolated.stderr
    assert isolated.stdout == ""
    shown = other.run("account", "context", "show").ok()
    assert f"its cloud '{OTHER_CLOUD}' is not registered" in shown.stderr
    assert shown.json()["name"] == "other"
    for works in (("cloud", "show"), ("cloud", "list"), ("account", "list")):
        other.run(*works).ok()
    sign_in(other, cloud, CAROL, "--allow-no-subscriptions").ok()


@pytest.mark.parametrize("host", ["newest", "oldest"])
@pytest.mark.oldest
def test_the_context_takes_precedence_over_the_variable_of_the_host(
    make_az: Callable[..., Az],
    newest: Host,
    oldest: Host,
    cloud: LocalCloud,
    other_cloud: LocalCloud,
    tmp_path: Path,
    host: str,
) -> None:
    az = register_other_cloud(make_az(newest if host == "newest" else oldest), cloud, other_cloud, tmp_path / "ca.pem")
    sign_in(az, cloud, ALICE).ok()
    in_other = az.with_env(AZURE_CLOUD_NAME=OTHER_CLOUD)
    sign_in(in_other, other_cloud, BOB).ok()
    add_context(az, "other", BOB, "Shared Platform", cloud=OTHER_CLOUD)
    add_context(az, "work", ALICE, "Contoso Development")
    for env in ({}, {"AZURE_CLOUD_NAME": CLOUD_NAME}, {"AZURE_CLOUD_NAME": "AzureCloud"}):
        chosen = az.with_env(**{CONTEXT: "other"}, **env)
        assert _default_of(chosen) == _SHARED
        assert chosen.run("cloud", "show").ok().json()["name"] == OTHER_CLOUD
        before = len(other_cloud.admin.requests())
        chosen.run("group", "list").ok()
        assert {request.user for request in other_cloud.admin.requests()[before:]} >= {BOB}
    work = in_other.with_env(**{CONTEXT: "work"})
    assert _default_of(work) == ("Contoso Development", ALICE)
    work.run("group", "list").ok()


def test_a_listed_choice_of_the_stored_cloud_follows_a_directory(contexts: Az, tmp_path: Path) -> None:
    pin(contexts, tmp_path / "project", "other")
    inside = tmp_path / "project" / "deep"
    inside.mkdir()
    assert contexts.run("cloud", "show", cwd=inside).ok().json()["name"] == OTHER_CLOUD
    assert contexts.run("group", "list", cwd=inside).ok().stderr == ""
    assert contexts.run("cloud", "show", cwd=tmp_path).ok().json()["name"] == CLOUD_NAME


_PROGRAM = """
import io, json, os, sys
from azure.cli.core import get_default_cli
from azure.cli.core.cloud import get_active_cloud, get_active_cloud_name

cli = get_default_cli()
found = []
for context, directory in json.loads(sys.argv[1]):
    os.environ.pop("AZURE_LOGIN_CONTEXT", None)
    if context:
        os.environ["AZURE_LOGIN_CONTEXT"] = context
    os.chdir(directory)
    # A command of ours, and one that is not.
    for words in (["account", "show"], ["group", "list"]):
        out = io.StringIO()
        try:
            code = cli.invoke(words, out_file=out)
        except SystemExit as error:
            code = error.code
        found.append([words[0], code, out.getvalue().strip(), cli.cloud.name, get_active_cloud(cli).name])
print(json.dumps(found))
"""


def test_a_program_that_runs_several_commands_keeps_nothing_of_the_earlier_ones(contexts: Az, tmp_path: Path) -> None:
    pin(contexts, tmp_path / "pinned", "other")
    steps = [
        ("other", tmp_path), (None, tmp_path), ("nothing", tmp_path), ("work", tmp_path),
        (None, tmp_path / "pinned"), (None, tmp_path),
    ]  # fmt: skip
    expected: list[tuple[str | None, str]] = [
        ("Shared Platform", OTHER_CLOUD), ("Contoso Production", CLOUD_NAME), (None, CLOUD_NAME),
        ("Contoso Development", CLOUD_NAME), ("Shared Platform", OTHER_CLOUD), ("Contoso Production", CLOUD_NAME),
    ]  # fmt: skip
    found = _program(contexts, json.dumps([[name, str(directory)] for name, directory in steps]))
    ids = {row["name"]: row["id"] for row in contexts.profile()["subscriptions"]}
    for step, (subscription, cloud) in enumerate(expected):
        (_, show_code, shown, *clouds), (_, list_code, listed, *same) = found[2 * step : 2 * step + 2]
        # The host runs the function of a command, which decides in commands of ours, with a copy of `cli`.
        assert [*clouds, *same] == [CLOUD_NAME] * 2 + [cloud] * 2, found
        assert (show_code == 0, list_code == 0) == (subscription is not None,) * 2, found
        if subscription is not None:
            assert json.loads(shown)["name"] == subscription
            assert f"/subscriptions/{ids[subscription]}/" in listed


def _program(az: Az, *words: str) -> Any:
    done = subprocess.run(
        [az.host.bin / "python", "-c", _PROGRAM, *words],
        env=az.environment(), capture_output=True, text=True, timeout=120, check=False, cwd=az.config_dir,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


_FAILING = """
import sys
from unittest.mock import patch
from azure.cli.core import get_default_cli

cli = get_default_cli()
cli.invoke(["account", "list", "--output", "none"])
with patch("azext_login.cli.process_choice.choice_of_process", side_effect=KeyError("within")):
    try:
        code = cli.invoke(["group", "list"])
    except SystemExit as error:
        code = error.code
print(code)
"""


def test_if_the_choice_fails_unexpectedly_no_other_account_is_used(contexts: Az) -> None:
    before = contexts.run("group", "list").ok().stdout
    assert before
    for env, code in (({CONTEXT: "shared"}, "1"), ({}, "0")):
        done = subprocess.run(
            [contexts.host.bin / "python", "-c", _FAILING],
            env=contexts.with_env(**env).environment(), capture_output=True, text=True, timeout=120, check=False,
            cwd=contexts.config_dir,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == code, done
        assert ("could not be determined" in done.stderr) == (code == "1")
