"""The command that an error advises to run."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.entra.application import authority_errors
from azext_login.auth.entra.errors import Attempt, explain, unknown_tenant
from azext_login.auth.managed_identity.cloud_shell import CloudShellCredential
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.login_usage import check_usage
from azext_login.cli.options import options_of
from azext_login.cli.passwords import obtain_secret
from azext_login.cli.printed_command import printed_command
from azext_login.system.command_line import Command
from azext_login.system.login_command import another_way, one_tenant
from tests.hostile_words import HOSTILE_WORDS

_FIELDS = {field.name: field for field in dataclasses.fields(LoginOptions)}
_OPTIONS = options_of(LoginOptions)


_HOST = SimpleNamespace(
    invocation=SimpleNamespace(data={}), config=SimpleNamespace(get=lambda *names, fallback: fallback)
)


def _printed_login(options: LoginOptions) -> Command:
    return printed_command(SimpleNamespace(name="login", cli_ctx=_HOST), options)


def _value(name: str, text: str) -> Any:
    if name in ("scopes", "exclude_tenants"):
        return [text, "second"]
    if name == "redirect_port":
        return 8400
    return True if _OPTIONS[name].nargs is None and _is_switch(name) else text


def _is_switch(name: str) -> bool:
    return "bool" in str(_FIELDS[name].type)


def _expected(name: str, value: Any) -> list[str]:
    option = _OPTIONS[name].name
    if name == "password":
        return ["--password=@-"]
    if name == "access_token":
        return ["--access-token=@-"]
    if name == "client_assertion":
        return ["--federated-token=@FILE"]
    if value is True:
        return [option]
    if isinstance(value, list):
        return [option, *value]
    return [f"{option}={value}"] if str(value).startswith("-") else [option, str(value)]


@pytest.mark.parametrize("name", _FIELDS)
def test_every_option_of_the_sign_in_is_repeated_and_no_secret(name: str) -> None:
    for text in HOSTILE_WORDS:
        value = _value(name, text)
        words = shlex.split(str(_printed_login(LoginOptions(**{name: value}))))
        assert words == ["az", "login", *(_expected(name, value) if value else [])]


@pytest.mark.parametrize("name", _FIELDS)
def test_an_option_that_was_not_given_is_not_repeated(name: str) -> None:
    default: Any = _FIELDS[name].default
    assert str(_printed_login(LoginOptions(**{name: default}))) == "az login"


def _advice(options: LoginOptions, code: int, **attempt: Any) -> str:
    answer = {"error": "invalid_grant", "error_codes": [code], "error_description": f"AADSTS{code}: No."}
    error = explain(answer, Attempt(command=_printed_login(options), **attempt))
    return str(error.recommendations[0]).splitlines()[-1]


def test_a_refusal_repeats_the_flow_and_adds_the_tenant_and_the_scopes() -> None:
    options = LoginOptions(use_device_code=True, allow_no_subscriptions=True, exclude_tenants=["x"])
    command = _advice(options, 50076, tenant="t", scopes=["https://v/.default"])
    assert command == "az login --use-device-code --allow-no-subscriptions --tenant t --scope https://v/.default"


def test_interactive_authentication_needs_no_user_name_and_no_password() -> None:
    options = LoginOptions(username="mia@woodgrove.example", password="secret", allow_no_subscriptions=True)
    command = _advice(options, 50076, username=options.username, with_password=True)
    assert command == "az login --allow-no-subscriptions --tenant woodgrove.example"


def test_a_wrong_password_is_given_again_on_standard_input() -> None:
    options = LoginOptions(username="mia@woodgrove.example", password="secret")
    command = _advice(options, 50126, username=options.username, with_password=True)
    assert command == "az login --username mia@woodgrove.example --password=@-"


@pytest.mark.parametrize("options", [LoginOptions(from_env=True), LoginOptions(identity=True, client_id="c")])
def test_the_tenant_of_an_account_that_the_environment_describes_is_not_added(options: LoginOptions) -> None:
    command = _advice(options, 7000215, tenant="t", service_principal=True)
    assert command == str(_printed_login(options))
    assert "--tenant" not in command


# Advice that changes the command that ran

_RAN = _printed_login(LoginOptions(use_device_code=True, tenant="t t", scopes=["s"], allow_no_subscriptions=True))
_REST = '--tenant "t t" --scope s --allow-no-subscriptions'


def _federation_server() -> None:
    with authority_errors("https://login.example", again=_RAN):
        raise SyntaxError("not XML")


def _password_of_other_bytes() -> None:
    obtain_secret("\udce4", command=_RAN)


def _no_cloud_shell() -> None:
    http: Any = SimpleNamespace(headers={})
    CloudShellCredential(http=http, environ={}, command=_RAN).token(["s"])


def _unknown_tenant() -> None:
    raise unknown_tenant("x", "https://login.example", {}, _RAN)


@pytest.mark.parametrize(
    ("fail", "advised"),
    [
        (_federation_server, f"az login {_REST}"),
        (_password_of_other_bytes, f"az login --use-device-code {_REST} --password=@FILE"),
        (_no_cloud_shell, f"az login {_REST}"),
        (_unknown_tenant, "az login --use-device-code --tenant TENANT --scope s --allow-no-subscriptions"),
    ],
)
def test_advice_repeats_what_the_sign_in_was_for(fail: Callable[[], None], advised: str) -> None:
    with pytest.raises(AzCLIError) as caught:
        fail()
    assert caught.value.recommendations[0].splitlines()[-1] == advised


def test_a_list_that_is_too_long_repeats_the_sign_in_for_one_tenant() -> None:
    command = str(one_tenant(_RAN.with_option("--exclude-tenant", "x")))
    assert command == "az login --use-device-code --tenant TENANT --scope s --allow-no-subscriptions"


@pytest.mark.parametrize("ways", [(), ("--use-device-code",), ("--from-env",), ("--identity",)])
@pytest.mark.parametrize(
    "options",
    [
        LoginOptions(no_browser=True, redirect_port=1, exclude_tenants=["x"], subscription="s"),
        LoginOptions(username="a", password="b", tenant="t", skip_subscription_discovery=True),
        LoginOptions(service_principal=True, username="a", certificate="c", tenant="t", no_store_secret=True),
        LoginOptions(identity=True, client_id="c", allow_no_subscriptions=True),
        LoginOptions(from_env=True, skip_subscription_discovery=True),
    ],
    ids=["browser", "password", "service principal", "identity", "environment"],
)
def test_another_way_to_sign_in_goes_together_with_what_is_repeated(options: LoginOptions, ways: Sequence[str]) -> None:
    command = another_way(_printed_login(options), *ways)
    fields = {described.name: name for name, described in _OPTIONS.items()}
    given: dict[str, Any] = {}
    for name, values in command.options:
        given[fields[name]] = list(values) if name == "--exclude-tenant" else values[0] if values else True
    check_usage(LoginOptions(**given))
