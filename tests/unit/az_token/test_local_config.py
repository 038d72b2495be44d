"""The host's configuration in the working directory, with which `az` may fail."""

from __future__ import annotations

import configparser
import os
import sys
from pathlib import Path

import pytest

from azext_login.az_token.hand_over import FinalError
from azext_login.az_token.local_config import check_local_config


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, two levels below a directory with a directory `.azure`."""
    directory = tmp_path / "project" / "src"
    directory.mkdir(parents=True)
    (tmp_path / ".azure").mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("content", [b"no section\n", b"[a]\nb=1\nb=2\n", b"[a]\nb=\xff\n"])
def test_a_file_with_which_az_fails_is_an_error(cwd: Path, level: int, content: bytes) -> None:
    local = [cwd, *cwd.parents][level] / ".azure"
    local.mkdir(exist_ok=True)
    (local / "config").write_bytes(content)
    with pytest.raises((configparser.Error, UnicodeDecodeError)):
        check_local_config("/home/x/.azure")
    # The host looks for directories with the name of its own.
    check_local_config("/home/x/azure")


def test_a_valid_file_changes_nothing(cwd: Path) -> None:
    (cwd.parents[1] / ".azure" / "config").write_text("[core]\noutput = 50%\n")
    check_local_config("/home/x/.azure")


@pytest.mark.parametrize("spelling", ["{}", "{}/../.azure", "{}/."])
def test_the_config_directory_itself_ends_the_search(cwd: Path, spelling: str) -> None:
    # That file is read elsewhere. `{}/.` is another name, so nothing has it.
    (cwd.parents[1] / ".azure" / "config").write_text("no section\n")
    check_local_config(spelling.format(cwd.parents[1] / ".azure"))


def test_a_directory_in_place_of_the_file_is_no_error(cwd: Path) -> None:
    (cwd / ".azure" / "config").mkdir(parents=True)
    check_local_config("/home/x/.azure")


def test_a_pipe_that_blocks_az_is_one_error(cwd: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    os.mkfifo(cwd.parents[1] / ".azure" / "config")
    with pytest.raises(FinalError, match="config could not be read: It is a named pipe"):
        check_local_config("/home/x/.azure")


@pytest.mark.skipif(sys.platform == "win32", reason="a working directory can be removed")
def test_a_working_directory_that_was_removed_is_for_az(cwd: Path) -> None:
    cwd.rmdir()
    with pytest.raises(FileNotFoundError):
        check_local_config("/home/x/.azure")
