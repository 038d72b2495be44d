"""The lock between processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from azext_login.errors import LockHeldError, StoreError
from azext_login.system import file_lock
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from tests.harness.entries import entry_at
from tests.unit.system.lock_holder import lock_held


def test_a_held_lock_is_an_error_with_its_name_and_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    with (
        lock_held(lock) as holder,
        pytest.raises(StoreError, match=rf"PID {holder.pid}.*some\.lock.*Nothing that it protects was changed"),
    ):
        FileLock(entry_at(lock), timeout=0.2).__enter__()


def test_the_lock_of_a_killed_holder_is_free_and_its_file_still_exists(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    with lock_held(lock):
        pass
    started = time.monotonic()
    with FileLock(entry_at(lock), timeout=60):
        assert time.monotonic() - started < 30
    assert lock.exists()


def test_the_lock_can_be_taken_again_after_an_exception(tmp_path: Path) -> None:
    lock = FileLock(PrivateDirectory(tmp_path) / "some.lock", timeout=0.5)
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0
    with lock:
        pass


_UNSUPPORTED = """
import errno, fcntl, sys
from pathlib import Path

# The numbers of macOS, where they differ.
errno.EOPNOTSUPP, errno.ENOTSUP = 102, 45

def flock(descriptor, operation):
    raise OSError(45, "Operation not supported")

fcntl.flock = flock
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
with FileLock(PrivateDirectory(Path(sys.argv[1])) / "some.lock") as lock:
    print(lock.is_missing)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the locks of POSIX systems")
def test_a_filesystem_of_macos_without_locks_is_no_error(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _UNSUPPORTED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert result.stdout == "True\n", result.stderr


@pytest.mark.parametrize(
    "number, is_held",
    [(errno.EACCES, True), (errno.EAGAIN, True), (errno.EDEADLK, True), (errno.EIO, False), (errno.EBADF, False)],
)
def test_only_a_lock_of_another_process_counts_as_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_held: bool
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_lock, "lock_calls", file_lock.LockCalls(fail, lambda descriptor: None))
    with pytest.raises(StoreError) as caught:
        FileLock(PrivateDirectory(tmp_path) / "some.lock", timeout=0).__enter__()
    assert isinstance(caught.value, LockHeldError) == is_held
