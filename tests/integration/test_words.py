"""What a subscription, an account or a tenant is called: one rule for every command, and commands that resolve it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

TOKEN = ("account", "get-access-token")
EXPORT = ("account", "export-token", "--format", "header")
SET = ("account", "set")
SHOW = ("account", "show")
RENEW = ("account", "renew")


def _edit(az: Az, change: Callable[[list[dict[str, Any]]], None]) -> None:
    document = az.profile()
    change(document["subscriptions"])
    az.profile_path.write_text(json.dumps(document), encoding="utf-8")


def _rows(az: Az) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in az.profile()["subscriptions"]}


def _id(az: Az, name: str) -> str:
    return next(key for key, row in _rows(az).items() if row["name"] == name)


def _advised(result: Result) -> list[list[str]]:
    """Return the words of the advised commands, without `az`."""
    return [shlex.split(line)[1:] for line in result.stderr.splitlines() if line.startswith("az ")]


# Subscriptions


@pytest.mark.parametrize("command", [SHOW, SET, TOKEN, EXPORT], ids=lambda words: words[1])
@pytest.mark.parametrize(
    "names, word, chosen",
    [
        # An ID takes precedence over a name, and the exact spelling over another case.
        ({"Contoso Development": "<Fabrikam Main>"}, "<Fabrikam Main>", "Fabrikam Main"),
        ({"Contoso Development": "DEV", "Fabrikam Main": "dev"}, "dev", "dev"),
        ({"Contoso Development": "DEV", "Fabrikam Main": "dev"}, "Dev", None),
        ({"Contoso Development": "Same", "Fabrikam Main": "Same"}, "Same", None),
        ({"Contoso Development": "Same"}, "sAME", "Same"),
    ],
)
def test_a_subscription_is_found_in_the_same_way_everywhere(
    signed_in: Az, command: tuple[str, ...], names: dict[str, str], word: str, chosen: str | None
) -> None:
    ids = {f"<{row['name']}>": key for key, row in _rows(signed_in).items()}

    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["name"] = ids.get(names.get(row["name"], ""), names.get(row["name"], row["name"]))

    _edit(signed_in, rename)
    result = signed_in.run(*command, "--subscription", ids.get(word, word))
    if chosen:
        result.ok()
        if command == SET:
            assert signed_in.run(*SHOW).ok().json()["name"] == chosen
        return
    result.failed()
    commands = _advised(result)
    assert len(commands) == 2
    assert all(tuple(words[: len(command)]) == command for words in commands)
    for words in commands:
        signed_in.run(*words).ok()


def _two_names(own_cloud: LocalCloud) -> None:
    own_cloud.admin.rename_subscription("Contoso Development", "Same")
    own_cloud.admin.rename_subscription("Fabrikam Main", "same")


def test_a_sign_in_refuses_a_name_of_two_subscriptions_and_is_kept(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    _two_names(own_cloud)
    az = make_az(cloud=own_cloud)
    password = own_cloud.directory.user(ALICE).password
    result = az.run("login", "-u", ALICE, "-p", password, "--subscription", "SAME")
    assert result.exit_code == 1
    assert "Multiple subscriptions with the name 'SAME' found. The sign-in of alice@contoso.example was kept." in (
        result.stderr
    )
    before = az.run(*SHOW).ok().json()["name"]
    assert before not in ("Same", "same")
    for words in _advised(result):
        az.run(*words).ok()
        assert az.run(*SHOW).ok().json()["name"] in ("Same", "same")
    assert len(_advised(result)) == 2
    exact = az.run("login", "-u", ALICE, "-p", password, "--subscription", "same").ok().json()
    assert [row["name"] for row in exact] == ["same"]
    assert az.run(*SHOW).ok().json()["name"] == "same"


def test_a_setting_with_a_name_of_two_subscriptions_chooses_none_of_them(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    _two_names(own_cloud)
    az = make_az(cloud=own_cloud)
    az.run("config", "set", "login.default_subscription=SAME").ok()
    result = sign_in(az, own_cloud, ALICE).ok()
    assert "but several enabled subscriptions of alice@contoso.example have this name" in result.stderr
    commands = _advised(result)
    assert len(commands) == 2
    assert az.run(*SHOW).ok().json()["name"] not in ("Same", "same")
    az.run(*commands[1]).ok()
    az.run("account", "clear").ok()
    sign_in(az, own_cloud, ALICE).ok()
    assert az.run(*SHOW).ok().json()["name"] in ("Same", "same")


# Accounts and tenants


@pytest.fixture
def alice_and_bob(signed_in: Az, cloud: LocalCloud) -> Az:
    """`az` with alice and bob signed in. bob is active."""
    sign_in(signed_in, cloud, BOB).ok()
    return signed_in


def test_a_name_that_an_account_has_twice_is_refused_with_the_account(alice_and_bob: Az) -> None:
    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["name"] = "Same" if row["name"].startswith("Contoso") else row["name"]

    _edit(alice_and_bob, rename)
    result = alice_and_bob.run(*TOKEN, "--username", ALICE, "--subscription", "Same").failed()
    assert len(_advised(result)) == 3
    for words in _advised(result)[:2]:
        token = alice_and_bob.run(*words).ok().json()
        assert claims_of(token["accessToken"])["unique_name"] == ALICE


def test_a_display_name_of_two_tenants_is_refused_by_renew(alice_and_bob: Az) -> None:
    def rename(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["tenantDisplayName"] = "Same"

    _edit(alice_and_bob, rename)
    result = alice_and_bob.run(*RENEW, "--username", ALICE, "--tenant", "same").failed()
    assert "Multiple tenants with the name 'same' found. Specify the tenant ID." in result.stderr
    commands = _advised(result)
    assert len(commands) >= 2
    shown = alice_and_bob.run(*commands[0]).ok().json()
    assert (shown["user"]["name"], shown["tenantId"]) == (ALICE, commands[0][-1])


def test_the_name_of_all_user_assigned_identities_is_ambiguous_and_the_label_is_not(signed_in: Az) -> None:
    def add(rows: list[dict[str, Any]]) -> None:
        for number in (1, 2):
            info = {"name": "userAssignedIdentity", "type": "servicePrincipal"}
            info["assignedIdentityInfo"] = f"MSIClient-00000000-0000-0000-0000-00000000000{number}"
            new = {"id": f"{number}" * 8, "name": f"Managed {number}", "user": info, "isDefault": False}
            rows.append({**rows[0], **new})

    _edit(signed_in, add)
    result = signed_in.run(*TOKEN, "--username", "userAssignedIdentity").failed()
    assert "Several accounts with the name 'userAssignedIdentity' are signed in." in result.stderr
    assert [words[-1][-1] for words in _advised(result)] == ["1", "2"]
    for words in _advised(result):
        signed_in.run(*SET, "--subscription", f"Managed {words[-1][-1]}", *words[2:]).ok()
