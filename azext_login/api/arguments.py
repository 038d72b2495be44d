"""Checks of what callers pass. An empty text is refused: it would mean the default, and so another account."""

from __future__ import annotations

from collections.abc import Sequence

from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.system.text import is_guid


def check_text(name: str, value: object) -> None:
    """Do nothing if an argument is a text that is not blank.

    :param name: of the argument. The value is not repeated in the error: it may be a secret in the wrong place.
    :raises TypeError: it is not a text.
    :raises ValueError: it is empty or blank.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {type(value).__name__}.")
    if not value.strip():
        raise ValueError(f"{name} is empty.")


def check_optional(**arguments: object) -> None:
    """Do nothing if each of the arguments is None or a text that is not blank.

    :raises TypeError: one is neither a text nor None.
    :raises ValueError: one is empty or blank.
    """
    for name, value in arguments.items():
        if value is not None:
            check_text(name, value)


def own_application(client_id: str | None) -> str | None:
    """Return the ID of an application of one's own in lower case; None for the Azure CLI.

    :raises TypeError: it is not a text.
    :raises ValueError: it is not a GUID.
    """
    if client_id is None:
        return None
    check_text("client_id", client_id)
    if not is_guid(client_id):
        raise ValueError("client_id is not an application ID (GUID).")
    return None if client_id.lower() == AZURE_CLI_CLIENT_ID else client_id.lower()


def check_scopes(scopes: Sequence[str]) -> None:
    """Do nothing if there is at least one scope, and each is a text that is not blank.

    :raises TypeError: one is not a text.
    :raises ValueError: there is none, or one is empty or blank.
    """
    if not scopes:
        raise ValueError("At least one scope is required.")
    for scope in scopes:
        check_text("A scope", scope)


def check_validity(seconds: float) -> None:
    """Do nothing if a token can be required to be valid for so many seconds.

    :raises ValueError: it is negative, or not a number (NaN).
    """
    if not seconds >= 0:
        raise ValueError("The validity must not be negative.")
