"""`make fuzz`: damaged samples for every target, on all processors, with what came out of them."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.run import Tally, Target, read_valid, run
from tests.fuzz.targets import TARGETS

_CHUNK = 500
"""Inputs for one process."""

_MEMORY = 4 << 30
"""Bytes that a process may allocate."""

_PATIENCE = 300
"""Seconds for the next result of any process."""

_SHOWN = 5
"""Failures of each target that are printed."""


def shares(targets: Sequence[Target], count: int) -> dict[str, int]:
    """Return how many of `count` inputs each target gets: at least one."""
    whole = sum(target.share for target in targets)
    found = {target.name: max(1, count * target.share // whole) for target in targets}
    found[targets[0].name] += max(0, count - sum(found.values()))
    return found


def main(words: Sequence[str]) -> int:
    """Run the inputs, print the outcomes, and return the exit code."""
    options = _parse(words)
    targets = [target for target in TARGETS if options.target in (None, target.name)]
    seed, began = options.seed or str(random.SystemRandom().randrange(10**9)), time.monotonic()
    for target in targets:
        # Before the processes are forked: what targets make once, all of them have.
        if (outcome := read_valid(target)) != target.valid:
            print(f"{target.name}: the valid sample is not accepted: {outcome}")
            return 1
    print(f"Seed {seed}. To repeat: make fuzz ARGS='--seed {seed} --count {options.count}'")
    if options.number is None:
        tasks = [
            (name, range(first, min(first + _CHUNK, count)), seed)
            for name, count in shares(targets, options.count).items()
            for first in range(0, count, _CHUNK)
        ]
    else:
        tasks = [(target.name, range(options.number, options.number + 1), seed) for target in targets]
    tallies = {target.name: Tally() for target in targets}
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        # Targets that take long come first, so that no processor waits for the last one.
        results = pool.imap_unordered(_work, sorted(tasks, key=_share_of))
        for _ in tasks:
            try:
                name, tally = results.next(timeout=_PATIENCE)
            except multiprocessing.TimeoutError:
                print(f"A process has died, or hangs where no signal reaches it: no result for {_PATIENCE} seconds.")
                pool.terminate()
                break
            tallies[name].add(tally)
    for name, tally in tallies.items():
        print(_line(name, tally))
    failures = [failure for tally in tallies.values() for failure in tally.failures[:_SHOWN]]
    print(*failures, sep="\n\n")
    inputs = sum(tally.inputs for tally in tallies.values())
    failed = sum(len(tally.failures) for tally in tallies.values())
    print(f"{inputs:,} inputs in {time.monotonic() - began:.0f} seconds: {failed} failures")
    return 1 if failed or inputs < sum(len(numbers) for _, numbers, _ in tasks) else 0


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS='...'", description=__doc__)
    parser.add_argument("--seed", help="the seed that an earlier run has printed; the default is a new one")
    parser.add_argument("--count", type=int, default=100_000, help="inputs of all targets together")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="this target only")
    parser.add_argument("--number", type=int, help="this input only, as a failure names it; with --seed and --target")
    return parser.parse_args(words)


def _share_of(task: tuple[str, range, str]) -> int:
    return next(target.share for target in TARGETS if target.name == task[0])


def _work(task: tuple[str, range, str]) -> tuple[str, Tally]:
    if sys.platform == "win32":
        raise NotImplementedError
    name, numbers, seed = task
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    return name, run(next(target for target in TARGETS if target.name == name), numbers, seed)


def _line(name: str, tally: Tally) -> str:
    outcomes = ", ".join(f"{outcome} {number}" for outcome, number in tally.outcomes.most_common())
    return (
        f"{name:21} {tally.inputs:6} inputs {tally.seconds:6.1f} s, slowest {tally.slowest:5.2f} s, "
        f"+{tally.grown:.0f} MB: {outcomes}"
    )


if __name__ == "__main__":
    from tests.harness import guard

    with tempfile.TemporaryDirectory(prefix="login-fuzz-home-") as home:
        guard.move_home(Path(home))
        with guard.loopback_only():
            code = main(sys.argv[1:])
    sys.exit(code)
