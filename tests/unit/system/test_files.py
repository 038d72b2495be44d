"""Atomic replacement and the lock between processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from azext_login.errors import StoreError
from azext_login.system.file_lock import FileLock
from azext_login.system.files import make_private, remove_if_present, replace_after, write_atomically
from azext_login.system.signals import defer_signals

_HOLDER = """
import sys, time
from pathlib import Path
from azext_login.system.file_lock import FileLock
with FileLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def _start_holder(lock: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_held_lock_ends_the_wait_with_its_name(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    holder = _start_holder(lock)
    try:
        with pytest.raises(StoreError, match=r"some\.lock.*Nothing that it protects was changed"):
            FileLock(lock, timeout=0.2).__enter__()
    finally:
        holder.kill()
        holder.communicate()


def test_a_killed_holder_leaves_the_lock_free_and_the_file_in_place(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    holder = _start_holder(lock)
    holder.kill()
    holder.communicate()
    started = time.monotonic()
    with FileLock(lock, timeout=60):
        assert time.monotonic() - started < 30
    assert lock.exists()


def test_the_lock_can_be_taken_again_after_an_exception(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "some.lock", timeout=0.5)
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0
    with lock:
        pass


def test_a_failed_replacement_keeps_the_old_content_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.json"
    path.write_text("old", encoding="utf-8")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_a_directory_that_did_not_exist_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new" / "data.json", b"{}")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "data.json").stat().st_mode & 0o777 == 0o600


def test_removing_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_if_present(tmp_path / "nothing")


# Signals


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Other threads, to which the system may give a signal as well."""
    ended = threading.Event()
    for _ in range(count):
        threading.Thread(target=ended.wait, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
@pytest.mark.parametrize("others", [0, 3])
def test_ctrl_c_comes_when_a_file_is_written_whatever_threads_there_are(tmp_path: Path, others: int) -> None:
    path, steps = tmp_path / "file", []

    def write() -> None:
        with defer_signals():
            with replace_after(path, b"new"):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.2)
                steps.append("block")
            steps.append("after")

    with _threads(others), pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_bytes() == b"new"
    assert steps == ["block", "after"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_ctrl_c_ends_the_wait_for_a_lock_where_nothing_has_been_changed(tmp_path: Path) -> None:
    holder = _start_holder(tmp_path / "lock")
    path, began = tmp_path / "file", time.monotonic()

    def write() -> None:
        with replace_after(path, b"new"):
            os.kill(os.getpid(), signal.SIGINT)
            with FileLock(tmp_path / "lock", timeout=50):
                pass

    try:
        with pytest.raises(KeyboardInterrupt):
            write()
    finally:
        holder.kill()
        holder.wait()
    assert time.monotonic() - began < 40
    assert not path.exists()
    assert not list(tmp_path.glob(".file*"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")
def test_a_device_behind_a_link_stays_as_it_is(tmp_path: Path) -> None:
    # As the superuser, replacing or deleting /dev/null would work, for the whole system.
    link, device = tmp_path / "azureProfile.json", tmp_path / "device"
    try:
        os.mknod(device, stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("only the superuser can make a device to try this on")
    device.chmod(0o666)
    link.symlink_to(device)
    with pytest.raises(StoreError, match="It is a device"):
        write_atomically(link, b"content")
    make_private(link)
    remove_if_present(link)
    assert not link.is_symlink()
    assert stat.S_ISCHR(device.stat().st_mode)
    assert device.stat().st_mode & 0o777 == 0o666
