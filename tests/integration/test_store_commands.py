"""What `logout`, `clear`, `set` and `list --refresh` leave on the disk, through real `az` processes."""

from __future__ import annotations

import json
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.completion import complete
from tests.harness.sign_in import sign_in
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL


def _sign_in_app(az: Az, *, tenant: str = "contoso.example") -> str:
    az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", tenant).ok()
    return CI_APP


def _tokens(az: Az) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((az.config_dir / "msal_token_cache.json").read_text(encoding="utf-8"))
    return content


def _traces(az: Az, word: str) -> list[str]:
    """Return the files of the config directory that hold `word`, except the command log of the host."""
    return [
        str(path.relative_to(az.config_dir))
        for path in az.config_dir.rglob("*")
        if path.is_file() and "commands" not in path.parts and word.encode() in path.read_bytes()
    ]


def test_logging_out_one_account_leaves_the_other_whole(az: Az, cloud: LocalCloud) -> None:
    sign_in(az, cloud, ALICE).ok()
    sign_in(az, cloud, BOB).ok()
    result = az.run("logout", "--username", BOB.upper()).ok()
    assert "az account set" in result.stderr
    assert not _traces(az, BOB)
    assert az.run("account", "get-access-token", "--subscription", "Contoso Production").ok()


def test_logging_out_needs_no_network(signed_in: Az) -> None:
    away = signed_in.with_env(NO_PROXY="", REQUESTS_CA_BUNDLE="/nonexistent/ca.pem")
    subscriptions = [row["id"] for row in signed_in.profile()["subscriptions"]]
    away.run("logout").ok()
    for word in (ALICE, *subscriptions):
        assert not _traces(signed_in, word)
    assert signed_in.run("account", "list").ok().json() == []


def test_logging_out_an_unknown_user_changes_nothing_and_reports_that(signed_in: Az) -> None:
    before = signed_in.profile()
    result = signed_in.run("logout", "--username", "nobody@contoso.example").ok()
    assert "not signed in" in result.stderr
    assert signed_in.profile() == before


def test_a_service_principal_is_logged_out_in_any_case_with_its_secret(az: Az, cloud: LocalCloud) -> None:
    client_id = _sign_in_app(az)
    az.run("group", "list").ok()
    az.run("logout", "--username", client_id.upper()).ok()
    assert not _traces(az, client_id)
    assert not _traces(az, CI_SECRET)


def test_clearing_leaves_no_name_and_no_secret_and_needs_no_network(az: Az, cloud: LocalCloud) -> None:
    sign_in(az, cloud, ALICE).ok()
    _sign_in_app(az)
    (az.config_dir / "msal_token_cache.json.damaged-20260101-000000").write_text(ALICE, encoding="utf-8")
    away = az.with_env(NO_PROXY="", REQUESTS_CA_BUNDLE="/nonexistent/ca.pem")
    subscriptions = [row["id"] for row in az.profile()["subscriptions"]]
    away.run("account", "clear").ok()
    for word in (ALICE, CI_SECRET, CI_APP, *subscriptions):
        assert not _traces(az, word)
    assert az.profile()["subscriptions"] == []
    assert not (az.config_dir / "msal_http_cache.bin").exists()


@pytest.mark.parametrize("command", [("account", "clear"), ("logout",)])
def test_the_tokens_of_very_old_releases_go_as_well(signed_in: Az, command: tuple[str, ...]) -> None:
    (signed_in.config_dir / "accessTokens.json").write_text("[]", encoding="utf-8")
    signed_in.run(*command).ok()
    assert not (signed_in.config_dir / "accessTokens.json").exists()


@pytest.mark.parametrize("command", [("account", "clear"), ("logout",)])
def test_a_damaged_token_cache_is_no_obstacle_to_signing_out(signed_in: Az, command: tuple[str, ...]) -> None:
    tokens = signed_in.config_dir / "msal_token_cache.json"
    tokens.write_text(tokens.read_text(encoding="utf-8")[:-9], encoding="utf-8")
    signed_in.run(*command).ok()
    assert signed_in.run("account", "list").ok().json() == []
    assert not _traces(signed_in, ALICE)


@pytest.mark.parametrize("section", [[], "text", {"a": None}], ids=str)
def test_signing_another_user_out_leaves_the_tokens_in_an_odd_cache(signed_in: Az, section: object) -> None:
    path = signed_in.config_dir / "msal_token_cache.json"
    content = {**_tokens(signed_in), "IdToken": section}
    path.write_text(json.dumps(content), encoding="utf-8")
    signed_in.run("logout", "--username", BOB).ok()
    assert _tokens(signed_in) == content
    signed_in.run("account", "get-access-token").ok()


def test_a_damaged_token_cache_is_quarantined_and_the_next_sign_in_works(signed_in: Az, cloud: LocalCloud) -> None:
    (signed_in.config_dir / "msal_token_cache.json").write_text("not json", encoding="utf-8")
    error = signed_in.run("account", "get-access-token").failed().stderr
    assert "quarantined" in error
    assert "az login" in error
    sign_in(signed_in, cloud, ALICE).ok()
    signed_in.run("account", "get-access-token").ok()


@pytest.mark.parametrize("command", [("account", "clear"), ("logout",)])
def test_signing_out_leaves_no_quarantined_file(signed_in: Az, command: tuple[str, ...]) -> None:
    folder, profile = signed_in.config_dir, signed_in.profile()
    profile["subscriptions"].append({**profile["subscriptions"][0], "id": "x", "name": None})
    signed_in.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    signed_in.run("account", "set", "-s", "Contoso Development").ok()
    assert json.dumps(signed_in.profile()["azextLogin"]).count(ALICE)
    # What writers leave behind that were killed, and a copy that was quarantined.
    for name in (
        "login_certificates/.0123456789abcdef-0123456789abcdef.pem.abc_123.tmp",
        "login_requests/.0123.json.abc_123.tmp",
        ".msal_token_cache.bin.abc_123.tmp",
        "login_last_good.json.damaged-20260101-000000-1",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(ALICE, encoding="utf-8")
    signed_in.run(*command).ok()
    left = _traces(signed_in, ALICE)
    # Whose key it is cannot be seen, unless it is that of the application which signs out.
    assert left == ([] if command == ("account", "clear") else [left[0]])
    assert all(name.startswith("login_certificates") for name in left)


def test_a_tenant_in_upper_case_is_no_second_one(signed_in: Az, cloud: LocalCloud) -> None:
    before = signed_in.run("account", "list", "--all", "--all-identities").ok().json()
    tenant = next(row["tenantId"] for row in before if row["name"] == "Contoso Production")
    password = cloud.directory.user(ALICE).password
    signed_in.run("login", "-u", ALICE, f"-p={password}", "--tenant", tenant.upper()).ok()
    after = signed_in.run("account", "list", "--all", "--all-identities").ok().json()
    assert len(after) == len(before)


def test_what_other_tools_store_in_rows_survives_a_refresh_and_a_sign_in(signed_in: Az, cloud: LocalCloud) -> None:
    profile = signed_in.profile()
    for row in profile["subscriptions"]:
        row["xNote"] = row["id"]
    signed_in.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    signed_in.run("account", "list", "--refresh").ok()
    sign_in(signed_in, cloud, ALICE).ok()
    assert [row.get("xNote") for row in signed_in.profile()["subscriptions"]] == [
        row["id"] for row in signed_in.profile()["subscriptions"]
    ]


def test_a_failed_sign_in_keeps_everything_that_was_stored(signed_in: Az) -> None:
    before = signed_in.profile(), _tokens(signed_in)
    signed_in.run("login", "-u", CAROL, "-p=carol-local-password").failed()
    assert (signed_in.profile(), _tokens(signed_in)) == before


def test_a_refresh_brings_what_is_new_and_drops_what_is_gone(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    az.run("account", "set", "-s", "Contoso Development").ok()
    own_cloud.admin.remove_access(ALICE, "contoso.example", "Contoso Production")
    own_cloud.admin.rename_subscription("Fabrikam Main", "Fabrikam Renamed")
    names = set(az.run("account", "list", "--refresh", "--all", "--query", "[].name").ok().json())
    assert "Contoso Production" not in names
    assert {"Fabrikam Renamed", "Contoso Development"} <= names
    assert az.run("account", "show", "--query", "name").ok().json() == "Contoso Development"


def test_a_refresh_keeps_the_rows_of_a_tenant_that_does_not_answer(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    before = az.profile()["subscriptions"]
    own_cloud.admin.fail_next("^/subscriptions", kind="error", count=None)
    result = az.run("account", "list", "--refresh").ok()
    assert "4 of 4 tenants did not show subscriptions; their known subscriptions are still listed" in result.stderr
    assert re.search("^Contoso +did not answer", result.stderr, re.MULTILINE)
    assert az.profile()["subscriptions"] == before


def test_a_refresh_reads_every_tenant_of_a_service_principal_and_other_accounts(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    _sign_in_app(az, tenant="contoso.example")
    _sign_in_app(az, tenant="fabrikam.example")
    before = {(row["id"], row["user"]["name"], row["tenantId"]) for row in az.profile()["subscriptions"]}
    az.run("account", "list", "--refresh").ok()
    after = {(row["id"], row["user"]["name"], row["tenantId"]) for row in az.profile()["subscriptions"]}
    assert after == before


def test_set_names_the_account_and_the_tenant_without_the_subscription(signed_in: Az) -> None:
    before = signed_in.profile()
    other = ("--username", "dave@contoso.example", "--tenant", "fabrikam.example")
    error = signed_in.run("account", "set", "-s", "Contoso Development", *other).failed().stderr
    assert "doesn't exist in cloud 'LocalCloud' for account 'dave@contoso.example' in tenant '" in error
    assert "az account list --all-identities" in error
    assert signed_in.profile() == before


def test_a_refresh_keeps_the_rows_of_another_cloud(signed_in: Az) -> None:
    profile = signed_in.profile()
    foreign = {
        **profile["subscriptions"][0],
        "id": "in-another-cloud",
        "environmentName": "AzureCloud",
        "isDefault": False,
    }
    profile["subscriptions"].append(foreign)
    signed_in.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    signed_in.run("account", "list", "--refresh").ok()
    assert foreign in signed_in.profile()["subscriptions"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_every_file_with_account_data_is_for_its_owner_alone(signed_in: Az) -> None:
    signed_in.run("account", "get-access-token").ok()
    for name in ("azureProfile.json", "msal_token_cache.json", "msal_http_cache.bin"):
        assert stat.S_IMODE((signed_in.config_dir / name).stat().st_mode) == 0o600, name


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
@pytest.mark.parametrize("command", [("account", "show"), ("account", "get-access-token")])
def test_files_that_were_left_open_to_others_are_closed_by_the_next_command(
    signed_in: Az, command: tuple[str, ...]
) -> None:
    ours = ("azureProfile.json", "clouds.config", "msal_", "login_")
    paths = [path for path in signed_in.config_dir.iterdir() if path.name.startswith(ours)]
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)
    signed_in.run(*command).ok()
    open_to_others = [path.name for path in paths if path.exists() and path.stat().st_mode & 0o077]
    assert not open_to_others


def test_no_secret_is_in_the_debug_output_or_in_the_hosts_command_log(az: Az, cloud: LocalCloud) -> None:
    password = cloud.directory.user(ALICE).password
    said = az.run("login", "-u", ALICE, "--password=@-", "--debug", input=password).ok().stderr
    said += az.run("account", "get-access-token", "--tenant", "fabrikam.example", "--debug").ok().stderr
    logs = [path.read_text(encoding="utf-8") for path in (az.config_dir / "commands").glob("*.log")]
    tokens = _tokens(az)
    secrets = [
        entry["secret"] for name in ("AccessToken", "RefreshToken", "IdToken") for entry in tokens[name].values()
    ]
    for text in (said, *logs):
        for secret in (password, *secrets):
            assert secret not in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("az account set -s Contoso", "Contoso\\ Production"),
        ("az account show --subscription ", "Fabrikam\\ Main"),
        ("az logout --username ", ALICE),
        ("az login --tenant ", "contoso.example"),
        ("az login --no-", "--no-browser"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the completion protocol needs file descriptor 8")
def test_tab_offers_what_is_known(signed_in: Az, tmp_path: Path, line: str, expected: str) -> None:
    assert expected in complete(signed_in, line, tmp_path)
