"""Options without a value, as from a variable that is not set: every option of every command."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from azext_login.cli.empty_values import RULES
from azext_login.commands import HANDLERS, handler_of
from tests.harness.az import Az
from tests.localcloud import CI_APP, CI_SECRET
from tests.users import ALICE

_ALICE = ("--username", ALICE, "--password=alice-local-password")
_APP = ("--service-principal", "--username", CI_APP, "--tenant", "contoso.example")
_SECRET = (*_APP, f"--password={CI_SECRET}")
_GRAPH = "https://graph.microsoft.com/.default"
_EXPORT = ("--format", "header")
_CONTEXT = ("--name", "production")

# Command, option -> the rest of the command line, the exit code with an empty value, and with blanks.
# 0: the built-in command succeeds too, and there is a warning. 1, 2: an error that names the option.
_TABLE: dict[tuple[str, str], list[tuple[tuple[str, ...], int, int]]] = {
    ("login", "--username"): [(("--service-principal", "--password=x", "--tenant", "contoso.example"), 1, 1)],
    ("login", "--password"): [(_APP, 1, 1)],
    ("login", "--tenant"): [(_ALICE, 2, 2), (("--identity",), 2, 2)],
    ("login", "--scope"): [(_ALICE, 0, 0), (_SECRET, 1, 1)],
    ("login", "--claims-challenge"): [(_ALICE, 0, 0)],
    ("login", "--redirect-port"): [((), 2, 2)],
    ("login", "--app-client-id"): [((), 2, 2)],
    ("login", "--certificate"): [(_APP, 1, 1), (_SECRET, 0, 0), (_ALICE, 0, 0)],
    ("login", "--federated-token"): [(_APP, 1, 1), (_SECRET, 0, 0), (_ALICE, 0, 0)],
    ("login", "--federated-token-file"): [(_APP, 1, 1), (_SECRET, 1, 1)],
    ("login", "--federated-token-source"): [(_APP, 2, 2)],
    ("login", "--service-connection-id"): [((*_APP, "--federated-token-source", "azure-pipelines"), 1, 1)],
    ("login", "--access-token"): [((), 1, 1), (_SECRET, 1, 1)],
    ("login", "--credential-source"): [(_APP, 1, 1), (_SECRET, 1, 1)],
    ("login", "--source-arg"): [((*_APP, "--credential-source", "command"), 1, 1)],
    ("login", "--client-id"): [(_ALICE, 0, 0)],
    ("login", "--object-id"): [(_ALICE, 0, 0)],
    ("login", "--resource-id"): [(_ALICE, 0, 0)],
    ("login", "--subscription"): [(_ALICE, 0, 1)],
    ("login", "--exclude-tenant"): [(_ALICE, 2, 2)],
    ("logout", "--username"): [((), 0, 0)],
    ("account list", "--tenant"): [((), 1, 1), (("--refresh",), 2, 2)],
    ("account list", "--exclude-tenant"): [(("--refresh",), 2, 2)],
    ("account set", "--subscription"): [((), 1, 1)],
    ("account set", "--username"): [(("--subscription", "Contoso Development"), 1, 1)],
    ("account set", "--tenant"): [(("--subscription", "Contoso Development"), 1, 1)],
    ("account show", "--subscription"): [((), 0, 1)],
    ("account get-access-token", "--subscription"): [((), 0, 1)],
    ("account get-access-token", "--resource-type"): [((), 2, 2)],
    ("account get-access-token", "--resource"): [((), 0, 1), (("--scope", _GRAPH), 0, 0)],
    ("account get-access-token", "--scope"): [((), 0, 0)],
    ("account get-access-token", "--tenant"): [((), 0, 1)],
    ("account get-access-token", "--username"): [((), 1, 1)],
    ("account get-access-token", "--app-client-id"): [((), 2, 2)],
    ("account get-access-token", "--min-validity"): [((), 2, 2)],
    ("account get-access-token", "--claims-challenge"): [((), 1, 1)],
    ("account export-token", "--subscription"): [(_EXPORT, 1, 1)],
    ("account export-token", "--resource-type"): [(_EXPORT, 2, 2)],
    ("account export-token", "--resource"): [(_EXPORT, 1, 1)],
    ("account export-token", "--scope"): [(_EXPORT, 1, 1)],
    ("account export-token", "--tenant"): [(_EXPORT, 1, 1)],
    ("account export-token", "--username"): [(_EXPORT, 1, 1)],
    ("account export-token", "--app-client-id"): [(_EXPORT, 2, 2)],
    ("account export-token", "--min-validity"): [(_EXPORT, 2, 2)],
    ("account export-token", "--claims-challenge"): [(_EXPORT, 1, 1)],
    ("account export-token", "--format"): [((), 2, 2)],
    ("account export-token", "--allow-host"): [(("--format", "git"), 2, 2)],
    ("account serve-tokens", "--subscription"): [((), 1, 1)],
    ("account serve-tokens", "--username"): [((), 1, 1)],
    ("account serve-tokens", "--tenant"): [((), 1, 1)],
    ("account serve-tokens", "--context"): [((), 1, 1)],
    ("account serve-tokens", "--allow-resource"): [((), 2, 2)],
    ("account serve-tokens", "--port"): [((), 2, 2)],
    ("account serve-tokens", "--bind"): [((), 2, 2)],
    ("account renew", "--username"): [((), 1, 1)],
    ("account renew", "--tenant"): [((), 1, 1)],
    ("account status", "--username"): [((), 1, 1)],
    ("account status", "--tenant"): [((), 1, 1)],
    ("account status", "--scope"): [((), 1, 1)],
    ("account status", "--check"): [((), 2, 2)],
    ("account context show", "--name"): [((), 1, 1)],
    ("account context create", "--name"): [((), 1, 1)],
    ("account context create", "--subscription"): [(_CONTEXT, 1, 1)],
    ("account context create", "--username"): [(_CONTEXT, 1, 1)],
    ("account context create", "--tenant"): [(_CONTEXT, 1, 1)],
    ("account context update", "--name"): [(("--username", ALICE), 1, 1)],
    ("account context update", "--subscription"): [(_CONTEXT, 1, 1)],
    ("account context update", "--username"): [(_CONTEXT, 1, 1)],
    ("account context update", "--tenant"): [(_CONTEXT, 1, 1)],
    ("account context rename", "--name"): [(("--new-name", "other"), 1, 1)],
    ("account context rename", "--new-name"): [(_CONTEXT, 1, 1)],
    ("account context delete", "--name"): [(("--yes",), 1, 1)],
    ("account context use", "--name"): [((), 1, 1)],
    ("account context pin", "--name"): [((), 1, 1)],
    ("account context run", "--context"): [((), 2, 1)],
    ("account context hook", "--shell"): [((), 2, 2)],
    ("account token-helper install", "--to"): [((), 1, 1)],
    ("account token-helper uninstall", "--to"): [((), 1, 1)],
    ("account token-helper status", "--to"): [((), 1, 1)],
    ("account context run", "--from"): [(("--isolated",), 1, 1)],
}

# Command -> what has to come last.
_LAST = {"account context run": ("--", "true"), "account serve-tokens": ("--", "true")}


def _options_with_values() -> Iterator[tuple[str, str]]:
    switches = ("service_principal", "use_cert_sn_issuer")
    for command in HANDLERS:
        parameters = inspect.signature(handler_of(command)).parameters
        for name, option in handler_of(command).options.items():
            if not isinstance(parameters[name].default, bool) and name not in switches:
                yield command, option.name


def test_the_table_has_every_option_that_takes_a_value() -> None:
    assert set(_options_with_values()) == set(_TABLE)


def test_every_rule_exists_and_belongs_to_an_option() -> None:
    named = {option.when_empty for command in HANDLERS for option in handler_of(command).options.values()}
    assert named - {None} == set(RULES)


@pytest.mark.parametrize("command, option", _TABLE)
def test_an_empty_value_is_named(signed_in: Az, command: str, option: str) -> None:
    for rest, *codes in _TABLE[command, option]:
        for value, code in zip(("", " "), codes, strict=True):
            result = signed_in.run(*command.split(), *rest, option, value, *_LAST.get(command, ()))
            assert result.exit_code == code, result
            assert _names(result.stderr, option), result
            assert "Traceback" not in result.stderr
            if option == "--username" and command == "logout" and not value:
                signed_in.run("login", *_ALICE).ok()


def _names(stderr: str, option: str) -> bool:
    """Tell whether the option is named, apart from the examples that the parser adds; `logout` names the account."""
    message = stderr.partition("Examples from")[0].partition("leave it out")[0]
    return bool(re.search(rf"{option}\b|password that was given is empty|' ' is not", message))


@pytest.mark.parametrize(
    "options, consequence",
    [
        (("--client-id", ""), "--client-id is empty, so the system-assigned managed identity signs in."),
        (("--object-id=",), "--object-id is empty, so the system-assigned managed identity signs in."),
        (("--resource-id", "", "--username", ""), "--username is empty, so it is ignored."),
    ],
)
def test_a_managed_identity_without_an_id_signs_in_with_a_warning(
    az: Az, cloud: object, options: tuple[str, ...], consequence: str
) -> None:
    result = az.run("login", "--identity", *options, env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9"})
    assert consequence in result.stderr
    quiet = az.run(
        "login", "--identity", *options, "--only-show-errors",
        env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert "is empty" not in quiet.stderr


def test_the_blank_part_of_a_list_is_left_out(signed_in: Az) -> None:
    expected = signed_in.run("account", "get-access-token", "--scope", _GRAPH).ok().json()["accessToken"]
    result = signed_in.run("account", "get-access-token", "--scope", "", _GRAPH).ok()
    assert result.json()["accessToken"] == expected
    assert "--scope is empty, so it is ignored." in result.stderr


def test_an_empty_scope_is_refused_for_a_service_principal_as_built_in(az: Az) -> None:
    az.run("login", *_SECRET).ok()
    refused = az.run("account", "get-access-token", "--scope", "").failed()
    assert "usage error: '--scope' is empty" in refused.stderr
    assert "az login" not in refused.stderr


@pytest.mark.parametrize(
    "options, used",
    [
        (("--subscription", "", "--name", "Fabrikam Main"), "--subscription is empty, so it is ignored, and --name"),
        (("--subscription", "Fabrikam Main", "--name", ""), "--name is empty, so it is ignored, and --subscription"),
    ],
)
def test_of_two_names_of_a_subscription_the_one_with_a_value_counts(
    signed_in: Az, options: tuple[str, ...], used: str
) -> None:
    wanted = signed_in.run("account", "show", "--subscription", "Fabrikam Main").ok().json()["id"]
    result = signed_in.run("account", "get-access-token", *options).ok()
    assert (result.json()["subscription"], used in result.stderr) == (wanted, True)
