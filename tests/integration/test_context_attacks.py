"""Files `.azure-context`, variables and records of contexts from outside: one line each, and no other account is used.

`LOGIN_RACES=200 make test ARGS='-k context_attacks'` exchanges the file 200 times while it is read; the default is
lower.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az, Result
from tests.harness.contexts import CONTEXT, allow, pin, profile_store
from tests.harness.other_user import NOBODY, attacker, public_directory, require_superuser
from tests.users import ALICE, BOB

if sys.platform == "win32":
    pytest.skip("owners, links and pipes of POSIX systems", allow_module_level=True)

_RACES = int(os.environ.get("LOGIN_RACES", "3"))
_DEFAULT = ("Contoso Production", ALICE)
_SHARED = ("Shared Platform", BOB)
_SHOW = ("account", "show")


def _of(result: Result) -> tuple[str, str]:
    row = result.ok().json()
    return row["name"], row["user"]["name"]


def _link(target: str) -> Callable[[Path], object]:
    return lambda file: file.symlink_to(target)


def _link_to_allowed(file: Path) -> None:
    other = file.parent.parent / "allowed" / ".azure-context"
    file.symlink_to(other)


def _sparse(file: Path) -> None:
    with file.open("wb") as stream:
        stream.write(b"shared\n")
        stream.truncate(10**9)


def _socket(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(file.parent)  # the path of a socket is short
        try:
            listener.bind(file.name)
        finally:
            os.chdir(before)


def _device(file: Path) -> None:
    require_superuser()
    try:
        os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")


def _of_another_user(file: Path) -> None:
    require_superuser()
    file.write_text("shared\n")
    os.chown(file, NOBODY, NOBODY)


def _content(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to an allowed file": (_link_to_allowed, "symbolic link"),
    "a link to a device": (_link("/dev/zero"), "symbolic link"),
    "a dangling link": (_link("nowhere"), "symbolic link"),
    "a pipe": (os.mkfifo, "not a regular file"),
    "a directory": (Path.mkdir, "not a regular file"),
    "a device": (_device, "not a regular file"),
    "a socket": (_socket, "cannot be read"),
    "a gigabyte": (_sparse, "does not consist of"),
    "of another user": (_of_another_user, "another user"),
    "control characters": (_content(b"shared\x1b[2Jshared\n"), "does not consist of"),
    "a NUL": (_content(b"shared\0\n"), "does not consist of"),
    "UTF-16": (_content("\ufeffshared\n".encode("utf-16-le")), "does not consist of"),
    "two lines": (_content(b"shared\nwork\n"), "does not consist of"),
    "a path": (_content(b"../shared\n"), "does not consist of"),
    "a device of Windows": (_content(b"CON\n"), "does not consist of"),
    "dots": (_content(b"..\n"), "does not consist of"),
    "an option": (_content(b"--help\n"), "does not consist of"),
    "not UTF-8": (_content(b"shared\xff\n"), "does not consist of"),
    "a letter that is equal without case": (_content("\u017fhared\n".encode()), "does not consist of"),
    "empty": (_content(b""), "does not consist of"),
    "spaces": (_content(b"  \n"), "does not consist of"),
}


@pytest.mark.parametrize("kind", _FILES)
def test_a_file_that_is_not_the_name_of_a_context_is_one_warning(contexts: Az, tmp_path: Path, kind: str) -> None:
    make, problem = _FILES[kind]
    pin(contexts, tmp_path / "allowed", "shared")
    directory = tmp_path / "project"
    directory.mkdir()
    make(directory / ".azure-context")
    # Even if a file with this content was allowed once.
    allow(contexts, directory, "shared")
    began = time.monotonic()
    for command in (_SHOW, ("group", "list")):
        result = contexts.run(*command, cwd=directory).ok()
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"WARNING: {directory / '.azure-context'} is not used, because it ")
        assert problem in line
        assert "\x1b" not in result.stderr
    assert _of(contexts.run(*_SHOW, cwd=directory)) == _DEFAULT
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("content", [b"shared", b"shared\r\n", b"\xef\xbb\xbfshared\n", b" shared \n\n"])
def test_what_editors_add_to_a_name_does_not_matter(contexts: Az, tmp_path: Path, content: bytes) -> None:
    pin(contexts, tmp_path / "project", "shared").write_bytes(content)
    assert _of(contexts.run(*_SHOW, cwd=tmp_path / "project")) == _SHARED


def test_a_hostile_path_of_a_file_reaches_no_terminal(contexts: Az, tmp_path: Path) -> None:
    directory = tmp_path / "a\x1b[31mred\nb"
    pin(contexts, directory, "shared")
    groups = ("group", "list")
    said = [contexts.run(*groups, "--subscription", "Contoso Development", cwd=directory).failed().stderr]
    contexts.run("logout", "--username", BOB).ok()
    said += [contexts.run(*command, cwd=directory).failed().stderr for command in (groups, ("account", "show"))]
    contexts.run("account", "context", "delete", "--name", "shared", "--yes").ok()
    said += [contexts.run(*command, cwd=directory).failed().stderr for command in (groups, ("account", "show"))]
    for text in said:
        assert "a[31mred b" in text
        assert "\x1b" not in text


def test_a_hard_link_is_the_file_of_its_directory(contexts: Az, tmp_path: Path) -> None:
    """It belongs to the user, and the content was allowed for the other directory only."""
    file = pin(contexts, tmp_path / "allowed", "shared")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".azure-context").hardlink_to(file)
    result = contexts.run(*_SHOW, cwd=tmp_path / "project")
    assert (_of(result), "az account context allow" in result.stderr) == (_DEFAULT, True)


def test_a_file_that_everybody_may_write_chooses_nothing_else_than_what_was_allowed(contexts: Az) -> None:
    require_superuser()
    with public_directory() as folder:
        file = pin(contexts, folder / "project", "shared")
        file.chmod(0o666)
        file.parent.chmod(0o777)
        assert _of(contexts.run(*_SHOW, cwd=file.parent)) == _SHARED
        file.write_text("work\n")
        assert _of(contexts.run(*_SHOW, cwd=file.parent)) == _DEFAULT
        file.unlink()
        _of_another_user(file)
        assert _of(contexts.run(*_SHOW, cwd=file.parent)) == _DEFAULT


def test_a_race_for_the_file_leads_to_no_other_context_than_the_allowed_one(contexts: Az) -> None:
    require_superuser()
    with public_directory() as folder:
        file = pin(contexts, folder / "project", "shared")
        file.parent.chmod(0o777)
        (folder / "project" / "work").write_text("work\n")
        target = str(folder / "project" / "work")

        def exchange() -> None:
            for make in (lambda path: os.symlink(target, path), lambda path: os.link(target, path), os.mkfifo):
                temporary = f"{file}.new"
                make(temporary)
                os.rename(temporary, file)

        with attacker(exchange):
            for _ in range(_RACES):
                result = contexts.run(*_SHOW, cwd=file.parent)
                assert _of(result) in (_DEFAULT, _SHARED)


_NAMES = {
    "unknown": "nothing",
    "dots": "..",
    "a device of Windows": "CON",
    "a device with an extension": "nul.txt",
    "a path": "a/b",
    "an option": "--help",
    "long": "x" * 100_000,
    "control characters": "shared\x1b]0;title\x07",
    "several lines": "shared\nwork",
    "another alphabet": "wor\u212a",
    "not UTF-8": "shared\udcff",
}


@pytest.mark.parametrize("kind", _NAMES)
def test_a_variable_with_another_value_is_one_error(contexts: Az, kind: str) -> None:
    az = contexts.with_env(**{CONTEXT: _NAMES[kind]})
    before = contexts.profile_path.read_bytes()
    for command in (_SHOW, ("group", "list"), ("account", "get-access-token")):
        result = az.run(*command).failed()
        assert f"{CONTEXT} is '" in result.stderr
        assert "but there is no context of this name." in result.stderr
        assert not any(character in result.stderr for character in "\x1b\x07\udcff")
        assert len(result.stderr) < 1000
        assert result.stdout == ""
    listed = az.run("account", "list").ok()
    assert listed.json() == contexts.run("account", "list").ok().json()
    assert contexts.profile_path.read_bytes() == before


def test_a_blank_variable_counts_as_not_set(contexts: Az) -> None:
    for value in ("", "  "):
        result = contexts.with_env(**{CONTEXT: value}).run(*_SHOW)
        assert (_of(result), result.stderr) == (_DEFAULT, "")


def _record(**changes: Any) -> dict[str, Any]:
    return {
        "name": "shared",
        "cloud": "LocalCloud",
        "user": {"name": BOB},
        "tenant": "t",
        "subscription": "s",
        **changes,
    }


_DAMAGE: dict[str, Any] = {
    "a number": 7,
    "an object": {"shared": {}},
    "text": "shared",
    "other elements": [None, 7, "shared", [], {}],
    "no name": [{"cloud": "LocalCloud"}],
    "wrong types": [_record(cloud=7), _record(user="bob"), _record(tenant=None), _record(subscription=[])],
    "another user": [_record(user={"name": 7})],
    "huge": [{"name": "x" * 1_000_000}, *[None] * 10_000],
}


@pytest.mark.parametrize("kind", _DAMAGE)
def test_damaged_contexts_are_restored(contexts: Az, kind: str) -> None:
    profile = contexts.profile()
    before = profile["azextLogin"]["contexts"]
    profile["azextLogin"]["contexts"] = _DAMAGE[kind]
    contexts.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    chosen = contexts.with_env(**{CONTEXT: "shared"})
    assert chosen.run("group", "list").ok().stderr == ""
    assert _of(chosen.run(*_SHOW)) == _SHARED
    contexts.run("account", "set", "--subscription", "Contoso Development").ok()
    assert contexts.profile()["azextLogin"]["contexts"] == before


@pytest.mark.parametrize("value", [7, "x", [], None, [["a", "b"]]])
def test_damaged_allowed_directories_are_restored(contexts: Az, tmp_path: Path, value: object) -> None:
    pin(contexts, tmp_path / "project", "shared")
    profile = contexts.profile()
    before = profile["azextLogin"]["allowedDirectories"]
    profile["azextLogin"]["allowedDirectories"] = value
    contexts.profile_path.write_text(json.dumps(profile), encoding="utf-8")
    assert _of(contexts.run(*_SHOW, cwd=tmp_path / "project")) == _SHARED
    contexts.run("account", "set", "--subscription", "Contoso Development").ok()
    assert contexts.profile()["azextLogin"]["allowedDirectories"] == before


def test_records_of_contexts_are_used_only_under_a_valid_name_and_keep_their_other_keys(contexts: Az) -> None:
    with profile_store(contexts).change() as state:
        (shared,) = [each for each in state.contexts if each["name"] == "shared"]
        hostile = [{**shared, "name": name} for name in ("..", "a/b", "\x1b[31m", "", "x" * 100, "CON", "-p")]
        state.contexts = [*hostile, {**shared, "x-note": [1]}, {**shared, "subscription": "\x1b[31m"}]
    stored = contexts.profile()["azextLogin"]["contexts"]
    assert _of(contexts.with_env(**{CONTEXT: "SHARED"}).run(*_SHOW)) == _SHARED
    for name in ("..", "a/b", "CON", "-p"):
        error = contexts.with_env(**{CONTEXT: name}).run(*_SHOW).failed()
        assert "there is no context of this name" in error.stderr
    contexts.run("account", "set", "--subscription", "Contoso Development").ok()
    assert contexts.profile()["azextLogin"]["contexts"] == stored


@pytest.mark.parametrize("part", ["user", "cloud", "tenant", "subscription"])
def test_hostile_parts_of_a_context_are_one_error(contexts: Az, part: str) -> None:
    with profile_store(contexts).change() as state:
        (shared,) = [each for each in state.contexts if each["name"] == "shared"]
        value = "\x1b]0;x\x07\n; rm -rf ~ 'x'"
        state.contexts = [{**shared, part: {"name": value, "type": value} if part == "user" else value}]
    for command in (_SHOW, ("group", "list"), ("account", "get-access-token")):
        result = contexts.with_env(**{CONTEXT: "shared"}).run(*command).failed()
        assert not any(character in result.stderr for character in "\x1b\x07")
        assert ALICE not in result.stderr


@pytest.mark.parametrize("kind", _FILES)
def test_a_file_that_is_not_the_name_of_a_context_cannot_be_allowed(contexts: Az, tmp_path: Path, kind: str) -> None:
    make, problem = _FILES[kind]
    pin(contexts, tmp_path / "allowed", "shared")
    directory = tmp_path / "project"
    directory.mkdir()
    make(directory / ".azure-context")
    before = contexts.profile()["azextLogin"]["allowedDirectories"]
    error = contexts.run("account", "context", "allow", cwd=directory).failed()
    assert problem in error.stderr
    assert "\x1b" not in error.stderr
    assert contexts.profile()["azextLogin"]["allowedDirectories"] == before
    # It chooses nothing, and the commands about contexts are not affected.
    listed = contexts.run("account", "context", "list", cwd=directory).ok()
    assert {context["name"] for context in listed.json()} >= {"work", "shared", "other"}


@pytest.mark.parametrize("kind", [kind for kind, name in _NAMES.items() if kind not in ("unknown", "not UTF-8")])
def test_no_context_is_made_with_a_name_that_none_can_have(contexts: Az, kind: str) -> None:
    name = _NAMES[kind] if kind != "long" else "x" * 65
    before = contexts.profile_path.read_bytes()
    error = contexts.run("account", "context", "create", f"--name={name}").failed()
    assert "cannot be the name of a context" in error.stderr
    assert not any(character in error.stderr for character in "\x1b\x07")
    assert contexts.profile_path.read_bytes() == before
