"""An option is declared once: the record, the handler's signature and the registered argument follow from it."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from azure.cli.core.azclierror import MutuallyExclusiveArgumentError
from knack.arguments import CLIArgumentType

from azext_login import _completers, _params, _validators, commands, host
from azext_login.cli.login_options import LoginOptions
from azext_login.cli.options import given_options, option, options_of, secret_options, serves
from azext_login.errors import AccountError


@dataclass(frozen=True, kw_only=True)
class Options:
    """Two options of the host, and two of ours."""

    quiet: bool = option("--quiet", default=False, help="Ours.")
    secret: str | None = option("--secret-word", "-w", is_secret=True)
    name: str = option("--name", default=dataclasses.MISSING, type=str.upper)
    size: str | None = option("--size", "-z", choices=("small", "large"), help="Ours, in plain English.", group="Ours")


def _host_handler(cmd: Any, size: str | None = None, name: str = "", tomorrow: str | None = None) -> tuple[Any, ...]:
    return ("host", size, name, tomorrow)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A handler of ours for a command that the host has too."""
    monkeypatch.setattr(host, "host_operation", lambda command: _host_handler)
    monkeypatch.setattr(host, "_HOST_OPERATIONS", {"do": "do"})
    host.host_signature.cache_clear()

    @serves("do", Options)
    def do(cmd: Any, options: Options) -> tuple[Any, ...]:
        return ("ours", options)

    yield do
    host.host_signature.cache_clear()


def test_the_signature_has_the_hosts_parameters_first_and_in_its_order(handler: Any) -> None:
    parameters = inspect.signature(handler).parameters
    assert list(parameters) == ["cmd", "size", "name", "tomorrow", "quiet", "secret"]
    assert parameters["quiet"].default is False
    assert parameters["name"].default is inspect.Parameter.empty


def test_the_handler_gets_the_record(handler: Any) -> None:
    assert handler("cmd", name="n", size="s", tomorrow=None) == ("ours", Options(name="n", size="s"))


def test_a_terminal_obeys_nothing_in_an_error(handler: Any) -> None:
    @serves("do", Options)
    def fail(cmd: Any, options: Options) -> None:
        raise AccountError("a\x1b[31m\u202eb\nc", "d\x07e")

    with pytest.raises(AccountError) as caught:
        fail("cmd", name="n")
    assert (caught.value.error_msg, caught.value.recommendations) == ("a[31mb\nc", ["de"])


def test_an_option_that_only_the_host_knows_goes_to_the_host(handler: Any) -> None:
    assert handler("cmd", name="n", quiet=False, tomorrow="t") == ("host", None, "n", "t")


def test_the_host_is_not_called_without_an_option_that_it_does_not_have(handler: Any) -> None:
    with pytest.raises(MutuallyExclusiveArgumentError, match=r"^--quiet, --secret-word cannot be combined"):
        handler("cmd", name="n", quiet=True, secret="s", tomorrow="t")


def test_secrets_are_known_and_not_shown() -> None:
    assert secret_options(Options) == ("--secret-word",)
    assert "hunter2" not in repr(Options(name="n", secret="hunter2"))


def test_given_options_have_the_names_that_users_write() -> None:
    given = Options(name="n", secret="s", quiet=True)
    assert given_options(given, ("secret", "size", "quiet")) == ["--secret-word", "--quiet"]


class _Loader:
    """Keeps what is registered in a scope, as the host's loader does."""

    def __init__(self, **registered: CLIArgumentType) -> None:
        self.argument_registry = SimpleNamespace(arguments=defaultdict(dict, {"do": registered}))
        self.settings: dict[str, dict[str, Any]] = {}

    @contextmanager
    def argument_context(self, scope: str) -> Iterator[_Loader]:
        yield self

    def argument(self, destination: str, registered: CLIArgumentType | None, **settings: Any) -> None:
        self.settings[destination] = {**(registered.settings if registered else {}), **settings}


@pytest.fixture
def registered(handler: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    monkeypatch.setattr(_params, "HANDLERS", {"do": ("module", "do")})
    monkeypatch.setattr(_params, "handler_of", lambda command: handler)
    size = CLIArgumentType(options_list=["--size", "--width"], choices=["s", "m"], help="The host's.", arg_group="Host")
    loader = _Loader(size=size)
    _params.declare_arguments(loader, "do")
    return loader.settings


def test_an_option_of_ours_is_registered_with_its_spellings(registered: dict[str, dict[str, Any]]) -> None:
    assert registered["quiet"] == {"options_list": ["--quiet"], "help": "Ours."}
    assert registered["secret"] == {"options_list": ["--secret-word", "-w"]}


def test_an_option_of_the_host_keeps_its_spellings_values_and_group(registered: dict[str, dict[str, Any]]) -> None:
    size = registered["size"]
    assert (size["options_list"], size["choices"], size["arg_group"]) == (["--size", "--width"], ["s", "m"], "Host")
    assert size["help"] == "Ours, in plain English."


def test_an_option_that_a_later_host_has_too_is_still_checked(registered: dict[str, dict[str, Any]]) -> None:
    assert registered["name"]["type"] is options_of(Options)["name"].type


@pytest.mark.parametrize("command", commands.HANDLERS)
def test_declarations_name_what_exists_and_every_option_of_ours_has_a_help(command: str) -> None:
    for destination, declared in commands.handler_of(command).options.items():
        assert declared.strings[0].startswith("--"), destination
        assert declared.validator is None or callable(getattr(_validators, declared.validator))
        assert declared.completer is None or callable(getattr(_completers, declared.completer))
        assert declared.help or destination in host.host_signature(command), destination


@pytest.mark.parametrize("text", ["0", "65536", "-1", "+80", " 80", "8_0", "٣", "1e3", "", "099"])
def test_a_redirect_port_is_a_number_from_1_to_65535(text: str) -> None:
    convert = options_of(LoginOptions)["redirect_port"].type
    assert convert is not None
    assert (convert("1"), convert("65535")) == (1, 65535)
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 65535"):
        convert(text)
