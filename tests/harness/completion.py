"""Completes a command line as bash does when the user presses Tab."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.harness.az import Az


def complete(az: Az, line: str, folder: Path) -> set[str]:
    """Return what the real `az` offers for the last word of a line. Needs POSIX: the protocol uses descriptor 8.

    folder: a directory of the test, for the answer.
    """
    answer = folder / "answer"
    environment = az.environment(
        {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    )
    script = f'exec "$0" 8>"{answer}" 9>/dev/null'
    subprocess.run(
        ["/bin/sh", "-c", script, str(az.host.az)], env=environment, capture_output=True, check=False, timeout=60
    )
    offered = {word.strip() for word in answer.read_text(encoding="utf-8").split("\n")}
    return offered - {""}
