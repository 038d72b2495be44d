"""Asking for a password without showing it."""

from __future__ import annotations

from .errors import AccountError


def prompt_for_password(prompt: str = "Password: ") -> str:
    """Ask for a password on the terminal.

    :raises AccountError: there is no terminal to ask on.
    """
    from knack.prompting import NoTTYException, prompt_pass

    try:
        password: str = prompt_pass(prompt)
    except NoTTYException as error:
        raise AccountError(
            "Please specify both username and password in non-interactive mode.",
            "To keep the password off the command line, give it on standard input: "
            "az login --username NAME --password=@-",
        ) from error
    return password
