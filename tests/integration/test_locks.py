"""Locks that cannot be taken: a filesystem without locks, one that fails, and one that another process holds."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from azext_login.errors import LockHeldError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.file_lock import FileLock
from tests.harness.az import Az
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

if sys.platform == "win32":
    pytest.skip("the locks of POSIX systems", allow_module_level=True)


# Python runs this before anything else.
_FAILING = """
import fcntl, os

lock = fcntl.flock
only = {only!r}

def flock(file, operation):
    if only and not (os.path.exists(only) and os.path.samestat(os.fstat(file), os.stat(only))):
        return lock(file, operation)
    raise OSError({number}, "there is no lock")

fcntl.flock = flock
"""


def _with_failing_locks(az: Az, folder: Path, number: int, *, only: str = "") -> Az:
    """Return an `az` that cannot lock any file, or one file of its config directory."""
    folder.mkdir()
    code = _FAILING.format(number=number, only=only and str(az.config_dir / only))
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return az.with_env(PYTHONPATH=folder)


def test_on_a_filesystem_without_locks_users_sign_in_and_out(signed_in: Az, cloud: LocalCloud, tmp_path: Path) -> None:
    az = _with_failing_locks(signed_in, tmp_path / "site", errno.ENOLCK)
    az.run("login", "-u", BOB, f"-p={cloud.directory.user(BOB).password}").ok()
    # Without locks, another process may be writing these.
    names = ("azureProfile.json", "login_last_good.json", "msal_token_cache.json", "clouds.config")
    fresh = [az.config_dir / f".{name}.abcdefgh.tmp" for name in (*names, "login_last_good_clouds.config")]
    for path in fresh:
        path.touch()
    az.run("account", "set", "-s", "Contoso Development").ok()
    az.run("account", "get-access-token", "--force-refresh", "--query", "tenant").ok()
    assert [path for path in fresh if not path.exists()] == []
    az.run("logout", "--username", ALICE).ok()
    users = az.run("account", "list", "--query", "[].user.name").ok().json()
    assert set(users) == {BOB}
    az.run("account", "clear").ok()


@pytest.mark.parametrize("command", [("account", "set", "-s", "Contoso Development"), ("logout",)])
def test_a_lock_that_fails_is_one_error_and_nothing_changes(
    signed_in: Az, tmp_path: Path, command: tuple[str, ...]
) -> None:
    az = _with_failing_locks(signed_in, tmp_path / "site", errno.EIO)
    before = signed_in.profile()
    error = az.run(*command).failed().stderr
    assert str(signed_in.config_dir) in error
    assert "there is no lock" in error
    assert signed_in.profile() == before


@pytest.mark.parametrize("command", ["login", "logout", "clear"])
def test_without_the_lock_of_the_profile_no_token_is_added_or_removed(
    signed_in: Az, cloud: LocalCloud, tmp_path: Path, command: str
) -> None:
    az = _with_failing_locks(signed_in, tmp_path / "site", errno.EIO, only="login_profile.lock")
    files = [signed_in.config_dir / name for name in ("azureProfile.json", "msal_token_cache.json", "clouds.config")]
    before = [path.read_bytes() for path in files]
    words = {
        "login": ("login", "-u", BOB, f"-p={cloud.directory.user(BOB).password}"),
        "logout": ("logout",),
        "clear": ("account", "clear"),
    }
    error = az.run(*words[command]).failed().stderr
    assert "login_profile.lock" in error
    assert [path.read_bytes() for path in files] == before


def test_the_error_for_clouds_config_separates_what_was_kept_from_what_was_not(signed_in: Az, tmp_path: Path) -> None:
    az = _with_failing_locks(signed_in, tmp_path / "site", errno.EIO, only="login_clouds.lock")
    error = az.run("account", "set", "-s", "Contoso Development").failed().stderr
    assert "login_clouds.lock" in error
    assert "azureProfile.json is up to date: 'Contoso Development' is active" in error
    shown = signed_in.run("account", "show").ok().json()
    assert shown["name"] == "Contoso Development"
    signed_in.run("account", "set", "-s", "Contoso Development").ok()
    assert f"subscription = {shown['id']}" in (signed_in.config_dir / "clouds.config").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [("logout",), ("account", "clear")])
@pytest.mark.parametrize("lock", ["login_profile.lock", "login_msal_token_cache.lock"])
def test_a_lock_file_that_cannot_be_opened_is_an_error_with_a_next_step_or_does_not_matter(
    signed_in: Az, command: tuple[str, ...], lock: str
) -> None:
    (signed_in.config_dir / lock).unlink()
    (signed_in.config_dir / lock).mkdir()
    before = signed_in.profile()
    if command == ("account", "clear") and lock != "login_profile.lock":
        signed_in.run(*command).ok()
        assert not (signed_in.config_dir / "msal_token_cache.json").exists()
    else:
        error = signed_in.run(*command).failed().stderr
        assert f"{lock} could not be opened" in error
        assert "Nothing that it protects was changed." in error
        assert "Remove it and run the command again." in error
        assert signed_in.profile() == before
        (signed_in.config_dir / lock).rmdir()
        signed_in.run(*command).ok()
    assert signed_in.profile()["subscriptions"] == []


# Python runs this before anything else.
_HELD = """
import os, time

replace = os.replace

def held(source, target, **directories):
    if os.path.basename(target) == "msal_token_cache.json":
        open(os.environ["HELD"], "w").close()
        while not os.path.exists(os.environ["RELEASED"]):
            time.sleep(0.02)
    replace(source, target, **directories)

os.replace = held
"""


def test_a_token_that_is_stored_during_a_clear_restores_nothing(signed_in: Az, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(_HELD, encoding="utf-8")
    held, released = tmp_path / "held", tmp_path / "released"
    words = ("account", "get-access-token", "--scope", "https://graph.localcloud.example/.default", "-o", "none")
    storing = signed_in.start(*words, env={"PYTHONPATH": tmp_path, "HELD": held, "RELEASED": released})
    try:
        while not held.exists():
            assert storing.poll() is None, storing.communicate()
            time.sleep(0.02)
        clearing = signed_in.start("account", "clear")
        time.sleep(1.5)  # it waits, or has removed everything already
    finally:
        released.touch()
        signed_in.result(storing, *words)
    signed_in.result(clearing, "account", "clear").ok()
    assert signed_in.profile()["subscriptions"] == []
    assert not list(signed_in.config_dir.glob("*msal_token_cache.json*"))


@pytest.mark.parametrize("command", [("logout",), ("account", "clear")])
def test_no_user_signs_in_before_a_sign_out_has_removed_its_choice_from_clouds_config(
    signed_in: Az, command: tuple[str, ...]
) -> None:
    chosen = signed_in.config_dir / "clouds.config"
    assert "subscription = " in chosen.read_text(encoding="utf-8")
    with FileLock(PrivateDirectory(signed_in.config_dir) / "login_clouds.lock"):
        leaving = signed_in.start(*command)
        while signed_in.profile()["subscriptions"]:
            assert leaving.poll() is None, leaving.communicate()
            time.sleep(0.02)
        time.sleep(0.3)
        # A user who signed in at this point would lose the active subscription.
        with pytest.raises(LockHeldError):
            FileLock(PrivateDirectory(signed_in.config_dir) / "login_profile.lock", timeout=0).__enter__()
    signed_in.result(leaving, *command).ok()
    assert "subscription = " not in chosen.read_text(encoding="utf-8")


def test_a_reset_profile_is_shown_completely_while_another_process_holds_the_lock(signed_in: Az) -> None:
    before = signed_in.profile()
    signed_in.profile_path.write_text("{}", encoding="utf-8")
    with FileLock(PrivateDirectory(signed_in.config_dir) / "login_profile.lock"):
        shown = signed_in.run("account", "list", "--all", timeout=20).ok()
    assert {row["id"] for row in shown.json()} == {row["id"] for row in before["subscriptions"]}
    assert [line for line in shown.stderr.splitlines() if "restored" in line] == shown.stderr.splitlines()
    assert signed_in.profile() == {}
    signed_in.run("account", "show").ok()
    assert signed_in.profile()["subscriptions"] == before["subscriptions"]


def test_a_lock_of_the_host_that_is_not_released_is_one_error_with_its_holder(signed_in: Az) -> None:
    before = signed_in.profile()
    held = signed_in.config_dir / "msal_token_cache.json.lockfile"
    with held.open("w", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write("4711 az")
        stream.flush()
        error = signed_in.run("logout").failed().stderr
    assert str(held) in error
    assert "PID 4711" in error
    assert signed_in.profile() == before
    held.unlink()
    signed_in.run("logout").ok()


@contextmanager
def _being_written(path: Path) -> Iterator[None]:
    """Write the same content again and again, as the host does: under its lock, in place."""
    content = path.read_text(encoding="utf-8")
    done = threading.Event()
    lockfile = path.with_name(path.name + ".lockfile")

    def write() -> None:
        while not done.is_set():
            try:
                lock = os.open(lockfile, os.O_CREAT | os.O_EXCL | os.O_RDWR)
            except FileExistsError:
                time.sleep(0.005)
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # One of our commands has taken it between the two calls.
                os.close(lock)
                continue
            try:
                with path.open("w", encoding="utf-8") as stream:
                    stream.write(content[: len(content) // 2])
                    stream.flush()
                    time.sleep(0.02)
                    stream.write(content[len(content) // 2 :])
            finally:
                lockfile.unlink()
                os.close(lock)
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def test_a_token_cache_that_the_host_is_writing_does_not_count_as_damaged(signed_in: Az) -> None:
    path = signed_in.config_dir / "msal_token_cache.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    with _being_written(path):
        for _ in range(3):
            assert not signed_in.run("account", "get-access-token", "--query", "tenant").ok().stderr
    assert json.loads(path.read_text(encoding="utf-8")) == before
    assert not list(signed_in.config_dir.glob("*.damaged-*"))
