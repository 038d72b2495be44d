"""`.azure-context`: the nearest file of the working directory and its parents chooses, if it is allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.az import Az, Result
from tests.harness.completion import complete
from tests.harness.contexts import CONTEXT, allow, pin
from tests.users import ALICE, BOB

_DEFAULT = ("Contoso Production", ALICE)
_WORK = ("Contoso Development", ALICE)
_SHARED = ("Shared Platform", BOB)
_REFUSED = "az account context allow"


def _shown(az: Az, cwd: Path, **env: str) -> Result:
    return az.run("account", "show", cwd=cwd, env=env).ok()


def _default_of(az: Az, cwd: Path, **env: str) -> tuple[str, str]:
    row = _shown(az, cwd, **env).json()
    return row["name"], row["user"]["name"]


def _directory(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_the_nearest_file_decides_for_the_directory_and_all_in_it(contexts: Az, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    pin(contexts, outer, "work")
    pin(contexts, outer / "inner", "shared")
    deep = _directory(outer / "inner" / "a" / "b")
    for directory, expected in ((outer, _WORK), (outer / "inner", _SHARED), (deep, _SHARED), (tmp_path, _DEFAULT)):
        assert _default_of(contexts, directory) == expected
    explained = _shown(contexts, outer).stderr
    assert str(outer / ".azure-context") in explained
    assert "'work'" in explained
    # The variable of the shell takes precedence.
    assert _default_of(contexts, outer, **{CONTEXT: "shared"}) == _SHARED


def test_the_search_ends_at_the_home_directory(contexts: Az, tmp_path: Path) -> None:
    pin(contexts, tmp_path, "work")
    home = tmp_path / "home"
    inside, outside = _directory(home / "project"), _directory(tmp_path / "elsewhere")
    assert _default_of(contexts, inside, HOME=str(home)) == _DEFAULT
    assert _default_of(contexts, home, HOME=str(home)) == _DEFAULT
    assert _default_of(contexts, outside, HOME=str(home)) == _WORK
    pin(contexts, home, "shared")
    assert _default_of(contexts, inside, HOME=str(home)) == _SHARED


def test_a_file_that_is_not_allowed_is_one_warning_and_hides_the_files_of_its_parents(
    contexts: Az, tmp_path: Path
) -> None:
    pin(contexts, tmp_path / "outer", "work")
    nested = _directory(tmp_path / "outer" / "cloned")
    (nested / ".azure-context").write_text("shared\n")
    for command in (("account", "show"), ("group", "list")):
        shown = contexts.run(*command, cwd=nested).ok()
        assert shown.stderr.count(_REFUSED) == 1
        assert f"{nested / '.azure-context'} chooses the context 'shared'" in shown.stderr
        assert "context allow" not in shown.stdout
        assert contexts.run(*command, "--only-show-errors", cwd=nested).ok().stderr == ""
    assert _default_of(contexts, nested) == _DEFAULT
    # It does not read the subscriptions.
    assert contexts.run("cloud", "list", cwd=nested).ok().stderr == ""
    allow(contexts, nested, "shared")
    assert _default_of(contexts, nested) == _SHARED


@pytest.mark.skipif(sys.platform == "win32", reason="the completion protocol needs file descriptor 8")
def test_completion_follows_the_directory_and_does_not_warn(contexts: Az, tmp_path: Path) -> None:
    nested = _directory(tmp_path / "cloned")
    (nested / ".azure-context").write_text("shared\n")
    az = contexts.with_env(PWD=nested)
    line = "az group list --subscription "
    assert "Contoso" in " ".join(complete(az, line, tmp_path, cwd=nested))
    allow(contexts, nested, "shared")
    assert "Contoso" not in " ".join(complete(az, line, tmp_path, cwd=nested))


def test_a_moved_directory_has_to_be_allowed_again(contexts: Az, tmp_path: Path) -> None:
    pin(contexts, tmp_path / "before", "work")
    (tmp_path / "before").rename(tmp_path / "after")
    shown = _shown(contexts, tmp_path / "after")
    assert (shown.json()["name"], shown.stderr.count(_REFUSED)) == (_DEFAULT[0], 1)


def test_another_content_has_to_be_allowed_again(contexts: Az, tmp_path: Path) -> None:
    file = pin(contexts, tmp_path / "project", "work")
    file.write_text("shared\n")
    shown = _shown(contexts, file.parent)
    assert (shown.json()["name"], shown.stderr.count(_REFUSED)) == (_DEFAULT[0], 1)
    file.write_text("work")
    assert _default_of(contexts, file.parent) == _WORK


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of files are bytes on Linux only")
def test_a_directory_whose_name_is_not_text_can_choose(contexts: Az, tmp_path: Path) -> None:
    directory, similar = (Path(os.fsdecode(os.fsencode(tmp_path) + name)) for name in (b"/\xff", b"/\xfe"))
    for each in (directory, similar):
        each.mkdir()
        (each / ".azure-context").write_text("shared\n", encoding="ascii")
    contexts.run("account", "context", "allow", cwd=directory).ok()
    assert contexts.run("account", "show", cwd=directory).ok().json()["name"] == "Shared Platform"
    assert "before you allow it" in contexts.run("account", "show", cwd=similar).ok().stderr
    contexts.run("account", "context", "allow", "--revoke", cwd=directory).ok()
    assert "before you allow it" in contexts.run("account", "show", cwd=directory).ok().stderr


def test_a_path_through_a_link_is_the_directory_itself(contexts: Az, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    pin(contexts, real, "work")
    link.symlink_to(real)
    assert _default_of(contexts, link, PWD=str(link)) == _WORK


def test_a_removed_working_directory_is_as_without_a_file(contexts: Az, tmp_path: Path) -> None:
    pin(contexts, tmp_path / "project", "work")
    gone = _directory(tmp_path / "project" / "gone")
    for command, expected in ((["account", "show", "--query", "name"], _DEFAULT[0]), (["group", "list"], "app")):
        done = subprocess.run(
            ["/bin/sh", "-c", '/bin/rmdir "$PWD" && exec "$0" "$@"', str(contexts.host.az), *command],
            env=contexts.environment(), cwd=gone, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert "Traceback" not in done.stderr
        gone.mkdir()


@pytest.mark.parametrize("value", ["off", "OFF"])
def test_the_setting_turns_the_files_off(contexts: Az, tmp_path: Path, value: str) -> None:
    pin(contexts, tmp_path / "project", "work")
    (_directory(tmp_path / "cloned") / ".azure-context").write_text("shared\n")
    for directory in (tmp_path / "project", tmp_path / "cloned"):
        shown = contexts.run("account", "show", cwd=directory, env={"AZURE_LOGIN_DIRECTORY_CONTEXTS": value}).ok()
        assert (shown.json()["name"], shown.stderr) == (_DEFAULT[0], "")
    contexts.run("config", "set", f"login.directory_contexts={value}").ok()
    assert _default_of(contexts, tmp_path / "project") == _DEFAULT


def test_variables_that_choose_take_precedence_over_the_directory(contexts: Az, tmp_path: Path) -> None:
    pin(contexts, tmp_path / "project", "work")
    directory = tmp_path / "project"
    # Of another account: the context does not count at all.
    assert _default_of(contexts, directory, AZURE_LOGIN_ACCOUNT=BOB)[1] == BOB
    assert _default_of(contexts, directory, AZURE_LOGIN_ACCOUNT=ALICE) == _WORK
    assert _default_of(contexts, directory, AZURE_LOGIN_SUBSCRIPTION="Contoso Retired") == ("Contoso Retired", ALICE)
    shown = contexts.run("account", "show", "--subscription", "Fabrikam Main", cwd=directory).ok().json()
    assert (shown["name"], shown["user"]["name"]) == ("Fabrikam Main", ALICE)
    # What the context's account does not have.
    pin(contexts, tmp_path / "bob", "shared")
    chosen = _default_of(contexts, tmp_path / "bob", AZURE_LOGIN_SUBSCRIPTION="Contoso Development")
    assert chosen == ("Contoso Development", ALICE)
