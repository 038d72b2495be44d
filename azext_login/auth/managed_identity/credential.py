"""Access tokens of a managed identity, from the service that issues them on this host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from azext_login.auth.credential import AccessToken, TokenOrigin
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import IdentitySource, SourceKind, find_source
from azext_login.errors import SignInError, UnexpectedAnswerError
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.log import get_logger
from azext_login.system.login_command import with_identity
from azext_login.system.text import capitalised, printable

logger = get_logger(__name__)


class ManagedIdentityCredential:
    """Tokens of the system-assigned identity, or of the user-assigned one with the given ID.

    MSAL caches them in memory only, as in the built-in commands: the service has a cache of its own.
    """

    def __init__(
        self,
        client_id: str | None = None,
        object_id: str | None = None,
        resource_id: str | None = None,
        *,
        http: Any,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        command: Command | None = None,
    ):
        """Create a credential; nothing is sent.

        :param http: a requests.Session, whose user agent is sent. Its proxies and retries are not used: these services
            are local, and a proxy would send requests to those of another computer.
        :param environ: the environment of this process, which MSAL reads as well.
        :param clock: returns POSIX time in seconds.
        :param sleep: waits the given seconds before a request to a busy service is repeated.
        :param command: the `az login` that runs, for the advice; None for another command.
        :raises SignInError: more than one ID is given.
        """
        self._identity = AssignedIdentity.from_ids(client_id, object_id, resource_id)
        self._user_agent: str | None = http.headers.get("User-Agent")
        self._environ = environ
        self._clock = clock
        self._sleep = sleep
        self._is_reachable = False
        self._command = command

    @classmethod
    def from_info(
        cls,
        assigned_identity_info: str,
        *,
        http: Any,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> ManagedIdentityCredential:
        """Create the credential of a stored account from its `user.assignedIdentityInfo`.

        :raises AccountError: that text is not valid.
        """
        credential = cls(http=http, environ=environ, clock=clock, sleep=sleep)
        credential._identity = AssignedIdentity.from_info(assigned_identity_info)
        return credential

    @property
    def assigned_identity_info(self) -> str:
        """The profile's `user.assignedIdentityInfo`: MSI, MSIClient-<ID>, MSIObject-<ID> or MSIResource-<ID>."""
        return self._identity.info

    @property
    def user_name(self) -> str:
        """The profile's `user.name`: systemAssignedIdentity or userAssignedIdentity."""
        return self._identity.user_name

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

        Fails within 5 seconds if the service does not answer, and after about 10 more if it stays busy.

        :param scopes: scopes of one resource, for which the token is requested.
        :param tenant: GUID of the tenant of the token. A managed identity has tokens of its home tenant only.
        :param claims_challenge: JSON; a cached token is then not used.
        :param advised_scopes: scopes to name in the advice to sign in with another account.
        :param data: not used: the service issues plain access tokens only.
        :raises SignInError: the identity is not assigned to this resource, the tenant is not its own, or the service
            refused for another reason.
        :raises ServiceUnreachableError: the service did not answer.
        :raises UnexpectedAnswerError: the answer is not what the protocol allows, or the service stays busy.
        """
        from azext_login.auth.managed_identity.requests import check_reachable, limit_attempt, retry_while_busy

        source = self._source
        if not self._is_reachable:
            check_reachable(source, self._session())
            self._is_reachable = True
        result = retry_while_busy(
            lambda: limit_attempt(lambda: self._ask(resource_of(scopes), claims_challenge), source),
            source,
            clock=self._clock,
            sleep=self._sleep,
        )
        token = AccessToken.from_result(result, now=self._clock(), origin=TokenOrigin.MANAGED_IDENTITY)
        self._check_tenant(token, tenant, advised_scopes)
        return token

    def _check_tenant(self, token: AccessToken, tenant: str | None, advised_scopes: Sequence[str] | None) -> None:
        if not tenant:
            return
        from azext_login.auth.jwt import tenant_in

        own = tenant_in(token.secret)
        if own.lower() != tenant.lower():
            command = AZ_LOGIN.with_option("--tenant", tenant)
            if advised_scopes:
                command = command.with_option("--scope", *advised_scopes)
            raise SignInError(
                f"The home tenant of {self._identity} is '{own}'. It gets no tokens of the tenant '{tenant}'.",
                next_step=f"Leave --tenant out, or sign in with an account of that tenant:\n{command}",
            )

    @cached_property
    def _source(self) -> IdentitySource:
        from azext_login.auth.managed_identity.answers import single_identity_error

        source = replace(find_source(self._environ), command=self._command or self._identity.login_command())
        logger.debug("Managed identities: %s at %s. %s", source.service, source.place, source.reason)
        if source.kind is SourceKind.CLOUD_SHELL:
            # MSAL would send the request to IMDS, which Cloud Shell does not have.
            raise SignInError(
                f"Cloud Shell has no managed identity. It has the tokens of the user who opened it. {source.reason}",
                next_step=f"Sign in as that user:\n{with_identity(source.command)}",
            )
        if source.kind is SourceKind.SERVICE_FABRIC and self._identity.option:
            # MSAL would return a token of another identity than the requested one.
            raise single_identity_error(source, self._identity)
        return source

    def _session(self) -> Any:
        from azext_login.auth.managed_identity.requests import build_direct_session

        return build_direct_session(self._user_agent)

    @cached_property
    def _client(self) -> Any:
        from msal import ManagedIdentityClient, SystemAssignedManagedIdentity, UserAssignedManagedIdentity

        from azext_login.auth.entra.msal_logs import quiet_loggers
        from azext_login.auth.managed_identity.answers import check_response
        from azext_login.auth.managed_identity.requests import BoundedHttpClient, PinnedCertificateAdapter
        from azext_login.system.http.bounded import read_answer

        quiet_loggers()
        source, session = self._source, self._session()

        def check(response: Any, *args: Any, **kwargs: Any) -> None:
            read_answer(response)
            check_response(response, source, self._identity)

        def same(url: str) -> str:
            # Otherwise, error messages would name the wrong service.
            assert url == source.address, f"MSAL sends a request to {url}"
            return url

        session.hooks["response"].append(check)
        if source.kind is SourceKind.SERVICE_FABRIC:
            # MSAL's own session has this one's hook, which reads the answer, but not the adapter that limits its size.
            session.stream = True
            session.mount("https://", PinnedCertificateAdapter(self._environ["IDENTITY_SERVER_THUMBPRINT"]))
        user_assigned = {str(self._identity.option).replace("-", "_"): self._identity.value}
        return ManagedIdentityClient(
            UserAssignedManagedIdentity(**user_assigned) if self._identity.option else SystemAssignedManagedIdentity(),
            # For Service Fabric, MSAL requires a session, from which it creates its own one with a pinned certificate.
            http_client=session if source.kind is SourceKind.SERVICE_FABRIC else BoundedHttpClient(session, same),
        )

    def _ask(self, resource: str, claims_challenge: str | None) -> Mapping[str, Any]:
        """Request a token once.

        :raises BusyError: a later request may succeed.
        """
        import requests

        from azext_login.auth.managed_identity.answers import single_identity_error
        from azext_login.auth.managed_identity.requests import translate_errors

        source = self._source
        with translate_errors(source):
            try:
                result: Mapping[str, Any] = self._client.acquire_token_for_client(
                    resource=resource, claims_challenge=claims_challenge
                )
            except (requests.exceptions.InvalidHeader, UnicodeError):
                if source.kind is not SourceKind.ARC:
                    raise
                raise _unusable_key_error(source) from None
            except OSError as error:
                if isinstance(error, requests.RequestException):
                    raise
                raise _unreadable_key_error(source, error) from error
            except (ValueError, KeyError) as error:
                if source.kind is SourceKind.ARC and self._identity.option:
                    # Older releases of MSAL support only the system-assigned identity here.
                    raise single_identity_error(source, self._identity) from error
                # MSAL's own errors. After a colon, their text may quote the answer, with an address or headers.
                raise UnexpectedAnswerError(
                    f"The answer of {source.service} at {source.place} cannot be used: "
                    f"{str(error).partition(':')[0].rstrip('.')}. {source.reason}",
                    "Check the environment and run the command again.",
                ) from error
        if "access_token" not in result:
            # The error description may be the whole answer, with a token in it.
            raise UnexpectedAnswerError(
                f"{capitalised(source.service)} at {source.place} issued no token: {result.get('error')}. "
                f"{source.reason}",
                "Check the environment and run the command again.",
            )
        return result


def resource_of(scopes: Sequence[str]) -> str:
    """Return the resource of scopes, as the host does: the first scope without its permission.

    'https://management.core.windows.net//.default' belongs to 'https://management.core.windows.net/', with the slash:
    https://learn.microsoft.com/entra/identity-platform/scopes-oidc#trailing-slash-and-default
    """
    from azure.cli.core.auth.util import scopes_to_resource

    return str(scopes_to_resource(list(scopes)))


def _unusable_key_error(source: IdentitySource) -> SignInError:
    """Return the error for a key of Azure Arc's agent that cannot be sent in a header."""
    return SignInError(
        f"The key file of {source.service} at {source.place} does not contain a key. {source.reason} "
        "Nothing that was stored before has changed.",
        next_step="Run the command again, and check the agent with:\nazcmagent show",
    )


def _unreadable_key_error(source: IdentitySource, error: OSError) -> SignInError:
    """Return the error for a key file of Azure Arc's agent that is missing or not readable.

    https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication#acquiring-an-access-token-using-rest-api
    """
    return SignInError(
        f"{capitalised(source.service)} at {source.place} issues tokens only to users who can read its key file. The "
        f"file cannot be read: {error.strerror} ({printable(error.filename)}). Nothing that was stored before has "
        "changed.",
        next_step="Members of the group himds (Linux) or 'Hybrid agent extension applications' (Windows) can read it. "
        "Join the group, sign in to the computer again, then run:\n"
        f"sudo usermod -aG himds $USER\n{source.command}",
    )
