"""A full disk, files and directories that are not writable, links: one clear error, and the old content is complete."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.az import Az, Result
from tests.harness.restricted import Restricted, with_small_files, without_privileges
from tests.integration.context_runs import add_context
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

if sys.platform == "win32":
    pytest.skip("file modes, links and limits of POSIX systems", allow_module_level=True)

FILES = ("azureProfile.json", "clouds.config", "msal_token_cache.json", "login_last_good.json")
#: The number of a user who does not exist.
NOBODY = 65534


def _sign_in(az: Restricted, cloud: LocalCloud) -> Result:
    """Sign in as bob."""
    return az.run("login", "-u", BOB, f"-p={cloud.directory.user(BOB).password}")


class Whole:
    """The files before a command. After a failure, they are the same, and there are no others."""

    def __init__(self, az: Az) -> None:
        self._az = az
        self._names = self._all_names()
        self._content = {name: (az.config_dir / name).read_bytes() for name in FILES}

    def _all_names(self) -> set[str]:
        return {path.name for path in self._az.config_dir.iterdir()} - {"commands", "logs", "telemetry"}

    def assert_untouched(self, *, but: tuple[str, ...] = ()) -> None:
        """Fail the test if a file has changed or is not valid, or if a new file exists."""
        for name in FILES:
            if name not in but:
                assert (self._az.config_dir / name).read_bytes() == self._content[name], f"{name} has changed"
        leftovers = {name for name in self._all_names() - self._names if ".tmp" in name or "damaged" in name}
        assert not leftovers
        for name in ("azureProfile.json", "msal_token_cache.json", "login_last_good.json"):
            json.loads((self._az.config_dir / name).read_text(encoding="utf-8"))


def _assert_names(result: Result, *words: str) -> None:
    error = result.failed().stderr
    assert any(word in error for word in words), f"the error names none of {words}\n{result}"


# A full file system. If none can be mounted, a limit on the size of files takes its place.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "login-test", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _move_to(folder: Path, az: Az) -> Az:
    """Return the same `az` with the files of its accounts in another place."""
    shutil.copytree(az.config_dir, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("commands", "home"))
    # The host's log would print tracebacks of its own to standard error.
    (folder / "commands").symlink_to(az.config_dir / "commands", target_is_directory=True)
    return Az(az.host, folder, az.extension_dir, az.ca_bundle, az.env, az.secrets)


def _fill(folder: Path) -> Path:
    """Fill the remaining space."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            pass
    return filler


@pytest.mark.parametrize("command", ["set", "login", "token", "logout", "refresh"])
def test_on_a_full_disk_the_old_files_stay_complete(
    signed_in: Az, cloud: LocalCloud, small_disk: Path, command: str
) -> None:
    az = Restricted(_move_to(small_disk, signed_in))
    az.run("account", "list").ok()  # the host makes files of its own in here
    before = Whole(az.az)
    filler = _fill(small_disk)
    result = _run(az, command, cloud)
    filler.unlink()
    if command == "token":
        result.ok()  # a token that cannot be kept is still a token
    elif command != "refresh":
        _assert_names(result, str(small_disk))
        assert "No space left" in result.stderr
    before.assert_untouched()
    az.run("account", "show").ok()
    az.run("account", "set", "--subscription", "Contoso Development").ok()


def test_on_a_full_disk_an_isolated_run_does_not_begin(signed_in: Az, small_disk: Path) -> None:
    add_context(signed_in, "dev", ALICE)
    az = Restricted(_move_to(small_disk, signed_in))
    az.run("account", "list").ok()
    run = ("account", "context", "run", "--isolated", "--from", "dev", "--", "/bin/echo", "ran")
    filler = _fill(small_disk)
    result = az.run(*run)
    assert "No space left" in result.failed().stderr
    assert result.stdout == ""
    filler.unlink()
    assert az.run(*run).ok().stdout == "ran\n"
    assert list((small_disk / "login_runs").iterdir()) == []


def _run(az: Restricted, command: str, cloud: LocalCloud) -> Result:
    if command == "login":
        return _sign_in(az, cloud)
    words: dict[str, tuple[str, ...]] = {
        "set": ("account", "set", "--subscription", "Contoso Development"),
        # For a resource without a stored token.
        "token": ("account", "get-access-token", "--resource-type", "ms-graph", "--query", "tenant"),
        "refresh": ("account", "list", "--refresh"),
        "logout": ("logout",),
        "clear": ("account", "clear"),
        "show": ("account", "show"),
        "list": ("account", "list"),
    }  # fmt: skip
    return az.run(*words[command])


@pytest.mark.parametrize("command", ["set", "login"])
def test_a_limit_on_the_size_of_files_stops_a_command_before_any_change(
    signed_in: Az, cloud: LocalCloud, command: str
) -> None:
    before = Whole(signed_in)
    az = with_small_files(signed_in, 2)  # less than a profile
    _assert_names(_run(az, command, cloud), str(signed_in.config_dir))
    before.assert_untouched()
    signed_in.run("account", "show").ok()


# No permission


@pytest.fixture
def held_back(signed_in: Az) -> Restricted:
    """`az`, to which file modes apply even if the superuser runs it."""
    return without_privileges(signed_in)


@pytest.mark.parametrize("command", ["set", "login", "token", "logout", "clear"])
def test_in_a_directory_that_is_not_writable_the_old_files_stay_complete(
    signed_in: Az, cloud: LocalCloud, held_back: Restricted, command: str
) -> None:
    before = Whole(signed_in)
    for folder in ("commands", "logs", "telemetry"):
        shutil.rmtree(signed_in.config_dir / folder, ignore_errors=True)
        (signed_in.config_dir / folder).mkdir(mode=0o777)
        (signed_in.config_dir / folder).chmod(0o777)
    signed_in.config_dir.chmod(0o500)
    try:
        held_back.run("account", "show").ok()
        held_back.run("account", "list").ok()
        if command == "clear":
            # A reset profile can be restored in memory only.
            whole = signed_in.profile_path.read_bytes()
            signed_in.profile_path.write_bytes(b"{}")
            held_back.run("account", "show").ok()
            assert signed_in.profile_path.read_bytes() == b"{}"
            signed_in.profile_path.write_bytes(whole)
        result = _run(held_back, command, cloud)
    finally:
        signed_in.config_dir.chmod(0o700)
    if command == "token":
        result.ok()
    else:
        _assert_names(result, str(signed_in.config_dir))
    before.assert_untouched()


@pytest.mark.parametrize(
    ("name", "command", "works"),
    [
        ("msal_token_cache.json", "token", False),
        ("msal_token_cache.json", "show", True),
        # The file may have the account, so the account stays listed. Clearing deletes the file in any case.
        ("msal_token_cache.json", "logout", False),
        ("service_principal_entries.json", "logout", False),
        ("msal_token_cache.json", "clear", True),
        ("login_last_good.json", "show", True),
        ("login_last_good.json", "set", True),
        ("login_profile.lock", "set", False),
        ("clouds.config", "set", True),
    ],
)
def test_a_file_of_another_user_is_named(
    signed_in: Az, cloud: LocalCloud, held_back: Restricted, name: str, command: str, works: bool
) -> None:
    path = signed_in.config_dir / name
    if not path.exists():
        path.write_text("[]", encoding="utf-8")
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    # If clouds.config is not readable, the host exits before any extension is loaded.
    path.chmod(0o444 if name == "clouds.config" else 0o000)
    content = path.read_bytes() if os.geteuid() == 0 else b""
    result = _run(held_back, command, cloud)
    if works:
        result.ok()
    else:
        _assert_names(result, str(path))
        if os.geteuid() == 0:
            assert path.read_bytes() == content
    json.loads(signed_in.profile_path.read_text(encoding="utf-8"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only the superuser can take files over")
def test_files_that_the_superuser_writes_belong_to_the_owner_of_the_other_files(
    signed_in: Az, cloud: LocalCloud
) -> None:
    folder = signed_in.config_dir
    (folder / "login_profile.lock").unlink()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    az = Restricted(signed_in)
    az.run("account", "set", "--subscription", "Contoso Development").ok()
    _sign_in(az, cloud).ok()
    az.run("account", "get-access-token", "--resource-type", "ms-graph", "--query", "tenant").ok()
    ours = ("azureProfile.json", "clouds.config", "msal_", "login_")
    taken = [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.relative_to(folder).parts[0].startswith(ours) and path.stat().st_uid != NOBODY
    ]
    assert not taken, f"{taken} belong to the superuser"


def test_a_last_good_copy_that_cannot_be_written_is_a_warning_and_the_change_is_complete(signed_in: Az) -> None:
    copy = signed_in.config_dir / "login_last_good.json"
    copy.unlink()
    copy.mkdir()
    result = signed_in.run("account", "set", "-s", "Contoso Development").ok()
    assert str(copy) in result.stderr
    assert "azureProfile.json itself is up to date" in result.stderr
    active = signed_in.run("account", "show", "--query", "id").ok().json()
    assert f"subscription = {active}" in (signed_in.config_dir / "clouds.config").read_text(encoding="utf-8")


# Links


def test_a_linked_config_directory_works_and_stays_a_link(signed_in: Az, cloud: LocalCloud, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(signed_in.config_dir, target_is_directory=True)
    az = Az(signed_in.host, link, signed_in.extension_dir, signed_in.ca_bundle, signed_in.env, signed_in.secrets)
    az.run("account", "set", "--subscription", "Contoso Development").ok()
    _sign_in(Restricted(az), cloud).ok()
    assert link.is_symlink()
    az.run("logout", "--username", ALICE).ok()
    assert ALICE not in signed_in.profile_path.read_text(encoding="utf-8")


def test_linked_files_stay_links_and_their_targets_change(signed_in: Az, cloud: LocalCloud) -> None:
    elsewhere = signed_in.config_dir / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    for name in (*FILES, "msal_http_cache.bin"):
        (signed_in.config_dir / name).rename(elsewhere / name)
        (signed_in.config_dir / name).symlink_to(elsewhere / name)
    _sign_in(Restricted(signed_in), cloud).ok()
    signed_in.run("account", "set", "--subscription", "Shared Platform").ok()
    for name in FILES:
        assert (signed_in.config_dir / name).is_symlink(), f"{name} is not a link any more"
        assert stat.S_IMODE((elsewhere / name).stat().st_mode) == 0o600
    assert BOB in (elsewhere / "azureProfile.json").read_text(encoding="utf-8")
    signed_in.run("account", "clear").ok()
    left = [path for path in elsewhere.iterdir() if ALICE.encode() in path.read_bytes()]
    assert not left, f"{left} still name a user"
