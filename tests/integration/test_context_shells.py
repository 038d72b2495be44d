"""Shells in contexts at the same time: each uses its own account, subscription and cloud, and nothing is stored.

`LOGIN_COMMANDS=200 make test ARGS='-k context_shells'` runs 200 commands; the default is lower.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.contexts import CONTEXT
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

_COMMANDS = int(os.environ.get("LOGIN_COMMANDS", "30"))
_PROGRAMS = Path(__file__).parent
_ARM = "https://management.localcloud.example/.default"
_WRITTEN = ("azureProfile.json", "clouds.config", "login_last_good.json", "config")


@dataclass(frozen=True)
class _Shell:
    """A shell, and what its commands have to use."""

    az: Az
    cloud: LocalCloud
    user: str
    subscription: str


def _subscription(az: Az, name: str) -> str:
    return next(str(row["id"]) for row in az.profile()["subscriptions"] if row["name"] == name)


def _shells(az: Az, cloud: LocalCloud, other: LocalCloud) -> list[_Shell]:
    shared, development = _subscription(az, "Shared Platform"), _subscription(az, "Contoso Development")
    return [
        _Shell(az.with_env(**{CONTEXT: "work"}), cloud, ALICE, development),
        _Shell(az.with_env(**{CONTEXT: "other"}), other, BOB, shared),
        _Shell(az, cloud, ALICE, _subscription(az, "Contoso Production")),
    ]


def _check_token(shell: _Shell, token: str) -> None:
    claims = claims_of(token)
    assert claims.get("upn", claims.get("unique_name")) == shell.user
    assert str(claims["iss"]).startswith(shell.cloud.url)


def _group_list(shell: _Shell) -> None:
    assert shell.az.run("group", "list", "--query", "[].id", timeout=300).ok().stdout != "[]\n"


def _account_show(shell: _Shell) -> None:
    row = shell.az.run("account", "show", timeout=300).ok().json()
    assert (row["user"]["name"], row["id"]) == (shell.user, shell.subscription)


def _program(shell: _Shell, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        env={**shell.az.environment(), "PATH": f"{shell.az.host.bin}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _azure_identity(shell: _Shell) -> None:
    (found,) = json.loads(_program(shell, str(_PROGRAMS / "azure_identity_program.py"), "sync", "1", _ARM, "{}", "{}"))
    assert "token" in found, found
    _check_token(shell, found["token"])


def _another_program(shell: _Shell) -> None:
    found = json.loads(_program(shell, str(_PROGRAMS / "context_program.py")))
    assert found["subscription"] == shell.subscription
    _check_token(shell, found["token"])


_KINDS = (_group_list, _azure_identity, _account_show, _another_program)


@pytest.mark.timeout(900)
def test_context_shells_at_the_same_time_use_their_own_accounts(
    contexts: Az, cloud: LocalCloud, other_cloud: LocalCloud
) -> None:
    shells = _shells(contexts, cloud, other_cloud)
    before = _files(contexts)
    already = {each.url: len(each.admin.requests()) for each in (cloud, other_cloud)}
    jobs = [(shells[number % 3], _KINDS[number // 3 % len(_KINDS)]) for number in range(_COMMANDS)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda job: job[1](job[0]), jobs))
    expected = Counter((shell.cloud.url, shell.user, shell.subscription) for shell, kind in jobs if kind is _group_list)
    asked = Counter(
        (each.url, str(request.user), request.path.split("/")[2])
        for each in (cloud, other_cloud)
        for request in each.admin.requests()[already[each.url] :]
        if request.path.lower().endswith("/resourcegroups")
    )
    assert asked == expected
    assert _files(contexts) == before


def _files(az: Az) -> dict[str, bytes]:
    return {name: (az.config_dir / name).read_bytes() for name in _WRITTEN}
