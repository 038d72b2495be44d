"""What `make parity HOST=...` reports about an azure-cli that we do not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import hosts
from tests.parity.__main__ import main
from tests.parity.host_changes import changes, version_of


def test_what_is_new_gone_or_different_is_a_line_each() -> None:
    known = {"az login --old": "old", "az logout": "a command", "function f": "(location, encrypt)"}
    found = {"az login --new": "new", "az logout": "a command", "function f": "(location, encrypt, type=None)"}
    assert changes(known, found) == [
        "+ az login --new: new",
        "- az login --old",
        "~ function f: (location, encrypt) -> (location, encrypt, type=None)",
    ]
    assert changes(known, known) == []


@pytest.mark.parametrize("host", ["/no/such/az", "/tmp", "/bin/true"])
def test_a_path_of_no_azure_cli_is_one_line(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", host]) == 2
    assert capsys.readouterr().err.startswith(f"'{host}' is no azure-cli: ")


def test_an_executable_that_is_no_azure_cli_is_an_error() -> None:
    assert version_of(Path("az"), "azure-cli                         2.92.0 *\n\ncore  2.92.0\n") == "2.92.0"
    with pytest.raises(ValueError, match="does not print the version"):
        version_of(Path("az"), "usage: az\n")


@pytest.mark.oldest
def test_another_azure_cli_is_compared_with_the_newest_that_we_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", str(hosts.oldest().az), "-k", "no case has this name"]) == 1
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0].endswith(f"compared with {hosts.newest().version}: {lines[0].split()[-2]} changes")
    assert "- az login --skip-subscription-discovery" in lines
    assert any(line.startswith("~ function azure.cli.command_modules.profile.custom:login: (cmd, ") for line in lines)
    assert any(line.startswith("~ package msal: ") for line in lines)
    assert "- setting core.enable_broker_on_mac" in lines
    assert not any("az login --tenant" in line for line in lines)
