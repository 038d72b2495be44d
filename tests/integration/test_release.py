"""`make release`: what it builds, what `az` makes of that, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import OutputFormat
from cyclonedx.validation import make_schemabased_validator
from filelock import FileLock

from tests.harness import hosts
from tests.harness.az import Az
from tests.harness.contexts import add_context
from tests.harness.environments import ROOT, RUNTIME_PACKAGES, pinned
from tests.harness.folder_server import FolderServer
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.harness.wheel import SOURCES, without_package_index
from tests.integration.documentation import PAGES
from tests.localcloud import LocalCloud
from tests.release.sbom import SCHEMA
from tests.release.sources import notes_of
from tests.users import ALICE, BOB

pytestmark = [
    pytest.mark.executable,
    pytest.mark.skipif(sys.platform == "win32", reason="a release is made on Linux or macOS"),
]

HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]
OLDER = "0.9.0"
URL = "http://127.0.0.1:9/login"
# Git's own settings must not matter, and the same commits have the same IDs in every run.
_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{
        f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "a"), ("EMAIL", "a"))
    },
    **{f"GIT_{who}_DATE": "2026-11-02T03:04:06Z" for who in ("AUTHOR", "COMMITTER")},
}


def _git(clone: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=clone, env={**os.environ, **_GIT}, check=True, capture_output=True)


def _commit(clone: Path, **files: Callable[[str], str]) -> None:
    """Change files, by their names without the ending, and commit everything."""
    for stem, change in files.items():
        (path,) = clone.glob(f"{stem}.*")
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    _git(clone, "add", "--all")
    _git(clone, "commit", "--quiet", "--message", "change")


def _release(
    clone: Path, *options: str | Path, url: str = URL, umask: int = 0o022, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.release", "--root", clone, "--url", url, *options]
    environment = {**os.environ, **_GIT, **(env or {})}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, umask=umask, timeout=120)


def _made(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@dataclass(frozen=True)
class Releases:
    """A clone, and the folders of two releases that were made from it."""

    clone: Path
    older: Path
    newer: Path
    version: str

    @property
    def wheel(self) -> Path:
        """The wheel of the newer one."""
        return self.newer / f"login-{self.version}-py3-none-any.whl"

    def index(self) -> Any:
        """The index of the newer one."""
        return json.loads((self.newer / "index.json").read_text(encoding="utf-8"))


def _version() -> str:
    (line,) = (line for line in (ROOT / "setup.py").read_text().splitlines() if line.startswith("VERSION = "))
    return line.split('"')[1]


@pytest.fixture(scope="module")
def releases(stage: Stage) -> Releases:
    """Two releases: an older version, and the one in setup.py, in whose index both are."""
    base = stage.folder / "releases"
    made = Releases(base / "clone", base / "older", base / "newer", _version())
    with FileLock(stage.folder / "releases.lock"):
        if not (base / "done").exists():
            shutil.rmtree(base, ignore_errors=True)
            _make_releases(made)
            (base / "done").touch()
    return made


def _make_releases(made: Releases) -> None:
    clone = made.clone
    clone.mkdir(parents=True)
    for name in SOURCES:
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "azext_login", clone / "azext_login", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / ".gitignore").write_text("/dist/\n", encoding="utf-8")
    _git(clone, "init", "--quiet", "--initial-branch=main")
    number, heading = f'"{made.version}"', f"{made.version}\n-----\n"
    _commit(
        clone,
        setup=lambda text: text.replace(number, f'"{OLDER}"', 1),
        HISTORY=lambda text: text.replace(heading, f"{OLDER}\n-----\n", 1),
    )
    _made(_release(clone, "--to", made.older))
    _git(clone, "tag", f"v{OLDER}")
    _commit(
        clone,
        setup=lambda text: text.replace(f'"{OLDER}"', number, 1),
        HISTORY=lambda text: text.replace(f"{OLDER}\n", f"{heading}\n* First.\n\n{OLDER}\n", 1),
    )
    _made(_release(clone, "--to", made.newer, "--index", made.older / "index.json"))


@pytest.fixture
def clone(releases: Releases, tmp_path: Path) -> Path:
    """The clone, to be changed."""
    return Path(shutil.copytree(releases.clone, tmp_path / "clone"))


# What is built


def test_a_release_is_a_wheel_an_index_sums_a_list_of_contents_and_notes(releases: Releases) -> None:
    wheel, bill = releases.wheel.name, f"login-{releases.version}.cdx.json"
    assert {path.name for path in releases.newer.iterdir()} == {
        wheel, "index.json", "SHA256SUMS", bill, "release-notes.md"
    }  # fmt: skip
    assert [(path.stat().st_mode & 0o777) for path in releases.newer.iterdir()] == [0o644] * 5


def test_another_user_folder_and_day_give_the_same_release(releases: Releases, clone: Path, tmp_path: Path) -> None:
    """With another umask, time zone and locale, and new times and modes of the files in the clone."""
    for path in clone.rglob("*.py"):
        path.touch()
        path.chmod(0o600)
    again = tmp_path / "again"
    env = {"TZ": "America/Lima", "LC_ALL": "C", "PYTHONHASHSEED": "77"}
    _made(_release(clone, "--to", again, "--index", releases.older / "index.json", umask=0o077, env=env))
    for path in releases.newer.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name
        assert (again / path.name).stat().st_mode == path.stat().st_mode


def test_the_times_and_modes_in_the_wheel_are_those_of_the_commit(releases: Releases) -> None:
    with zipfile.ZipFile(releases.wheel) as wheel:
        assert {entry.date_time for entry in wheel.infolist()} == {(2026, 11, 2, 3, 4, 6)}
        assert {(entry.external_attr >> 16) & 0o777 for entry in wheel.infolist()} <= {0o644, 0o755, 0o664}


def test_the_sums_are_those_of_all_files(releases: Releases) -> None:
    lines = (releases.newer / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    files = {path.name: path for path in releases.newer.iterdir() if path.name != "SHA256SUMS"}
    assert sums == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_the_index_has_both_releases_and_what_az_decides_by(releases: Releases) -> None:
    index = releases.index()
    assert index["formatVersion"] == "1"
    entries = index["extensions"]["login"]
    assert [entry["metadata"]["version"] for entry in entries] == [OLDER, releases.version]
    needed = json.loads((ROOT / "azext_login" / "azext_metadata.json").read_text(encoding="utf-8"))
    for entry in entries:
        assert entry["metadata"].items() >= needed.items()
        assert entry["metadata"]["name"] == "login"
        assert entry["downloadUrl"] == f"{URL}/{entry['filename']}"
        assert "azext.isPreview" not in entry["metadata"]
    assert entries[-1]["sha256Digest"] == hashlib.sha256(releases.wheel.read_bytes()).hexdigest()


def test_other_extensions_in_the_index_stay_as_they_are(releases: Releases, clone: Path, tmp_path: Path) -> None:
    index = json.loads((releases.older / "index.json").read_text(encoding="utf-8"))
    other = [{"downloadUrl": f"{URL}/other-1.whl", "metadata": {"name": "other", "version": "1"}}]
    index["extensions"]["other"] = other
    (tmp_path / "index.json").write_text(json.dumps(index), encoding="utf-8")
    _made(_release(clone, "--index", tmp_path / "index.json"))
    found = json.loads((clone / "dist" / "index.json").read_text(encoding="utf-8"))
    assert found["extensions"]["other"] == other
    assert len(found["extensions"]["login"]) == 2


def test_the_list_of_contents_is_valid_and_complete(releases: Releases) -> None:
    text = (releases.newer / f"login-{releases.version}.cdx.json").read_text(encoding="utf-8")
    assert make_schemabased_validator(OutputFormat.JSON, SCHEMA).validate_str(text) is None
    bill = json.loads(text)
    with zipfile.ZipFile(releases.wheel) as wheel:
        files = {name: hashlib.sha256(wheel.read(name)).hexdigest() for name in wheel.namelist()}
    root = bill["metadata"]["component"]
    assert {part["name"]: part["hashes"][0]["content"] for part in root["components"]} == files
    assert root["hashes"][0]["content"] == hashlib.sha256(releases.wheel.read_bytes()).hexdigest()
    purls = {f"pkg:pypi/{pinned(name).replace('==', '@')}" for name in RUNTIME_PACKAGES}
    assert {part["purl"] for part in bill["components"]} == purls
    assert all(part["licenses"] for part in bill["components"])
    assert len({part["ref"] for part in bill["dependencies"] if part.get("dependsOn")}) == 2


def test_the_notes_are_the_entry_of_the_history(releases: Releases) -> None:
    notes = (releases.newer / "release-notes.md").read_text(encoding="utf-8")
    assert notes.startswith(f"# login {releases.version}\n\n* First.\n\nBuilt from commit ")
    assert OLDER not in notes


def test_this_history_is_ready_for_a_release() -> None:
    notes = notes_of(_version(), (ROOT / "HISTORY.rst").read_text(encoding="utf-8"))
    # What reStructuredText and Markdown do not have in common.
    assert not any(mark in notes for mark in ("`_", "\n.. ", "::\n"))


def test_the_pages_name_the_wheel_of_this_version() -> None:
    wheels = {name for page in PAGES for name in re.findall(r"\blogin-[0-9]\S+\.whl", page.read_text(encoding="utf-8"))}
    assert wheels == {f"login-{_version()}-py3-none-any.whl"}


# What is refused


def _refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 1, done.stdout
    assert done.stdout == ""
    assert done.stderr.startswith("No release was made. ")
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr


def test_changes_that_are_not_committed_are_refused(clone: Path) -> None:
    with (clone / "azext_login" / "commands.py").open("a") as module:
        module.write("\n")
    (clone / "azext_login" / "stray.py").touch()
    _refused(_release(clone), "not committed", "M azext_login/commands.py", "?? azext_login/stray.py")
    assert not (clone / "dist").exists()


def test_a_version_with_a_tag_is_refused(clone: Path, releases: Releases) -> None:
    _git(clone, "tag", f"v{releases.version}")
    _refused(_release(clone), f"Version {releases.version} exists", f"make release TAG=v{releases.version}")


def test_the_tag_that_is_being_released_is_on_the_commit(clone: Path, releases: Releases) -> None:
    tag = f"v{releases.version}"
    _refused(_release(clone, "--tag", tag), "no tag")
    _git(clone, "tag", "--annotate", "--message", "a release", tag)
    _made(_release(clone, "--tag", tag))
    _commit(clone, README=lambda text: text + "\n")
    _refused(_release(clone, "--tag", tag), "another commit")
    _refused(_release(clone, "--tag", "v7.0.0"), f"not '{tag}'")


def test_a_version_in_the_index_is_refused(clone: Path, releases: Releases) -> None:
    _refused(_release(clone, "--index", releases.newer / "index.json"), f"Version {releases.version} exists")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"extensions": {"login": [{}]}}', '{"extensions": {"login": 1}}'])
def test_what_is_not_an_index_is_refused(clone: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text, encoding="utf-8")
    _refused(_release(clone, "--index", tmp_path / "index.json"), "not an index of extensions")


def test_an_index_that_does_not_exist_is_refused(clone: Path, tmp_path: Path) -> None:
    _refused(_release(clone, "--index", tmp_path / "none.json"), "none.json could not be read: No such file")


@pytest.mark.parametrize(
    "change, said",
    [
        pytest.param(lambda version: f"{version} (unreleased)\n-----", "(unreleased)", id="unreleased"),
        pytest.param(lambda version: "0.9.5\n-----", "'0.9.5'", id="another version"),
        pytest.param(lambda version: f"{version}\n-----\n\n0.9.8\n-----", "is empty", id="empty"),
    ],
)
def test_a_history_without_an_entry_is_refused(
    clone: Path, releases: Releases, change: Callable[[str], str], said: str
) -> None:
    heading = f"{releases.version}\n-----"
    _commit(clone, HISTORY=lambda text: text.replace(heading, change(releases.version), 1))
    _refused(_release(clone), "HISTORY.rst", said)


@pytest.mark.parametrize(
    "url",
    ["", "downloads.example", "http://downloads.example", "https://", "ftp://h/p", "https://h/?a", "https://a@h/"],
)
def test_an_address_that_is_not_a_folder_over_tls_is_refused(clone: Path, url: str) -> None:
    _refused(_release(clone, url=url), "make release URL=")


def test_files_of_somebody_else_in_the_folder_are_kept(clone: Path) -> None:
    (clone / "dist").mkdir()
    (clone / "dist" / "thesis.odt").touch()
    _refused(_release(clone), "thesis.odt")
    assert (clone / "dist" / "thesis.odt").exists()


def test_a_release_that_fails_leaves_the_earlier_one(clone: Path, releases: Releases) -> None:
    shutil.copytree(releases.older, clone / "dist")
    _commit(clone, setup=lambda text: text + "\nraise SystemExit('the build fails')\n")
    _refused(_release(clone), "the build fails")
    assert {path.name for path in (clone / "dist").iterdir()} == {path.name for path in releases.older.iterdir()}
    assert not [path.name for path in clone.iterdir() if path.name.startswith(".dist")]


def test_a_release_replaces_the_earlier_one(clone: Path, releases: Releases) -> None:
    shutil.copytree(releases.older, clone / "dist")
    _made(_release(clone, "--index", releases.older / "index.json"))
    assert {path.name: path.read_bytes() for path in (clone / "dist").iterdir()} == {
        path.name: path.read_bytes() for path in releases.newer.iterdir()
    }


# What az makes of it


@pytest.fixture
def site(releases: Releases, tmp_path: Path) -> Iterator[FolderServer]:
    """A web server with both releases. Its index has its own address."""
    folder = tmp_path / "site"
    shutil.copytree(releases.newer, folder)
    shutil.copy(releases.older / f"login-{OLDER}-py3-none-any.whl", folder)
    with FolderServer(folder) as server:
        index = (folder / "index.json").read_text(encoding="utf-8")
        (folder / "index.json").write_text(index.replace(URL, server.url), encoding="utf-8")
        yield server


@pytest.fixture
def make_empty_az(make_az: Callable[..., Az], tmp_path: Path, site: FolderServer) -> Callable[[str], Az]:
    """Return a function that makes `az` without extensions, which takes them from `site`."""

    def make(host: str) -> Az:
        az = make_az(host=hosts.named(host), extension=False)
        az = replace(az, extension_dir=tmp_path / "extensions").with_env(**without_package_index())
        az.run("config", "set", f"extension.index_url={site.url}/index.json").ok()
        return az

    return make


def _installed(az: Az) -> str:
    return str(az.run("extension", "show", "--name", "login", "--query", "version", "-o", "tsv").ok().stdout.strip())


@pytest.mark.parametrize("name", HOSTS)
def test_az_lists_adds_and_removes_the_extension_by_its_name(
    make_empty_az: Callable[[str], Az], releases: Releases, name: str
) -> None:
    az = make_empty_az(name)
    summary = releases.index()["extensions"]["login"][-1]["metadata"]["summary"]
    row = {"name": "login", "version": releases.version, "summary": summary, "preview": False, "experimental": False}
    assert az.run("extension", "list-available").ok().json() == [{**row, "installed": False}]
    added = az.run("extension", "add", "--name", "login", timeout=120).ok()
    assert "preview" not in added.stderr
    assert _installed(az) == releases.version
    assert az.run("extension", "list-available").ok().json() == [{**row, "installed": True}]
    assert "Commands" in az.run("account", "context", "--help").ok().stdout
    az.run("extension", "remove", "--name", "login").ok()
    assert az.run("extension", "list").ok().json() == []


def _kept(az: Az) -> dict[str, bytes]:
    """Return the files of the config directory but for what every command writes, and for locks, which are empty."""
    own = ("commandIndex.json", "versionCheck.json", "az.sess", "az.json")
    files = (path for path in az.config_dir.rglob("*") if path.is_file())
    names = {str(path.relative_to(az.config_dir)): path for path in files}
    folders = ("commands/", "logs/", "telemetry/", "home/", "no-extensions/")
    return {
        name: path.read_bytes()
        for name, path in names.items()
        if name not in own and not name.startswith(folders) and path.suffix != ".lock"
    }


@pytest.mark.parametrize("name", HOSTS)
def test_an_update_keeps_accounts_tokens_settings_and_contexts(
    make_empty_az: Callable[[str], Az], releases: Releases, cloud: LocalCloud, name: str
) -> None:
    az = make_empty_az(name)
    az.run("extension", "add", "--name", "login", "--version", OLDER, timeout=120).ok()
    assert _installed(az) == OLDER
    for user in (BOB, ALICE):
        sign_in(az, cloud, user).ok()
    az.run("config", "set", "login.offer_sign_in=off").ok()
    add_context(az, "shared", BOB, "Shared Platform")
    rows = az.run("account", "list", "--all", "--all-identities").ok().json()
    assert {row["user"]["name"] for row in rows} == {ALICE, BOB}
    before = _kept(az)
    assert {"azureProfile.json", "msal_token_cache.json", "config"} <= set(before)

    az.run("extension", "update", "--name", "login", timeout=120).ok()

    assert _installed(az) == releases.version
    after = _kept(az)
    assert {path for path in before | after if before.get(path) != after.get(path)} == set()
    assert az.run("account", "list", "--all", "--all-identities").ok().json() == rows
    for user in (ALICE, BOB):
        assert az.run("account", "get-access-token", "--username", user).ok().json()["accessToken"]
    assert [row["name"] for row in az.run("account", "context", "list").ok().json()] == ["shared"]
    again = az.run("extension", "update", "--name", "login").ok()
    assert "already installed" in again.stderr


def test_az_refuses_a_wheel_that_is_not_the_one_of_the_index(
    make_empty_az: Callable[[str], Az], releases: Releases, site: FolderServer
) -> None:
    with (site.folder / releases.wheel.name).open("ab") as wheel:
        wheel.write(b"\0")
    az = make_empty_az("newest")
    assert "checksum" in az.run("extension", "add", "--name", "login").failed().stderr
    assert az.run("extension", "list").ok().json() == []
