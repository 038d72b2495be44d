"""Another process that holds a lock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLDER = """
import sys, time
from pathlib import Path
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
path = Path(sys.argv[1])
with FileLock(PrivateDirectory(path.parent) / path.name):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def lock_held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Hold a lock in another process, which is killed at the end of the block."""
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()
