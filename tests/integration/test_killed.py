"""`kill -9` at any moment of sign-in, set, logout and refresh: files parse, nothing is missing, the next command works.

Two ways to meet the moments that matter. A command is killed just before each of its changes to the config directory in
turn, which it lists itself. And commands are killed after a random time, or as soon as a temporary file shows up: a few
of them in every test run, `LOGIN_KILLS=300 make test ARGS='-k killed'` for as many as that.
"""

from __future__ import annotations

import configparser
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.bench.parallel import OWNERS, crowd
from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.launchers import Process
from tests.harness.stage import CloudStage
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL

if sys.platform == "win32":
    pytest.skip("there is no SIGKILL", allow_module_level=True)


_KILLS = int(os.environ.get("LOGIN_KILLS", "12"))
_BATCH = 5
_SEED = 20_250

# Runs `az`, lists every change that it is about to make to one of these files in the file STEPS, and is killed before
# the change with the number KILLED_AT. An audit hook is called before the change.
_STEPS = """
import os, runpy, signal, sys

folder, steps = os.path.realpath(os.environ["AZURE_CONFIG_DIR"]), os.environ["STEPS"]
last = int(os.environ["KILLED_AT"])
names = ("azureProfile", "clouds.config", "msal_", "service_principal", "login_")
changing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
count = 0

def before_change(event, arguments):
    global count
    if event not in ("open", "os.rename", "os.remove", "os.chmod"):
        return
    if event == "open" and not arguments[2] & changing:
        return
    if not isinstance(arguments[0], (str, bytes, os.PathLike)):
        return
    parent, name = os.path.split(os.path.realpath(os.fsdecode(arguments[0])))
    if parent != folder or not name.lstrip(".").startswith(names) or name.endswith((".lock", ".lockfile")):
        return
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
    descriptor = os.open(steps, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, (event + " " + name + "\\n").encode())
    os.close(descriptor)

sys.addaudithook(before_change)
sys.argv[0] = "az"
runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Holdings:
    """What must not be lost from a config directory. Secrets change; their owners do not."""

    rows: frozenset[tuple[str, str, str, str]]
    tokens: frozenset[tuple[str, str]]
    applications: frozenset[str]
    clouds: frozenset[tuple[str, str, str]]

    def without(self, user: str, homes: frozenset[str]) -> Holdings:
        """Return what remains after one user has signed out."""
        return Holdings(
            frozenset(row for row in self.rows if row[1] != user),
            frozenset(token for token in self.tokens if not token[1].startswith(tuple(homes))),
            self.applications,
            self.clouds,
        )


@dataclass(frozen=True)
class Files:
    """The four files of a config directory, parsed."""

    profile: Mapping[str, Any]
    tokens: Mapping[str, Mapping[str, Mapping[str, Any]]]
    applications: list[Mapping[str, Any]]
    clouds: configparser.ConfigParser

    @classmethod
    def of(cls, folder: Path) -> Files:
        """Read the files. Fails the test if one of them cannot be parsed."""
        clouds = configparser.ConfigParser()
        clouds.read_string((folder / "clouds.config").read_text(encoding="utf-8"))
        return cls(
            json.loads((folder / "azureProfile.json").read_text(encoding="utf-8")),
            json.loads((folder / "msal_token_cache.json").read_text(encoding="utf-8")),
            json.loads((folder / "service_principal_entries.json").read_text(encoding="utf-8")),
            clouds,
        )

    def all_rows(self) -> list[Mapping[str, Any]]:
        """Return the rows of every identity."""
        others = self.profile.get("azextLogin", {}).get("otherIdentities", [])
        return [*self.profile["subscriptions"], *others]

    def homes_of(self, user: str) -> frozenset[str]:
        """Return the home accounts of a user."""
        accounts = self.tokens.get("Account", {}).values()
        return frozenset(account["home_account_id"] for account in accounts if account["username"] == user)

    def holdings(self) -> Holdings:
        """Return what must not be lost."""
        return Holdings(
            frozenset(
                (row["environmentName"], row["user"]["name"], row["tenantId"], row["id"]) for row in self.all_rows()
            ),
            frozenset(
                (section, key) for section in ("Account", "RefreshToken") for key in self.tokens.get(section, {})
            ),
            frozenset(entry["client_id"] for entry in self.applications),
            frozenset(
                (section, option, value)
                for section in self.clouds.sections()
                for option, value in self.clouds.items(section)
                if option != "subscription"
            ),
        )


@dataclass(frozen=True)
class Command:
    """A command that is killed. `leaver` is the user whom it signs out."""

    words: tuple[str, ...]
    leaver: str = ""


@pytest.fixture(scope="session")
def _crowded_config(
    _signed_in_config: Path, cloud_stage: CloudStage, newest: Host, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Alice (active), bob and an application are signed in; 300 rows of other clouds; one name is out of date."""
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("crowded") / "azure")
    shutil.copytree(_signed_in_config, az.config_dir, dirs_exist_ok=True)
    az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example").ok()
    az.run("login", "-u", BOB, f"-p={cloud_stage.cloud.directory.user(BOB).password}").ok()
    document = az.profile()
    next(row for row in document["subscriptions"] if row["name"] == "Fabrikam Main")["name"] = "An old name"
    rows = crowd(["AzureCloud", "AzureChinaCloud"], 300)
    document["subscriptions"] += [{**row, "isDefault": False} for row in rows]
    az.profile_path.write_text(json.dumps(document), encoding="utf-8")
    _keep_tokens_of(az, OWNERS)
    # A write of ours, so that the last-good copy has all rows too.
    az.run("account", "set", "-s", "Contoso Production").ok()
    return az.config_dir


def _keep_tokens_of(az: Az, users: tuple[str, ...]) -> None:
    path = az.config_dir / "msal_token_cache.json"
    cache = json.loads(path.read_text(encoding="utf-8"))
    for number, user in enumerate(users):
        account = {"home_account_id": f"crowd-{number}.crowd", "environment": "login.example", "realm": "crowd"}
        account |= {"local_account_id": f"crowd-{number}", "username": user, "authority_type": "MSSTS"}
        cache["Account"][f"crowd-{number}.crowd-login.example-crowd"] = account
    path.write_text(json.dumps(cache), encoding="utf-8")


@pytest.fixture
def crowded(_crowded_config: Path, az: Az) -> Callable[[], Az]:
    """Return a function that restores the initial config directory: three identities, two clouds."""

    def restore() -> Az:
        shutil.rmtree(az.config_dir)
        shutil.copytree(_crowded_config, az.config_dir)
        return az

    return restore


@pytest.fixture(scope="session")
def commands(shared_cloud: LocalCloud) -> dict[str, Command]:
    """The commands that are killed."""
    password = shared_cloud.directory.user(CAROL).password
    return {
        "sign-in": Command(("login", "-u", CAROL, f"-p={password}", "--allow-no-subscriptions")),
        "set": Command(("account", "set", "--subscription", "Contoso Development")),
        "logout": Command(("logout", "--username", BOB), leaver=BOB),
        "refresh": Command(("account", "list", "--refresh")),
    }


def _check_nothing_is_missing(az: Az, before: Files, command: Command) -> None:
    after = Files.of(az.config_dir)
    kept = before.holdings()
    if command.leaver:
        kept = kept.without(command.leaver, before.homes_of(command.leaver))
    now = after.holdings()
    for part in ("rows", "tokens", "applications", "clouds"):
        assert not getattr(kept, part) - getattr(now, part), part
    front = after.profile["subscriptions"]
    assert len([row for row in after.all_rows() if row["isDefault"]]) == 1
    assert len({(row["environmentName"], row["id"]) for row in front}) == len(front)
    assert after.profile["installationId"] == before.profile["installationId"]


def _check_locks_are_free(az: Az) -> None:
    import fcntl

    locks = [*az.config_dir.glob("*.lock"), *az.config_dir.glob("*.lockfile")]
    assert locks
    for lock in locks:
        with lock.open("a") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _run_to_step(az: Az, command: Command, script: Path, steps: Path, step: int) -> int:
    """Run a command until it is killed before its change number `step` (0: never); return its exit code."""
    return subprocess.run(
        [str(az.host.bin / "python"), str(script), *command.words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=az.environment({"STEPS": steps, "KILLED_AT": str(step)}),
        cwd=az.config_dir,
        timeout=60,
    ).returncode


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["sign-in", "set", "logout", "refresh"])
def test_a_command_killed_before_any_of_its_changes_loses_nothing_and_the_next_one_works(
    crowded: Callable[[], Az], commands: dict[str, Command], tmp_path: Path, name: str
) -> None:
    command, script, steps = commands[name], tmp_path / "steps.py", tmp_path / "steps"
    script.write_text(_STEPS, encoding="utf-8")
    assert _run_to_step(crowded(), command, script, steps, 0) == 0
    changes = steps.read_text(encoding="utf-8").splitlines()
    assert any("azureProfile" in change for change in changes), changes
    for step, change in enumerate(changes, 1):
        az = crowded()
        before = Files.of(az.config_dir)
        assert _run_to_step(az, command, script, steps, step) == -signal.SIGKILL, change
        try:
            _check_nothing_is_missing(az, before, command)
            _check_locks_are_free(az)
            # The state after one change is the state before the next one, so one check is enough.
            repeated = step % 2 == 0
            az.run(*(command.words if repeated else ("account", "show"))).ok()
            _check_nothing_is_missing(az, before, command)
            if repeated and command.leaver:
                _check_nothing_is_left_of(az, command.leaver)
        except AssertionError as error:
            raise AssertionError(f"killed before {change} ({step} of {len(changes)})\n{error}") from error


def _check_nothing_is_left_of(az: Az, user: str) -> None:
    for path in az.config_dir.iterdir():
        if path.is_file():
            assert user.encode() not in path.read_bytes(), f"{user} is still in {path.name}"


def _batches() -> Iterator[tuple[str, int, int]]:
    """Yield the name of a command, the number of a batch and the number of kills in it."""
    names = ("sign-in", "set", "logout", "refresh")
    for place, name in enumerate(names):
        left, number = _KILLS // len(names) + (place < _KILLS % len(names)), 0
        while left > 0:
            yield name, number, min(left, _BATCH)
            left, number = left - _BATCH, number + 1


@pytest.fixture(scope="session")
def durations() -> dict[str, float]:
    """Seconds that each command takes if it is not killed; the tests fill it in."""
    return {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "batch", "kills"), list(_batches()))
def test_a_command_killed_at_a_random_moment_loses_nothing_and_the_next_one_works(
    crowded: Callable[[], Az],
    commands: dict[str, Command],
    durations: dict[str, float],
    name: str,
    batch: int,
    kills: int,
) -> None:
    command = commands[name]
    if name not in durations:
        durations[name] = crowded().real().run(*command.words).ok().seconds
    chance = random.Random(f"{_SEED} {name} {batch}")
    done = 0
    while done < kills:
        az = crowded()
        before = Files.of(az.config_dir)
        # Every third one is killed while it writes.
        moment = chance.uniform(0, durations[name])
        at_a_write = chance.randrange(3) == 0
        process = az.real().start(*command.words)  # some are killed while they start
        if at_a_write:
            _wait_for_a_write(process, az.config_dir, chance.randrange(1, 4))
        else:
            time.sleep(moment)
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            # The command was faster this time.
            assert process.returncode == 0
            continue
        done += 1
        try:
            _check_nothing_is_missing(az, before, command)
            _check_locks_are_free(az)
            (active,) = (row for row in Files.of(az.config_dir).all_rows() if row["isDefault"])
            assert az.run("account", "show").ok().json()["id"] == active["id"]
            _check_nothing_is_missing(az, before, command)
        except AssertionError as error:
            when = "at a write" if at_a_write else f"after {moment:.3f} s"
            raise AssertionError(f"{name} killed {when} (kill {done} of batch {batch})\n{error}") from error


def _wait_for_a_write(process: Process, folder: Path, which: int) -> None:
    """Return when the temporary file number `which` exists, or when the process has ended."""
    seen: set[str] = set()
    while len(seen) < which and process.poll() is None:
        seen |= {name for name in os.listdir(folder) if name.startswith(".") and name.endswith(".tmp")}
        time.sleep(0.0005)


def test_leftovers_of_killed_writers_are_removed_by_a_later_write_and_by_clear(crowded: Callable[[], Az]) -> None:
    az = crowded()
    old = [az.config_dir / f".azureProfile.json.{number}.tmp" for number in range(3)]
    for path in old:
        path.write_text(ALICE, encoding="utf-8")
        os.utime(path, (time.time() - 86_400,) * 2)
    az.run("account", "set", "-s", "Contoso Development").ok()
    assert not [path for path in old if path.exists()]
    fresh = [
        az.config_dir / f".{name}.abcdefgh.tmp"
        for name in (
            "azureProfile.json",
            "login_last_good.json",
            "msal_token_cache.json",
            "service_principal_entries.json",
            "msal_http_cache.bin",
        )
    ]
    for path in fresh:
        path.write_text(f"{ALICE} {CI_SECRET}", encoding="utf-8")
    az.run("account", "clear").ok()
    assert not [path for path in fresh if path.exists()]
