"""Where the stored entry of a service principal has its federated token, and where the next one comes from.

`az login --federated-token` stores the token in `client_assertion`. azure-cli#33989 adds two forms, in which the host
stores no token: `client_assertion_callback` is a command line that prints one, and `client_assertion` may be a mark
(the host's FEDERATED_IDENTITY) for the build system that runs the job. The host needs both as they are, so the latest
token of such an entry is stored under our own key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azext_login.auth.jwt import is_assertion

OWN_KEY = "azextLogin"
"""The key of an entry that has what only this extension needs. The host keeps it and does not read it."""

SOURCE = "assertionSource"
"""In the value of OWN_KEY: where this extension gets the next federated token."""

EXPIRES_ON = "expiresOn"
"""In the value of OWN_KEY: when the access token expires that was handed over in place of a credential."""

_ASSERTION = "client_assertion"
_CALLBACK = "client_assertion_callback"
_LATEST = "assertion"

# A damaged token is longer, or begins as a token does: with base64url of "{" and a quotation mark or white space.
_LONGEST_MARK = 100  # characters
_BEGINNINGS_OF_TOKENS = ("ey", "ew")


def own_part(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what this extension has added to an entry."""
    own = entry.get(OWN_KEY)
    return own if isinstance(own, dict) else {}


def callback_of(entry: Mapping[str, Any]) -> str | None:
    """Return the command line that prints a federated token, if the entry has one."""
    return _text(entry.get(_CALLBACK))


def names_build_system(entry: Mapping[str, Any]) -> bool:
    """Tell whether the federated tokens of an entry come from the build system that runs the job."""
    mark = _text(entry.get(_ASSERTION))
    if mark is None or SOURCE in own_part(entry) or callback_of(entry):
        return False
    return len(mark) <= _LONGEST_MARK and not mark.startswith(_BEGINNINGS_OF_TOKENS) and not is_assertion(mark)


def assertion_of(entry: Mapping[str, Any]) -> str | None:
    """Return the latest federated token of an entry; it may have expired. A secret."""
    if is_of_host(entry):
        return _text(own_part(entry).get(_LATEST))
    return _text(entry.get(_ASSERTION))


def with_assertion(entry: Mapping[str, Any], assertion: str) -> dict[str, Any]:
    """Return an entry with another federated token. One without a token, because none is to be stored, is unchanged."""
    if is_of_host(entry):
        return {**entry, OWN_KEY: {**own_part(entry), _LATEST: assertion}}
    return {**entry, _ASSERTION: assertion} if _ASSERTION in entry else dict(entry)


def is_plain(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry has nothing but what every release of the host can use."""
    return not own_part(entry) and not is_of_host(entry)


def is_of_host(entry: Mapping[str, Any]) -> bool:
    """Tell whether an entry has a form of azure-cli#33989, of which such a host gets the next token by itself."""
    return callback_of(entry) is not None or names_build_system(entry)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
