"""The command loader of the `login` extension."""

from __future__ import annotations

from typing import Any

from azure.cli.core import AzCommandsLoader

from azext_login.host_index import needs_our_commands


class LoginCommandsLoader(AzCommandsLoader):  # type: ignore[misc]  # the host is untyped
    """Declare our commands, or, for a command that is not ours, nothing but the hooks.

    The host decides by `get_command_loader` which loader it takes, before it tells for which command. So this one
    loader is always taken, and decides when it has the words of the command.
    """

    # The host's index of commands has the module of the loader, and has to find the extension by it (azure.cli.core,
    # `CommandIndex.update`).
    __module__ = "azext_login"

    def load_command_table(self, args: list[str] | None) -> Any:
        """Return the table with our commands; it is empty if the host needs none of them.

        The host calls this when it has the words of the command, before it writes them to its log.
        """
        if needs_our_commands(self.cli_ctx, args):
            from azext_login.commands import declare_commands

            declare_commands(self, args)
        from azext_login.hooks.events import register_hooks

        register_hooks(self)
        return self.command_table

    def load_arguments(self, command: str) -> None:
        """Register the host's arguments for `command`, then ours on top.

        Registering an argument in a scope discards the host's registrations of that scope, so ours begins with all of
        them. That also keeps the options that a future azure-cli adds.
        """
        if not self.command_table:
            return
        from azext_login._params import declare_arguments
        from azext_login.host import declare_host_arguments

        declare_host_arguments(self, command)
        declare_arguments(self, command)
