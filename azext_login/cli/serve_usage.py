"""Which arguments of `az account serve-tokens` go together."""

from __future__ import annotations

import argparse

from azext_login.cli.verbatim_words import VerbatimCommand, check_not_read


def check_serve(options: argparse.Namespace, command: VerbatimCommand | None) -> None:
    """Check the options, and the command after `--` if there is one.

    :raises ValueError: `--` without a command, or a command that the host has changed; or options that do not go
        together.
    """
    if command is not None:
        if not command.words:
            raise ValueError(
                "usage error: The command to run is missing after --. Leave out -- to print the variables of the "
                "endpoint and to serve until Ctrl-C."
            )
        check_not_read(command, "az account serve-tokens")
    if options.context and (options.username or options.subscription or options.tenant):
        raise ValueError(
            "usage error: --username, --subscription and --tenant are not applicable with --context, which has all of "
            "them."
        )
