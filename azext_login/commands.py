"""Which commands the extension provides, and which function serves each."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Command -> module of `azext_login.cli` and function in it. A module is imported when one of its commands runs.
HANDLERS = {
    "login": ("login", "login"),
    "logout": ("accounts", "logout"),
    "account list": ("accounts", "list_accounts"),
    "account set": ("accounts", "set_account"),
    "account show": ("accounts", "show_account"),
    "account clear": ("accounts", "clear_accounts"),
    "account get-access-token": ("tokens", "get_access_token"),
    "account export-token": ("tokens", "export_token"),
    "account renew": ("renew", "renew_account"),
}


def declare_commands(loader: Any) -> None:
    """Fill `loader.command_table` with the commands of this extension."""
    from azure.cli.core.commands import CliCommandType

    from azext_login._format import account_table

    for command, (module, function) in HANDLERS.items():
        group_name, _, verb = command.rpartition(" ")
        handlers = CliCommandType(operations_tmpl=f"azext_login.cli.{module}#{{}}")
        with loader.command_group(group_name, handlers) as group:
            if verb == "list":
                group.command(verb, function, table_transformer=account_table)
            elif verb == "show":
                # Exits with 3 for what is not found.
                group.show_command(verb, function)
            else:
                group.command(verb, function)


def handler_of(command: str) -> Any:
    """Return the function that serves a command of this extension."""
    module, function = HANDLERS[command]
    return getattr(import_module(f"azext_login.cli.{module}"), function)
