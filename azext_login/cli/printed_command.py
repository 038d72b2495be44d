"""The command that an error advises to run: derived from the options of the command that ran, without its secrets."""

from __future__ import annotations

import dataclasses

from azext_login.cli.login_options import LoginOptions
from azext_login.cli.options import options_of
from azext_login.system.command_line import AZ_LOGIN, Command

# How the user gives a secret again: on standard input, or in a file where another secret may need standard input.
_SECRETS = {"password": "@-", "client_assertion": "@FILE"}

# The kind of the account, or of the flow, comes first.
_FIRST = ("service_principal", "identity", "from_env", "use_device_code")


def printed_login(options: LoginOptions) -> Command:
    """Return the `az login` that repeats a sign-in. Each secret is replaced with the way to give it again."""
    command, described = AZ_LOGIN, options_of(LoginOptions)
    for field in sorted(dataclasses.fields(options), key=lambda field: field.name not in _FIRST):
        value = getattr(options, field.name)
        if value == field.default or value in (None, False, "", ()):
            continue
        if not field.repr:
            values = [_SECRETS[field.name]]
        elif value is True:
            values = []
        else:
            values = list(map(str, value)) if isinstance(value, (list, tuple)) else [str(value)]
        command = command.with_option(described[field.name].name, *values)
    return command
