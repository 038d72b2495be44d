"""Which commands the extension provides, and which function serves each."""

from __future__ import annotations

from typing import Any


def declare_commands(loader: Any) -> None:
    """Fill `loader.command_table` with the commands of this extension."""
    from azure.cli.core.commands import CliCommandType

    from azext_login._format import account_table

    operations = CliCommandType(operations_tmpl="azext_login.cli.accounts#{}")

    with loader.command_group("", operations) as group:
        group.command("login", "login")
        group.command("logout", "logout")

    with loader.command_group("account", operations) as group:
        group.command("list", "list_accounts", table_transformer=account_table)
        group.command("set", "set_account")
        group.show_command("show", "show_account")
        group.command("clear", "clear_accounts")
        group.command("get-access-token", "get_access_token")
        group.command("export-token", "export_token")
        group.command("renew", "renew_account")
