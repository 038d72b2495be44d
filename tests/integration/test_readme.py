"""Every command block of README.rst, run as it stands there.

Those about workloads are run in test_documented_workloads.py, those about tokens in test_documented_tokens.py.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.forms import FormPerson
from tests.harness.person import BrowserPerson
from tests.harness.stage import Stage
from tests.harness.wheel import without_package_index
from tests.integration.readme import ROOT, bash, block, blocks
from tests.integration.test_documented_tokens import TESTED as TESTED_WITH_TOKENS
from tests.integration.test_documented_workloads import TESTED as TESTED_WITH_WORKLOADS
from tests.localcloud import Person

# First line of each block that is tested below.
_TESTED = {
    "make wheel",
    "az extension remove --name login",
    "az login",
    "az login --no-browser",
    "az login --tenant contoso.onmicrosoft.com",
    'read -rsp "Azure password: " AZ_PASS && echo',
    "az account list --output table",
    "az account list --refresh --tenant fabrikam.com",
    'az account list --all-identities --query "[].[name, user.name, tenantDefaultDomain]" --output table',
    "make demo",
}


def test_no_block_of_the_readme_is_untested() -> None:
    assert {lines[0] for lines in blocks()} == _TESTED | TESTED_WITH_WORKLOADS | TESTED_WITH_TOKENS


def test_the_wheel_installs_and_goes_without_a_trace(
    stock_az: Az, stage: Stage, tmp_path: Path, newest: object
) -> None:
    build, install = block("make wheel")
    assert subprocess.run([*build.split(), "--dry-run"], cwd=ROOT, capture_output=True, check=False).returncode == 0
    az = replace(stock_az, extension_dir=tmp_path / "extensions")
    wheel = stage.wheel()
    assert wheel.name == install.rpartition("/")[2]
    # At a terminal the command asks whether one is sure.
    sure = {"AZURE_CORE_DISABLE_CONFIRM_PROMPT": "yes", **without_package_index()}
    bash(az, [install.replace("dist/", f"{wheel.parent}/")], env=sure)
    assert "login" in bash(az, ["az extension list --query [].name -o tsv"])
    assert "--no-browser" in bash(az, ["az login --help"])
    bash(az, block("az extension remove --name login"))
    assert "--no-browser" not in bash(az, ["az login --help"])


@pytest.mark.browser
def test_the_first_sign_in(az: Az, make_person: Callable[..., BrowserPerson]) -> None:
    browser = make_person("alice@contoso.example").browser
    shown = bash(az, block("az login"), env={"BROWSER": browser})
    assert "Contoso Production" in shown


@pytest.mark.browser
def test_the_sign_in_to_a_named_tenant(az: Az, make_person: Callable[..., BrowserPerson]) -> None:
    browser = make_person("alice@contoso.example").browser
    bash(az, block("az login --tenant contoso.onmicrosoft.com"), env={"BROWSER": browser})
    assert {row["tenantId"] for row in az.profile()["subscriptions"]} == {az.run("account", "show").json()["tenantId"]}


def test_the_sign_ins_without_a_browser_on_this_machine(az: Az, form_person: Callable[..., FormPerson]) -> None:
    by_address, by_code = block("az login --no-browser")
    _sign_in_elsewhere(az, by_address, lambda said: form_person("alice@contoso.example").visit(_address(said)))

    def enter_code(said: str) -> None:
        code = re.search(r"enter the code (\S+)", said)
        assert code
        page = _address(said)
        form_person("alice@contoso.example", user_code=code[1]).visit(page)

    _sign_in_elsewhere(az, by_code, enter_code)


def _address(said: str) -> str:
    found = re.search(r"https://\S+", said)
    assert found
    return found[0]


def _sign_in_elsewhere(az: Az, line: str, act: Callable[[str], object]) -> None:
    """Start a sign-in, do on the other device what it says, and see it end well."""
    process = az.start(*line.split()[1:])
    assert process.stderr is not None
    said = ""
    while "https://" not in said:
        line_read = process.stderr.readline()
        assert line_read, f"az ended early: {said}"
        said += line_read
    act(said)
    az.result(process, *line.split()[1:]).ok()


def test_the_password_from_standard_input(az: Az, alice: Person) -> None:
    bash(az, block('read -rsp "Azure password: " AZ_PASS && echo'), stdin=f"{alice.password}\n")
    assert az.profile()["subscriptions"]


def test_day_to_day(signed_in: Az) -> None:
    output = bash(signed_in, block("az account list --output table"))
    assert "Contoso Development" in output
    assert not signed_in.profile()["subscriptions"]


def test_finding_subscriptions(signed_in: Az) -> None:
    bash(signed_in, block("az account list --refresh --tenant fabrikam.com"))
    signed_in.run("account", "list", "--refresh").ok()
    assert signed_in.run("config", "get", "login.default_subscription").ok().json()["value"] == "Contoso Development"
    assert "Woodgrove" not in signed_in.run("account", "list", "--refresh").ok().stderr


def test_several_accounts(signed_in: Az) -> None:
    first_line = 'az account list --all-identities --query "[].[name, user.name, tenantDefaultDomain]" --output table'
    output = bash(signed_in, block(first_line))
    assert output.count("Shared Platform") == 2
    assert signed_in.run("account", "show").json()["tenantDefaultDomain"] == "fabrikam.example"


def test_the_two_commands_of_the_project_exist() -> None:
    for line in block("make demo"):
        done = subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
