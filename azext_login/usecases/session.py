"""The one place where auth and profile meet: who is signed in, which subscription is chosen, which token it gives.

Nothing here knows the command line. What a person has to be told comes back as a value or as an error. Signing in,
signing out and refreshing have modules of their own, `signing_in`, `signing_out` and `refreshing`, which work on a
session.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.errors import AccountError, NotSignedInError, StoreError
from azext_login.host import HostSettings
from azext_login.profile import subscriptions as rules
from azext_login.profile.clouds import CloudConfig
from azext_login.profile.model import SubscriptionRow, account_of, is_in_tenant
from azext_login.profile.state import ProfileState
from azext_login.profile.store import ProfileStore
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.usecases.clients import Clients

logger = get_logger(__name__)

PREVIOUS = "-"
"""What `account set --subscription` takes for the subscription that was active before."""


class Session:
    """One command's view of who is signed in to the active cloud."""

    def __init__(self, settings: HostSettings, store: ProfileStore, clouds: CloudConfig, *, host_account: Any):
        """:param host_account: the host's in-memory copy of azureProfile.json (`azure.cli.core._session.ACCOUNT`)."""
        self.settings = settings
        self.store = store
        self._clouds = clouds
        self._host_account = host_account

    @cached_property
    def clients(self) -> Clients:
        """The clients of the services, for the commands that need one."""
        from azext_login.usecases.clients import Clients

        return Clients(self.settings)

    # Reading

    def state(self) -> ProfileState:
        """Return everything that is stored, of every cloud and identity."""
        return self.store.read(self._host_account.data)

    def rows(self, *, all_clouds: bool = False, all_identities: bool = False) -> list[SubscriptionRow]:
        """Return the rows that built-in commands see, or those of every identity: of the active cloud, or of all."""
        state = self.state()
        rows = state.all_rows() if all_identities else state.rows
        return rows if all_clouds else rules.in_cloud(rows, self.settings.cloud)

    def refresh_failures(self, rows: Sequence[SubscriptionRow]) -> list[dict[str, str] | None]:
        """Return for each row when and why its tenant could last not be read (`on`, UTC, and `reason`), or None."""
        state = self.state()
        return [rules.refresh_failure_of(state, row) for row in rows]

    def find(self, subscription: str | None = None) -> SubscriptionRow:
        """Return the row of a subscription (ID or name), or the active one.

        :raises NotSignedInError: nobody is signed in to this cloud.
        :raises AccountError: there is no such subscription, more than one, or none is active.
        """
        rows = self.rows()
        if not rows:
            raise NotSignedInError("Please run 'az login' to setup account.")
        if not subscription:
            active = rules.active_row(rows)
            if active is None:
                raise AccountError("No subscription found. Run 'az account set' to select a subscription.")
            return active
        found = rules.matching(rows, subscription)
        if not found:
            raise AccountError(
                f"Subscription '{printable(subscription)}' not found. Check the spelling and casing and try again.",
                "List the subscriptions with `az account list --all --output table`.",
            )
        if len(found) > 1:
            raise AccountError(
                f"Multiple subscriptions with the name '{printable(subscription)}' found. Specify the subscription ID.",
                "Their IDs: " + ", ".join(str(row["id"]) for row in found),
            )
        return found[0]

    def account_row(
        self, username: str | None = None, tenant: str | None = None, *, subscription: str | None = None
    ) -> SubscriptionRow:
        """Return a row of the account that is named, or of the active one; in the tenant that is named, if any.

        :param tenant: GUID, domain or display name.
        :param subscription: ID or name.
        :raises NotSignedInError: nobody is signed in to this cloud.
        :raises AccountError: there is no such account, or it has nothing in that tenant or no such subscription.
        """
        if username is None and tenant is None:
            return self.find()
        rows = self.rows(all_identities=True)
        active = rules.active_row(rows)
        name = username or (account_of(active).label if active is not None else "")
        found = [row for row in rows if account_of(row).matches(name) and (not tenant or is_in_tenant(row, tenant))]
        if subscription:
            found = rules.matching(found, subscription)
        if not found:
            where = f" in tenant '{printable(tenant)}'" if tenant else ""
            where += f" with a subscription '{printable(subscription)}'" if subscription else ""
            raise AccountError(
                f"'{printable(name)}' is not signed in{where}.",
                "List who is with `az account list --all-identities`, or sign in with `az login`.",
            )
        return next((row for row in found if row is active), found[0])

    def active_user(self) -> str:
        """Return the name of the active account.

        :raises NotSignedInError: no account is active.
        """
        row = rules.active_row(self.rows())
        if row is None:
            raise NotSignedInError("There are no active accounts.", next_step="Please run 'az login' to sign in.")
        return account_of(row).name

    # Choosing

    def change(
        self,
        *,
        mirror: bool = False,
        first: Callable[[], None] = lambda: None,
        then: Callable[[], None] = lambda: None,
    ) -> AbstractContextManager[ProfileState]:
        """Return the state to change under the lock; it is stored at the end of the block.

        :param mirror: note the active subscription in clouds.config as well, where the host looks when it switches
            clouds, before anybody else can choose another one.
        :param first: stores or removes tokens and secrets, when it is certain that the rows can be stored. No
            network: other commands wait for the lock.
        :param then: called when the rows are stored, before anybody else can change them.
        """

        def finish(state: ProfileState) -> None:
            if mirror:
                self._mirror(state)
            then()

        return self.store.change(first=first, then=finish)

    def _mirror(self, state: ProfileState) -> None:
        active = rules.active_row(rules.in_cloud(state.rows, self.settings.cloud))
        if active is None:
            return
        try:
            self._clouds.store_choice(self.settings.cloud, active["id"])
        except StoreError as error:
            raise StoreError(
                f"{error}\nazureProfile.json is up to date: '{printable(active['name'])}' is active, and who has "
                "signed in is signed in. Only clouds.config does not have it, so `az cloud set` would go back to an "
                "earlier subscription.",
                error.recommendations or f'Then run:\naz account set --subscription "{active["id"]}"',
            ) from error

    def forget_subscriptions(self, subscription_ids: Collection[str] | None = None) -> None:
        """Remove subscriptions from clouds.config, or with None all. Nothing else depends on that, so it never fails.

        :param subscription_ids: in lower case.
        """
        try:
            self._clouds.forget(subscription_ids)
        except StoreError as error:
            logger.warning("%s", error)

    def select(self, subscription: str, *, username: str | None = None, tenant: str | None = None) -> SubscriptionRow:
        """Make a subscription of this cloud the active one.

        :param subscription: ID, name, or `-` for the one that was active before.
        :param username: choose the row of this account, where several have the subscription.
        :param tenant: choose the row of this tenant (ID or domain), likewise.
        :raises AccountError: there is no such subscription, or more than one.
        """
        with self.change(mirror=True) as state:
            if subscription == PREVIOUS:
                found = [row for row in [rules.previous_row(state, self.settings.cloud)] if row is not None]
                if not found:
                    raise AccountError(
                        "No subscription was active before this one.",
                        "Choose one from `az account list --output table`.",
                    )
            else:
                found = self._candidates(state, subscription, username, tenant)
            if len(found) != 1:
                raise self._no_choice(subscription, found)
            rules.make_active(state, found[0])
        return found[0]

    def _candidates(
        self, state: ProfileState, subscription: str, username: str | None, tenant: str | None
    ) -> list[SubscriptionRow]:
        # Without a further word the row that built-in commands use is meant, so that every command line that works
        # with them works here.
        rows = state.all_rows() if username or tenant else state.rows
        found = rules.in_cloud(rules.matching(rows, subscription), self.settings.cloud)
        if username:
            found = [row for row in found if account_of(row).matches(username)]
        if tenant:
            found = [row for row in found if is_in_tenant(row, tenant)]
        return found

    def _no_choice(self, subscription: str, found: Sequence[SubscriptionRow]) -> AccountError:
        problem = "has more than one match" if found else "doesn't exist"
        if not found:
            next_step = "List the subscriptions with `az account list --all --output table`."
        else:
            next_step = "\n".join(["To choose one, run:", *(set_command(row) for row in found)])
        return AccountError(
            f"The subscription of '{printable(subscription)}' {problem} in cloud '{self.settings.cloud}'.", next_step
        )

    # Credentials

    def has_credentials(self, row: SubscriptionRow) -> bool:
        """Tell whether tokens or a secret of a row's account are still stored; asked when rows are brought back."""
        stored = self._stored_names
        return stored is None or account_of(row).name.casefold() in stored

    @cached_property
    def _stored_names(self) -> frozenset[str] | None:
        """The accounts that have tokens or a secret; None if that cannot be known."""
        try:
            return self.clients.token_cache.user_names() | self.clients.service_principals.client_ids()
        except StoreError:
            # A locked keyring is no reason to drop anybody.
            return None

    def resolve_tenant(self, domain: str) -> str:
        """Return the GUID of a tenant that is given by a verified domain.

        :raises SignInError: there is no such tenant.
        """
        from azext_login.auth.entra.tenants import resolve_tenant

        return resolve_tenant(self.clients.http, self.settings.authority, domain, self.settings.verify_certificates)


def set_command(row: SubscriptionRow) -> str:
    """Return the command that chooses exactly this row."""
    return (
        f'az account set --subscription "{row["id"]}" --username "{account_of(row).label}" --tenant "{row["tenantId"]}"'
    )
