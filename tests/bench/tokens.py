"""`python -m tests.bench tokens [PAIRS]`: `az account get-access-token` beside the built-in one.

First with a cached token: each pair runs the command with the extension and without it, one right after the other and
in changing order; the ratio is the median of the pairs' ratios. Then twenty processes at once that find an expired
token: the wall-clock time until the last has ended, how many failed, and how many requests the cloud counted.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.store import run
from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage, Stage
from tests.localcloud import LocalCloud
from tests.users import ALICE

COMMAND = ("account", "get-access-token")
PAIRS = 15
CALLERS = 20
ROUNDS = 3
WARM_LIMIT = 0.70
CROWD_LIMIT = 0.7

_CACHE = "msal_token_cache.json"
#: What our sign-in has stored serves both sides: the built-in one cannot reach a cloud on a port of its own.
_STORED = ("azureProfile.json", "clouds.config", _CACHE, "msal_token_cache.bin")


@dataclass(frozen=True)
class Crowd:
    """What many processes at once came to. `seconds` is until the last of them had ended."""

    seconds: float
    failed: int
    requests: int


def sides(folder: Path, cloud: LocalCloud, environment: Mapping[str, str] | None = None) -> dict[str, Az]:
    """Return `az` with the extension and without it, with the same user signed in to both.

    environment: variables for both.
    """
    host = hosts.newest()
    stage = CloudStage(Stage(folder / "stage"), cloud, host, folder / "cloud")
    ours = stage.az(host, folder / "ours").with_env(**environment or {})
    sign_in(ours, cloud, ALICE).ok()
    stock = stage.az(host, folder / "stock", extension=False).with_env(**environment or {})
    for stored in _STORED:
        if (ours.config_dir / stored).exists():
            shutil.copy(ours.config_dir / stored, stock.config_dir)
    return {"ours": ours, "stock": stock}


def expire(az: Az) -> None:
    """Make every access token one that has expired."""
    path = az.config_dir / _CACHE
    document = json.loads(path.read_text(encoding="utf-8"))
    for entry in document["AccessToken"].values():
        entry["expires_on"] = entry["extended_expires_on"] = str(int(time.time()) - 60)
    path.write_text(json.dumps(document), encoding="utf-8")


def all_at_once(az: Az, cloud: LocalCloud) -> Crowd:
    """Let many processes find an expired token."""
    expire(az)
    cloud.admin.clear_requests()
    began = time.perf_counter()
    processes = [
        subprocess.Popen(
            [str(az.host.az), *COMMAND],
            env=az.environment(),
            cwd=az.config_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(CALLERS)
    ]
    failed = sum(process.wait() != 0 for process in processes)
    return Crowd(time.perf_counter() - began, failed, cloud.admin.count_requests("/token$"))


def measure_warm(both: Mapping[str, Az], pairs: int, *, title: str = "cached token", limit: float = WARM_LIMIT) -> bool:
    """Print one line, and return whether the limit holds."""
    measured: dict[str, list[float]] = {name: [] for name in both}
    for pair in range(pairs + 1):
        for name in ("ours", "stock") if pair % 2 else ("stock", "ours"):
            seconds, _ = run(both[name], COMMAND)
            if pair:  # the first pair warms caches
                measured[name].append(seconds)
    ratio = statistics.median(ours / stock for ours, stock in zip(measured["ours"], measured["stock"], strict=True))
    ours, stock = (statistics.median(measured[name]) for name in ("ours", "stock"))
    print(f"{title:<26}{stock:>9.3f}s{ours:>8.3f}s{ratio:>8.2f}{limit:>7.2f}", flush=True)
    return ratio <= limit


def measure_crowd(both: Mapping[str, Az], cloud: LocalCloud, rounds: int) -> bool:
    """Print one line, and what went wrong on each side; return whether the limit holds and ours never failed."""
    outcomes: dict[str, list[Crowd]] = {name: [] for name in both}
    for number in range(rounds):
        for name in ("ours", "stock") if number % 2 else ("stock", "ours"):
            outcomes[name].append(all_at_once(both[name], cloud))
    ratio = statistics.median(
        ours.seconds / stock.seconds for ours, stock in zip(outcomes["ours"], outcomes["stock"], strict=True)
    )
    ours, stock = (statistics.median(outcome.seconds for outcome in outcomes[name]) for name in ("ours", "stock"))
    title = f"{CALLERS} at once, expired"
    print(f"{title:<26}{stock:>9.3f}s{ours:>8.3f}s{ratio:>8.2f}{CROWD_LIMIT:>7.2f}")
    for name, found in outcomes.items():
        failed, requests = [crowd.failed for crowd in found], [crowd.requests for crowd in found]
        print(f"  {name:<24}failed: {failed}, requests: {requests}", flush=True)
    return ratio <= CROWD_LIMIT and all(crowd.failed == 0 and crowd.requests == 1 for crowd in outcomes["ours"])


def main(pairs: int = PAIRS, rounds: int = ROUNDS) -> int:
    """Print what was measured; return 1 if a limit is broken."""
    with (
        tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as folder,
        LocalCloud() as cloud,
    ):
        both = sides(Path(folder), cloud)
        print(f"{'':<26}{'built in':>10}{'ours':>9}{'ratio':>8}{'limit':>7}")
        within = [measure_warm(both, pairs), measure_crowd(both, cloud, rounds)]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
