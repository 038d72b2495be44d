"""The answer of a program or of a plug-in: a credential as the members of a JSON object, version 1.

* `version`: 1;
* `kind`: "assertion", "secret", "token", and of a plug-in also "certificate";
* `assertion`, `secret`, `access_token` or `certificate`, after the kind: a text;
* `expires_on`: POSIX time in seconds. An access token needs it. The other kinds may leave it out.

Other members are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azext_login.auth.jwt import is_assertion
from azext_login.auth.sources.credential_source import CredentialKind, SourceCredential
from azext_login.system.text import fits_header, is_utf_8

_VERSION = 1

_MEMBERS = {
    CredentialKind.ASSERTION: "assertion",
    CredentialKind.SECRET: "secret",
    CredentialKind.TOKEN: "access_token",
    CredentialKind.CERTIFICATE: "certificate",
}

PRINTED = (CredentialKind.ASSERTION, CredentialKind.SECRET, CredentialKind.TOKEN)
"""The kinds that a program can print."""

# A broken source can give any number, and no calendar has a date after the year 9999.
_LATEST = 10**11


def credential_in(content: Mapping[Any, Any], kinds: tuple[CredentialKind, ...]) -> SourceCredential:
    """Return the credential that an answer contains.

    :param kinds: which of them the source can give.
    :raises ValueError: it is something else. The text completes a sentence, and contains nothing of the answer.
    """
    version = content.get("version")
    if isinstance(version, bool) or version != _VERSION:
        raise ValueError(f"gave an answer whose 'version' is not {_VERSION}.")
    kind = next((each for each in kinds if each.value == content.get("kind")), None)
    if kind is None:
        names = ", ".join(f"'{each.value}'" for each in kinds)
        raise ValueError(f"gave an answer whose 'kind' is not one of {names}.")
    return SourceCredential(kind, _value_in(content, kind), _expiry_in(content, kind))


def _value_in(content: Mapping[Any, Any], kind: CredentialKind) -> str:
    member = _MEMBERS[kind]
    value = content.get(member)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"gave an answer of the kind '{kind.value}' without a text in '{member}'.")
    if kind is CredentialKind.ASSERTION and not is_assertion(value.strip()):
        raise ValueError(f"gave an answer whose '{member}' is not a federated token (a JSON Web Token).")
    if kind is CredentialKind.TOKEN and not fits_header(value.strip()):
        raise ValueError(f"gave an answer whose '{member}' cannot be an access token.")
    if not is_utf_8(value):
        raise ValueError(f"gave an answer whose '{member}' is not text.")
    return value if kind is CredentialKind.SECRET else value.strip()


def _expiry_in(content: Mapping[Any, Any], kind: CredentialKind) -> float | None:
    expires_on = content.get("expires_on")
    if expires_on is None and kind is not CredentialKind.TOKEN:
        return None
    if isinstance(expires_on, (int, float)) and not isinstance(expires_on, bool) and 0 < expires_on < _LATEST:
        return float(expires_on)
    raise ValueError("gave an answer whose 'expires_on' is not a time in seconds since 1970.")
