"""What the parser of a host, with or without the extension, makes of every option and every abbreviation."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.harness.az import NOWHERE, Az

#: The commands that we take over.
COMMANDS = (
    "login",
    "logout",
    "account list",
    "account show",
    "account set",
    "account clear",
    "account get-access-token",
)
_PROGRAM = Path(__file__).with_name("in_host.py")


def ask(az: Az, question: dict[str, Any]) -> Any:
    """Put a question (see `in_host`) to the Python that `az` runs on."""
    done = subprocess.run(
        [str(_python_of(az.host.az)), "-I", str(_PROGRAM)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        env=az.environment(),
        cwd=az.config_dir,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _python_of(az: Path) -> Path:
    """Return the Python of an azure-cli: the one beside it, as in every virtual environment, or the one that it names.

    Raises:
        ValueError: `az --version` names none.
    """
    beside = az.with_name("python")
    if beside.exists():
        return beside
    found = re.search(r"^Python location '(.+)'$", say_version(az), re.MULTILINE)
    if not found:
        raise ValueError(f"{az} does not print the location of its Python")
    return Path(found[1])


@cache
def say_version(az: Path) -> str:
    """Return what `az --version` prints."""
    with tempfile.TemporaryDirectory(prefix="login-parity-", ignore_cleanup_errors=True) as folder:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "AZURE_CONFIG_DIR": folder, "HTTPS_PROXY": NOWHERE}
        done = subprocess.run([str(az), "--version"], env=environment, capture_output=True, text=True, timeout=170)
    return done.stdout
