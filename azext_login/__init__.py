"""The command loader of the `login` extension: what the host imports, and nothing else."""

from __future__ import annotations

import os
import sys
from typing import Any

from azure.cli.command_modules.profile import ProfileCommandsLoader


class LoginCommandsLoader(ProfileCommandsLoader):  # type: ignore[misc]  # the host is untyped
    """Declare our commands over the host's, and start every argument scope from the host's own.

    Registering an argument in a scope discards the host's registrations of that scope, so ours begins with all of them.
    Subclassing the host's loader does that, and keeps the options that a future azure-cli adds.
    """

    def __init__(self, cli_ctx: Any = None) -> None:
        from azext_login.cli.collector import pause

        pause(cli_ctx)
        if sys.stderr is None:
            # Closed (`2>&-`). The host would print its advice on standard output, which is for results.
            sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the rest of the process
        super().__init__(cli_ctx=cli_ctx)
        from azext_login import _help  # noqa: F401  # importing it registers the help texts
        from azext_login._format import register_table_hook
        from azext_login._parser import register_parser_hooks
        from azext_login.cli.results import register_result_hook

        register_parser_hooks(self)
        register_result_hook(cli_ctx)
        register_table_hook(cli_ctx)

    def load_command_table(self, args: list[str] | None) -> Any:
        """Return the table with our commands only; the host's loader has already registered its own commands.

        The host calls this when it has the words of the command, before it writes them to its log.
        """
        from azext_login.cli.secret_words import prepare_secrets
        from azext_login.commands import declare_commands

        if args:
            prepare_secrets(args, sys.argv[1:])
        declare_commands(self)
        return self.command_table

    def load_arguments(self, command: str) -> None:
        """Register the host's arguments for `command`, then ours on top."""
        super().load_arguments(command)
        from azext_login._params import declare_arguments

        declare_arguments(self, command)


COMMAND_LOADER_CLS = LoginCommandsLoader
