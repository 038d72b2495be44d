"""Service principals whose entries a later azure-cli has stored: a command that prints federated tokens, and a mark for
the build system that runs the job (azure-cli#33989). The tests write the entries as it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.other_user import NOBODY, give_away, public_directory, require_superuser
from tests.integration.workloads import (
    GRAPH,
    POD,
    SERVICE_PRINCIPAL,
    VAULT,
    entries,
    guarded,
    token_claims,
    traces,
    write,
    write_entries,
)
from tests.localcloud import (
    CI_APP,
    CI_SECRET,
    GITHUB_SUBJECT,
    PIPELINES_SUBJECT,
    SERVICE_CONNECTION,
    LocalCloud,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")

MARK = "federated_identity"
STORAGE = "https://storage.azure.com"
OTHERS: list[dict[str, Any]] = [
    {"client_id": "a" * 8, "tenant": "b", "client_assertion_callback": "get-token --audience 'x y'", "later": [1]},
    {"client_id": "c" * 8, "tenant": "d", "client_assertion": MARK},
    {"client_id": CI_APP, "tenant": "elsewhere", "client_assertion": MARK},
]
"""Entries of other applications, or of other tenants, that no command here may change."""


@dataclass(frozen=True)
class Script:
    """A program that prints a federated token. It records its arguments, a line for each run."""

    path: Path

    @property
    def runs(self) -> list[str]:
        """The arguments of each run."""
        record = self.path.with_name("runs")
        return record.read_text(encoding="utf-8").splitlines() if record.exists() else []

    def prints(self, token: str) -> None:
        """Print another token from now on."""
        write(self.path.with_name("next"), f"\n {token}\n")


def make_script(folder: Path, body: str = '/bin/cat "${0%/*}/next"') -> Script:
    folder.mkdir(exist_ok=True)
    path = write(folder / "get token", f'#!/bin/sh\necho "$*" >> "${{0%/*}}/runs"\n{body}\n')
    path.chmod(0o700)
    return Script(path)


@pytest.fixture
def script(tmp_path: Path, workload_cloud: LocalCloud) -> Script:
    """A program that prints a token of a pod."""
    made = make_script(tmp_path / "tools")
    made.prints(workload_cloud.admin.issue_assertion(POD))
    return made


def signed_in_later(az: Az, cloud: LocalCloud, **credential: str) -> dict[str, Any]:
    """Sign ci-app in, replace its entry with one of the later host, and return that."""
    write_entries(az, [])
    az.run(*SERVICE_PRINCIPAL, "--federated-token", cloud.admin.issue_assertion(POD)).ok()
    (ours,) = entries(az)
    entry = {"client_id": ours["client_id"], "tenant": ours["tenant"], **credential}
    write_entries(az, [*OTHERS, entry])
    return entry


def with_command(az: Az, cloud: LocalCloud, script: Script, arguments: str = "") -> dict[str, Any]:
    return signed_in_later(az, cloud, client_assertion_callback=f"'{script.path}' {arguments}")


def latest_token(az: Az, entry: dict[str, Any]) -> str:
    """Return the federated token that is stored for an entry, which has to be as it was, like all others."""
    *others, stored = entries(az)
    assert others == OTHERS
    own = stored.pop("azextLogin")
    assert stored == entry
    return str(own.pop("assertion"))


@pytest.mark.parametrize("host", ["newest", pytest.param("oldest", marks=pytest.mark.oldest)])
def test_a_stored_command_gives_federated_tokens_and_stays_stored(
    make_az: Callable[..., Az],
    newest: Host,
    workload_cloud: LocalCloud,
    script: Script,
    host: str,
    request: pytest.FixtureRequest,
) -> None:
    az = guarded(make_az(cloud=workload_cloud, host=request.getfixturevalue(host)))
    entry = with_command(az, workload_cloud, script, "--audience 'api://x y' ; touch $HOME")
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    assert script.runs == ["--audience api://x y ; touch $HOME"]
    first = latest_token(az, entry)

    second = workload_cloud.admin.issue_assertion(POD, lifetime=900)
    script.prints(second)
    renewed = az.run("account", "renew").ok().json()
    assert renewed["failed"] == []
    assert latest_token(az, entry) == second != first
    az.run("account", "list", "--refresh").ok()
    assert token_claims(az, "--resource", GRAPH)["appid"] == CI_APP
    assert latest_token(az, entry) == second
    az.run("logout").ok()
    assert not traces(az, first, second)


def test_the_command_runs_again_only_when_its_token_is_due(
    workload_az: Az, workload_cloud: LocalCloud, script: Script
) -> None:
    az = workload_az
    entry = with_command(az, workload_cloud, script)
    for resource in (VAULT, GRAPH):
        assert token_claims(az, "--resource", resource)["appid"] == CI_APP
    assert len(script.runs) == 1
    due = workload_cloud.admin.issue_assertion(POD, lifetime=50, age=600)
    write_entries(az, [*OTHERS, {**entry, "azextLogin": {"assertion": due}}])
    assert token_claims(az, "--resource", STORAGE)["appid"] == CI_APP
    assert len(script.runs) == 2
    assert latest_token(az, entry) != due


def test_other_sign_ins_and_sign_outs_keep_a_stored_command(
    workload_az: Az, workload_cloud: LocalCloud, script: Script
) -> None:
    az = workload_az
    entry = with_command(az, workload_cloud, script)
    other = ("login", "--service-principal", "-u", CI_APP, "--tenant", "fabrikam.example", "--password=@-")
    az.run(*other, input=CI_SECRET).ok()
    assert entry in entries(az)
    assert all(each in entries(az) for each in OTHERS)
    alice = workload_cloud.directory.users[0]
    az.run("login", "-u", alice.username, "--password=@-", input=alice.password).ok()
    az.run("logout").ok()
    assert entry in entries(az)


@pytest.mark.parametrize("service", ["github", "azure-pipelines"])
def test_the_mark_of_a_build_gets_tokens_of_the_job_and_stays_stored(
    workload_az: Az, workload_cloud: LocalCloud, service: str
) -> None:
    az, cloud = workload_az, workload_cloud
    if service == "github":
        subject, job = GITHUB_SUBJECT, cloud.github_environment()
        # A job of GitHub may have variables of Azure Pipelines. GitHub takes precedence.
        job["SYSTEM_OIDCREQUESTURI"] = "https://nowhere.example"
    else:
        subject, job = PIPELINES_SUBJECT, cloud.azure_pipelines_environment()
        job["ARM_OIDC_AZURE_SERVICE_CONNECTION_ID"] = SERVICE_CONNECTION
    cloud.admin.add_federated_credential("ci-app", service, subject)
    entry = signed_in_later(az, cloud, client_assertion=MARK)
    assert token_claims(az, "--resource", VAULT, env=job)["appid"] == CI_APP
    first = latest_token(az, entry)
    assert az.run("account", "renew", env=job).ok().json()["failed"] == []
    assert latest_token(az, entry) != first

    # A step without the variables uses the stored token while it is valid, even if it expires soon.
    due = cloud.admin.issue_assertion(subject, issuer=service, lifetime=50, age=600)
    write_entries(az, [*OTHERS, {**entry, "azextLogin": {"assertion": due}}])
    said = az.run("account", "get-access-token", "--resource", STORAGE).ok().stderr
    assert "The stored federated token is used" in said
    expired = cloud.admin.issue_assertion(subject, lifetime=-600)
    write_entries(az, [*OTHERS, {**entry, "azextLogin": {"assertion": expired}}])
    said = az.run("account", "get-access-token", "--resource", GRAPH).failed().stderr
    assert "no build system runs this command" in said
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" in said
    assert latest_token(az, entry) == expired


def test_a_step_of_azure_pipelines_without_a_service_connection_is_told_the_variable(
    workload_az: Az, workload_cloud: LocalCloud
) -> None:
    signed_in_later(workload_az, workload_cloud, client_assertion=MARK)
    job = workload_cloud.azure_pipelines_environment()
    said = workload_az.run("account", "get-access-token", "--resource", VAULT, env=job).failed().stderr
    assert "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID is not set" in said


@pytest.mark.parametrize(
    "variable", ["ARM_OIDC_AZURE_SERVICE_CONNECTION_ID", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"]
)
def test_a_sign_in_of_azure_pipelines_takes_the_service_connection_from_the_environment(
    workload_az: Az, workload_cloud: LocalCloud, variable: str
) -> None:
    az, cloud = workload_az, workload_cloud
    cloud.admin.add_federated_credential("ci-app", "azure-pipelines", PIPELINES_SUBJECT)
    job = cloud.azure_pipelines_environment()
    sign_in = (*SERVICE_PRINCIPAL, "--federated-token-source", "azure-pipelines")
    assert "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID" in az.run(*sign_in, env=job).failed().stderr
    az.run(*sign_in, env={**job, variable: SERVICE_CONNECTION}).ok()
    (entry,) = entries(az)
    assert entry["azextLogin"]["assertionSource"]["service_connection_id"] == SERVICE_CONNECTION
    # The option takes precedence over the variable.
    wrong = {**job, variable: "b" * 32}
    az.run(*sign_in, "--service-connection-id", SERVICE_CONNECTION, env=wrong).ok()
    assert "b" * 32 in az.run(*sign_in, env=wrong).failed().stderr


_PRINTS_TOKEN = '/bin/cat "${0%/*}/next"'
FAILURES = {
    "another exit code": (f"{_PRINTS_TOKEN}; {_PRINTS_TOKEN} >&2; exit 3", "exited with code 3"),
    "a signal": (f"{_PRINTS_TOKEN}; kill -9 $$", "was ended by signal 9"),
    "no output": ("echo ' '", "printed nothing"),
    "something else": ("echo not-a-token-canary", "something other than a federated token"),
    "two tokens": (f"{_PRINTS_TOKEN}; {_PRINTS_TOKEN}", "something other than a federated token"),
    "no end of output": ("while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done", "more than 256 KB"),
}


@pytest.mark.parametrize("failure", list(FAILURES))
def test_a_command_that_fails_is_one_error_without_its_output(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path, failure: str
) -> None:
    body, says = FAILURES[failure]
    script = make_script(tmp_path / "tools", body)
    token = workload_cloud.admin.issue_assertion(POD)
    script.prints(token)
    az = replace(workload_az, secrets=(*workload_az.secrets, token, "not-a-token-canary"))
    entry = with_command(az, workload_cloud, script)
    said = az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert says in said
    assert str(script.path) in said
    assert len(script.runs) == 1
    logged = az.run("account", "get-access-token", "--resource", VAULT, "--debug").stderr
    assert says in logged
    assert not [secret for secret in az.secrets if secret in logged]
    assert entries(az) == [*OTHERS, entry]


def test_a_program_that_cannot_be_started_is_named(workload_az: Az, workload_cloud: LocalCloud, script: Script) -> None:
    az = workload_az
    token = ("account", "get-access-token", "--resource", VAULT)
    with_command(az, workload_cloud, script)
    script.path.chmod(0o600)
    assert "may not be run by this user" in az.run(*token).failed().stderr
    script.path.unlink()
    assert "was not found" in az.run(*token).failed().stderr
    for command_line, says in (
        ("get-token 'x", "quotation mark"),
        ("''", "is empty"),
        ("get-\x1b[31mtoken", "get-[31m"),
    ):
        signed_in_later(az, workload_cloud, client_assertion_callback=command_line)
        said = az.run(*token).failed().stderr
        assert says in said
        assert "\x1b" not in said


def test_the_stored_token_is_used_when_the_command_fails(
    workload_az: Az, workload_cloud: LocalCloud, script: Script
) -> None:
    entry = with_command(workload_az, workload_cloud, script)
    workload_az.run("account", "get-access-token", "--resource", VAULT).ok()
    assert latest_token(workload_az, entry)
    # It expires soon, so another one is due.
    token = workload_cloud.admin.issue_assertion(POD, lifetime=50, age=600)
    write_entries(workload_az, [*OTHERS, {**entry, "azextLogin": {"assertion": token}}])
    script.path.unlink()
    said = workload_az.run("account", "get-access-token", "--resource", GRAPH).ok().stderr
    assert "was not found" in said
    assert "The stored federated token is used" in said
    assert latest_token(workload_az, entry) == token


def test_a_command_that_others_can_replace_does_not_run(
    workload_az: Az, workload_cloud: LocalCloud, script: Script
) -> None:
    with_command(workload_az, workload_cloud, script)
    workload_az.config_dir.chmod(0o777)
    said = workload_az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert "Other users can write to the config directory with" in said
    assert "chmod go-w" in said
    assert script.runs == []
    workload_az.config_dir.chmod(0o755)
    workload_az.run("account", "get-access-token", "--resource", VAULT).ok()


def test_the_command_of_another_user_does_not_run(
    make_az: Callable[..., Az], workload_cloud: LocalCloud, script: Script
) -> None:
    require_superuser()
    with public_directory() as folder:
        az = guarded(make_az(cloud=workload_cloud))
        with_command(az, workload_cloud, script)
        theirs = replace(az, config_dir=folder / "azure")
        az.config_dir.rename(theirs.config_dir)
        give_away(theirs.config_dir)
        said = theirs.run("account", "get-access-token", "--resource", VAULT).failed().stderr
        assert f"Another user (ID {NOBODY})" in said
        reported = theirs.run("account", "status", "--offline", "--output", "json").stdout
        assert str(script.path) not in reported
        assert script.runs == []
