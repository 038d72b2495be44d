"""The source `managed-identity`: a token of a managed identity that an application trusts as a federated credential.

https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_login.auth.entra.known_clouds import audience_of
from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
from azext_login.auth.sources.credential_source import CredentialKind, SourceCredential, SourceRequest
from azext_login.errors import AccountError, SignInError

if TYPE_CHECKING:
    import requests

NAME = "managed-identity"

IDS = ("client_id", "object_id", "resource_id")
"""The arguments that name a user-assigned identity; one at most."""


@dataclass(frozen=True)
class ManagedIdentitySource:
    """The managed identity of the computer that runs the command."""

    client_id: str | None = None
    """Of a user-assigned identity, like the two others. None of them: the system-assigned identity."""
    object_id: str | None = None
    resource_id: str | None = None
    audience: str | None = None
    """The `aud` claim to request; None for the one that the cloud expects."""

    @property
    def gives(self) -> CredentialKind | None:
        """Return that it gives federated tokens only."""
        return CredentialKind.ASSERTION

    def fetch(self, request: SourceRequest, *, http: requests.Session, environ: Mapping[str, str]) -> SourceCredential:
        """Request a token of the identity. See `CredentialSource.fetch`."""
        audience = self.audience or audience_of(request.authority)
        try:
            credential = ManagedIdentityCredential(
                self.client_id, self.object_id, self.resource_id, http=http, environ=environ
            )
            token = credential.token([f"{audience}/.default"])
        except SignInError as error:
            raise _for_application(error) from error
        return SourceCredential(CredentialKind.ASSERTION, token.secret, token.expires_on)

    def to_json(self) -> dict[str, Any]:
        """Return the source."""
        given = {name: getattr(self, name) for name in (*IDS, "audience")}
        arguments = {name: value for name, value in given.items() if value}
        return {"type": "named", "name": NAME, "arguments": arguments}


def make_managed_identity(arguments: Mapping[str, str]) -> ManagedIdentitySource:
    """Return the source with these arguments: one of `IDS`, and `audience`.

    :raises AccountError: more than one ID is given.
    """
    given = [name for name in IDS if arguments.get(name)]
    if len(given) > 1:
        raise AccountError(
            f"usage error: '--source-arg {given[0]}' and '--source-arg {given[1]}' cannot be combined",
            "Give one ID of the managed identity, or none for the system-assigned one.",
        )
    return ManagedIdentitySource(*(arguments.get(name) for name in (*IDS, "audience")))


def _for_application(error: SignInError) -> SignInError:
    """Return the error of a managed identity without the advice to sign in as the identity itself."""
    advice = "\n".join(str(step) for step in error.recommendations)
    if "az login" in advice:
        advice = (
            "Run the command on a computer that has the managed identity. To name a user-assigned one, sign in again "
            "with --source-arg client_id=ID."
        )
    return SignInError(str(error), next_step=advice or None)
