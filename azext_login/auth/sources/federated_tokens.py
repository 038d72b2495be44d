"""Sources of a workload's federated tokens (client assertions, RFC 7523), so that an expired one can be replaced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_login.auth.input_files import decode_text, read_input_file, refusal
from azext_login.auth.jwt import expiry_of, is_assertion, unverified_claims
from azext_login.auth.sources.credential_source import AssertionSource
from azext_login.errors import RefusalKind
from azext_login.system.text import format_utc

if TYPE_CHECKING:
    import requests

_DEFAULT_AUDIENCE = "api://AzureADTokenExchange"
_LONGEST_FILE = 256 * 1024  # bytes; Entra accepts far less


@dataclass(frozen=True)
class FileAssertion(AssertionSource):
    """A file that another program keeps up to date, such as the token that Kubernetes projects into a pod."""

    path: Path

    def fetch_assertion(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Return the content of the file without leading and trailing white space."""
        content = read_input_file(self.path, what="the federated token file", limit=_LONGEST_FILE)
        assertion = decode_text(content).strip()
        if unverified_claims(assertion) is None:
            raise refusal(
                f"{os.path.abspath(self.path)} does not hold a federated token (a JSON Web Token).",
                "Let the issuer write the token into it, without quotes or anything else; then run the command again.",
            )
        return assertion

    def to_json(self) -> dict[str, Any]:
        """Return the source with an absolute path. Links are kept: Kubernetes replaces the token by changing a link."""
        return {"type": "file", "path": os.path.abspath(self.path)}


@dataclass(frozen=True)
class GitHubAssertion(AssertionSource):
    """GitHub's service for the ID tokens of a job. `audience` is requested as their `aud` claim.

    https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
    """

    audience: str

    def fetch_assertion(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Request an ID token of the running job."""
        from azext_login.auth.sources.build_services import fetch_from_github

        return fetch_from_github(self.audience, http=http, environ=environ)

    def to_json(self) -> dict[str, Any]:
        """Return the source. The service's address belongs to the running job and is not stored."""
        return {"type": "github", "audience": self.audience}


@dataclass(frozen=True)
class AzurePipelinesAssertion(AssertionSource):
    """Azure Pipelines' service for the ID tokens of a service connection, named by its GUID.

    https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
    """

    service_connection_id: str

    def fetch_assertion(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Request an ID token of the service connection on behalf of the running job."""
        from azext_login.auth.sources.build_services import fetch_from_azure_pipelines

        return fetch_from_azure_pipelines(self.service_connection_id, http=http, environ=environ)

    def to_json(self) -> dict[str, Any]:
        """Return the source. The service's address belongs to the running job and is not stored."""
        return {"type": "azure-pipelines", "service_connection_id": self.service_connection_id}


@dataclass(frozen=True)
class BuildAssertion(AssertionSource):
    """The ID tokens of the job that runs, whichever build system runs it (`az login --federated-identity`)."""

    audience: str = _DEFAULT_AUDIENCE
    """The `aud` claim to request. The default is that of azure-cli#33989 in every cloud."""

    def fetch_assertion(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Request an ID token from the build system that the environment names."""
        from azext_login.auth.sources.build_services import fetch_from_build_system

        return fetch_from_build_system(self.audience, http=http, environ=environ)

    def to_json(self) -> dict[str, Any]:
        """Return the source. What belongs to the running job is not stored."""
        return {"type": "build", "audience": self.audience}


@dataclass(frozen=True)
class CommandAssertion(AssertionSource):
    """A command of the user's that prints a token (`az login --federated-token-callback`). It runs without a shell."""

    command_line: str
    """See `azext_login.auth.sources.user_command.split_command_line`."""
    owner: int | None = field(default=None, compare=False)
    """The ID of the user who could store it; only for this user does it run. None for any user."""

    def fetch_assertion(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Run the command, and return what it prints."""
        from azext_login.auth.sources.token_command import fetch_from_command

        return fetch_from_command(self.command_line, environ=environ, owner=self.owner)

    def to_json(self) -> dict[str, Any]:
        """Return the source."""
        return {"type": "command", "command_line": self.command_line}


def source_from_json(value: object) -> AssertionSource | None:
    """Return the source that `to_json` has described; None for anything else, such as a source of a later release."""
    match value:
        case {"type": "file", "path": str(path)} if os.path.isabs(path):
            return FileAssertion(Path(path))
        case {"type": "github", "audience": str(audience)} if audience:
            return GitHubAssertion(audience)
        case {"type": "azure-pipelines", "service_connection_id": str(connection)} if connection:
            return AzurePipelinesAssertion(connection)
        case {"type": "build", "audience": str(audience)} if audience:
            return BuildAssertion(audience)
        case {"type": "command", "command_line": str(command_line)} if command_line:
            return CommandAssertion(command_line)
    return None


def check_assertion(assertion: str, now: float) -> None:
    """Refuse an assertion that Entra would refuse, before it is sent. The signature is not verified.

    :param now: POSIX time in seconds.
    :raises SignInError: it is not a JSON Web Token, or has expired.
    """
    if not is_assertion(assertion):
        raise refusal(
            "The federated token is not a JSON Web Token: three parts in base64url with dots between them.",
            "Get a token from its issuer. If it is in a file, give the file's name with --federated-token-file.",
        )
    expiry = expiry_of(assertion)
    if expiry is not None and expiry <= now:
        raise refusal(
            f"The federated token expired at {format_utc(expiry)} (this computer's clock: {format_utc(now)}).",
            "Get another one from its issuer. With --federated-token-file or --federated-token-source, "
            "`az login` fetches one itself when it is needed.",
            kind=RefusalKind.EXPIRED,
        )
