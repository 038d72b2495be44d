"""The wheel, and what `az extension add` and `az extension remove` make of it on both ends of our range."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.stage import Stage
from tests.localcloud import User

pytestmark = pytest.mark.executable

HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]


def test_the_wheel_holds_our_package_and_nothing_else(stage: Stage) -> None:
    with zipfile.ZipFile(stage.wheel()) as wheel:
        top = {name.partition("/")[0] for name in wheel.namelist()}
        scripts = {name for name in wheel.namelist() if ".data/" in name}
    assert {name for name in top if not name.endswith((".dist-info", ".data"))} == {"azext_login"}
    assert {name.partition("/")[2] for name in scripts} == {"scripts/az-token"}
    assert sum(name.endswith(".dist-info") for name in top) == 1


def test_the_wheel_asks_for_nothing_but_prompt_toolkit(stage: Stage) -> None:
    with zipfile.ZipFile(stage.wheel()) as wheel:
        (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        lines = wheel.read(metadata).decode().splitlines()
    (required,) = (line for line in lines if line.startswith("Requires-Dist: "))
    assert re.fullmatch(r"Requires-Dist: prompt[_-]toolkit<4,>=3\.0\.\d+", required)


def test_an_installation_brings_nothing_that_the_host_has(stage: Stage, newest: Host) -> None:
    (installed,) = stage.extension_dir(newest).iterdir()
    packages = {path.name for path in installed.iterdir() if not path.name.endswith((".dist-info", ".whl"))}
    assert packages - {"bin"} == {"azext_login", "prompt_toolkit", "wcwidth"}


def test_the_wheel_states_which_azure_cli_it_needs(stage: Stage) -> None:
    with zipfile.ZipFile(stage.wheel()) as wheel:
        assert b"azext.minCliCoreVersion" in wheel.read("azext_login/azext_metadata.json")


@pytest.mark.parametrize("name", HOSTS)
def test_sign_in_token_and_sign_out_on_a_stock_installation(make_az: Callable[..., Az], alice: User, name: str) -> None:
    az = make_az(host=hosts.named(name))
    rows = az.run("login", "-u", alice.username, "-p", alice.password).ok().json()
    assert "Contoso Production" in {row["name"] for row in rows}
    az.run("account", "set", "-s", "Contoso Development").ok()
    assert az.run("account", "show", "--query", "name", "-o", "tsv").ok().stdout == "Contoso Development\n"
    assert az.run("account", "get-access-token").ok().json()["accessToken"]
    assert az.run("group", "list").ok().json()
    az.run("logout").ok()
    assert az.run("account", "list").ok().json() == []


@pytest.mark.parametrize("name", HOSTS)
def test_removing_the_extension_leaves_a_working_az_on_the_same_files(
    make_az: Callable[..., Az], stage: Stage, alice: User, tmp_path: Path, name: str
) -> None:
    host = hosts.named(name)
    extensions = tmp_path / "extensions"
    shutil.copytree(stage.extension_dir(host), extensions)
    az = replace(make_az(host=host), extension_dir=extensions)
    az.run("login", "-u", alice.username, "-p", alice.password).ok()
    before = az.run("account", "list", "--all").ok().json()

    az.run("extension", "remove", "--name", "login", timeout=120).ok()

    assert not list(extensions.iterdir())
    assert az.run("account", "list", "--all", timeout=120).ok().json() == before
    assert az.run("account", "get-access-token").ok().json()["accessToken"]
    assert az.run("group", "list").ok().json()
    az.run("logout").ok()


def test_our_commands_do_not_announce_that_they_were_altered(signed_in: Az) -> None:
    for command in (("account", "show"), ("account", "list"), ("account", "get-access-token"), ("logout",)):
        assert "has been altered" not in signed_in.run(*command).ok().stderr


@pytest.mark.parametrize("command", ["login", "logout", "account show", "account get-access-token"])
def test_help_names_the_extension_and_has_an_example(az: Az, command: str) -> None:
    shown = az.run(*command.split(), "-h").ok()
    assert "This command is from the following extension: login" in shown.stderr
    assert "Examples" in shown.stdout
