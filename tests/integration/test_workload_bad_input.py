"""Credentials of service principals that cannot be used: one error with a next step, and no stored file changes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import NOWHERE, Az, Result
from tests.integration.workloads import (
    PASSPHRASE,
    POD,
    SUBJECT,
    Certificates,
    SignIn,
    entries,
    write,
    write_pem,
    write_pfx,
)
from tests.localcloud import CI_APP, CI_SECRET, SERVICE_CONNECTION, LocalCloud
from tests.localcloud.certificatemaker import make_certificate
from tests.users import ALICE

NOBODY = "00000000-0000-0000-0000-000000000001"
WRONG = "no-such~secret'1"
#: Latin-1 in the form that Python gives to bytes of argv and the environment that are not UTF-8 (PEP 383).
NOT_UTF_8 = "p\udce4ss"
APPLICATION = ("login", "--service-principal", "-u", CI_APP)
FROM_ENVIRONMENT = ("login", "--from-env")
DAY = timedelta(days=1)


def refused(az: Az, *words: str, input: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run the command, and return its only error. The lines after the first one have a next step."""
    result: Result = replace(az, secrets=(*az.secrets, WRONG)).run(*words, input=input, env=env).failed()
    assert not result.stdout, result
    error = result.stderr.partition("ERROR: ")[2]
    message, _, next_step = error.partition("\n")
    assert message.strip(), result
    assert next_step.strip(), result
    assert "-----BEGIN" not in error.replace("-----BEGIN CERTIFICATE-----", "").replace(
        "-----BEGIN PRIVATE KEY-----.", ""
    ), result
    return error


def with_certificate(path: Path, *more: str, input: str | None = None) -> SignIn:
    return SignIn(("--certificate", str(path), *more), input)


def with_password(path: Path) -> SignIn:
    return with_certificate(path, "--password=@-", input=WRONG)


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:700])
    return path


Making = Callable[[Path, Certificates], SignIn]
CERTIFICATES: dict[str, tuple[Making, str]] = {
    "no such file": (lambda folder, made: with_certificate(folder / "ci.pem"), "no such file"),
    "a path through a file": (
        lambda folder, made: with_certificate(write(folder / "file", "") / "ci.pem"),
        "could not be read",
    ),
    "another kind of file": (
        lambda folder, made: with_certificate(write(folder / "ci.pem", "hello")),
        "neither a PEM file nor a PFX",
    ),
    "no key": (lambda folder, made: with_certificate(write(folder / "ci.pem", made.registered.pem)), "private key"),
    "a key of another certificate": (
        lambda folder, made: with_certificate(write(folder / "ci.pem", made.issued.key_pem() + made.registered.pem)),
        "does not belong to the certificate",
    ),
    "a damaged key": (
        lambda folder, made: with_certificate(
            write(folder / "ci.pem", made.registered.pem + made.registered.key_pem().replace("\nMII", "\nMIX"))
        ),
        "is damaged",
    ),
    "expired": (
        lambda folder, made: with_certificate(
            write_pem(folder / "ci.pem", make_certificate("ci", starts_in=-2 * DAY, ends_in=-DAY))
        ),
        "expired at",
    ),
    "not valid yet": (
        lambda folder, made: with_certificate(
            write_pem(folder / "ci.pem", make_certificate("ci", starts_in=DAY, ends_in=2 * DAY))
        ),
        "is not valid before",
    ),
    "the wrong passphrase of a PEM key": (
        lambda folder, made: with_password(write_pem(folder / "ci.pem", made.registered, passphrase=PASSPHRASE)),
        "passphrase of",
    ),
    "the wrong passphrase of a PFX file": (
        lambda folder, made: with_password(write_pfx(folder / "ci.pfx", made.registered, passphrase=PASSPHRASE)),
        "passphrase of",
    ),
    "no such file, with a password": (lambda folder, made: with_password(folder / "ci.pfx"), "no such file"),
    "a directory, with a password": (lambda folder, made: with_password(folder), "is a directory"),
    "half a PFX file, with a password": (
        lambda folder, made: with_password(cut(write_pfx(folder / "ci.pfx", made.registered, passphrase=PASSPHRASE))),
        "is damaged",
    ),
    "another kind of file, with a password": (
        lambda folder, made: with_password(write(folder / "ci.pfx", "hello")),
        "neither a PEM file nor a PFX",
    ),
    "no passphrase, and no terminal": (
        lambda folder, made: with_certificate(
            write_pfx(folder / "ci.pfx", made.registered, passphrase=PASSPHRASE), "--store-decrypted-key"
        ),
        "no passphrase was given",
    ),
}


@pytest.mark.parametrize("problem", list(CERTIFICATES))
def test_a_certificate_that_cannot_be_used_is_refused_before_anything_is_sent(
    bystanders: Az, workload_cloud: LocalCloud, certificates: Certificates, tmp_path: Path, problem: str
) -> None:
    make, says = CERTIFICATES[problem]
    sign_in = make(tmp_path, certificates)
    requests = len(workload_cloud.admin.requests())
    tenant = workload_cloud.directory.tenant("contoso.example").id
    error = refused(bystanders, *APPLICATION, "--tenant", tenant, *sign_in.words, input=sign_in.input)
    assert says in error
    assert sign_in.words[1] in error  # the path
    assert "Nothing was sent" in error
    assert len(workload_cloud.admin.requests()) == requests


def _token(folder: Path, text: str) -> tuple[str, str]:
    return "--federated-token-file", str(write(folder / "token", text))


TOKENS: dict[str, tuple[Callable[[Path, LocalCloud], tuple[str, ...]], str]] = {
    "no such file": (lambda folder, cloud: ("--federated-token-file", str(folder / "token")), "no such file"),
    "a file with something else": (lambda folder, cloud: _token(folder, WRONG), "does not hold a federated token"),
    "a file with an expired token": (
        lambda folder, cloud: _token(folder, cloud.admin.issue_assertion(POD, lifetime=-600)),
        "expired at",
    ),
    "an expired token": (
        lambda folder, cloud: ("--federated-token", cloud.admin.issue_assertion(POD, lifetime=-600)),
        "expired at",
    ),
    "something else": (lambda folder, cloud: ("--federated-token", WRONG), "is not a JSON Web Token"),
    "no job of GitHub": (lambda folder, cloud: ("--federated-token-source", "github"), "id-token: write"),
    "no job of Azure Pipelines": (
        lambda folder, cloud: (
            *("--federated-token-source", "azure-pipelines"),
            *("--service-connection-id", SERVICE_CONNECTION),
        ),
        "SYSTEM_ACCESSTOKEN: $(System.AccessToken)",
    ),
}


@pytest.mark.parametrize("problem", list(TOKENS))
def test_a_federated_token_that_cannot_be_used_is_refused_before_anything_is_sent(
    bystanders: Az, workload_cloud: LocalCloud, tmp_path: Path, problem: str
) -> None:
    make, says = TOKENS[problem]
    words = make(tmp_path, workload_cloud)
    requests = len(workload_cloud.admin.requests())
    tenant = workload_cloud.directory.tenant("contoso.example").id
    assert says in refused(bystanders, *APPLICATION, "--tenant", tenant, *words)
    assert len(workload_cloud.admin.requests()) == requests


@pytest.mark.parametrize(
    ("client", "tenant", "secret", "says"),
    [
        pytest.param(CI_APP, "contoso.example", WRONG, "client secret of service principal", id="wrong secret"),
        pytest.param(NOBODY, "contoso.example", CI_SECRET, NOBODY, id="unknown client"),
        pytest.param("ci app", "contoso.example", CI_SECRET, "ci app", id="a client that is no ID"),
        pytest.param(CI_APP, NOBODY, CI_SECRET, NOBODY, id="unknown tenant by ID"),
        pytest.param(CI_APP, "nowhere.example", CI_SECRET, "nowhere.example", id="unknown domain"),
        pytest.param(CI_APP, "tailspin.example", CI_SECRET, "There is no service principal", id="wrong tenant"),
        pytest.param(CI_APP, "common", CI_SECRET, "does not name one tenant", id="no tenant"),
    ],
)
def test_a_secret_that_is_refused_is_one_error_with_the_next_step(
    bystanders: Az, client: str, tenant: str, secret: str, says: str
) -> None:
    words = ("login", "--service-principal", "-u", client, "--tenant", tenant, "--password=@-")
    error = refused(bystanders, *words, input=secret)
    assert says in error
    assert "az " in error


@pytest.mark.parametrize(
    ("issue", "says"),
    [
        ({"audience": "api://another"}, "names another issuer, subject or audience"),
        ({"subject": "system:serviceaccount:build:another"}, "names another issuer, subject or audience"),
        ({"issuer": "another"}, "names another issuer, subject or audience"),
        ({"forged": True}, "federated"),
        ({"starts_in": 900.0}, "not valid yet"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_federated_token_that_is_refused_is_one_error_with_the_next_step(
    bystanders: Az, workload_cloud: LocalCloud, issue: dict[str, str], says: str
) -> None:
    assertion = workload_cloud.admin.issue_assertion(**{"subject": POD, **issue})  # type: ignore[arg-type]
    error = refused(bystanders, *APPLICATION, "--tenant", "fabrikam.example", "--federated-token", assertion)
    assert says in error
    assert "az login --service-principal" in error
    assert assertion not in error


@pytest.mark.parametrize("by_name", [False, True])
def test_the_error_for_a_certificate_that_is_not_registered_has_what_to_compare(
    bystanders: Az, certificates: Certificates, tmp_path: Path, by_name: bool
) -> None:
    stranger = make_certificate(SUBJECT, make_certificate("Another CA", ca=True))
    path = write_pem(tmp_path / "ci.pem", stranger)
    words = ("--certificate", str(path), *(["--use-cert-sn-issuer"] if by_name else []))
    error = refused(bystanders, *APPLICATION, "--tenant", "fabrikam.example", *words)
    assert f"az ad app credential list --cert --id {CI_APP}" in error
    assert stranger.key_pem()[100:140] not in error


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 403, "body": '{"message": "No permission."}'}, "id-token: write"),
        ({"kind": "html"}, "GitHub's service for ID tokens"),
        ({"kind": "unavailable"}, "503"),
        ({"kind": "drop"}, "GitHub's service for ID tokens"),
    ],
    ids=["refuses", "HTML", "busy", "hangs up"],
)
def test_a_service_of_a_build_system_that_issues_no_token_is_one_error(
    bystanders: Az, workload_cloud: LocalCloud, fault: dict[str, str], says: str
) -> None:
    environment = workload_cloud.github_environment()
    workload_cloud.admin.fail_next("/github/jobs", count=None, **fault)  # type: ignore[arg-type]
    words = (*APPLICATION, "--tenant", "contoso.example", "--federated-token-source", "github")
    error = refused(bystanders, *words, env=environment)
    assert says in error
    assert environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] not in error


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "No environment variable describes a credential"),
        ({"AZURE_CLIENT_ID": CI_APP, "AZURE_CLIENT_SECRET": WRONG}, "set AZURE_TENANT_ID as well"),
        ({"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": NOBODY, "AZURE_CLIENT_SECRET": ""}, "Set but empty"),
        ({"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com"}, "az cloud set --name AzureCloud"),
        ({"AZURE_AUTHORITY_HOST": "https://["}, "not the address of a sign-in service"),
        ({"AZURE_CLIENT_SECRET": WRONG}, "client secret of service principal"),
        ({"AZURE_TENANT_ID": "nowhere.example"}, "nowhere.example"),
        ({"AZURE_TENANT_ID": NOT_UTF_8}, "AZURE_TENANT_ID holds bytes that are not UTF-8"),
        ({"AZURE_CLIENT_SECRET": NOT_UTF_8}, "AZURE_CLIENT_SECRET holds bytes that are not UTF-8"),
    ],
    ids=[
        "nothing",
        "no tenant",
        "empty",
        "another cloud",
        "no address",
        "wrong secret",
        "unknown tenant",
        "a tenant in Latin-1",
        "a secret in Latin-1",
    ],
)
def test_an_environment_without_a_credential_is_one_error_with_the_variables_to_check(
    bystanders: Az, environment: dict[str, str], says: str
) -> None:
    if len(environment) == 1:
        whole = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": "contoso.example", "AZURE_CLIENT_SECRET": CI_SECRET}
        environment = {**whole, **environment}
    assert says in refused(bystanders, *FROM_ENVIRONMENT, env=environment)


USER = {"AZURE_USERNAME": ALICE, "AZURE_PASSWORD": WRONG}
CLIENT = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": NOBODY, "AZURE_CLIENT_SECRET": WRONG}


@pytest.mark.parametrize(
    ("option", "environment", "says"),
    [
        ("--no-store-secret", USER, "'--no-store-secret' is only applicable with a service principal"),
        ("--skip-subscription-discovery", USER, "AZURE_TENANT_ID"),
        ("--store-decrypted-key", CLIENT, "'--store-decrypted-key' requires"),
    ],
)
def test_an_option_that_does_not_go_with_what_the_environment_describes_is_refused_before_anything_is_sent(
    bystanders: Az, option: str, environment: dict[str, str], says: str
) -> None:
    away = bystanders.with_env(NO_PROXY="")
    error = refused(away, *FROM_ENVIRONMENT, option, env=environment)
    assert "usage error" in error
    assert says in error


@pytest.mark.parametrize(
    "words",
    [
        f"--service-principal -u {CI_APP} --password={WRONG}",
        f"--service-principal -u {CI_APP} --tenant {NOBODY} --federated-token-file t --password={WRONG}",
        f"--service-principal -u {CI_APP} --tenant {NOBODY} --federated-token-source azure-pipelines",
        "--federated-token-file token",
        f"--from-env --password={WRONG}",
        "--from-env --identity",
        f"--identity --client-id {CI_APP} --object-id {CI_APP}",
    ],
)
def test_options_that_are_missing_or_contradict_each_other_are_refused_before_anything_is_sent(
    bystanders: Az, words: str
) -> None:
    away = bystanders.with_env(NO_PROXY="", AZURE_POD_IDENTITY_AUTHORITY_HOST=NOWHERE)
    assert "usage error" in refused(away, "login", *words.split()).lower()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="a command line of any bytes")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--tenant", NOBODY, f"--password={NOT_UTF_8}"), "The password holds bytes that are not UTF-8"),
        (("--tenant", NOBODY, f"--username={NOT_UTF_8}", "-p=x"), "'--username' holds bytes that are not UTF-8"),
        (("--tenant", NOT_UTF_8, "--password=x"), "Tenant 'p?ss' was not found"),
    ],
    ids=["password", "user name", "tenant"],
)
def test_text_that_is_not_utf_8_is_refused_by_name_before_anything_is_sent(
    bystanders: Az, words: tuple[str, ...], says: str
) -> None:
    away = bystanders.with_env(NO_PROXY="")
    assert says in refused(away, *APPLICATION, *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [((), "Please specify both username and password"), (("--password=@-",), "The password that was given is empty")],
    ids=["no secret", "an empty secret"],
)
def test_without_a_terminal_a_missing_secret_is_an_error(bystanders: Az, words: tuple[str, ...], says: str) -> None:
    away = bystanders.with_env(NO_PROXY="")
    error = refused(away, *APPLICATION, "--tenant", NOBODY, *words)
    assert says in error
    assert "--password" in error


@pytest.mark.parametrize(
    "words",
    [
        "--federated-token-source gitlab",
        "--federated-token-file",
        "--service-principal --no-such-option",
    ],
)
def test_what_the_parser_refuses_has_its_exit_code(bystanders: Az, words: str) -> None:
    bystanders.run("login", *words.split()).failed(2)


def test_a_failed_sign_in_keeps_the_entry_of_the_same_service_principal(bystanders: Az) -> None:
    before = entries(bystanders)
    refused(bystanders, *APPLICATION, "--tenant", "contoso.example", "--password=@-", input=WRONG)
    assert entries(bystanders) == before


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"status": 200, "body": "{}"}, "answered without a token"),
    "a gateway's refusal": ({"status": 403, "body": '{"message": "Slow down."}'}, "answered without a token"),
    "too many requests": ({"status": 429, "body": "{}", "headers": {"Retry-After": "60"}}, "again in 60 seconds"),
    "no end": ({"status": 200, "body": '{"access_token": "x", "expires_in": 1e999}'}, "expires_in|infinity|how long"),
    "odd codes": ({"status": 400, "body": '{"error": ["a"], "error_codes": 5}'}, "a"),
    "orders to the terminal": (
        {
            "status": 400,
            "body": json.dumps(
                {"error": "x", "error_description": "AADSTS1: \x1b[31mred\x9b1m \u202etxet\x07\r\nmore"}
            ),
        },
        r"AADSTS1: \[31mred1m txet\n",
    ),
    "another address": ({"status": 307}, "Nothing was sent there"),
}


@pytest.mark.parametrize("answer", list(ANSWERS))
def test_an_invalid_answer_of_the_token_service_is_one_error(
    make_az: Callable[..., Az], own_cloud: LocalCloud, answer: str
) -> None:
    how, says = ANSWERS[answer]
    with LocalCloud() as elsewhere:
        if how["status"] == 307:
            how = {**how, "headers": {"Location": f"{elsewhere.url}/token"}}
        own_cloud.admin.fail_next("/token$", count=None, **how)
        words = (*APPLICATION, "--tenant", "contoso.example", "--password=@-")
        error = refused(make_az(cloud=own_cloud), *words, input=CI_SECRET)
        assert re.search(says, error)
        assert error.replace("\n", "").isprintable()
        assert not elsewhere.admin.requests()
