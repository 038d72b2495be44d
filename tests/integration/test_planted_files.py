"""`az` as the superuser in the config directory of another user, who has put other things in place of the files.

Nothing outside the directory may be created, deleted, or changed in content, mode or owner, and no secret of the
superuser may get into it. The last tests are races: a process of the other user replaces names while `az` runs.
`LOGIN_RACES=200 make test ARGS='-k race'` runs each of them 200 times; the default is lower.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from tests.harness.az import Az, Result
from tests.harness.hosts import Host
from tests.harness.other_user import NOBODY, Tree, attacker, give_away, public_directory, require_superuser, tree_of
from tests.harness.sign_in import sign_in
from tests.harness.stage import CloudStage
from tests.integration.workloads import PASSPHRASE, SERVICE_PRINCIPAL, Certificates, guarded, write_pem
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

if sys.platform == "win32":
    pytest.skip("owners and links of POSIX systems", allow_module_level=True)

_RACES = int(os.environ.get("LOGIN_RACES", "3"))

_SECRET = "secret-of-the-superuser"

_HOSTS_OWN = ("azureProfile.json", "clouds.config")
"""The host opens these before it loads an extension: it waits for a pipe, and fails on a directory."""

_FILES = (
    "msal_token_cache.json", "msal_token_cache.bin", "msal_http_cache.bin", "service_principal_entries.json",
    "service_principal_entries.bin", "login_last_good.json", "login_last_good_clouds.config", "accessTokens.json",
    "AzureRmContextSettings.json", "azureProfile.json.damaged-20260101-000000-1",
    "msal_token_cache.json.damaged-20260101-000000-1", "service_principal_entries.json.damaged-20260101-000000-1",
    "login_last_good.json.damaged-20260101-000000-1", ".azureProfile.json.abcd.tmp", ".msal_token_cache.json.abcd.tmp",
)  # fmt: skip
_LOCKS = (
    "login_profile.lock", "login_clouds.lock", "login_msal_token_cache.lock", "login_service_principal_entries.lock",
    "msal_token_cache.json.lockfile", "service_principal_entries.json.lockfile",
)  # fmt: skip
_FOLDERS = ("login_requests", "login_certificates")

_CONTENTS = {
    "azureProfile.json": json.dumps({"installationId": "1", "subscriptions": [], "azextLogin": {"generation": 10**9}}),
    "clouds.config": f"[{_SECRET}]\nsubscription = 1\n\n",
    "msal_token_cache.json": json.dumps({"AccessToken": {"k": {"secret": _SECRET, "client_id": "x"}}}),
    "service_principal_entries.json": json.dumps([{"client_id": "x", "tenant": "t", "client_secret": _SECRET}]),
}


class _Outside:
    """Files of the superuser, one for each name, and a directory with records and keys."""

    def __init__(self, folder: Path, *, config_dir: Path | None = None) -> None:
        """:param config_dir: copied as the config directory of the superuser."""
        self.folder = folder
        self.directory = folder / "directory"
        self.directory.mkdir(parents=True)
        for name in ("record.json", "0123456789abcdef-0123456789abcdef.pem", "some.lock"):
            (self.directory / name).write_text(_SECRET, encoding="utf-8")
        for name in (*_HOSTS_OWN, *_FILES, *_LOCKS, *_FOLDERS):
            file = self.of(name)
            file.write_text(_CONTENTS.get(name, f'{{"who": "{ALICE}", "what": "{_SECRET}"}}'), encoding="utf-8")
            file.chmod(0o644)
        os.mknod(folder / "device", 0o600 | 0o020000, os.makedev(1, 3))
        if config_dir is not None:
            shutil.copytree(config_dir, folder / "azure")
            (folder / "azure" / "msal_token_cache.json").write_text(
                _CONTENTS["msal_token_cache.json"], encoding="utf-8"
            )
        self.before = tree_of(folder)

    def of(self, name: str) -> Path:
        return self.folder / f"victim-{name}"


Plant = Callable[[_Outside, Path], object]


def _link_to(target: Callable[[_Outside, str], Path]) -> Plant:
    def plant(outside: _Outside, path: Path) -> None:
        path.symlink_to(target(outside, path.name))
        os.lchown(path, NOBODY, NOBODY)

    return plant


def _directory(outside: _Outside, path: Path) -> None:
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)


_PLANTS: dict[str, Plant] = {
    "a link to a file": _link_to(lambda outside, name: outside.of(name)),
    "a link to a directory": _link_to(lambda outside, name: outside.directory),
    "a link to nowhere": _link_to(lambda outside, name: outside.folder / "new" / name),
    "a link to a device": _link_to(lambda outside, name: outside.folder / "device"),
    "a hard link": lambda outside, path: os.link(outside.of(path.name), path),
    "a pipe": lambda outside, path: os.mkfifo(path),
    "a directory": _directory,
}

_COMMANDS: dict[str, tuple[str, ...]] = {
    "set": ("account", "set", "-s", "Contoso Development"),
    "clear": ("account", "clear"),
    "logout": ("logout", "--username", ALICE),
    "token": ("account", "get-access-token", "--force-refresh", "--query", "tenant"),
    "refresh": ("account", "list", "--refresh", "--query", "[].id"),
    "renew": ("account", "renew"),
}
_ALL = (*_COMMANDS, "login", "workload")


@pytest.fixture(scope="module")
def certificate(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate file with a passphrase: its key is stored in login_certificates."""
    return write_pem(tmp_path_factory.mktemp("pem") / "c.pem", certificates.registered, passphrase=PASSPHRASE)


@pytest.fixture(scope="module")
def template(
    cloud_stage: CloudStage, newest: Host, workload_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Az:
    """An `az` with alice signed in, whose config directory is copied."""
    require_superuser()
    az = guarded(cloud_stage.az(newest, tmp_path_factory.mktemp("template") / "azure", cloud=workload_cloud))
    sign_in(az, workload_cloud, ALICE).ok()
    az.run("account", "get-access-token", "--query", "tenant").ok()
    return az


def _copy(template: Az, folder: Path) -> Az:
    """Return the same `az` with a copy of its config directory that belongs to the other user."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template.config_dir, folder)
    give_away(folder)
    return replace(template, config_dir=folder)


def _words(command: str, cloud: LocalCloud, certificate: Path) -> tuple[tuple[str, ...], str]:
    """Return the arguments and the standard input of a command."""
    if command == "login":
        return ("login", "-u", BOB, f"-p={cloud.directory.user(BOB).password}", "--query", "[].id"), ""
    if command == "workload":
        words = (*SERVICE_PRINCIPAL, "--certificate", str(certificate), "--password=@-", "--store-decrypted-key")
        return (*words, "--query", "[].id"), PASSPHRASE
    return _COMMANDS[command], ""


def _plant(az: Az, outside: _Outside, kind: str, names: tuple[str, ...]) -> None:
    for name in names:
        path = az.config_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        _PLANTS[kind](outside, path)


def _secrets_in(folder: Path) -> list[Path]:
    """Return the files that the other user owns and that hold a secret of the superuser."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1
        if _SECRET.encode() in path.read_bytes()
    ]


_ROWS = [
    *((kind, group, _ALL) for kind in ("a link to a file", "a hard link") for group in ("files", "locks", "folders")),
    ("a link to a directory", "folders", _ALL),
    *((kind, "files", ("clear", "logout", "login", "token")) for kind in _PLANTS if "hard" not in kind),
    *((kind, "locks", ("logout", "token")) for kind in ("a link to nowhere", "a link to a device", "a pipe")),
]


@pytest.mark.parametrize("kind, group, commands", _ROWS, ids=[f"{kind}-{group}" for kind, group, _ in _ROWS])
def test_nothing_outside_the_directory_changes(
    template: Az,
    workload_cloud: LocalCloud,
    tmp_path: Path,
    certificate: Path,
    kind: str,
    group: str,
    commands: tuple[str, ...],
) -> None:
    outside = _Outside(tmp_path / "outside")
    names = {"files": _FILES, "locks": _LOCKS, "folders": _FOLDERS}[group]
    if group == "files" and kind in ("a link to a file", "a hard link"):
        names += _HOSTS_OWN
    for command in commands:
        az = _copy(template, tmp_path / "azure")
        _plant(az, outside, kind, names)
        words, text = _words(command, workload_cloud, certificate)
        result = az.run(*words, input=text, timeout=30)
        result.assert_clean()
        assert tree_of(outside.folder) == outside.before, f"{result}"
        assert not _secrets_in(az.config_dir), f"{result}"
        _assert_advice(result)


def _assert_advice(result: Result) -> None:
    if "symbolic link that another user can change" in result.stderr and result.exit_code:
        assert "Remove the link" in result.stderr, f"{result}"


@pytest.mark.parametrize("kind", ["a link to a file", "a hard link"])
def test_nothing_outside_the_directory_changes_through_its_directories(
    template: Az, workload_cloud: LocalCloud, tmp_path: Path, certificate: Path, kind: str
) -> None:
    """The records and locks of token requests, and the keys of certificates."""
    outside = _Outside(tmp_path / "outside")
    signed_in = _copy(template, tmp_path / "signed-in")
    words, text = _words("workload", workload_cloud, certificate)
    signed_in.run(*words, input=text).ok()
    signed_in.run("account", "get-access-token", "--force-refresh", "--query", "tenant").ok()
    for command in ("clear", "logout", "token", "workload"):
        az = _copy(signed_in, tmp_path / "azure")
        names = [path for folder in _FOLDERS for path in (az.config_dir / folder).iterdir()]
        assert {path.suffix for path in names} == {".json", ".lock", ".pem"}
        for path in names:
            path.unlink()
            victim = outside.of("accessTokens.json")
            if kind == "a hard link":
                os.link(victim, path)
            else:
                path.symlink_to(victim)
                os.lchown(path, NOBODY, NOBODY)
        words, text = _words(command, workload_cloud, certificate)
        result = az.run(*words, input=text, timeout=30)
        result.assert_clean()
        assert tree_of(outside.folder) == outside.before, f"{result}"
        _assert_advice(result)


@pytest.mark.parametrize("command", ["set", "clear", "token", "workload"])
def test_a_config_directory_behind_a_link_of_another_user_is_refused(
    template: Az, workload_cloud: LocalCloud, certificate: Path, command: str
) -> None:
    with public_directory() as public:
        outside = _Outside(public / "outside", config_dir=template.config_dir)
        home = public / "home"
        home.mkdir()
        (home / "azure").symlink_to(outside.folder / "azure")
        give_away(home)
        az = template.with_env(AZURE_CONFIG_DIR=home / "azure")
        words, text = _words(command, workload_cloud, certificate)
        result = az.run(*words, input=text, cwd=public).failed()
        assert _ours(tree_of(outside.folder)) == _ours(outside.before), f"{result}"
        assert "symbolic link that another user can change" in result.stderr
        _assert_advice(result)


# Races


def _swap_new_directory(name: str) -> Callable[[Path, _Outside], None]:
    """Put a link in place of a directory as soon as it exists, for a moment."""

    def step(folder: Path, outside: _Outside) -> None:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            path.rename(folder / f"away-{time.monotonic_ns()}")
            path.symlink_to(outside.directory)
            path.unlink()

    return step


def _swap_file(name: str) -> Callable[[Path, _Outside], None]:
    """Put a link in place of a file, and the file in place of the link, in turns."""

    def step(folder: Path, outside: _Outside) -> None:
        path, away = folder / name, folder / "away"
        with contextlib.suppress(OSError):
            path.rename(away)
        path.symlink_to(outside.of(name))
        path.unlink()
        with contextlib.suppress(OSError):
            os.link(outside.of(name), path)
            path.unlink()
        away.rename(path)

    return step


def _swap_temporary_files(folder: Path, outside: _Outside) -> None:
    """Put a link in place of each temporary file."""
    for name in os.listdir(folder):
        if name.endswith(".tmp"):
            (folder / name).unlink()
            (folder / name).symlink_to(outside.of("azureProfile.json"))


def _swap_quarantined_files(folder: Path, outside: _Outside) -> None:
    """Put a link in place of each quarantined file."""
    for name in os.listdir(folder):
        if ".damaged-" in name and not (folder / name).is_symlink():
            (folder / name).unlink()
            (folder / name).symlink_to(outside.of("msal_token_cache.json"))


def _swap_config_directory(folder: Path, outside: _Outside) -> None:
    """Put a link in place of the config directory itself."""
    away = folder.with_name("away")
    folder.rename(away)
    folder.symlink_to(outside.folder / "azure")
    folder.unlink()
    away.rename(folder)


@dataclass(frozen=True)
class _Race:
    step: Callable[[Path, _Outside], None]
    command: str
    without: tuple[str, ...] = ()
    """Names that are removed first."""
    damaged: str = ""
    """A file that is damaged first."""


_TRIED = {
    "the directory of token requests": _Race(_swap_new_directory("login_requests"), "token", ("login_requests",)),
    "the directory of certificates": _Race(_swap_new_directory("login_certificates"), "workload"),
    "the lock of the list": _Race(_swap_file("login_profile.lock"), "set"),
    "the lock of the host": _Race(_swap_file("msal_token_cache.json.lockfile"), "token"),
    "tokens": _Race(_swap_file("msal_token_cache.json"), "token"),
    "the last good copy": _Race(_swap_file("login_last_good.json"), "clear"),
    "temporary files": _Race(_swap_temporary_files, "set"),
    "quarantined files": _Race(_swap_quarantined_files, "token", damaged="msal_token_cache.json"),
    "the config directory": _Race(_swap_config_directory, "set"),
}


@pytest.mark.timeout(60 + 4 * _RACES)
@pytest.mark.parametrize("race", _TRIED.values(), ids=_TRIED.keys())
def test_no_race_changes_a_file_of_the_superuser(
    template: Az, workload_cloud: LocalCloud, certificate: Path, race: _Race
) -> None:
    with public_directory() as public:
        outside = _Outside(public / "outside", config_dir=template.config_dir)
        for number in range(_RACES):
            home = public / f"home{number}"
            home.mkdir()
            az = _copy(template, home / "azure")
            os.chown(home, NOBODY, NOBODY)
            for name in race.without:
                shutil.rmtree(az.config_dir / name, ignore_errors=True)
            if race.damaged:
                (az.config_dir / race.damaged).write_text('{"AccessToken": {', encoding="utf-8")
            words, text = _words(race.command, workload_cloud, certificate)
            # Before the attack: starting it uses the directory as well.
            process = az.start(*words, cwd=public)
            with attacker(partial(race.step, az.config_dir, outside)):
                result = az.result(process, *words, input=text, timeout=30)
            now = tree_of(outside.folder)
            made = {path for path, what in now.items() if what[3] == _NEW_PROFILE}
            before = {path: what for path, what in outside.before.items() if path not in made}
            assert _ours(now) == _ours(before), f"try {number}: {result}"
            for path in made:
                Path(path).write_bytes(outside.before[path][3])
            assert not _secrets_in(home), f"try {number}: {result}"


def _ours(tree: Tree) -> Tree:
    """Return what is not the host's: it writes its log and its index of commands by their paths."""
    return {path: what for path, what in tree.items() if not (_HOSTS.search(path) or what[3] == _NEW_PROFILE)}


# Before it loads any extension, the host makes a missing azureProfile.json, by its path (azure/cli/core/_session.py).
# In a race for the config directory, it is missing for an instant.
_NEW_PROFILE = "\ufeff{}".encode()
_HOSTS = re.compile(r"/azure$|/azure/(?!azureProfile|clouds\.config|msal_|service_principal|login_)")
