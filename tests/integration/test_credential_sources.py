"""`az login --credential-source`: something else gives the credential of a service principal, and gives it again."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.hosts import Host
from tests.integration.test_access_tokens import changed
from tests.integration.workloads import (
    GRAPH,
    OTHER_TENANT,
    POD,
    SERVICE_PRINCIPAL,
    TENANT,
    VAULT,
    end_access_tokens,
    entries,
    guarded,
    kept,
    subscriptions_used,
    token_claims,
    traces,
    write,
    write_entries,
)
from tests.localcloud import CI_APP, CI_SECRET, DEPLOY_IDENTITY, GITHUB_SUBJECT, VM_IDENTITY, LocalCloud

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")


@dataclass(frozen=True)
class Program:
    """A program that prints a credential. It records what it was asked for, a line for each run."""

    path: Path

    @property
    def runs(self) -> list[str]:
        """The tenant, the application and the scopes of each run, with the arguments."""
        record = self.path.with_name("runs")
        return record.read_text(encoding="utf-8").splitlines() if record.exists() else []

    def prints(self, content: object) -> None:
        """Print another text or JSON from now on."""
        text = content if isinstance(content, str) else json.dumps(content)
        write(self.path.with_name("next"), text)

    def sign_in(self, az: Az, arguments: str = "", *words: str) -> Result:
        """Run `az login` with this program."""
        source = ("--credential-source", "command", "--source-arg", f"command='{self.path}' {arguments}")
        return az.run(*SERVICE_PRINCIPAL, *source, *words)


def make_program(folder: Path, body: str = '/bin/cat "${0%/*}/next"') -> Program:
    folder.mkdir(exist_ok=True)
    asked = "$AZURE_LOGIN_SOURCE_TENANT $AZURE_LOGIN_SOURCE_CLIENT_ID $AZURE_LOGIN_SOURCE_SCOPES $*"
    path = write(folder / "get credential", f'#!/bin/sh\necho "{asked}" >> "${{0%/*}}/runs"\n{body}\n')
    path.chmod(0o700)
    return Program(path)


@pytest.fixture
def program(tmp_path: Path, workload_cloud: LocalCloud) -> Program:
    """A program that prints a federated token of a pod."""
    made = make_program(tmp_path / "tools")
    made.prints(assertion(workload_cloud))
    return made


def assertion(cloud: LocalCloud, **options: Any) -> dict[str, Any]:
    return {"version": 1, "kind": "assertion", "assertion": cloud.admin.issue_assertion(POD, **options), "more": 1}


SECRET = {"version": 1, "kind": "secret", "secret": CI_SECRET}


def finished_token(az: Az, *resource: str) -> dict[str, Any]:
    """Return a finished access token of ci-app, which `az` itself has got with the client secret."""
    az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    token = az.run("account", "get-access-token", *resource).ok().json()
    az.run("logout").ok()
    return {"version": 1, "kind": "token", "access_token": token["accessToken"], "expires_on": token["expires_on"]}


@pytest.mark.parametrize("host", ["newest", pytest.param("oldest", marks=pytest.mark.oldest)])
def test_a_program_gives_federated_tokens_to_every_command(
    make_az: Callable[..., Az],
    workload_cloud: LocalCloud,
    program: Program,
    host: str,
    request: pytest.FixtureRequest,
) -> None:
    found: Host = request.getfixturevalue(host)
    az = guarded(make_az(cloud=workload_cloud, host=found))
    program.sign_in(az, "--audience 'api://x y' ; touch $HOME").ok()
    (entry,) = entries(az)
    tenant = workload_cloud.directory.tenant(TENANT).id
    (run,) = program.runs
    assert run.startswith(f"{tenant} {CI_APP} ")
    assert run.endswith(" --audience api://x y ; touch $HOME")
    first = entry["client_assertion"]

    # It runs again only when its token is due, also for a built-in command.
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    assert len(program.runs) == 1
    end_access_tokens(az)
    write_entries(az, [{**entry, "client_assertion": workload_cloud.admin.issue_assertion(POD, lifetime=-1)}])
    assert subscriptions_used(az)
    assert len(program.runs) == 2
    second = entries(az)[0]["client_assertion"]
    assert az.run("account", "renew").ok().json()["failed"] == []
    az.run("account", "list", "--refresh").ok()
    az.run("logout").ok()
    assert not traces(az, first, second, str(program.path))


def test_a_program_gives_a_client_secret_that_is_never_stored(
    workload_az: Az, workload_cloud: LocalCloud, program: Program
) -> None:
    program.prints(SECRET)
    program.sign_in(workload_az).ok()
    assert not traces(workload_az, CI_SECRET)
    assert token_claims(workload_az, "--resource", VAULT)["appid"] == CI_APP
    # An access token is cached, and the program does not run for it again.
    runs = len(program.runs)
    assert token_claims(workload_az, "--resource", VAULT)["appid"] == CI_APP
    assert len(program.runs) == runs
    end_access_tokens(workload_az)
    assert subscriptions_used(workload_az)
    assert workload_az.run("account", "renew").ok().json()["failed"] == []
    workload_az.run("account", "list", "--refresh").ok()
    assert not traces(workload_az, CI_SECRET)


def test_a_program_gives_finished_access_tokens_for_the_scopes_that_are_asked_for(
    workload_az: Az, workload_cloud: LocalCloud, program: Program
) -> None:
    az = workload_az
    for_vault, for_resource_manager = finished_token(az, "--resource", VAULT), finished_token(az)
    program.prints(for_resource_manager)
    program.sign_in(az).ok()
    runs = len(program.runs)
    assert subscriptions_used(az)
    assert len(program.runs) == runs
    program.prints(for_vault)
    token = az.run("account", "get-access-token", "--resource", VAULT).ok().json()
    assert token["accessToken"] == for_vault["access_token"]
    assert f" {VAULT}/.default" in program.runs[-1]
    # The built-in commands find it without us as well.
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    assert len(program.runs) == runs + 1


def test_a_finished_access_token_that_has_expired_is_refused(
    workload_az: Az, workload_cloud: LocalCloud, program: Program
) -> None:
    token = finished_token(workload_az)
    before = kept(workload_az)
    program.prints({**token, "expires_on": time.time() - 5})
    assert "The access token of the credential source expired at" in program.sign_in(workload_az).failed().stderr
    assert kept(workload_az) == before


_SOMEBODY = "00000000-1111-2222-3333-444444444444"


@pytest.mark.parametrize(
    "claims, says",
    [
        ({"tid": _SOMEBODY}, f"is of the tenant '{_SOMEBODY}', and not of"),
        ({"appid": _SOMEBODY}, f"is of the application '{_SOMEBODY}', and not of '{CI_APP}'"),
        ({"appid": None, "azp": _SOMEBODY}, f"is of the application '{_SOMEBODY}', and not of '{CI_APP}'"),
        ({"exp": 5}, "expired at 1970-01-01"),
        ({"nbf": 4e9}, "is not valid before 2096-10-02"),
    ],
)
def test_a_finished_access_token_that_is_foreign_or_not_valid_now_is_refused(
    workload_az: Az, program: Program, claims: dict[str, object], says: str
) -> None:
    given = finished_token(workload_az, "--resource", VAULT)
    before = kept(workload_az)
    program.prints({**given, "access_token": changed(given["access_token"], **claims)})
    # Azure Resource Manager, which would find the signature that does not fit, is asked for nothing.
    said = program.sign_in(workload_az, "", "--skip-subscription-discovery").failed().stderr
    assert says in said
    assert kept(workload_az) == before


@pytest.mark.parametrize("kind", ["assertion", "secret"])
def test_twenty_commands_at_once_run_the_program_once(
    workload_az: Az, workload_cloud: LocalCloud, program: Program, kind: str
) -> None:
    az = workload_az
    program.prints(assertion(workload_cloud) if kind == "assertion" else SECRET)
    program.sign_in(az).ok()
    end_access_tokens(az)
    (entry,) = entries(az)
    if kind == "assertion":
        write_entries(az, [{**entry, "client_assertion": workload_cloud.admin.issue_assertion(POD, lifetime=-1)}])
    runs = len(program.runs)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: token_claims(az), range(20)))
    assert len(program.runs) == runs + 1


_PRINTS = '/bin/cat "${0%/*}/next"'
FAILURES: dict[str, tuple[str, object, str]] = {
    "another exit code": (f"{_PRINTS}; {_PRINTS} >&2; exit 1", None, "exited with code 1"),
    "a signal": (f"{_PRINTS}; kill -9 $$", None, "was ended by signal 9"),
    "no output": ("echo ' '", None, "printed nothing"),
    "garbage": (_PRINTS, "secret-canary {", "something other than a JSON object"),
    "a list": (_PRINTS, ["secret-canary"], "something other than a JSON object"),
    "deep JSON": (_PRINTS, "[" * 100_000, "something other than a JSON object"),
    "another version": (_PRINTS, {**SECRET, "version": 2}, "'version' is not 1"),
    "no version": (_PRINTS, {"kind": "secret", "secret": "secret-canary"}, "'version' is not 1"),
    "another kind": (_PRINTS, {**SECRET, "kind": "secret-canary"}, "'kind' is not one of"),
    "no value": (_PRINTS, {**SECRET, "secret": ["secret-canary"]}, "without a text in 'secret'"),
    "no federated token": (
        _PRINTS,
        {"version": 1, "kind": "assertion", "assertion": "secret-canary"},
        "is not a federated token",
    ),
    "a broken token": (
        _PRINTS,
        {"version": 1, "kind": "token", "access_token": "secret canary", "expires_on": 2e9},
        "cannot be an access token",
    ),
    "no expiry": (_PRINTS, {"version": 1, "kind": "token", "access_token": "secret-canary"}, "'expires_on' is not"),
    "a huge expiry": (
        _PRINTS,
        '{"version": 1, "kind": "token", "access_token": "secret-canary", "expires_on": 1' + "0" * 400 + "}",
        "'expires_on' is not",
    ),
    "100 MB": ("exec /usr/bin/head -c 100000000 /dev/zero", None, "more than 256 KB"),
}


@pytest.mark.parametrize("failure", list(FAILURES))
def test_a_program_that_fails_is_one_error_without_its_output(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path, failure: str
) -> None:
    body, content, says = FAILURES[failure]
    program = make_program(tmp_path / "tools", body)
    printed = assertion(workload_cloud)
    program.prints(printed if content is None else content)
    secrets = (printed["assertion"], "secret-canary", "secret canary", CI_SECRET)
    az = replace(workload_az, secrets=(*workload_az.secrets, *secrets))
    before = kept(az)
    said = program.sign_in(az).failed().stderr
    assert says in said
    assert str(program.path) in said
    assert len(program.runs) == 1
    logged = program.sign_in(az, "", "--debug").stderr
    assert says in logged
    assert not [secret for secret in az.secrets if secret in logged]
    assert kept(az) == before


def test_a_program_that_hangs_is_stopped(workload_az: Az, tmp_path: Path) -> None:
    program = make_program(tmp_path / "tools", "echo waiting for the vault >&2; exec /bin/sleep 100")
    said = program.sign_in(workload_az).failed().stderr
    assert "did not end within 30 seconds" in said
    assert "It printed: waiting for the vault" in said


def test_a_program_that_cannot_be_started_is_named(workload_az: Az, program: Program) -> None:
    program.path.chmod(0o600)
    assert "may not be run by this user" in program.sign_in(workload_az).failed().stderr
    program.path.unlink()
    assert "was not found" in program.sign_in(workload_az).failed().stderr


def test_a_failure_after_the_sign_in_names_the_program_and_keeps_everything(
    workload_az: Az, workload_cloud: LocalCloud, program: Program
) -> None:
    program.prints(SECRET)
    program.sign_in(workload_az).ok()
    before = entries(workload_az)
    program.prints("garbage")
    said = workload_az.run("account", "get-access-token", "--resource", GRAPH).failed().stderr
    assert "something other than a JSON object" in said
    assert entries(workload_az) == before
    # A credential that Entra refuses: the advice is the command that signed in.
    program.prints({**SECRET, "secret": "another-secret"})
    said = workload_az.run("account", "get-access-token", "--resource", GRAPH).failed().stderr
    assert "--credential-source command --source-arg" in said
    assert "--password" not in said


def test_a_source_of_federated_tokens_has_the_same_entry_by_either_option(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path
) -> None:
    az, cloud = workload_az, workload_cloud
    cloud.admin.add_federated_credential("ci-app", "github", GITHUB_SUBJECT)
    job = cloud.github_environment()
    file = write(tmp_path / "token", cloud.admin.issue_assertion(POD))
    for option, source in (
        (("--federated-token-source", "github"), ("--credential-source", "github")),
        (
            ("--federated-token-file", str(file)),
            ("--credential-source", "file", "--source-arg", f"path={file}"),
        ),
    ):
        stored = []
        for words in (option, source):
            az.run(*SERVICE_PRINCIPAL, *words, env=job).ok()
            (entry,) = entries(az)
            stored.append({**entry, "client_assertion": "..."})
        assert stored[0] == stored[1]


@pytest.mark.parametrize(
    "words, says",
    [
        (("--credential-source", "nowhere"), "there is no credential source 'nowhere'"),
        (("--credential-source", "a\x1b[31m"), "there is no credential source 'a[31m'"),
        (("--credential-source", "command"), "requires --source-arg command=VALUE"),
        (("--credential-source", "github", "--source-arg", "a=b"), "has no argument 'a'"),
        (("--credential-source", "command", "--source-arg", "true"), "takes KEY=VALUE"),
        (("--credential-source", "command", "--source-arg", "command="), "'--source-arg command' is empty"),
        (
            ("--credential-source", "command", "--source-arg", "command=true", "--source-arg", "command=false"),
            "is given twice",
        ),
        (("--source-arg", "command=true", "--password", "x"), "only applicable with '--credential-source'"),
        (("--credential-source", "github", "--password", "x"), "cannot be combined with each other"),
    ],
)
def test_a_source_that_cannot_be_meant_is_a_usage_error(workload_az: Az, words: tuple[str, ...], says: str) -> None:
    assert says in workload_az.run(*SERVICE_PRINCIPAL, *words).failed().stderr


def trust_identity(cloud: LocalCloud, client_id: str) -> None:
    """Let ci-app trust a managed identity of its own tenant."""
    tenant = cloud.directory.tenant(TENANT).id
    cloud.admin.add_federated_credential("ci-app", f"{cloud.url}/{tenant}/v2.0", identity_subject(cloud, client_id))


def identity_subject(cloud: LocalCloud, client_id: str) -> str:
    return cloud.directory.application(client_id).principals[0].oid


MANAGED_IDENTITY = ("--credential-source", "managed-identity")


@pytest.mark.parametrize("tenant", [TENANT, OTHER_TENANT])
@pytest.mark.parametrize("kind", ["imds", "app_service"])
def test_an_application_signs_in_with_a_managed_identity_that_it_trusts(
    workload_az: Az, workload_cloud: LocalCloud, tenant: str, kind: str
) -> None:
    cloud = workload_cloud
    trust_identity(cloud, DEPLOY_IDENTITY)
    az = workload_az.with_env(**getattr(cloud, f"{kind}_environment")())
    login = ("login", "--service-principal", "-u", CI_APP, "--tenant", tenant)
    source = (*MANAGED_IDENTITY, "--source-arg", f"client_id={DEPLOY_IDENTITY}")
    az.run(*login, *source).ok()
    (entry,) = entries(az)
    claims = token_claims(az, "--resource", VAULT)
    assert (claims["appid"], claims["tid"]) == (CI_APP, cloud.directory.tenant(tenant).id)
    end_access_tokens(az)
    write_entries(az, [{**entry, "client_assertion": cloud.admin.issue_assertion(POD, lifetime=-1)}])
    assert subscriptions_used(az)
    assert az.run("account", "renew").ok().json()["failed"] == []
    az.run("logout").ok()
    assert not traces(az, CI_APP)


def test_an_application_trusts_the_system_assigned_identity_and_no_other(
    workload_az: Az, workload_cloud: LocalCloud
) -> None:
    trust_identity(workload_cloud, VM_IDENTITY)
    az = workload_az.with_env(**workload_cloud.imds_environment())
    az.run(*SERVICE_PRINCIPAL, *MANAGED_IDENTITY).ok()
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    others = f"client_id={workload_cloud.directory.application('reader-identity').app_id}"
    said = az.run(*SERVICE_PRINCIPAL, *MANAGED_IDENTITY, "--source-arg", others).failed().stderr
    assert "AADSTS700213" in said
    # The audience of another cloud: the application does not expect it.
    said = az.run(*SERVICE_PRINCIPAL, *MANAGED_IDENTITY, "--source-arg", f"audience={VAULT}").failed().stderr
    assert "AADSTS700236" in said


def test_a_managed_identity_that_is_missing_is_explained_without_signing_in_as_it(
    workload_az: Az, workload_cloud: LocalCloud
) -> None:
    az = workload_az.with_env(**workload_cloud.imds_environment())
    said = az.run(*SERVICE_PRINCIPAL, *MANAGED_IDENTITY, "--source-arg", "client_id=" + "a" * 8).failed().stderr
    assert "aaaaaaaa" in said
    assert "--source-arg client_id=ID" in said
    assert "--identity" not in said
    words = ("--source-arg", "client_id=a", "object_id=b")
    assert "cannot be combined" in az.run(*SERVICE_PRINCIPAL, *MANAGED_IDENTITY, *words).failed().stderr
