"""The program `az-token` that the installation brings, as programs start it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from azext_login.az_token.built_in_clouds import BUILT_IN_CLOUDS
from azext_login.cli.option_values import RESOURCE_TYPES
from tests.harness import az_token, hosts
from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.damage import pipe
from tests.integration.token_cache_files import claims_of, let_tokens_expire
from tests.localcloud import LocalCloud
from tests.users import ALICE

HOSTS = [pytest.param("newest"), pytest.param("oldest", marks=pytest.mark.oldest)]

_REQUEST = "protocol=https\nhost=dev.azure.com\n\n"

# Runs the program as its launcher does, and lists what was loaded when the token was written.
_LIST_MODULES = """
import json, sys
sys.path.insert(0, sys.argv[1])
from azext_login.az_token.program import write_token
write_token(["--format", sys.argv[2]])
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize("name", HOSTS)
def test_the_installed_program_writes_a_token_as_az_does(
    make_az: Callable[..., Az], cloud: LocalCloud, name: str
) -> None:
    az = make_az(host=hosts.named(name))
    assert az.extension_dir is not None
    installed = az.extension_dir / "login" / "bin" / "az-token"
    sign_in(az, cloud, ALICE).ok()
    expected = az.run("account", "export-token", "--format", "header").ok().stdout
    for program in (None, [str(installed)]):
        assert az_token.run(az, "--format", "header", program=program).ok().stdout == expected
    token = az_token.run(az, "--format", "json").ok().json()
    assert claims_of(token["accessToken"])["unique_name"] == ALICE
    assert token == az.run("account", "get-access-token").ok().json()


@pytest.mark.parametrize("name", HOSTS)
def test_the_clouds_that_it_knows_are_those_of_the_host(name: str) -> None:
    program = (
        "import json\nfrom azure.cli.core.cloud import KNOWN_CLOUDS\n"
        "print(json.dumps({cloud.name: vars(cloud.endpoints) for cloud in KNOWN_CLOUDS}))"
    )
    python = hosts.named(name).bin / "python"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    known = json.loads(done.stdout)
    for cloud, endpoints in BUILT_IN_CLOUDS.items():
        needed = {"active_directory", *RESOURCE_TYPES.values()}
        assert endpoints == {each: known[cloud][each] for each in needed if known[cloud][each]}


def test_what_it_does_not_know_is_for_az(signed_in: Az) -> None:
    output = az_token.run(signed_in, "--format", "json", "--query", "tokenType", "--output", "tsv").ok().stdout
    assert output == "Bearer\n"
    refused = az_token.run(signed_in, "--format", "csv").failed(2)
    assert "'csv' is not a valid value for '--format'" in refused.stderr


@pytest.mark.parametrize("token_format", ["json", "header"])
def test_it_loads_the_standard_library_and_ours_alone(signed_in: Az, token_format: str) -> None:
    assert signed_in.extension_dir is not None
    done = subprocess.run(
        [
            signed_in.host.bin / "python",
            "-I",
            "-S",
            "-c",
            _LIST_MODULES,
            signed_in.extension_dir / "login",
            token_format,
        ],
        env=signed_in.environment(),
        cwd=signed_in.config_dir,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stderr)}
    assert loaded - sys.stdlib_module_names == {"__main__", "azext_login"}
    # Each of these takes longer to load than most of ours.
    assert (
        loaded & {"argparse", "asyncio", "hashlib", "subprocess", "tempfile", "shutil", "socket", "logging", "datetime"}
        == set()
    )


def test_nothing_is_written(signed_in: Az) -> None:
    def files() -> dict[Path, tuple[int, int]]:
        found = (path for path in signed_in.config_dir.rglob("*") if "home" not in path.parts)
        return {path: (path.stat().st_mtime_ns, path.stat().st_mode) for path in found}

    before = files()
    az_token.run(signed_in, "--format", "header", program=az_token.without_az(signed_in)).ok()
    assert files() == before


def test_twenty_programs_that_find_an_expired_token_share_one_request(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_expire(az, 1)
    own_cloud.admin.clear_requests()
    processes = [az_token.start(az, "--format", "header") for _ in range(20)]
    outputs = [process.communicate("", timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 20, outputs
    assert len({stdout for stdout, _ in outputs}) == 1
    assert outputs[0][0].startswith("Authorization: Bearer ey")
    assert own_cloud.admin.count_requests("/token$") == 1


# What az gets when it takes over


@pytest.mark.parametrize("words", [[], ["--query", "tokenType"]], ids=["answered", "handed over"])
def test_nothing_of_the_working_directory_is_loaded(signed_in: Az, tmp_path: Path, words: list[str]) -> None:
    for name in ("azure", "azext_login", "json", "site", "encodings", "runpy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('of the working directory')\n", encoding="utf-8")
    az_token.run(signed_in, "--format", "json", *words, cwd=tmp_path).ok()


@pytest.mark.parametrize("host", ["dev.azure.com", "evil.example"])
def test_git_s_request_reaches_az(signed_in: Az, host: str) -> None:
    request = _REQUEST.replace("dev.azure.com", host)
    # Only az can tell what a token for Azure DevOps is: the cache has none.
    first = az_token.run(signed_in, "--format", "git", input=request).ok()
    again = az_token.run(signed_in, "--format", "git", input=request).ok()
    assert first.stdout == again.stdout
    assert ("password=ey" in first.stdout) == (host == "dev.azure.com")


def test_a_cached_token_answers_git_without_az(signed_in: Az) -> None:
    az_token.run(signed_in, "--format", "git", input=_REQUEST).ok()
    program = az_token.without_az(signed_in)
    assert "password=ey" in az_token.run(signed_in, "--format", "git", input=_REQUEST, program=program).ok().stdout
    foreign = az_token.run(signed_in, "--format", "git", input="protocol=https\nhost=x.example\n\n", program=program)
    assert foreign.ok().stdout == ""


def test_at_a_terminal_git_s_format_writes_the_token(signed_in: Az, tmp_path: Path) -> None:
    az_token.run(signed_in, "--format", "git", input=_REQUEST).ok()
    file = tmp_path / "credential"
    terminal = pexpect.spawn(
        "/bin/sh",
        ["-c", f'exec "$0" "$@" > "{file}"', *az_token.command(signed_in), "--format", "git"],
        env=signed_in.environment({"TERM": "xterm"}),
        encoding="utf-8",
        timeout=60,
        dimensions=(60, 4000),
    )
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert "reads git's request from standard input" in (terminal.before or "")
    assert "password=ey" in file.read_text(encoding="utf-8")


def test_a_format_in_the_same_word_as_its_option_is_read_as_az_reads_it(signed_in: Az) -> None:
    for words in (("-fjson",), ("-f=json",), ("--form", "json")):
        assert "accessToken" in az_token.run(signed_in, *words).ok().json()
    assert az_token.run(signed_in, "-fheader").ok().stdout.startswith("Authorization: ")


def test_a_request_that_is_none_gets_the_warning_of_az(signed_in: Az) -> None:
    az_token.run(signed_in, "--format", "git", input=_REQUEST).ok()
    result = az_token.run(signed_in, "--format", "git", input="x" * 70_000 + "\n\n" + _REQUEST).ok()
    assert result.stdout == ""
    assert "No token was written" in result.stderr


def test_a_signal_ends_az_in_its_place(signed_in: Az) -> None:
    # az waits for the request of git, and this program is az by then.
    process = az_token.start(signed_in, "--format", "git", "--debug")
    assert process.stderr is not None
    with contextlib.closing(process.stderr) as stderr:
        assert "DEBUG" in stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (-signal.SIGTERM, 1)
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


# Output that cannot be written


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is full")
@pytest.mark.parametrize("token_format", ["header", "json"])
def test_a_full_disk_is_an_error(signed_in: Az, token_format: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*az_token.command(signed_in), "--format", token_format],
            env=signed_in.environment(),
            cwd=signed_in.config_dir,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "ERROR: The token could not be written to standard output: No space left on device. It stays cached.\n"
        "Run the same command again with an output that can be written to.\n"
    )


# Files that are no files


@pytest.mark.parametrize("name", ["config", "clouds.config", "azureProfile.json"])
def test_a_pipe_in_place_of_a_file_that_az_reads_is_one_error(signed_in: Az, name: str) -> None:
    pipe(signed_in.config_dir / name)
    result = az_token.run(signed_in, "--format", "header").failed()
    assert result.stdout == ""
    assert f"{name} could not be read: It is a named pipe" in result.stderr


@pytest.mark.parametrize("name", ["msal_token_cache.json", "login_last_good.json"])
@pytest.mark.parametrize("kind", ["pipe", "link", "huge"])
def test_something_else_in_place_of_a_file_of_ours_never_blocks(
    signed_in: Az, tmp_path: Path, name: str, kind: str
) -> None:
    file = signed_in.config_dir / name
    if kind == "pipe":
        pipe(file)
    elif kind == "link":
        file.rename(tmp_path / name)
        file.symlink_to(tmp_path / name)
    else:
        os.truncate(file, 70_000_000)
    expected = signed_in.run("account", "export-token", "--format", "header")
    result = az_token.run(signed_in, "--format", "header")
    assert (result.exit_code, result.stdout, result.stderr) == (expected.exit_code, expected.stdout, expected.stderr)
