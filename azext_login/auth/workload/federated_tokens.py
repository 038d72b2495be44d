"""Sources of a workload's federated tokens (client assertions, RFC 7523), so that an expired one can be replaced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from azext_login.auth.input_files import decode_text, read_input_file, refusal
from azext_login.auth.jwt import expiry_of, is_assertion, unverified_claims
from azext_login.system.text import format_time

if TYPE_CHECKING:
    import requests

_LONGEST_FILE = 256 * 1024  # bytes; Entra accepts far less


class AssertionSource(Protocol):
    """A service or file that returns a current assertion at any time."""

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Return the current assertion: a JSON Web Token, which may have expired (see `check_assertion`). A secret.

        :param http: a session of `azext_login.system.http.session`.
        :param environ: the environment variables.
        :raises SignInError: the file has no assertion, or the service refused.
        :raises ServiceUnreachableError: the service did not answer.
        :raises UnexpectedAnswerError: the service answered without an assertion.
        """

    def to_json(self) -> dict[str, str]:
        """Return a JSON object from which `source_from_json` restores the source. Contains no secret."""


@dataclass(frozen=True)
class FileAssertion:
    """A file that another program keeps up to date, such as the token that Kubernetes projects into a pod."""

    path: Path

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Return the content of the file without leading and trailing white space."""
        content = read_input_file(self.path, what="the federated token file", limit=_LONGEST_FILE)
        assertion = decode_text(content).strip()
        if unverified_claims(assertion) is None:
            raise refusal(
                f"{os.path.abspath(self.path)} does not hold a federated token (a JSON Web Token).",
                "Let the issuer write the token into it, without quotes or anything else; then run the command again.",
            )
        return assertion

    def to_json(self) -> dict[str, str]:
        """Return the source with an absolute path. Links are kept: Kubernetes replaces the token by changing a link."""
        return {"type": "file", "path": os.path.abspath(self.path)}


@dataclass(frozen=True)
class GitHubAssertion:
    """GitHub's service for the ID tokens of a job. `audience` is requested as their `aud` claim.

    https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
    """

    audience: str

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Request an ID token of the running job."""
        from azext_login.auth.workload.build_services import fetch_from_github

        return fetch_from_github(self.audience, http=http, environ=environ)

    def to_json(self) -> dict[str, str]:
        """Return the source. The service's address belongs to the running job and is not stored."""
        return {"type": "github", "audience": self.audience}


@dataclass(frozen=True)
class AzurePipelinesAssertion:
    """Azure Pipelines' service for the ID tokens of a service connection, named by its GUID.

    https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
    """

    service_connection_id: str

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Request an ID token of the service connection on behalf of the running job."""
        from azext_login.auth.workload.build_services import fetch_from_azure_pipelines

        return fetch_from_azure_pipelines(self.service_connection_id, http=http, environ=environ)

    def to_json(self) -> dict[str, str]:
        """Return the source. The service's address belongs to the running job and is not stored."""
        return {"type": "azure-pipelines", "service_connection_id": self.service_connection_id}


def source_from_json(value: object) -> AssertionSource | None:
    """Return the source that `to_json` has described; None for anything else, such as a source of a later release."""
    match value:
        case {"type": "file", "path": str(path)} if os.path.isabs(path):
            return FileAssertion(Path(path))
        case {"type": "github", "audience": str(audience)} if audience:
            return GitHubAssertion(audience)
        case {"type": "azure-pipelines", "service_connection_id": str(connection)} if connection:
            return AzurePipelinesAssertion(connection)
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
            f"The federated token expired at {_utc(expiry)} (this computer's clock: {_utc(now)}).",
            "Get another one from its issuer. With --federated-token-file or --federated-token-source, "
            "`az login` fetches one itself when it is needed.",
        )


def _utc(timestamp: float) -> str:
    return format_time(timestamp, "%Y-%m-%d %H:%M:%S UTC", timezone.utc)
