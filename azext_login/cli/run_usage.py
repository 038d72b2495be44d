"""Which arguments of `az account context run` go together."""

from __future__ import annotations

import argparse

from azext_login.cli.verbatim_words import MISSING_COMMAND, VerbatimCommand, check_not_read


def check_run(options: argparse.Namespace, command: VerbatimCommand | None) -> None:
    """Check the options and the command after `--`.

    :raises ValueError: no command is given, or one that the host has changed; or options that do not go together.
    """
    if command is None or not command.words:
        raise ValueError(MISSING_COMMAND)
    check_not_read(command, "az account context run --context dev")
    if options.isolated and options.context:
        raise ValueError(
            "usage error: --context is not applicable with --isolated. To copy the sign-in of a context, write "
            "--from in place of --context."
        )
    if options.from_context and not options.isolated:
        raise ValueError("usage error: --from is only applicable with --isolated. To run in a context, use --context.")
    if not (options.context or options.isolated):
        raise ValueError(
            "usage error: --context is missing. To list the contexts, run `az account context list --output table`. "
            "To run without any account, use --isolated."
        )
