"""`az account status`: each exit code, what is printed, and that nothing changes that is stored."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.integration.fast_time import write_fast_time
from tests.integration.token_cache_files import let_tokens_age
from tests.integration.workloads import POD, SERVICE_PRINCIPAL, Certificates, write_pfx
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, DAVE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and locks of POSIX systems")

_STATUS = ("account", "status")
_TOKEN_CACHE = "msal_token_cache.json"

# What hosts and their telemetry write in every command, and the discovery documents, which are not about an account.
_OF_HOST = re.compile(
    r"msal_http_cache|commandIndex|extensionIndex|versionCheck|telemetry|az\.|home|logs|commands|\.lock$"
)


def _outcomes(result: Result) -> set[str]:
    """Return the status of each tenant that is not good."""
    tenants = [tenant for account in result.json()["accounts"] for tenant in account["tenants"]]
    return {tenant["status"] for tenant in tenants} - {"good"}


def _exits(result: Result, code: int) -> Result:
    """Return a result whose exit code is that of a finding: the result is printed, and no error."""
    assert result.exit_code == code, str(result)
    assert "ERROR" not in result.stderr, str(result)
    result.assert_clean()
    return result


def _codes(result: Result) -> set[str]:
    return {finding["code"] for finding in result.json()["findings"]}


def _files(az: Az) -> dict[str, bytes]:
    """Return the content of the files that are not the host's own."""
    return {
        str(path.relative_to(az.config_dir)): path.read_bytes()
        for path in az.config_dir.rglob("*")
        if path.is_file() and not _OF_HOST.search(str(path.relative_to(az.config_dir)))
    }


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock as another process of ours does."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode("ascii"))
        yield
    finally:
        os.close(descriptor)


@pytest.fixture
def own_az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """An `az` in a cloud that the test may break, with alice signed in."""
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    return az


# The exit codes


def test_exit_code_0_if_everything_works(signed_in: Az) -> None:
    before = _cached_at(signed_in)
    result = signed_in.run(*_STATUS).ok()
    report = result.json()
    assert (report["status"], report["exitCode"]) == ("good", 0)
    assert _codes(result) == set()
    (account,) = report["accounts"]
    assert (account["account"], account["accountType"], account["signIn"]) == (ALICE, "user", "password")
    assert {tenant["refresh"] for tenant in account["tenants"]} == {"works"}
    assert {tenant["tokenSource"] for tenant in account["tenants"]} == {"refresh token"}
    assert len(account["tenants"]) >= 2
    assert report["active"]["reason"] == "stored"
    assert report["builtInCommands"] == {"work": True, "everyCommand": "auto", "message": None}
    assert abs(report["network"]["clockDifferenceSeconds"]) < 30
    assert _cached_at(signed_in) >= before


def test_exit_code_10_if_no_account_is_signed_in(az: Az) -> None:
    result = _exits(az.run(*_STATUS), 10)
    assert _codes(result) == {"notSignedIn"}
    assert result.json()["findings"][0]["command"] == "az login"
    assert result.json()["active"] is None
    assert "because no account is signed in" in result.json()["builtInCommands"]["message"]


def test_exit_code_10_for_an_account_that_is_not_signed_in(signed_in: Az) -> None:
    result = _exits(signed_in.run(*_STATUS, "--username", BOB), 10)
    assert BOB in result.json()["findings"][0]["what"]
    assert signed_in.run(*_STATUS, "--username", ALICE).ok().json()["accounts"]


def test_exit_code_11_if_the_session_was_revoked(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.revoke(ALICE)
    before = _files(own_az)
    result = _exits(own_az.run(*_STATUS), 11)
    assert _outcomes(result) == {"expired"}
    # One finding for all tenants.
    (finding,) = result.json()["findings"]
    assert finding["command"].startswith("az login")
    assert "(AADSTS50173). The same applies to 1 more tenant." in finding["what"]
    assert (
        own_az.run(*_STATUS, "--output", "table").stdout.count("[1]")
        == len(result.json()["accounts"][0]["tenants"]) + 1
    )
    assert _files(own_az) == before
    # A cached token is still valid, which is why `az account show` and others do not notice.
    tenants = result.json()["accounts"][0]["tenants"]
    assert {tenant["refresh"] for tenant in tenants} == {"failed"}
    assert None not in {tenant["cachedUntil"] for tenant in tenants}


def test_exit_code_11_if_the_refresh_token_has_expired(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.refresh_token_lifetime(0)
    assert _outcomes(_exits(own_az.run(*_STATUS), 11)) == {"expired"}


def test_exit_code_11_if_the_federated_token_has_expired(workload_az: Az, workload_cloud: LocalCloud) -> None:
    az = workload_az
    token = workload_cloud.admin.issue_assertion(POD)
    az.run(*SERVICE_PRINCIPAL, "--federated-token", token).ok()
    (account,) = az.run(*_STATUS).ok().json()["accounts"]
    assert account["signIn"] == "federated token"
    path = az.config_dir / "service_principal_entries.json"
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    expired = json.dumps({**claims, "exp": claims["iat"] - 60}).encode("ascii")
    old = ".".join((header, base64.urlsafe_b64encode(expired).decode("ascii").rstrip("="), signature))
    path.write_text(path.read_text(encoding="utf-8").replace(token, old), encoding="utf-8")
    result = _exits(az.run(*_STATUS), 11)
    assert _outcomes(result) == {"expired"}
    assert "--federated-token" in result.json()["findings"][0]["command"]


def test_exit_code_12_if_a_tenant_asks_for_a_second_factor(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.demand_mfa("contoso.example")
    before = _files(own_az)
    result = _exits(own_az.run(*_STATUS, "--tenant", "contoso.example"), 12)
    assert _outcomes(result) == {"actionNeeded"}
    (tenant,) = result.json()["accounts"][0]["tenants"]
    assert tenant["tenantDomain"] == "contoso.example"
    assert "--tenant" in tenant["command"]
    assert _files(own_az) == before
    # The other tenants do not ask for it.
    assert own_az.run(*_STATUS, "--tenant", "fabrikam.example").ok().json()["status"] == "good"


def test_exit_code_13_if_consent_is_missing(signed_in: Az) -> None:
    scope = "https://needs-admin.localcloud.example/.default"
    result = _exits(signed_in.run(*_STATUS, "--tenant", "contoso.example", "--scope", scope), 13)
    assert _outcomes(result) == {"consentMissing"}


def test_exit_code_14_if_the_account_is_disabled(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.disable_user(ALICE)
    result = _exits(own_az.run(*_STATUS), 14)
    # No sign-in helps.
    assert result.json()["findings"][0]["command"] is None
    assert _outcomes(result) == {"accountDisabled"}
    assert own_cloud.directory.user(DAVE).disabled


def test_exit_code_15_if_the_sign_in_service_cannot_be_reached(signed_in: Az) -> None:
    before = _files(signed_in)
    secret = "user:hidden-password"
    offline = signed_in.with_env(HTTPS_PROXY=f"http://{secret}@127.0.0.1:9", NO_PROXY="")
    result = _exits(offline.run(*_STATUS), 15)
    assert _outcomes(result) == {"offline"}
    # One finding for all tenants.
    assert len(result.json()["findings"]) == 1
    assert "Correct the environment variable HTTPS_PROXY" in result.json()["findings"][0]["what"]
    assert "127.0.0.1:9" in result.json()["network"]["proxy"]
    assert "hidden-password" not in result.stdout + result.stderr
    assert _files(signed_in) == before


@pytest.mark.parametrize("check", ["network", "clock"])
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 200, "body": "<html>Welcome to the hotel</html>", "headers": {"Content-Type": "text/html"}},
        {"status": 200, "body": "Welcome to the hotel", "headers": {"Content-Type": "text/plain"}},
        {"status": 511, "body": "", "headers": {"Content-Type": "text/plain"}},
        {"status": 403, "body": "Blocked", "headers": {"Content-Type": "text/plain"}},
    ],
    ids=["page", "text", "511", "403"],
)
def test_exit_code_15_if_something_else_answers(
    own_az: Az, own_cloud: LocalCloud, answer: dict[str, Any], check: str
) -> None:
    own_cloud.admin.fail_next("openid-configuration", count=None, **answer)
    # Its clock is not that of the sign-in service.
    own_cloud.admin.clock_offset(3600)
    result = _exits(own_az.run(*_STATUS, "--check", check), 15)
    assert _codes(result) == {"offline"}
    assert result.json()["network"]["clockDifferenceSeconds"] is None


@pytest.mark.parametrize("check", [None, "network"])
def test_a_service_that_does_not_answer_is_named_with_its_address(
    own_az: Az, own_cloud: LocalCloud, tmp_path: Path, check: str | None
) -> None:
    # Only this address hangs, for longer than the check waits.
    path = "openid-configuration" if check else "/token"
    own_cloud.admin.fail_next(path, kind="hang", hang=120, count=None)
    write_fast_time(tmp_path)
    fast = own_az.with_env(PYTHONPATH=str(tmp_path))
    result = _exits(fast.run(*_STATUS, *(("--check", check) if check else ())), 15)
    (finding,) = result.json()["findings"]
    assert f"The sign-in service at {own_cloud.url} did not answer in time." in finding["what"]


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_exit_code_16_if_the_clock_is_wrong(own_az: Az, own_cloud: LocalCloud, seconds: int) -> None:
    own_cloud.admin.clock_offset(seconds)
    result = _exits(own_az.run(*_STATUS), 16)
    assert "clockWrong" in _codes(result)
    assert abs(result.json()["network"]["clockDifferenceSeconds"] + seconds) < 30


def test_a_small_difference_of_the_clocks_is_a_warning(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.clock_offset(120)
    (finding,) = own_az.run(*_STATUS).ok().json()["findings"]
    assert (finding["code"], finding["severity"]) == ("clockWrong", "warning")


def test_exit_code_17_if_another_process_holds_a_lock(signed_in: Az) -> None:
    with _held(signed_in.config_dir / "login_msal_token_cache.lock"):
        result = _exits(signed_in.run(*_STATUS), 17)
    assert _codes(result) == {"storeLocked"}
    assert f"PID {os.getpid()}" in result.json()["findings"][0]["what"]
    held = [lock for lock in result.json()["storage"]["locks"] if lock["held"]]
    assert held == [{"name": "login_msal_token_cache.lock", "holder": os.getpid(), "held": True}]
    # Nothing was tried, because nothing could have been stored.
    assert {tenant["refresh"] for tenant in result.json()["accounts"][0]["tenants"]} == {"not tried"}


@pytest.mark.parametrize("content", [b"{damaged", b"[]", b"\xff\xfe"])
def test_exit_code_17_if_the_token_cache_is_damaged(signed_in: Az, content: bytes) -> None:
    (signed_in.config_dir / _TOKEN_CACHE).write_bytes(content)
    result = _exits(signed_in.run(*_STATUS), 17)
    (finding,) = result.json()["findings"]
    assert (finding["code"], finding["fixable"]) == ("storeDamaged", True)
    # It is left to --fix.
    assert (signed_in.config_dir / _TOKEN_CACHE).read_bytes() == content


def test_exit_code_17_if_the_token_cache_cannot_be_read(signed_in: Az) -> None:
    (signed_in.config_dir / _TOKEN_CACHE).unlink()
    (signed_in.config_dir / _TOKEN_CACHE).mkdir()
    (finding,) = _exits(signed_in.run(*_STATUS), 17).json()["findings"]
    assert finding["code"] == "storeUnreadable"
    # The command fixes it.
    os.system(finding["command"])
    assert "storeUnreadable" not in _codes(_exits(signed_in.run(*_STATUS, "--offline"), 10))


def test_exit_code_18_if_only_this_extension_can_use_a_credential(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered)
    workload_az.run(*SERVICE_PRINCIPAL, "--certificate", path).ok()
    assert workload_az.run(*_STATUS).ok().json()["accounts"][0]["signIn"] == "certificate"
    off = workload_az.with_env(AZURE_LOGIN_EVERY_COMMAND="off")
    result = _exits(off.run(*_STATUS), 18)
    assert _codes(result) == {"builtInFails"}
    assert result.json()["findings"][0]["command"] == "unset AZURE_LOGIN_EVERY_COMMAND"
    assert not result.json()["builtInCommands"]["work"]


def test_exit_code_19_if_the_service_refuses_for_another_reason(signed_in: Az) -> None:
    scope = "https://unknown.localcloud.example/.default"
    result = _exits(signed_in.run(*_STATUS, "--tenant", "contoso.example", "--scope", scope), 19)
    assert _outcomes(result) == {"refused"}


# Service principals, managed identities and other hosts


def test_the_oldest_azure_cli_has_the_command_too(make_az: Callable[..., Az], oldest: Host, cloud: LocalCloud) -> None:
    az = make_az(host=oldest)
    assert _codes(_exits(az.run(*_STATUS), 10)) == {"notSignedIn"}
    sign_in(az, cloud, ALICE).ok()
    assert az.run(*_STATUS).ok().json()["builtInCommands"]["work"]


def test_a_service_principal_is_checked_with_its_credential(az: Az) -> None:
    words = ("login", "--service-principal", "--username", CI_APP, f"--password={CI_SECRET}")
    az.run(*words, "--tenant", "contoso.example").ok()
    (account,) = az.run(*_STATUS).ok().json()["accounts"]
    assert (account["account"], account["signIn"]) == (CI_APP, "client secret")
    assert [tenant["refresh"] for tenant in account["tenants"]] == ["works"]


def test_a_managed_identity_needs_no_sign_in_service(az: Az, cloud: LocalCloud) -> None:
    here = az.with_env(**cloud.imds_environment())
    here.run("login", "--identity").ok()
    offline = here.with_env(HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1")
    (account,) = offline.run(*_STATUS).ok().json()["accounts"]
    assert (account["accountType"], account["signIn"]) == ("managedIdentity", "managed identity")
    assert [tenant["refresh"] for tenant in account["tenants"]] == ["works"]


# The active subscription


def test_what_chooses_the_active_subscription_is_named(signed_in: Az) -> None:
    chosen = signed_in.with_env(AZURE_LOGIN_SUBSCRIPTION="Contoso Development")
    active = chosen.run(*_STATUS, "--offline").ok().json()["active"]
    assert (active["subscriptionName"], active["reason"]) == ("Contoso Development", "variable")
    assert active["origin"] == "AZURE_LOGIN_SUBSCRIPTION"
    signed_in.run("account", "context", "create", "--name", "dev", "--subscription", "Contoso Development").ok()
    active = signed_in.run(*_STATUS, "--offline", env={"AZURE_LOGIN_CONTEXT": "dev"}).ok().json()["active"]
    assert (active["context"], active["reason"], active["origin"]) == ("dev", "context", "AZURE_LOGIN_CONTEXT")
    for variables in ({}, {"AZURE_LOGIN_SUBSCRIPTION": "Contoso Development"}, {"AZURE_LOGIN_ACCOUNT": ALICE}):
        env = {"AZURE_LOGIN_CONTEXT": "dev", **variables}
        active = signed_in.run(*_STATUS, "--offline", env=env).ok().json()["active"]
        shown = signed_in.run("account", "context", "show", env=env).ok().json()
        assert (active["reason"], active["origin"]) == (shown["reason"], shown["origin"])


def test_a_choice_of_an_account_that_is_not_signed_in_is_a_finding(signed_in: Az) -> None:
    result = _exits(signed_in.with_env(AZURE_LOGIN_ACCOUNT=BOB).run(*_STATUS, "--offline"), 10)
    assert _codes(result) == {"choice"}
    assert result.json()["active"] is None


def test_a_context_whose_account_is_not_signed_in_is_a_warning(signed_in: Az, cloud: LocalCloud) -> None:
    sign_in(signed_in, cloud, BOB).ok()
    signed_in.run("account", "context", "create", "--name", "bobs", "--username", BOB, "-s", "Fabrikam Main").ok()
    signed_in.run("logout", "--username", BOB).ok()
    signed_in.run("account", "set", "--subscription", "Contoso Development").ok()
    (finding,) = signed_in.run(*_STATUS, "--offline").ok().json()["findings"]
    assert (finding["code"], finding["severity"]) == ("context", "warning")
    assert "'bobs'" in finding["what"]
    assert finding["command"].startswith("az login")


# --check and --offline


@pytest.mark.parametrize(
    "name, code", [("sign-in", 0), ("token", 11), ("store", 0), ("network", 0), ("clock", 0), ("built-in", 0)]
)
def test_only_the_check_that_is_named_counts(own_az: Az, own_cloud: LocalCloud, name: str, code: int) -> None:
    own_cloud.admin.revoke(ALICE)
    assert _exits(own_az.run(*_STATUS, "--check", name), code).json()["exitCode"] == code


@pytest.mark.parametrize("name", ["sign-in", "store", "built-in"])
def test_a_check_sends_no_request_that_it_does_not_need(own_az: Az, own_cloud: LocalCloud, name: str) -> None:
    own_cloud.admin.clear_requests()
    own_az.run(*_STATUS, "--check", name).ok()
    assert own_cloud.admin.requests() == []


def test_the_check_of_the_sign_in_is_not_about_cached_tokens(signed_in: Az) -> None:
    let_tokens_age(signed_in, left=-1)
    assert _outcomes(_exits(signed_in.run(*_STATUS, "--offline"), 11)) == {"expired"}
    assert _outcomes(signed_in.run(*_STATUS, "--check", "sign-in").ok()) == {None}
    assert "expired" not in signed_in.run(*_STATUS, "--check", "sign-in", "--output", "table").ok().stdout


def test_offline_the_cached_tokens_count(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.revoke(ALICE)
    own_cloud.admin.clear_requests()
    report = own_az.run(*_STATUS, "--offline").ok().json()
    assert report["offline"]
    assert {tenant["refresh"] for tenant in report["accounts"][0]["tenants"]} == {"not tried"}
    scope = "https://vault.localcloud.example/.default"
    assert _outcomes(_exits(own_az.run(*_STATUS, "--offline", "--scope", scope), 11)) == {"expired"}
    assert own_cloud.admin.requests() == []


# --fix


def test_a_file_that_others_can_read_is_a_warning_and_fixed(signed_in: Az) -> None:
    path = signed_in.config_dir / _TOKEN_CACHE
    path.chmod(0o644)
    (finding,) = signed_in.run(*_STATUS, "--offline").ok().json()["findings"]
    assert (finding["code"], finding["severity"], finding["fixable"]) == ("fileMode", "warning", True)
    assert path.stat().st_mode & 0o777 == 0o644
    result = signed_in.run(*_STATUS, "--offline", "--fix", "--yes").ok()
    assert result.json()["findings"] == []
    assert "Fixed: " in result.stderr
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_token_cache_is_quarantined(signed_in: Az) -> None:
    (signed_in.config_dir / _TOKEN_CACHE).write_bytes(b"{damaged")
    result = _exits(signed_in.run(*_STATUS, "--fix", "--yes"), 10)
    assert _codes(result) == {"notSignedIn"}
    (quarantined,) = signed_in.config_dir.glob(f"{_TOKEN_CACHE}.damaged-*")
    assert quarantined.read_bytes() == b"{damaged"


def test_a_lock_file_is_removed_if_no_process_holds_it(signed_in: Az) -> None:
    path = signed_in.config_dir / f"{_TOKEN_CACHE}.lockfile"
    path.touch(mode=0o600)
    assert _codes(signed_in.run(*_STATUS, "--offline").ok()) == {"lockLeft"}
    with _held(path):
        held = _exits(signed_in.run(*_STATUS, "--offline", "--fix", "--yes"), 17)
        assert _codes(held) == {"storeLocked"}
        assert path.exists()
    assert _codes(signed_in.run(*_STATUS, "--offline", "--fix", "--yes").ok()) == set()
    assert not path.exists()


def test_the_locks_of_requests_and_of_runs_that_were_killed_are_listed(signed_in: Az) -> None:
    run = signed_in.config_dir / "login_runs" / "0123456789abcdef"
    run.mkdir(0o700, parents=True)
    run.parent.chmod(0o700)
    run.with_suffix(".lock").touch(mode=0o600)
    signed_in.run("account", "get-access-token", "--force-refresh").ok()
    (request,) = (signed_in.config_dir / "login_requests").glob("*.lock")
    with _held(request):
        result = signed_in.run(*_STATUS, "--offline").ok()
    assert [lock for lock in result.json()["storage"]["locks"] if "/" in lock["name"]] == [
        {"name": f"login_requests/{request.name}", "holder": os.getpid(), "held": True},
        {"name": f"login_runs/{run.name}.lock", "holder": None, "held": False},
    ]
    (finding,) = result.json()["findings"]
    assert (finding["code"], finding["severity"], finding["fixable"]) == ("runLeft", "warning", False)
    # The command that it names removes the directory.
    signed_in.run(*finding["command"].split()[1:]).ok()
    assert not run.exists()
    assert _codes(signed_in.run(*_STATUS, "--offline").ok()) == set()


def test_a_setting_that_the_user_has_made_is_never_changed(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered)
    workload_az.run(*SERVICE_PRINCIPAL, "--certificate", path).ok()
    workload_az.run("config", "set", "login.every_command=off", "login.other=kept").ok()
    # Something that is fixed, so that --fix has work.
    profile = workload_az.config_dir / "azureProfile.json"
    profile.chmod(0o644)
    before = _files(workload_az)
    result = _exits(workload_az.run(*_STATUS, "--fix", "--yes"), 18)
    assert stat.S_IMODE(profile.stat().st_mode) == 0o600
    (finding,) = result.json()["findings"]
    assert (finding["code"], finding["fixable"]) == ("builtInFails", False)
    assert "login.every_command is off" in finding["what"]
    changed = {name for name, content in _files(workload_az).items() if before.get(name) != content}
    assert changed <= {_TOKEN_CACHE}
    # The command that it names turns the setting on.
    assert finding["command"] == "az config set login.every_command=auto"
    workload_az.run(*finding["command"].split()[1:]).ok()
    assert workload_az.run(*_STATUS).ok().json()["builtInCommands"]["work"]


def test_fix_leaves_a_setting_alone_where_nothing_else_is_wrong(
    workload_az: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered)
    workload_az.run(*SERVICE_PRINCIPAL, "--certificate", path).ok()
    off = workload_az.with_env(AZURE_LOGIN_EVERY_COMMAND="off")
    result = _exits(off.run(*_STATUS, "--fix", "--yes"), 18)
    assert "There is nothing that --fix can fix." in result.stderr
    # A setting that is stored does not change what a variable says.
    assert result.json()["findings"][0]["command"] == "unset AZURE_LOGIN_EVERY_COMMAND"


def _without_row(az: Az, name: str) -> None:
    """Remove a subscription from the list, as a sign-in or a refresh does that did not find it."""
    path = az.config_dir / "azureProfile.json"
    profile = json.loads(path.read_text(encoding="utf-8-sig"))
    profile["subscriptions"] = [row for row in profile["subscriptions"] if row["name"] != name]
    path.write_text(json.dumps(profile), encoding="utf-8")


def test_the_subscription_of_a_stale_context_is_read_again(own_az: Az) -> None:
    own_az.run("account", "context", "create", "--name", "dev", "-s", "Contoso Development").ok()
    own_az.run("account", "set", "-s", "Contoso Production").ok()
    rows = own_az.run("account", "list").ok().json()
    _without_row(own_az, "Contoso Development")
    (finding,) = own_az.run(*_STATUS).ok().json()["findings"]
    assert (finding["code"], finding["severity"], finding["fixable"]) == ("context", "warning", True)
    assert finding["command"] == "az account status --fix"
    (offline,) = own_az.run(*_STATUS, "--offline").ok().json()["findings"]
    assert not offline["fixable"]
    contexts = own_az.profile()["azextLogin"]["contexts"]
    assert own_az.run(*_STATUS, "--fix", "--yes").ok().json()["findings"] == []
    again = own_az.run("account", "list").ok().json()
    assert {(row["id"], row["isDefault"]) for row in again} == {(row["id"], row["isDefault"]) for row in rows}
    assert own_az.profile()["azextLogin"]["contexts"] == contexts
    shown = own_az.run("account", "show", env={"AZURE_LOGIN_CONTEXT": "dev"}).ok().json()
    assert shown["name"] == "Contoso Development"


def test_a_stale_context_whose_subscription_is_gone_stays_and_so_does_all_else(
    own_az: Az, own_cloud: LocalCloud
) -> None:
    own_az.run("account", "context", "create", "--name", "dev", "-s", "Contoso Development").ok()
    own_az.run("account", "set", "-s", "Contoso Production").ok()
    tenant = next(row for row in own_az.profile()["subscriptions"] if row["name"] == "Contoso Development")["tenantId"]
    own_cloud.admin.remove_access(ALICE, tenant, "Contoso Development")
    _without_row(own_az, "Contoso Development")
    before = own_az.profile()
    result = own_az.run(*_STATUS, "--fix", "--yes").ok()
    assert "Not fixed: The context 'dev'" in result.stderr
    assert _codes(result) == {"context"}
    assert own_az.profile() == before


def test_without_a_terminal_nothing_is_fixed_unasked(signed_in: Az) -> None:
    path = signed_in.config_dir / _TOKEN_CACHE
    path.chmod(0o644)
    assert "--yes" in signed_in.run(*_STATUS, "--fix").failed().stderr
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("answer, mode", [("n", 0o644), ("", 0o644), ("y", 0o600)])
def test_the_user_is_asked_before_something_is_fixed(signed_in: Az, answer: str, mode: int) -> None:
    path = signed_in.config_dir / _TOKEN_CACHE
    path.chmod(0o644)
    terminal = signed_in.pty(*_STATUS, "--offline", "--fix", "--output", "none")
    terminal.expect_exact("Fix this now? (y/N): ")
    terminal.sendline(answer)
    terminal.expect_exact("Fixed: " if answer == "y" else "Nothing was changed.")
    terminal.read()
    assert path.stat().st_mode & 0o777 == mode


# What is printed


def test_the_table_fits_100_columns(signed_in: Az) -> None:
    lines = signed_in.run(*_STATUS, "--output", "table").ok().stdout.splitlines()
    assert lines[0].split()[:2] == ["Account", "Tenant"]
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "Everything works."
    assert "\x1b" not in "".join(lines)


def test_the_last_line_promises_no_more_than_was_checked(signed_in: Az) -> None:
    table = signed_in.run(*_STATUS, "--check", "built-in", "--output", "table").ok().stdout
    assert table.splitlines()[-1] == "Everything that was checked works."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full, as on Linux")
def test_a_table_that_cannot_be_written_is_an_error(signed_in: Az) -> None:
    command = [str(signed_in.host.bin / "az"), *_STATUS, "--offline", "--output", "table"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, env=signed_in.environment(), cwd=signed_in.config_dir
        )
    assert result.returncode == 1
    assert b"The table could not be written to standard output: No space left on device." in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize(("env", "has_colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_the_table_has_colours_on_a_terminal_and_its_width(
    signed_in: Az, env: dict[str, str], has_colours: bool
) -> None:
    shown = signed_in.pty(*_STATUS, "--offline", "--output", "table", env=env, size=(40, 80)).read()
    assert "Everything that was checked works. No request was sent." in shown
    assert ("\x1b[32m" in shown) == has_colours
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) <= 80


def test_a_query_and_no_output_keep_the_exit_code(az: Az) -> None:
    assert _exits(az.run(*_STATUS, "--query", "status", "--output", "tsv"), 10).stdout == "notSignedIn\n"
    assert _exits(az.run(*_STATUS, "--output", "none"), 10).stdout == ""
    assert "az login" in _exits(az.run(*_STATUS, "--output", "table"), 10).stdout


def test_a_hostile_file_name_is_printed_harmlessly(signed_in: Az) -> None:
    os.close(os.open(os.fsencode(signed_in.config_dir) + b"/login_runs\x1b[31m\xff", os.O_CREAT, 0o644))
    for output in ("json", "table"):
        result = signed_in.run(*_STATUS, "--offline", "--output", output).ok()
        assert "login_runs[31m" in result.stdout
        assert "\x1b" not in result.stdout


def test_a_hostile_refusal_is_printed_and_logged_harmlessly(own_az: Az, own_cloud: LocalCloud) -> None:
    refusal = {
        "error": "invalid_grant",
        "error_description": "AADSTS70043: \x1b[31mred \u202eleft",
        "error_codes": [70043],
    }
    own_cloud.admin.fail_next("/token", count=None, status=400, body=json.dumps(refusal))
    result = _exits(own_az.run(*_STATUS, "--debug", env={"NO_COLOR": "1"}), 11)
    assert "AADSTS70043: [31mred" in result.stderr
    assert [sign for sign in "\x1b\u202e" if sign in result.stdout + result.stderr] == []


@pytest.mark.parametrize("options", [(), ("--output", "table"), ("--debug",)])
def test_nothing_that_is_printed_has_a_token_or_a_secret(signed_in: Az, options: tuple[str, ...]) -> None:
    words = ("login", "--service-principal", "--username", CI_APP, "--password=@-", "--tenant", "contoso.example")
    signed_in.run(*words, input=CI_SECRET).ok()
    before = _secrets(signed_in)
    result = signed_in.run(*_STATUS, *options).ok()
    secrets = {*before, *_secrets(signed_in), CI_SECRET}
    assert len(secrets) > len(before)
    assert [secret for secret in secrets if secret in result.stdout + result.stderr] == []


def _secrets(az: Az) -> set[str]:
    cache = json.loads((az.config_dir / _TOKEN_CACHE).read_text(encoding="utf-8"))
    return {entry["secret"] for section in cache.values() for entry in section.values() if "secret" in entry}


def _cached_at(az: Az) -> list[Any]:
    cache = json.loads((az.config_dir / _TOKEN_CACHE).read_text(encoding="utf-8"))
    return sorted(entry["cached_at"] for entry in cache["AccessToken"].values())
