"""The one place where auth and profile meet: sign in, sign out, select an account, get a token.

Nothing here knows the command line. What a person has to be told comes back as a value or as an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from ._files import remove_if_present
from ._host import HostSettings, read_host_settings, send_broker_telemetry, send_telemetry
from .errors import AccountError, NotSignedInError, SignInError
from .profile import subscriptions as rules
from .profile.model import Account, Row, Subscription, Tenant, account_of, answers_to, is_tenant_level
from .profile.store import ProfileStore, rows_of

if TYPE_CHECKING:
    from .auth.application import ApplicationFactory
    from .auth.credentials import AccessToken, UserCredential
    from .profile.discovery import Discovery, ResourceManager

Authenticate = Callable[["ApplicationFactory", Any, Sequence[str]], dict[str, Any]]
"""A sign-in flow: gets the applications, the application of the tenant and the scopes, returns MSAL's result."""


@dataclass(frozen=True)
class SignInRequest:
    """What a user sign-in was asked to do. Names are those of `az login`."""

    tenant: str | None = None
    scopes: Sequence[str] | None = None
    allow_no_subscriptions: bool = False
    skip_subscription_discovery: bool = False
    subscription: str | None = None

    @property
    def is_tenant_only(self) -> bool:
        """Whether no subscription is looked for at all."""
        return self.skip_subscription_discovery and not self.subscription


@dataclass(frozen=True)
class SignInOutcome:
    """What a sign-in stored: the rows to show, and what the tenants answered."""

    account: Account
    rows: list[Row]
    discovery: Discovery
    unmatched_subscription: str | None = None
    """A subscription that was asked for but not found; the sign-in itself was kept."""


@dataclass(frozen=True)
class SignOutOutcome:
    """What a sign-out removed, and what is left."""

    known: bool
    was_active: bool
    remaining: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class RefreshFailure:
    """An account whose subscriptions could not be read again; its rows stay."""

    account: Account
    error: Exception


@dataclass(frozen=True)
class RefreshOutcome:
    """What `account list --refresh` could not do, and what it chose."""

    failures: tuple[RefreshFailure, ...]
    discoveries: tuple[Discovery, ...]
    newly_active: Row | None = None
    """The new default, where there was none or the old one is gone."""


class Session:
    """One command's view of who is signed in to the active cloud."""

    def __init__(self, settings: HostSettings, store: ProfileStore, *, cli_ctx: Any, host_account: Any):
        """:param host_account: the host's in-memory copy of azureProfile.json (`azure.cli.core._session.ACCOUNT`)."""
        self.settings = settings
        self._store = store
        self._cli_ctx = cli_ctx
        self._host_account = host_account

    @classmethod
    def from_cli(cls, cli_ctx: Any) -> Session:
        """Return the session of a running command."""
        from azure.cli.core._session import ACCOUNT

        settings = read_host_settings(cli_ctx)

        def follow(document: dict[str, Any]) -> None:
            # The host may save its copy after our command has ended (telemetry, survey): it must be the new one.
            # Assigning the attribute does not write; `ACCOUNT.save` and item assignment would.
            ACCOUNT.data = document

        return cls(
            settings, ProfileStore(settings.config_dir, on_written=follow), cli_ctx=cli_ctx, host_account=ACCOUNT
        )

    # -- reading ------------------------------------------------------------------------------------------------

    def rows(self, *, all_clouds: bool = False) -> list[Row]:
        """Return the rows that the host read when the command started: of the active cloud, or of all."""
        rows = rows_of(self._host_account.data)
        return rows if all_clouds else rules.in_cloud(rows, self.settings.cloud)

    def find(self, subscription: str | None = None) -> Row:
        """Return the row of a subscription (ID or name), or the active one.

        :raises NotSignedInError: nobody is signed in to this cloud.
        :raises AccountError: there is no such subscription, more than one, or none is active.
        """
        rows = self.rows()
        if not rows:
            raise NotSignedInError("Please run 'az login' to setup account.")
        if not subscription:
            found = [row for row in rows if row.get("isDefault")]
            if not found:
                raise AccountError("No subscription found. Run 'az account set' to select a subscription.")
            return found[0]
        found = rules.matching(rows, subscription)
        if not found:
            raise AccountError(
                f"Subscription '{subscription}' not found. Check the spelling and casing and try again.",
                "List the subscriptions with `az account list --all --output table`.",
            )
        if len(found) > 1:
            raise AccountError(
                f"Multiple subscriptions with the name '{subscription}' found. Specify the subscription ID.",
                "Their IDs: " + ", ".join(str(row["id"]) for row in found),
            )
        return found[0]

    # -- choosing -----------------------------------------------------------------------------------------------

    def select(self, subscription: str) -> Row:
        """Make a subscription of this cloud (ID or name) the active one.

        :raises AccountError: there is no such subscription, or more than one.
        """
        with self._store.change() as profile:
            found = rules.in_cloud(rules.matching(profile.rows, subscription), self.settings.cloud)
            if len(found) != 1:
                problem = "has more than one match" if found else "doesn't exist"
                raise AccountError(
                    f"The subscription of '{subscription}' {problem} in cloud '{self.settings.cloud}'.",
                    "Give one of these IDs: " + ", ".join(str(row["id"]) for row in found)
                    if found
                    else "List the subscriptions with `az account list --all --output table`.",
                )
            rules.make_active(profile.rows, found[0])
        self._remember_in_cloud(found[0])
        return found[0]

    def _remember_in_cloud(self, row: Row | None) -> None:
        """Mirror the choice in clouds.config, where the host looks after a change of cloud."""
        if row is not None:
            from azure.cli.core.cloud import set_cloud_subscription

            set_cloud_subscription(self._cli_ctx, self.settings.cloud, row["id"])

    # -- signing in ---------------------------------------------------------------------------------------------

    def resolve_tenant(self, domain: str) -> str:
        """Return the GUID of a tenant that is given by a verified domain.

        :raises SignInError: there is no such tenant.
        """
        from urllib.parse import quote

        from .auth.application import SERVICE
        from .auth.errors import not_one_tenant, unknown_tenant
        from .errors import UnexpectedAnswerError
        from .http import TIMEOUT, capitalised, connection_errors, parse_json_object

        authority = self.settings.authority.rstrip("/")
        url = f"{authority}/{quote(domain, safe='')}/v2.0/.well-known/openid-configuration"
        with connection_errors(SERVICE, authority):
            response = self._http.get(url, timeout=TIMEOUT, verify=None if self.settings.verify_certificates else False)
        if 400 <= response.status_code < 500 and response.status_code != 429:
            raise unknown_tenant(domain, authority)
        document = parse_json_object(response, SERVICE)
        # An issuer reads https://login.microsoftonline.com/<GUID>/v2.0.
        parts = str(document.get("issuer", "")).split("/")
        if len(parts) < 4:
            raise UnexpectedAnswerError(f"{capitalised(SERVICE)} at {authority} named no issuer for tenant '{domain}'.")
        if "{" in parts[3]:
            # The issuer of an endpoint for many tenants has a placeholder in its place.
            raise not_one_tenant(domain)
        return parts[3]

    def sign_in_user(self, request: SignInRequest, authenticate: Authenticate) -> SignInOutcome:
        """Sign a person in, find their subscriptions, and store both.

        Tokens are kept in memory until the subscriptions are known, so a sign-in that fails leaves nothing behind
        and what was stored before stays.

        :raises SignInError: the sign-in failed, or there is nothing to use with it.
        """
        from msal import SerializableTokenCache

        from .auth.application import authority_errors
        from .auth.errors import Attempt, explain
        from .auth.token_cache import TokenCache
        from .profile.discovery import Discovery

        tokens = SerializableTokenCache()
        http_cache = self._new_http_cache()
        applications = self._applications(tokens, http_cache.load())
        application = applications.build(request.tenant)
        scopes = list(request.scopes or self.settings.arm_scopes)
        with authority_errors(self.settings.authority, request.tenant):
            result = authenticate(applications, application, scopes)
        if "msal_telemetry" in result:
            send_telemetry("set_msal_telemetry", result["msal_telemetry"])
        if "error" in result:
            raise explain(result, Attempt(tenant=request.tenant, scopes=request.scopes))
        account = Account(_user_name(result))

        discovery = Discovery(()) if request.is_tenant_only else self._discover(request, account, applications)
        subscriptions = self._subscriptions_to_store(request, account, discovery)

        TokenCache(self.settings.config_dir, encrypt=self.settings.encrypt_token_cache).commit({}, _sections_of(tokens))
        http_cache.save()
        return self._store_sign_in(request, account, subscriptions, discovery)

    def _discover(self, request: SignInRequest, account: Account, applications: ApplicationFactory) -> Discovery:
        from .errors import ServiceUnreachableError, UnexpectedAnswerError
        from .profile.discovery import Discovery, TenantReport, discover

        manager = self._resource_manager(account, applications, home=request.tenant)
        if request.tenant is None:
            return discover(manager, manager.tenants())
        tenant = Tenant(request.tenant)
        if request.skip_subscription_discovery and request.subscription:
            try:
                found = [manager.subscription(request.subscription, tenant)]
            except (SignInError, ServiceUnreachableError, UnexpectedAnswerError) as error:
                return Discovery((TenantReport(tenant, failure=error),))
            return Discovery((TenantReport(tenant, tuple(found)),))
        return Discovery((TenantReport(tenant, tuple(manager.subscriptions(tenant))),))

    def _subscriptions_to_store(
        self, request: SignInRequest, account: Account, discovery: Discovery
    ) -> list[Subscription]:
        found = discovery.subscriptions
        if not found and not request.allow_no_subscriptions and not request.is_tenant_only:
            raise self._nothing_found(request, account, discovery)
        if request.allow_no_subscriptions or request.is_tenant_only:
            with_rows = {subscription.tenant_id for subscription in found}
            answered = [report.tenant.id for report in discovery.reports if report.failure is None]
            if request.tenant is not None:
                answered = [request.tenant]
            found += [Subscription.tenant_level(tenant) for tenant in answered if tenant not in with_rows]
        return found

    def _nothing_found(self, request: SignInRequest, account: Account, discovery: Discovery) -> SignInError:
        from .auth.errors import Attempt, login_command

        if request.skip_subscription_discovery:
            reasons = "".join(f"\n{report.failure}" for report in discovery.failed)
            return SignInError(
                f"The subscription '{request.subscription}' could not be retrieved for '{account.name}'. "
                f"Ensure the subscription exists and that you have access to it. Nothing was stored.{reasons}"
            )
        message = f"No subscriptions found for {account.name}. Nothing was stored."
        if discovery.failed:
            failures = (f"Tenant {report.tenant.label}: {_first_line(report.failure)}" for report in discovery.failed)
            refused = [report for report in discovery.failed if isinstance(report.failure, SignInError)]
            commands = (login_command(Attempt(tenant=report.tenant.id)) for report in refused)
            return SignInError(
                "\n".join([message, *failures]),
                next_step="\n".join(["To sign in to one tenant, run:", *commands])
                if refused
                else "Run the command again in a minute.",
            )
        return SignInError(
            message,
            next_step="To use a tenant without subscriptions, run:\n"
            + login_command(Attempt(tenant=request.tenant))
            + " --allow-no-subscriptions",
        )

    def _store_sign_in(
        self, request: SignInRequest, account: Account, subscriptions: Sequence[Subscription], discovery: Discovery
    ) -> SignInOutcome:
        new = [subscription.to_row(account, self.settings.cloud) for subscription in subscriptions]
        if not new:
            return SignInOutcome(account, [], discovery)
        with self._store.change() as profile:
            profile.rows, chosen = rules.merge(profile.rows, new, preferred=request.subscription)
        self._remember_in_cloud(chosen)
        if not request.subscription:
            return SignInOutcome(account, new, discovery)
        matches = [row for row in new if answers_to(row, request.subscription)]
        if matches:
            return SignInOutcome(account, matches, discovery)
        return SignInOutcome(account, new, discovery, unmatched_subscription=request.subscription)

    # -- signing out --------------------------------------------------------------------------------------------

    def active_user(self) -> str:
        """Return the name of the active account.

        :raises NotSignedInError: no account is active.
        """
        row = rules.active_row(self.rows())
        if row is None:
            raise NotSignedInError("There are no active accounts.", next_step="Please run 'az login' to sign in.")
        return account_of(row).name

    def sign_out(self, name: str) -> SignOutOutcome:
        """Remove everything of a user or an application: tokens, secrets and rows, in every cloud. Needs no network."""
        tokens, entries = self._secret_stores()
        self._remove_adal_tokens()
        # Secrets first: if one of them cannot be removed, the account stays listed and the command can be repeated.
        known = any([tokens.forget(name), entries.forget(name)])
        with self._store.change() as profile:
            was_active = rules.active_row(rules.in_cloud(profile.rows, self.settings.cloud))
            remaining = [row for row in profile.rows if not account_of(row).matches(name)]
            known = known or len(remaining) != len(profile.rows)
            profile.rows = remaining
        return SignOutOutcome(
            known=known,
            was_active=was_active is not None and account_of(was_active).matches(name),
            remaining=rules.in_cloud(remaining, self.settings.cloud),
        )

    def clear(self) -> None:
        """Remove every account of every cloud. Needs no network."""
        tokens, entries = self._secret_stores()
        self._remove_adal_tokens()
        tokens.clear()
        entries.clear()
        self._new_http_cache().clear()
        with self._store.change() as profile:
            profile.rows = []

    def _remove_adal_tokens(self) -> None:
        """Delete the token file of releases before 2.30, which nothing reads any more."""
        remove_if_present(self.settings.config_dir / "accessTokens.json")

    def _secret_stores(self) -> tuple[Any, Any]:
        from .auth.token_cache import ServicePrincipalEntries, TokenCache

        settings = self.settings
        return (
            TokenCache(settings.config_dir, encrypt=settings.encrypt_token_cache),
            ServicePrincipalEntries(settings.config_dir, encrypt=settings.encrypt_token_cache),
        )

    # -- tokens -------------------------------------------------------------------------------------------------

    def user_token(
        self, row: Row, *, scopes: Sequence[str], tenant: str | None = None, advised_scopes: Sequence[str] | None = None
    ) -> AccessToken:
        """Return a token of the user that a row belongs to; the row's tenant unless another one is given.

        :raises NotSignedInError: the user's tokens are gone.
        :raises SignInError: Entra refused to renew them.
        """
        from .auth.token_cache import TokenCache

        cache = TokenCache(self.settings.config_dir, encrypt=self.settings.encrypt_token_cache)
        before = cache.read()
        tokens = _in_memory(before)
        http_cache = self._new_http_cache()
        applications = self._applications(tokens, http_cache.load())
        credential = self._user_credential(account_of(row), applications)
        try:
            return credential.token(scopes, tenant=tenant or row["tenantId"], advised_scopes=advised_scopes)
        finally:
            if tokens.has_state_changed:
                cache.commit(before, _sections_of(tokens))
            http_cache.save()

    # -- refreshing ---------------------------------------------------------------------------------------------

    def refresh(self, host_credential: Callable[[Row], Any]) -> RefreshOutcome:
        """Read the subscriptions of every account of this cloud again.

        Rows of other clouds, and rows of accounts and tenants that did not answer, stay as they are.

        :param host_credential: returns the host's credential (`acquire_token(scopes)`) for the row of a service
            principal or a managed identity.
        """
        from azure.cli.core.azclierror import AzCLIError
        from knack.util import CLIError

        from .auth.token_cache import TokenCache

        rows = self.rows()
        cache = TokenCache(self.settings.config_dir, encrypt=self.settings.encrypt_token_cache)
        before = cache.read()
        tokens = _in_memory(before)
        http_cache = self._new_http_cache()
        applications = self._applications(tokens, http_cache.load())

        failures: list[RefreshFailure] = []
        discoveries: list[Discovery] = []
        refreshed: list[Row] = []
        answered: set[tuple[str, str]] = set()
        for account, own_rows in _by_account(rows):
            try:
                discovery = self._rediscover(account, own_rows, applications, host_credential)
            except (AzCLIError, CLIError, ValueError) as error:
                failures.append(RefreshFailure(account, error))
                continue
            discoveries.append(discovery)
            for report in discovery.reports:
                if report.failure is None:
                    answered.add((account.name.casefold(), report.tenant.id))
            refreshed += self._refreshed_rows(account, own_rows, discovery)
        if tokens.has_state_changed:
            cache.commit(before, _sections_of(tokens))
        http_cache.save()

        def is_outdated(row: Row) -> bool:
            owner = (account_of(row).name.casefold(), str(row.get("tenantId")))
            return row.get("environmentName") == self.settings.cloud and owner in answered

        with self._store.change() as profile:
            was_active = rules.active_row(profile.rows)
            profile.rows, active = rules.replace(profile.rows, refreshed, is_outdated)
        newly_active = None
        if active is not None and (was_active is None or was_active["id"] != active["id"]):
            newly_active = active
            self._remember_in_cloud(active)
        return RefreshOutcome(tuple(failures), tuple(discoveries), newly_active)

    def _rediscover(
        self,
        account: Account,
        rows: Sequence[Row],
        applications: ApplicationFactory,
        host_credential: Callable[[Row], Any],
    ) -> Discovery:
        from .profile.discovery import Discovery, TenantReport, discover

        known = {str(row["tenantId"]): row for row in rows}
        if account.is_user and not (rows[0].get("user") or {}).get("cloudShellID"):
            manager = self._resource_manager(account, applications, home=None)
            tenants = manager.tenants()
            # A tenant that was signed in to by name need not be in the list; it is asked as well.
            listed = {tenant.id for tenant in tenants}
            return discover(manager, [*tenants, *(Tenant(tenant) for tenant in known if tenant not in listed)])
        reports: list[TenantReport] = []
        for tenant_id, row in known.items():
            credential = host_credential(row)
            manager = self._manager_for(partial(_host_token, credential, self.settings.arm_scopes))
            tenant = Tenant(tenant_id)
            reports.append(TenantReport(tenant, tuple(manager.subscriptions(tenant))))
        return Discovery(tuple(reports))

    def _refreshed_rows(self, account: Account, rows: Sequence[Row], discovery: Discovery) -> list[Row]:
        fresh = [subscription.to_row(account, self.settings.cloud) for subscription in discovery.subscriptions]
        users = {str(row["tenantId"]): row.get("user") for row in rows}
        for row in fresh:
            # A row's user may hold more than name and type (SN+I, managed identity): it goes along.
            row["user"] = users.get(row["tenantId"]) or next(iter(users.values()), row["user"])
        with_rows = {row["tenantId"] for row in fresh}
        return fresh + [row for row in rows if is_tenant_level(row) and row["tenantId"] not in with_rows]

    # -- parts --------------------------------------------------------------------------------------------------

    @cached_property
    def _http(self) -> Any:
        from .http import build_session

        return build_session(user_agent=self.settings.user_agent, verify=self.settings.verify_certificates)

    def _new_http_cache(self) -> Any:
        from .auth.http_cache import HttpCache

        return HttpCache(self.settings.config_dir, enabled=self.settings.use_http_cache)

    def _applications(self, token_cache: Any, http_cache: Any) -> ApplicationFactory:
        from .auth.application import ApplicationFactory, ApplicationSettings
        from .http import AuthorityHttpClient

        settings = self.settings
        send_broker_telemetry(settings)
        return ApplicationFactory(
            ApplicationSettings(
                authority=settings.authority,
                instance_discovery=settings.instance_discovery,
                client_capabilities=settings.client_capabilities,
                broker_on_windows=settings.broker_on_windows,
                broker_on_mac=settings.broker_on_mac,
            ),
            token_cache=token_cache,
            http_client=AuthorityHttpClient(self._http, settings.authority, verify=settings.verify_certificates),
            http_cache=http_cache,
        )

    def _user_credential(self, account: Account, applications: ApplicationFactory) -> UserCredential:
        from .auth.credentials import UserCredential

        return UserCredential(
            applications,
            account.name,
            authority=self.settings.authority,
            on_agent_session=lambda: send_telemetry("set_agentic_session", True),
        )

    def _resource_manager(
        self, account: Account, applications: ApplicationFactory, *, home: str | None
    ) -> ResourceManager:
        credential = self._user_credential(account, applications)

        def token(tenant: str | None, claims: str | None) -> str:
            return credential.token(self.settings.arm_scopes, tenant=tenant or home, claims_challenge=claims).secret

        return self._manager_for(token)

    def _manager_for(self, token: Callable[[str | None, str | None], str]) -> ResourceManager:
        from .profile.discovery import ResourceManager

        return ResourceManager(
            self.settings.resource_manager,
            session=self._http,
            api_version=self.settings.subscriptions_api_version,
            token=token,
            headers=self.settings.request_headers,
            verify=self.settings.verify_certificates,
        )


def _host_token(credential: Any, scopes: Sequence[str], tenant: str | None, claims_challenge: str | None) -> str:
    """Return a token of the host's credential, which knows its tenant and takes no claims."""
    return str(credential.acquire_token(list(scopes))["access_token"])


def _first_line(error: object) -> str:
    return str(error).partition("\n")[0]


def _user_name(result: dict[str, Any]) -> str:
    claims = result.get("id_token_claims") or {}
    # Entra names a person in `preferred_username`, AD FS in `upn`.
    name = claims.get("preferred_username") or claims.get("upn")
    if not name:
        raise SignInError("The sign-in service did not say who signed in. Nothing was stored.")
    return str(name)


def _in_memory(sections: dict[str, Any]) -> Any:
    """Return MSAL's cache object with a copy of the stored entries."""
    import json

    from msal import SerializableTokenCache

    cache = SerializableTokenCache()
    cache.deserialize(json.dumps(sections))
    return cache


def _sections_of(cache: Any) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads(cache.serialize())
    return content


def _by_account(rows: Sequence[Row]) -> list[tuple[Account, list[Row]]]:
    """Return the accounts in the order of their first row, each with its rows."""
    grouped: dict[tuple[str, str, object], tuple[Account, list[Row]]] = {}
    for row in rows:
        account = account_of(row)
        # Every user-assigned managed identity has the same name; `assignedIdentityInfo` tells them apart.
        key = (account.name.casefold(), account.kind, (row.get("user") or {}).get("assignedIdentityInfo"))
        grouped.setdefault(key, (account, []))[1].append(row)
    return list(grouped.values())
