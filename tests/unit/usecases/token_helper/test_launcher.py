"""The launcher of `az-token`: what it starts, whatever the paths are called, and how it is recognised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.usecases.token_helper.launcher import Launcher, read_script, script_of

INSTALL = "az account token-helper install"
WINDOWS = sys.platform == "win32"

# Writes what it receives, and what the environment has.
_PROGRAM = """
import json, os, sys
names = ("AZ_INSTALLER", "AZURE_EXTENSION_DIR")
print(json.dumps({"words": sys.argv[1:], **{name: os.environ.get(name) for name in names}}))
sys.exit(7)
"""

AWKWARD = [
    "plain",
    "two words",
    "it's",
    'a "quoted"',
    "$HOME `id` $(id)",
    "back\\slash",
    "-I",
    "semi;colon & |",
    "tab\there",
]


def _launcher(folder: Path) -> Launcher:
    """Return a launcher of a program that writes what it receives, in a folder."""
    folder.mkdir(parents=True)
    program = folder / "az-token"
    program.write_text(_PROGRAM, encoding="utf-8")
    return Launcher(sys.executable, str(program), {"AZ_INSTALLER": "DEB"}, {"AZURE_EXTENSION_DIR": str(folder)})


def _one(field: str, value: str) -> dict[str, Any]:
    return {field: value}


def _write(launcher: Launcher, folder: Path) -> Path:
    path = folder / ("az-token.cmd" if WINDOWS else "launcher")
    path.write_bytes(script_of(launcher, install=INSTALL, is_windows=WINDOWS))
    path.chmod(0o755)
    return path


def _run(path: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AZ")}
    return subprocess.run(
        [str(path), *words], capture_output=True, text=True, env={**variables, **env}, timeout=60, check=False
    )


@pytest.mark.parametrize("name", [name for name in AWKWARD if not WINDOWS or name in ("plain", "two words", "it's")])
def test_words_and_exit_code_pass_through_it_whatever_the_directory_is_called(tmp_path: Path, name: str) -> None:
    launcher = _launcher(tmp_path / name)
    words = ["--format", "header", "--x="] if WINDOWS else ["--format", "", "a b", "$HOME", "*", "'", "\n"]
    done = _run(_write(launcher, tmp_path), *words)
    received = json.loads(done.stdout)
    assert received == {"words": words, "AZ_INSTALLER": "DEB", "AZURE_EXTENSION_DIR": str(tmp_path / name)}
    assert (done.returncode, done.stderr) == (7, "")


def test_the_caller_s_directory_of_extensions_counts_and_the_caller_s_installer_does_not(tmp_path: Path) -> None:
    path = _write(_launcher(tmp_path / "extension"), tmp_path)
    received = json.loads(_run(path, AZURE_EXTENSION_DIR="mine", AZ_INSTALLER="PIP").stdout)
    assert (received["AZURE_EXTENSION_DIR"], received["AZ_INSTALLER"]) == ("mine", "DEB")


@pytest.mark.parametrize("missing", ["interpreter", "program"])
@pytest.mark.parametrize("name", ["gone", "gone too, isn't it"])
def test_what_is_missing_is_one_line_with_the_next_step(tmp_path: Path, missing: str, name: str) -> None:
    gone = str(tmp_path / name)
    path = _write(replace(_launcher(tmp_path / "extension"), **_one(missing, gone)), tmp_path)
    done = _run(path, "--format", "header")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR: ")
    assert gone in line
    assert (INSTALL if missing == "interpreter" else str(path)) in line


_PATHS = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), min_size=1)
_LAUNCHERS = st.builds(
    Launcher,
    interpreter=_PATHS,
    program=_PATHS,
    variables=st.just({"AZ_INSTALLER": "DEB"}),
    defaults=st.just({}),
)


@given(launcher=_LAUNCHERS, is_windows=st.booleans())
def test_what_is_written_is_read_again(launcher: Launcher, is_windows: bool) -> None:
    script = script_of(launcher, install=INSTALL, is_windows=is_windows)
    assert read_script(script) == launcher
    # No path gets a line of its own.
    assert script.count(b"\n") == script_of(
        replace(launcher, interpreter="a", program="b"), install=INSTALL, is_windows=is_windows
    ).count(b"\n")


@pytest.mark.parametrize("field", ["interpreter", "program"])
@pytest.mark.parametrize("character", ["\n", "\r", "\0"])
def test_a_line_break_in_a_path_is_refused(field: str, character: str) -> None:
    launcher = replace(Launcher("/bin/python3", "/x/az-token"), **_one(field, f"/a{character}b"))
    with pytest.raises(ValueError, match="line break"):
        script_of(launcher, install=INSTALL, is_windows=False)


@given(content=st.binary() | st.builds(lambda tail: b"#!/bin/sh\n# az account token-helper: " + tail, st.binary()))
def test_other_programs_are_not_ours(content: bytes) -> None:
    assert read_script(content) is None


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "{}",
        "[]",
        '{"interpreter": 1, "program": "b", "variables": {}, "defaults": {}}',
        '{"interpreter": "", "program": "b", "variables": {}, "defaults": {}}',
        '{"interpreter": "a", "program": "b", "variables": [], "defaults": {}}',
        '{"interpreter": "a", "program": "b", "variables": {"x": 1}, "defaults": {}}',
        '{"interpreter": "a", "program": "b", "variables": {}, "defaults": {}, "more": 1}',
    ],
)
def test_a_damaged_launcher_is_not_ours(text: str) -> None:
    assert read_script(f"#!/bin/sh\n# az account token-helper: {text}\n".encode()) is None


def test_in_a_batch_file_a_percent_sign_stays_one(tmp_path: Path) -> None:
    launcher = Launcher("C:\\50% of (x86)\\python.exe", "C:\\a&b\\az-token", {"AZ_INSTALLER": "MSI"})
    lines = script_of(launcher, install=INSTALL, is_windows=True).decode("ascii").split("\r\n")
    assert '"C:\\50%% of (x86)\\python.exe" -I -S "C:\\a&b\\az-token" %*' in lines
    assert 'set "AZ_INSTALLER=MSI"' in lines
    assert all(line.replace("%%", "").count("%") == 0 for line in lines if line.startswith(("rem ", "if ")))
