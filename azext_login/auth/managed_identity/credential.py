"""Access tokens of a managed identity, from whichever service of this machine gives them out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from knack.log import get_logger

from azext_login.auth.credential import AccessToken
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import IdentitySource, SourceKind, find_source
from azext_login.errors import SignInError, UnexpectedAnswerError
from azext_login.system.http.errors import capitalised
from azext_login.system.text import printable

logger = get_logger(__name__)


class ManagedIdentityCredential:
    """Tokens of the system-assigned identity, or of the one that an ID names.

    MSAL keeps them in memory only, as it does for the host: the service on the machine has a cache of its own.
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
    ):
        """Make a credential; nothing is sent.

        :param http: a requests.Session, whose user agent is sent. Its proxies and retries are not used: these services
            are on the same machine, and a proxy would ask those of another one.
        :param environ: the environment of this process. MSAL looks there itself.
        :param clock: POSIX time in seconds.
        :param sleep: waits that many seconds before a busy service is asked again.
        :raises SignInError: more than one ID is given.
        """
        self._identity = AssignedIdentity.from_ids(client_id, object_id, resource_id)
        self._user_agent: str | None = http.headers.get("User-Agent")
        self._environ = environ
        self._clock = clock
        self._sleep = sleep
        self._answered = False

    @classmethod
    def of(
        cls,
        assigned_identity_info: str,
        *,
        http: Any,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> ManagedIdentityCredential:
        """Make the credential of a stored account from its `user.assignedIdentityInfo`.

        :raises AccountError: that text names no identity.
        """
        made = cls(http=http, environ=environ, clock=clock, sleep=sleep)
        made._identity = AssignedIdentity.from_info(assigned_identity_info)
        return made

    @property
    def assigned_identity_info(self) -> str:
        """What the profile holds as `user.assignedIdentityInfo`: MSI, or MSIClient-, MSIObject-, MSIResource-ID."""
        return self._identity.info

    @property
    def user_name(self) -> str:
        """What the profile holds as `user.name`: systemAssignedIdentity or userAssignedIdentity."""
        return self._identity.user_name

    def token(
        self,
        scopes: Sequence[str],
        *,
        tenant: str | None = None,
        claims_challenge: str | None = None,
        advised_scopes: Sequence[str] | None = None,
    ) -> AccessToken:
        """Return a token that MSAL considers fresh (at least five minutes left).

        Fails within 5 seconds if nobody answers, and after about 10 more if the service stays busy.

        :param scopes: of one resource; its address is what is asked for.
        :param tenant: the GUID of the tenant that the token is wanted for. A managed identity has just one.
        :param claims_challenge: JSON; a cached token is then not used.
        :param advised_scopes: not used; `az login --identity` takes no scopes.
        :raises SignInError: the identity is not assigned here, or the service refuses for another reason.
        :raises ServiceUnreachableError: no service answered.
        :raises UnexpectedAnswerError: the answer is not what the protocol allows, or the service stays busy.
        """
        from azext_login.auth.managed_identity.requests import asked_while_busy, probe, within_bounds

        source = self._source
        if not self._answered:
            probe(source, self._session())
            self._answered = True
        result = asked_while_busy(
            lambda: within_bounds(lambda: self._ask(resource_of(scopes), claims_challenge), source),
            clock=self._clock,
            sleep=self._sleep,
        )
        token = AccessToken.from_result(result, now=self._clock())
        self._check_tenant(token, tenant)
        return token

    def _check_tenant(self, token: AccessToken, tenant: str | None) -> None:
        if not tenant:
            return
        from azext_login.auth.jwt import claims_of

        own = str(claims_of(token.secret).get("tid"))
        if own.lower() != tenant.lower():
            raise SignInError(
                f"{capitalised(str(self._identity))} has its home in the tenant '{own}' and gets no tokens of "
                f"'{tenant}'.",
                next_step=f"Leave --tenant out, or sign in as somebody of that tenant:\naz login --tenant {tenant}",
            )

    @cached_property
    def _source(self) -> IdentitySource:
        from azext_login.auth.managed_identity.answers import no_choice

        source = find_source(self._environ)
        logger.debug("Managed identities: %s at %s. %s", source.service, source.place, source.reason)
        if source.kind is SourceKind.CLOUD_SHELL:
            # MSAL would go on to IMDS, which Cloud Shell does not have.
            raise SignInError(
                f"Cloud Shell has no managed identity, only the person who opened it. {source.reason}",
                next_step="Sign in as that person:\naz login --identity",
            )
        if source.kind is SourceKind.SERVICE_FABRIC and self._identity.option:
            # MSAL would give the token of another identity than the one that is asked for.
            raise no_choice(source, self._identity)
        return source

    def _session(self) -> Any:
        from azext_login.auth.managed_identity.requests import direct_session

        return direct_session(self._user_agent)

    @cached_property
    def _client(self) -> Any:
        from msal import ManagedIdentityClient, SystemAssignedManagedIdentity, UserAssignedManagedIdentity

        from azext_login.auth.managed_identity.answers import check_answer
        from azext_login.auth.managed_identity.requests import BoundedHttp, PinnedAdapter

        source, session = self._source, self._session()

        def check(response: Any, *args: Any, **kwargs: Any) -> None:
            check_answer(response, source, self._identity)

        def same(url: str) -> str:
            # Otherwise a message would name a service that was not asked.
            assert url == source.address, f"MSAL asks {url}"
            return url

        session.hooks["response"].append(check)
        if source.kind is SourceKind.SERVICE_FABRIC:
            session.mount("https://", PinnedAdapter(self._environ["IDENTITY_SERVER_THUMBPRINT"]))
        named = {str(self._identity.option).replace("-", "_"): self._identity.value}
        return ManagedIdentityClient(
            UserAssignedManagedIdentity(**named) if self._identity.option else SystemAssignedManagedIdentity(),
            # For Service Fabric MSAL insists on a session, to make one of its own from it that pins the certificate.
            http_client=session if source.kind is SourceKind.SERVICE_FABRIC else BoundedHttp(session, same),
        )

    def _ask(self, resource: str, claims_challenge: str | None) -> Mapping[str, Any]:
        """Ask once.

        :raises BusyError: the service may answer later.
        """
        import requests

        from azext_login.auth.managed_identity.answers import no_choice
        from azext_login.auth.managed_identity.requests import reaching

        source = self._source
        with reaching(source):
            try:
                result: Mapping[str, Any] = self._client.acquire_token_for_client(
                    resource=resource, claims_challenge=claims_challenge
                )
            except (requests.exceptions.InvalidHeader, UnicodeError):
                if source.kind is not SourceKind.ARC:
                    raise
                raise _unusable_key(source) from None
            except OSError as error:
                if isinstance(error, requests.RequestException):
                    raise
                raise _unreadable_challenge(source, error) from error
            except (ValueError, KeyError) as error:
                if source.kind is SourceKind.ARC and self._identity.option:
                    # Older releases of MSAL ask the agent for no identity but the machine's own.
                    raise no_choice(source, self._identity) from error
                # Its own errors, whose text may go on with what was received: an address, headers.
                raise UnexpectedAnswerError(
                    f"The answer of {source.service} at {source.place} cannot be used: "
                    f"{str(error).partition(':')[0].rstrip('.')}. {source.reason}",
                    "Check the environment and run the command again.",
                ) from error
        if "access_token" not in result:
            # Its description may be the whole answer, with a token in it.
            raise UnexpectedAnswerError(
                f"{capitalised(source.service)} at {source.place} gave no token: {result.get('error')}. "
                f"{source.reason}",
                "Check the environment and run the command again.",
            )
        return result


def resource_of(scopes: Sequence[str]) -> str:
    """Return the resource that these services ask for: the first scope without its permission, as the host does.

    'https://management.core.windows.net//.default' is of 'https://management.core.windows.net/', slash included:
    https://learn.microsoft.com/entra/identity-platform/scopes-oidc#trailing-slash-and-default
    """
    from azure.cli.core.auth.util import scopes_to_resource

    return str(scopes_to_resource(list(scopes)))


def _unusable_key(source: IdentitySource) -> SignInError:
    """Return the error for a key of Azure Arc's agent that no header can hold."""
    return SignInError(
        f"The key file of {source.service} at {source.place} holds something else than a key. {source.reason} "
        "Nothing that was stored before has changed.",
        next_step="Run the command again, and check the agent with:\nazcmagent show",
    )


def _unreadable_challenge(source: IdentitySource, error: OSError) -> SignInError:
    """Return the error for a challenge file of Azure Arc's agent that is not there or not readable.

    https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication#acquiring-an-access-token-using-rest-api
    """
    return SignInError(
        f"{capitalised(source.service)} at {source.place} gives a token to who can read its key file, which this user "
        f"cannot: {error.strerror} ({printable(error.filename)}). Nothing that was stored before has changed.",
        next_step="Its readers are the group himds (Linux) or 'Hybrid agent extension applications' (Windows). Join "
        "it, sign in to the machine again, then run:\nsudo usermod -aG himds $USER\naz login --identity",
    )
