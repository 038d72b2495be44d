"""Quoting the words of commands that users paste into a shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.system.command_line import LEFT_OUT, Shell, option_words, quote_command, quote_word, shell_in_use
from tests.hostile_words import HOSTILE_WORDS, UNPRINTABLE_WORDS

_SHELLS = [name for name in ("sh", "bash", "zsh", "fish") if shutil.which(name)]


def run_in(shell: str, script: str, directory: Path) -> bytes:
    """Return what a script writes in a shell whose home and working directory are this directory."""
    environ = {"HOME": str(directory), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    options = ["--no-config"] if shell == "fish" else []
    done = subprocess.run([shell, *options], input=script.encode(), capture_output=True, cwd=directory, env=environ)
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", _SHELLS)
def test_a_shell_passes_every_word_on_and_runs_no_part_of_it(shell: str, tmp_path: Path) -> None:
    line = quote_command("printf", r"%s\0", *HOSTILE_WORDS, shell=Shell.POSIX)
    assert run_in(shell, line + "\n", tmp_path).decode().split("\0")[:-1] == list(HOSTILE_WORDS)
    assert not list(tmp_path.glob("PWN*"))


@pytest.mark.parametrize("shell", list(Shell))
@pytest.mark.parametrize("word", UNPRINTABLE_WORDS)
def test_what_a_terminal_cannot_show_is_left_out(shell: Shell, word: str) -> None:
    assert quote_word(word, shell) == LEFT_OUT
    assert quote_word(f"--tenant={word}", shell) == f"--tenant={LEFT_OUT}"


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z", "M"]) | st.sampled_from(" \n'\\\"$")), min_size=1))
def test_the_words_of_a_posix_shell_are_those_of_the_command(words: list[str]) -> None:
    assert shlex.split(quote_command(*words, shell=Shell.POSIX)) == words


@pytest.mark.parametrize("shell", list(Shell))
@pytest.mark.parametrize("word", ["az", "--tenant", "contoso.example", "a@b.example", "https://v/.default", "/a/b_c-d"])
def test_an_ordinary_word_needs_no_quotes(shell: Shell, word: str) -> None:
    assert quote_word(word, shell) == word


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("Contoso Development", '"Contoso Development"'),
        ("Bücher & Co", LEFT_OUT),
        ("C:\\Program Files\\key.pem", '"C:\\Program Files\\key.pem"'),
        ("C:\\a dir\\", LEFT_OUT),
        *((word, LEFT_OUT) for word in ("$(x)", "`x`", "%PATH%", 'a"b', "a^b", "a|b", "a<b", "a>b", "a(b)", "\u201cx")),
        ("@file", '"@file"'),
        ("--tenant=a b", '--tenant="a b"'),
    ],
)
def test_on_windows_a_word_is_quoted_for_cmd_and_powershell_or_left_out(word: str, quoted: str) -> None:
    assert quote_word(word, Shell.WINDOWS) == quoted


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("it's", '"it\'s"'),
        ("$(x)", "'$(x)'"),
        ("a'$(x)'", "'a''$(x)'''"),
        ("\u2018$(x)\u2019", "'\u2018\u2018$(x)\u2019\u2019'"),
        ("\u201c$(x)\u201d", "'\u201c$(x)\u201d'"),
    ],
)
def test_in_powershell_a_quotation_mark_is_doubled(word: str, quoted: str) -> None:
    assert quote_word(word, Shell.POWERSHELL) == quoted


@pytest.mark.parametrize(
    ("environ", "platform", "shell"),
    [
        ({}, "linux", Shell.POSIX),
        ({"PSModulePath": "/opt/microsoft/powershell/7/Modules"}, "linux", Shell.POWERSHELL),
        ({"PSModulePath": "/usr/local/share/powershell/Modules"}, "darwin", Shell.POWERSHELL),
        ({"PSModulePath": "C:\\Windows\\system32\\WindowsPowerShell\\v1.0\\Modules"}, "win32", Shell.WINDOWS),
        ({"MSYSTEM": "MINGW64", "PSModulePath": "C:\\Windows"}, "win32", Shell.POSIX),
    ],
)
def test_the_shell_in_use_is_found(environ: dict[str, str], platform: str, shell: Shell) -> None:
    assert shell_in_use(environ, platform) is shell


def test_a_value_with_a_leading_dash_is_joined_to_its_option() -> None:
    assert option_words("--password", "-x") == ["--password=-x"]
    assert option_words("--scope", "a", "b") == ["--scope", "a", "b"]
