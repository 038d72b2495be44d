"""The host's command index: it lists this extension under every word as long as the setting and the accounts want that.

What the hooks do in those commands has tests of its own. Here, every command does what it does without the extension.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.completion import complete
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.harness.stage import CLOUD_NAME, Stage
from tests.harness.wheel import without_package_index
from tests.integration.workloads import SERVICE_PRINCIPAL
from tests.localcloud import CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL

_OWN = {"account", "login", "logout"}


def _index_file(az: Az) -> Path:
    return az.config_dir / ("extensionIndex.json" if az.host.name == "newest" else "commandIndex.json")


def _words(az: Az) -> dict[str, list[str]]:
    content = json.loads(_index_file(az).read_text(encoding="utf-8-sig"))
    words: dict[str, list[str]] = content["commandIndex"]
    return words


def _listed(az: Az) -> set[str]:
    """Return the words for which the host loads us."""
    return {word for word, modules in _words(az).items() if "azext_login" in modules}


def _is_everywhere(az: Az) -> bool:
    return {"group", "vm", "rest", "ad", *_OWN} <= _listed(az)


def _is_loaded(az: Az, *command: str) -> bool:
    """Tell whether a command that succeeds loads us."""
    done = az.run(*command, "--debug").ok()
    return "cli.azure.cli.core: login " in done.stderr


def test_a_sign_in_to_several_subscriptions_lists_us_for_every_command(az: Az, cloud: LocalCloud) -> None:
    before = _words(az)
    assert _listed(az) == _OWN
    sign_in(az, cloud, ALICE).ok()
    assert _is_everywhere(az)
    assert _is_loaded(az, "group", "list")
    after = _words(az)
    assert all(set(modules) <= set(after[word]) for word, modules in before.items())
    assert _index_file(az).read_bytes().startswith(b"\xef\xbb\xbf"), "the host writes this mark too"


@pytest.mark.oldest
def test_the_oldest_host_has_all_words_in_one_file(make_az: Callable[..., Az], oldest: Host, cloud: LocalCloud) -> None:
    az = make_az(oldest)
    before = _words(az)
    sign_in(az, cloud, ALICE).ok()
    assert _is_everywhere(az)
    after = _words(az)
    assert {word: [name for name in after[word] if name != "azext_login"] for word in after} == {
        word: [name for name in modules if name != "azext_login"] for word, modules in before.items()
    }
    assert _is_loaded(az, "group", "list")
    az.run("config", "set", "login.every_command=off").ok()
    az.run("account", "show").ok()
    assert _words(az) == before


def test_a_service_principal_lists_us_and_its_sign_out_no_longer(az: Az, cloud: LocalCloud) -> None:
    az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    assert _is_everywhere(az)
    az.run("account", "clear").ok()
    assert _listed(az) == _OWN


@pytest.mark.parametrize("variable", ["AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"])
def test_the_only_account_is_not_used_by_a_command_whose_variable_chooses_another(
    az: Az, cloud: LocalCloud, variable: str
) -> None:
    """No command of ours has run since the variable was set."""
    password = cloud.directory.user(CAROL).password
    az.run("login", "-u", CAROL, f"-p={password}", "--allow-no-subscriptions").ok()
    assert len(az.profile()["subscriptions"]) == 1
    assert _is_everywhere(az)
    error = az.run("rest", "--url", "/subscriptions?api-version=2022-12-01", env={variable: "nothing"}).failed()
    assert f"{variable} is 'nothing'" in error.stderr
    az.run("account", "clear").ok()
    assert _listed(az) == _OWN
    az.run("account", "list", env={variable: "nothing"}).ok()
    assert _is_everywhere(az)


def test_the_setting_decides(signed_in: Az) -> None:
    az = signed_in
    assert _is_everywhere(az)
    az.run("config", "set", "login.every_command=off").ok()
    az.run("account", "show").ok()
    assert _listed(az) == _OWN
    assert not _is_loaded(az, "group", "list")
    az.run("config", "set", "login.every_command=ON").ok()
    az.run("account", "show").ok()
    assert _is_everywhere(az)
    az.run("account", "clear").ok()
    assert _is_everywhere(az), "the setting does not depend on accounts"


@pytest.mark.parametrize("value", ["", "perhaps", "1"])
def test_another_value_of_the_setting_counts_as_auto(signed_in: Az, value: str) -> None:
    with (signed_in.config_dir / "config").open("a", encoding="utf-8") as file:
        file.write(f"\n[login]\nevery_command={value}\n")
    signed_in.run("account", "show").ok()
    assert _is_everywhere(signed_in)


def test_a_command_that_is_not_ours_in_our_group_keeps_working(signed_in: Az) -> None:
    assert signed_in.run("account", "list-locations", "--query", "[0].name").ok().json()


@pytest.mark.executable
@pytest.mark.parametrize("use_index", ["true", "false"])
def test_a_table_of_another_command_keeps_its_columns_around_wide_characters(
    signed_in: Az, make_az: Callable[..., Az], use_index: str
) -> None:
    """With our dependencies on its path, the host would count such a character as two columns."""
    show = ("cloud", "list", "--query", "[].{text: '測試測試', name: name}", "--output", "table")
    env = {"AZURE_CORE_USE_COMMAND_INDEX": use_index}
    assert _is_everywhere(signed_in)
    shown = signed_in.run(*show, env=env, timeout=180).ok().stdout
    assert shown == make_az(extension=False).run(*show, env=env, timeout=180).ok().stdout


@pytest.mark.executable
@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that can close standard error")
def test_without_standard_error_another_command_prints_its_advice_where_it_does_without_us(
    signed_in: Az, make_az: Callable[..., Az]
) -> None:
    def advice(az: Az) -> str:
        script = 'exec "$0" group lst 2>&-'
        arguments = ["/bin/sh", "-c", script, str(az.host.az)]
        done = subprocess.run(
            arguments, env=az.environment(), stdout=subprocess.PIPE, text=True, check=False, timeout=180
        )
        assert done.returncode == 2
        return done.stdout

    assert advice(signed_in) == advice(make_az(extension=False))


@pytest.mark.skipif(sys.platform == "win32", reason="the completion protocol needs file descriptor 8")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("az group li", {"list"}),
        ("az GROUP l", {"lock"}),
        ("az grou", {"group"}),
        ("az logi", {"login", "logicapp"}),
        ("az acc", {"account"}),
        ("az account sho", {"show"}),
        ("az account ren", {"renew"}),
    ],
)
def test_tab_offers_our_commands_only_for_our_words(
    signed_in: Az, tmp_path: Path, line: str, offered: set[str]
) -> None:
    assert _is_everywhere(signed_in)
    assert complete(signed_in, line, tmp_path) == offered


def test_help_lists_our_commands(signed_in: Az) -> None:
    assert "get-access-token" in signed_in.run("account", "-h").ok().stdout
    shown = signed_in.run("--help").ok().stdout
    assert "login" in shown
    assert "account" in shown


def test_a_misspelled_command_makes_the_host_load_everything_and_we_stay_listed(signed_in: Az) -> None:
    failed = signed_in.run("group", "lst", timeout=180).failed(2)
    assert "misspelled or not recognized" in failed.stderr
    assert _is_everywhere(signed_in)
    signed_in.run("account", "renew", "-h").ok()


def _empty(file: Path) -> None:
    """Do what `az extension add` does."""
    content = json.loads(file.read_text(encoding="utf-8-sig"))
    for key in content:
        content[key] = {} if key == "commandIndex" else ""
    file.write_text(json.dumps(content), encoding="utf-8-sig")


def _change(key: str, value: Any) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        content[key] = value
        file.write_text(json.dumps(content), encoding="utf-8-sig")

    return change


_DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
    "torn": lambda file: file.write_bytes(file.read_bytes()[:200]),
    "emptied by the host": _empty,
    "of another release of the host": _change("version", "2.90.0"),
    "of another cloud profile": _change("cloudProfile", "2020-09-01-hybrid"),
}


@pytest.mark.parametrize("damage", _DAMAGE.values(), ids=_DAMAGE)
def test_we_are_listed_again_after_the_next_command_that_finds_no_index(
    signed_in: Az, damage: Callable[[Path], object]
) -> None:
    """The host then loads all extensions, whatever the command is, and we add the words to the index that it makes."""
    damage(_index_file(signed_in))
    groups = signed_in.run("group", "list", timeout=180).ok().json()
    assert {group["name"] for group in groups} == {"app", "network"}
    signed_in.run("account", "show", timeout=180).ok()
    assert _is_everywhere(signed_in)
    assert _is_loaded(signed_in, "group", "list")


def test_an_index_that_cannot_be_written_stops_no_command(signed_in: Az, cloud: LocalCloud) -> None:
    az = signed_in
    _change("commandIndex", {word: ["azext_login"] for word in _OWN})(_index_file(az))
    (az.config_dir / "login_index.lock").unlink(missing_ok=True)
    (az.config_dir / "login_index.lock").mkdir()
    shown = az.run("account", "show", "--verbose").ok()
    assert "login_index.lock" in shown.stderr
    assert _listed(az) == _OWN
    az.run("group", "list").ok()
    told = sign_in(az, cloud, BOB).ok()
    assert "login_index.lock" in told.stderr


def test_a_host_without_the_extension_skips_its_name_in_the_index(signed_in: Az, tmp_path: Path) -> None:
    """The extension was removed by hand, or AZURE_EXTENSION_DIR names another folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    az = signed_in.with_env(AZURE_EXTENSION_DIR=elsewhere)
    done = az.run("group", "list").ok()
    assert {group["name"] for group in done.json()} == {"app", "network"}
    assert done.stderr == ""
    assert az.run("account", "show").ok().stderr == ""


@pytest.fixture
def with_sample(signed_in: Az, stage: Stage, tmp_path: Path) -> Az:
    """An `az` with alice signed in, and a folder of extensions of its own, to which the sample extension was added."""
    assert signed_in.extension_dir is not None
    folder = tmp_path / "extensions"
    shutil.copytree(signed_in.extension_dir, folder)
    az = replace(signed_in, extension_dir=folder)
    az.run("extension", "add", "--source", stage.sample_wheel(), "--yes", env=without_package_index(), timeout=180).ok()
    return az


def test_we_are_listed_again_after_another_extension_was_added_or_removed(with_sample: Az) -> None:
    assert _words(with_sample) == {}
    groups = with_sample.run("group", "list", timeout=180).ok().json()
    assert {group["name"] for group in groups} == {"app", "network"}
    assert _is_everywhere(with_sample)
    assert _words(with_sample)["sample"] == ["azext_sample", "azext_login"]
    used = with_sample.run("sample", "use").ok().json()
    assert len(used["groups"]) == 2
    assert _is_loaded(with_sample, "sample", "use")
    with_sample.run("extension", "remove", "--name", "sample").ok()
    with_sample.run("group", "list", timeout=180).ok()
    assert _is_everywhere(with_sample)
    assert "sample" not in _words(with_sample)


def test_removing_this_extension_leaves_nothing_that_the_host_stumbles_over(with_sample: Az) -> None:
    with_sample.run("sample", "use", timeout=180).ok()
    index = _index_file(with_sample).read_bytes()
    with_sample.run("extension", "remove", "--name", "login", timeout=180).ok()
    done = with_sample.run("sample", "use", timeout=180).ok()
    assert done.stderr == ""
    _index_file(with_sample).write_bytes(index)
    assert with_sample.run("sample", "use").ok().stderr == ""
    assert with_sample.run("account", "show").ok().stderr == ""


def test_switching_the_cloud_keeps_the_index(signed_in: Az) -> None:
    index = _index_file(signed_in).read_bytes()
    signed_in.run("cloud", "set", "-n", "AzureCloud").ok()
    assert signed_in.run("cloud", "show", "--query", "name").ok().json() == "AzureCloud"
    signed_in.run("cloud", "set", "-n", CLOUD_NAME).ok()
    assert {group["name"] for group in signed_in.run("group", "list").ok().json()} == {"app", "network"}
    assert _index_file(signed_in).read_bytes() == index


def test_many_commands_at_once_on_a_directory_without_an_index_all_succeed(signed_in: Az) -> None:
    """Each makes the index and writes it; a command that finds one half written loads all extensions."""
    _index_file(signed_in).unlink()
    commands = [("account", "show"), ("group", "list"), ("cloud", "show")]
    processes = [signed_in.start(*commands[number % 3]) for number in range(int(os.environ.get("LOGIN_PARALLEL", "9")))]
    for process in processes:
        signed_in.result(process, timeout=600).ok()
    signed_in.run("account", "show", timeout=180).ok()
    assert _is_everywhere(signed_in)


def test_renewing_tells_when_other_commands_do_not_renew_by_themselves(az: Az, cloud: LocalCloud) -> None:
    az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    assert "by themselves" not in az.run("account", "renew").ok().stderr
    # An earlier release did not write the index.
    _change("commandIndex", {word: ["azext_login"] for word in _OWN})(_index_file(az))
    assert "by themselves" not in az.run("account", "renew").ok().stderr
    assert _is_everywhere(az)
    az.run("config", "set", "login.every_command=off").ok()
    told = az.run("account", "renew").ok().stderr
    assert "the setting login.every_command is off" in told
    assert "az account renew --watch" in told


@pytest.mark.executable
def test_an_index_of_an_unknown_form_stays_as_it_is(az: Az, cloud: LocalCloud, tmp_path: Path) -> None:
    """A later azure-cli may write another one."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_LATER_INDEX, encoding="utf-8")
    az = az.with_env(PYTHONPATH=str(site))
    _index_file(az).unlink()
    az.run("account", "list", timeout=180).ok()
    before = _index_file(az).read_bytes()
    assert b"table" in before
    az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET, timeout=180).ok()
    assert "a command index that the extension does not know" in az.run("account", "renew", timeout=180).ok().stderr
    assert az.run("group", "list", timeout=180).ok().json()
    assert b"azext_login" not in _index_file(az).read_bytes().replace(b'["azext_login"]', b"")


# The key with the words has another name.
_LATER_INDEX = """
import importlib.machinery, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "azure.cli.core":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        class Loader(type(spec.loader)):
            def get_code(self, fullname):
                source = self.get_source(fullname).replace("'commandIndex'", "'table'")
                return self.source_to_code(source, self.path)
        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec

sys.meta_path.insert(0, Finder)
"""
