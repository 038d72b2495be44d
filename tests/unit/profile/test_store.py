"""azureProfile.json on a real disk: what survives, what is refused, what is written."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from azext_login.errors import StoreError
from azext_login.profile.model import Account
from azext_login.profile.store import ProfileStore
from azext_login.resource_manager.resources import Subscription
from azext_login.system.directory import PrivateDirectory
from azext_login.usecases.rows import row_of
from tests import users
from tests.unit.windows import file_system as file_system

ALICE = Account(users.ALICE)


def _row(number: int) -> dict[str, Any]:
    return row_of(Subscription(f"id-{number}", f"Subscription {number}", "Enabled", "t-1"), ALICE, "LocalCloud")


def _row_of(name: str) -> dict[str, Any]:
    return row_of(Subscription("id-9", "Shared", "Enabled", "t-1"), Account(name), "LocalCloud")


def _store(folder: Path) -> ProfileStore:
    """A store that does not wait for a torn file: no process completes it."""
    return ProfileStore(PrivateDirectory(folder), sleep=lambda seconds: None)


def _add(folder: str, number: int) -> None:
    with _store(Path(folder)).change() as profile:
        profile.rows.append(_row(number))


def test_unknown_keys_of_the_file_and_of_rows_survive_a_change(tmp_path: Path) -> None:
    row = {**_row(1), "x-colour": "blue", "x-nested": {"deep": [1, None]}}
    _write(tmp_path, {"installationId": "abc", "x-tool": {"a": 1}, "subscriptions": [row]})
    _add(str(tmp_path), 2)
    document = _read(tmp_path)
    assert document["installationId"] == "abc"
    assert document["x-tool"] == {"a": 1}
    assert document["subscriptions"] == [row, _row(2)]
    assert document["azextLogin"]["generation"] == 1


def test_the_host_gets_exactly_what_was_written(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    with ProfileStore(PrivateDirectory(tmp_path), on_written=seen.append).change() as profile:
        profile.rows = [_row(1)]
    assert seen == [_read(tmp_path)]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl-C there")
def test_ctrl_c_while_rows_and_tokens_are_stored_comes_when_everything_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The host writes its copy in memory when the command exits, so that copy has to be the latest one."""
    done: list[str] = []
    store = ProfileStore(PrivateDirectory(tmp_path), on_written=lambda document: done.append("host"))

    def keep_tokens() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        done.append("tokens")

    with (
        pytest.raises(KeyboardInterrupt),
        store.change(first=keep_tokens, then=lambda state: done.append("mirror")) as state,
    ):
        state.rows = [_row(1)]
    assert done == ["tokens", "host", "mirror"]
    assert _read(tmp_path)["subscriptions"] == [_row(1)]
    assert (tmp_path / "login_last_good.json").exists()
    assert "everything was stored already" in caplog.text


def test_a_byte_order_mark_is_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "azureProfile.json").write_text(json.dumps({"subscriptions": [_row(1)]}), encoding="utf-8-sig")
    _add(str(tmp_path), 2)
    assert (tmp_path / "azureProfile.json").read_bytes().startswith(b"{")
    assert len(_read(tmp_path)["subscriptions"]) == 2


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    _write(tmp_path, {"subscriptions": [_row(1)]})
    before = (tmp_path / "azureProfile.json").stat()
    with _store(tmp_path).change() as profile:
        profile.rows = list(profile.rows)
    after = (tmp_path / "azureProfile.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_change_that_fails_writes_nothing(tmp_path: Path) -> None:
    _write(tmp_path, {"subscriptions": [_row(1)]})

    def change_and_fail() -> None:
        with _store(tmp_path).change() as profile:
            profile.rows = []
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change_and_fail()
    assert _read(tmp_path)["subscriptions"] == [_row(1)]
    assert {path.name for path in tmp_path.iterdir()} == {"azureProfile.json", "login_profile.lock"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("generation", [-1, 10**14 - 1, 10**14, 10**15 - 1, 10**40])
def test_a_reset_file_is_restored_whatever_generation_another_program_wrote_into_it(
    tmp_path: Path, generation: int
) -> None:
    _write(tmp_path, {"subscriptions": [_row(1)], "azextLogin": {"generation": generation}})
    _add(str(tmp_path), 2)
    _write(tmp_path, {})
    assert _store(tmp_path).read({}).rows == [_row(1), _row(2)]


def test_what_goes_with_a_change_and_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    _write(tmp_path, {"subscriptions": [_row(1)]})

    def fail() -> None:
        assert _read(tmp_path)["subscriptions"] == [_row(1)]
        raise StoreError("the tokens could not be stored")

    with pytest.raises(StoreError, match="tokens"), _store(tmp_path).change(first=fail) as profile:
        profile.rows.append(_row(2))
    assert _read(tmp_path)["subscriptions"] == [_row(1)]
    assert not list(tmp_path.glob(".*"))


def test_a_change_that_cannot_be_written_does_not_begin_with_what_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "azureProfile.json"
    done: list[str] = []

    def change() -> None:
        with _store(tmp_path).change(first=lambda: done.append("stored")) as profile:
            profile.rows.append(_row(1))
            path.symlink_to(tmp_path / "login_profile.lock" / "below a file")

    with pytest.raises(StoreError, match="could not be written") as caught:
        change()
    assert f"{tmp_path} is writable" in caught.value.recommendations[0]
    assert not done


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_the_file_is_for_its_owner_alone_even_if_it_was_not_before(tmp_path: Path) -> None:
    _write(tmp_path, {"subscriptions": []})
    (tmp_path / "azureProfile.json").chmod(0o644)
    _add(str(tmp_path), 1)
    assert stat.S_IMODE((tmp_path / "azureProfile.json").stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
def test_a_linked_profile_stays_a_link_and_its_target_changes(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "profile.json").write_text('{"subscriptions": []}', encoding="utf-8")
    (tmp_path / "azureProfile.json").symlink_to(target / "profile.json")
    _add(str(tmp_path), 1)
    assert (tmp_path / "azureProfile.json").is_symlink()
    assert json.loads((target / "profile.json").read_text(encoding="utf-8"))["subscriptions"] == [_row(1)]


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', '{"subscriptions": [', "1", "null", "\x00"])
def test_a_file_that_is_no_profile_is_quarantined_and_the_last_good_state_comes_back(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    _add(str(tmp_path), 1)
    (tmp_path / "azureProfile.json").write_text(content, encoding="utf-8")
    _add(str(tmp_path), 2)
    assert [row["id"] for row in _read(tmp_path)["subscriptions"]] == ["id-1", "id-2"]
    (aside,) = tmp_path.glob("azureProfile.json.damaged-*")
    assert aside.read_text(encoding="utf-8") == content
    assert "quarantined" in caplog.text


@pytest.mark.parametrize("generation", [1, 10**15, "one"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_copy_that_another_program_has_written_again_still_restores_everything(
    tmp_path: Path, generation: object, indent: int | None
) -> None:
    _add(str(tmp_path), 1)
    copy = tmp_path / "login_last_good.json"
    document = json.loads(copy.read_bytes())
    copy.write_text(json.dumps({**document, "generation": generation}, indent=indent), encoding="utf-8")
    _write(tmp_path, {})
    assert _store(tmp_path).read({}).rows == [_row(1)]
    _write(tmp_path, {})
    _add(str(tmp_path), 2)
    assert [row["id"] for row in _read(tmp_path)["subscriptions"]] == ["id-1", "id-2"]
    assert not list(tmp_path.glob("*.damaged-*"))


@pytest.mark.parametrize("content", ["", "{", '{"generation": x1, "profile": {"subscriptions": []}}'])
def test_a_copy_that_is_none_is_quarantined_before_a_reset_file_is_written(tmp_path: Path, content: str) -> None:
    _add(str(tmp_path), 1)
    (tmp_path / "login_last_good.json").write_text(content, encoding="utf-8")
    _write(tmp_path, {})
    _add(str(tmp_path), 2)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.glob("login_last_good.json.damaged-*")] == [content]


def test_a_copy_that_cannot_be_used_is_quarantined_with_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _add(str(tmp_path), 1)
    (tmp_path / "azureProfile.json").write_text("{}", encoding="utf-8")
    (tmp_path / "login_last_good.json").write_text('{"generation": 1, "profile": ', encoding="utf-8")
    _add(str(tmp_path), 2)
    (aside,) = tmp_path.glob("login_last_good.json.damaged-*")
    assert aside.name in caplog.text
    _store(tmp_path).clear()
    assert not aside.exists()


@pytest.mark.parametrize("name", ["azureProfile.json", "login_last_good.json"])
@pytest.mark.parametrize(
    ("content", "left"),
    [
        ('{"subscriptions": [{"user": {"name": "J\\u00dcRGEN@contoso.example"', None),
        ('{"subscriptions": [{"user": {"name": "Jürgen@contoso.example"', None),
        ('{"subscriptions": [{"user": {"name": "anna@contoso.example"', ["anna@contoso.example"]),
        ({"subscriptions": [_row_of("jürgen@contoso.example"), _row_of("anna@contoso.example")]},
         ["anna@contoso.example"]),
        ({"subscriptions": [{"user": {"name": "jürgen@contoso.example"}}, _row_of("anna@contoso.example")]},
         ["anna@contoso.example"]),
        ({"subscriptions": {"jürgen@contoso.example": "anna@contoso.example"}}, None),
    ],
    ids=["escaped", "plain", "another user", "both", "an unusable row", "another shape"],
)  # fmt: skip
def test_signing_out_takes_from_a_file_that_was_quarantined_what_is_ones_own(
    tmp_path: Path, name: str, content: Any, left: list[str] | None
) -> None:
    aside = tmp_path / f"{name}.damaged-20260101-000000-1"
    if isinstance(content, dict):
        content = json.dumps({"generation": 1, "profile": content} if name.startswith("login") else content)
    aside.write_text(content, encoding="utf-8")
    _store(tmp_path).purge("JÜRGEN@contoso.example")
    found = aside.read_text(encoding="utf-8") if aside.exists() else None
    assert (found is None) == (left is None)
    for person in left or []:
        assert person in str(found)
    assert "rgen@" not in str(found).casefold()


@pytest.mark.parametrize("generation", [10**15 - 1, 10**14, -5])
def test_a_generation_that_is_not_valid_counts_as_missing(tmp_path: Path, generation: int) -> None:
    _add(str(tmp_path), 1)
    document = _read(tmp_path)
    document["azextLogin"]["generation"] = generation
    _write(tmp_path, document)
    _add(str(tmp_path), 2)
    assert _read(tmp_path)["azextLogin"]["generation"] == 2
    (tmp_path / "azureProfile.json").write_text("{}", encoding="utf-8")
    assert [row["id"] for row in _store(tmp_path).read({}).rows] == ["id-1", "id-2"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a user whom the mode can stop")
def test_a_read_only_directory_gives_an_error_and_keeps_the_file(tmp_path: Path) -> None:
    _write(tmp_path, {"subscriptions": [_row(1)]})
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError):
            _add(str(tmp_path), 2)
    finally:
        tmp_path.chmod(0o700)
    assert _read(tmp_path)["subscriptions"] == [_row(1)]


def test_processes_that_change_the_file_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add_several, args=(str(tmp_path), start)) for start in range(0, 40, 10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert {row["id"] for row in _read(tmp_path)["subscriptions"]} == {f"id-{number}" for number in range(40)}


def _add_several(folder: str, start: int) -> None:
    for number in range(start, start + 10):
        _add(folder, number)


def _write(folder: Path, document: dict[str, Any]) -> None:
    (folder / "azureProfile.json").write_text(json.dumps(document), encoding="utf-8")


def _read(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "azureProfile.json").read_text(encoding="utf-8"))
    return document
