"""The clients of Entra ID and Azure Resource Manager, set up from the host's settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.errors import StoreError
from azext_login.host import HostSettings, send_broker_telemetry, send_telemetry
from azext_login.profile.model import ASSIGNED_IDENTITY, CLOUD_SHELL, Account, SubscriptionRow, account_of

logger = get_logger(__name__)

if TYPE_CHECKING:
    from azext_login.auth.credential import Credential
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.auth.entra.user_credential import UserCredential
    from azext_login.auth.storage.decrypted_keys import DecryptedKeys
    from azext_login.auth.storage.msal_http_cache import HttpCache
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
    from azext_login.auth.storage.token_cache import TokenCache
    from azext_login.auth.workload.service_principal import ServicePrincipal, ServicePrincipalCredential
    from azext_login.resource_manager.client import ResourceManager

TokenOfTenant = Callable[[str | None, str | None], str]


class StagedTokens:
    """The tokens of a sign-in, in memory until it is known that there is something to use with them."""

    def __init__(self, clients: Clients):
        from msal import SerializableTokenCache

        self._disk = clients.token_cache
        self._tokens = SerializableTokenCache()
        self._http_cache = clients.http_cache()
        self.applications = clients.applications(self._tokens, self._http_cache.load())

    def keep(self) -> None:
        """Store the tokens beside those of others, and the discovery documents that it took to get them.

        :raises StoreError: the tokens cannot be written.
        """
        self._disk.commit({}, _sections_of(self._tokens))
        self._http_cache.save()


class Clients:
    """Makes what one command needs. Nothing is imported or opened before it is asked for."""

    def __init__(self, settings: HostSettings):
        self._settings = settings

    @cached_property
    def http(self) -> Any:
        """The one HTTP session of the command."""
        from azext_login.system.http.session import build_session

        return build_session(user_agent=self._settings.user_agent, verify=self._settings.verify_certificates)

    @property
    def token_cache(self) -> TokenCache:
        """The tokens on the disk."""
        from azext_login.auth.storage.token_cache import TokenCache

        return TokenCache(self._settings.config_dir, encrypt=self._settings.encrypt_token_cache)

    @property
    def service_principals(self) -> ServicePrincipalEntries:
        """The secrets of service principals on the disk."""
        from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries

        return ServicePrincipalEntries(self._settings.config_dir, encrypt=self._settings.encrypt_token_cache)

    @property
    def decrypted_keys(self) -> DecryptedKeys:
        """The private keys that are stored without a passphrase."""
        from azext_login.auth.storage.decrypted_keys import DecryptedKeys

        return DecryptedKeys(self._settings.config_dir)

    def http_cache(self) -> HttpCache:
        """Return MSAL's cache of HTTP answers."""
        from azext_login.auth.storage.msal_http_cache import HttpCache

        return HttpCache(self._settings.config_dir, enabled=self._settings.use_http_cache)

    def staged_tokens(self) -> StagedTokens:
        """Return a place for the tokens of a sign-in."""
        return StagedTokens(self)

    @contextmanager
    def stored_tokens(
        self, *, leave_out: Callable[[Mapping[str, Any]], bool] = lambda entry: False
    ) -> Iterator[ApplicationFactory]:
        """Yield applications that work on a copy of the stored tokens; what they renew is stored afterwards.

        :param leave_out: tells which access tokens (MSAL's cache entries) are not in the copy, so that new ones are
            asked for. The old ones stay stored until a new one takes their place.
        """
        from msal import SerializableTokenCache

        disk = self.token_cache
        before = disk.usable()
        before["AccessToken"] = {
            key: entry for key, entry in before.get("AccessToken", {}).items() if not leave_out(entry)
        }
        tokens = SerializableTokenCache()
        tokens.deserialize(json.dumps(before))
        http_cache = self.http_cache()
        try:
            yield self.applications(tokens, http_cache.load())
        finally:
            if tokens.has_state_changed:
                try:
                    disk.commit(before, _sections_of(tokens), applications=self._signed_in_applications)
                except StoreError as error:
                    # A token that cannot be kept is still a token.
                    logger.warning("The renewed tokens were not stored. %s", error)
            http_cache.save()

    def _signed_in_applications(self) -> frozenset[str] | None:
        """Return the application IDs that have an entry, case folded; None if that cannot be known."""
        entries = self.service_principals
        if entries.shares_the_keyring:
            return None
        try:
            return entries.client_ids()
        except StoreError:
            return None

    def applications(self, token_cache: Any, http_cache: Any) -> ApplicationFactory:
        """Return the factory of MSAL applications that share these caches."""
        from azext_login.auth.entra.application import ApplicationFactory, ApplicationSettings
        from azext_login.auth.entra.http_client import AuthorityHttpClient

        settings = self._settings
        send_broker_telemetry(settings)
        return ApplicationFactory(
            ApplicationSettings(
                authority=settings.authority,
                is_adfs=settings.is_adfs,
                instance_discovery=settings.instance_discovery,
                client_capabilities=settings.client_capabilities,
                broker_on_windows=settings.broker_on_windows,
                broker_on_mac=settings.broker_on_mac,
            ),
            token_cache=token_cache,
            http_client=AuthorityHttpClient(self.http, settings.authority, verify=settings.verify_certificates),
            http_cache=http_cache,
        )

    def user_credential(self, account: Account, applications: ApplicationFactory) -> UserCredential:
        """Return the silent tokens of a user."""
        from azext_login.auth.entra.user_credential import UserCredential

        return UserCredential(
            applications,
            account.name,
            authority=self._settings.authority,
            on_agent_session=lambda: send_telemetry("set_agentic_session", True),
        )

    def credential_of(
        self, row: SubscriptionRow, applications: ApplicationFactory, *, tenant: str | None = None
    ) -> Credential:
        """Return the tokens of the account that a row belongs to.

        :param tenant: the one that tokens are wanted of, if that is not the row's.
        :raises NotSignedInError: it is a service principal of which nothing is stored.
        """
        account = account_of(row)
        if account.details.get(CLOUD_SHELL):
            from azext_login.auth.managed_identity.cloud_shell import CloudShellCredential

            return CloudShellCredential(http=self.http)
        if account.is_user:
            return self.user_credential(account, applications)
        if account.is_managed_identity:
            from azext_login.auth.managed_identity.credential import ManagedIdentityCredential

            return ManagedIdentityCredential.from_info(
                str(account.details.get(ASSIGNED_IDENTITY) or "MSI"), http=self.http
            )
        return self.service_principal_credential(self.stored_principal(row, tenant), applications)

    def stored_principal(self, row: SubscriptionRow, tenant: str | None = None) -> ServicePrincipal:
        """Return the service principal that a row belongs to, as it is stored.

        :param tenant: the one that tokens are wanted of; what is stored for it comes first.
        :raises NotSignedInError: nothing is stored of it.
        """
        from azext_login.auth.workload.service_principal import ServicePrincipal

        entry = self.service_principals.find(account_of(row).name, str(row["tenantId"]), asked=tenant)
        return ServicePrincipal.from_entry(entry)

    def service_principal_credential(
        self,
        principal: ServicePrincipal,
        applications: ApplicationFactory,
        *,
        on_assertion: Callable[[str], None] | None = None,
    ) -> ServicePrincipalCredential:
        """Return the tokens of a service principal.

        :param on_assertion: gets each fresh federated token; None to store it for built-in commands.
        """
        from azext_login.auth.workload.service_principal import ServicePrincipalCredential

        def store(assertion: str) -> None:
            try:
                self.service_principals.renew_assertion(principal.client_id, str(principal.tenant), assertion)
            except StoreError as error:
                # A federated token that cannot be kept is still one.
                logger.warning("The fresh federated token was not stored. %s", error)

        return ServicePrincipalCredential(
            applications,
            principal,
            authority=self._settings.authority,
            http=lambda: self.http,
            on_assertion=on_assertion or store,
        )

    def resource_manager_of(self, credential: Credential, *, home: str | None) -> ResourceManager:
        """Return Azure Resource Manager as an account sees it.

        :param home: the tenant to ask for the list of tenants; None for the one of the sign-in.
        """

        def token(tenant: str | None, claims: str | None) -> str:
            return credential.token(self._settings.arm_scopes, tenant=tenant or home, claims_challenge=claims).secret

        return self.resource_manager(token)

    def resource_manager(self, token: TokenOfTenant) -> ResourceManager:
        """Return Azure Resource Manager with the tokens that `token` gives for a tenant and a claims challenge."""
        from azext_login.resource_manager.client import ResourceManager

        return ResourceManager(
            self._settings.resource_manager,
            session=self.http,
            api_version=self._settings.subscriptions_api_version,
            token=token,
            headers=self._settings.request_headers,
            verify=self._settings.verify_certificates,
        )


def _sections_of(cache: Any) -> dict[str, Any]:
    """Return the entries of MSAL's in-memory cache."""
    content: dict[str, Any] = json.loads(cache.serialize())
    return content
