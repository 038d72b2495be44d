"""What the parser of a host, with or without the extension, makes of every option and every abbreviation."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.harness.az import Az

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
    """Return the Python of an azure-cli: the one beside it, as in every virtual environment."""
    return az.with_name("python")
