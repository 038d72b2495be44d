"""Obtains secrets that no option gives: it asks for them on the terminal, without showing them."""

from __future__ import annotations

import sys

from azext_login.errors import AccountError
from azext_login.system.command_line import Command
from azext_login.system.login_command import with_password
from azext_login.system.terminal import streams
from azext_login.system.text import is_utf_8


def obtain_secret(given: str | None, *, command: Command) -> str:
    """Return the user's password or the client secret that --password gives, or else ask for it on the terminal.

    :param command: the `az login` that runs, for the advice.
    :raises AccountError: the secret is missing and there is no terminal to ask on, or it cannot be sent.
    """
    again = with_password(command, "@-")
    if not given and not streams.is_terminal(sys.stdin):
        if given is None:
            raise AccountError(
                "Please specify both username and password in non-interactive mode.",
                f"To keep the password off the command line, give it on standard input:\n{again}",
            )
        raise AccountError(
            "The password that was given is empty. Nothing was sent, and no stored account has changed.",
            f"Check the variable, the file or the command that it comes from. Then run:\n{again}",
        )
    secret = given or ask_for_secret(command=command)
    if not is_utf_8(secret):
        raise _not_utf_8(command)
    return secret


def ask_for_secret(prompt: str = "Password: ", *, command: Command) -> str:
    """Ask for a secret on the terminal. There must be one.

    :param command: the `az login` that runs, for the advice.
    :raises AccountError: the user enters nothing, or bytes that are not UTF-8.
    """
    try:
        secret = _read_hidden_line(prompt)
    except UnicodeDecodeError:
        raise _not_utf_8(command) from None
    except EOFError:
        # Ctrl-D.
        secret = ""
    if not secret:
        raise AccountError(
            "Nothing was entered. Nothing was sent, and no stored account has changed.",
            "Run the command again and enter it. The terminal does not show what you type.",
        )
    return secret


def _read_hidden_line(prompt: str) -> str:
    if streams.is_windows:
        from azext_login.system.terminal.windows_console import read_hidden_line, this_console

        return read_hidden_line(prompt, this_console())
    from knack.prompting import prompt_pass

    from azext_login.system.terminal.terminal_mode import echo_switched_off

    with echo_switched_off(sys.stdin):
        return str(prompt_pass(prompt))


def _not_utf_8(command: Command) -> AccountError:
    return AccountError(
        "The password holds bytes that are not UTF-8. Nothing was sent, and no stored account has changed.",
        f"Save it as UTF-8, and give it in a file:\n{with_password(command, '@FILE')}",
    )
