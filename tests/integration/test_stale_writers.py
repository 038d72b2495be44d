"""A built-in process that read azureProfile.json before a write of ours and writes it after that loses no account.

The built-in process is a real one. It is started through a script that stops it before the one moment that
matters: the write of the profile, which it has read long before.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.contexts import add_context, pin, profile_store
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.harness.stage import CLOUD_NAME, CloudStage
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL

_CLOUD_SET = ("cloud", "set", "--name", CLOUD_NAME)

_HELD = """
import json, os, runpy, sys, time
from azure.cli.core._session import Session

save = Session.save

def replace_file(session):
    # As a later azure-cli writes its files (azure-cli#34060).
    with open(session.filename + ".tmp", "w", encoding=session._encoding) as stream:
        json.dump(session.data, stream)
    os.replace(session.filename + ".tmp", session.filename)

if os.environ.get("LATER_HOST"):
    save = replace_file

def hold_and_save(session):
    if session.filename and session.filename.endswith("azureProfile.json"):
        open(os.environ["HELD"], "w").close()
        while not os.path.exists(os.environ["RELEASED"]):
            time.sleep(0.02)
    save(session)

Session.save = hold_and_save
sys.argv[0] = "az"
runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="session")
def _both_config(
    _signed_in_config: Path, cloud_stage: CloudStage, newest: Host, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("both") / "azure")
    shutil.copytree(_signed_in_config, az.config_dir, dirs_exist_ok=True)
    sign_in(az, cloud_stage.cloud, BOB).ok()
    az.run("account", "set", "-s", "Contoso Production").ok()
    return az.config_dir


@pytest.fixture
def both(_both_config: Path, az: Az) -> Az:
    """Alice and bob are signed in; for what they share, bob's row is the active one, which built-in commands see."""
    shutil.copytree(_both_config, az.config_dir, dirs_exist_ok=True)
    return az


def _builtin(az: Az) -> Az:
    return replace(az, extension_dir=None)


@contextmanager
def _held(az: Az, tmp_path: Path, *command: str, later_host: bool = False) -> Iterator[None]:
    """Run a built-in command that has read the profile before the block, and writes it after the block.

    later_host: it replaces the file in one step.
    """
    script, held, released = tmp_path / "held.py", tmp_path / "held", tmp_path / "released"
    script.write_text(_HELD, encoding="utf-8")
    cloud_before = "AzureCloud" if command[:2] == ("cloud", "set") else None
    process = Popen(
        [str(az.host.bin / "python"), str(script), *command],
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
        # `cloud set` writes the profile only when it comes from another cloud.
        env=_builtin(az).environment(
            {
                "HELD": held,
                "RELEASED": released,
                "AZURE_CLOUD_NAME": cloud_before,
                "LATER_HOST": "1" if later_host else None,
            }
        ),
        cwd=az.config_dir,
    )
    try:
        deadline = time.monotonic() + 60
        while not held.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the built-in command never came to its write"
            time.sleep(0.02)
        yield
    finally:
        released.touch()
        said = process.communicate(timeout=60)
    assert process.returncode == 0, said


def _listed(result: Result) -> set[tuple[str, str]]:
    return {(row["user"]["name"], row["name"]) for row in result.json()}


def _all_accounts(az: Az) -> Result:
    return az.run("account", "list", "--all", "--all-identities").ok()


def _notes(result: Result) -> list[str]:
    return [line for line in result.stderr.splitlines() if "restored" in line]


def _defaults(az: Az) -> list[str]:
    return [row["name"] for row in az.profile()["subscriptions"] if row["isDefault"]]


def _rewrite(az: Az, change: Callable[[dict[str, Any]], object]) -> None:
    document = az.profile()
    change(document)
    az.profile_path.write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    "command, later_host",
    [
        (_CLOUD_SET, False),
        (("account", "set", "--subscription", "Contoso Development"), False),
        (("account", "set", "--subscription", "Contoso Development"), True),
    ],
    ids=["cloud set", "account set", "account set of a host that replaces the file"],
)
def test_a_sign_in_that_a_built_in_process_overwrites_comes_back_with_one_line(
    signed_in: Az, cloud: LocalCloud, tmp_path: Path, command: Sequence[str], later_host: bool
) -> None:
    with _held(signed_in, tmp_path, *command, later_host=later_host):
        sign_in(signed_in, cloud, BOB).ok()
        before = _listed(_all_accounts(signed_in))
    assert BOB not in {row["user"]["name"] for row in signed_in.profile()["subscriptions"]}
    restored = _all_accounts(signed_in)
    assert _listed(restored) == before
    assert len(_notes(restored)) == 1
    assert len(restored.stderr.splitlines()) == 1
    assert len(_defaults(signed_in)) == 1
    again = _all_accounts(signed_in)
    assert _listed(again) == before
    assert not again.stderr


def test_a_context_that_a_built_in_process_overwrites_is_kept(signed_in: Az, tmp_path: Path) -> None:
    with _held(signed_in, tmp_path, "account", "set", "--subscription", "Contoso Development"):
        signed_in.run("account", "context", "create", "--name", "kept", "--subscription", "Contoso Production").ok()
        signed_in.run("account", "context", "pin", "--name", "kept").ok()
    assert not signed_in.profile().get("azextLogin", {}).get("contexts")
    for _ in range(2):
        for env in ({"AZURE_LOGIN_CONTEXT": "kept"}, {}):
            shown = signed_in.with_env(**env).run("account", "show").ok()
            assert shown.json()["name"] == "Contoso Production"
        listed = signed_in.run("account", "context", "list").ok()
        assert [(context["name"], context["reason"]) for context in listed.json()] == [("kept", "directory")]
    signed_in.run("account", "set", "--subscription", "Contoso Development").ok()
    assert [context["name"] for context in signed_in.profile()["azextLogin"]["contexts"]] == ["kept"]


# Python runs this before anything else.
_HELD_HERE = """
import os, time

replace = os.replace

def held(source, target, **directories):
    if os.path.basename(target) == "azureProfile.json":
        open(os.environ["HELD"], "w").close()
        while not os.path.exists(os.environ["RELEASED"]):
            time.sleep(0.02)
    replace(source, target, **directories)

os.replace = held
"""


@pytest.mark.parametrize("later_host", [False, True], ids=["in place", "in one step"])
def test_a_built_in_process_that_writes_while_the_extension_is_writing_costs_no_account(
    both: Az, tmp_path: Path, later_host: bool
) -> None:
    before = _listed(_all_accounts(both))
    folder, words = tmp_path / "here", ("account", "set", "-s", "Fabrikam Main")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_HELD_HERE, encoding="utf-8")
    held, released = folder / "held", folder / "released"
    writing = both.start(*words, env={"PYTHONPATH": folder, "HELD": held, "RELEASED": released})
    try:
        while not held.exists():
            assert writing.poll() is None, writing.communicate()
            time.sleep(0.02)
        with _held(both, tmp_path, "account", "set", "--subscription", "Contoso Development", later_host=later_host):
            pass
    finally:
        released.touch()
        result = both.result(writing, *words)
    result.ok()
    assert _listed(_all_accounts(both)) == before
    assert _defaults(both) == ["Fabrikam Main"]


def test_a_choice_that_a_built_in_process_overwrites_is_kept_or_its_loss_is_told(signed_in: Az, tmp_path: Path) -> None:
    signed_in.run("account", "set", "-s", "Contoso Development").ok()
    with _held(signed_in, tmp_path, *_CLOUD_SET):
        signed_in.run("account", "set", "-s", "Fabrikam Main").ok()
    shown = signed_in.run("account", "show").ok()
    assert shown.json()["name"] == "Fabrikam Main" or "Contoso Development" in shown.stderr


def test_whose_row_was_chosen_comes_back_with_one_line(both: Az, tmp_path: Path) -> None:
    chosen = ("account", "set", "-s", "Shared Platform", "--username")
    both.run(*chosen, BOB).ok()
    with _held(both, tmp_path, *_CLOUD_SET):
        both.run(*chosen, ALICE, "--tenant", "contoso.example").ok()
    shown = both.run("account", "show").ok()
    assert shown.json()["user"]["name"] == ALICE
    assert len(_notes(shown)) == 1
    assert ALICE in shown.stderr
    again = both.run("account", "show").ok()
    assert again.json() == shown.json()
    assert not again.stderr


def test_a_row_that_a_built_in_sign_in_replaces_comes_back_with_one_line(signed_in: Az) -> None:
    of_the_app = ("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example")
    signed_in.run(*of_the_app).ok()
    choose = ("account", "set", "-s", "Contoso Development", "--username", ALICE)
    signed_in.run(*choose).ok()
    before = _all_accounts(signed_in)
    # The application's row is shadowed by alice's, and the built-in puts its row in the place of hers.
    _builtin(signed_in).run(*of_the_app).ok()
    restored = _all_accounts(signed_in)
    assert _listed(restored) == _listed(before)
    assert len(restored.json()) == len(before.json())
    assert len(_notes(restored)) == 1
    assert signed_in.run("account", "show").ok().json()["user"]["name"] == CI_APP
    signed_in.run(*choose).ok()


def test_a_refreshed_name_that_a_built_in_process_overwrites_costs_no_subscription(both: Az, tmp_path: Path) -> None:
    before = _listed(_all_accounts(both))
    _rewrite(both, lambda document: document["subscriptions"][0].update(name="Old name"))
    with _held(both, tmp_path, *_CLOUD_SET):
        both.run("account", "list", "--refresh").ok()
    restored = _all_accounts(both)
    assert _listed(restored) == before
    assert len(_notes(restored)) == 1
    assert len(_defaults(both)) == 1


@pytest.mark.parametrize("leaver, stays", [(ALICE, BOB), (BOB, ALICE)])
def test_a_user_who_logged_out_is_not_offered_again(both: Az, tmp_path: Path, leaver: str, stays: str) -> None:
    with _held(both, tmp_path, *_CLOUD_SET):
        both.run("logout", "--username", leaver).ok()
        before = _listed(_all_accounts(both))
    assert leaver in both.profile_path.read_text(encoding="utf-8-sig")
    assert _listed(_all_accounts(both)) == before
    assert {user for user, _ in before} == {stays}
    both.run("account", "set", "-s", "Fabrikam Main").ok()
    assert leaver not in both.profile_path.read_text(encoding="utf-8")
    both.run("logout", "--username", stays).ok()
    assert _all_accounts(both).json() == []


def test_all_accounts_logged_out_meanwhile_stays_logged_out(both: Az, tmp_path: Path) -> None:
    with _held(both, tmp_path, *_CLOUD_SET):
        both.run("account", "clear").ok()
    assert ALICE in both.profile_path.read_text(encoding="utf-8-sig")
    assert _all_accounts(both).json() == []
    both.run("account", "show").failed()


def test_a_built_in_clear_is_respected(both: Az, cloud: LocalCloud) -> None:
    _builtin(both).run("account", "clear").ok()
    shown = _all_accounts(both)
    assert shown.json() == []
    assert not _notes(shown)
    sign_in(both, cloud, CAROL, "--allow-no-subscriptions").ok()
    assert {user for user, _ in _listed(_all_accounts(both))} == {CAROL}
    # What was kept for recovery is removed by the first write after it.
    for kept in both.config_dir.glob("login_*"):
        assert ALICE not in kept.read_text(encoding="utf-8"), kept


def test_a_built_in_clear_that_was_held_up_brings_none_back(signed_in: Az, cloud: LocalCloud, tmp_path: Path) -> None:
    with _held(signed_in, tmp_path, "account", "clear"):
        sign_in(signed_in, cloud, BOB).ok()
    # It removed the tokens of both after its write.
    assert _all_accounts(signed_in).json() == []


# Of a managed identity only the rows are stored, so they alone tell whether it is signed in.


def _sign_in_managed_identity(az: Az) -> str:
    """Add the row of a managed identity, as a sign-in does whose row another user's row shadows."""
    row = dict(az.profile()["subscriptions"][0])
    row.update(isDefault=False, user={"name": "systemAssignedIdentity", "type": "servicePrincipal"})
    row["user"]["assignedIdentityInfo"] = "MSI"
    _rewrite(az, lambda document: document["azextLogin"].setdefault("otherIdentities", []).append(row))
    az.run("account", "set", "-s", "Contoso Development").ok()
    assert "systemAssignedIdentity" in {user for user, _ in _listed(_all_accounts(az))}
    return str(row["user"]["name"])


def test_a_managed_identity_comes_back_where_its_row_was_lost_and_not_where_it_was_cleared(signed_in: Az) -> None:
    without = signed_in.profile_path.read_bytes()
    identity = _sign_in_managed_identity(signed_in)
    with_identity = signed_in.profile_path.read_bytes()
    for lost in (without, b"{}"):
        signed_in.profile_path.write_bytes(lost)
        assert identity in {user for user, _ in _listed(_all_accounts(signed_in))}
    signed_in.run("account", "clear").ok()
    signed_in.profile_path.write_bytes(with_identity)
    assert _all_accounts(signed_in).json() == []


def test_a_built_in_clear_removes_a_managed_identity_as_well(signed_in: Az) -> None:
    _sign_in_managed_identity(signed_in)
    _builtin(signed_in).run("account", "clear").ok()
    assert _all_accounts(signed_in).json() == []


def test_a_built_in_sign_out_of_a_user_leaves_a_managed_identity(signed_in: Az) -> None:
    identity = _sign_in_managed_identity(signed_in)
    # What it leaves: the shadowed rows, and one of another cloud.
    row = dict(signed_in.profile()["subscriptions"][0], environmentName="AzureCloud", isDefault=False)
    _rewrite(signed_in, lambda document: document.update(subscriptions=[row]))
    assert identity in {user for user, _ in _listed(_all_accounts(signed_in))}


def test_a_profile_that_the_host_resets_is_restored(both: Az) -> None:
    before, active = _listed(_all_accounts(both)), _defaults(both)
    both.profile_path.write_text('{"subscriptions": [', encoding="utf-8")
    # Any command of the host replaces what it cannot parse by an empty object.
    both.run("cloud", "list", "--query", "length(@)").ok()
    assert both.profile() == {}
    restored = _all_accounts(both)
    assert _listed(restored) == before
    assert len(_notes(restored)) == 1
    assert _defaults(both) == active


def test_a_profile_from_elsewhere_keeps_its_rows_and_gets_those_back_that_still_have_tokens(both: Az) -> None:
    _forget_tokens(both, BOB)
    document = both.profile()
    row = next(row for row in document["subscriptions"] if row["user"]["name"] == ALICE)
    foreign = {**row, "id": "from-elsewhere", "name": "From elsewhere", "user": {"name": CAROL, "type": "user"}}
    foreign["isDefault"] = True
    content = {"installationId": "another", "x-tool": 1, "subscriptions": [foreign]}
    both.profile_path.write_text(json.dumps(content), encoding="utf-8-sig")
    names = {user for user, _ in _listed(_all_accounts(both))}
    assert names == {ALICE, CAROL}
    assert _defaults(both) == ["From elsewhere"]
    assert both.profile()["installationId"] == "another"
    assert both.profile()["x-tool"] == 1
    assert "Fabrikam Main" in {name for _, name in _listed(both.run("account", "list").ok())}


def test_clouds_config_that_the_host_removed_comes_back(both: Az) -> None:
    path = both.config_dir / "clouds.config"
    before = path.read_text(encoding="utf-8")
    path.write_text("no section header\n", encoding="utf-8")
    # The host also goes back to AzureCloud, for good, before anything of ours runs.
    both.run("account", "list").ok()
    assert path.read_text(encoding="utf-8") == before
    both.run(*_CLOUD_SET).ok()
    assert both.run("account", "show").ok().json()["name"] == "Contoso Production"


def test_clouds_config_that_a_killed_process_emptied_comes_back_with_the_next_choice(signed_in: Az) -> None:
    row = dict(signed_in.profile()["subscriptions"][0], environmentName="AzureCloud", isDefault=False)
    one, two = ({**row, "id": name, "name": name} for name in ("one", "two"))
    _rewrite(signed_in, lambda document: document["subscriptions"].extend([one, two]))
    _builtin(signed_in).run("cloud", "set", "--name", "AzureCloud").ok()
    signed_in.run("account", "set", "-s", "one").ok()
    path = signed_in.config_dir / "clouds.config"
    before = path.read_text(encoding="utf-8")
    path.write_text("", encoding="utf-8")
    long_ago = time.time() - 3600
    os.utime(signed_in.config_dir / "config", (long_ago, long_ago))
    chosen = signed_in.run("account", "set", "-s", "two").ok()
    assert path.read_text(encoding="utf-8") == before.replace("subscription = one", "subscription = two")
    assert "clouds.config had been emptied" in chosen.stderr
    _builtin(signed_in).run(*_CLOUD_SET).ok()


def _forget_tokens(az: Az, user: str) -> None:
    path = az.config_dir / "msal_token_cache.json"
    cache = json.loads(path.read_text(encoding="utf-8"))
    homes = {entry["home_account_id"] for entry in cache["Account"].values() if entry["username"].casefold() == user}
    assert homes
    for entries in cache.values():
        for key in [key for key, entry in entries.items() if entry.get("home_account_id") in homes]:
            del entries[key]
    path.write_text(json.dumps(cache), encoding="utf-8")


def _contexts(az: Az) -> tuple[list[str], dict[str, Any]]:
    own = az.profile()["azextLogin"]
    return [context["name"] for context in own.get("contexts", [])], own.get("allowedDirectories", {})


def test_contexts_that_a_built_in_process_overwrites_are_used_and_come_back(both: Az, tmp_path: Path) -> None:
    add_context(both, "deleted", ALICE, "Contoso Development")
    with _held(both, tmp_path, *_CLOUD_SET):
        with profile_store(both).change() as state:
            state.contexts = []
        add_context(both, "work", ALICE, "Contoso Development")
        directory = pin(both, tmp_path / "project", "work").parent
    assert _contexts(both) == (["deleted"], {})
    # Before a command of ours has repaired the file.
    in_directory = both.run("group", "list", "--query", "[].id", cwd=directory).ok()
    assert in_directory.stderr == ""
    shown = both.with_env(AZURE_LOGIN_CONTEXT="work").run("account", "show").ok().json()
    assert (shown["name"], shown["user"]["name"]) == ("Contoso Development", ALICE)
    assert both.run("account", "show", cwd=directory).ok().json()["name"] == "Contoso Development"
    assert _contexts(both) == (["work"], {str(directory): "work"})


@pytest.mark.parametrize("content", ["{}", "", '{"subscriptions": []', '{"azextLogin": 7, "subscriptions": []}'])
def test_contexts_survive_a_file_that_was_reset(both: Az, tmp_path: Path, content: str) -> None:
    add_context(both, "work", ALICE, "Contoso Development")
    directory = pin(both, tmp_path / "project", "work").parent
    both.profile_path.write_text(content, encoding="utf-8")
    assert both.run("account", "show", cwd=directory).ok().json()["name"] == "Contoso Development"
    assert _contexts(both) == (["work"], {str(directory): "work"})


def test_contexts_survive_a_process_that_was_killed_before_it_wrote_the_copy(both: Az, tmp_path: Path) -> None:
    """Also if a built-in command has damaged the rows since."""
    copy = both.config_dir / "login_last_good.json"
    before = copy.read_bytes()
    add_context(both, "work", ALICE, "Contoso Development")
    directory = pin(both, tmp_path / "project", "work").parent
    copy.write_bytes(before)
    _rewrite(both, lambda document: [row.update(isDefault=True) for row in document["subscriptions"][:2]])
    both.run("account", "list").ok()
    assert _contexts(both) == (["work"], {str(directory): "work"})
    assert both.run("account", "show", cwd=directory).ok().json()["name"] == "Contoso Development"


def test_contexts_survive_signing_out_and_clearing(both: Az, tmp_path: Path) -> None:
    add_context(both, "work", ALICE, "Contoso Development")
    directory = pin(both, tmp_path / "project", "work").parent
    expected = (["work"], {str(directory): "work"})
    for command in (("logout", "--username", ALICE), ("account", "clear")):
        both.run(*command).ok()
        assert _contexts(both) == expected
        for reads in (("group", "list"), ("account", "show")):
            error = both.run(*reads, cwd=directory).failed()
            assert f"its account '{ALICE}' is not signed in" in error.stderr
            assert "az login --tenant" in error.stderr
