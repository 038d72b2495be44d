"""`python -m tests.bench switch [SWITCHES]`: `azctx NAME` in each shell, with 100 names in the file.

A shell switches to and fro between the last two names; the time of a shell that only loads the function is subtracted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from azext_login.cli.shell_hook import script_for

NAMES = 100
SWITCHES = 2000
#: Milliseconds.
LIMIT = 10.0

_POSIX = "for ((n = 0; n < {0}; n += 2)); do azctx context-98; azctx context-99; done"
_FISH = "for n in (seq 1 2 {0}); azctx context-98; azctx context-99; end"
_COMMANDS = {
    "bash": (("bash", "--noprofile", "--norc", "-c"), _POSIX),
    "zsh": (("zsh", "-f", "-c"), _POSIX),
    "fish": (("fish", "--no-config", "-c"), _FISH),
}


def main(switches: int = SWITCHES) -> int:
    """Print what was measured; return 1 if the limit is broken."""
    within = True
    print(f"{'':<8}{'ms':>8}{'limit':>8}   ({NAMES} names, {switches} switches)")
    with tempfile.TemporaryDirectory(prefix="login-bench-") as folder:
        names = "".join(f"context-{n}\n" for n in range(NAMES))
        Path(folder, "login_contexts").write_text(names, encoding="ascii")
        for name, (command, loop) in _COMMANDS.items():
            if not shutil.which(name):
                print(f"{name:<8}  is not installed")
                continue

            def seconds(count: int, command: tuple[str, ...] = command, name: str = name, loop: str = loop) -> float:
                environment = {**os.environ, "AZURE_CONFIG_DIR": folder}
                began = time.monotonic()
                subprocess.run([*command, script_for(name) + loop.format(count)], env=environment, check=True)
                return time.monotonic() - began

            each = 1000 * (seconds(switches) - seconds(0)) / switches
            within = within and each <= LIMIT
            print(f"{name:<8}{each:>8.2f}{LIMIT:>8.2f}", flush=True)
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
