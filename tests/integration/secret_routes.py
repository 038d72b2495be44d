"""The ways in which a secret reaches `az login`, other than plainly on its command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import requests

from tests.integration.canaries import new_canary, private_parts, signature_of
from tests.integration.workloads import SERVICE_PRINCIPAL, TENANT, write, write_pem, write_pfx
from tests.localcloud import CI_APP, SERVICE_CONNECTION, LocalCloud
from tests.localcloud.certificatemaker import MadeCertificate
from tests.localcloud.scopes import ARM_AUDIENCES
from tests.users import BOB

ENTRIES = "service_principal_entries.json"
SUBJECT = "job:canary"


@dataclass(frozen=True)
class Canaries:
    """What has to be known to give a secret: a folder for files, a cloud that gets to know it, a certificate there."""

    folder: Path
    cloud: LocalCloud
    certificate: MadeCertificate

    def client_secret(self, prefix: str = "") -> str:
        """Return a new secret of ci-app."""
        secret = new_canary(prefix)
        self.only_secret(secret)
        return secret

    def only_secret(self, secret: str) -> None:
        """Give ci-app this secret in place of all others."""
        self.cloud.admin.set_secret("ci-app", secret)

    def password(self, password: str | None = None) -> str:
        """Give Bob another password."""
        chosen = password or new_canary()
        self.cloud.state.change_directory(
            lambda directory: directory.with_user(replace(directory.user(BOB), password=chosen))
        )
        return chosen

    def file(self, content: str) -> Path:
        """Write a secret to a file."""
        return write(self.folder / "secret.txt", content)

    def pfx(self, passphrase: str) -> Path:
        """Write the certificate and its key to a PFX file."""
        return write_pfx(self.folder / "ci.pfx", self.certificate, passphrase=passphrase)

    def key(self, place: str = "") -> dict[str, str]:
        """Return the canaries that the private key is, and the files of the config directory that it may be in."""
        pkcs8, traditional = private_parts(self.certificate.key)
        return {pkcs8: place, traditional: ""}


@dataclass(frozen=True)
class Attempt:
    """A sign-in.

    words: of the command line.
    typed: what the user types at the prompt; the sign-in needs a terminal then.
    canaries: the secrets, and the file of the config directory that each may be in; "" for none.
    """

    words: tuple[str, ...]
    canaries: Mapping[str, str] = field(repr=False)
    input: str | None = field(default=None, repr=False)
    typed: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


Route = Callable[[Canaries], Attempt]


def secret_from_standard_input(given: Canaries) -> Attempt:
    secret = given.client_secret()
    return Attempt((*SERVICE_PRINCIPAL, "--password=@-"), {secret: ENTRIES}, input=f"{secret}\n")


def secret_after_the_short_option(given: Canaries) -> Attempt:
    secret = given.client_secret("@")
    return Attempt((*SERVICE_PRINCIPAL, "-p=@-"), {secret: ENTRIES}, input=secret)


def secret_like_an_option_in_an_argument_of_its_own(given: Canaries) -> Attempt:
    secret = given.client_secret("--")
    return Attempt((*SERVICE_PRINCIPAL, "--password", "@-"), {secret: ENTRIES}, input=secret)


def secret_like_a_file_in_an_argument_of_its_own(given: Canaries) -> Attempt:
    secret = given.client_secret("@")
    return Attempt((*SERVICE_PRINCIPAL, "-p", f"@{given.file(secret)}"), {secret: ENTRIES})


def secret_from_a_file(given: Canaries) -> Attempt:
    secret = given.client_secret("-")
    return Attempt((*SERVICE_PRINCIPAL, f"--password=@{given.file(secret)}"), {secret: ENTRIES})


def secret_typed(given: Canaries) -> Attempt:
    secret = given.client_secret("-")
    return Attempt(SERVICE_PRINCIPAL, {secret: ENTRIES}, typed=secret)


def secret_from_the_environment(given: Canaries) -> Attempt:
    secret = given.client_secret("-")
    env = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_SECRET": secret}
    return Attempt(("login", "--from-env"), {secret: ENTRIES}, env=env)


def secret_that_is_not_stored(given: Canaries) -> Attempt:
    secret = given.client_secret()
    return Attempt((*SERVICE_PRINCIPAL, "--password=@-", "--no-store-secret"), {secret: ""}, input=secret)


def password_from_standard_input(given: Canaries) -> Attempt:
    password = given.password()
    return Attempt(("login", "-u", BOB, "--password=@-"), {password: ""}, input=password)


def password_from_a_file(given: Canaries) -> Attempt:
    password = given.password(new_canary("--"))
    return Attempt(("login", "-u", BOB, "-p", f"@{given.file(password)}"), {password: ""})


def password_typed(given: Canaries) -> Attempt:
    password = given.password()
    return Attempt(("login", "-u", BOB), {password: ""}, typed=password)


def password_from_the_environment(given: Canaries) -> Attempt:
    password = given.password()
    return Attempt(("login", "--from-env"), {password: ""}, env={"AZURE_USERNAME": BOB, "AZURE_PASSWORD": password})


def passphrase_from_standard_input(given: Canaries) -> Attempt:
    passphrase = new_canary("-")
    words = (*SERVICE_PRINCIPAL, "--certificate", str(given.pfx(passphrase)), "--password=@-")
    return Attempt(words, {passphrase: "", **given.key()}, input=passphrase)


def passphrase_from_a_file(given: Canaries) -> Attempt:
    passphrase = new_canary("--")
    words = (*SERVICE_PRINCIPAL, "--certificate", str(given.pfx(passphrase)), "-p", f"@{given.file(passphrase)}")
    return Attempt(words, {passphrase: "", **given.key()})


def passphrase_typed(given: Canaries) -> Attempt:
    passphrase = new_canary()
    words = (*SERVICE_PRINCIPAL, "--certificate", str(given.pfx(passphrase)))
    return Attempt(words, {passphrase: "", **given.key()}, typed=passphrase)


def passphrase_beside_a_certificate_option(given: Canaries) -> Attempt:
    passphrase = new_canary()
    words = (*SERVICE_PRINCIPAL, "--certificate", str(given.pfx(passphrase)))
    env = {"AZURE_CLIENT_CERTIFICATE_PASSWORD": passphrase}
    return Attempt(words, {passphrase: "", **given.key()}, env=env)


def passphrase_from_the_environment(given: Canaries) -> Attempt:
    passphrase = new_canary()
    env = {
        "AZURE_CLIENT_ID": CI_APP,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_CERTIFICATE_PATH": str(given.pfx(passphrase)),
        "AZURE_CLIENT_CERTIFICATE_PASSWORD": passphrase,
    }
    return Attempt(("login", "--from-env"), {passphrase: "", **given.key()}, env=env)


def key_without_a_passphrase(given: Canaries) -> Attempt:
    path = write_pem(given.folder / "ci.pem", given.certificate)
    return Attempt((*SERVICE_PRINCIPAL, "--certificate", str(path)), {**given.key()})


def key_that_is_stored_decrypted(given: Canaries) -> Attempt:
    passphrase = new_canary()
    path = write_pem(given.folder / "ci.pem", given.certificate, passphrase=passphrase)
    words = (*SERVICE_PRINCIPAL, "--certificate", str(path), "--password=@-", "--store-decrypted-key")
    return Attempt(words, {passphrase: "", **given.key("login_certificates/*.pem")}, input=passphrase)


def federated_token_that_a_file_holds(given: Canaries) -> Attempt:
    token = given.cloud.admin.issue_assertion(SUBJECT)
    words = (*SERVICE_PRINCIPAL, "--federated-token-file", str(given.file(token)))
    return Attempt(words, {signature_of(token): ENTRIES})


def federated_token_from_a_file(given: Canaries) -> Attempt:
    token = given.cloud.admin.issue_assertion(SUBJECT)
    return Attempt((*SERVICE_PRINCIPAL, f"--federated-token=@{given.file(token)}"), {signature_of(token): ENTRIES})


def federated_token_from_standard_input(given: Canaries) -> Attempt:
    token = given.cloud.admin.issue_assertion(SUBJECT)
    return Attempt((*SERVICE_PRINCIPAL, "--federated-token", "@-"), {signature_of(token): ENTRIES}, input=token)


def federated_token_from_the_environment(given: Canaries) -> Attempt:
    token = given.cloud.admin.issue_assertion(SUBJECT)
    env = {
        "AZURE_CLIENT_ID": CI_APP,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": str(given.file(token)),
    }
    return Attempt(("login", "--from-env"), {signature_of(token): ENTRIES}, env=env)


def request_token_of_github(given: Canaries) -> Attempt:
    env = given.cloud.github_environment(SUBJECT)
    words = (*SERVICE_PRINCIPAL, "--federated-token-source", "github")
    return Attempt(words, {env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]: ""}, env=env)


def request_token_of_azure_pipelines(given: Canaries) -> Attempt:
    env = given.cloud.azure_pipelines_environment(SUBJECT)
    source = ("--federated-token-source", "azure-pipelines", "--service-connection-id", SERVICE_CONNECTION)
    return Attempt((*SERVICE_PRINCIPAL, *source), {env["SYSTEM_ACCESSTOKEN"]: ""}, env=env)


def _program(given: Canaries, answer: dict[str, object]) -> tuple[str, ...]:
    """Return the words for a program that prints an answer, which is a secret."""
    path = write(given.folder / "program", f"#!/bin/sh\n/bin/cat '{given.file(json.dumps(answer))}'\n")
    path.chmod(0o700)
    return (*SERVICE_PRINCIPAL, "--credential-source", "command", "--source-arg", f"command='{path}'")


def secret_that_a_program_gives(given: Canaries) -> Attempt:
    secret = given.client_secret()
    return Attempt(_program(given, {"version": 1, "kind": "secret", "secret": secret}), {secret: ""})


def federated_token_that_a_program_gives(given: Canaries) -> Attempt:
    token = given.cloud.admin.issue_assertion(SUBJECT)
    words = _program(given, {"version": 1, "kind": "assertion", "assertion": token})
    return Attempt(words, {signature_of(token): ENTRIES})


def access_token_from_standard_input(given: Canaries) -> Attempt:
    answer = requests.post(
        f"{given.cloud.url}/{TENANT}/oauth2/v2.0/token",
        {
            "grant_type": "client_credentials",
            "client_id": CI_APP,
            "client_secret": given.client_secret(),
            "scope": f"{ARM_AUDIENCES[0]}/.default",
        },
        verify=str(given.cloud.ca_bundle),
        timeout=30,
    ).json()
    token = answer["access_token"]
    return Attempt(("login", "--access-token=@-"), {signature_of(token): "msal_token_cache.json"}, input=token)


#: Those that are followed by further commands: one for each kind of what is stored.
FOLLOWED: tuple[Route, ...] = (
    secret_like_an_option_in_an_argument_of_its_own,
    passphrase_beside_a_certificate_option,
    key_that_is_stored_decrypted,
    federated_token_that_a_file_holds,
    request_token_of_github,
    secret_that_a_program_gives,
)
#: The others.
ROUTES: tuple[Route, ...] = (
    secret_from_standard_input,
    secret_after_the_short_option,
    secret_like_a_file_in_an_argument_of_its_own,
    secret_from_a_file,
    secret_typed,
    secret_from_the_environment,
    secret_that_is_not_stored,
    password_from_standard_input,
    password_from_a_file,
    password_typed,
    password_from_the_environment,
    passphrase_from_standard_input,
    passphrase_from_a_file,
    passphrase_typed,
    passphrase_from_the_environment,
    key_without_a_passphrase,
    federated_token_from_a_file,
    federated_token_from_standard_input,
    federated_token_from_the_environment,
    request_token_of_azure_pipelines,
    federated_token_that_a_program_gives,
    access_token_from_standard_input,
)
