"""`az account token-helper`: where launchers are written, what they start, and what is never replaced."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import hosts
from tests.harness.az import Az, Result
from tests.harness.environments import ROOT
from tests.harness.other_user import NOBODY, attacker, give_away, public_directory, require_superuser
from tests.harness.restricted import without_privileges
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.harness.wheel import without_package_index
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE

if sys.platform == "win32":
    pytest.skip("modes, links and shells of POSIX systems", allow_module_level=True)

HELPER = ("account", "token-helper")
HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]


def _usual(az: Az) -> Path:
    """Return the path of the launcher in the usual directory."""
    return az.config_dir / "home" / ".local" / "bin" / "az-token"


def _with_usual_path(az: Az) -> Az:
    return az.with_env(PATH=f"{_usual(az).parent}:{az.host.search_path}:/usr/bin:/bin")


def _run(az: Az, *words: str, program: str = "az-token", env: dict[str, str | None] | None = None) -> Result:
    """Run a program that is found on the PATH of `az`, as another program does: no shell, no input."""
    environment = az.environment(env)
    path = shutil.which(program, path=environment["PATH"])
    assert path is not None
    done = subprocess.run(
        [path, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        timeout=60,
        check=False,
    )
    return Result((program, *words), done.returncode, done.stdout, done.stderr, 0.0, az.secrets)


@pytest.mark.executable
@pytest.mark.parametrize("name", HOSTS)
def test_after_install_the_name_alone_gets_a_token(make_az: Callable[..., Az], cloud: LocalCloud, name: str) -> None:
    az = _with_usual_path(make_az(host=hosts.named(name)))
    sign_in(az, cloud, ALICE).ok()
    result = az.run(*HELPER, "install").ok()
    assert result.stderr == ""
    assert az.extension_dir is not None
    document = result.json()
    # Not where its links lead, which is outside its virtual environment.
    assert document["interpreter"] == az.host.az.read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")
    assert document == {
        "interpreter": document["interpreter"],
        "isOnPath": True,
        "missing": None,
        "path": str(_usual(az)),
        "program": str(az.extension_dir / "login" / "bin" / "az-token"),
        "shadowedBy": None,
        "state": "ready",
    }
    assert stat.S_IMODE(_usual(az).stat().st_mode) == 0o755
    assert [stat.S_IMODE(path.stat().st_mode) for path in (_usual(az).parent, _usual(az).parents[1])] == [0o700, 0o700]
    # Programs start it in an environment of their own. The extension and the installer are part of the launcher.
    header = _run(az, "--format", "header", env={"AZURE_EXTENSION_DIR": None}).ok().stdout
    assert claims_of(header.removeprefix("Authorization: Bearer ").strip())["unique_name"] == ALICE
    assert _run(az, "--format", "header", "--query", "x", env={"AZURE_EXTENSION_DIR": None}).ok().stdout == header
    assert az.run(*HELPER, "status").ok().json() == [result.json()]
    assert az.run(*HELPER, "uninstall").ok().stdout == ""
    assert not _usual(az).exists()


@pytest.mark.executable
def test_the_launcher_of_a_checkout_works(signed_in: Az) -> None:
    """The scripts of pip start a Python that looks for modules in the working directory first."""
    az = _with_usual_path(signed_in)
    document = az.run(*HELPER, "install", cwd=ROOT).ok().json()
    assert document["program"] == str(ROOT / "azext_login" / "az_token" / "az-token")
    header = _run(az, "--format", "header").ok().stdout
    assert claims_of(header.removeprefix("Authorization: Bearer ").strip())["unique_name"] == ALICE


def test_a_directory_that_is_not_on_path_is_reported_with_the_line_to_add(az: Az) -> None:
    az = az.with_env(PATH=f"{az.host.search_path}:/usr/bin:/bin")
    for shell, file, begins in (
        ("/bin/bash", "~/.bashrc", "export PATH="),
        ("/usr/bin/zsh", "~/.zshrc", "export PATH="),
        ("/usr/bin/fish", "~/.config/fish/config.fish", "fish_add_path "),
        ("", "~/.profile", "export PATH="),
    ):
        result = az.run(*HELPER, "install", env={"SHELL": shell}).ok()
        assert not result.json()["isOnPath"]
        assert file in result.stderr
        line = result.stderr.rstrip("\n").rpartition("\n")[2]
        assert line.startswith(begins)
        if begins.startswith("export"):
            shown = subprocess.run(
                ["/bin/sh", "-c", f"{line}; command -v az-token"],
                env=az.environment(),
                capture_output=True,
                text=True,
                check=True,
            )
            assert shown.stdout.strip() == str(_usual(az))


@pytest.mark.parametrize("name", ["two words", "it's", "$HOME `id` $(id)", 'a "b" \\c', "-x", "ü"])
def test_any_directory_can_be_named(signed_in: Az, tmp_path: Path, name: str) -> None:
    directory = tmp_path / "new" / name
    result = signed_in.run(*HELPER, "install", f"--to={directory}").ok()
    assert result.json()["path"] == str(directory / "az-token")
    line = result.stderr.rstrip("\n").rpartition("\n")[2]
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{line}; az-token --format header"],
        env={**signed_in.environment(), "PATH": f"{signed_in.host.search_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout.startswith("Authorization: Bearer "), shown.stderr
    assert signed_in.run(*HELPER, "status", f"--to={directory}").ok().json()[0]["state"] == "ready"
    signed_in.run(*HELPER, "uninstall", f"--to={directory}").ok()
    assert list(directory.iterdir()) == []


def test_a_relative_directory_and_a_tilde_stand_for_what_they_stand_for_in_a_shell(az: Az) -> None:
    assert az.run(*HELPER, "install", "--to", "tools").ok().json()["path"] == str(az.config_dir / "tools" / "az-token")
    assert az.run(*HELPER, "install", "--to=~/.local/bin").ok().json()["path"] == str(_usual(az))


def test_install_again_replaces_the_launcher_and_status_tells_that_it_was_another_one(az: Az) -> None:
    az = _with_usual_path(az)
    az.run(*HELPER, "install").ok()
    written = _usual(az).read_text(encoding="utf-8")
    interpreter = az.run(*HELPER, "status").ok().json()[0]["interpreter"]
    _usual(az).write_text(written.replace(interpreter, sys.executable), encoding="utf-8")
    (found,) = az.run(*HELPER, "status").ok().json()
    assert (found["state"], found["interpreter"]) == ("other installation", sys.executable)
    az.run(*HELPER, "install").ok()
    assert _usual(az).read_text(encoding="utf-8") == written


# What keeps a launcher from working


def test_without_the_extension_the_launcher_fails_with_one_line(
    make_az: Callable[..., Az], stage: Stage, tmp_path: Path
) -> None:
    extensions = tmp_path / "extensions"
    az = make_az()
    assert az.extension_dir is not None
    shutil.copytree(az.extension_dir, extensions)
    az = _with_usual_path(replace(az, extension_dir=extensions).real())
    az.run(*HELPER, "install").ok()
    # As `az extension update` does it: away, and there again.
    az.run("extension", "remove", "--name", "login", timeout=120).ok()
    error = _run(az, "--format", "header").failed()
    (line,) = error.stderr.splitlines()
    assert str(extensions / "login" / "bin" / "az-token") in line
    assert str(_usual(az)) in line
    assert error.stdout == ""
    az.run("extension", "add", "--source", stage.wheel(), "--yes", env=without_package_index(), timeout=180).ok()
    assert "az login" in _run(az, "--format", "header").failed().stderr


def test_status_tells_what_is_missing(az: Az) -> None:
    az = _with_usual_path(az)
    az.run(*HELPER, "install").ok()
    _usual(az).write_text(_usual(az).read_text(encoding="utf-8").replace("/login/bin/", "/gone/bin/"), encoding="utf-8")
    (found,) = az.run(*HELPER, "status").ok().json()
    assert found["state"] == "broken"
    assert found["missing"] == found["program"]
    assert "/gone/bin/" in found["missing"]


def test_another_program_before_it_on_path_is_reported(az: Az, tmp_path: Path) -> None:
    other = tmp_path / "first" / "az-token"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho other\n", encoding="utf-8")
    other.chmod(0o755)
    az = _with_usual_path(az)
    az = az.with_env(PATH=f"{other.parent}:{az.env['PATH']}")
    result = az.run(*HELPER, "install").ok()
    assert result.json()["shadowedBy"] == str(other)
    assert str(other) in result.stderr
    found = az.run(*HELPER, "status").ok().json()
    assert [(each["path"], each["state"], each["shadowedBy"]) for each in found] == [
        (str(other), "other program", None),
        (str(_usual(az)), "ready", str(other)),
    ]
    table = az.run(*HELPER, "status", "--output", "table").ok().stdout.splitlines()
    assert table[0].split() == ["Path", "State", "OnPath", "ShadowedBy", "Starts"]
    assert len(table) == 4
    # A file that cannot be run starts nothing.
    other.chmod(0o644)
    assert az.run(*HELPER, "install").ok().json()["shadowedBy"] is None


def test_without_a_launcher_status_names_the_command_and_uninstall_fails(az: Az) -> None:
    az = _with_usual_path(az)
    result = az.run(*HELPER, "status").ok()
    assert result.json() == []
    assert "az account token-helper install" in result.stderr
    assert "Nothing was removed" in az.run(*HELPER, "uninstall").failed().stderr


def test_uninstall_names_the_launcher_that_is_elsewhere(az: Az, tmp_path: Path) -> None:
    az = _with_usual_path(az)
    az = az.with_env(PATH=f"{tmp_path}/two words:{az.env['PATH']}")
    az.run(*HELPER, "install", "--to", tmp_path / "two words").ok()
    error = az.run(*HELPER, "uninstall").failed().stderr
    assert f'az account token-helper uninstall --to "{tmp_path}/two words"' in error


# What is never replaced, and where nothing is written


def _file(path: Path) -> None:
    path.write_text("#!/bin/sh\necho mine\n", encoding="utf-8")


def _secret(path: Path) -> None:
    path.write_text("# az account token-helper: not JSON\n", encoding="utf-8")


def _link(path: Path) -> None:
    _file(path.with_name("target"))
    path.symlink_to("target")


def _dangling_link(path: Path) -> None:
    path.symlink_to("created-by-mistake")


PLANTED = [_file, _secret, _link, _dangling_link, os.mkfifo, Path.mkdir]


@pytest.mark.parametrize("plant", PLANTED)
@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_what_the_extension_did_not_write_stays(az: Az, plant: Callable[[Path], object], verb: str) -> None:
    path = _usual(az)
    path.parent.mkdir(parents=True)
    plant(path)

    def everything() -> list[tuple[str, int, bytes]]:
        return sorted(
            (each.name, each.lstat().st_mode, each.read_bytes() if each.is_file() else b"")
            for each in path.parent.iterdir()
        )

    before = everything()
    error = az.run(*HELPER, verb).failed().stderr
    assert str(path) in error
    assert "Nothing was changed" in error
    assert everything() == before
    (found,) = az.run(*HELPER, "status").ok().json()
    assert found["state"] == "other program"


def test_a_directory_that_cannot_be_written_is_one_error(az: Az, tmp_path: Path) -> None:
    directory = tmp_path / "read-only"
    directory.mkdir(mode=0o555)
    error = without_privileges(az).run(*HELPER, "install", "--to", str(directory)).failed()
    assert str(directory) in error.stderr
    assert list(directory.iterdir()) == []
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "Not a directory" in az.run(*HELPER, "install", "--to", tmp_path / "file").failed().stderr


def test_on_a_full_disk_the_old_launcher_stays(az: Az, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "login-test", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        az.run(*HELPER, "install", "--to", disk).ok()
        before = (disk / "az-token").read_bytes()
        with open(disk / "filler", "wb", buffering=0) as filler:
            while filler.write(b"x" * 1024) == 1024:
                pass
    except OSError:
        pass
    try:
        error = az.run(*HELPER, "install", "--to", disk).failed().stderr
        assert "No space left on device" in error
        assert (disk / "az-token").read_bytes() == before
        assert sorted(path.name for path in disk.iterdir()) == ["az-token", "filler"]
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_directory_that_others_can_write_to_is_a_warning(az: Az, tmp_path: Path) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(0o777)
    assert f"chmod go-w {directory}" in az.run(*HELPER, "install", "--to", directory).ok().stderr
    directory.chmod(0o755)
    assert "chmod" not in az.run(*HELPER, "install", "--to", directory).ok().stderr


# The superuser


def test_the_superuser_gives_the_launcher_to_the_owner_of_the_directory(az: Az) -> None:
    require_superuser()
    with public_directory() as folder:
        give_away(folder)
        az.run(*HELPER, "install", "--to", folder / "bin").ok()
        for path in (folder / "bin", folder / "bin" / "az-token"):
            assert path.stat().st_uid == NOBODY


def test_the_superuser_installs_nothing_for_all_users_that_one_of_them_can_change(
    make_az: Callable[..., Az], tmp_path: Path
) -> None:
    require_superuser()
    az = make_az()
    assert az.extension_dir is not None
    extensions = tmp_path / "extensions"
    shutil.copytree(az.extension_dir, extensions)
    give_away(extensions)
    az = replace(az, extension_dir=extensions).real()
    with public_directory() as folder:
        error = az.run(*HELPER, "install", "--to", folder).failed().stderr
        assert f"{extensions} belongs to another user" in error
        assert list(folder.iterdir()) == []
        # The user's own directory may have what the user can change.
        give_away(folder)
        az.run(*HELPER, "install", "--to", folder).ok()


def test_the_superuser_installs_nothing_for_an_environment_of_another_user(az: Az) -> None:
    """Its Python is a link to the one of the system."""
    require_superuser()
    with public_directory() as folder, public_directory() as target:
        environment = folder / "venv"
        (environment / "bin").mkdir(parents=True)
        shutil.copy(az.host.bin.parent / "pyvenv.cfg", environment)
        (environment / "lib").symlink_to(az.host.bin.parent / "lib")
        python = environment / "bin" / "python"
        python.symlink_to(os.path.realpath(az.host.bin / "python"))
        give_away(environment)
        words = [str(python), "-m", "azure.cli", *HELPER, "install", "--to", str(target)]

        def install() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                words, env=az.environment(), cwd="/", capture_output=True, text=True, timeout=60, check=False
            )

        done = install()
        assert done.returncode == 1
        assert f"{environment} belongs to another user" in done.stderr
        assert list(target.iterdir()) == []
        for each in (environment, environment / "bin"):
            os.chown(each, 0, 0)
        assert f"{python} belongs to another user" in install().stderr
        os.chown(python, 0, 0, follow_symlinks=False)
        environment.chmod(0o777)
        assert f"{environment} belongs to another user or can be written to by one" in install().stderr
        environment.chmod(0o755)
        done = install()
        assert done.returncode == 0, done.stderr


def test_every_user_can_run_what_the_superuser_installs_into_a_new_directory(az: Az) -> None:
    require_superuser()
    with public_directory() as folder:
        new = folder / "opt" / "bin"
        az.run(*HELPER, "install", "--to", new).ok()
        assert [stat.S_IMODE(each.stat().st_mode) for each in (new.parent, new, new / "az-token")] == [0o755] * 3
        # For the superuser alone, and for another user alone
        az.run(*HELPER, "install").ok()
        assert stat.S_IMODE(_usual(az).parent.stat().st_mode) == 0o700
        theirs = folder / "home"
        theirs.mkdir()
        give_away(theirs)
        az.run(*HELPER, "install", "--to", theirs / "bin").ok()
        assert stat.S_IMODE((theirs / "bin").stat().st_mode) == 0o700


def test_an_attacker_in_the_directory_cannot_make_the_superuser_write_elsewhere(az: Az) -> None:
    require_superuser()
    with public_directory() as folder, public_directory() as foreign:
        victim = foreign / "victim"
        victim.write_text("content", encoding="utf-8")
        directory = folder / "bin"
        directory.mkdir()
        give_away(folder)

        def swap() -> None:
            name = directory / "az-token"
            name.symlink_to(victim)
            name.unlink()
            os.mkfifo(name)
            name.unlink()
            name.mkdir()
            name.rmdir()

        with attacker(swap):
            for _ in range(10):
                result = az.run(*HELPER, "install", "--to", directory)
                assert result.exit_code in (0, 1)
                result.assert_clean()
        assert victim.read_text(encoding="utf-8") == "content"
        assert [path.name for path in foreign.iterdir()] == ["victim"]
        assert victim.stat().st_uid == 0
