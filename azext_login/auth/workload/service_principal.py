"""A service principal: its credential, its entry on disk, and its access tokens.

An entry has the host's format, so that built-in commands can use it: `client_id`, `tenant`, and one of `client_secret`,
`certificate` (path of a PEM file, with `use_cert_sn_issuer`), `client_assertion` and `client_assertion_callback`
(azure.cli.core.auth.identity, ServicePrincipalAuth). Everything else is under a key of our own, which the host keeps
and does not read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_login.auth.credential import AccessToken, TokenOrigin
from azext_login.auth.entra.application import ApplicationFactory, authority_errors
from azext_login.auth.entra.errors import Attempt, explain, login_command
from azext_login.auth.entra.handed_over import LOGIN_WITH_TOKEN, not_renewed
from azext_login.auth.input_files import refusal
from azext_login.auth.jwt import expiry_of
from azext_login.auth.sources.build_environment import running_build_system, service_connection_in
from azext_login.auth.sources.credential_source import (
    CredentialKind,
    CredentialSource,
    SourceCredential,
    SourceRequest,
)
from azext_login.auth.sources.federated_tokens import (
    BuildAssertion,
    CommandAssertion,
    FileAssertion,
    check_assertion,
)
from azext_login.auth.sources.given_token import check_given_token
from azext_login.auth.sources.registry import restore_source
from azext_login.auth.storage.assertion_entries import (
    EXPIRES_ON,
    OWN_KEY,
    SOURCE,
    assertion_of,
    callback_of,
    is_of_host,
    names_build_system,
    own_part,
)
from azext_login.auth.storage.cached_token import seconds
from azext_login.auth.workload.certificate_files import PASSPHRASE_VARIABLE
from azext_login.errors import (
    NotSignedInError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.host import host_signature
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.http.waiting import limit_time
from azext_login.system.log import get_logger

if TYPE_CHECKING:
    import requests

    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntry
    from azext_login.auth.workload.shared_assertion import SharedAssertion

logger = get_logger(__name__)

_CERTIFICATE = "certificate"
_SEND_CHAIN = "use_cert_sn_issuer"
_PROTECTED = "protected"
_KIND = "kind"

# Errors of a token request that may be about the credential (RFC 6749 section 5.2).
_ABOUT_CREDENTIAL = ("invalid_client", "invalid_request")

_SOURCE_SERVICE = "the service of federated tokens"

# Seconds to wait for a new federated token while the stored one is valid.
_SHORT_WAIT = 5.0

CLIENT_SECRET = "client secret"
CERTIFICATE = "certificate"
FEDERATED_TOKEN = "federated token"
ACCESS_TOKEN = "access token"

_KINDS = {
    CredentialKind.ASSERTION: FEDERATED_TOKEN,
    CredentialKind.SECRET: CLIENT_SECRET,
    CredentialKind.CERTIFICATE: CERTIFICATE,
    CredentialKind.TOKEN: ACCESS_TOKEN,
}


@dataclass(frozen=True)
class ServicePrincipal:
    """An application's identity in a tenant, and its credential. Without one, only its cached tokens can be used."""

    client_id: str
    tenant: str | None
    """GUID or domain; None at an AD FS server, which has no tenants."""
    kind: str
    """The kind of credential that it signed in with: CLIENT_SECRET, CERTIFICATE, FEDERATED_TOKEN or ACCESS_TOKEN."""
    client_secret: str | None = field(default=None, repr=False)
    certificate: str | None = None
    """Absolute path of a PEM or PFX file."""
    passphrase: str | None = field(default=None, repr=False)
    """The passphrase of the certificate file. Never stored."""
    is_protected: bool = False
    """Whether the certificate file has a passphrase."""
    send_chain: bool = False
    """Whether the certificate is sent, so that Entra can trust it by its subject name and issuer (SN+I)."""
    assertion: str | None = field(default=None, repr=False)
    """The latest federated token."""
    expires_on: int | None = None
    """When the access token expires that was handed over in place of a credential (POSIX time in seconds)."""
    source: CredentialSource | None = None
    """What gives the next credential; None if the credential itself is stored."""

    @property
    def stores_assertion(self) -> bool:
        """Whether the entry of this service principal has the latest federated token, or a place for it."""
        return self.assertion is not None or isinstance(self.source, (BuildAssertion, CommandAssertion))

    @classmethod
    def from_entry(
        cls, entry: ServicePrincipalEntry, environ: Mapping[str, str] = os.environ, *, owner: int | None = None
    ) -> ServicePrincipal:
        """Read an entry that this extension or the host has written.

        :param environ: has the passphrase of the certificate, if it is known (PASSPHRASE_VARIABLE).
        :param owner: the ID of the user who owns the entries; None on Windows. A stored command runs only for them.
        """
        own = own_part(entry)
        client_secret, assertion = _text(entry.get("client_secret")), assertion_of(entry)
        certificate = _text(own.get(_CERTIFICATE)) or _text(entry.get("certificate"))
        source = None
        if client_secret:
            kind, certificate = CLIENT_SECRET, None
        elif certificate:
            kind = CERTIFICATE
        else:
            source = _source_of(entry, owner)
            kind = FEDERATED_TOKEN if assertion or source else CLIENT_SECRET
        return cls(
            client_id=str(entry.get("client_id")),
            tenant=_text(entry.get("tenant")),
            kind=_text(own.get(_KIND)) or kind,
            client_secret=client_secret,
            certificate=certificate,
            passphrase=environ.get(PASSPHRASE_VARIABLE) or None,
            is_protected=bool(own.get(_PROTECTED)),
            send_chain=bool(entry.get(_SEND_CHAIN) or own.get(_SEND_CHAIN)),
            assertion=assertion,
            expires_on=seconds(own.get(EXPIRES_ON)),
            source=source,
        )

    def to_entry(self, *, store_secret: bool = True, host_certificate: str | None = None) -> ServicePrincipalEntry:
        """Return the entry to store.

        :param store_secret: whether the entry contains the client secret or the federated token.
        :param host_certificate: path of a PEM file that built-in commands can read; None without one.
        """
        entry: ServicePrincipalEntry = {"client_id": self.client_id, "tenant": self.tenant}
        own: dict[str, Any] = {}
        if self.client_secret and store_secret:
            entry["client_secret"] = self.client_secret
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
            own[SOURCE] = self.source.to_json()
        if self.expires_on is not None:
            own[EXPIRES_ON] = self.expires_on
        if own or not store_secret:
            entry[OWN_KEY] = {_KIND: self.kind, **own}
        return entry

    def login_command(self, environ: Mapping[str, str] = os.environ) -> Command:
        """Return the `az login` that signs this service principal in again, without its tenant. Contains no secret.

        :param environ: names the build system that runs the job.
        """
        if self.expires_on is not None:
            return LOGIN_WITH_TOKEN
        command = AZ_LOGIN.with_option("--service-principal").with_option("--username", self.client_id)
        if self.certificate:
            command = command.with_option("--certificate", self.certificate)
            if self.is_protected:
                command = command.with_option("--password", "@-")
            return command.with_option("--use-cert-sn-issuer") if self.send_chain else command
        if self.source is not None:
            for name, *values in _source_options(self.source, environ):
                command = command.with_option(name, *values)
            return command
        if self.kind == FEDERATED_TOKEN:
            return command.with_option("--federated-token", "@FILE")
        return command.with_option("--password", "@-")


def _source_of(entry: ServicePrincipalEntry, owner: int | None) -> CredentialSource | None:
    """Return the credential source that an entry describes, in the host's form or in ours."""
    callback = callback_of(entry)
    if callback is not None:
        return CommandAssertion(callback, owner)
    return BuildAssertion() if names_build_system(entry) else restore_source(own_part(entry).get(SOURCE), owner=owner)


def _source_options(source: CredentialSource, environ: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the options of `az login` for a source, each with its value if it has one.

    A host without the options of azure-cli#33989 gets ours. What another user may have stored in it to be run is left
    out.
    """
    from azext_login.auth.sources.user_command import is_own

    is_trusted = is_own(getattr(source, "owner", None))
    match source.to_json():
        case {"type": "file", "path": path}:
            return [("--federated-token-file", path)]
        case {"type": "command", "command_line": command_line}:
            if is_trusted and "federated_token_callback" in host_signature("login"):
                return [("--federated-token-callback", command_line)]
            return [("--federated-token", "@FILE")]
        case {"type": "named", "name": name, "arguments": arguments}:
            words = [f"{key}={value}" for key, value in arguments.items()] if is_trusted else []
            return [("--credential-source", name), *([("--source-arg", *words)] if words else [])]
        case {"type": "build"} if "federated_identity" in host_signature("login"):
            return [("--federated-identity",)]
        case {"type": "build"} if running_build_system(environ) == "azure-pipelines":
            return _service_options("azure-pipelines", service_connection_in(environ) or "ID")
        case {"type": "build"}:
            return _service_options("github", None)
        case described:
            return _service_options(described["type"], described.get("service_connection_id"))


def _service_options(service: str, connection: str | None) -> list[tuple[str, ...]]:
    options: list[tuple[str, ...]] = [("--federated-token-source", service)]
    return [*options, ("--service-connection-id", connection)] if connection else options


def needs_extension(entry: ServicePrincipalEntry, host_renews: Callable[[], bool]) -> bool:
    """Tell whether built-in commands cannot use the credential of an entry, or not for longer than it is valid.

    :param host_renews: tells whether the host itself fetches federated tokens for entries that it has written.
    """
    if own_part(entry).get(_CERTIFICATE) or EXPIRES_ON in own_part(entry):
        return True
    if ServicePrincipal.from_entry(entry).source is None:
        return False
    return not (is_of_host(entry) and host_renews())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class _OtherKindError(Exception):
    """A source has given something other than a federated token. MSAL needs to know that before it asks for one."""

    def __init__(self, credential: SourceCredential):
        super().__init__(credential.kind.value)
        self.credential = credential


class ServicePrincipalCredential:
    """Access tokens of one service principal: cached ones, or new ones for its credential."""

    def __init__(
        self,
        applications: ApplicationFactory,
        principal: ServicePrincipal,
        *,
        authority: str,
        http: Callable[[], requests.Session],
        on_assertion: Callable[[str], None] = lambda assertion: None,
        shared: SharedAssertion | None = None,
        clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
        command: Command | None = None,
        may_prompt: bool = False,
    ):
        """:param authority: the cloud's address for sign-in, for error messages.
        :param http: returns the session for requests to a source of federated tokens.
        :param on_assertion: called with each new federated token that a source has returned.
        :param shared: the stored federated token, to use until it is due; None to ask the source always.
        :param clock: returns POSIX time in seconds.
        :param environ: the environment variables, which a source may read.
        :param command: the `az login` that runs, for the advice; None for another command.
        :param may_prompt: whether a source may ask the user at the terminal.
        """
        self._command = command
        self._applications = applications
        self._principal = principal
        self._authority = authority
        self._http = http
        self._on_assertion = on_assertion
        self._shared = None if isinstance(principal.source, FileAssertion) else shared
        self._clock = clock
        self._environ = environ
        self._request = SourceRequest(
            principal.client_id, principal.tenant or "", authority=authority, may_prompt=may_prompt
        )
        self._given: SourceCredential | None = None
        self._assertion: str | None = None
        self._fetched: str | None = None
        self._refused: str | None = None

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AccessToken:
        """Return a token that MSAL considers fresh (at least five minutes left).

        :param tenant: GUID or verified domain; None for that of the service principal.
        :param claims_challenge: JSON; a cached token is then not used.
        :param advised_scopes: not used: only users consent to scopes.
        :param data: more fields of the request, such as those of an SSH certificate.
        :raises NotSignedInError: no token is cached, and the credential is not stored.
        :raises SignInError: Entra refused, or the certificate or the federated token cannot be used.
        """
        more: dict[str, Any] = {"data": dict(data)} if data else {}
        result = self.msal_result(scopes, tenant=tenant, claims_challenge=claims_challenge, **more)
        origin = TokenOrigin.JOB if self._principal.kind == FEDERATED_TOKEN else TokenOrigin.CREDENTIAL
        return AccessToken.from_result(result, now=self._clock(), origin=origin)

    def msal_result(self, scopes: Sequence[str], *, tenant: str | None = None, **options: Any) -> dict[str, Any]:
        """Return the answer of the sign-in service, or what MSAL has cached of it. Contains a secret.

        :param tenant: as in `token`.
        :param options: arguments of MSAL's `acquire_token_for_client`.
        :raises: what `token` raises.
        """
        tenant = tenant or self._principal.tenant
        self._request = replace(self._request, tenant=tenant or "", scopes=tuple(scopes))
        try:
            result = self._ask(scopes, tenant, options)
        except _OtherKindError as given:
            if given.credential.kind is CredentialKind.TOKEN:
                return self._use_token(given.credential, scopes, tenant, options)
            result = self._ask(scopes, tenant, options)
        if "error" in result:
            if result["error"] in _ABOUT_CREDENTIAL:
                self._restore_stored_assertion()
            raise explain(result, self._attempt(tenant))
        return result

    def _ask(self, scopes: Sequence[str], tenant: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return MSAL's result.

        :raises _OtherKindError: no token is cached, and the source has given something other than a federated token.
        """
        application = self._applications.build_confidential(
            self._principal.client_id, self._msal_credential(tenant), tenant
        )
        with authority_errors(self._authority, tenant, self._command or self._principal.login_command()):
            result: dict[str, Any] = application.acquire_token_for_client(list(scopes), **options)
            if result.get("error") in _ABOUT_CREDENTIAL and self._replace_stored_assertion():
                result = application.acquire_token_for_client(list(scopes), **options)
        return result

    def _use_token(
        self, given: SourceCredential, scopes: Sequence[str], tenant: str | None, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a finished access token, and store it where MSAL stores tokens, so that built-in commands find it.

        :raises SignInError: it has expired, is of another account, or the request is for another kind of token.
        """
        if options.get("data"):
            raise refusal(
                "The credential source gives finished access tokens, and none for an SSH certificate.",
                "Sign in with a source that gives a federated token, a client secret or a certificate.",
            )
        now = self._clock()
        expires_on = check_given_token(given, client_id=self._principal.client_id, tenant=tenant, now=now)
        self._applications.keep_token(self._principal.client_id, tenant, scopes, given.value, expires_on, now=now)
        return {"access_token": given.value, "token_type": "Bearer", "expires_in": int(expires_on - now)}

    @property
    def kind(self) -> str:
        """The kind of credential that was used last: CLIENT_SECRET, CERTIFICATE, FEDERATED_TOKEN or ACCESS_TOKEN."""
        if self._given is not None:
            return _KINDS[self._given.kind]
        return FEDERATED_TOKEN if self._assertion is not None else self._principal.kind

    def check(self) -> None:
        """Refuse a federated token that cannot be used, before the sign-in service is asked for anything.

        :raises: what `assertion` raises.
        """
        principal = self._principal
        source = principal.source
        gives_assertion = source is not None and source.gives is CredentialKind.ASSERTION
        if principal.assertion or gives_assertion:
            with suppress(_OtherKindError):
                self._new_or_stored_assertion()

    def _attempt(self, tenant: str | None) -> Attempt:
        principal = self._principal
        return Attempt(
            tenant=tenant,
            username=principal.client_id,
            service_principal=True,
            command=self._command or principal.login_command(),
        )

    def _msal_credential(self, tenant: str | None) -> Any:
        """Return the `client_credential` of msal.ConfidentialClientApplication.

        A credential that cannot be used is a callable that raises the error. MSAL calls it only if no token is cached.
        """
        principal, given = self._principal, self._given
        if given is not None and given.kind is CredentialKind.SECRET:
            return given.value
        if given is not None and given.kind is CredentialKind.CERTIFICATE:
            return self._given_certificate(given)
        if principal.client_secret:
            return principal.client_secret
        if principal.certificate:
            if principal.is_protected and not principal.passphrase:
                return {"client_assertion": self._fail_without_passphrase}
            return self._msal_certificate(Path(principal.certificate), tenant)
        if principal.source is not None or principal.assertion:
            return {"client_assertion": self._new_or_stored_assertion}
        return {"client_assertion": lambda: self._fail_without_credential(tenant)}

    def _msal_certificate(self, path: Path, tenant: str | None) -> Any:
        from azext_login.auth.workload.certificates import read_certificate

        try:
            certificate = read_certificate(
                path,
                passphrase=self._principal.passphrase,
                now=self._clock(),
                command=login_command(self._attempt(tenant)),
            )
        except SignInError as error:
            problem = error

            def fail() -> str:
                raise problem

            return {"client_assertion": fail}
        return certificate.as_msal_credential(send_chain=self._principal.send_chain)

    def _given_certificate(self, given: SourceCredential) -> Any:
        from azext_login.auth.workload.certificates import certificate_in

        certificate = certificate_in(
            given.value,
            "the answer of the credential source",
            now=self._clock(),
            command=self._command or self._principal.login_command(),
        )
        return certificate.as_msal_credential(send_chain=self._principal.send_chain)

    def assertion(self, *, limit: float | None = None) -> str:
        """Return a valid federated token: from its source, or the stored one if it has no source. A secret.

        The source gets one request at most, whatever the number of calls.

        :param limit: seconds to wait for the source; None for as long as its requests take.
        :raises _OtherKindError: the source has given another credential.
        :raises SignInError: the token has expired, or the source refused.
        :raises ServiceUnreachableError: the source did not answer.
        :raises UnexpectedAnswerError: the source answered without a token.
        """
        if self._assertion is None:
            principal = self._principal
            found = principal.assertion or ""
            if principal.source is not None:
                found = self._fetch(principal.source, limit)
            check_assertion(found, self._clock())
            self._assertion = self._fetched = found
            if found != principal.assertion:
                self._on_assertion(found)
        return self._assertion

    def _fetch(self, source: CredentialSource, limit: float | None) -> str:
        """Return the federated token that a source gives."""
        fetch = partial(source.fetch, self._request, http=self._http(), environ=self._environ)
        given = limit_time(limit, fetch, service=_SOURCE_SERVICE, error=ServiceSlowError) if limit else fetch()
        if given.kind is not CredentialKind.ASSERTION:
            self._given = given
            raise _OtherKindError(given)
        return given.value

    def _new_or_stored_assertion(self) -> str:
        """Return the federated token that all processes share, until it is due; then one like `assertion`.

        If a build system's service fails, the stored one is used as long as it is valid. Not every step of a job has
        the environment variables for that service, and built-in commands do not need them.
        """
        stored = self._valid_stored_assertion()
        try:
            if self._assertion is None and self._shared is not None:
                fetch = partial(self.assertion, limit=_SHORT_WAIT if stored else None)
                self._assertion = self._shared.find() or self._shared.renew(fetch)
            return self.assertion()
        except (SignInError, ServiceUnreachableError, UnexpectedAnswerError) as error:
            if stored is None:
                raise
            self._assertion = stored
            logger.warning("%s The stored federated token is used until it expires.", first_line(error))
            return stored

    def _valid_stored_assertion(self) -> str | None:
        """Return the stored federated token if it has not expired, and if it did not come from a file."""
        stored = self._principal.assertion
        if stored is None or isinstance(self._principal.source, FileAssertion):
            return None
        expires_on = expiry_of(stored)
        return stored if expires_on is not None and expires_on > self._clock() else None

    def _replace_stored_assertion(self) -> bool:
        """Replace a stored federated token that was refused, once, and tell whether there is another one.

        It can be refused before it expires: the clock of this computer may be wrong, or its issuer has new keys.
        """
        refused = self._assertion
        if self._shared is None or self._refused is not None or refused is None or refused == self._fetched:
            return False
        self._refused, self._assertion = refused, None
        try:
            self._assertion = self._shared.renew(self.assertion, refused=refused)
        except (SignInError, ServiceUnreachableError, UnexpectedAnswerError) as error:
            logger.warning("%s The stored federated token was refused.", first_line(error))
            return False
        return self._assertion != refused

    def _restore_stored_assertion(self) -> None:
        """Store the federated token again that was replaced by one that was refused, if it is still valid."""
        stored = self._valid_stored_assertion()
        if stored is not None and self._fetched not in (None, stored) and stored != self._refused:
            self._on_assertion(stored)

    def _fail_without_credential(self, tenant: str | None) -> str:
        principal = self._principal
        if principal.expires_on is not None:
            raise not_renewed(principal.client_id, principal.expires_on, self._clock())
        raise NotSignedInError(
            f"No token of service principal '{principal.client_id}' is cached for this request, and its "
            f"{principal.kind} was not stored.",
            next_step=f"To sign in again, run:\n{login_command(self._attempt(tenant))}",
        )

    def _fail_without_passphrase(self) -> str:
        principal = self._principal
        raise NotSignedInError(
            f"No token of service principal '{principal.client_id}' is cached for this request, and the key in "
            f"{principal.certificate} has a passphrase, which is never stored.",
            next_step=f"Set {PASSPHRASE_VARIABLE}, or sign in again:\n{login_command(self._attempt(principal.tenant))}",
        )
