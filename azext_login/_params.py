"""Registers the arguments of our commands, on top of the host's own registration."""

from __future__ import annotations

from functools import cache
from typing import Any

from azext_login import _completers, _validators
from azext_login.cli.options import Option
from azext_login.commands import HANDLERS, handler_of
from azext_login.host import host_signature


def declare_arguments(loader: Any, command: str) -> None:
    """Register the options of a command; its handler declares them (see `azext_login.cli.options`).

    :param command: '' for all commands, which is what the host asks for when it documents them.
    """
    for scope in [command] if command in HANDLERS else HANDLERS:
        with loader.argument_context(scope) as context:
            for destination, option in handler_of(scope).options.items():
                # Registering an argument replaces the host's registration, so ours has to include it.
                registered = loader.argument_registry.arguments[scope].get(destination)
                settings = _settings(option, registered)
                if destination in host_signature(scope):
                    context.argument(destination, registered, **settings)
                else:
                    context.argument(destination, _values(option), options_list=list(option.strings), **settings)


def _settings(option: Option, registered: Any) -> dict[str, Any]:
    """Return what an option adds to the host's registration."""
    settings = {
        "help": option.help,
        "arg_group": None if registered is not None and registered.settings.get("arg_group") else option.group,
        "validator": getattr(_validators, option.validator) if option.validator else None,
        "completer": getattr(_completers, option.completer) if option.completer else None,
        "action": getattr(_validators, option.action, option.action) if option.action else None,
        # A value that a later host declares without this check would not be what the handler expects.
        "type": option.type,
        "required": option.is_required() if option.is_required else None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _values(option: Option) -> Any:
    """Return which values an option of ours takes, as the host wants to know it."""
    from azure.cli.core.commands.parameters import get_enum_type
    from knack.arguments import CLIArgumentType

    if option.choices:
        return get_enum_type(option.choices)
    return CLIArgumentType(**({"nargs": option.nargs} if option.nargs else {}))


@cache
def added_options(command: str) -> frozenset[str]:
    """Return the destinations of the options that this extension adds to a command of the host.

    Newer hosts have some of them. A command that the host does not have is all ours, and adds nothing to it.
    """
    of_host = host_signature(command)
    return frozenset(handler_of(command).options) - frozenset(of_host) if of_host else frozenset()
