"""The smoke test of other systems, run on this one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.harness import hosts
from tests.harness.environments import ROOT
from tests.harness.stage import Stage
from tests.harness.wheel import without_package_index

pytestmark = pytest.mark.executable


def test_the_smoke_test_passes_with_the_wheel(stage: Stage) -> None:
    host = hosts.newest()
    if not (host.bin / "python").exists():
        pytest.skip("this azure-cli is not in an environment of its own")
    command = [sys.executable, "-m", "tests.smoke", "--host", str(host.bin.parent), "--wheel", str(stage.wheel())]
    environment = {"PATH": host.search_path, **without_package_index()}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it worked" in done.stdout


# What a system without POSIX does not have.
_BLOCKED = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "pty", "termios", "tty", "pwd", "grp", "resource", "pexpect", "ptyprocess"):
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
for name in sys.argv[1:]:
    __import__(name)
"""


def test_the_smoke_test_and_the_set_up_load_nothing_that_windows_lacks() -> None:
    words = ["tests.smoke.__main__", "tests.harness.environments", "tests.harness.wheel"]
    done = subprocess.run([sys.executable, "-c", _BLOCKED, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
