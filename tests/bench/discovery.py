"""`python -m tests.bench discovery [PAIRS]`: reading all subscriptions again, beside the built-in `az`.

Each pair runs `az account list --refresh` with the extension and without it, one right after the other and in changing
order, with cold caches: a refresh token is all that is stored of tokens, and nothing of HTTP answers. What is
reported: medians of wall-clock time and of peak memory, their ratios, and the requests that the cloud counted.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench.remote_cloud import RemoteCloud
from tests.bench.store import run
from tests.harness import hosts
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


def measure(case: Case, stage: Stage, folder: Path) -> tuple[float, float]:
    """Print one line, and return our median time and the ratio."""
    with RemoteCloud(folder, tenants=case.tenants, subscriptions=case.subscriptions, page_size=case.page_size) as cloud:
        ours = cloud.az(stage, folder / "ours", extension=True)
        ours.run("login", "-u", MAX, "-p", PASSWORD, "-o", "none", timeout=300).ok()
        stock = cloud.az(stage, folder / "stock", extension=False)
        for stored in ("azureProfile.json", "clouds.config", "msal_token_cache.json"):
            shutil.copy(ours.config_dir / stored, stock.config_dir)
        cloud.call("latency", ms=case.latency_ms)
        measured: dict[str, list[tuple[float, int]]] = {"ours": [], "stock": []}
        counted: dict[str, int] = {}
        for pair in range(case.pairs):
            sides = (("ours", ours), ("stock", stock))
            for name, az in sides if pair % 2 else reversed(sides):
                make_cold(az)
                cloud.call("clear_requests")
                measured[name].append(run(az, ["account", "list", "--refresh", "--output", "none"]))
                counted[name] = len(cloud.requests())
        expected = case.tenants * case.subscriptions
        for az in (ours, stock):
            profile = json.loads((az.config_dir / "azureProfile.json").read_text(encoding="utf-8-sig"))
            assert len(profile["subscriptions"]) == expected, (len(profile["subscriptions"]), expected)
    seconds = {name: statistics.median(s for s, _ in values) for name, values in measured.items()}
    memory = {name: statistics.median(m for _, m in values) / 1024 for name, values in measured.items()}
    ratio = statistics.median(a[0] / b[0] for a, b in zip(measured["ours"], measured["stock"], strict=True))
    print(
        f"{case.tenants:>7}{case.subscriptions:>8}{seconds['stock']:>9.2f}s{seconds['ours']:>8.2f}s{ratio:>8.2f}"
        f"{case.limit:>7.2f}{memory['stock']:>9.0f}M{memory['ours']:>7.0f}M   "
        f"{hosts.newest().name}: {counted['stock']} / {counted['ours']} requests",
        flush=True,
    )
    return seconds["ours"], ratio


def main(pairs: int = 0) -> int:
    """Print one line per case; return 1 if one is over its limit."""
    print(f"{'tenants':>7}{'each':>8}{'built in':>10}{'ours':>9}{'ratio':>8}{'limit':>7}{'memory':>17}")
    over = False
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as name:
        stage = Stage(Path(name, "stage"))
        for number, case in enumerate(CASES):
            folder = Path(name, f"case-{number}")
            chosen = case if not pairs else Case(**{**vars(case), "pairs": pairs})
            times[case.tenants], ratio = measure(chosen, stage, folder)
            over = over or ratio > case.limit
    growth = times[200] / times[50]
    print(f"200 tenants take {growth:.1f} times as long as 50 (limit {GROWTH_LIMIT:.0f})")
    return 1 if over or growth > GROWTH_LIMIT else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
