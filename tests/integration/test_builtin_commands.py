"""Commands that are not ours on the account and tokens that we stored, and ours in every output format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.localcloud import LocalCloud
from tests.users import BOB


def test_group_list_uses_the_active_subscription(signed_in: Az) -> None:
    assert {group["name"] for group in signed_in.run("group", "list").ok().json()} == {"app", "network"}


def test_rest_signs_its_request(signed_in: Az, cloud: LocalCloud) -> None:
    answer = signed_in.run("rest", "--url", "/subscriptions?api-version=2022-12-01").ok().json()
    assert "Contoso Production" in {row["displayName"] for row in answer["value"]}


def test_list_locations_works(signed_in: Az) -> None:
    assert signed_in.run("account", "list-locations").ok().json()


@pytest.mark.parametrize("by", ["id", "name"])
def test_any_command_finds_another_subscription(signed_in: Az, cloud: LocalCloud, by: str) -> None:
    other = getattr(cloud.directory.subscription("Fabrikam Main"), by)
    groups = signed_in.run("group", "list", "--subscription", other).ok().json()
    assert all(cloud.directory.subscription("Fabrikam Main").id in group["id"] for group in groups)


def test_a_command_of_the_host_sees_the_subscription_that_we_chose(signed_in: Az, cloud: LocalCloud) -> None:
    signed_in.run("account", "set", "--subscription", "Contoso Development").ok()
    wanted = cloud.directory.subscription("Contoso Development").id
    assert all(wanted in group["id"] for group in signed_in.run("group", "list").ok().json())


def test_the_cloud_remembers_the_active_subscription(signed_in: Az, cloud: LocalCloud) -> None:
    signed_in.run("account", "set", "--subscription", "Contoso Development").ok()
    wanted = cloud.directory.subscription("Contoso Development").id
    assert wanted in (signed_in.config_dir / "clouds.config").read_text(encoding="utf-8")


@pytest.mark.parametrize("output", ["json", "jsonc", "yaml", "yamlc", "tsv", "table"])
@pytest.mark.parametrize("command", ["account list", "account show", "account get-access-token"])
def test_every_output_format_shows_the_same(signed_in: Az, command: str, output: str) -> None:
    expected = signed_in.run(*command.split(), "--output", "json").ok().json()
    shown = signed_in.run(*command.split(), "--output", output).ok().stdout
    rows = expected if isinstance(expected, list) else [expected]
    for row in rows:
        value = row.get("tenantId") or row["tenant"]
        assert value in shown


def test_output_none_prints_nothing(signed_in: Az) -> None:
    for command in (("account", "list"), ("account", "show"), ("account", "get-access-token")):
        assert signed_in.run(*command, "--output", "none").ok().stdout == ""


def test_query_reaches_into_every_answer(signed_in: Az) -> None:
    assert signed_in.run("account", "show", "--query", "name", "-o", "tsv").ok().stdout == "Contoso Production\n"
    names = signed_in.run("account", "list", "--query", "[].name").ok().json()
    assert "Entwicklung Zürich – 測試 ☃" in names
    token = signed_in.run("account", "get-access-token", "--query", "accessToken", "-o", "tsv").ok().stdout
    assert token.count(".") == 2


def test_query_and_output_work_on_the_sign_in_itself(az: Az, cloud: LocalCloud) -> None:
    bob = cloud.directory.user(BOB)
    words = ("login", "-u", bob.username, "-p", bob.password)
    shown = az.run(*words, "--query", "[?isDefault].user.name", "-o", "tsv").ok().stdout
    assert shown.strip() == bob.username
    assert az.run(*words, "--output", "none").ok().stdout == ""


def test_standard_output_is_json_and_nothing_else_even_with_warnings(signed_in: Az) -> None:
    result = signed_in.run("account", "list").ok()
    assert "WARNING" in result.stderr  # a disabled subscription was left out
    json.loads(result.stdout)


def test_a_password_in_a_file_signs_in_for_built_in_commands_too(az: Az, cloud: LocalCloud, tmp_path: Path) -> None:
    bob = cloud.directory.user(BOB)
    password = tmp_path / "password"
    password.write_text(bob.password, encoding="utf-8")
    az.run("login", "-u", bob.username, f"--password=@{password}").ok()
    stock = replace(az, extension_dir=None)
    assert {group["name"] for group in stock.run("group", "list").ok().json()} == {"app", "network"}
    assert stock.run("account", "get-access-token", "--resource", "https://vault.azure.net").ok()
