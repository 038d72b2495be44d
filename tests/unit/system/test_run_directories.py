"""Directories of runs: created with their lock, in use while it is held, and removed afterwards."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from azext_login.errors import StoreError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.run_directories import RunDirectories

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and locks of POSIX systems")

_PROGRAM = """
import sys
from pathlib import Path
from azext_login.system.directory import PrivateDirectory
from azext_login.system.run_directories import RunDirectories
runs = RunDirectories(PrivateDirectory(Path(sys.argv[1])), "runs")
for _ in range(int(sys.argv[2])):
    with runs.new() as run:
        runs.remove_unused()
        file = run.directory.path / "file"
        file.write_text("mine")
        runs.remove_unused()
        assert file.read_text() == "mine"
"""


@pytest.fixture
def runs(tmp_path: Path) -> RunDirectories:
    return RunDirectories(PrivateDirectory(tmp_path), "runs")


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], list[str]]:
    """Return what is left of all runs."""
    return lambda: sorted(path.name for path in (tmp_path / "runs").iterdir())


def test_a_directory_is_private_and_removed(runs: RunDirectories, left: Callable[[], list[str]]) -> None:
    with runs.new() as run:
        assert stat.S_IMODE(run.directory.path.stat().st_mode) == 0o700
        (run.directory.path / "file").write_text("x", encoding="utf-8")
    assert left() == []


def test_a_directory_is_removed_after_an_error(runs: RunDirectories, left: Callable[[], list[str]]) -> None:
    with pytest.raises(KeyboardInterrupt), runs.new():
        raise KeyboardInterrupt
    assert left() == []


def test_one_in_use_is_kept_and_one_without_a_process_is_removed(
    runs: RunDirectories, left: Callable[[], list[str]], tmp_path: Path
) -> None:
    with runs.new() as run:
        abandoned, without_lock = tmp_path / "runs" / ("a" * 16), tmp_path / "runs" / ("b" * 16)
        for folder in (abandoned, without_lock):
            folder.mkdir()
        abandoned.with_name(f"{abandoned.name}.lock").touch()
        runs.remove_unused()
        name = run.directory.path.name
        assert left() == [name, f"{name}.lock"]


def test_many_processes_leave_each_other_alone(left: Callable[[], list[str]], tmp_path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", _PROGRAM, str(tmp_path), "20"]) for _ in range(8)]
    assert [process.wait(120) for process in started] == [0] * len(started)
    assert left() == []


def test_a_link_is_refused_and_not_followed(runs: RunDirectories, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (target / ("a" * 16)).mkdir(parents=True)
    (tmp_path / "runs").symlink_to(target)
    runs.remove_unused()
    with pytest.raises(StoreError, match="symbolic link"), runs.new():
        pass
    assert [path.name for path in target.iterdir()] == ["a" * 16]


def test_a_file_is_refused(runs: RunDirectories, tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(StoreError, match="No directory could be created"), runs.new():
        pass


def test_nothing_is_created_to_look_for_what_is_left(runs: RunDirectories, tmp_path: Path) -> None:
    runs.remove_unused()
    assert list(tmp_path.iterdir()) == []
