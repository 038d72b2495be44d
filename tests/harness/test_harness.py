"""The harness keeps its promises: nothing leaves the machine, and nothing of the machine gets in."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import environments
from tests.harness.az import Az, Result
from tests.harness.guard import NetworkAccessError, is_local
from tests.harness.hosts import Host

_JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJodHRwczovLyJ9.c2lnbmF0dXJlLWhlcmU"


def result(stdout: str = "", stderr: str = "", exit_code: int = 0) -> Result:
    """Return what a run might have left."""
    return Result(("account", "show"), exit_code, stdout, stderr, 0.1, ("hunter22",))


def test_a_connection_beyond_loopback_is_refused() -> None:
    with socket.socket() as client, pytest.raises(NetworkAccessError):
        client.connect(("192.0.2.1", 443))


def test_a_name_of_another_machine_does_not_resolve() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("login.example.com", 443)


@pytest.mark.parametrize("address", [("127.0.0.1", 1), ("::1", 1, 0, 0), ("localhost", 1), "/run/socket"])
def test_loopback_and_paths_are_local(address: object) -> None:
    assert is_local(address)


def test_home_and_config_directory_are_temporary() -> None:
    for name in ("HOME", "AZURE_CONFIG_DIR", "AZURE_EXTENSION_DIR"):
        assert "login-tests-home-" in os.environ[name]


def test_the_environment_of_az_is_built_from_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_DEFAULTS_GROUP", "of-the-user-at-the-keyboard")
    az = Az(Host("newest", "0", tmp_path / "bin" / "az"), tmp_path / "azure", env={"EXTRA": "1", "LANG": None})
    environment = az.environment()
    assert "AZURE_DEFAULTS_GROUP" not in environment
    assert environment["EXTRA"] == "1"
    assert "LANG" not in environment
    # A script, as packages of systems install it, needs a shell.
    assert environment["PATH"] == f"{tmp_path / 'bin'}:/usr/bin:/bin"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert az.environment()["PATH"] == str(tmp_path / "bin")


@pytest.mark.parametrize(
    "dirty",
    [
        result(stderr="Traceback (most recent call last):\n"),
        result(stdout="Traceback (most recent call last):\n"),
        result(stdout="the password is hunter22"),
        result(stderr=f"WARNING: got {_JWT}"),
    ],
    ids=["traceback on stderr", "traceback on stdout", "secret", "token on stderr"],
)
def test_output_that_is_not_clean_fails_the_test(dirty: Result) -> None:
    with pytest.raises(AssertionError):
        dirty.ok()


def test_a_token_on_standard_output_is_what_was_asked_for() -> None:
    assert result(stdout=json.dumps({"accessToken": _JWT})).ok().json()["accessToken"] == _JWT


def test_two_errors_for_one_failure_fail_the_test() -> None:
    result(stderr="ERROR: no\n", exit_code=1).failed()
    with pytest.raises(AssertionError):
        result(stderr="ERROR: no\nERROR: really\n", exit_code=1).failed()


def test_the_newest_and_the_oldest_host_come_from_the_files_that_name_them() -> None:
    newest, oldest = environments.newest_version(), environments.oldest_version()
    assert [int(part) for part in newest.split(".")] > [int(part) for part in oldest.split(".")]


def test_a_host_that_the_environment_names_has_to_be_executable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGIN_HOST_NEWEST", str(tmp_path))
    with pytest.raises(environments.SetUpError, match="LOGIN_HOST_NEWEST"):
        environments.external_host("newest")
    monkeypatch.setenv("LOGIN_HOST_NEWEST", sys.executable)
    assert environments.external_host("newest") == Path(sys.executable)


def test_an_unknown_environment_is_a_usage_error() -> None:
    program = Path(environments.__file__)
    done = subprocess.run([sys.executable, str(program), "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Choose from: tools, newest, oldest, chromium" in done.stderr


@pytest.mark.parametrize("name", ["chromium", "shells", "keyring"])
def test_missing_packages_that_take_a_password_are_an_error_in_continuous_integration_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(environments, "can_install_packages", lambda: False)
    monkeypatch.setattr(environments, "SYSTEM_PACKAGES", Path("/nonexistent"))
    monkeypatch.setenv("CI", "false")
    environments.ENVIRONMENTS[name]()
    assert "are skipped. Run: sudo apt-get install" in capsys.readouterr().err
    monkeypatch.setenv("CI", "true")
    with pytest.raises(environments.SetUpError, match="sudo apt-get install"):
        environments.ENVIRONMENTS[name]()


def test_continuous_integration_and_the_test_target_set_up_everything_that_tests_would_skip() -> None:
    for path in (environments.ROOT / "Makefile", environments.ROOT / ".ci" / "run"):
        assert "tools newest oldest chromium shells kubectl keyring actionlint identity-client" in path.read_text(
            encoding="utf-8"
        ), path
