"""The lock between processes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from azext_login.errors import StoreError
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
