"""Asking for a password without showing it."""

from __future__ import annotations

from ._text import is_utf_8
from .errors import AccountError


def given_or_asked_for(password: str | None) -> str:
    """Return the password that an option gives, or else ask for it on the terminal.

    :raises AccountError: there is none and no terminal to ask on, or it cannot be sent.
    """
    try:
        password = password or prompt_for_password()
    except AccountError:
        if password is None:
            raise
        raise AccountError(
            "The password that was given is empty. Nothing was sent, and nothing that was stored has changed.",
            "Check the variable, the file or the command that it comes from; then give it again: "
            "az login --username NAME --password=@-",
        ) from None
    if not is_utf_8(password):
        raise _not_utf_8()
    return password


def prompt_for_password(prompt: str = "Password: ") -> str:
    """Ask for a password on the terminal.

    :raises AccountError: there is no terminal to ask on, or it sends another encoding than UTF-8.
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
    except UnicodeDecodeError:
        raise _not_utf_8() from None
    return password


def _not_utf_8() -> AccountError:
    return AccountError(
        "The password holds bytes that are not UTF-8. Nothing was sent, and nothing that was stored has changed.",
        "Save it as UTF-8, and give it in a file: az login --username NAME --password=@FILE",
    )
