"""A service principal: what it proves itself with, its entry on disk, and its access tokens.

An entry is the host's, so that built-in commands can use it: `client_id`, `tenant`, and one of `client_secret`,
`certificate` (path of a PEM file, with `use_cert_sn_issuer`) and `client_assertion`
(azure.cli.core.auth.identity, ServicePrincipalAuth). What only we understand is under a key of our own, which the
host keeps and does not look at.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.application import ApplicationFactory, authority_errors
from azext_login.auth.entra.errors import Attempt, explain, login_command
from azext_login.auth.jwt import expiry_of
from azext_login.auth.workload.certificate_files import PASSPHRASE_VARIABLE
from azext_login.auth.workload.federated_tokens import AssertionSource, FileAssertion, check_assertion, source_from_json
from azext_login.errors import NotSignedInError, ServiceUnreachableError, SignInError, UnexpectedAnswerError, first_line

if TYPE_CHECKING:
    import requests

logger = get_logger(__name__)

Entry = dict[str, Any]
"""One element of the host's service_principal_entries."""

OWN_KEY = "azextLogin"
_SOURCE = "assertionSource"
_CERTIFICATE = "certificate"
_SEND_CHAIN = "use_cert_sn_issuer"
_PROTECTED = "protected"
_KIND = "kind"

SECRET = "client secret"
CERTIFICATE = "certificate"
FEDERATED = "federated token"


@dataclass(frozen=True)
class ServicePrincipal:
    """An application's identity in a tenant, and one proof of it. Without one, only its cached tokens can be used."""

    client_id: str
    tenant: str | None
    """GUID or domain; None at an AD FS server, which has no tenants."""
    kind: str
    """What it signed in with, for people: `client secret`, `certificate` or `federated token`."""
    secret: str | None = field(default=None, repr=False)
    certificate: str | None = None
    """Absolute path of a PEM or PFX file."""
    passphrase: str | None = field(default=None, repr=False)
    """Of the certificate file. Never stored."""
    is_protected: bool = False
    """Whether the certificate file has a passphrase."""
    send_chain: bool = False
    """Whether the certificate goes along, to be trusted by its subject name and issuer (SN+I)."""
    assertion: str | None = field(default=None, repr=False)
    """The latest federated token."""
    source: AssertionSource | None = None
    """Where the next federated token comes from."""

    @classmethod
    def from_entry(cls, entry: Entry, environ: Mapping[str, str] = os.environ) -> ServicePrincipal:
        """Read an entry, whoever wrote it."""
        own = entry.get(OWN_KEY)
        own = own if isinstance(own, dict) else {}
        secret, assertion = _text(entry.get("client_secret")), _text(entry.get("client_assertion"))
        certificate = _text(own.get(_CERTIFICATE)) or _text(entry.get("certificate"))
        kind = SECRET if secret else CERTIFICATE if certificate else FEDERATED if assertion else ""
        return cls(
            client_id=str(entry.get("client_id")),
            tenant=_text(entry.get("tenant")),
            kind=_text(own.get(_KIND)) or kind or SECRET,
            secret=secret,
            certificate=None if secret else certificate,
            passphrase=environ.get(PASSPHRASE_VARIABLE) or None,
            is_protected=bool(own.get(_PROTECTED)),
            send_chain=bool(entry.get(_SEND_CHAIN) or own.get(_SEND_CHAIN)),
            assertion=assertion,
            source=source_from_json(own.get(_SOURCE)),
        )

    def to_entry(self, *, store_secret: bool = True, host_certificate: str | None = None) -> Entry:
        """Return the entry to store.

        :param store_secret: whether the client secret or the federated token is in it.
        :param host_certificate: path of a PEM file that built-in commands can read, if there is one.
        """
        entry: Entry = {"client_id": self.client_id, "tenant": self.tenant}
        own: dict[str, Any] = {}
        if self.secret and store_secret:
            entry["client_secret"] = self.secret
        elif self.certificate and host_certificate:
            entry["certificate"] = host_certificate
            if self.send_chain:
                entry[_SEND_CHAIN] = True
        elif self.certificate:
            own[_CERTIFICATE] = self.certificate
            if self.is_protected:
                own[_PROTECTED] = True
            if self.send_chain:
                own[_SEND_CHAIN] = True
        elif self.assertion and store_secret:
            entry["client_assertion"] = self.assertion
        if self.source is not None:
            own[_SOURCE] = self.source.to_json()
        if own or not store_secret:
            entry[OWN_KEY] = {_KIND: self.kind, **own}
        return entry

    def login_options(self) -> str:
        """Return the options of `az login` with which this service principal signs in again, without a secret."""
        parts = [f'--service-principal --username "{self.client_id}"']
        if self.certificate:
            parts.append(f'--certificate "{self.certificate}"')
            if self.is_protected:
                parts.append("--password=@-")
            if self.send_chain:
                parts.append("--use-cert-sn-issuer")
        elif self.source is not None:
            parts += [f'--{name} "{value}"' for name, value in _source_options(self.source)]
        elif self.kind == FEDERATED:
            parts.append("--federated-token=@FILE")
        else:
            parts.append("--password=@-")
        return " ".join(parts)


def _source_options(source: AssertionSource) -> list[tuple[str, str]]:
    """Return the options of `az login` that name a source."""
    described = source.to_json()
    if described["type"] == "file":
        return [("federated-token-file", described["path"])]
    options = [("federated-token-source", described["type"])]
    if "service_connection_id" in described:
        options.append(("service-connection-id", described["service_connection_id"]))
    return options


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class ServicePrincipalCredential:
    """Access tokens of one service principal: from the cache, or for its proof."""

    def __init__(
        self,
        applications: ApplicationFactory,
        principal: ServicePrincipal,
        *,
        authority: str,
        http: Callable[[], requests.Session],
        on_assertion: Callable[[str], None] = lambda assertion: None,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ):
        """:param http: gives the session for a source of federated tokens.
        :param on_assertion: gets each federated token that a source has given.
        """
        self._applications = applications
        self._principal = principal
        self._authority = authority
        self._http = http
        self._on_assertion = on_assertion
        self._clock = clock
        self._environ = environ
        self._fetched: str | None = None

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
    ) -> AccessToken:
        """Return a token that MSAL considers fresh (at least five minutes left).

        :param tenant: GUID or verified domain; None for that of the service principal.
        :param claims_challenge: JSON; a cached token is then not used.
        :param advised_scopes: taken for the same call as a user's credential has; a service principal consents to
            nothing, so advice does not depend on them.
        :raises NotSignedInError: no token is cached, and what it takes to get one is not here.
        :raises SignInError: Entra refused, or the certificate or the federated token cannot be used.
        """
        tenant = tenant or self._principal.tenant
        application = self._applications.build_confidential(self._principal.client_id, self._proof(tenant), tenant)
        with authority_errors(self._authority, tenant):
            result = application.acquire_token_for_client(list(scopes), claims_challenge=claims_challenge)
        if "error" in result:
            raise explain(result, self._attempt(tenant))
        return AccessToken.from_result(result, now=self._clock())

    def _attempt(self, tenant: str | None) -> Attempt:
        principal = self._principal
        return Attempt(tenant=tenant, username=principal.client_id, service_principal=principal.login_options())

    def _proof(self, tenant: str | None) -> Any:
        """Return MSAL's `client_credential`.

        What cannot be used is found out when MSAL asks for it, which it does only if no token is cached.
        """
        principal = self._principal
        if principal.secret:
            return principal.secret
        if principal.certificate:
            if principal.is_protected and not principal.passphrase:
                return {"client_assertion": self._passphrase_missing}
            return self._certificate(Path(principal.certificate))
        if principal.source is not None or principal.assertion:
            return {"client_assertion": self._assertion_or_stored}
        return {"client_assertion": lambda: self._nothing_stored(tenant)}

    def _certificate(self, path: Path) -> Any:
        from azext_login.auth.workload.certificates import read_certificate

        try:
            certificate = read_certificate(path, passphrase=self._principal.passphrase, now=self._clock())
        except SignInError as error:
            problem = error

            def fail() -> str:
                raise problem

            return {"client_assertion": fail}
        return certificate.as_msal_credential(send_chain=self._principal.send_chain)

    def assertion(self) -> str:
        """Return a federated token that is valid now: from its source, asked once, or without one the stored one.

        A secret.

        :raises SignInError: it has expired, or the source has none.
        :raises ServiceUnreachableError: the source did not answer.
        :raises UnexpectedAnswerError: the source answered something else.
        """
        if self._fetched is None:
            principal = self._principal
            found = principal.assertion or ""
            if principal.source is not None:
                found = principal.source.fetch(http=self._http(), environ=self._environ)
            check_assertion(found, self._clock())
            self._fetched = found
            if found != principal.assertion:
                self._on_assertion(found)
        return self._fetched

    def _assertion_or_stored(self) -> str:
        """Return the same, but the stored one where a build system's service gives none and it is still valid.

        Not every step of a job gets the variables that the service is asked with, and built-in commands work there.
        """
        principal = self._principal
        try:
            return self.assertion()
        except (SignInError, ServiceUnreachableError, UnexpectedAnswerError) as error:
            ends = expiry_of(principal.assertion or "")
            if isinstance(principal.source, FileAssertion) or ends is None or ends <= self._clock():
                raise
            self._fetched = principal.assertion
            logger.warning("%s The stored federated token is used, until it ends.", first_line(error))
            return str(principal.assertion)

    def _nothing_stored(self, tenant: str | None) -> str:
        principal = self._principal
        raise NotSignedInError(
            f"No token of service principal '{principal.client_id}' is cached for this, and its {principal.kind} was "
            "not stored.",
            next_step=f"To sign in again, run:\n{login_command(self._attempt(tenant))}",
        )

    def _passphrase_missing(self) -> str:
        principal = self._principal
        raise NotSignedInError(
            f"No token of service principal '{principal.client_id}' is cached for this, and the key in "
            f"{principal.certificate} has a passphrase, which is never stored.",
            next_step=f"Set {PASSPHRASE_VARIABLE}, or sign in again:\n{login_command(self._attempt(principal.tenant))}",
        )
