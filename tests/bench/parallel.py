"""`python -m tests.bench parallel [COMMANDS]`: eight shells that change one profile at once, beside the built-in `az`.

Every shell runs `az account set` and `az account show` in turn on the same config directory of 1,000 subscriptions.
What is reported: how many commands failed, how many subscriptions are left, how many of them are the default, and how
often another program that reads the files meanwhile found one that it could not parse.
"""

from __future__ import annotations

import configparser
import json
import random
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness import hosts
from tests.harness.az import Az, Result
from tests.harness.stage import Stage

SHELLS = 8
COMMANDS = 192
SUBSCRIPTIONS = 1_000

#: Whose rows they are, cloud by cloud.
OWNERS = ("grace@crowd.example", "heidi@crowd.example")


@dataclass
class Watch:
    """What a program that only reads the files found while they were changed."""

    reads: int = 0
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What many commands at once have done to a config directory."""

    results: tuple[Result, ...]
    watch: Watch
    seconds: float

    @property
    def failures(self) -> list[Result]:
        """The commands that failed."""
        return [result for result in self.results if result.exit_code != 0]


def crowd(clouds: Sequence[str], count: int = SUBSCRIPTIONS) -> list[dict[str, Any]]:
    """Return `count` rows of a profile: three in five in the first cloud, the others in the second, the first active.

    Each cloud has one user, whose subscriptions are in tenants of a hundred.
    """
    rows = []
    for number in range(count):
        place = 0 if number % 5 < 3 else 1
        tenant = _stable_guid(f"tenant-{place}-{number // 100}")
        rows.append(
            {
                "id": _stable_guid(f"subscription-{number}"),
                "name": f"Crowd {number:04}",
                "state": "Enabled",
                "user": {"name": OWNERS[place], "type": "user"},
                "isDefault": number == 0,
                "tenantId": tenant,
                "environmentName": clouds[place],
                "homeTenantId": tenant,
                "tenantDefaultDomain": "crowd.example",
                "tenantDisplayName": "Crowd",
                "managedByTenants": [],
            }
        )
    return rows


def write_profile(az: Az, rows: Sequence[dict[str, Any]]) -> None:
    """Write a profile the way the built-in commands leave it."""
    document = {"installationId": _stable_guid("installation"), "subscriptions": list(rows)}
    az.profile_path.write_text(json.dumps(document), encoding="utf-8")


@contextmanager
def watching(az: Az) -> Iterator[Watch]:
    """Read azureProfile.json and clouds.config again and again during the block, as a shell prompt would."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.is_set():
            try:
                assert isinstance(az.profile(), dict)
                clouds_of(az)
            except (ValueError, OSError, configparser.Error) as error:
                watch.unreadable.append(repr(error))
            watch.reads += 1
            over.wait(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def clouds_of(az: Az) -> configparser.ConfigParser:
    """Return what clouds.config holds; nothing if the file is missing.

    Raises:
        configparser.Error: it is damaged.
    """
    config = configparser.ConfigParser()
    config.read(az.config_dir / "clouds.config", encoding="utf-8")
    return config


def set_and_show(az: Az, ids: Sequence[str], commands: int = COMMANDS, shells: int = SHELLS) -> Outcome:
    """Let `shells` shells run `commands` commands in all: `account set` on one of `ids`, `account show`, and so on."""
    chance = random.Random(8)
    scripts = [[chance.choice(ids) for _ in range(commands // shells // 2)] for _ in range(shells)]

    def shell(script: Sequence[str]) -> list[Result]:
        done = []
        for identity in script:
            done.append(az.run("account", "set", "--subscription", identity, timeout=180))
            done.append(az.run("account", "show", timeout=180))
        return done

    began = time.monotonic()
    with watching(az) as watch, ThreadPoolExecutor(shells) as pool:
        results = [result for done in pool.map(shell, scripts) for result in done]
    return Outcome(tuple(results), watch, time.monotonic() - began)


def main(commands: int = COMMANDS) -> int:
    """Print one line for the built-in `az` and one for ours; return how many of our commands failed."""
    clouds = ("AzureCloud", "AzureChinaCloud")
    print(f"{commands} commands of {SHELLS} shells at once, {SUBSCRIPTIONS} subscriptions")
    print(f"{'':<12}{'failed':>8}{'subscriptions left':>20}{'defaults':>10}{'torn reads':>14}{'seconds':>10}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as folder:
        host, stage = hosts.newest(), Stage(Path(folder, "stage"))
        for name, extension_dir in (("built in", None), ("ours", stage.extension_dir(host))):
            config = stage.warm_config(host, extension_dir is not None)
            az = Az(host, config, extension_dir=extension_dir)
            rows = crowd(clouds)
            write_profile(az, rows)
            outcome = set_and_show(az, [row["id"] for row in rows if row["environmentName"] == clouds[0]], commands)
            failed = len(outcome.failures)
            left = _rows_left(az)
            torn = f"{len(outcome.watch.unreadable)}/{outcome.watch.reads}"
            print(
                f"{name:<12}{failed:>8}{len(left):>20}{sum(bool(row['isDefault']) for row in left):>10}"
                f"{torn:>14}{outcome.seconds:>10.1f}",
                flush=True,
            )
    return failed


def _rows_left(az: Az) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = az.profile().get("subscriptions") or []
    except ValueError:
        return []
    return rows


def _stable_guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.crowd.example"))


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]) if len(sys.argv) > 1 else COMMANDS) else 0)
