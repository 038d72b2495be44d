"""`python -m tests.bench az_token [PAIRS]`: `az-token` with a cached token, beside the built-in command.

Each pair runs both, one right after the other and in changing order; the ratio is the median of the pairs' ratios.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.bench.tokens import COMMAND, sides
from tests.harness import az_token
from tests.harness.az import Az
from tests.localcloud import LocalCloud

PAIRS = 25
LIMIT = 0.15


def seconds(az: Az, words: list[str]) -> float:
    """Return the wall-clock time of a program that has to write a token."""
    began = time.perf_counter()
    done = subprocess.run(words, env=az.environment(), cwd=az.config_dir, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    return took


def main(pairs: int = PAIRS) -> int:
    """Print one line; return 1 if the limit is exceeded."""
    with (
        tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as folder,
        LocalCloud() as cloud,
    ):
        both = sides(Path(folder), cloud)
        words = {
            "ours": [*az_token.command(both["ours"]), "--format", "json"],
            "stock": [str(both["stock"].host.az), *COMMAND],
        }
        measured: dict[str, list[float]] = {name: [] for name in words}
        for pair in range(pairs + 1):
            for name in ("ours", "stock") if pair % 2 else ("stock", "ours"):
                taken = seconds(both[name], words[name])
                if pair:  # the first pair warms caches
                    measured[name].append(taken)
        # What let `az` answer would be no faster than `az`.
        az_token.run(both["ours"], "--format", "json", program=az_token.without_az(both["ours"])).ok()
    ratio = statistics.median(ours / stock for ours, stock in zip(measured["ours"], measured["stock"], strict=True))
    ours, stock = (statistics.median(measured[name]) for name in ("ours", "stock"))
    print(f"{'':<26}{'built in':>10}{'az-token':>10}{'ratio':>8}{'limit':>7}")
    print(f"{'cached token':<26}{stock:>9.3f}s{ours:>9.3f}s{ratio:>8.3f}{LIMIT:>7.2f}")
    return 0 if ratio <= LIMIT else 1
