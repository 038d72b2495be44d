"""`az account status` for service principals and managed identities whose credential cannot be used any more."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.harness.az import Az, Result
from tests.integration.test_managed_identities import environment_of
from tests.integration.workloads import POD, SERVICE_PRINCIPAL, Certificates, write, write_pem
from tests.localcloud import CI_APP, CI_SECRET, DEPLOY_IDENTITY, VM_IDENTITY, LocalCloud
from tests.localcloud.certificatemaker import make_certificate

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")


def _status(az: Az, code: int, outcome: str, *, offline: bool = False) -> Result:
    """Run the command, and check its exit code and the status of the only tenant."""
    result = az.run("account", "status", *(["--offline"] if offline else []))
    assert result.exit_code == code, str(result)
    result.assert_clean()
    ((tenant,),) = [account["tenants"] for account in result.json()["accounts"]]
    assert tenant["status"] == outcome
    # No command of the user enables an account, or assigns an identity to this resource.
    assert bool(result.json()["findings"][0]["command"]) is (outcome != "accountDisabled")
    return result


def test_an_expired_federated_token_of_a_file(workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path) -> None:
    file = write(tmp_path / "token", workload_cloud.admin.issue_assertion(POD))
    workload_az.run(*SERVICE_PRINCIPAL, "--federated-token-file", file).ok()
    workload_az.run("account", "status").ok()
    write(file, workload_cloud.admin.issue_assertion(POD, lifetime=-60))
    _status(workload_az, 11, "expired")


@pytest.mark.parametrize(("kind", "field"), [("assertion", "assertion"), ("token", "access_token")])
def test_an_expired_token_of_a_program(
    workload_az: Az, workload_cloud: LocalCloud, tmp_path: Path, kind: str, field: str
) -> None:
    answer = tmp_path / "answer"
    program = write(tmp_path / "program", f"#!/bin/sh\nexec /bin/cat '{answer}'\n")
    program.chmod(0o700)
    token = workload_cloud.admin.issue_assertion(POD)
    write(answer, json.dumps({"version": 1, "kind": "assertion", "assertion": token}))
    source = ("--credential-source", "command", "--source-arg", f"command={program}")
    workload_az.run(*SERVICE_PRINCIPAL, *source).ok()
    # The stored federated token is used as long as it is valid.
    entries = workload_az.config_dir / "service_principal_entries.json"
    old = workload_cloud.admin.issue_assertion(POD, lifetime=-60)
    write(entries, entries.read_text(encoding="utf-8").replace(token, old))
    expired = {"version": 1, "kind": kind, field: old}
    write(answer, json.dumps({**expired, "expires_on": 1}))
    _status(workload_az, 11, "expired")


def test_an_expired_certificate(workload_az: Az, certificates: Certificates, tmp_path: Path) -> None:
    file = write_pem(tmp_path / "ci.pem", certificates.registered)
    workload_az.run(*SERVICE_PRINCIPAL, "--certificate", file).ok()
    write_pem(file, make_certificate("ci-app", starts_in=timedelta(days=-2), ends_in=timedelta(days=-1)))
    _status(workload_az, 11, "expired")


@pytest.mark.parametrize(
    ("code", "outcome", "exit_code"),
    [(7000222, "expired", 11), (700024, "expired", 11), (7000215, "refused", 19), (700016, "refused", 19)],
)
def test_a_refused_client_secret(
    make_az: Callable[..., Az], own_cloud: LocalCloud, code: int, outcome: str, exit_code: int
) -> None:
    az = make_az(cloud=own_cloud)
    words = ("login", "--service-principal", "--username", CI_APP, f"--password={CI_SECRET}")
    az.run(*words, "--tenant", "contoso.example").ok()
    body = {"error": "invalid_client", "error_codes": [code], "error_description": f"AADSTS{code}: Refused."}
    own_cloud.admin.fail_next("/token$", count=None, status=401, body=json.dumps(body))
    _status(az, exit_code, outcome)


def test_a_managed_identity_whose_service_is_gone(az: Az, cloud: LocalCloud) -> None:
    here = az.with_env(**cloud.imds_environment())
    here.run("login", "--identity").ok()
    _status(az.with_env(AZURE_POD_IDENTITY_AUTHORITY_HOST="http://127.0.0.1:9"), 15, "offline")


@pytest.mark.parametrize(
    ("kind", "words", "identity"),
    [
        ("imds", (), VM_IDENTITY),
        ("imds", ("--client-id", DEPLOY_IDENTITY), DEPLOY_IDENTITY),
        ("app_service", (), VM_IDENTITY),
        ("service_fabric", (), VM_IDENTITY),
        ("machine_learning", (), VM_IDENTITY),
    ],
)
def test_a_managed_identity_that_was_removed(
    make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str, words: tuple[str, ...], identity: str
) -> None:
    az = make_az(cloud=own_cloud).with_env(**environment_of(own_cloud, kind))
    az.run("login", "--identity", *words).ok()
    own_cloud.admin.assign_identity(identity, False)
    _status(az, 14, "accountDisabled")
