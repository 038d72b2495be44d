"""The clients of Entra ID and Azure Resource Manager, set up from the host's settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.errors import StoreError
from azext_login.host import HostSettings, send_telemetry
from azext_login.profile.model import ASSIGNED_IDENTITY, CLOUD_SHELL, Account, SubscriptionRow, account_of
from azext_login.system.directory import PrivateDirectory, writer_in
from azext_login.system.log import get_logger
from azext_login.system.patience import longest_wait

logger = get_logger(__name__)

# Seconds that an `az login` which has failed waits for a connection that it does not need any more.
_LAST_HANDSHAKE = 1.0

if TYPE_CHECKING:
    from azext_login.auth.credential import Credential
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.auth.entra.documents import AuthorityDocuments
    from azext_login.auth.entra.user_credential import UserCredential
    from azext_login.auth.storage.decrypted_keys import DecryptedKeys
    from azext_login.auth.storage.msal_http_cache import HttpCache
    from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries
    from azext_login.auth.storage.token_cache import TokenCache
    from azext_login.auth.workload.service_principal import ServicePrincipal, ServicePrincipalCredential
    from azext_login.auth.workload.shared_assertion import SharedAssertion
    from azext_login.resource_manager.client import ResourceManager
    from azext_login.resource_manager.pages import RowBudget
    from azext_login.system.command_line import Command


class StagedTokens:
    """The tokens of a sign-in, kept in memory until its subscriptions are known."""

    def __init__(self, clients: Clients, client_id: str):
        from msal import SerializableTokenCache

        self._disk = clients.token_cache
        self._warn = clients.warn_about_plain_text
        self._tokens = SerializableTokenCache()
        self._http_cache = clients.http_cache()
        self._client_id = client_id
        self.applications = clients.applications(self._tokens, self._http_cache.load(), client_id=client_id)

    def keep(self) -> None:
        """Store the tokens beside those of other accounts, and the discovery documents that were read for them.

        :raises StoreError: the tokens cannot be written.
        """
        new = _sections_of(self._tokens)
        if self._client_id != AZURE_CLI_CLIENT_ID:
            from azext_login.auth.storage.token_cache import without_known_accounts

            new = without_known_accounts(new, self._disk.usable())
        self._disk.commit({}, new)
        self._http_cache.save()
        self._warn()


class Clients:
    """Creates the clients and stores of one command. Nothing is imported or opened before its first use."""

    def __init__(self, settings: HostSettings, config_dir: PrivateDirectory, *, again: Command | None = None):
        """:param again: the `az login` that runs, for the advice; None for another command."""
        self._again = again
        self._settings = settings
        self._config_dir = config_dir

    @cached_property
    def http(self) -> Any:
        """The HTTP session that all requests of the command share."""
        from azext_login.system.http.session import build_session

        return build_session(user_agent=self._settings.user_agent, verify=self._settings.verify_certificates)

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "http" in self.__dict__:
            self.http.close()

    @property
    def documents(self) -> AuthorityDocuments:
        """What this process knows of the sign-in service's discovery documents."""
        from azext_login.auth.entra.documents import known_documents

        return known_documents(self._settings.authority)

    @property
    def token_cache(self) -> TokenCache:
        """The stored tokens."""
        from azext_login.auth.storage.token_cache import TokenCache

        return TokenCache(self._config_dir, encrypt=self._settings.encrypt_token_cache)

    @property
    def service_principals(self) -> ServicePrincipalEntries:
        """The stored credentials of service principals."""
        from azext_login.auth.storage.service_principal_entries import ServicePrincipalEntries

        return ServicePrincipalEntries(self._config_dir, encrypt=self._settings.encrypt_token_cache)

    def warn_about_plain_text(self) -> None:
        """Print the host's warning if it stores secrets in plain text because there is no keyring."""
        if self._settings.encrypt_token_cache:
            from azext_login.auth.storage.host_persistence import warn_about_plain_text

            warn_about_plain_text()

    @property
    def decrypted_keys(self) -> DecryptedKeys:
        """The private keys that are stored without a passphrase."""
        from azext_login.auth.storage.decrypted_keys import DecryptedKeys

        return DecryptedKeys(self._config_dir)

    def http_cache(self) -> HttpCache:
        """Return MSAL's cache of HTTP responses."""
        from azext_login.auth.storage.msal_http_cache import HttpCache

        return HttpCache(self._config_dir, enabled=self._settings.use_http_cache)

    def staged_tokens(self, *, client_id: str = AZURE_CLI_CLIENT_ID) -> StagedTokens:
        """Return an empty store in memory for the tokens of a sign-in.

        :param client_id: the public client that a user signs in to.
        """
        return StagedTokens(self, client_id)

    @contextmanager
    def stored_tokens(
        self,
        *,
        leave_out: Callable[[Mapping[str, Any]], bool] = lambda entry: False,
        client_id: str = AZURE_CLI_CLIENT_ID,
    ) -> Iterator[ApplicationFactory]:
        """Yield applications that work on a copy of the stored tokens. Tokens that they renew are stored at the end.

        :param leave_out: tells which access tokens (MSAL's cache entries) are left out of the copy, so that MSAL
            requests new ones. They stay stored until a new one replaces them.
        :param client_id: the public client whose tokens a user gets. Another one than the Azure CLI sees its own tokens
            only.
        """
        from msal import SerializableTokenCache

        disk = self.token_cache
        before = disk.usable()
        before["AccessToken"] = {
            key: entry for key, entry in before.get("AccessToken", {}).items() if not leave_out(entry)
        }
        if client_id != AZURE_CLI_CLIENT_ID:
            from azext_login.auth.storage.token_cache import of_client

            before = of_client(before, client_id)
        tokens = SerializableTokenCache()
        tokens.deserialize(json.dumps(before))
        http_cache = self.http_cache()
        try:
            yield self.applications(tokens, http_cache.load(), client_id=client_id)
        finally:
            if tokens.has_state_changed:
                try:
                    disk.commit(before, _sections_of(tokens), applications=self._signed_in_applications)
                except StoreError as error:
                    # The command can use a token that cannot be stored.
                    logger.warning("The renewed tokens were not stored. %s", error)
            http_cache.save()

    def _signed_in_applications(self) -> frozenset[str] | None:
        """Return the application IDs that have an entry, case folded; None if they cannot be read."""
        entries = self.service_principals
        try:
            return None if entries.shares_the_keyring else entries.client_ids()
        except StoreError:
            return None

    def applications(
        self, token_cache: Any, http_cache: Any, *, client_id: str = AZURE_CLI_CLIENT_ID
    ) -> ApplicationFactory:
        """Return the factory of MSAL applications that share these caches.

        :param client_id: the public client that users sign in to. An account broker is only used for the Azure CLI:
            others would have to be registered with its redirect URI.
        """
        from azext_login.auth.entra.application import ApplicationFactory, ApplicationSettings
        from azext_login.auth.entra.http_client import AuthorityHttpClient

        settings = self._settings
        return ApplicationFactory(
            ApplicationSettings(
                authority=settings.authority,
                is_adfs=settings.is_adfs,
                instance_discovery=settings.instance_discovery,
                client_capabilities=settings.client_capabilities,
                broker_switches=settings.broker_switches() if client_id == AZURE_CLI_CLIENT_ID else {},
                client_id=client_id,
                again=self._again,
            ),
            token_cache=token_cache,
            http_client=AuthorityHttpClient(
                self.http,
                settings.authority,
                verify=settings.verify_certificates,
                documents=None if settings.is_adfs else self.documents,
            ),
            http_cache=http_cache,
        )

    def user_credential(
        self, account: Account, applications: ApplicationFactory, *, command: Command | None = None
    ) -> UserCredential:
        """Return the credential of a user, whose tokens are obtained without interaction.

        :param command: the `az login` that runs, for the advice; None for another command.
        """
        from azext_login.auth.entra.user_credential import UserCredential

        return UserCredential(
            applications,
            account.name,
            authority=self._settings.authority,
            command=command,
            on_agent_session=lambda: send_telemetry("set_agentic_session", True),
        )

    def credential_of(
        self, row: SubscriptionRow, applications: ApplicationFactory, *, tenant: str | None = None
    ) -> Credential:
        """Return the credential of the account that a row belongs to.

        :param tenant: the tenant of the tokens, if it is not the row's.
        :raises NotSignedInError: it is a service principal without a stored entry.
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

        :param tenant: the tenant of the tokens; an entry for it is preferred.
        :raises NotSignedInError: the service principal has no stored entry.
        """
        from azext_login.auth.workload.service_principal import ServicePrincipal

        entry = self.service_principals.find(account_of(row).name, str(row["tenantId"]), asked=tenant)
        return ServicePrincipal.from_entry(entry, owner=writer_in(self._config_dir))

    def service_principal_credential(
        self,
        principal: ServicePrincipal,
        applications: ApplicationFactory,
        *,
        on_assertion: Callable[[str], None] | None = None,
        command: Command | None = None,
        may_prompt: bool = False,
    ) -> ServicePrincipalCredential:
        """Return the credential of a service principal.

        :param on_assertion: receives each fresh federated token; None to store it for built-in commands.
        :param command: the `az login` that runs, for the advice; None for another command.
        :param may_prompt: whether a credential source may ask the user at the terminal.
        """
        from azext_login.auth.workload.service_principal import ServicePrincipalCredential

        def store(assertion: str) -> None:
            try:
                self.service_principals.renew_assertion(principal.client_id, str(principal.tenant), assertion)
            except StoreError as error:
                # The command can use a federated token that cannot be stored.
                logger.warning("The fresh federated token was not stored. %s", error)

        return ServicePrincipalCredential(
            applications,
            principal,
            authority=self._settings.authority,
            http=lambda: self.http,
            on_assertion=on_assertion or store,
            shared=self._shared_assertion(principal) if on_assertion is None and principal.stores_assertion else None,
            command=command,
            may_prompt=may_prompt,
        )

    def _shared_assertion(self, principal: ServicePrincipal) -> SharedAssertion:
        """Return the stored federated token of a service principal. Its source is asked by one process at a time."""
        from azext_login.auth.storage.single_flight import PATIENCE, SingleFlight
        from azext_login.auth.workload.shared_assertion import SharedAssertion

        client_id, tenant = principal.client_id, str(principal.tenant)
        key = json.dumps(["federated token", client_id.casefold(), tenant.casefold()])

        def read() -> str | None:
            try:
                return self.service_principals.find_assertion(client_id, tenant)
            except StoreError as error:
                logger.debug("The stored federated token could not be read: %s", error)
                return None

        def take_turn() -> SingleFlight:
            return SingleFlight(self._config_dir, key, patience=longest_wait(PATIENCE, before_request=True))

        return SharedAssertion(read, take_turn)

    def has_credentials(self, row: SubscriptionRow) -> bool:
        """Tell whether tokens or a secret of a row's account are still stored; called before a row is restored."""
        stored = self._stored_names
        return stored is None or account_of(row).name.casefold() in stored

    @cached_property
    def _stored_names(self) -> frozenset[str] | None:
        """The accounts that have tokens or a secret, case folded; None if they cannot be read."""
        try:
            return self.token_cache.user_names() | self.service_principals.client_ids()
        except StoreError:
            # A locked keyring does not sign anyone out.
            return None

    def prepare(self, *, for_code: bool = False) -> None:
        """Load what follows an authentication and connect to the services, in a thread of its own.

        :param for_code: whether the sign-in service gets its next request when the user has finished in a browser.
        """
        from azext_login.system.http.connections import connect
        from azext_login.system.threads import start_thread

        session, settings = self.http, self._settings

        def load() -> None:
            # What fails here fails again where it is needed, and is reported there.
            with suppress(Exception):
                # For the threads that need them next: ours, and the host's when it shows the result (`todict`).
                import azure.core.serialization  # noqa: F401

                import azext_login.resource_manager.client  # noqa: F401

                if for_code:
                    connect(session, settings.authority)
                # The list of tenants and the home tenant's subscriptions are requested at the same time.
                connect(session, settings.resource_manager, count=2)

        start_thread(load, wait_at_exit=_LAST_HANDSHAKE)

    def resource_manager_of(self, credential: Credential, *, home: str | None) -> ResourceManager:
        """Return the client of Azure Resource Manager for an account.

        :param home: the tenant whose token lists the tenants; None for the tenant of the sign-in.
        """
        from azext_login.resource_manager.client import ResourceManager

        settings = self._settings

        def token(tenant: str | None, claims: str | None) -> str:
            return credential.token(settings.arm_scopes, tenant=tenant or home, claims_challenge=claims).secret

        return ResourceManager(
            settings.resource_manager,
            session=self.http,
            api_version=settings.subscriptions_api_version,
            token=token,
            headers=settings.request_headers,
            verify=settings.verify_certificates,
            budget=self.subscription_budget,
            again=self._again,
        )

    @cached_property
    def subscription_budget(self) -> RowBudget:
        """How many subscriptions the command may read, from all accounts and tenants together."""
        from azext_login.resource_manager.pages import subscription_budget

        return subscription_budget(self._again)


def _sections_of(cache: Any) -> dict[str, Any]:
    """Return the sections of MSAL's in-memory cache, each with its entries."""
    content: dict[str, Any] = json.loads(cache.serialize())
    return content
