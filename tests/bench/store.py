"""`python -m tests.bench store [PAIRS]`: the account commands on large profiles, beside the built-in ones.

Each pair runs a command with the extension and without it, one right after the other and in changing order, on the same
rows. The ratio is the median of the pairs' ratios; memory is the peak resident size of the process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.stage import Stage
from tests.users import ALICE

# Command, number of subscriptions, and the ratio that it is to stay under.
CASES: tuple[tuple[str, int, float], ...] = (
    ("account show", 1_000, 1.05),
    ("account show", 10_000, 1.05),
    ("account set", 1_000, 1.05),
    ("account set", 10_000, 1.05),
    ("account list", 10_000, 0.75),
)
MEMORY_LIMIT = 1.1


def rows(count: int) -> list[dict[str, Any]]:
    """Return as many subscriptions of one user, in tenants of a hundred."""
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"subscription-{number}")),
            "name": f"Subscription {number:05}",
            "state": "Enabled",
            "user": {"name": ALICE, "type": "user"},
            "isDefault": number == 0,
            "tenantId": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"tenant-{number // 100}")),
            "environmentName": "AzureCloud",
            "homeTenantId": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"tenant-{number // 100}")),
            "tenantDefaultDomain": f"tenant{number // 100}.example",
            "tenantDisplayName": f"Tenant {number // 100}",
            "managedByTenants": [],
        }
        for number in range(count)
    ]


def run(az: Az, arguments: Sequence[str]) -> tuple[float, int]:
    """Run `az`, and return its seconds and its peak memory in KiB.

    Not in the checkout: Python would load the extension from there.
    """
    if sys.platform == "win32":
        raise NotImplementedError
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(az.host.az), *arguments],
        env=az.environment(),
        cwd=az.config_dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return seconds, usage.ru_maxrss


def main(pairs: int = 9) -> int:
    """Print one line per case; return 1 if one is over its limit."""
    over = False
    with tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as folder:
        host = hosts.newest()
        stage = Stage(Path(folder, "stage"))
        print(f"{'command':<16}{'rows':>7}{'built in':>10}{'ours':>8}{'ratio':>8}{'limit':>7}{'memory':>8}")
        for number, (command, count, limit) in enumerate(CASES):
            profile = rows(count)
            sides = {}
            for name, extension in (("ours", True), ("stock", False)):
                config = Path(folder, f"{name}-{number}")
                warm = stage.warm_config(host, extension)
                subprocess.run(["cp", "-r", str(warm), str(config)], check=True)
                (config / "azureProfile.json").write_text(
                    json.dumps({"installationId": "bench", "subscriptions": profile}), encoding="utf-8"
                )
                sides[name] = Az(host, config, extension_dir=stage.extension_dir(host) if extension else None)
            measured: dict[str, list[tuple[float, int]]] = {"ours": [], "stock": []}
            for pair in range(pairs + 1):
                arguments = command.split()
                if command == "account set":
                    arguments += ["--subscription", profile[(pair * 7 + 1) % count]["id"]]
                order = ("ours", "stock") if pair % 2 else ("stock", "ours")
                for side in order:
                    result = run(sides[side], arguments)
                    if pair:  # the first pair warms caches
                        measured[side].append(result)
            ratios = [ours[0] / stock[0] for ours, stock in zip(measured["ours"], measured["stock"], strict=True)]
            memory = max(m for _, m in measured["ours"]) / max(m for _, m in measured["stock"])
            ratio = statistics.median(ratios)
            ours, stock = (statistics.median(s for s, _ in measured[side]) for side in ("ours", "stock"))
            over = over or ratio > limit or memory > MEMORY_LIMIT
            print(
                f"{command:<16}{count:>7}{stock:>9.3f}s{ours:>7.3f}s{ratio:>8.2f}{limit:>7.2f}{memory:>8.2f}",
                flush=True,
            )
    return 1 if over else 0
