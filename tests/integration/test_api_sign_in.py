"""Signing in through `azext_login.api`: each way, with what is stored and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.integration.workloads import (
    PASSPHRASE,
    POD,
    TENANT,
    Certificates,
    entries,
    guarded,
    subscriptions_used,
    write,
    write_pfx,
)
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

_SHOWN = re.compile(r"SHOWN: .*?(https://\S+)\s.*\bcode\s+(\S+)\s")


@pytest.fixture
def az_with_sample(make_az: Callable[..., Az], stage: Stage, workload_cloud: LocalCloud) -> Az:
    """An `az` with both extensions, signed out."""
    az = make_az(cloud=workload_cloud)
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    az.run("sample", "-h", timeout=180).ok()
    return az


@pytest.mark.parametrize("method", ["secret", "certificate", "federated"])
def test_an_application_signs_in_and_every_command_can_use_it(
    az_with_sample: Az, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path, method: str
) -> None:
    az, path = az_with_sample, tmp_path / "credential"
    secret = {"secret": CI_SECRET, "certificate": PASSPHRASE, "federated": ""}[method]
    if method == "certificate":
        write_pfx(path, certificates.registered, passphrase=PASSPHRASE)
        az = az.with_env(AZURE_CLIENT_CERTIFICATE_PASSWORD=PASSPHRASE)
    elif method == "federated":
        write(path, workload_cloud.admin.issue_assertion(POD))
    words = ("--method", method, "--client-id", CI_APP, "--path", str(path), "--tenant", TENANT)
    made = az.run("sample", "sign-in", *words, env={"SAMPLE_SECRET": secret}).ok().json()
    assert (made["name"], made["kind"], made["is_active"]) == (CI_APP, "service_principal", True)
    shown = az.run("account", "show").ok().json()
    assert shown["user"]["name"] == CI_APP
    assert shown["id"] in [each["id"] for each in made["subscriptions"]]
    assert [entry["client_id"] for entry in entries(az)] == [CI_APP]
    assert subscriptions_used(az) == {shown["id"]}


def test_a_user_signs_in_with_the_code_that_the_caller_shows(
    az_with_sample: Az, workload_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    words = ("sample", "sign-in", "--method", "device")
    process = az_with_sample.start(*words)
    assert process.stderr
    shown, prompt = "", None
    while prompt is None and (line := process.stderr.readline()):
        shown += line
        prompt = _SHOWN.search(shown)
    assert prompt, shown
    assert shown.count(prompt[2]) == 1
    make_http_user(ALICE, at=workload_cloud, user_code=prompt[2]).visit(prompt[1])
    made = az_with_sample.result(process, *words).ok().json()
    assert (made["name"], made["kind"]) == (ALICE, "user")
    assert az_with_sample.run("account", "show").ok().json()["user"]["name"] == ALICE


@pytest.mark.parametrize(
    "words, secret, expected",
    [
        (("--method", "secret", "--tenant", TENANT), "wrong", "AADSTS7000215"),
        (("--method", "secret", "--tenant", TENANT), "", "The client secret is empty"),
        (("--method", "secret"), CI_SECRET, "TENANT"),
        (("--method", "browser"), "", "No browser can be opened here"),
    ],
    ids=["a wrong secret", "no secret", "no tenant", "no browser"],
)
def test_a_refused_sign_in_is_one_error_and_stores_nothing(
    az_with_sample: Az, words: tuple[str, ...], secret: str, expected: str
) -> None:
    failed = az_with_sample.run("sample", "sign-in", "--client-id", CI_APP, *words, env={"SAMPLE_SECRET": secret})
    assert expected in failed.failed().stderr
    assert failed.stderr.count("ERROR") == 1
    assert not (az_with_sample.config_dir / "service_principal_entries.json").exists()
    assert az_with_sample.run("account", "list").ok().json() == []


def test_a_protected_certificate_without_its_passphrase_is_refused_without_a_question(
    az_with_sample: Az, certificates: Certificates, tmp_path: Path
) -> None:
    path = write_pfx(tmp_path / "ci.pfx", certificates.registered, passphrase=PASSPHRASE)
    words = ("--method", "certificate", "--client-id", CI_APP, "--path", str(path), "--tenant", TENANT)
    failed = az_with_sample.run("sample", "sign-in", *words).failed()
    assert "has a passphrase" in failed.stderr
    assert failed.stderr.count("ERROR") == 1


def test_a_subscription_that_is_not_found_is_an_error_and_the_sign_in_is_kept(az_with_sample: Az) -> None:
    words = ("--method", "secret", "--client-id", CI_APP, "--tenant", TENANT, "--default", "no such name")
    failed = az_with_sample.run("sample", "sign-in", *words, env={"SAMPLE_SECRET": CI_SECRET}).failed()
    assert "no such name" in failed.stderr
    assert az_with_sample.run("account", "show").ok().json()["user"]["name"] == CI_APP


@pytest.mark.parametrize("host_account", ["user", "application"])
def test_an_ssh_certificate_is_requested_with_more_fields(
    az_with_sample: Az, workload_cloud: LocalCloud, host_account: str
) -> None:
    if host_account == "user":
        sign_in(az_with_sample, workload_cloud, ALICE).ok()
    else:
        words = ("--method", "secret", "--client-id", CI_APP, "--tenant", TENANT)
        az_with_sample.run("sample", "sign-in", *words, env={"SAMPLE_SECRET": CI_SECRET}).ok()
    got = az_with_sample.run("sample", "certificate").ok().json()
    assert got == {"type": "ssh-cert", "typeOfToken": "ssh-cert", "isTheSame": True}
