"""Another user of the computer: files that are not the superuser's, and a process without any rights of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.environments import in_ci

NOBODY = 65534
"""The number of a user without files."""

Tree = dict[str, tuple[int, int, int, bytes]]


def require_superuser() -> None:
    """Skip the test unless it runs as the superuser; fail in CI, where it does."""
    if sys.platform == "win32" or os.geteuid() != 0:
        reason = "only the superuser can act as two users"
        if in_ci():
            pytest.fail(reason)
        pytest.skip(reason)


def give_away(folder: Path) -> None:
    """Give a directory and everything in it to the other user. Links are given away themselves."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def tree_of(folder: Path) -> Tree:
    """Return path -> mode, owner, group and content, for everything in a directory."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, content)
    return found


@contextmanager
def public_directory() -> Iterator[Path]:
    """Yield a new directory that every user can reach. That of a test is the superuser's alone."""
    with tempfile.TemporaryDirectory(prefix="login-two-users-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def attacker(step: Callable[[], object]) -> Iterator[None]:
    """Repeat `step` in a process of the other user, in quick succession, until the block ends. Errors do not matter."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    process = os.fork()
    if process == 0:
        try:
            # The pipes of other processes, which would never end.
            os.closerange(3, 4096)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            while True:
                with contextlib.suppress(OSError):
                    step()
        finally:
            os._exit(1)
    try:
        yield
        assert os.waitpid(process, os.WNOHANG) == (0, 0), "the attacker has stopped"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
