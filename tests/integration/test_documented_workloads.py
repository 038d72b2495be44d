"""The jobs in docs/workloads.rst, run step by step in the environment of their services, and the commands there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from tests.harness.az import Az
from tests.harness.stage import Stage
from tests.harness.wheel import without_package_index
from tests.integration.documentation import bash, block, code_blocks
from tests.integration.workloads import end_access_tokens, entries, write_entries
from tests.localcloud import (
    CI_APP,
    CI_SECRET,
    DEPLOY_IDENTITY,
    GITHUB_SUBJECT,
    PIPELINES_SUBJECT,
    SERVICE_CONNECTION,
    LocalCloud,
)
from tests.localcloud.certificatemaker import make_certificate

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the jobs are written for bash")

_READ_SECRET = 'read -rsp "Client secret: " SECRET && echo'
_TOKEN_FILE = (
    'az login --service-principal --username "$APP_ID" --tenant "$TENANT_ID" --federated-token-file "$TOKEN_FILE"'
)
_WATCH = "az account renew --watch --output none > renew.log 2>&1 &"
_CERTIFICATE = 'az login --service-principal --username "$APP_ID" --tenant "$TENANT_ID" --certificate deploy.pem'
_PROGRAM = (
    'az login --service-principal --username "$APP_ID" --tenant "$TENANT_ID" --credential-source command '
    '--source-arg "command=./get-credential --for deploy"'
)
_MANAGED_IDENTITY = (
    'az login --service-principal --username "$APP_ID" --tenant "$TENANT_ID" --credential-source managed-identity'
)
_HANDED_OVER = "az account get-access-token --query accessToken --output tsv > token"

#: First lines of the blocks of commands that are tested here.
TESTED = {
    _TOKEN_FILE, "az login --identity", _CERTIFICATE, _READ_SECRET, "az login --from-env", "az account renew", _WATCH,
    _PROGRAM, _MANAGED_IDENTITY, _HANDED_OVER,
}  # fmt: skip

_SERVICE_ACCOUNT = "system:serviceaccount:default:deployer"
_EXPRESSION = re.compile(r"\$\{\{ vars\.(\w+) \}\}")
_MACRO = re.compile(r"\$\(([\w.]+)\)")


@pytest.fixture(scope="module")
def workload_cloud() -> Iterator[LocalCloud]:
    """A cloud where the application trusts the issuers of the jobs."""
    with LocalCloud() as running:
        for issuer, subject in (
            ("kubernetes", _SERVICE_ACCOUNT),
            ("github", GITHUB_SUBJECT),
            ("azure-pipelines", PIPELINES_SUBJECT),
        ):
            running.admin.add_federated_credential("ci-app", issuer, subject)
        yield running


@pytest.fixture
def az(make_az: Callable[..., Az], workload_cloud: LocalCloud) -> Az:
    """`az` with a shell and its usual tools beside it."""
    made = make_az(cloud=workload_cloud)
    return made.with_env(PATH=f"{made.host.bin}:/usr/bin:/bin")


@pytest.fixture
def principal(workload_cloud: LocalCloud) -> dict[str, str]:
    """What the variables of the commands stand for."""
    tenant = workload_cloud.directory.tenant("contoso.example").id
    return {"APP_ID": CI_APP, "TENANT_ID": tenant, "IDENTITY_ID": DEPLOY_IDENTITY}


@dataclass
class Runner:
    """What runs the steps of a job: each in a shell of its own, in one working directory."""

    az: Az
    shells: list[int] = field(default_factory=list)

    def run(self, script: str, env: Mapping[str, str]) -> str:
        """Run one step, and return its output. Fails if it fails, or if it does not end."""
        process = subprocess.Popen(
            ["/bin/bash", "-euo", "pipefail", "-c", script],
            env=self.az.environment({**without_package_index(), **env}),
            cwd=self.az.config_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.shells.append(process.pid)
        # Returns when no process has the step's output open any more.
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 0, f"{script}\n{stdout}\n{stderr}"
        assert "Traceback" not in stderr
        return stdout

    def is_busy(self) -> bool:
        """Tell whether anything that a step has started is still running."""
        return any(_signal_group(shell, 0) for shell in self.shells)

    def clean_up(self) -> None:
        """End what the steps have left running, as the services do when a job is over."""
        for shell in self.shells:
            _signal_group(shell, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while self.is_busy():
            assert time.monotonic() < deadline, "a process outlives its job"
            time.sleep(0.05)

    def assert_renewed(self) -> None:
        """Wait until the watch in the background has had its first round."""
        log = self.az.config_dir / "renew.log"
        deadline = time.monotonic() + 60
        while "federated token until" not in log.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.1)


def _signal_group(group: int, number: int) -> bool:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def runner(az: Az) -> Iterator[Runner]:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    made = Runner(az)
    yield made
    with contextlib.suppress(AssertionError):
        made.clean_up()
    for shell in made.shells:
        _signal_group(shell, signal.SIGKILL)


@pytest.fixture
def checked_out(runner: Runner, stage: Stage, tmp_path: Path) -> Runner:
    """A runner whose working directory has the wheel in it, and whose Azure CLI does not have the extension yet."""
    wheel = stage.wheel()
    tools = runner.az.config_dir / "tools"
    tools.mkdir()
    shutil.copy(wheel, tools)
    runner.az = replace(runner.az, extension_dir=tmp_path / "extensions")
    return runner


def _documents(word: str) -> list[Any]:
    """Return the documents of the one YAML block with this word in it."""
    (found,) = [text for text in code_blocks("yaml") if word in text]
    return list(yaml.safe_load_all(found))


def test_there_is_a_job_for_each_yaml_block() -> None:
    # Those that are left are about kubectl (test_documented_programs.py) and contexts (test_documented_contexts.py).
    elsewhere = ("exec-credential", "self-hosted")
    assert len([text for text in code_blocks("yaml") if not any(word in text for word in elsewhere)]) == 3


def test_the_workflow_for_github_actions(checked_out: Runner, workload_cloud: LocalCloud) -> None:
    (workflow,) = _documents("ubuntu-latest\n    permissions")
    (job,) = workflow["jobs"].values()
    variables = {
        "AZURE_CLIENT_ID": CI_APP,
        "AZURE_TENANT_ID": workload_cloud.directory.tenant("contoso.example").id,
    }
    env = {name: _EXPRESSION.sub(lambda found: variables[found[1]], value) for name, value in job["env"].items()}
    # The service gives ID tokens to jobs that request the permission.
    if job["permissions"].get("id-token") == "write":
        env.update(workload_cloud.github_environment())
    steps = [step["run"] for step in job["steps"] if "run" in step]
    outputs = [checked_out.run(step, env) for step in steps]
    assert "network" in outputs[-1]
    _expire_tokens(checked_out, workload_cloud, GITHUB_SUBJECT)
    assert "network" in checked_out.run(steps[-1], env)
    watch, _ = block(_WATCH)
    checked_out.run(watch, env)
    assert checked_out.is_busy(), "the watch ended with the step that started it"
    checked_out.assert_renewed()
    checked_out.clean_up()


def test_the_pipeline_for_azure_pipelines(checked_out: Runner, workload_cloud: LocalCloud) -> None:
    (pipeline,) = _documents("AzureCLI@2")
    (step,) = pipeline["steps"]
    assert step["inputs"]["azureSubscription"] == "production"
    job = workload_cloud.azure_pipelines_environment()
    secrets = {"System.AccessToken": job.pop("SYSTEM_ACCESSTOKEN")}
    env = {name: _MACRO.sub(lambda found: secrets[found[1]], value) for name, value in step["env"].items()}
    # What the task sets for a service connection with workload identity federation.
    task = {
        "AZURESUBSCRIPTION_CLIENT_ID": CI_APP,
        "AZURESUBSCRIPTION_TENANT_ID": workload_cloud.directory.tenant("contoso.example").id,
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": SERVICE_CONNECTION,
    }
    env |= {**job, **task}
    script = step["inputs"]["inlineScript"]
    assert "network" in checked_out.run(script, env)
    _expire_tokens(checked_out, workload_cloud, PIPELINES_SUBJECT)
    assert "network" in checked_out.run(script.splitlines()[-1], env)


def test_the_job_for_aks(runner: Runner, workload_cloud: LocalCloud) -> None:
    account, job = _documents("azure.workload.identity/use")
    template = job["spec"]["template"]
    spec = template["spec"]
    (container,) = spec["containers"]
    token = runner.az.config_dir / "azure-identity-token"
    # The cluster puts the token into pods with the label, for the service account that they run as.
    subject = f"system:serviceaccount:default:{spec['serviceAccountName']}"
    token.write_text(workload_cloud.admin.issue_assertion(subject), encoding="ascii")
    assert template["metadata"]["labels"] == {"azure.workload.identity/use": "true"}
    assert account["metadata"]["name"] == spec["serviceAccountName"]
    assert list(account["metadata"]["annotations"]) == ["azure.workload.identity/client-id"]
    env = {
        "AZURE_CLIENT_ID": CI_APP,
        "AZURE_TENANT_ID": workload_cloud.directory.tenant("contoso.example").id,
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
        "AZURE_AUTHORITY_HOST": f"{workload_cloud.url}/",
    }
    assert container["command"] == ["/bin/bash", "-euc"]
    (script,) = container["args"]
    sign_in, command = script.splitlines()
    assert "network" in runner.run(script, env)
    _expire_tokens(runner, workload_cloud, subject)
    assert "network" in runner.run(command, env)
    first_round = "until grep --quiet 'federated token until' renew.log; do sleep 0.1; done"
    assert "network" in runner.run("\n".join([sign_in, *block(_WATCH), first_round, command]), env)
    _assert_ended(runner)


def _expire_tokens(runner: Runner, cloud: LocalCloud, subject: str) -> None:
    """Leave what a job finds after a while: no access token that is valid, and a federated token that has expired."""
    end_access_tokens(runner.az)
    expired = cloud.admin.issue_assertion(subject, lifetime=-600)
    (entry,) = entries(runner.az)
    write_entries(runner.az, [{**entry, "client_assertion": expired}])


def _assert_ended(runner: Runner) -> None:
    """Fail unless the watch ends with the script that started it, and in good order."""
    deadline = time.monotonic() + 60
    while runner.is_busy():
        assert time.monotonic() < deadline, "the watch outlives the script"
        time.sleep(0.05)
    said = (runner.az.config_dir / "renew.log").read_text(encoding="utf-8")
    assert "Stopped. What was renewed stays stored." in said
    assert "could not" not in said


def test_a_federated_token_in_a_file_and_renewing_it(
    az: Az, workload_cloud: LocalCloud, principal: dict[str, str]
) -> None:
    token = az.config_dir / "token"
    token.write_text(workload_cloud.admin.issue_assertion(_SERVICE_ACCOUNT), encoding="ascii")
    bash(az, block(_TOKEN_FILE), env={**principal, "TOKEN_FILE": str(token)})
    renewed = json.loads(bash(az, block("az account renew"), env=principal))
    assert (renewed["user"]["name"], renewed["failed"]) == (CI_APP, [])


def test_a_program_that_gives_the_credential(az: Az, principal: dict[str, str]) -> None:
    program = az.config_dir / "get-credential"
    content = {"version": 1, "kind": "secret", "secret": CI_SECRET}
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(content)}\nEND\n", encoding="utf-8")
    program.chmod(0o700)
    assert CI_APP in bash(az, block(_PROGRAM), env=principal)


def test_an_application_that_trusts_a_managed_identity(
    az: Az, workload_cloud: LocalCloud, principal: dict[str, str]
) -> None:
    issuer = f"{workload_cloud.url}/{principal['TENANT_ID']}/v2.0"
    for identity in ("vm-identity", DEPLOY_IDENTITY):
        subject = workload_cloud.directory.application(identity).principals[0].oid
        workload_cloud.admin.add_federated_credential("ci-app", issuer, subject)
    output = bash(az, block(_MANAGED_IDENTITY), env={**principal, **workload_cloud.imds_environment()})
    assert output.count('"isDefault": true') == 2


def test_an_access_token_that_is_handed_over(az: Az, principal: dict[str, str]) -> None:
    az.run("login", "--service-principal", "-u", CI_APP, "-t", principal["TENANT_ID"], f"--password={CI_SECRET}").ok()
    container = az.config_dir / "container"
    container.mkdir()
    shutil.copy(az.config_dir / "clouds.config", container)
    shutil.copy(az.config_dir / "config", container)
    output = bash(az, block(_HANDED_OVER), env=principal)
    assert CI_APP in output


def test_the_table_of_sources_has_the_names_and_the_arguments_of_the_registry() -> None:
    from azext_login.auth.sources.registry import BUILT_IN
    from tests.integration.documentation import ROOT

    text = (ROOT / "docs" / "workloads.rst").read_text(encoding="utf-8")
    table = text[text.index("A credential source\n") : text.index(".. sources-end")]
    rows = re.findall(r"\* - ``([a-z-]+)``\n     -(.*(?:\n       .*)*)", table)
    documented = {name: re.findall(r"``([a-z_]+)``", cell) for name, cell in rows}
    assert documented == {source.name: [each.name for each in source.arguments] for source in BUILT_IN}


def test_the_identities_of_a_virtual_machine(az: Az, workload_cloud: LocalCloud, principal: dict[str, str]) -> None:
    bash(az, block("az login --identity"), env={**principal, **workload_cloud.imds_environment()})
    users = {row["user"]["assignedIdentityInfo"] for row in az.profile()["subscriptions"]}
    assert users == {"MSI", f"MSIClient-{DEPLOY_IDENTITY}"}


def test_a_certificate_in_either_kind_of_file(az: Az, workload_cloud: LocalCloud, principal: dict[str, str]) -> None:
    certificate = make_certificate("ci.contoso.example")
    workload_cloud.admin.add_certificate("ci-app", certificate.pem)
    (az.config_dir / "deploy.pem").write_text(certificate.key_pem() + certificate.pem, encoding="ascii")
    passphrase = "correct horse"
    (az.config_dir / "passphrase").write_text(f"{passphrase}\n", encoding="ascii")
    (az.config_dir / "deploy.pfx").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"deploy", certificate.key, certificate.certificate, None, BestAvailableEncryption(passphrase.encode())
        )
    )
    bash(az, block(_CERTIFICATE), env=principal)
    assert {row["user"]["name"] for row in az.profile()["subscriptions"]} == {CI_APP}


def test_a_client_secret_from_standard_input_and_from_a_file(az: Az, principal: dict[str, str]) -> None:
    (az.config_dir / "secret").write_text(f"{CI_SECRET}\n", encoding="utf-8")
    output = bash(az, block(_READ_SECRET), env=principal, stdin=f"{CI_SECRET}\n")
    assert output.count('"isDefault": true') == 2
    assert CI_SECRET not in output


def test_a_client_secret_from_the_environment(az: Az, principal: dict[str, str]) -> None:
    env = {
        "AZURE_CLIENT_ID": principal["APP_ID"],
        "AZURE_TENANT_ID": principal["TENANT_ID"],
        "AZURE_CLIENT_SECRET": CI_SECRET,
    }
    assert CI_APP in bash(az, block("az login --from-env"), env=env)


# The table of variables: row by row the required ones, then the optional ones.
_VARIABLE = re.compile(r"``(AZURE_\w+)``")


def test_the_table_of_variables_has_the_order_and_the_names_of_from_env() -> None:
    from azext_login.auth.workload.environment import credentials_from_environment
    from tests.integration.documentation import ROOT

    text = (ROOT / "docs" / "workloads.rst").read_text(encoding="utf-8")
    table = text[text.index("if these variables are set") : text.index("An empty variable counts as not set")]
    rows = re.findall(r"\* - ([a-z ]+)\n((?:     .*\n)+)", table)
    everything = {name: name.lower() for name in _VARIABLE.findall(table)}
    for kind, cell in rows:
        needed, _, optional = cell.partition("; also")
        found = credentials_from_environment({**everything, "AZURE_AUTHORITY_HOST": ""})
        assert found.kind == kind
        assert set(found.variables) == {*_VARIABLE.findall(needed), *_VARIABLE.findall(optional)}
        assert credentials_from_environment(dict.fromkeys(_VARIABLE.findall(needed), "x")).kind == kind
        # Without what only this kind needs, it is the next one's turn.
        for name in _VARIABLE.findall(needed):
            if name not in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
                everything.pop(name)
    assert len(rows) == 4
