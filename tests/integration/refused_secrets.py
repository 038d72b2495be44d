"""Sign-ins that fail, with secrets that reach `az login` in other ways than plainly on its command line."""

from __future__ import annotations

from dataclasses import replace
from secrets import token_urlsafe

from tests.integration.canaries import new_canary, signature_of
from tests.integration.secret_routes import (
    Attempt,
    Canaries,
    Route,
    request_token_of_github,
    secret_from_standard_input,
)
from tests.integration.workloads import SERVICE_PRINCIPAL
from tests.localcloud import CI_APP, GITHUB_SUBJECT
from tests.users import BOB


def wrong_secret(given: Canaries) -> Attempt:
    secret = new_canary("--")
    return Attempt((*SERVICE_PRINCIPAL, "-p", "@-"), {secret: ""}, input=secret)


def wrong_password(given: Canaries) -> Attempt:
    password = new_canary("-")
    return Attempt(("login", "-u", BOB, "-p", "@-"), {password: ""}, input=password)


def wrong_passphrase(given: Canaries) -> Attempt:
    path, passphrase = given.pfx(new_canary()), new_canary()
    words = (*SERVICE_PRINCIPAL, "--certificate", str(path), "--password=@-")
    return Attempt(words, {passphrase: "", **given.key()}, input=passphrase)


def wrong_passphrase_typed(given: Canaries) -> Attempt:
    path, passphrase = given.pfx(new_canary()), new_canary()
    words = (*SERVICE_PRINCIPAL, "--certificate", str(path))
    return Attempt(words, {passphrase: "", **given.key()}, typed=passphrase)


def unknown_tenant(given: Canaries) -> Attempt:
    env = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": "nowhere.example", "AZURE_CLIENT_SECRET": new_canary()}
    return Attempt(("login", "--from-env"), {env["AZURE_CLIENT_SECRET"]: ""}, env=env)


def incomplete_environment(given: Canaries) -> Attempt:
    env = {"AZURE_TENANT_ID": "nowhere.example", "AZURE_CLIENT_SECRET": new_canary(), "AZURE_PASSWORD": new_canary()}
    canaries = {env["AZURE_CLIENT_SECRET"]: "", env["AZURE_PASSWORD"]: ""}
    return Attempt(("login", "--from-env"), canaries, env=env)


def refused_federated_token(given: Canaries) -> Attempt:
    token = given.cloud.admin.issue_assertion("somebody:else")
    return Attempt((*SERVICE_PRINCIPAL, "--federated-token=@-"), {signature_of(token): ""}, input=token)


def password_for_a_federated_token(given: Canaries) -> Attempt:
    secret = new_canary("--")
    return Attempt((*SERVICE_PRINCIPAL, "--federated-token", "@-"), {secret: ""}, input=secret)


def password_in_a_federated_token_file(given: Canaries) -> Attempt:
    secret = new_canary()
    return Attempt((*SERVICE_PRINCIPAL, "--federated-token-file", str(given.file(secret))), {secret: ""})


def refused_request_token(given: Canaries) -> Attempt:
    # Of characters that a header may have: otherwise no request is sent.
    env = {**given.cloud.github_environment(GITHUB_SUBJECT), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token_urlsafe(48)}
    words = (*SERVICE_PRINCIPAL, "--federated-token-source", "github")
    return Attempt(words, {env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]: ""}, env=env)


def no_network(given: Canaries) -> Attempt:
    attempt = secret_from_standard_input(given)
    return replace(attempt, canaries=dict.fromkeys(attempt.canaries, ""), env={"NO_PROXY": ""})


def no_network_to_github(given: Canaries) -> Attempt:
    attempt = request_token_of_github(given)
    return replace(attempt, env={**attempt.env, "NO_PROXY": ""})


def contradicting_options(given: Canaries) -> Attempt:
    secret = new_canary("--")
    return Attempt(("login", "--identity", "-p", "@-"), {secret: ""}, input=secret)


#: All of them. They end with exit code 1.
REFUSED: tuple[Route, ...] = (
    wrong_secret,
    wrong_password,
    wrong_passphrase,
    wrong_passphrase_typed,
    unknown_tenant,
    incomplete_environment,
    refused_federated_token,
    password_for_a_federated_token,
    password_in_a_federated_token_file,
    refused_request_token,
    no_network,
    no_network_to_github,
    contradicting_options,
)
