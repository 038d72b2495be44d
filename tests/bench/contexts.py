"""`python -m tests.bench contexts [PAIRS]`: ten contexts, none of them chosen, against the same without contexts.

Alice is signed in. Each pair runs a command in both config directories, one right after the other and in changing
order; the ratio is the median of the pairs' ratios, of the time and of the CPU time.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.bench.every_command import cpu_of_children, ratio
from tests.bench.store import run
from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.contexts import add_context
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage, Stage
from tests.localcloud import LocalCloud
from tests.users import ALICE

COMMANDS = (("account", "show"), ("group", "list"))
PAIRS = 25
LIMIT = 1.02
CONTEXTS = 10


def measure(without: Az, with_contexts: Az, command: tuple[str, ...], pairs: int) -> bool:
    """Print one line, and return whether the limit holds."""
    sides = {"without": without, "with": with_contexts}
    wall: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for pair in range(pairs + 1):
        for name in sides if pair % 2 else reversed(sides):
            before = cpu_of_children()
            seconds, _ = run(sides[name], command)
            if pair:  # the first pair warms caches
                wall[name].append(seconds)
                cpu[name].append(cpu_of_children() - before)
    found = ratio(wall, "with", "without")
    print(
        f"{' '.join(command):<16}{statistics.median(wall['without']):>8.3f}s{statistics.median(wall['with']):>8.3f}s"
        f"{found:>8.3f}{LIMIT:>7.2f}{statistics.median(cpu['without']):>9.3f}s"
        f"{statistics.median(cpu['with']):>8.3f}s{ratio(cpu, 'with', 'without'):>8.3f}",
        flush=True,
    )
    return found <= LIMIT


def main(pairs: int = PAIRS) -> int:
    """Print what was measured; return 1 if the limit is broken."""
    with tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as name, LocalCloud() as cloud:
        folder = Path(name)
        host = hosts.newest()
        without = CloudStage(Stage(folder / "stage"), cloud, host, folder / "cloud").az(host, folder / "without")
        sign_in(without, cloud, ALICE).ok()
        shutil.copytree(without.config_dir, folder / "with")
        with_contexts = replace(without, config_dir=folder / "with")
        for number in range(CONTEXTS):
            add_context(with_contexts, f"context-{number}", ALICE, "Contoso Development")
        print(f"{'':<16}{'without':>9}{'with':>9}{'ratio':>8}{'limit':>7}{'CPU':>10}{'':>9}{'ratio':>8}")
        within = [measure(without, with_contexts, command, pairs) for command in COMMANDS]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
