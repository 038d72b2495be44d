"""Completes a command line as bash does when the user presses Tab."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.harness.az import Az


def complete(az: Az, line: str, folder: Path, *, cwd: Path | None = None) -> set[str]:
    """Return what the real `az` offers for the last word of a line. Needs POSIX: the protocol uses descriptor 8.

    folder: a directory of the test, for the answer.
    cwd: the working directory.

    Fails the test if there is a warning, which a shell would show in the middle of the line.
    """
    answer = folder / "answer"
    environment = az.environment(
        {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    )
    script = f'exec "$0" 8>"{answer}" 9>/dev/null'
    done = subprocess.run(
        ["/bin/sh", "-c", script, str(az.host.az)],
        env=environment, capture_output=True, check=False, timeout=60, cwd=cwd,
    )  # fmt: skip
    assert b"WARNING" not in done.stderr
    offered = {word.strip() for word in answer.read_text(encoding="utf-8").split("\n")}
    return offered - {""}
