"""What `az-token` writes is what `az` writes, for generated combinations of options and of what is stored."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import az_token
from tests.harness.az import Az, Result
from tests.harness.contexts import OTHER_CLOUD, add_context, register_other_cloud
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import let_tokens_be_due, let_tokens_expire
from tests.integration.workloads import SERVICE_PRINCIPAL
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB

_SEEDS = range(8)
_COMBINATIONS = 25
"""For each seed."""

_ODD_NAME = "Ünïcode 'quoted' \\ $(x) \u202e"
_REQUEST = "protocol=https\nhost=dev.azure.com\n\n"
_RESOURCES = ("https://management.localcloud.example/", "https://vault.azure.net")


_TOKEN = re.compile(r"eyJ[\w-]+\.(?P<payload>eyJ[\w-]+)\.[\w-]+")
# POSIX seconds, local times and UTC of a token that expires; the IDs of a request.
_CHANGING = re.compile(r"ID: [0-9a-f-]{36}|\b[0-9]{10}\b|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+Z?")


@dataclass(frozen=True)
class State:
    """What is stored, and what the environment has. `is_plain`: the program has to answer for plain options."""

    change: Callable[[Az], object] = lambda az: None
    environment: Mapping[str, str] | None = None
    is_plain: bool = False
    directory: str = ""


def _edit_profile(az: Az, edit: Callable[[Any], object]) -> None:
    profile = az.profile()
    edit(profile)
    az.profile_path.write_text(json.dumps(profile), encoding="utf-8")


def _rename(profile: Any) -> None:
    for row in profile["subscriptions"]:
        if row["name"] == "Contoso Development":
            row["name"] = _ODD_NAME


def _make_managed_identity(profile: Any) -> None:
    for row in profile["subscriptions"]:
        if row["isDefault"]:
            identity = {"name": "systemAssignedIdentity", "type": "servicePrincipal", "assignedIdentityInfo": "MSI"}
            row["user"] = identity


def _name_context(az: Az) -> None:
    directory = az.config_dir / "project"
    directory.mkdir()
    (directory / ".azure-context").write_text("work\n", encoding="utf-8")


def _allow_context(az: Az) -> None:
    _name_context(az)
    az.run("account", "context", "allow", cwd=az.config_dir / "project").ok()


STATES = {
    "fresh": State(is_plain=True),
    "a context": State(environment={"AZURE_LOGIN_CONTEXT": "work"}, is_plain=True),
    "a context that does not exist": State(environment={"AZURE_LOGIN_CONTEXT": "nothing"}),
    "a context of another cloud": State(environment={"AZURE_LOGIN_CONTEXT": "other"}, is_plain=True),
    "a context that is not needed": State(
        environment={"AZURE_LOGIN_CONTEXT": "other", "AZURE_CLOUD_NAME": OTHER_CLOUD}, is_plain=True
    ),
    "a context, and an unknown cloud": State(
        environment={"AZURE_LOGIN_CONTEXT": "work", "AZURE_CLOUD_NAME": "NoCloud"}
    ),
    "an account": State(environment={"AZURE_LOGIN_ACCOUNT": CI_APP}, is_plain=True),
    "an account of another cloud": State(environment={"AZURE_LOGIN_ACCOUNT": BOB}),
    "a subscription": State(environment={"AZURE_LOGIN_SUBSCRIPTION": "Shared Platform"}, is_plain=True),
    "another cloud": State(lambda az: az.run("cloud", "set", "-n", OTHER_CLOUD).ok()),
    "a subscription of another cloud": State(
        environment={"AZURE_LOGIN_SUBSCRIPTION": "Shared Platform", "AZURE_CLOUD_NAME": OTHER_CLOUD}, is_plain=True
    ),
    "a cloud without a default": State(environment={"AZURE_CLOUD_NAME": OTHER_CLOUD}),
    "an empty cloud": State(environment={"AZURE_CLOUD_NAME": "AzureCloud"}),
    "an unknown cloud": State(environment={"AZURE_CLOUD_NAME": "NoCloud"}),
    "table": State(environment={"AZURE_CORE_OUTPUT": "table"}, is_plain=True),
    "an allowed directory": State(_allow_context, is_plain=True, directory="project"),
    "a directory": State(_name_context, directory="project"),
    "an odd name": State(lambda az: _edit_profile(az, _rename), is_plain=True),
    "due": State(let_tokens_be_due),
    "expired": State(lambda az: let_tokens_expire(az, 1)),
    "no tokens": State(lambda az: (az.config_dir / "msal_token_cache.json").unlink()),
    "damaged tokens": State(lambda az: (az.config_dir / "msal_token_cache.json").write_text("{")),
    "a damaged list": State(lambda az: az.profile_path.write_text("{")),
    "an older list": State(lambda az: _edit_profile(az, lambda profile: profile["azextLogin"].update(generation=1))),
    "a managed identity": State(lambda az: _edit_profile(az, _make_managed_identity)),
    "encrypted": State(environment={"AZURE_CORE_ENCRYPT_TOKEN_CACHE": "true"}),
    "open to others": State(lambda az: az.profile_path.chmod(0o644)),
}


def _options(chance: random.Random) -> tuple[list[str], bool]:
    """Return options, and whether a fresh cache has to answer them in any plain state."""
    words = ["--format", chance.choice(("json", "header", "exec-credential", "bash", "fish", "powershell", "dotenv"))]
    kind = chance.choice(("plain", "plain", "plain", "other", "odd"))
    if kind == "plain":
        words += chance.choice(([], ["--min-validity=5m"], ["--resource-type", "arm"], ["--min-validity", "600"]))
        words += chance.choice(([], ["--yes"])) if words[1] != "json" else []
        return words, True
    if kind == "other":
        words += chance.choice(([], ["--resource", _RESOURCES[1]], ["--scope", f"{_RESOURCES[1]}/.default"]))
        words += chance.choice(
            ([], ["-s", "Contoso Development"], ["-n", _ODD_NAME], ["--subscription=None"], ["--username", ALICE])
        )
        words += chance.choice(([], ["--tenant", "contoso.example"], ["-t", "fabrikam.example"], ["--username=", "x"]))
        return words, False
    words += chance.choice(
        (
            *(["--force-refresh"], ["--subs", "Contoso Development"], ["--query", "accessToken"], ["--output", "none"]),
            *(["--min-validity", "x"], ["--tenant", ""], ["--username", "nobody@contoso.example"], ["-f", "git"]),
            *(["--allow-host", "x.example"], ["x"], ["--help"], ["--resource", "@x"], ["--resource-type", "ARM"]),
        )
    )
    return words, False


@pytest.fixture
def accounts(signed_in: Az, cloud: LocalCloud, other_cloud: LocalCloud, tmp_path: Path) -> Az:
    """`az` with alice and a service principal signed in, bob signed in to another cloud, and contexts for two users."""
    az = register_other_cloud(signed_in, cloud, other_cloud, tmp_path / "both.pem")
    sign_in(az.with_env(AZURE_CLOUD_NAME=OTHER_CLOUD), other_cloud, BOB).ok()
    az.run(*SERVICE_PRINCIPAL, f"--password={CI_SECRET}").ok()
    az.run("account", "set", "--subscription", "Contoso Production").ok()
    add_context(az, "work", ALICE, "Contoso Development")
    add_context(az, "other", BOB, "Shared Platform", cloud=OTHER_CLOUD)
    return az


@pytest.fixture
def pristine(accounts: Az, tmp_path: Path) -> Path:
    """A copy of a config directory with tokens for Azure Resource Manager and for one more resource."""
    accounts.run("account", "get-access-token", "--resource", _RESOURCES[1]).ok()
    environments = [state.environment or {} for state in STATES.values() if state.is_plain]
    for environment in {tuple(each.items()): each for each in environments}.values():
        accounts.run("account", "get-access-token", env=environment).ok()
    copy = tmp_path / "pristine"
    shutil.copytree(accounts.config_dir, copy)
    return copy


def _restore(az: Az, pristine: Path) -> None:
    shutil.rmtree(az.config_dir)
    shutil.copytree(pristine, az.config_dir)


def _command(words: list[str]) -> tuple[str, ...]:
    """Return the command of `az` that has the options."""
    is_json = words[1] == "json"
    return ("account", "get-access-token", "--output", "json", *words[2:]) if is_json else (
        "account", "export-token", *words
    )  # fmt: skip


def _outcome(result: Result, *, is_new: bool) -> tuple[int, str, str]:
    """Return what two runs have to have in common.

    is_new: each run may have got a new token, so tokens are compared by whom and what they are for.
    """
    if not is_new:
        return result.exit_code, result.stdout, result.stderr
    texts = (_CHANGING.sub("...", _TOKEN.sub(_claims, text)) for text in (result.stdout, result.stderr))
    stdout, stderr = texts
    return result.exit_code, stdout, stderr


def _claims(token: re.Match[str]) -> str:
    payload = token["payload"]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str({name: claims.get(name) for name in ("aud", "iss", "oid", "appid", "tid")})


@pytest.mark.parametrize("seed", _SEEDS)
def test_both_write_the_same(accounts: Az, pristine: Path, seed: int) -> None:
    """Where the program lets `az` answer, `az` gets the words and the input that the program leaves to it."""
    chance = random.Random(seed)
    answered = 0
    for _ in range(_COMBINATIONS):
        name = chance.choice(chance.choice((list(STATES), *[[each for each in STATES if STATES[each].is_plain]] * 3)))
        state, (words, is_plain) = STATES[name], _options(chance)
        _restore(accounts, pristine)
        state.change(accounts)
        az = accounts.with_env(**state.environment or {})
        cwd = az.config_dir / state.directory
        ours = az_token.run(az, *words, input=_REQUEST, cwd=cwd, program=az_token.without_az(az))
        left = az_token.handed_over(ours)
        if left is None:
            answered += 1
        else:
            assert not (is_plain and state.is_plain), f"az would have to answer: {name}, {words}: {left.reason}"
            ours = az.run(*left.words, input=left.input, cwd=cwd)
            _restore(accounts, pristine)
            state.change(accounts)
        theirs = az.run(*_command(words), input=_REQUEST, cwd=cwd)
        outcomes = [_outcome(each, is_new=left is not None) for each in (ours, theirs)]
        assert outcomes[0] == outcomes[1], f"{name}, {words}"
    assert answered >= _COMBINATIONS // 3
