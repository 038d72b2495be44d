"""The command of `az` that answers in place of `az-token`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from azext_login.az_token.hand_over import az_words, python_options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["account", "export-token"]),
        (["--format", "header"], ["account", "export-token", "--format", "header"]),
        (["--format", "json", "-t", "x"], ["account", "get-access-token", "--output", "json", "-t", "x"]),
        (["-t", "x", "--format=json"], ["account", "get-access-token", "--output", "json", "-t", "x"]),
        (["-f", "json"], ["account", "get-access-token", "--output", "json"]),
        (["-f=json"], ["account", "get-access-token", "--output", "json"]),
        (["-fjson", "-t", "x"], ["account", "get-access-token", "--output", "json", "-t", "x"]),
        (["--form", "json"], ["account", "get-access-token", "--output", "json"]),
        (["--forma=json"], ["account", "get-access-token", "--output", "json"]),
        # What is not the format, or not alone
        (["--fo", "json"], ["account", "export-token", "--fo", "json"]),
        (["--", "json"], ["account", "export-token", "--", "json"]),
        (["-f=", "json"], ["account", "export-token", "-f=", "json"]),
        (["--format=", "json"], ["account", "export-token", "--format=", "json"]),
        (["-fjson", "-f", "json"], ["account", "export-token", "-fjson", "-f", "json"]),
        (["-fheader"], ["account", "export-token", "-fheader"]),
        # az refuses the format twice, and reports it.
        (["-f", "json", "--format", "json"], ["account", "export-token", "-f", "json", "--format", "json"]),
        (["--format"], ["account", "export-token", "--format"]),
    ],
)
def test_the_format_chooses_the_command(words: list[str], expected: list[str]) -> None:
    assert az_words(words) == expected


@pytest.mark.parametrize(
    ("installer", "options"),
    [("DEB", "-I -m"), ("HOMEBREW", "-I -m"), ("MSI", "-I -m"), ("RPM", "-s -P -m"), ("PIP", "-P -m"), (None, "-P -m")],
)
def test_python_starts_as_the_package_of_az_starts_it(installer: str | None, options: str) -> None:
    environ = {} if installer is None else {"AZ_INSTALLER": installer}
    assert python_options(environ, (3, 13)) == [*options.split(), "azure.cli"]


@pytest.mark.parametrize("version", [(3, 10), sys.version_info[:2]])
def test_no_module_of_the_working_directory_is_loaded(tmp_path: Path, version: tuple[int, int]) -> None:
    cwd, packages = tmp_path / "cwd", tmp_path / "packages"
    for folder, module in ((cwd, "azure/cli"), (cwd, "json"), (cwd, "runpy"), (packages, "azure/cli")):
        (folder / module).mkdir(parents=True)
        (folder / module / "__init__.py").write_text("" if folder == packages else "raise SystemExit('of others')\n")
    (packages / "azure" / "cli" / "__main__.py").write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    done = subprocess.run(
        [sys.executable, *python_options({}, version), "-c", "x y", "--z"],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == '["-c", "x y", "--z"]\n', done.stderr
