"""Which commands the extension provides, and which function serves each."""

from __future__ import annotations

from typing import Any


def declare_commands(loader: Any) -> None:
    """Fill `loader.command_table` with the commands of this extension."""
    from azure.cli.core.commands import CliCommandType

    from azext_login._format import account_table

    def handlers(module: str) -> Any:
        """Return where handlers are found; the host imports the module of the command that runs, and no other."""
        return CliCommandType(operations_tmpl=f"azext_login.cli.{module}#{{}}")

    accounts, login, renew, tokens = (handlers(module) for module in ("accounts", "login", "renew", "tokens"))

    with loader.command_group("", accounts) as group:
        group.command("login", "login", command_type=login)
        group.command("logout", "logout")

    with loader.command_group("account", accounts) as group:
        group.command("list", "list_accounts", table_transformer=account_table)
        group.command("set", "set_account")
        group.show_command("show", "show_account")
        group.command("clear", "clear_accounts")
        group.command("get-access-token", "get_access_token", command_type=tokens)
        group.command("export-token", "export_token", command_type=tokens)
        group.command("renew", "renew_account", command_type=renew)
