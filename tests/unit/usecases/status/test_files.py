"""The state of the files and locks of a config directory, and the repairs of it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.storage.token_cache import TokenCache
from azext_login.system.directory import LARGEST_FILE, Entry, PrivateDirectory
from azext_login.system.file_lock import find_holder
from azext_login.usecases.status import locks
from azext_login.usecases.status.files import FILE_MODE, STORE_DAMAGED, CheckedFiles, check_files
from azext_login.usecases.status.locks import LOCK_LEFT, check_inner_locks
from azext_login.usecases.status.records import Finding, Outcome
from azext_login.usecases.status.repair import fix
from tests.harness.other_user import NOBODY, require_superuser

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes and locks of POSIX systems")

_PREFIXES = ("azureProfile.json", "msal_token_cache", "clouds.config", "login_")
_CACHE, _LOCK = "msal_token_cache.json", "msal_token_cache.json.lockfile"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "azure"
    folder.mkdir(0o700)
    return folder


def _check(folder: Path) -> CheckedFiles:
    return check_files(PrivateDirectory(folder), _PREFIXES, sleep=lambda _: None)


def _codes(folder: Path) -> list[str]:
    return [finding.code for finding in _check(folder).findings]


def _write(path: Path, text: str = "{}", mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@contextmanager
def _held(path: Path) -> Iterator[None]:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    with open(path, "w", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write("4711 az")
        stream.flush()
        yield


def _fix(folder: Path, findings: list[Finding] | tuple[Finding, ...]) -> tuple[list[Finding], list[AzCLIError]]:
    directory = PrivateDirectory(folder)
    session: Any = SimpleNamespace(
        config_dir=directory, clients=SimpleNamespace(token_cache=TokenCache(directory, encrypt=False))
    )
    failures: list[AzCLIError] = []
    fixed = fix(session, findings, on_failure=lambda _, error: failures.append(error))
    return fixed, failures


def test_a_private_directory_has_no_finding(folder: Path) -> None:
    for name in ("azureProfile.json", _CACHE, "login_last_good.json"):
        _write(folder / name)
    _write(folder / "clouds.config", mode=0o644)
    _write(folder / "config", mode=0o666)
    _write(folder / "login_profile.lock", "")
    checked = _check(folder)
    assert checked.findings == ()
    assert [file.name for file in checked.files] == [
        "azureProfile.json",
        "clouds.config",
        "login_last_good.json",
        _CACHE,
    ]
    assert {file.mode for file in checked.files} == {"0600", "0644"}
    assert [(lock.name, lock.is_held) for lock in checked.locks] == [("login_profile.lock", False)]


def test_a_missing_directory_has_no_finding_and_is_not_created(tmp_path: Path) -> None:
    checked = check_files(PrivateDirectory(tmp_path / "missing"), _PREFIXES)
    assert (checked.files, checked.locks, checked.findings) == ((), (), ())
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(("name", "mode"), [(_CACHE, 0o640), (_CACHE, 0o604), ("clouds.config", 0o622)])
def test_a_file_that_is_open_to_others_is_a_warning_and_fixed(folder: Path, name: str, mode: int) -> None:
    path = _write(folder / name, mode=mode)
    (finding,) = _check(folder).findings
    assert (finding.code, finding.outcome, finding.is_fixable) == (FILE_MODE, Outcome.GOOD, True)
    assert _fix(folder, [finding]) == ([finding], [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert _codes(folder) == []


def test_a_directory_that_others_can_write_to_is_a_warning(folder: Path) -> None:
    folder.chmod(0o777)
    assert _codes(folder) == ["directoryMode"]


def test_a_directory_of_another_user_is_a_warning_that_no_mode_ends(folder: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    require_superuser()
    os.chown(folder, NOBODY, NOBODY)
    (finding,) = _check(folder).findings
    assert (finding.code, finding.command) == ("directoryOwner", None)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "[" * 100_000])
def test_a_damaged_file_is_quarantined(folder: Path, text: str) -> None:
    path = _write(folder / _CACHE, text)
    (finding,) = _check(folder).findings
    assert (finding.code, finding.outcome) == (STORE_DAMAGED, Outcome.STORE_UNUSABLE)
    assert path.read_text(encoding="utf-8") == text
    assert _fix(folder, [finding]) == ([finding], [])
    assert [each.read_text(encoding="utf-8") for each in folder.glob("*.damaged-*")] == [text]
    assert STORE_DAMAGED not in _codes(folder)


@pytest.mark.parametrize("taken", [0, 1, 2])
@pytest.mark.parametrize("name", [_CACHE, "login_profile.lock"])
def test_what_is_no_file_is_to_be_moved_to_a_name_that_is_free(folder: Path, name: str, taken: int) -> None:
    names = [f"{name}.unusable", f"{name}.unusable-1", f"{name}.unusable-2"]
    for other in names[:taken]:
        _write(folder / other, "kept")
    (folder / name).mkdir(0o700)
    (finding,) = [each for each in _check(folder).findings if each.file == name]
    assert finding.code in ("storeUnreadable", "lockUnusable")
    assert finding.command == f"mv {folder / name} {folder / names[taken]}"


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a link to itself", "a large file"])
def test_the_command_for_a_store_that_is_none_moves_it_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    path = folder / _CACHE
    if kind == "a pipe":
        os.mkfifo(path, 0o600)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as server:
            # A path that is longer is refused.
            monkeypatch.chdir(folder)
            server.bind(path.name)
        path.chmod(0o600)
    elif kind == "a link to itself":
        path.symlink_to(path)
    else:
        with open(_write(path), "wb") as stream:
            stream.truncate(LARGEST_FILE + 1)
    (finding,) = _check(folder).findings
    assert (finding.code, finding.command) == ("storeUnreadable", f"mv {path} {path}.unusable")
    subprocess.run(str(finding.command).split(), check=True)
    assert _codes(folder) == []


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, getattr(errno, "ESTALE", errno.EIO)])
@pytest.mark.parametrize(("name", "opening"), [(_CACHE, "open_to_read"), ("login_profile.lock", "open_to_lock")])
def test_a_good_file_that_cannot_be_opened_now_is_not_to_be_moved(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, opening: str, number: int
) -> None:
    _write(folder / name)
    monkeypatch.setattr(Entry, opening, _refusing(number))
    (finding,) = _check(folder).findings
    assert (finding.outcome, finding.command) == (Outcome.STORE_UNUSABLE, None)


def _refusing(number: int) -> Callable[..., int]:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("is_own", [True, False])
def test_only_the_owner_of_a_file_is_to_change_its_mode(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_own: bool
) -> None:
    path = _write(folder / _CACHE)
    if sys.platform != "win32" and not is_own:
        require_superuser()
        os.chown(path, NOBODY, NOBODY)
    monkeypatch.setattr(Entry, "open_to_read", _refusing(errno.EACCES))
    (finding,) = _check(folder).findings
    assert (finding.code, finding.command) == ("storeUnreadable", f"chmod u+rw {path}" if is_own else None)


def test_a_link_in_place_of_a_lock_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    (folder / "login_profile.lock").symlink_to(_write(tmp_path / "other"))
    (finding,) = _check(folder).findings
    assert finding.code == "lockUnusable"
    assert (tmp_path / "other").read_text(encoding="utf-8") == "{}"


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(errno.EROFS, Outcome.GOOD), (errno.EACCES, Outcome.GOOD), (errno.EIO, Outcome.STORE_UNUSABLE)],
)
def test_a_directory_that_cannot_be_written_to_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, outcome: Outcome
) -> None:
    _write(folder / "login_profile.lock", "")

    monkeypatch.setattr(Entry, "open_to_lock", _refusing(number))
    (finding,) = _check(folder).findings
    assert (finding.code, finding.outcome) == ("lockUnusable", outcome)


def test_an_old_temporary_file_is_a_warning(folder: Path) -> None:
    path = _write(folder / f".{_CACHE}.abcdefgh.tmp")
    assert _codes(folder) == []
    os.utime(path, (time.time() - 3600,) * 2)
    assert _codes(folder) == ["leftover"]


@pytest.mark.parametrize("name", ["login_profile.lock", _LOCK])
def test_the_holder_of_a_lock_is_named(folder: Path, name: str) -> None:
    with _held(folder / name):
        checked = _check(folder)
    assert [(lock.is_held, lock.holder) for lock in checked.locks] == [(True, 4711)]
    (finding,) = checked.findings
    assert (finding.code, finding.outcome) == ("storeLocked", Outcome.STORE_UNUSABLE)
    assert "PID 4711" in finding.what


def test_a_lock_file_that_was_left_is_removed(folder: Path) -> None:
    _write(folder / _LOCK, "")
    (finding,) = _check(folder).findings
    assert (finding.code, finding.is_fixable) == (LOCK_LEFT, True)
    assert _fix(folder, [finding]) == ([finding], [])
    assert not (folder / _LOCK).exists()


def test_a_lock_file_that_is_held_again_by_now_stays(folder: Path) -> None:
    _write(folder / _LOCK, "")
    findings = _check(folder).findings
    with _held(folder / _LOCK):
        fixed, failures = _fix(folder, findings)
        assert (fixed, len(failures)) == ([], 1)
        assert (folder / _LOCK).exists()


def test_a_check_creates_no_lock_file(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_holder(PrivateDirectory(folder) / _LOCK)
    assert list(folder.iterdir()) == []


def test_what_is_not_fixable_is_not_touched(folder: Path) -> None:
    path = _write(folder / _CACHE, mode=0o644)
    finding = Finding(FILE_MODE, "x", file=_CACHE, is_fixable=False)
    assert _fix(folder, [finding]) == ([], [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_held_locks_of_requests_and_all_of_runs_are_listed_with_their_holders(folder: Path) -> None:
    for name in ("login_requests", "login_runs"):
        (folder / name).mkdir(0o700)
        for each in ("free", "held"):
            _write(folder / name / f"{each}.lock", "12")
    (folder / "login_runs" / "free").mkdir(0o700)
    with _held(folder / "login_requests" / "held.lock"), _held(folder / "login_runs" / "held.lock"):
        checked = _check(folder)
    assert [(lock.name, lock.is_held, lock.holder) for lock in checked.locks] == [
        ("login_requests/held.lock", True, 4711),
        ("login_runs/free.lock", False, None),
        ("login_runs/held.lock", True, 4711),
    ]
    (finding,) = checked.findings
    assert (finding.code, finding.outcome, finding.is_fixable) == ("runLeft", Outcome.GOOD, False)
    assert str(folder / "login_runs" / "free") in finding.what
    assert (folder / "login_runs" / "free").exists()


def _new_run(folder: Path) -> Path:
    (folder / "login_runs").mkdir(0o700)
    _write(folder / "login_runs" / "new.lock", "")
    (folder / "login_runs" / "new").mkdir(0o700)
    return _write(folder / "login_runs.lock", "1")


def test_a_run_that_is_being_created_was_not_killed(folder: Path) -> None:
    creating = _new_run(folder)
    with _held(creating):
        assert check_inner_locks(PrivateDirectory(folder)) == []
    assert _codes(folder) == ["runLeft"]


def test_no_run_is_created_while_runs_are_examined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    creating, held = PrivateDirectory(folder) / _new_run(folder).name, []
    monkeypatch.setattr(locks, "find_holder", lambda _: held.append(find_holder(creating)))
    check_inner_locks(PrivateDirectory(folder))
    assert [holder is not None for holder in held] == [True]
    assert find_holder(creating) is None
    assert creating.path.read_text(encoding="ascii") == "1"


def test_a_lock_without_a_directory_is_no_finding(folder: Path) -> None:
    _new_run(folder)
    (folder / "login_runs" / "new").rmdir()
    assert _codes(folder) == []


@pytest.mark.parametrize(("seconds", "codes"), [(60.0, []), (600.0, ["requestHeld"])])
def test_a_request_that_takes_too_long_is_a_warning(folder: Path, seconds: float, codes: list[str]) -> None:
    (folder / "login_requests").mkdir(0o700)
    with _held(folder / "login_requests" / "x.lock"):
        ((_, finding),) = check_inner_locks(PrivateDirectory(folder), clock=lambda: time.time() + seconds)
    assert [finding.code for finding in [finding] if finding is not None] == codes
    if finding is not None:
        assert finding.is_warning
        assert "PID 4711" in finding.what


def test_odd_things_in_place_of_the_directories_of_locks_are_no_error(folder: Path, tmp_path: Path) -> None:
    _write(folder / "login_requests", "")
    (folder / "login_runs").symlink_to(tmp_path)
    assert _check(folder).locks == ()
    (folder / "login_runs").unlink()
    (folder / "login_runs" / "x.lock").mkdir(0o700, parents=True)
    (folder / "login_runs").chmod(0o700)
    assert [(lock.name, lock.is_held) for lock in _check(folder).locks] == [("login_runs/x.lock", False)]
