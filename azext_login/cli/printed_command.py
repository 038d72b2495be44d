"""The command that an error advises to run: derived from the options of the command that ran, without its secrets."""

from __future__ import annotations

import dataclasses
from typing import Any

from azext_login.cli.options import options_of
from azext_login.host import output_options
from azext_login.system.command_line import Command

# How the user gives a secret again: on standard input, or in a file where another secret may need standard input.
_SECRETS = {"password": "@-", "client_assertion": "@FILE", "access_token": "@-"}

# The kind of the account, or of the flow, comes first.
_FIRST = ("service_principal", "identity", "from_env", "use_device_code", "token_format")


def printed_command(cmd: Any, options: Any) -> Command:
    """Return the command that repeats the running one, with what was given for --query and --output.

    Each secret is replaced with the way to give it again.

    :param cmd: the host's command, which the handler gets.
    :param options: the record of its options.
    """
    command = Command(("az", *cmd.name.split()))
    described = options_of(type(options))
    for field in sorted(dataclasses.fields(options), key=lambda field: field.name not in _FIRST):
        value = getattr(options, field.name)
        if not value or value == field.default:
            continue
        values = [_SECRETS[field.name]] if not field.repr else _words_of(value)
        command = command.with_option(described[field.name].name, *values)
    for name, value in output_options(cmd.cli_ctx).items():
        command = command.with_option(name, value)
    return command


def _words_of(value: Any) -> list[str]:
    """Return the words that the parser turns into this value."""
    if value is True:
        return []
    if isinstance(value, float):
        # --min-validity takes whole seconds.
        value = int(value)
    return list(map(str, value)) if isinstance(value, (list, tuple)) else [str(value)]
