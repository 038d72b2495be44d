"""Credential sources of other extensions: what they give, when their code is loaded, and what a broken one costs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pexpect
import pytest

from tests.harness.az import Az
from tests.integration.plugins import GIVES, install_plugin, with_extensions_folder
from tests.integration.workloads import (
    GRAPH,
    POD,
    SERVICE_PRINCIPAL,
    VAULT,
    Certificates,
    end_access_tokens,
    entries,
    kept,
    subscriptions_used,
    token_claims,
    traces,
)
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud

SECRET = {"version": 1, "kind": "secret", "secret": CI_SECRET}
LOGIN = (*SERVICE_PRINCIPAL, "--credential-source", "vault")


@pytest.fixture
def plugin_az(workload_az: Az) -> Az:
    """`az` with a folder of extensions of its own."""
    return with_extensions_folder(workload_az)


@pytest.mark.parametrize("kind", ["assertion", "secret", "certificate"])
def test_a_plug_in_gives_each_kind_of_credential_to_every_command(
    plugin_az: Az, workload_cloud: LocalCloud, certificates: Certificates, kind: str
) -> None:
    az, plugin = plugin_az, install_plugin(plugin_az)
    registered = certificates.registered
    value = {
        "assertion": workload_cloud.admin.issue_assertion(POD),
        "secret": CI_SECRET,
        "certificate": registered.key_pem() + registered.pem,
    }[kind]
    plugin.gives({"version": 1, "kind": kind, kind: value})
    az.run(*LOGIN, "--source-arg", "name=deploy", "address=https://vault.example").ok()
    tenant = workload_cloud.directory.tenant("contoso.example").id
    assert plugin.record[-1].startswith(f"{CI_APP} {tenant} ")
    assert plugin.record[-1].endswith(' {"name": "deploy", "address": "https://vault.example"}')
    assert token_claims(az, "--resource", VAULT)["appid"] == CI_APP
    end_access_tokens(az)
    assert subscriptions_used(az)
    assert az.run("account", "renew").ok().json()["failed"] == []
    az.run("account", "list", "--refresh").ok()
    if kind != "assertion":
        assert not traces(az, value.strip().splitlines()[1] if kind == "certificate" else value)
    az.run("logout").ok()
    assert not traces(az, CI_APP, "vault.example")


def test_the_code_of_a_plug_in_is_loaded_only_when_its_source_is_needed(
    plugin_az: Az, workload_cloud: LocalCloud
) -> None:
    az, plugin = plugin_az, install_plugin(plugin_az)
    plugin.gives(SECRET)
    alice = workload_cloud.directory.users[0]
    az.run("login", "-u", alice.username, "--password=@-", input=alice.password).ok()
    az.run(*SERVICE_PRINCIPAL, "--credential-source", "command", "--source-arg", "command=false").failed()
    assert plugin.record == []
    az.run(*LOGIN).ok()
    loaded = len(plugin.record)
    assert loaded
    az.run("account", "show").ok()
    az.run("account", "list").ok()
    az.run("account", "get-access-token").ok()
    az.run("group", "list", env={"AZURE_LOGIN_ACCOUNT": alice.username}).ok()
    assert len(plugin.record) == loaded
    az.run("account", "get-access-token", "--resource", VAULT).ok()
    assert len(plugin.record) > loaded


def _doing(statement: str) -> str:
    """Return the code of a plug-in that does something before it gives its answer."""
    return GIVES.replace("        record(", f"        {statement}\n        record(", 1)


#: A mapping whose methods are code of the plug-in.
_CODE = """
class Code(dict):
    def get(self, *words):
        raise SystemExit(0)
"""

_BROKEN = {
    "raises": (_doing("raise KeyError('no' + chr(27) + '[31m entry')"), "failed with KeyError: 'no"),
    "calls sys.exit": (_doing("raise SystemExit(0)"), "called sys.exit"),
    "returns nonsense": (GIVES.replace("return json.load(file)", "return 5"), "something other than a mapping"),
    "returns code": (GIVES.replace("return json.load(file)", "return Code(a=1)") + _CODE, "called sys.exit"),
    "returns another version": (GIVES.replace("return json.load(file)", "return {'version': 2}"), "'version' is not 1"),
    "fails at import": ("import nothing_of_this_name", "failed with ModuleNotFoundError"),
    "is not Python": ("SOURCES = {", "failed with SyntaxError"),
    "exits at import": ("raise SystemExit(3)", "called sys.exit"),
    "has no SOURCES": ("", "has no mapping SOURCES"),
    "has wrong types": ("SOURCES = {'vault': 5}", "something other than names and factories"),
    "has no fetch": ("SOURCES = {'vault': dict}", "without a method 'fetch'"),
}  # fmt: skip


_BROKEN_MODULES = ("fails at import", "is not Python", "exits at import", "has no SOURCES", "has wrong types")


@pytest.mark.parametrize("fault", list(_BROKEN))
def test_a_broken_plug_in_is_one_error_of_its_own_commands_and_none_of_another_accounts(
    plugin_az: Az, workload_cloud: LocalCloud, fault: str
) -> None:
    code, says = _BROKEN[fault]
    az, plugin = plugin_az, install_plugin(plugin_az)
    plugin.gives(SECRET)
    alice = workload_cloud.directory.users[0]
    az.run("login", "-u", alice.username, "--password=@-", input=alice.password).ok()
    az.run(*LOGIN).ok()
    before = entries(az)
    plugin.becomes(code)
    said = az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert says in said
    assert "The plug-in of the extension 'corp'" in said
    assert "\x1b" not in said
    assert said.count("ERROR") == 1
    assert entries(az) == before
    # A built-in command of this account has a token of its own, and one of another account needs no plug-in.
    assert "corp" not in az.run("group", "list", env={"AZURE_LOGIN_ACCOUNT": alice.username}).ok().stderr
    # The sign-in with the source of another plug-in: one warning if the module is broken.
    other = install_plugin(az, GIVES.replace('"vault"', '"safe"'), name="other")
    other.gives(SECRET)
    said = az.run(*SERVICE_PRINCIPAL, "--credential-source", "safe").ok().stderr
    assert said.count("extension 'corp'") == (fault in _BROKEN_MODULES)
    assert "ERROR" not in said


@pytest.mark.parametrize("fault", ["hangs", "hangs at import"])
def test_a_plug_in_that_hangs_is_given_up(plugin_az: Az, fault: str) -> None:
    code = _doing("import time; time.sleep(100)")
    plugin = install_plugin(plugin_az, "import time; time.sleep(100)" if fault == "hangs at import" else code)
    before = kept(plugin_az)
    said = plugin_az.run(*LOGIN).failed().stderr
    assert "The plug-in of the extension 'corp' did not answer within 30 seconds." in said
    assert kept(plugin_az) == before
    assert plugin.record == (["imported"] if fault == "hangs" else [])


def test_what_a_plug_in_prints_is_not_in_the_result(plugin_az: Az) -> None:
    code = _doing('print("canary"); os.system("echo canary"); os.write(1, b"canary")')
    plugin = install_plugin(plugin_az, code)
    plugin.gives(SECRET)
    done = plugin_az.run(*LOGIN).ok()
    assert done.json()[0]["user"]["name"] == CI_APP
    assert "canary" not in done.stdout + done.stderr
    assert done.stderr.count("wrote to standard output") == 1
    end_access_tokens(plugin_az)
    assert subscriptions_used(plugin_az)


def test_a_plug_in_asks_nobody_in_a_script(plugin_az: Az) -> None:
    install_plugin(plugin_az, _doing('input("Password: ")'))
    done = plugin_az.run(*LOGIN, input="a line\n").failed()
    assert "failed with EOFError" in done.stderr


def test_a_plug_in_that_runs_az_is_not_asked_by_that_az_again(plugin_az: Az) -> None:
    plugin = install_plugin(plugin_az)
    plugin.gives(SECRET)
    plugin_az.run(*LOGIN).ok()
    asked = len(plugin.record)
    words = f"'-m', 'azure.cli', 'account', 'get-access-token', '--resource', '{GRAPH}'"
    inner = f"done = subprocess.run([sys.executable, {words}], stderr=subprocess.PIPE, text=True)"
    plugin.becomes(_doing(f"import subprocess, sys; record('asked'); {inner}; raise ValueError(done.stderr[7:])"))
    said = plugin_az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert "runs `az`, which needs a credential of the same plug-in" in said
    assert plugin.record[asked:] == ["imported", "asked"]


def test_the_source_of_a_removed_extension_is_named(plugin_az: Az) -> None:
    plugin = install_plugin(plugin_az)
    plugin.gives(SECRET)
    plugin_az.run(*LOGIN).ok()
    shutil.rmtree(plugin.folder)
    said = plugin_az.run("account", "get-access-token", "--resource", GRAPH).failed().stderr
    assert "the source 'vault' of the extension 'corp', which is not installed" in said
    assert "az extension add --name corp" in said
    assert subscriptions_used(plugin_az)
    plugin_az.run("logout").ok()
    assert not traces(plugin_az, CI_APP)


def test_two_plug_ins_with_the_same_name_are_refused(plugin_az: Az) -> None:
    for name in ("corp", "rival"):
        install_plugin(plugin_az, name=name).gives(SECRET)
    said = plugin_az.run(*LOGIN).failed().stderr
    assert "The extensions 'corp' and 'rival' both have a credential source 'vault'" in said


def test_a_plug_in_cannot_take_a_built_in_name(plugin_az: Az, workload_cloud: LocalCloud) -> None:
    plugin = install_plugin(plugin_az, GIVES + "SOURCES['github'] = Source\n")
    plugin.gives(SECRET)
    said = plugin_az.run(*SERVICE_PRINCIPAL, "--credential-source", "github").failed().stderr
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" in said
    assert plugin.record == []
    assert "has a source with the built-in name 'github'" in plugin_az.run(*LOGIN).ok().stderr


@pytest.mark.parametrize("module", ["os", "azext_other.plugin", "azext_corporate", 5, None, ["azext_corp"]])
def test_metadata_can_name_only_a_module_of_the_extension(plugin_az: Az, module: Any) -> None:
    install_plugin(plugin_az, module="" if module is None else module).gives(SECRET)
    said = plugin_az.run(*LOGIN).failed().stderr
    assert "is not a module in azext_corp" in said
    assert "The credential source 'vault' was not found." in said


def test_a_secret_in_the_failure_of_a_plug_in_is_not_shown(plugin_az: Az, workload_cloud: LocalCloud) -> None:
    token = workload_cloud.admin.issue_assertion(POD)
    raises = f'raise ValueError(".".join({token.split(".")}))'
    install_plugin(plugin_az, _doing(raises))
    az = replace(plugin_az, secrets=(*plugin_az.secrets, token))
    assert "failed with ValueError: ***" in az.run(*LOGIN).failed().stderr
    logged = az.run(*LOGIN, "--debug").stderr
    assert "ValueError: ***" in logged
    assert token not in logged


def test_a_plug_in_may_ask_the_user_in_a_sign_in_at_a_terminal(plugin_az: Az) -> None:
    install_plugin(
        plugin_az,
        GIVES.replace(
            "        with open",
            "        return {'version': 1, 'kind': 'secret', 'secret': input('Vault: ')}\n        with open",
        ),
    )
    terminal = plugin_az.pty(*LOGIN)
    terminal.expect("Vault: ")
    terminal.sendline(CI_SECRET)
    terminal.expect("isDefault")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    # No other command asks.
    said = plugin_az.run("account", "get-access-token", "--resource", VAULT).failed().stderr
    assert "failed with EOFError" in said
