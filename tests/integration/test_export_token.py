"""`az account export-token` in real processes: every format, whose token, and where it may go."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
from dotenv import dotenv_values

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import claims_of, let_tokens_age
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

EXPORT = ("account", "export-token", "--format")
FORMATS = ("exec-credential", "bash", "fish", "powershell", "dotenv", "header", "git")
_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"

# The tokens of the local cloud, like those of Entra ID, need no quoting. Others are in the tests of the formats.
_TOKEN = r"([\w.-]+)"
_PATTERNS = {
    "exec-credential": rf'\{{"apiVersion": .* "status": \{{"token": "{_TOKEN}", .*\}}\}}\n',
    "bash": rf"export AZURE_ACCESS_TOKEN='{_TOKEN}'\nexport AZURE_ACCESS_TOKEN_EXPIRES_ON=\d+\n",
    "fish": rf"set -gx AZURE_ACCESS_TOKEN '{_TOKEN}'\nset -gx AZURE_ACCESS_TOKEN_EXPIRES_ON \d+\n",
    "powershell": rf"\$env:AZURE_ACCESS_TOKEN = '{_TOKEN}'\n\$env:AZURE_ACCESS_TOKEN_EXPIRES_ON = '\d+'\n",
    "dotenv": rf"AZURE_ACCESS_TOKEN={_TOKEN}\nAZURE_ACCESS_TOKEN_EXPIRES_ON=\d+\n",
    "header": rf"Authorization: Bearer {_TOKEN}\n",
    "git": rf"username=.+\npassword={_TOKEN}\npassword_expiry_utc=\d+\n",
}

#: What git writes on standard input of a credential helper.
_REQUEST = "protocol=https\nhost=dev.azure.com\n"


def _token_in(output: str, token_format: str) -> str:
    match = re.fullmatch(_PATTERNS[token_format], output)
    assert match, f"that is no {token_format}: {output}"
    return match[1]


@pytest.mark.parametrize("token_format", FORMATS)
@pytest.mark.parametrize("setting", ["as it is", "table", "query"])
def test_every_format_is_written_whatever_output_is_configured(signed_in: Az, token_format: str, setting: str) -> None:
    az = signed_in.with_env(AZURE_CORE_OUTPUT="table") if setting == "table" else signed_in
    options = ("--query", "x", "-o", "tsv") if setting == "query" else ()
    resource = _DEVOPS if token_format == "git" else "https://management.localcloud.example/"
    expected = az.run("account", "get-access-token", "--resource", resource, "-o", "json").ok().json()
    output = az.run(*EXPORT, token_format, *options, input=_REQUEST).ok().stdout
    assert _token_in(output, token_format) == expected["accessToken"]
    if token_format not in ("exec-credential", "header"):
        assert str(expected["expires_on"]) in output


def test_output_none_writes_nothing(signed_in: Az) -> None:
    assert signed_in.run(*EXPORT, "header", "--output", "none").ok().stdout == ""


def test_the_options_choose_whose_token_and_what_for(signed_in: Az, cloud: LocalCloud) -> None:
    sign_in(signed_in, cloud, BOB).ok()
    fabrikam = cloud.directory.tenant("fabrikam.example").id

    def claims(*options: str, token_format: str = "header") -> dict[str, object]:
        output = signed_in.run(*EXPORT, token_format, *options, input=_REQUEST).ok().stdout
        return claims_of(_token_in(output, token_format))

    assert claims()["unique_name"] == BOB
    assert claims("--username", ALICE)["unique_name"] == ALICE
    assert claims("--username", ALICE, "--tenant", fabrikam)["tid"] == fabrikam
    assert str(claims("--subscription", "Contoso Development")["unique_name"]).endswith(ALICE)
    assert claims("-n", "Contoso Development", "-t", fabrikam)["tid"] == fabrikam
    assert claims("--resource", "https://vault.azure.net")["aud"] == "https://vault.azure.net"
    assert claims("--scope", "https://vault.azure.net/.default")["aud"] == "https://vault.azure.net"
    assert "graph" in str(claims("--resource-type", "ms-graph")["aud"])
    # git's own resource is for those who name none.
    assert claims(token_format="git")["aud"] == _DEVOPS
    assert claims("--resource", "https://vault.azure.net", token_format="git")["aud"] == "https://vault.azure.net"
    assert "graph" in str(claims("--resource-type", "ms-graph", token_format="git")["aud"])


def test_a_lifetime_and_a_new_token_can_be_asked_for(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=1000)
    own_cloud.admin.clear_requests()
    az.run(*EXPORT, "header", "--min-validity", "10m").ok()
    assert own_cloud.admin.count_requests("/token$") == 0
    az.run(*EXPORT, "header", "--min-validity", "20m").ok()
    assert own_cloud.admin.count_requests("/token$") == 1
    let_tokens_age(az, left=1000)
    az.run(*EXPORT, "header", "--force-refresh").ok()
    assert own_cloud.admin.count_requests("/token$") == 2
    error = az.run(*EXPORT, "header", "--min-validity", "100h")
    error.failed()
    assert error.stdout == ""


def test_kubectl_s_question_decides_the_version(signed_in: Az) -> None:
    def run(version: str) -> tuple[int, str, str]:
        info = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}})
        result = signed_in.run(*EXPORT, "exec-credential", env={"KUBERNETES_EXEC_INFO": info})
        return result.exit_code, result.stdout, result.stderr

    for version in ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"):
        code, output, _ = run(version)
        assert code == 0
        assert json.loads(output)["apiVersion"] == version
    code, output, error = run("client.authentication.k8s.io/v1alpha1")
    assert (code, output) == (1, "")
    assert "KUBERNETES_EXEC_INFO" in error


@pytest.mark.parametrize("info", ["[" * 100_000, "[]", '{"apiVersion": "client.authentication.k8s.io/v1alpha1"}'])
def test_a_question_that_cannot_be_answered_is_refused_before_a_token_is_asked_for(az: Az, info: str) -> None:
    # No user is signed in, which is found out later.
    error = az.run(*EXPORT, "exec-credential", env={"KUBERNETES_EXEC_INFO": info}).failed().stderr
    assert "KUBERNETES_EXEC_INFO does not ask for" in error


# Output that cannot be written


@pytest.mark.parametrize(
    "destination, exit_code, says",
    [
        ("> /dev/full", 1, "could not be written to standard output: No space left on device"),
        ("| true", 0, ""),
    ],
)
def test_an_output_that_takes_nothing_is_one_error_and_a_reader_that_has_gone_is_no_error(
    signed_in: Az, destination: str, exit_code: int, says: str
) -> None:
    # The pipe's own exit code is that of its last command.
    line = f'("$0" "$@"; echo "exit $?" >&2) {destination}'
    done = subprocess.run(
        ["/bin/sh", "-c", line, str(signed_in.host.az), *EXPORT, "header"],
        env=signed_in.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert f"exit {exit_code}\n" in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "unexpected" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert len(done.stderr.splitlines()) <= 3


def test_windows_line_ends_or_none_make_no_difference_to_dotenv(signed_in: Az) -> None:
    text = signed_in.run(*EXPORT, "dotenv").ok().stdout
    expected = dotenv_values(stream=io.StringIO(text))
    assert dotenv_values(stream=io.StringIO(text.replace("\n", "\r\n"))) == expected
    assert dotenv_values(stream=io.StringIO(text.rstrip("\n"))) == expected


# On a terminal


def test_on_a_terminal_a_token_is_shown_only_on_request(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    own_cloud.admin.clear_requests()
    terminal = az.pty(*EXPORT, "git", size=(60, 4000))
    terminal.expect(pexpect.EOF)
    terminal.close()
    said = terminal.before or ""
    assert terminal.exitstatus == 1
    assert "--yes" in said
    assert "eyJ" not in said
    assert not own_cloud.admin.requests()
    terminal = az.pty(*EXPORT, "git", "--output", "none")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.before) == (0, "")
    terminal = az.pty(*EXPORT, "git", "--yes", size=(60, 4000))
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    output = (terminal.before or "").replace("\r\n", "\n")
    assert "reads git's request from standard input" in output
    shown = _token_in(output[output.index("username=") :], "git")
    assert claims_of(shown)["aud"] == _DEVOPS


def test_a_terminal_on_standard_error_alone_is_no_obstacle(signed_in: Az, tmp_path: Path) -> None:
    """As at the prompt: `az account export-token --format header > file`."""
    file = tmp_path / "header"
    line = f'exec "$0" "$@" > "{file}"'
    terminal = pexpect.spawn(
        "/bin/sh",
        ["-c", line, str(signed_in.host.az), *EXPORT, "header"],
        env=signed_in.environment({"TERM": "xterm"}),
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert "eyJ" not in (terminal.before or "")
    _token_in(file.read_text(encoding="utf-8"), "header")


# Wrong command lines, and no signed-in user


@pytest.mark.parametrize(
    "options", [(), ("--format",), ("--format", "csv"), ("--format", "bash", "--resource-type", "x")]
)
def test_what_is_no_format_is_a_usage_error(signed_in: Az, options: tuple[str, ...]) -> None:
    assert signed_in.run("account", "export-token", *options).failed(2).stdout == ""


def test_who_is_not_signed_in_is_told_to_sign_in(az: Az) -> None:
    result = az.run(*EXPORT, "header").failed()
    assert result.stdout == ""
    assert "az login" in result.stderr


def test_no_token_is_in_the_debug_log(signed_in: Az) -> None:
    signed_in.run(*EXPORT, "header", "--force-refresh", "--debug").ok()
    for path in signed_in.config_dir.rglob("*"):
        if path.is_file() and path.name != "msal_token_cache.json" and os.access(path, os.R_OK):
            assert b"eyJ" not in path.read_bytes(), path


@pytest.mark.oldest
def test_it_works_on_the_oldest_host(make_az: Callable[..., Az], cloud: LocalCloud, oldest: Host) -> None:
    az = make_az(host=oldest)
    sign_in(az, cloud, ALICE).ok()
    for token_format in FORMATS:
        _token_in(az.run(*EXPORT, token_format, input=_REQUEST).ok().stdout, token_format)
    token = az.run("account", "get-access-token", "--min-validity", "10m", "--username", ALICE).ok().json()
    assert claims_of(token["accessToken"])["unique_name"] == ALICE


# As a credential helper of git


@pytest.mark.parametrize(
    "asked, options, is_answered",
    [
        ("protocol=https\nhost=dev.azure.com\n", (), True),
        ("protocol=https\nhost=evil.example\n", (), False),
        ("protocol=http\nhost=dev.azure.com\n", (), False),
        ("protocol=https\nhost=git.contoso.com\n", ("--allow-host", "x.example", "git.contoso.com"), True),
        ("protocol=https\nhost=evil.example\n", ("--allow-host", "*.contoso.com"), False),
        ("", (), False),
    ],
)
def test_git_gets_a_token_only_for_hosts_that_may_have_it(
    signed_in: Az, asked: str, options: tuple[str, ...], is_answered: bool
) -> None:
    result = signed_in.run(*EXPORT, "git", *options, input=asked).ok()
    assert bool(result.stdout) == is_answered
    assert ("No token was written" in result.stderr) == (not asked)


@pytest.mark.parametrize("name", ["credential.helper", "credential.https://dev.azure.com.helper"])
def test_git_itself_asks_a_helper_that_is_configured_for_every_host(signed_in: Az, name: str) -> None:
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    helper = f'!f() {{ "{signed_in.host.az}" account export-token --format git; }}; f'
    environment = signed_in.environment(
        {"GIT_TERMINAL_PROMPT": "0", "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1"}
    )

    def fill(host: str) -> str:
        done = subprocess.run(
            [git, "-c", f"{name}={helper}", "credential", "fill"],
            input=f"protocol=https\nhost={host}\n\n",
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    assert "password=eyJ" in fill("dev.azure.com")
    assert "password" not in fill("evil.example")


def test_a_host_is_allowed_for_git_alone(signed_in: Az) -> None:
    refused = signed_in.run(*EXPORT, "header", "--allow-host", "git.contoso.com").failed()
    assert "'--allow-host' is only applicable with '--format git'" in refused.stderr
