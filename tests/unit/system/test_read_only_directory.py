"""A directory in which nothing may be changed: whoever tries gets an error that no caller takes for a usual one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from azext_login.system.directory import Entry, NotWritableError, PrivateDirectory
from azext_login.system.file_lock import FileLock
from azext_login.system.files import make_all_private, make_private, read_text, remove_if_present, write_atomically


def _entry(directory: Path, name: str) -> Entry:
    return PrivateDirectory(directory, is_writable=False) / name


def _lock(entry: Entry) -> None:
    with FileLock(entry.with_name("a.lock")):
        pass


CHANGES: dict[str, Callable[[Entry], object]] = {
    "replace": lambda entry: write_atomically(entry, b"new"),
    "create": lambda entry: write_atomically(entry.with_name("new.json"), b"new"),
    "remove": remove_if_present,
    "unlink": lambda entry: entry.unlink(),
    "rename": lambda entry: entry.rename(entry.with_name("other.json")),
    "below": lambda entry: write_atomically(entry.directory.subdirectory("below") / "a.json", b"new"),
    "lock": _lock,
}
if sys.platform != "win32":
    CHANGES["mode"] = make_private
    CHANGES["modes"] = lambda entry: make_all_private(entry.directory, ("a.",))


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_in_it_changes(tmp_path: Path, change: str) -> None:
    file = tmp_path / "a.json"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o644)
    mode = file.stat().st_mode
    with pytest.raises(NotWritableError):
        CHANGES[change](_entry(tmp_path, "a.json"))
    assert (file.read_text(encoding="utf-8"), file.stat().st_mode) == ("old", mode)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX systems")
@pytest.mark.parametrize("is_absolute", [True, False])
def test_nothing_behind_a_link_in_it_changes(tmp_path: Path, is_absolute: bool) -> None:
    for name in ("config", "elsewhere"):
        (tmp_path / name).mkdir(mode=0o700)
    target = tmp_path / "elsewhere" / "a.json"
    target.write_text("old", encoding="utf-8")
    (tmp_path / "config" / "a.json").symlink_to(target if is_absolute else Path("..", "elsewhere", "a.json"))
    entry = _entry(tmp_path / "config", "a.json")
    assert read_text(entry) == "old"
    with pytest.raises(NotWritableError):
        write_atomically(entry, b"new")
    assert target.read_text(encoding="utf-8") == "old"


def test_what_is_as_it_should_be_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("old", encoding="utf-8")
    file.chmod(0o600)
    make_private(_entry(tmp_path, "a.json"))
    remove_if_present(_entry(tmp_path, "nothing.json"))
    assert read_text(_entry(tmp_path, "a.json")) == "old"
    assert PrivateDirectory(tmp_path / "nothing", is_writable=False).names() == []
