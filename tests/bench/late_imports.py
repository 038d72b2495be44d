"""Which modules a command loads after it has sent its first request: loading them earlier, or never, saves time."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.harness.az import Az

#: Printed between the lines of `-X importtime` when the first request is sent.
_MARK = "first request"
#: `http.client.send` is an audit event of `http.client`, on which urllib3 is built (Python's table of audit events).
_PROGRAM = f"""
import os, runpy, sys
marks = ["{_MARK}\\n"]
def note(event, arguments):
    if event == "http.client.send" and marks:
        os.write(2, marks.pop().encode())
sys.addaudithook(note)
runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)
"""
#: Microseconds of the module alone, of it and what it imports, and its name.
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(\S+)")
#: Packages of many distributions, or of ours: their parts are counted each by itself.
_SHARED = ("azure.cli.core", "azure", "azext_login")


@dataclass(frozen=True)
class LateImports:
    """A package, the microseconds that its modules took to load after the first request, and how many they are."""

    package: str
    microseconds: int
    modules: int


def late_imports(az: Az, arguments: Sequence[str]) -> list[LateImports]:
    """Run a command, and return what it loads after its first request, slowest first.

    Python does not list the modules that `importlib.import_module` names, only what they import.
    """
    done = subprocess.run(
        [str(az.host.bin / "python"), "-X", "importtime", "-c", _PROGRAM, *arguments],
        env=az.environment(),
        cwd=az.config_dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    _, mark, after = done.stderr.partition(_MARK)
    assert mark, "the command sent no request"
    seconds: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for alone, module in _LINE.findall(after):
        seconds[_package(module)] += int(alone)
        modules[_package(module)] += 1
    return [LateImports(name, taken, modules[name]) for name, taken in seconds.most_common()]


def _package(module: str) -> str:
    for shared in _SHARED:
        if module.startswith(f"{shared}."):
            return shared + "." + module.removeprefix(f"{shared}.").partition(".")[0]
    return module.partition(".")[0]
