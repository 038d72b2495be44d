"""The code blocks of README.rst and docs/, made fit for the local cloud, and a shell to run them in."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.environments import SHELLS, in_ci

ROOT = Path(__file__).resolve().parents[2]

#: Every page that users read.
PAGES = (ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst")))

# The pages name domains of the public cloud; the local one has the same users and tenants under `.example`.
_LOCALLY = {
    "contoso.onmicrosoft.com": "contoso.onmicrosoft.example",
    "contoso.com": "contoso.example",
    "fabrikam.com": "fabrikam.example",
    "woodgrove.com": "woodgrove.example",
    "tailspin.com": "tailspin.example",
    "management.azure.com": "management.localcloud.example",
}


def blocks() -> list[list[str]]:
    """Return the command lines of each block of commands."""
    return [[line.strip().removeprefix("$ ") for line in lines if line.strip()] for lines in _code_blocks("console")]


def block(first_line: str) -> list[str]:
    """Return the block of commands that begins with `first_line`, for the local cloud."""
    (found,) = [lines for lines in blocks() if lines[0] == first_line]
    lines = []
    for line in found:
        for public, local in _LOCALLY.items():
            line = line.replace(public, local)
        lines.append(line)
    return lines


def code_blocks(language: str) -> list[str]:
    """Return the text of each block in a language."""
    return ["\n".join(line[3:] for line in lines) + "\n" for lines in _code_blocks(language)]


def code(language: str, begins: str) -> str:
    """Return the text of the block in a language that begins with `begins`."""
    (found,) = [text for text in code_blocks(language) if text.startswith(begins)]
    return found


def run_program(az: Az, *command: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the environment and the config directory of an `az`, whatever its exit code is."""
    return subprocess.run(
        command,
        env=az.environment(env),
        cwd=az.config_dir,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def installed(name: str) -> str:
    """Return the path of a program. Skips where it is not installed, and fails in continuous integration."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed"
        if in_ci() and name in SHELLS:
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def bash(az: Az, lines: list[str], *, env: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run lines in one shell, ending at the first that fails, and return its output."""
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        env=az.environment(env),
        cwd=az.config_dir,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def languages() -> set[str]:
    """Return the languages of all code blocks, in whatever way they are indented."""
    return set(re.findall(r"^ *\.\. (?:code-block|code|sourcecode|highlight):: *(\S*)", _text(), flags=re.MULTILINE))


def _code_blocks(language: str) -> list[list[str]]:
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", _text(), flags=re.MULTILINE)
    return [block_text.rstrip("\n").split("\n") for block_text in found]


def _text() -> str:
    # A block ends with its page.
    return "\n.. end of a page\n".join(page.read_text(encoding="utf-8") for page in PAGES)
