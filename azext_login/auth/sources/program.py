"""The source `command`: a program of the user's prints a credential as JSON, like credential_process of the AWS CLI.

What it prints, version 1: a JSON object with the members

* `version`: 1;
* `kind`: "assertion", "secret" or "token";
* `assertion`, `secret` or `access_token`, after the kind: a text;
* `expires_on`: POSIX time in seconds. An access token needs it. The other kinds may leave it out.

Other members are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azext_login.auth.input_files import decode_text, refusal
from azext_login.auth.jwt import is_assertion
from azext_login.auth.sources.credential_source import CredentialKind, SourceCredential, SourceRequest
from azext_login.auth.sources.user_command import UserCommand
from azext_login.system.text import fits_header, is_utf_8

if TYPE_CHECKING:
    import requests

TENANT_VARIABLE = "AZURE_LOGIN_SOURCE_TENANT"
CLIENT_ID_VARIABLE = "AZURE_LOGIN_SOURCE_CLIENT_ID"
SCOPES_VARIABLE = "AZURE_LOGIN_SOURCE_SCOPES"
"""In the environment of the program: what it is asked for. Scopes have spaces between them."""

_VERSION = 1

_MEMBERS = {
    CredentialKind.ASSERTION: "assertion",
    CredentialKind.SECRET: "secret",
    CredentialKind.TOKEN: "access_token",
}

_ADVICE = (
    "Run the program by itself. It has to print one JSON object on standard output, and nothing else, for example:\n"
    '{"version": 1, "kind": "assertion", "assertion": "..."}'
)

# A broken program can print any number, and no calendar has a date after the year 9999.
_LATEST = 10**11


@dataclass(frozen=True)
class ProgramSource:
    """A program of the user's that prints a credential."""

    command_line: str
    """See `azext_login.auth.sources.user_command.split_command_line`."""
    owner: int | None = field(default=None, compare=False)
    """The ID of the user who could store it; only for this user does it run. None for any user."""

    gives: CredentialKind | None = field(default=None, init=False)

    def fetch(self, request: SourceRequest, *, http: requests.Session, environ: Mapping[str, str]) -> SourceCredential:
        """Run the program, and return what it prints. See `CredentialSource.fetch`."""
        command = UserCommand(self.command_line, "The program of the credential source", _ADVICE, self.owner)
        asked = {
            TENANT_VARIABLE: request.tenant,
            CLIENT_ID_VARIABLE: request.client_id,
            SCOPES_VARIABLE: " ".join(request.scopes),
        }
        output = decode_text(command.run({**environ, **asked}))
        try:
            return _credential_in(output)
        except ValueError as error:
            raise refusal(f"{command.shown} {error}", _ADVICE) from None

    def to_json(self) -> dict[str, Any]:
        """Return the source."""
        return {"type": "named", "name": "command", "arguments": {"command": self.command_line}}


def _credential_in(output: str) -> SourceCredential:
    """Return the credential that a program has printed.

    :raises ValueError: it is something else. The text completes a sentence, and contains nothing of the output.
    """
    if not output.strip():
        raise ValueError("printed nothing on standard output.")
    try:
        content = json.loads(output)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ValueError("printed something other than a JSON object.")
    version = content.get("version")
    if isinstance(version, bool) or version != _VERSION:
        raise ValueError(f"printed JSON whose 'version' is not {_VERSION}.")
    kind = next((each for each in _MEMBERS if each.value == content.get("kind")), None)
    if kind is None:
        raise ValueError("printed JSON whose 'kind' is not 'assertion', 'secret' or 'token'.")
    return SourceCredential(kind, _value_in(content, kind), _expiry_in(content, kind))


def _value_in(content: Mapping[str, Any], kind: CredentialKind) -> str:
    member = _MEMBERS[kind]
    value = content.get(member)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"printed JSON of the kind '{kind.value}' without a text in '{member}'.")
    if kind is CredentialKind.ASSERTION and not is_assertion(value.strip()):
        raise ValueError(f"printed JSON whose '{member}' is not a federated token (a JSON Web Token).")
    if kind is CredentialKind.TOKEN and not fits_header(value.strip()):
        raise ValueError(f"printed JSON whose '{member}' cannot be an access token.")
    if not is_utf_8(value):
        raise ValueError(f"printed JSON whose '{member}' is not text.")
    return value if kind is CredentialKind.SECRET else value.strip()


def _expiry_in(content: Mapping[str, Any], kind: CredentialKind) -> float | None:
    expires_on = content.get("expires_on")
    if expires_on is None and kind is not CredentialKind.TOKEN:
        return None
    if isinstance(expires_on, (int, float)) and not isinstance(expires_on, bool) and 0 < expires_on < _LATEST:
        return float(expires_on)
    raise ValueError("printed JSON whose 'expires_on' is not a time in seconds since 1970.")
