"""Links and other things in place of our files, where another user could have put them there."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from azext_login.errors import StoreError
from azext_login.system.damaged_files import quarantine_file
from azext_login.system.directory import ANY_USER, Entry, PrivateDirectory, writer_in
from azext_login.system.file_lock import FileLock
from azext_login.system.files import (
    make_all_private,
    make_private,
    read_bytes,
    read_own_bytes,
    remove_directory,
    remove_if_present,
    remove_leftovers,
    write_atomically,
)
from azext_login.system.links import changeable_by_others

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="owners and links of POSIX systems"),
    pytest.mark.skipif(sys.platform != "win32" and os.geteuid() != 0, reason="only the superuser can change owners"),
]

NOBODY = 65534
NAME = "msal_token_cache.json"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of the superuser outside the config directory, in a directory of its own."""
    folder = tmp_path / "outside"
    folder.mkdir(mode=0o755)
    file = folder / NAME
    file.write_text("secret of the superuser", encoding="utf-8")
    file.chmod(0o640)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The config directory of another user."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    tmp_path.chmod(0o755)
    folder = tmp_path / "azure"
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)
    return folder


def _tree(path: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Return everything about the files of a directory that must not change."""
    found = []
    for each in (path, *sorted(path.rglob("*"))):
        status = each.lstat()
        content = each.read_bytes() if each.is_file() else b""
        found.append((str(each), status.st_mode, status.st_uid, status.st_gid, content))
    return found


def _symbolic(path: Path, victim: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    path.symlink_to(victim)
    os.lchown(path, NOBODY, NOBODY)


def _symbolic_to_directory(path: Path, victim: Path) -> None:
    _symbolic(path, victim.parent)


def _dangling(path: Path, victim: Path) -> None:
    _symbolic(path, victim.with_name("missing"))


def _hard(path: Path, victim: Path) -> None:
    os.link(victim, path)


def _pipe(path: Path, victim: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    os.mkfifo(path)


Plant = Callable[[Path, Path], None]
PLANTED = (_symbolic, _symbolic_to_directory, _dangling, _hard, _pipe)


def _write(file: Entry) -> None:
    write_atomically(file, b"{}")


def _lock(file: Entry) -> None:
    with FileLock(file, timeout=0):
        pass


def _clear(file: Entry) -> None:
    remove_directory(file, "*")


def _below(file: Entry) -> None:
    write_atomically(file.directory.subdirectory(file.name) / "record.json", b"{}")


def _lock_below(file: Entry) -> None:
    with FileLock(file.directory.subdirectory(file.name) / NAME):
        pass


def _restrict_all(file: Entry) -> None:
    make_all_private(file.directory, ("msal",))


def _copy(file: Entry) -> None:
    quarantine_file(file, keep_original=True)


ACTIONS: tuple[Callable[[Entry], object], ...] = (
    read_bytes, _write, _lock, remove_if_present, _clear, _below, _lock_below, make_private, _restrict_all,
    quarantine_file, _copy, remove_leftovers,
)  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
@pytest.mark.parametrize("act", ACTIONS, ids=lambda act: act.__name__.strip("_"))
def test_nothing_outside_the_directory_of_another_user_changes(
    folder: Path, victim: Path, plant: Plant, act: Callable[[Entry], object]
) -> None:
    plant(folder / NAME, victim)
    before = _tree(victim.parent)
    try:
        content = act(PrivateDirectory(folder) / NAME)
    except (OSError, StoreError):
        content = b""
    assert _tree(victim.parent) == before
    assert content != victim.read_bytes()
    for copy in folder.iterdir():
        assert plant is _hard or copy.is_symlink() or not copy.is_file() or copy.read_bytes() != victim.read_bytes()


@pytest.mark.parametrize("act", [_write, _lock, _below], ids=["write", "lock", "below"])
def test_a_link_of_another_user_is_one_clear_error(folder: Path, victim: Path, act: Callable[[Entry], object]) -> None:
    _symbolic(folder / NAME, victim)
    with pytest.raises(StoreError, match="symbolic link") as caught:
        act(PrivateDirectory(folder) / NAME)
    assert str(folder / NAME) in str(caught.value)
    assert "Remove" in caught.value.recommendations[0] or "link" in caught.value.recommendations[0]


@pytest.mark.parametrize("mode, is_followed", [(0o700, True), (0o755, True), (0o777, False), (0o1777, True)])
def test_a_link_in_a_directory_that_others_can_write_to_is_not_followed(
    tmp_path: Path, victim: Path, mode: int, is_followed: bool
) -> None:
    folder = tmp_path / "azure"
    folder.mkdir()
    folder.chmod(mode)
    (folder / NAME).symlink_to(victim)
    with contextlib.nullcontext() if is_followed else pytest.raises(StoreError, match="link that another user can"):
        write_atomically(PrivateDirectory(folder) / NAME, b"new")
    assert (folder / NAME).is_symlink()
    assert (victim.read_text(encoding="utf-8") == "new") == is_followed


@pytest.mark.parametrize("is_mine", [True, False])
def test_the_directory_may_be_a_link_that_no_other_user_can_change(tmp_path: Path, victim: Path, is_mine: bool) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    link = tmp_path / "azure"
    link.symlink_to(victim.parent)
    if not is_mine:
        os.lchown(link, NOBODY, NOBODY)
    before = victim.read_bytes()
    refused = contextlib.nullcontext() if is_mine else pytest.raises(StoreError, match="link that another user can")
    with refused:
        write_atomically(PrivateDirectory(link) / NAME, b"new")
    assert victim.read_bytes() == (b"new" if is_mine else before)


def test_a_link_on_the_way_to_the_directory_is_checked_as_well(folder: Path, victim: Path) -> None:
    _symbolic(folder / "config", victim.parent)
    before = _tree(victim.parent)
    with pytest.raises(StoreError, match="symbolic link that another user can change"):
        write_atomically(PrivateDirectory(folder / "config" / "azure") / NAME, b"new")
    assert _tree(victim.parent) == before


def test_a_trusted_link_is_removed_and_its_target_has_no_secret_any_more(tmp_path: Path, victim: Path) -> None:
    (tmp_path / NAME).symlink_to(victim)
    remove_if_present(PrivateDirectory(tmp_path) / NAME)
    assert not os.path.lexists(tmp_path / NAME)
    assert victim.read_bytes() == b""


def test_a_lock_file_with_another_name_is_locked_but_not_written(tmp_path: Path, victim: Path) -> None:
    """Backups with hard links give every file a second name."""
    os.link(victim, tmp_path / "some.lock")
    with FileLock(PrivateDirectory(tmp_path) / "some.lock", timeout=0):
        pass
    assert victim.read_text(encoding="utf-8") == "secret of the superuser"


def test_new_files_and_directories_belong_to_the_owner_of_the_directory(folder: Path) -> None:
    directory = PrivateDirectory(folder)
    write_atomically(directory / NAME, b"{}")
    with FileLock(directory.subdirectory("login_requests") / "some.lock"):
        pass
    write_atomically(PrivateDirectory(folder / "deep" / "er") / NAME, b"{}")
    assert {path.stat().st_uid for path in folder.rglob("*")} == {NOBODY}


def test_a_directory_that_was_put_in_place_of_a_new_one_keeps_its_owner(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The superuser's directory is in the same parent, so that another user can rename it at the right moment."""
    mine = folder / "mine"
    mine.mkdir()
    (mine / "file").touch()
    real = os.mkdir

    def swapped(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real(name, mode, dir_fd=dir_fd)
        (folder / name).rename(folder / "away")
        mine.rename(folder / name)

    monkeypatch.setattr(os, "mkdir", swapped)
    PrivateDirectory(folder).subdirectory("login_requests").descriptor(create=True)
    assert (folder / "login_requests").stat().st_uid == 0


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / NAME, "wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(OSError, match="larger than 64 MB"):
        read_bytes(PrivateDirectory(tmp_path) / NAME)


_MINE = 0


@pytest.mark.parametrize(
    ("directory", "file", "is_own"),
    [
        ((_MINE, 0o700), (_MINE, 0o600), True),
        ((_MINE, 0o755), (_MINE, 0o600), True),
        ((_MINE, 0o755), (NOBODY, 0o600), True),  # only this user can have moved it there
        ((_MINE, 0o777), (_MINE, 0o600), True),
        ((_MINE, 0o777), (_MINE, 0o602), False),
        ((_MINE, 0o777), (NOBODY, 0o600), False),
        ((NOBODY, 0o700), (_MINE, 0o600), True),
        ((NOBODY, 0o700), (_MINE, 0o620), False),
        ((NOBODY, 0o700), (NOBODY, 0o600), False),
    ],
)
def test_what_another_user_may_have_written_decides_about_nothing(
    folder: Path, directory: tuple[int, int], file: tuple[int, int], is_own: bool
) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    path = folder / NAME
    path.write_bytes(b"{}")
    for each, (owner, mode) in ((path, file), (folder, directory)):
        os.chown(each, owner, owner)
        each.chmod(mode)
    entry = PrivateDirectory(folder) / NAME
    if is_own:
        assert read_own_bytes(entry) == b"{}"
        return
    with pytest.raises(PermissionError):
        read_own_bytes(entry)
    assert read_bytes(entry) == b"{}"


@pytest.mark.parametrize(
    ("owner", "mode", "writer"),
    [(_MINE, 0o755, _MINE), (_MINE, 0o777, ANY_USER), (_MINE, 0o1777, ANY_USER), (NOBODY, 0o777, NOBODY)],
)
def test_the_user_who_can_put_files_in_a_directory_is_known(folder: Path, owner: int, mode: int, writer: int) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    assert writer_in(PrivateDirectory(folder)) == writer


@pytest.fixture
def path_with_links(tmp_path: Path) -> Path:
    """A path through a link to a directory, which ends in a relative link to a file elsewhere."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    for name in ("real/bin", "lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib" / "python").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "bin" / "python").symlink_to("../../lib/python")
    return tmp_path / "link" / "bin" / "python"


@pytest.mark.parametrize("name", ["link", "real", "real/bin", "real/bin/python", "lib", "lib/python"])
def test_each_step_of_a_path_is_examined_and_so_are_the_targets_of_links(path_with_links: Path, name: str) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    folder = path_with_links.parents[2]
    assert changeable_by_others(path_with_links, {_MINE}) is None
    os.lchown(folder / name, NOBODY, NOBODY)
    assert changeable_by_others(path_with_links, {_MINE}) == folder / name
    assert changeable_by_others(path_with_links, {_MINE, NOBODY}) is None


@pytest.mark.parametrize(
    ("name", "mode", "is_changeable"),
    [("lib", 0o777, True), ("lib", 0o1777, False), ("lib/python", 0o666, True), ("lib/python", 0o1666, True)],
)
def test_what_others_can_write_to_is_changeable(
    path_with_links: Path, name: str, mode: int, is_changeable: bool
) -> None:
    step = path_with_links.parents[2] / name
    step.chmod(mode)
    assert changeable_by_others(path_with_links, {_MINE}) == (step if is_changeable else None)


def test_a_path_that_leads_to_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name, error in (("loop", "Too many levels of symbolic links"), ("missing", "No such file")):
        with pytest.raises(OSError, match=error):
            changeable_by_others(tmp_path / name, {_MINE})
