"""What the host's modules take from the environment when they are imported does not reach a forked child."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import hosts

fork_server: Any = pytest.importorskip("tests.harness.fork_server", reason="there is no fork")
forked: Any = pytest.importorskip("tests.harness.forked", reason="there is no fork")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the executable runs in every test")

#: What `recompute` computes anew.
_RECOMPUTED = frozenset(
    (
        *("AZURE_CONFIG_DIR", "AZURE_EXTENSION_DIR", "AZURE_EXTENSION_DEV_SOURCES", "AZURE_EXTENSION_SYS_DIR"),
        *("HOME", "TMPDIR", "TEMP", "TMP"),
    )
)
# Loads the host's modules with one set of folders in the environment, recomputes with another, and tells which
# variables were read meanwhile, how many threads there are, and where the first folders still stand.
_PROGRAM = """
import gc, importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("fork_server", sys.argv[1])
server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(server)

folders = ("AZURE_CONFIG_DIR", "AZURE_EXTENSION_DIR", "AZURE_EXTENSION_SYS_DIR", "AZURE_EXTENSION_DEV_SOURCES", "HOME",
    "TMPDIR")
BEFORE, AFTER = "-".join(["/before", "load"]), "/after"  # not a constant of this program, which would be found
os.environ.update({name: BEFORE for name in folders})

read = set()
kind = type(os.environ)
getting, listing = kind.__getitem__, kind.__iter__
def get(self, name):
    read.add(name)
    return getting(self, name)
def list_all(self):
    read.add("all of them")
    return listing(self)
kind.__getitem__, kind.__iter__ = get, list_all
server.load()
kind.__getitem__, kind.__iter__ = getting, listing

os.environ.update({name: AFTER for name in folders})
server.recompute()
left = []
own = {id(globals()), id(os.environ._data)}
for found in gc.get_objects():
    if id(found) in own:
        continue
    if isinstance(found, dict):
        owner = str(found.get("__name__") or found.get("__module__") or "")
        left += [f"{owner} {key}: {value}" for key, value in found.items() if BEFORE in str(value)[:200]]
    elif isinstance(found, (list, tuple, set, frozenset)):
        left += [f"{type(found)}: {value}" for value in found if isinstance(value, str) and BEFORE in value]
json.dump({"read": sorted(read), "left": left, "threads": os.listdir("/proc/self/task")}, sys.stdout)
"""


@pytest.fixture(params=["newest", pytest.param("oldest", marks=pytest.mark.oldest)])
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """What a host's modules did while they were loaded."""
    python = forked.python_of(hosts.named(request.param))
    if not python:
        pytest.skip("this azure-cli starts Python in a way of its own: nothing is forked")
    done = subprocess.run(
        [str(python), "-c", _PROGRAM, fork_server.__file__],
        env={"LANG": fork_server.LANG, "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_was_computed_from_the_environment_is_computed_again(loaded: Any) -> None:
    assert loaded["left"] == []


def test_a_variable_that_is_read_once_is_recomputed_or_starts_the_executable(loaded: Any) -> None:
    once = {name for name in loaded["read"] if not name.lstrip("_").startswith("PYTHON")}
    assert once - _RECOMPUTED - fork_server.NOT_RECOMPUTED == set()


def test_the_server_has_one_thread_when_it_forks(loaded: Any) -> None:
    assert len(loaded["threads"]) == 1
