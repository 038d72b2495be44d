"""Every command line of the Azure CLI's own page on signing in interactively, with real values."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable

import pexpect
import pytest

from tests.harness.az import Az
from tests.harness.browser_user import BrowserUser
from tests.localcloud import LocalCloud, User
from tests.users import ALICE, BOB, ERIN, MIA


@pytest.mark.browser
def test_az_login_alone_signs_in_through_the_browser(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    user = make_browser_user(ALICE)
    rows = az.run("login", env={"BROWSER": user.browser}).ok().json()
    assert {row["user"]["name"] for row in rows} == {ALICE}
    assert user.report().title.startswith("Signed in")


def test_user_and_password_on_the_command_line_sign_in(az: Az, alice: User) -> None:
    rows = az.run("login", "--user", alice.username, "--password", alice.password).ok().json()
    assert "Contoso Production" in {row["name"] for row in rows}


def test_password_read_by_bash_signs_in_and_is_never_on_the_screen(az: Az, alice: User) -> None:
    line = f'read -sp "Azure password: " AZ_PASS && echo && az login -u {alice.username} -p $AZ_PASS'
    terminal = pexpect.spawn(
        "/bin/bash",
        ["--norc", "-c", line],
        env=az.environment({"TERM": "xterm"}),
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect_exact("Azure password: ")
    terminal.waitnoecho()
    terminal.sendline(alice.password)
    # No list follows: a user name and a password may come from a script.
    terminal.expect(pexpect.EOF)
    seen = terminal.before or ""
    terminal.close()
    assert terminal.exitstatus == 0, seen
    assert alice.password not in seen
    assert az.profile()["subscriptions"]


def test_what_the_powershell_lines_come_down_to_signs_in(az: Az, cloud: LocalCloud) -> None:
    # $AzCred.UserName and $AzCred.GetNetworkCredential().Password reach `az` as two plain arguments.
    bob = cloud.directory.user(BOB)
    rows = az.run("login", "-u", bob.username, "-p", bob.password).ok().json()
    assert {row["user"]["name"] for row in rows} == {bob.username}


def test_account_show_as_a_table_has_the_active_subscription(signed_in: Az) -> None:
    header, rule, row = signed_in.run("account", "show", "--output", "table").ok().stdout.splitlines()
    assert header.split() == [
        *("EnvironmentName", "HomeTenantId", "IsDefault", "Name", "State"),
        *("TenantDefaultDomain", "TenantDisplayName", "TenantId"),
    ]
    assert set(rule) == {"-", " "}
    assert "Contoso Production" in row


def test_a_token_for_the_active_subscription_has_both_times(signed_in: Az) -> None:
    token = signed_in.run("account", "get-access-token").ok().json()
    assert set(token) == {"accessToken", "expiresOn", "expires_on", "subscription", "tenant", "tokenType"}
    assert isinstance(token["expires_on"], int)
    assert 0 < token["expires_on"] - time.time() <= 24 * 3600
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", token["expiresOn"])
    assert token["tokenType"] == "Bearer"


def test_expires_on_local_time_is_the_same_moment_as_the_posix_time(signed_in: Az) -> None:
    token = signed_in.run("account", "get-access-token", env={"TZ": "Asia/Kathmandu"}).ok().json()
    local = time.strptime(token["expiresOn"].partition(".")[0], "%Y-%m-%d %H:%M:%S")
    assert calendar.timegm(local) - token["expires_on"] == 5 * 3600 + 45 * 60


@pytest.mark.parametrize("by", ["id", "name"])
def test_a_token_for_another_subscription_by_id_or_name(signed_in: Az, cloud: LocalCloud, by: str) -> None:
    wanted = cloud.directory.subscription("Fabrikam Main")
    value = getattr(wanted, by)
    token = signed_in.run("account", "get-access-token", "--subscription", value).ok().json()
    assert token["subscription"] == wanted.id
    assert token["tenant"] == wanted.tenant_id


def test_scope_subscription_and_name_together_use_the_subscription_and_warn(signed_in: Az) -> None:
    result = signed_in.run(
        *("account", "get-access-token"),
        *("--scope", "https://management.localcloud.example/.default"),
        *("--subscription", "Contoso Development"),
        *("--name", "resourceGroupName"),
    ).ok()
    shown = signed_in.run("account", "show", "-s", "Contoso Development", "--query", "id", "-o", "tsv").ok()
    assert result.json()["subscription"] == shown.stdout.strip()
    assert re.search(r"WARNING: .*--name", result.stderr)


@pytest.mark.parametrize("by", ["GUID", "domain"])
def test_tenant_by_guid_or_domain_signs_in_there_alone(az: Az, cloud: LocalCloud, alice: User, by: str) -> None:
    fabrikam = cloud.directory.tenant("fabrikam.example")
    tenant = fabrikam.id if by == "GUID" else "fabrikam.onmicrosoft.example"
    rows = az.run("login", "--tenant", tenant, "-u", alice.username, "-p", alice.password).ok().json()
    assert {row["tenantId"] for row in rows} == {fabrikam.id}


@pytest.mark.browser
def test_tenant_works_in_the_browser_too(
    az: Az, cloud: LocalCloud, make_browser_user: Callable[..., BrowserUser]
) -> None:
    fabrikam = cloud.directory.tenant("fabrikam.example")
    user = make_browser_user(ALICE)
    rows = az.run("login", "--tenant", fabrikam.id, env={"BROWSER": user.browser}).ok().json()
    assert {row["tenantId"] for row in rows} == {fabrikam.id}
    assert f"/{fabrikam.id}/oauth2/" in user.report().opened


def test_a_second_factor_needs_interactive_authentication_and_the_error_says_so(az: Az, cloud: LocalCloud) -> None:
    mia = cloud.directory.user(MIA)
    words = ("login", "--user", mia.username, "--password", mia.password)
    error = az.run(*words, "--tenant", "woodgrove.example").failed().stderr
    assert "Interactive authentication is needed" in error
    assert re.search(r"^az login --tenant \S+$", error, re.MULTILINE)
    # The home tenant needs no naming: a plain sign-in goes there and asks for the second factor.
    error = az.run(*words).failed().stderr
    assert "Interactive authentication is needed" in error
    assert "az login" in error


def test_a_microsoft_account_needs_interactive_authentication_and_the_error_says_so(az: Az, cloud: LocalCloud) -> None:
    erin = cloud.directory.user(ERIN)
    error = az.run("login", "--user", erin.username, "--password", erin.password).failed().stderr
    assert "Interactive authentication is needed" in error
    assert "az login" in error
