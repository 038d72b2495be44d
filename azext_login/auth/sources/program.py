"""The source `command`: a program of the user's prints a credential as JSON, like credential_process of the AWS CLI.

What it prints is described in `azext_login.auth.sources.answers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from azext_login.auth.input_files import decode_text, refusal
from azext_login.auth.sources.answers import PRINTED, credential_in
from azext_login.auth.sources.credential_source import CredentialKind, SourceCredential, SourceRequest
from azext_login.auth.sources.user_command import UserCommand

if TYPE_CHECKING:
    import requests

TENANT_VARIABLE = "AZURE_LOGIN_SOURCE_TENANT"
CLIENT_ID_VARIABLE = "AZURE_LOGIN_SOURCE_CLIENT_ID"
SCOPES_VARIABLE = "AZURE_LOGIN_SOURCE_SCOPES"
"""In the environment of the program: what it is asked for. Scopes have spaces between them."""

_ADVICE = (
    "Run the program by itself. It has to print one JSON object on standard output, and nothing else, for example:\n"
    '{"version": 1, "kind": "assertion", "assertion": "..."}'
)


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
    return credential_in(content, PRINTED)
