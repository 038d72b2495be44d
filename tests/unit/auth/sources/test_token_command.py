"""A command of the user's that prints a federated token."""

from __future__ import annotations

import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.sources.federated_tokens import CommandAssertion
from azext_login.auth.sources.user_command import split_command_line
from azext_login.errors import SignInError
from tests.unit.auth.sources.test_federated_tokens import TOKEN, _Unused

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="scripts of a POSIX shell")


def fetched(command_line: str, owner: int | None = None) -> str:
    return CommandAssertion(command_line, owner).fetch_assertion(http=_Unused(), environ=os.environ)


def tool(folder: Path, body: str) -> str:
    path = folder / "get-token"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return shlex.quote(str(path))


@pytest.mark.parametrize(
    "command_line, words",
    [
        ("get-token --audience x", ["get-token", "--audience", "x"]),
        ("get-token ; rm -rf /", ["get-token", ";", "rm", "-rf", "/"]),
        ('mytool --aud "api://x y"', ["mytool", "--aud", "api://x y"]),
        ("mytool '$(id)' `id` | $HOME", ["mytool", "$(id)", "`id`", "|", "$HOME"]),
        ("", []),
    ],
)
@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_a_command_line_is_split_as_azure_cli_splits_it(platform: str, command_line: str, words: list[str]) -> None:
    assert split_command_line(command_line, platform) == words


def test_backslashes_are_part_of_paths_on_windows() -> None:
    command_line = r'"C:\Program Files\get-token.exe" --out C:\new\t "a"'
    words = [r"C:\Program Files\get-token.exe", "--out", r"C:\new\t", "a"]
    assert split_command_line(command_line, "win32") == words


@given(st.lists(st.text(min_size=1)))
def test_quoted_words_arrive_unchanged(words: list[str]) -> None:
    assert split_command_line(shlex.join(words), "linux") == words


@needs_posix
@pytest.mark.parametrize("around", ["", "\n", " \t\r\n"])
def test_white_space_around_the_token_is_removed(tmp_path: Path, around: str) -> None:
    (tmp_path / "token").write_text(f"{around}{TOKEN}{around}")
    assert fetched(tool(tmp_path, f"cat {shlex.quote(str(tmp_path))}/token")) == TOKEN


@needs_posix
def test_the_command_never_runs_twice_at_a_time(tmp_path: Path) -> None:
    folder = shlex.quote(str(tmp_path))
    command_line = tool(tmp_path, f"mkdir {folder}/running || exit 9\nsleep 0.05\nrmdir {folder}/running\necho {TOKEN}")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fetched, [command_line] * 8)) == [TOKEN] * 8


@needs_posix
def test_a_command_that_needs_its_own_token_is_refused_instead_of_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = shlex.quote(str(tmp_path / "environment"))
    inner = tool(tmp_path, f"env > {written}; echo {TOKEN}")
    assert fetched(inner) == TOKEN
    for line in (tmp_path / "environment").read_text().splitlines():
        if line.startswith("AZURE_LOGIN_"):
            monkeypatch.setenv(*line.split("=", 1))
    with pytest.raises(SignInError, match="runs `az`, which needs a token of this command"):
        fetched(inner)
    # Another command may run: that of another account.
    with pytest.raises(SignInError, match="exited with code 1"):
        fetched(f"{sys.executable} -c 'exit(1)'")


@needs_posix
def test_the_command_runs_for_the_user_who_owns_it_only(tmp_path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    command_line = tool(tmp_path, f"echo {TOKEN} > {shlex.quote(str(tmp_path))}/ran; echo {TOKEN}")
    with pytest.raises(SignInError, match="did not run"):
        fetched(command_line, os.geteuid() + 1)
    assert not (tmp_path / "ran").exists()
    assert fetched(command_line, os.geteuid()) == TOKEN


@needs_posix
def test_a_long_command_line_is_shortened_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SignInError, match=r"aaa\.\.\.\) exited with code 1") as caught:
        fetched(tool(tmp_path, "exit 1") + " " + "a" * 5000)
    assert len(caught.value.error_msg) < 500
