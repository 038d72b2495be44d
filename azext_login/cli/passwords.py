"""Asking for a password without showing it."""

from __future__ import annotations

import sys

from azext_login.errors import AccountError
from azext_login.system.terminal.terminal import is_terminal
from azext_login.system.text import is_utf_8


def given_or_asked_for(password: str | None, *, command: str) -> str:
    """Return the password that an option gives, or else ask for it on the terminal.

    :param command: the `az login` that it is for, without a password, for the advice.
    :raises AccountError: there is none and no terminal to ask on, or it cannot be sent.
    """
    if not password and not is_terminal(sys.stdin):
        if password is None:
            raise AccountError(
                "Please specify both username and password in non-interactive mode.",
                f"To keep the password off the command line, give it on standard input:\n{command} --password=@-",
            )
        raise AccountError(
            "The password that was given is empty. Nothing was sent, and nothing that was stored has changed.",
            "Check the variable, the file or the command that it comes from; then give it again:\n"
            f"{command} --password=@-",
        )
    password = password or prompt_for_password()
    if not is_utf_8(password):
        raise _not_utf_8()
    return password


def prompt_for_password(prompt: str = "Password: ") -> str:
    """Ask for a password on the terminal, which there has to be.

    :raises AccountError: nothing is entered, or it is not UTF-8.
    """
    from knack.prompting import prompt_pass

    try:
        password: str = prompt_pass(prompt)
    except UnicodeDecodeError:
        raise _not_utf_8() from None
    except EOFError:
        # Ctrl-D.
        password = ""
    if not password:
        raise AccountError(
            "Nothing was entered. Nothing was sent, and nothing that was stored has changed.",
            "Run the command again and type it; the terminal does not show it.",
        )
    return password


def _not_utf_8() -> AccountError:
    return AccountError(
        "The password holds bytes that are not UTF-8. Nothing was sent, and nothing that was stored has changed.",
        "Save it as UTF-8, and give it in a file: az login --username NAME --password=@FILE",
    )
