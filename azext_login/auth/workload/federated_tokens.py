"""Where a workload's federated token (client assertion, RFC 7523) comes from, so that there can always be a new one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from azext_login.auth.input_files import decode_text, read_input_file, refusal
from azext_login.auth.jwt import expiry_of, is_assertion, unverified_claims
from azext_login.auth.workload.known_clouds import audience_of

if TYPE_CHECKING:
    import requests

__all__ = [
    "AssertionSource",
    "AzurePipelinesAssertion",
    "FileAssertion",
    "GitHubAssertion",
    "audience_of",
    "check_assertion",
    "expiry_of",
    "source_from_json",
    "time_text",
]

_LIMIT = 256 * 1024  # bytes; Entra itself takes far less


class AssertionSource(Protocol):
    """A place that has a valid assertion whenever it is asked."""

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Return the assertion as it is now: a JSON Web Token, which may have expired (`check_assertion`). A secret.

        :param http: a session of `azext_login.system.http.session`.
        :param environ: the environment variables.
        :raises SignInError: there is none, or the service does not give one out.
        :raises ServiceUnreachableError: the service did not answer.
        :raises UnexpectedAnswerError: it answered something else.
        """

    def to_json(self) -> dict[str, str]:
        """Return what `source_from_json` makes the same source of. Contains no secret."""


@dataclass(frozen=True)
class FileAssertion:
    """A file that something else keeps fresh, such as the token that Kubernetes projects into a pod."""

    path: Path

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Return the content of the file without blanks around it."""
        content = read_input_file(self.path, what="the federated token file", limit=_LIMIT)
        assertion = decode_text(content).strip()
        if unverified_claims(assertion) is None:
            raise refusal(
                f"{os.path.abspath(self.path)} does not hold a federated token (a JSON Web Token).",
                "Let the issuer write the token into it, without quotes or anything else; then run the command again.",
            )
        return assertion

    def to_json(self) -> dict[str, str]:
        """Return the source, with the path as seen from everywhere. Links stay: Kubernetes renews by moving one."""
        return {"type": "file", "path": os.path.abspath(self.path)}


@dataclass(frozen=True)
class GitHubAssertion:
    """GitHub's service for the ID tokens of a job. `audience` is what their `aud` claim shall read.

    https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
    """

    audience: str

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Ask for an ID token of the running job."""
        from azext_login.auth.workload.build_services import fetch_from_github

        return fetch_from_github(self.audience, http=http, environ=environ)

    def to_json(self) -> dict[str, str]:
        """Return the source. The address of the service is of the running job and not stored."""
        return {"type": "github", "audience": self.audience}


@dataclass(frozen=True)
class AzurePipelinesAssertion:
    """Azure Pipelines' service for the ID tokens of a service connection, named by its GUID.

    https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
    """

    service_connection_id: str

    def fetch(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Ask for an ID token of the service connection, in the name of the running job."""
        from azext_login.auth.workload.build_services import fetch_from_azure_pipelines

        return fetch_from_azure_pipelines(self.service_connection_id, http=http, environ=environ)

    def to_json(self) -> dict[str, str]:
        """Return the source. The address of the service is of the running job and not stored."""
        return {"type": "azure-pipelines", "service_connection_id": self.service_connection_id}


def source_from_json(value: object) -> AssertionSource | None:
    """Return the source that `to_json` described; None for anything else, such as what a later release stored."""
    match value:
        case {"type": "file", "path": str(path)} if os.path.isabs(path):
            return FileAssertion(Path(path))
        case {"type": "github", "audience": str(audience)} if audience:
            return GitHubAssertion(audience)
        case {"type": "azure-pipelines", "service_connection_id": str(connection)} if connection:
            return AzurePipelinesAssertion(connection)
    return None


def check_assertion(assertion: str, now: float) -> None:
    """Refuse an assertion that cannot work, before it is sent. Verifies no signature: that is Entra's part.

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
            f"The federated token expired at {_utc(expiry)} (the clock here says {_utc(now)}).",
            "Get another one from its issuer. With --federated-token-file or --federated-token-source, "
            "`az login` fetches one itself whenever it is needed.",
        )


def _utc(timestamp: float) -> str:
    return time_text(timestamp, "%Y-%m-%d %H:%M:%S UTC", timezone.utc)


def time_text(timestamp: float, layout: str, zone: timezone | None = None) -> str:
    """Return a time (POSIX, in seconds) for people, whatever an issuer says: not every number is one of a calendar.

    :param layout: as for `strftime`.
    :param zone: None for local time.
    """
    try:
        return datetime.fromtimestamp(timestamp, zone).strftime(layout)
    except (OverflowError, OSError, ValueError):
        return f"{timestamp:.0f} seconds after 1970"
