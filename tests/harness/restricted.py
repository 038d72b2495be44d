"""`az` as a process that may not do everything: file modes stop it, or a limit on the size of files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.harness.az import Az, Result


@dataclass(frozen=True)
class Restricted:
    """`az`, started by a command that restricts it."""

    az: Az
    prefix: tuple[str, ...] = ()

    def run(self, *args: str, env: Mapping[str, str] | None = None) -> Result:
        """Run `az` with `args`."""
        done = subprocess.run(
            [*self.prefix, str(self.az.host.az), *args],
            input="",
            capture_output=True,
            text=True,
            env=self.az.environment({"AZURE_CORE_SURVEY_MESSAGE": "no", **(env or {})}),
            cwd="/",
            timeout=60,
        )
        return Result(args, done.returncode, done.stdout, done.stderr, 0.0, self.az.secrets)


def without_privileges(az: Az) -> Restricted:
    """Return an `az` to which file modes apply even if the superuser runs it. Skips where that is not possible."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    if os.geteuid() != 0:
        return Restricted(az)
    drop = (shutil.which("setpriv") or "setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown")
    if not shutil.which("setpriv") or subprocess.run([*drop, "true"], capture_output=True).returncode:
        pytest.skip("file modes do not stop the superuser, and there is no setpriv (util-linux) to change that")
    return Restricted(az, drop)


def with_small_files(az: Az, blocks: int) -> Restricted:
    """Return an `az` that cannot write files of more than so many blocks of 512 bytes.

    The signal of the limit must not end the process.
    """
    return Restricted(az, ("/bin/sh", "-c", f'trap "" XFSZ; ulimit -f {blocks}; exec "$@"', "sh"))
