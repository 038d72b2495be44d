"""Which arguments of `az account context run` go together."""

from __future__ import annotations

import argparse

from azext_login.cli.verbatim_words import MISSING_COMMAND, VerbatimCommand
from azext_login.system.text import printable, shorten

_LONGEST_WORD = 100  # characters


def check_run(options: argparse.Namespace, command: VerbatimCommand | None) -> None:
    """Check the options and the command after `--`.

    :raises ValueError: no command is given, or one that the host has changed; or options that do not go together.
    """
    if command is None or not command.words:
        raise ValueError(MISSING_COMMAND)
    if command.read_word is not None:
        word = shorten(printable(command.read_word), _LONGEST_WORD)
        raise ValueError(
            f"usage error: Before the command could run, the Azure CLI has read what {word} stands for, so the command "
            "could not read it again. Give the whole command to a shell as one word, for example:\n"
            "az account context run --context dev -- sh -c 'curl --data @- https://contoso.com'"
        )
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
