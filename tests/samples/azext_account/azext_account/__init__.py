"""The command names of the official extension `account`, version 0.2.5, without its code.

`tenant list`, `subscription list`, `subscription show` and `subscription list-location` send the requests that the
official ones send. The others return their names.
"""

from __future__ import annotations

from typing import Any

from azure.cli.core import AzCommandsLoader

COMMANDS = {
    "account alias": ("create", "list", "show", "delete", "wait"),
    "account subscription": (
        "list", "show", "rename", "cancel", "enable", "list-location", "accept-ownership", "accept-ownership-status",
    ),
    "account tenant": ("list",),
}  # fmt: skip


class AccountCommandsLoader(AzCommandsLoader):  # type: ignore[misc]  # the host is untyped
    """Declares the commands."""

    def load_command_table(self, args: list[str] | None) -> Any:
        """Return the commands."""
        from azure.cli.core.commands import CliCommandType

        functions = CliCommandType(operations_tmpl="azext_account#{}")
        for group_name, names in COMMANDS.items():
            with self.command_group(group_name, functions) as group:
                for name in names:
                    function = f"{group_name.split()[1]}_{name}".replace("-", "_")
                    group.command(name, function if function in globals() else "return_name")
        return self.command_table

    def load_arguments(self, command: str) -> None:
        """Register the arguments."""
        for name in ("show", "list-location"):
            with self.argument_context(f"account subscription {name}") as context:
                context.argument("subscription_id", options_list=["--subscription-id", "--id"])


COMMAND_LOADER_CLS = AccountCommandsLoader


def return_name(cmd: Any) -> dict[str, str]:
    """Return the name of the command."""
    return {"extension": "account", "command": cmd.name}


def tenant_list(cmd: Any) -> Any:
    """List the tenants of the account."""
    return _get(cmd, "/tenants")["value"]


def subscription_list(cmd: Any) -> Any:
    """List the subscriptions of the account in the tenant of the token."""
    return _get(cmd, "/subscriptions")["value"]


def subscription_show(cmd: Any, subscription_id: str) -> Any:
    """Show a subscription."""
    return _get(cmd, f"/subscriptions/{subscription_id}")


def subscription_list_location(cmd: Any, subscription_id: str) -> Any:
    """List the locations of a subscription."""
    return _get(cmd, f"/subscriptions/{subscription_id}/locations")["value"]


def _get(cmd: Any, path: str) -> Any:
    from azure.cli.core.util import send_raw_request

    return send_raw_request(cmd.cli_ctx, "GET", f"{path}?api-version=2022-12-01").json()
