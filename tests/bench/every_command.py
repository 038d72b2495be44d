"""`python -m tests.bench every_command [PAIRS]`: commands that are not ours, with this extension in the index.

Alice is signed in, and there is nothing to do for us. Each pair runs the command without extensions and with ours, one
right after the other and in changing order; the ratio is the median of the pairs' ratios, of the time and of the CPU
time. `another` is an extension that declares one command and does nothing else, listed in the index in the same way:
what the host itself needs for any extension.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tests.bench.store import run
from tests.bench.tokens import sides
from tests.harness.az import Az
from tests.harness.stage import Stage
from tests.harness.wheel import install
from tests.localcloud import LocalCloud

COMMANDS = (("group", "list", "-h"), ("group", "list"))
PAIRS = 25
LIMIT = 1.06

_INDEX = "extensionIndex.json"


def with_another(stock: Az, folder: Path) -> Az:
    """Return the same `az` with the sample extension, which the host loads for `az group` too."""
    stage = Stage(folder / "stage")
    extension_dir, config_dir = folder / "sample", folder / "another"
    install(stage.sample_wheel(), stock.host, extension_dir, folder / "scratch")
    shutil.copytree(stock.config_dir, config_dir)
    another = replace(stock, config_dir=config_dir, extension_dir=extension_dir)
    another.run("sample", "-h", timeout=180).ok()
    index = json.loads((config_dir / _INDEX).read_text(encoding="utf-8-sig"))
    index["commandIndex"]["group"] = ["azext_sample"]
    (config_dir / _INDEX).write_text(json.dumps(index), encoding="utf-8-sig")
    return another


def measure(both: Mapping[str, Az], command: tuple[str, ...], pairs: int) -> bool:
    """Print one line for each side but the first, and return whether the limit holds for ours."""
    names = list(both)
    wall: dict[str, list[float]] = {name: [] for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    for pair in range(pairs + 1):
        for name in names if pair % 2 else reversed(names):
            before = cpu_of_children()
            seconds, _ = run(both[name], command)
            if pair:  # the first pair warms caches
                wall[name].append(seconds)
                cpu[name].append(cpu_of_children() - before)
    ratios = {}
    for name in names[1:]:
        ratios[name] = ratio(wall, name, names[0])
        print(
            f"{' '.join(command):<16}{name:<10}{statistics.median(wall[names[0]]):>8.3f}s"
            f"{statistics.median(wall[name]):>8.3f}s{ratios[name]:>8.3f}{LIMIT:>7.2f}"
            f"{statistics.median(cpu[names[0]]):>9.3f}s{statistics.median(cpu[name]):>8.3f}s"
            f"{ratio(cpu, name, names[0]):>8.3f}",
            flush=True,
        )
    return ratios["ours"] <= LIMIT


def ratio(measured: Mapping[str, list[float]], name: str, base: str) -> float:
    """Return the median of the ratios of the pairs."""
    return statistics.median(one / other for one, other in zip(measured[name], measured[base], strict=True))


def cpu_of_children() -> float:
    """Return the seconds of CPU time of all processes that this one has started and waited for."""
    if sys.platform == "win32":
        raise NotImplementedError
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(pairs: int = PAIRS) -> int:
    """Print what was measured; return 1 if the limit is broken."""
    with tempfile.TemporaryDirectory(prefix="login-bench-", ignore_cleanup_errors=True) as name, LocalCloud() as cloud:
        folder = Path(name)
        found = sides(folder, cloud)
        both = {"stock": found["stock"], "ours": found["ours"], "another": with_another(found["stock"], folder)}
        print(f"{'':<26}{'without':>9}{'with':>9}{'ratio':>8}{'limit':>7}{'CPU':>10}{'':>9}{'ratio':>8}")
        within = [measure(both, command, pairs) for command in COMMANDS]
    return 0 if all(within) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
