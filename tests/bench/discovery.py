"""`python -m tests.bench discovery [PAIRS]`: reading all subscriptions again, beside the built-in `az`.

Each pair runs `az account list --refresh` with the extension and without it, one right after the other and in changing
order, with cold caches: a refresh token is all that is stored of tokens, and nothing of HTTP answers. What is
reported: medians of wall-clock time and of peak memory, their ratios, and the requests that the cloud counted.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.bench.store import run
from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.stage import Stage
from tests.integration.token_cache_files import make_cold
from tests.users import MAX

PASSWORD = "max-local-password"


@dataclass(frozen=True)
class Case:
    """A directory, and what is expected of reading it."""

    tenants: int
    subscriptions: int
    latency_ms: int
    page_size: int
    limit: float
    """Ours against the built-in, at most."""
    pairs: int


CASES = (
    Case(50, 20, 100, 100, 0.1, 5),
    Case(200, 20, 100, 100, 0.1, 1),
    Case(1, 10_000, 100, 100, 1.0, 3),
)
#: 200 tenants may take this many times as long as 50.
GROWTH_LIMIT = 3.0


class RemoteCloud:
    """A local cloud in a process of its own, so that it does not share a processor's time with what is measured."""

    def __init__(self, case: Case, folder: Path) -> None:
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "tests.localcloud", "--quiet", "--ready-file", str(ready)]
        command += ["--tenants", str(case.tenants), "--subscriptions", str(case.subscriptions)]
        self._process = subprocess.Popen([*command, "--state-dir", str(folder / "state")])
        deadline = time.monotonic() + 120
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the local cloud did not start")
            time.sleep(0.1)
        self._ready: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
        self.url: str = self._ready["url"]
        self.ca_bundle: str = self._ready["ca_bundle"]
        self.call("page_size", size=case.page_size)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Run an operation of the local cloud's administrator."""
        answer = requests.post(
            f"{self.url}/admin/{operation}",
            json=arguments,
            headers={"X-Admin-Key": self._ready["admin_key"]},
            verify=self.ca_bundle,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()["result"]

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(30)


def requests_by_kind(rows: Sequence[dict[str, Any]]) -> Counter[str]:
    """Count requests, GUIDs and queries left out."""
    return Counter(re.sub(r"[0-9a-f-]{36}|organizations", "*", row["path"]).partition("?")[0] for row in rows)


def measure(case: Case, stage: Stage, folder: Path) -> tuple[float, float]:
    """Print one line, and return our median time and the ratio."""
    host = hosts.newest()
    cloud = RemoteCloud(case, folder)
    try:
        ours = _az(stage, cloud, folder / "ours", extension=True)
        ours.run("login", "-u", MAX, "-p", PASSWORD, "-o", "none", timeout=300).ok()
        stock = _az(stage, cloud, folder / "stock", extension=False)
        for stored in ("azureProfile.json", "clouds.config", "msal_token_cache.json"):
            shutil.copy(ours.config_dir / stored, stock.config_dir)
        cloud.call("latency", ms=case.latency_ms)
        measured: dict[str, list[tuple[float, int]]] = {"ours": [], "stock": []}
        counted: dict[str, Counter[str]] = {}
        for pair in range(case.pairs):
            sides = (("ours", ours), ("stock", stock))
            for name, az in sides if pair % 2 else reversed(sides):
                make_cold(az)
                cloud.call("clear_requests")
                measured[name].append(run(az, ["account", "list", "--refresh", "--output", "none"]))
                counted[name] = requests_by_kind(cloud.call("requests"))
        expected = case.tenants * case.subscriptions
        for az in (ours, stock):
            profile = json.loads((az.config_dir / "azureProfile.json").read_text(encoding="utf-8-sig"))
            assert len(profile["subscriptions"]) == expected, (len(profile["subscriptions"]), expected)
    finally:
        cloud.stop()
    seconds = {name: statistics.median(s for s, _ in values) for name, values in measured.items()}
    memory = {name: statistics.median(m for _, m in values) / 1024 for name, values in measured.items()}
    ratio = statistics.median(a[0] / b[0] for a, b in zip(measured["ours"], measured["stock"], strict=True))
    print(
        f"{case.tenants:>7}{case.subscriptions:>8}{seconds['stock']:>9.2f}s{seconds['ours']:>8.2f}s{ratio:>8.2f}"
        f"{case.limit:>7.2f}{memory['stock']:>9.0f}M{memory['ours']:>7.0f}M   "
        f"{host.name}: {sum(counted['stock'].values())} / {sum(counted['ours'].values())} requests",
        flush=True,
    )
    return seconds["ours"], ratio


def _az(stage: Stage, cloud: RemoteCloud, config_dir: Path, *, extension: bool) -> Az:
    host = hosts.newest()
    shutil.copytree(stage.warm_config(host, extension), config_dir)
    az = Az(
        host,
        config_dir,
        extension_dir=stage.extension_dir(host) if extension else None,
        ca_bundle=Path(cloud.ca_bundle),
    )
    az.run("cloud", "register", "-n", "LocalCloud", "--endpoint-resource-manager", cloud.url).ok()
    az.run("cloud", "set", "-n", "LocalCloud").ok()
    az.run("config", "set", "core.instance_discovery=false").ok()
    return az


def main(pairs: int = 0) -> int:
    """Print one line per case; return 1 if one is over its limit."""
    print(f"{'tenants':>7}{'each':>8}{'built in':>10}{'ours':>9}{'ratio':>8}{'limit':>7}{'memory':>17}")
    over = False
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="login-bench-") as name:
        stage = Stage(Path(name, "stage"))
        for number, case in enumerate(CASES):
            folder = Path(name, f"case-{number}")
            folder.mkdir()
            chosen = case if not pairs else Case(**{**vars(case), "pairs": pairs})
            times[case.tenants], ratio = measure(chosen, stage, folder)
            over = over or ratio > case.limit
    growth = times[200] / times[50]
    print(f"200 tenants take {growth:.1f} times as long as 50 (limit {GROWTH_LIMIT:.0f})")
    return 1 if over or growth > GROWTH_LIMIT else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
