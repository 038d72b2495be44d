"""What a credential source is: something that gives a service principal its credential, and gives it again later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import requests


class CredentialKind(Enum):
    """What a source gives. The value is its name in what programs print."""

    ASSERTION = "assertion"
    """A federated token: a JSON Web Token of an issuer that the application trusts (RFC 7523)."""
    SECRET = "secret"
    """A client secret."""
    CERTIFICATE = "certificate"
    """The text of a PEM file: a certificate and its private key, without a passphrase."""
    TOKEN = "token"
    """A finished access token, for the scopes of the request only."""


@dataclass(frozen=True)
class SourceRequest:
    """The one request that a source serves."""

    client_id: str
    """The application (client) ID of the service principal."""
    tenant: str
    """The tenant of the token: a GUID or a domain name. Empty at an AD FS server, which has no tenants."""
    scopes: tuple[str, ...] = ()
    """The scopes of the access token that the credential is needed for. Empty if no token is requested yet."""
    authority: str = ""
    """The address of the cloud's sign-in service, without a tenant."""
    may_prompt: bool = False
    """Whether a user waits at a terminal and may be asked: only in `az login`."""


@dataclass(frozen=True)
class SourceCredential:
    """What a source has given."""

    kind: CredentialKind
    value: str = field(repr=False)
    """The federated token, client secret, PEM text or access token. A secret."""
    expires_on: float | None = None
    """POSIX time in seconds; None if that is not known. Access tokens have one."""


class CredentialSource(Protocol):
    """Something that gives the credential of a service principal whenever it is asked.

    It is immutable, and may be asked by several threads.
    """

    @property
    def gives(self) -> CredentialKind | None:
        """The kind of all its credentials; None if each answer tells its kind."""

    def fetch(self, request: SourceRequest, *, http: requests.Session, environ: Mapping[str, str]) -> SourceCredential:
        """Return a current credential.

        :param http: a session of `azext_login.system.http.session`.
        :param environ: the environment variables.
        :raises SignInError: the source has no credential, has refused, or has failed.
        :raises ServiceUnreachableError: a service did not answer.
        :raises UnexpectedAnswerError: a service answered without a credential.
        """

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object from which `azext_login.auth.sources.registry` restores the source. No secret."""


class AssertionSource(ABC):
    """A source of federated tokens only: a service, a file or a command."""

    gives: CredentialKind | None = CredentialKind.ASSERTION

    def fetch(self, request: SourceRequest, *, http: requests.Session, environ: Mapping[str, str]) -> SourceCredential:
        """Return a federated token. See `CredentialSource.fetch`."""
        return SourceCredential(CredentialKind.ASSERTION, self.fetch_assertion(http=http, environ=environ))

    @abstractmethod
    def fetch_assertion(self, *, http: requests.Session, environ: Mapping[str, str]) -> str:
        """Return the current assertion: a JSON Web Token, which may have expired (see `check_assertion`). A secret.

        :param http: a session of `azext_login.system.http.session`.
        :param environ: the environment variables.
        :raises SignInError: the file has no assertion, the service refused, or the command failed.
        :raises ServiceUnreachableError: the service did not answer.
        :raises UnexpectedAnswerError: the service answered without an assertion.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return a JSON object from which the source can be restored. Contains no secret."""
