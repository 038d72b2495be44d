"""The commands of the fault table: what each needs, and which services it asks."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.harness.az import Az
from tests.harness.environments import ROOT
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import let_tokens_age
from tests.integration.workloads import POD, SERVICE_PRINCIPAL, TENANT, write, write_pem
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.localcloud.certificatemaker import MadeCertificate, make_certificate
from tests.users import ALICE, BOB

DISCOVERY, TOKEN, DEVICE_CODE, ARM, IMDS, GITHUB = "discovery", "token", "device code", "ARM", "IMDS", "GitHub"
USER_TOKEN, APPLICATION_TOKEN = "token of a user", "token of an application"
WITHOUT_PAGE = "token of a user who opens no page"
BROWSER, SIGNATURE = "token for the code of a browser", "token for a signature with the time of this computer"

# The user whom BROWSER names signs in without a window.
_BROWSE = """#!/bin/sh
cd {root} && exec {python} -c '
import sys
from pathlib import Path
from tests.harness.http_user import HttpUser
HttpUser(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_text(encoding="utf-8")).visit(sys.argv[4])
' {ca_bundle} {user} {password} "$1"
"""


@dataclass(frozen=True)
class Given:
    """What the commands of the table start from.

    folder: a config directory in which alice and ci-app are signed in. The cached tokens have expired.
    token: an access token of bob, to be handed over.
    """

    cloud: LocalCloud
    folder: Path
    outside: Path
    token: str = field(repr=False)
    certificate: MadeCertificate

    def assertion(self) -> str:
        """Write a new federated token of ci-app to a file; return its path."""
        return str(write(self.outside / "federated-token", self.cloud.admin.issue_assertion(POD)))

    def browser(self) -> str:
        """Write the program that BROWSER names, in which alice signs in; return the variable's value."""
        password = write(self.outside / "password", self.cloud.directory.user(ALICE).password)
        program = self.outside / "browser"
        words = {"root": ROOT, "python": sys.executable, "ca_bundle": self.cloud.ca_bundle, "password": password}
        quoted = {name: shlex.quote(str(word)) for name, word in words.items()}
        # Other commands may run it now.
        draft = self.outside / f"browser-{os.urandom(4).hex()}"
        draft.write_text(_BROWSE.format(user=ALICE, **quoted), encoding="utf-8")
        draft.chmod(0o700)
        draft.rename(program)
        return f"{program} %s"

    def pem(self) -> str:
        """Return the path of the certificate of ci-app."""
        return str(self.outside / "ci.pem")


@dataclass(frozen=True)
class Run:
    """A command line, and what the command reads."""

    words: tuple[str, ...]
    input: str = field(default="", repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Command:
    """A command of ours.

    asks: the services that it needs for its result.
    exit_code: if one of them fails.
    """

    name: str
    make: Callable[[Given], Run]
    asks: frozenset[str]
    exit_code: int = 1


def _password(given: Given) -> Run:
    return Run(("login", "-u", ALICE, "--password=@-"), given.cloud.directory.user(ALICE).password)


def _browser(given: Given) -> Run:
    return Run(("login",), env={"BROWSER": given.browser()})


def _certificate(given: Given) -> Run:
    return Run((*SERVICE_PRINCIPAL, "--certificate", given.pem()))


def _federated(given: Given) -> Run:
    return Run((*SERVICE_PRINCIPAL, "--federated-token-file", given.assertion()))


def _github(given: Given) -> Run:
    words = (*SERVICE_PRINCIPAL, "--federated-token-source", "github")
    return Run(words, env=given.cloud.github_environment(POD))


def _environment(given: Given) -> Run:
    env = {"AZURE_CLIENT_ID": CI_APP, "AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_SECRET": CI_SECRET}
    return Run(("login", "--from-env"), env=env)


def _one_subscription(given: Given) -> Run:
    (subscription, *_) = given.cloud.directory.visible(CI_APP, given.cloud.directory.tenant(TENANT).id)
    words = (*SERVICE_PRINCIPAL, "--password=@-", "--skip-subscription-discovery", "--subscription", subscription.id)
    return Run(words, CI_SECRET)


def _fixed(*words: str, input: str = "") -> Callable[[Given], Run]:
    return lambda given: Run(words, input)


# After a page, which the tests open for BROWSER alone.
_WITH_PAGE = frozenset({DISCOVERY, TOKEN, USER_TOKEN})
_OF_USER = frozenset({DISCOVERY, TOKEN, USER_TOKEN, WITHOUT_PAGE})
_OF_APPLICATION = frozenset({DISCOVERY, TOKEN, APPLICATION_TOKEN})
_USER = _OF_USER | {ARM}
_APPLICATION = _OF_APPLICATION | {ARM}
_KEPT, _SOME_FAILED = 0, 10  # `list --refresh` still lists what is stored
_OF_CI = ("--username", CI_APP)
COMMANDS = (
    Command("login: password", _password, _USER),
    Command("login: browser", _browser, _WITH_PAGE | {ARM, BROWSER}),
    Command("login: device code", _fixed("login", "--use-device-code"), _WITH_PAGE | {DEVICE_CODE}),
    Command("login: client secret", _fixed(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET), _APPLICATION),
    Command("login: certificate", _certificate, _APPLICATION | {SIGNATURE}),
    Command("login: federated token", _federated, _APPLICATION),
    Command("login: GitHub", _github, _APPLICATION | {GITHUB}),
    Command("login: environment", _environment, _APPLICATION),
    Command("login: one subscription", _one_subscription, _APPLICATION),
    Command("login: managed identity",
            lambda given: Run(("login", "--identity"), env=given.cloud.imds_environment()), frozenset({IMDS, ARM})),
    Command("login: access token", lambda given: Run(("login", "--access-token=@-"), given.token), frozenset({ARM})),
    Command("list --refresh", _fixed("account", "list", "--refresh"), _USER, _KEPT),
    Command("get-access-token", _fixed("account", "get-access-token"), _OF_USER),
    Command("get-access-token of ci-app", _fixed("account", "get-access-token", *_OF_CI), _OF_APPLICATION),
    Command("export-token", _fixed("account", "export-token", "--format", "header"), _OF_USER),
    Command("renew", _fixed("account", "renew"), _OF_USER, _SOME_FAILED),
    Command("renew of ci-app", _fixed("account", "renew", *_OF_CI), _OF_APPLICATION, _SOME_FAILED),
)  # fmt: skip
#: Commands that send nothing.
OFFLINE = (
    ("account", "show"),
    ("account", "list"),
    ("account", "set", "--subscription", "Contoso Development"),
    ("account", "context", "list"),
    ("logout",),
    ("account", "clear"),
)


def prepare(az: Az, cloud: LocalCloud, outside: Path) -> Given:
    """Sign in alice and ci-app, let their tokens expire, and make the other credentials."""
    week = timedelta(days=7)
    certificate = make_certificate("ci-app", starts_in=-week, ends_in=week)
    cloud.admin.add_certificate("ci-app", certificate.pem)
    for issuer in ("kubernetes", "github"):
        cloud.admin.add_federated_credential("ci-app", issuer, POD)
    outside.mkdir()
    write_pem(outside / "ci.pem", certificate)
    sign_in(az, cloud, BOB).ok()
    token = az.run("account", "get-access-token").ok().json()["accessToken"]
    az.run("logout").ok()
    az.run(*SERVICE_PRINCIPAL, "--password=@-", input=CI_SECRET).ok()
    sign_in(az, cloud, ALICE).ok()
    let_tokens_age(az, left=-60)
    (az.config_dir / "msal_http_cache.bin").unlink(missing_ok=True)
    return Given(cloud, az.config_dir, outside, token, certificate)


def copies(given: Given, make_az: Callable[..., Az]) -> Iterator[Az]:
    """Yield one `az` after the other, each with a copy of that config directory."""
    while True:
        az = make_az(cloud=given.cloud)
        shutil.copytree(given.folder, az.config_dir, dirs_exist_ok=True)
        yield az
