"""Every command block of README.rst and docs/, run as it is written there.

Those about contexts are run in test_documented_contexts.py, those about workloads in test_documented_workloads.py,
those about tokens in test_documented_tokens.py and test_documented_programs.py, and those for authors of extensions in
test_documented_extension.py.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import BrowserUser
from tests.harness.http_user import HttpUser
from tests.harness.stage import Stage
from tests.harness.wheel import without_package_index
from tests.integration.documentation import ROOT, bash, block, blocks, languages
from tests.integration.test_documented_contexts import TESTED as TESTED_WITH_CONTEXTS
from tests.integration.test_documented_endpoint import TESTED as TESTED_WITH_ENDPOINT
from tests.integration.test_documented_extension import TESTED as TESTED_WITH_EXTENSION
from tests.integration.test_documented_install import TESTED as TESTED_WITH_INSTALL
from tests.integration.test_documented_programs import TESTED as TESTED_WITH_PROGRAMS
from tests.integration.test_documented_tokens import TESTED as TESTED_WITH_TOKENS
from tests.integration.test_documented_workloads import TESTED as TESTED_WITH_WORKLOADS
from tests.localcloud import User
from tests.users import ALICE

_TUNNEL = "ssh -L 8400:localhost:8400 user@build.contoso.com"

# First line of each block that is tested below.
_TESTED = {
    "make wheel",
    "az login",
    "az login --no-browser",
    "az login --use-device-code",
    _TUNNEL,
    "az login --no-browser --redirect-port 8400",
    "az login --tenant contoso.onmicrosoft.com",
    'read -rsp "Azure password: " AZ_PASS && echo',
    "az account list --output table",
    'az account set --subscription "Contoso Development"',
    "az account list --refresh --tenant fabrikam.com",
    'az account list --all-identities --query "[].[name, user.name, tenantDefaultDomain]" --output table',
    "export AZURE_LOGIN_ACCOUNT=alice@contoso.com",
    "az config set login.every_command=off",
    # In test_offer_sign_in.
    "az config set login.offer_sign_in=off",
    "make demo",
}


# Blocks of other languages are tested beside the commands that they belong to: the first of each is counted there.
_LANGUAGES = {"console", "yaml", "bash", "zsh", "fish", "powershell", "toml", "json", "python"}


def test_no_block_of_the_documentation_is_untested() -> None:
    elsewhere = TESTED_WITH_CONTEXTS | TESTED_WITH_WORKLOADS | TESTED_WITH_TOKENS | TESTED_WITH_PROGRAMS
    elsewhere |= TESTED_WITH_EXTENSION | TESTED_WITH_INSTALL | TESTED_WITH_ENDPOINT
    assert {lines[0] for lines in blocks()} == _TESTED | elsewhere
    assert languages() == _LANGUAGES


def test_no_two_blocks_begin_alike() -> None:
    beginnings = sorted(lines[0] for lines in blocks())
    assert beginnings == sorted(set(beginnings))


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
def test_the_first_sign_in(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    browser = make_browser_user(ALICE).browser
    shown = bash(az, block("az login"), env={"BROWSER": browser})
    assert "Contoso Production" in shown


@pytest.mark.browser
def test_the_sign_in_to_a_named_tenant(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    browser = make_browser_user(ALICE).browser
    bash(az, block("az login --tenant contoso.onmicrosoft.com"), env={"BROWSER": browser})
    assert {row["tenantId"] for row in az.profile()["subscriptions"]} == {az.run("account", "show").json()["tenantId"]}


def test_the_sign_in_at_a_printed_address(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    (line,) = block("az login --no-browser")
    _sign_in_elsewhere(az, line, lambda shown: make_http_user(ALICE).visit(_address(shown)))


def test_the_sign_in_with_a_device_code(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    def enter_code(shown: str) -> None:
        code = re.search(r"enter the code (\S+)", shown)
        assert code
        make_http_user(ALICE, user_code=code[1]).visit(_address(shown))

    (line,) = block("az login --use-device-code")
    _sign_in_elsewhere(az, line, enter_code)


def test_the_sign_in_over_ssh(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    """What a tunnel does needs no tunnel: the browser asks for the same port of `localhost` on both of its ends."""
    (line,) = block("az login --no-browser --redirect-port 8400")
    port = _free_port()

    def visit(shown: str) -> None:
        address = _address(shown)
        assert quote(f"http://localhost:{port}", safe="") in address
        make_http_user(ALICE).visit(address)

    _sign_in_elsewhere(az, line.replace("8400", str(port)), visit)


def test_the_tunnel_ends_where_the_sign_in_listens() -> None:
    """The one line that is not run as it is: it needs a second computer. OpenSSH explains how it reads the line."""
    (tunnel,) = block(_TUNNEL)
    (line,) = block("az login --no-browser --redirect-port 8400")
    _, option, forwarded, host = tunnel.split()
    port = line.rpartition(" ")[2]
    assert (option, forwarded) == ("-L", f"{port}:localhost:{port}")
    ssh = shutil.which("ssh")
    if ssh is None:
        pytest.skip("ssh is not installed")
    done = subprocess.run([ssh, "-G", option, forwarded, host], capture_output=True, text=True, check=True)
    assert f"localforward {port} [localhost]:{port}" in done.stdout


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])


def _address(shown: str) -> str:
    found = re.search(r"https://\S+", shown)
    assert found
    return found[0]


def _sign_in_elsewhere(az: Az, line: str, act: Callable[[str], object]) -> None:
    """Start a sign-in, do on the other device what it asks for, and check that it succeeds."""
    process = az.start(*line.split()[1:])
    assert process.stderr is not None
    shown = ""
    while "https://" not in shown:
        line_read = process.stderr.readline()
        assert line_read, f"az exited early: {shown}"
        shown += line_read
    act(shown)
    az.result(process, *line.split()[1:]).ok()


def test_the_password_from_standard_input(az: Az, alice: User) -> None:
    bash(az, block('read -rsp "Azure password: " AZ_PASS && echo'), stdin=f"{alice.password}\n")
    assert az.profile()["subscriptions"]


def test_day_to_day(signed_in: Az) -> None:
    output = bash(signed_in, block("az account list --output table"))
    assert "Contoso Development" in output
    assert not signed_in.profile()["subscriptions"]


def test_going_back_to_the_subscription_before(signed_in: Az) -> None:
    bash(signed_in, block('az account set --subscription "Contoso Development"'))
    assert signed_in.run("account", "show").json()["name"] == "Contoso Development"


def test_finding_subscriptions(signed_in: Az) -> None:
    bash(signed_in, block("az account list --refresh --tenant fabrikam.com"))
    signed_in.run("account", "list", "--refresh").ok()
    assert signed_in.run("config", "get", "login.default_subscription").ok().json()["value"] == "Contoso Development"
    assert "Woodgrove" not in signed_in.run("account", "list", "--refresh").ok().stderr


def test_a_setting_can_be_an_environment_variable(signed_in: Az) -> None:
    refreshed = signed_in.run("account", "list", "--refresh", env={"AZURE_LOGIN_EXCLUDE_TENANTS": "woodgrove.example"})
    assert "Woodgrove" not in refreshed.ok().stderr


def test_the_settings_of_the_page_are_read() -> None:
    page = (ROOT / "docs" / "settings.rst").read_text(encoding="utf-8")
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "azext_login").rglob("*.py"))
    names = re.findall(r"``(?:core|login)\.(\w+)``", page)
    assert len(names) >= 8
    assert [name for name in names if name not in source] == []


def test_a_choice_for_one_shell(signed_in: Az) -> None:
    before = signed_in.profile_path.read_bytes()
    shown = bash(signed_in, block("export AZURE_LOGIN_ACCOUNT=alice@contoso.com"))
    assert shown.split("\n")[:2] == ["Contoso Development", ALICE]
    assert signed_in.profile_path.read_bytes() == before


def test_turning_off_the_help_for_other_commands(signed_in: Az) -> None:
    off, on = block("az config set login.every_command=off")
    unknown = {"AZURE_LOGIN_ACCOUNT": "nothing"}
    assert "AZURE_LOGIN_ACCOUNT is 'nothing'" in signed_in.run("group", "list", env=unknown).failed().stderr
    bash(signed_in, [off])
    signed_in.run("group", "list", env=unknown).ok()
    bash(signed_in, [on])
    signed_in.run("group", "list", env=unknown).failed()


def test_several_accounts(signed_in: Az) -> None:
    first_line = 'az account list --all-identities --query "[].[name, user.name, tenantDefaultDomain]" --output table'
    output = bash(signed_in, block(first_line))
    assert output.count("Shared Platform") == 2
    assert signed_in.run("account", "show").json()["tenantDefaultDomain"] == "fabrikam.example"


def test_the_two_commands_of_the_project_exist() -> None:
    for line in block("make demo"):
        done = subprocess.run([*line.split(), "--dry-run"], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
