"""`python -m tests.parity`: run the suite on one azure-cli and list the differences without a reason.

With the path of another azure-cli, list also what is new in it or gone from it, compared with the newest known one:
`make nightly` does so with the newest release.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from traceback import format_exception

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.environments import oldest_version
from tests.harness.hosts import Host
from tests.harness.launchers import REAL, default_launcher
from tests.harness.stage import Stage
from tests.localcloud import LocalCloud
from tests.parity.both import run_case
from tests.parity.case import Case
from tests.parity.cases import CASES
from tests.parity.compare import Finding
from tests.parity.host_changes import changes, facts, version_of
from tests.parity.judging import Verdict, render, unshown
from tests.parity.options import say_version
from tests.parity.report import describe
from tests.parity.run import Suite


def _arguments(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("--host", default="newest", help="newest, oldest, or the path of an az executable")
    parser.add_argument("-k", dest="pattern", default="", metavar="REGEX", help="only cases whose line matches")
    parser.add_argument("--part", choices=("all", "fast"), default="all", help="fast: what every test run includes")
    parser.add_argument("-j", dest="jobs", type=int, default=(os.cpu_count() or 2) + 1, help="cases at the same time")
    parser.add_argument("--fresh", action="store_true", help="start the executable for every command, and no stand-in")
    parser.add_argument("--list", action="store_true", help="print the cases and do nothing")
    parser.add_argument("--render-differences", action="store_true", help="print the table of the docs and do nothing")
    return parser.parse_args(args)


_KNOWN = ("newest", "oldest")


def _host(name: str) -> Host:
    """Return the host to test. Another executable counts as a newest one, unless it has the version of the oldest."""
    if name in _KNOWN:
        return hosts.named(name)
    az = Path(name).absolute()
    version = version_of(az, say_version(az))
    return Host("oldest" if version == oldest_version() else "newest", version, az)


def _report_changes(host: Host, folder: Path) -> int:
    """Print what a host has that the newest known one does not, and return the number of changes."""
    known = hosts.newest()
    found = changes(*(facts(Az(each, folder / each.version)) for each in (known, host)))
    print(f"azure-cli {host.version} ({host.az}), compared with {known.version}: {len(found)} changes")
    print(*(f"  {line}" for line in found), sep="\n", flush=True)
    return len(found)


def _run_all(suite: Suite, cases: Sequence[Case], jobs: int) -> tuple[set[str], list[str]]:
    """Return the ids of the differences that were shown, and the descriptions of failures."""
    shown: set[str] = set()
    failures: list[str] = []
    done = 0

    def settle(case: Case, verdict: Verdict) -> None:
        nonlocal done
        done += 1
        shown.update(verdict.shown)
        if verdict.unexplained:
            failures.append(describe(case, verdict.unexplained))
            print(f"\n{failures[-1]}", flush=True)
        if done % 20 == 0:
            print(f"{done} of {len(cases)}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_case, suite, case): case for case in cases if not case.fault}
        for future in as_completed(running):
            if broken := future.exception():
                verdict = Verdict([Finding("the suite itself", "", "", "".join(format_exception(broken)))], frozenset())
            else:
                verdict = future.result()
            settle(running[future], verdict)
    for case in cases:
        if case.fault:  # no other process may be using the cloud
            settle(case, run_case(suite, case))
    return shown, failures


def main(args: Sequence[str] | None = None) -> int:
    """Run what was asked for.

    0: everything is the same or explained. 1: something is not, or the host has changed. 2: there is no such host.
    """
    options = _arguments(args)
    if options.render_differences:
        print(render(), end="")
        return 0
    try:
        host = None if options.list else _host(options.host)
    except (OSError, ValueError) as error:
        print(f"{options.host!r} is no azure-cli: {error}", file=sys.stderr)
        return 2
    cases = [
        case
        for case in CASES
        if re.search(options.pattern, case.id)
        and (case.fast or options.part == "all")
        and (host is None or host.name in case.hosts)
    ]
    if host is None:
        print(*(case.id for case in cases), sep="\n")
        return 0
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="login-parity-", ignore_cleanup_errors=True) as folder,
        LocalCloud() as cloud,
    ):
        launcher = REAL if options.fresh else default_launcher()
        changed = 0 if options.host in _KNOWN else _report_changes(host, Path(folder, "facts"))
        suite = Suite(host, cloud, Stage(Path(folder, "stage")), Path(folder, "runs"), launcher)
        shown, failures = _run_all(suite, cases, options.jobs)
    outdated = unshown(shown, host.name) if cases == [c for c in CASES if host.name in c.hosts] else []
    for difference in outdated:
        print(f"\nNo case shows the difference '{difference.id}' any more: {difference.reason}")
    print(
        f"\n{len(cases) - len(failures)} passed, {len(failures)} failed"
        f"{f', {len(outdated)} differences out of date' if outdated else ''}"
        f" (azure-cli {host.version}, {time.monotonic() - began:.0f} s)"
    )
    return 1 if failures or outdated or changed else 0


if __name__ == "__main__":
    sys.exit(main())
