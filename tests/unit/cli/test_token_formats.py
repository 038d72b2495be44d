"""Every format is read back by the program that it is for: real shells, python-dotenv, git."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from dotenv import dotenv_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from azext_login.auth.credential import AccessToken
from azext_login.cli.obtain_token import for_format
from azext_login.cli.option_values import TOKEN_FORMATS
from azext_login.cli.token_formats import FORMATS, format_token, write_token
from azext_login.cli.token_options import ExportOptions
from azext_login.errors import AccountError, StoreError, UnexpectedAnswerError
from azext_login.system.terminal import streams
from tests.harness.environments import SHELLS, in_ci

EXPIRES_ON = 1_900_000_000
AWKWARD = [
    "'",
    "\\",
    "\\'",
    "'\\",
    "$HOME",
    "`id`",
    "$(id)",
    "${HOME}",
    "!!",
    "%PATH%",
    '"',
    " a b ",
    "#",
    "-n",
    "=",
    "~",
    "*",
    "''",
]
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovLyJ9.c2lnbmF0dXJl-LWhl_cmU"

# RFC 6749 appendix A.12.
VSCHAR = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)
TOKENS = st.lists(VSCHAR, min_size=1, max_size=20)


def token_of(secret: str) -> AccessToken:
    """Return a token that expires at EXPIRES_ON."""
    return AccessToken(secret, EXPIRES_ON)


def shell(name: str) -> str:
    """Return the path of a shell. Skips where it is not installed, and fails in continuous integration."""
    path = shutil.which(name)
    if path is None:
        missing = f"{name} is not installed: apt-get install {' '.join(SHELLS)}"
        if in_ci() and name in SHELLS:
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def run(command: Sequence[str], folder: Path) -> list[str]:
    """Run a shell in a folder with nothing in the environment that could help it, and return its output's lines."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.split("\n")[:-1]


def write(tokens: Sequence[str], token_format: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write tokens to files named 0, 1 and so on, in a new folder."""
    folder = tmp_path_factory.mktemp("tokens")
    for number, secret in enumerate(tokens):
        (folder / str(number)).write_text(
            format_token(token_of(secret), token_format, {}), encoding="ascii", newline=""
        )
    return folder


# The program that reads, as the README has it: $i is the number of a file.
_EVAL = 'eval "$(cat $i)"'
_PRINT = 'printf "%s\\n%s\\n" "$AZURE_ACCESS_TOKEN" "$AZURE_ACCESS_TOKEN_EXPIRES_ON"'
_CHILD = "env | sed -n 's/^AZURE_ACCESS_TOKEN_EXPIRES_ON=/exported /p'"


@pytest.mark.parametrize("name", ["bash", "dash", "sh", "zsh"])
@settings(max_examples=25)
@example(tokens=[*AWKWARD, JWT])
@given(tokens=TOKENS)
def test_posix_shells_read_the_token_and_export_it(
    name: str, tokens: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write(tokens, "bash", tmp_path_factory)
    script = f"for i in {' '.join(str(n) for n in range(len(tokens)))}; do {_EVAL}; {_PRINT}; {_CHILD}; done"
    lines = run([shell(name), "-c", script], folder)
    assert lines[::3] == tokens
    assert lines[1::3] == [str(EXPIRES_ON)] * len(tokens)
    assert lines[2::3] == [f"exported {EXPIRES_ON}"] * len(tokens)


@settings(max_examples=15)
@example(tokens=[*AWKWARD, JWT])
@given(tokens=TOKENS)
def test_fish_reads_the_token_and_exports_it(tokens: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write(tokens, "fish", tmp_path_factory)
    script = f"for i in {' '.join(str(n) for n in range(len(tokens)))}; cat $i | source; {_PRINT}; {_CHILD}; end"
    lines = run([shell("fish"), "--no-config", "-c", script], folder)
    assert lines[::3] == tokens
    assert lines[1::3] == [str(EXPIRES_ON)] * len(tokens)
    assert lines[2::3] == [f"exported {EXPIRES_ON}"] * len(tokens)


@pytest.mark.skipif(not shutil.which("pwsh"), reason="PowerShell is not installed, and no Debian package of its own")
@settings(max_examples=10)
@example(tokens=[*AWKWARD, JWT])
@given(tokens=TOKENS)
def test_powershell_reads_the_token_and_exports_it(tokens: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = write(tokens, "powershell", tmp_path_factory)
    script = (
        f"foreach ($i in 0..{len(tokens) - 1}) {{ Get-Content $i | Out-String | Invoke-Expression; "
        '[Console]::Out.Write($env:AZURE_ACCESS_TOKEN + "`n" + $env:AZURE_ACCESS_TOKEN_EXPIRES_ON + "`n") }'
    )
    lines = run(["pwsh", "-NoProfile", "-NonInteractive", "-Command", script], folder)
    assert lines[::2] == tokens
    assert lines[1::2] == [str(EXPIRES_ON)] * len(tokens)


@pytest.mark.parametrize(
    "secret, line", [("it's", "$env:AZURE_ACCESS_TOKEN = 'it''s'"), ("$a`b", "$env:AZURE_ACCESS_TOKEN = '$a`b'")]
)
def test_powershell_gets_verbatim_strings(secret: str, line: str) -> None:
    """Between single quotes PowerShell knows nothing but the doubled quote (about_Quoting_Rules)."""
    assert format_token(token_of(secret), "powershell", {}).splitlines()[0] == line


@example(secret="\\")
@example(secret="'\\")
@example(secret="$HOME $ {HOME}")
@given(secret=VSCHAR.filter(lambda secret: "${" not in secret))
def test_dotenv_files_are_read_by_python_dotenv(secret: str) -> None:
    text = format_token(token_of(secret), "dotenv", {})
    assert dotenv_values(stream=io.StringIO("BEFORE=1\n" + text + "AFTER='x'\n")) == {
        "BEFORE": "1",
        "AZURE_ACCESS_TOKEN": secret,
        "AZURE_ACCESS_TOKEN_EXPIRES_ON": str(EXPIRES_ON),
        "AFTER": "x",
    }


def test_what_readers_of_dotenv_files_replace_even_between_quotes_is_refused() -> None:
    assert dotenv_values(stream=io.StringIO("A=1\nB='${A}'\n"))["B"] == "1"
    with pytest.raises(AccountError, match="dotenv") as refused:
        format_token(token_of("abc${HOME}def"), "dotenv", {})
    assert "abc" not in str(refused.value)


def test_tokens_as_they_are_need_no_quotes_in_dotenv_files() -> None:
    """Readers of .env files disagree about quotes; about plain values they agree."""
    assert format_token(token_of(JWT), "dotenv", {}).splitlines()[0] == f"AZURE_ACCESS_TOKEN={JWT}"


@given(secret=VSCHAR)
def test_the_header_is_one_line_that_ends_with_the_token(secret: str) -> None:
    assert format_token(token_of(secret), "header", {}) == f"Authorization: Bearer {secret}\n"


@settings(max_examples=25)
@example(secret="a=b\\'\"$x ")
@given(secret=VSCHAR)
def test_git_reads_the_token_as_a_password(secret: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    git = shell("git")
    folder = write([secret], "git", tmp_path_factory)
    helper = f'!f() {{ test "$1" = get && cat "{folder}/0"; }}; f'
    command = [git, "-c", "credential.helper=", "-c", f"credential.https://dev.azure.com.helper={helper}"]
    done = subprocess.run(
        [*command, "credential", "fill"],
        input="protocol=https\nhost=dev.azure.com\n\n",
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_TERMINAL_PROMPT": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert answer["password"] == secret
    assert answer["username"]


def test_git_is_told_when_the_token_ends() -> None:
    """https://git-scm.com/docs/git-credential#IOFMT, since git 2.41."""
    assert f"password_expiry_utc={EXPIRES_ON}\n" in format_token(token_of("x"), "git", {})


# kubectl

# https://kubernetes.io/docs/reference/config-api/client-authentication.v1/, and ...v1beta1/, which has the same fields.
_STATUS_FIELDS = {"expirationTimestamp", "token", "clientCertificateData", "clientKeyData"}


def _info(version: str) -> dict[str, str]:
    document = {"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": False}}
    return {"KUBERNETES_EXEC_INFO": json.dumps(document)}


@pytest.mark.parametrize("version", ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"])
@given(secret=VSCHAR)
def test_an_exec_credential_has_the_version_that_was_asked_for(version: str, secret: str) -> None:
    document = json.loads(format_token(token_of(secret), "exec-credential", _info(version)))
    assert set(document) == {"apiVersion", "kind", "status"}
    assert document["apiVersion"] == version
    assert document["kind"] == "ExecCredential"
    assert set(document["status"]) <= _STATUS_FIELDS
    assert document["status"]["token"] == secret


@pytest.fixture
def in_kathmandu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the clocks are 5:45 hours ahead of UTC."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_kathmandu")
def test_an_exec_credential_ends_when_its_token_does_in_rfc_3339() -> None:
    document = json.loads(format_token(token_of("x"), "exec-credential", {}))
    ends = document["status"]["expirationTimestamp"]
    assert ends == "2030-03-17T17:46:40Z"
    assert datetime.strptime(ends, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp() == EXPIRES_ON


@pytest.mark.parametrize("environ", [{}, {"KUBERNETES_EXEC_INFO": ""}])
def test_without_a_word_from_the_caller_the_version_is_v1(environ: dict[str, str]) -> None:
    document = json.loads(format_token(token_of("x"), "exec-credential", environ))
    assert document["apiVersion"] == "client.authentication.k8s.io/v1"


@pytest.mark.parametrize(
    "info",
    ["{", "[]", "null", "{}", '{"apiVersion": null}', '{"apiVersion": "v1"}']
    + [
        json.dumps({"apiVersion": version})
        for version in (
            "client.authentication.k8s.io/v1alpha1",
            "client.authentication.k8s.io/v2",
            "client.authentication.k8s.io/",
            "example.com/v1",
            "client.authentication.k8s.io/v1/v1",
        )
    ],
)
def test_another_version_is_refused_with_what_to_write_instead(info: str) -> None:
    with pytest.raises(AccountError, match="v1 or v1beta1") as refused:
        format_token(token_of("the-secret"), "exec-credential", {"KUBERNETES_EXEC_INFO": info})
    assert "client.authentication.k8s.io/v1" in str(refused.value.recommendations)
    assert "the-secret" not in str(refused.value)


# All of them


@pytest.mark.parametrize("token_format", TOKEN_FORMATS)
@example(secret="a\nexport PATH=/tmp")
@example(secret="a\r\nX-Injected: 1")
@example(secret="a\n")
@example(secret="")
@example(secret="\x7f")
@example(secret="tokén")
@given(secret=st.text().filter(lambda text: not text or any(not " " <= character <= "~" for character in text)))
def test_no_format_carries_what_is_no_access_token(token_format: str, secret: str) -> None:
    with pytest.raises(UnexpectedAnswerError) as refused:
        format_token(token_of(secret), token_format, {})
    assert len(secret) < 4 or secret not in str(refused.value)


@pytest.mark.parametrize("token_format", TOKEN_FORMATS)
def test_every_format_of_the_command_line_exists_and_ends_with_a_line_break(token_format: str) -> None:
    assert format_token(token_of(JWT), token_format, {}).endswith("\n")


def test_there_is_no_format_that_the_command_line_does_not_know() -> None:
    assert set(FORMATS) <= set(TOKEN_FORMATS)


@pytest.mark.parametrize("token_format", TOKEN_FORMATS)
def test_only_git_has_a_resource_of_its_own(token_format: str) -> None:
    assert (for_format(ExportOptions(token_format=token_format)).resource is not None) == (token_format == "git")


@pytest.mark.parametrize(
    ("is_windows", "to_pipe", "number", "is_reported"),
    [
        (False, True, errno.EPIPE, False),
        (True, True, errno.EPIPE, False),
        (True, True, errno.EINVAL, False),
        (True, True, errno.ENOSPC, True),
        (True, False, errno.EINVAL, True),
        (False, True, errno.EINVAL, True),
    ],
)
def test_a_closed_pipe_is_no_error_and_every_other_failed_write_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_windows: bool, to_pipe: bool, number: int, is_reported: bool
) -> None:
    """Windows is a stand-in: there, a pipe whose reader has closed it is often EINVAL."""

    def fail(data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    reader, writer = os.pipe()
    file = os.open(tmp_path / "output", os.O_CREAT | os.O_WRONLY)
    stdout = SimpleNamespace(buffer=SimpleNamespace(write=fail), fileno=lambda: writer if to_pipe else file)
    monkeypatch.setattr(streams, "is_windows", is_windows)
    monkeypatch.setattr("sys.stdout", stdout)
    token = AccessToken("a.b.c", EXPIRES_ON)
    try:
        if is_reported:
            with pytest.raises(StoreError, match="could not be written"):
                write_token(token, "header", output=None)
        else:
            write_token(token, "header", output=None)
        os.write(stdout.fileno(), b"nothing is written any more")
        assert (tmp_path / "output").read_bytes() == b""
    finally:
        for descriptor in (reader, writer, file):
            os.close(descriptor)
