"""The command that an error advises to run."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

import pytest

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.options import options_of
from azext_login.cli.printed_command import printed_login
from tests.hostile_words import HOSTILE_WORDS

_FIELDS = {field.name: field for field in dataclasses.fields(LoginOptions)}
_OPTIONS = options_of(LoginOptions)


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
        words = shlex.split(str(printed_login(LoginOptions(**{name: value}))))
        assert words == ["az", "login", *(_expected(name, value) if value else [])]


@pytest.mark.parametrize("name", _FIELDS)
def test_an_option_that_was_not_given_is_not_repeated(name: str) -> None:
    default: Any = _FIELDS[name].default
    assert str(printed_login(LoginOptions(**{name: default}))) == "az login"


def _advice(options: LoginOptions, code: int, **attempt: Any) -> str:
    answer = {"error": "invalid_grant", "error_codes": [code], "error_description": f"AADSTS{code}: No."}
    error = explain(answer, Attempt(command=printed_login(options), **attempt))
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
    assert command == str(printed_login(options))
    assert "--tenant" not in command
