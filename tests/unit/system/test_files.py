"""Atomic replacement of files, and files that may not be replaced."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from azext_login.errors import StoreError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import make_private, remove_if_present, write_atomically
from tests.harness.entries import entry_at


def test_a_failed_replacement_keeps_the_old_content_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.json"
    path.write_text("old", encoding="utf-8")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StoreError, match="No space left on device"):
        write_atomically(entry_at(path), b"new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_a_missing_directory_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    write_atomically(PrivateDirectory(tmp_path / "new") / "data.json", b"{}")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "data.json").stat().st_mode & 0o777 == 0o600


def test_removing_a_missing_file_is_not_an_error(tmp_path: Path) -> None:
    remove_if_present(PrivateDirectory(tmp_path) / "nothing")


def test_what_cannot_be_removed_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(StoreError, match="could not be deleted") as caught:
        remove_if_present(entry_at(tmp_path / "a.json"))
    assert any("Remove it" in advice for advice in caught.value.recommendations)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX devices")
def test_a_device_behind_a_link_is_not_changed(tmp_path: Path) -> None:
    # The superuser could replace or delete /dev/null for the whole system.
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    link, device = tmp_path / "azureProfile.json", tmp_path / "device"
    try:
        os.mknod(device, stat.S_IFCHR, os.makedev(1, 3))
    except OSError:
        pytest.skip("only the superuser can create a device")
    device.chmod(0o666)
    link.symlink_to(device)
    with pytest.raises(StoreError, match="It is a device"):
        write_atomically(entry_at(link), b"content")
    make_private(entry_at(link))
    remove_if_present(entry_at(link))
    assert not link.is_symlink()
    assert stat.S_ISCHR(device.stat().st_mode)
    assert device.stat().st_mode & 0o777 == 0o666
