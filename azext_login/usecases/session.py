"""The session of one command: the settings, the stored accounts, and the clients of the services.

Use cases work on a session and have modules of their own. A session does not know the command line: it returns a value
or raises an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from azext_login.errors import AccountError, NotSignedInError, StoreError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.choice import Choice, View
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import ProfileState, key_of
from azext_login.system.log import get_logger
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.host import HostSettings
    from azext_login.profile.clouds import CloudConfig
    from azext_login.profile.store import ProfileStore
    from azext_login.system.command_line import Command
    from azext_login.system.directory import PrivateDirectory
    from azext_login.usecases.clients import Clients
    from azext_login.usecases.events import Event

logger = get_logger(__name__)

_NO_CHOICE = Choice()


class Session:
    """The accounts and subscriptions that are signed in, as one command sees them."""

    def __init__(
        self,
        settings: HostSettings,
        config_dir: PrivateDirectory,
        store: ProfileStore,
        clouds: CloudConfig,
        *,
        host_account: Any,
        choice: Choice = _NO_CHOICE,
        stored_cloud: str | None = None,
        again: Command | None = None,
        notify: Callable[[Event], None] = lambda event: None,
    ):
        """:param host_account: the host's in-memory copy of azureProfile.json (`azure.cli.core._session.ACCOUNT`).
        :param choice: the account and the subscription that this process uses in place of the stored default.
        :param stored_cloud: the cloud that is active without the context of this process; None for that of `settings`.
        :param again: the `az login` that runs, for the advice; None for another command.
        :param notify: tells other extensions what happened. Called when it is stored, and no lock is held.
        """
        self._again = again
        self.notify = notify
        self.choice = choice
        self.stored_cloud = stored_cloud or settings.cloud
        self.settings = settings
        self.config_dir = config_dir
        self.store = store
        self._clouds = clouds
        self._host_account = host_account

    @cached_property
    def clients(self) -> Clients:
        """The clients of Entra ID and Azure Resource Manager, created on first use."""
        from azext_login.usecases.clients import Clients

        return Clients(self.settings, self.config_dir, again=self._again)

    def close(self) -> None:
        """Close the connections. Clients that are used again open new ones."""
        if "clients" in self.__dict__:
            self.clients.close()

    @contextmanager
    def hold_events(self, afterwards: ExitStack) -> Iterator[None]:
        """Tell other extensions what happens in the block when `afterwards` is closed, and not before.

        For callers that hold a lock of this process in the block: a listener may wait for another thread.
        """
        tell = self.notify

        def hold(event: Event) -> None:
            afterwards.callback(tell, event)

        self.notify = hold
        try:
            yield
        finally:
            self.notify = tell

    @property
    def cloud_of_process(self) -> str:
        """The cloud that `az login` would sign in to here: that of the context of this process, or the stored one."""
        return self.choice.cloud or self.stored_cloud

    @property
    def is_in_stored_cloud(self) -> bool:
        """Whether this session works on the stored cloud, and not on that of a context."""
        return self.settings.cloud == self.stored_cloud

    # Reading

    def state(self) -> ProfileState:
        """Return everything in the store, of every cloud and identity."""
        return self.store.read(self._host_account.data)

    def rows(self, *, all_clouds: bool = False, all_identities: bool = False) -> list[SubscriptionRow]:
        """Return the rows that this process sees in the active cloud, or those of all clouds or all identities.

        With all identities, no row is hidden, and a choice that names nothing has no effect.

        :raises NotSignedInError: the account that this process chose is not signed in; not with all identities.
        :raises AccountError: the choice names nothing, or several rows; not with all identities.
        """
        rows = self.valid_view().state.all_rows() if all_identities else list(self.view().rows)
        return rows if all_clouds else rules.in_cloud(rows, self.settings.cloud)

    def view(self, *, without_subscription: bool = False) -> View:
        """Return the stored rows with the choice of this process.

        :param without_subscription: apply the choice of the account alone, for a command that names its subscription.
        :raises NotSignedInError: the chosen account is not signed in.
        :raises AccountError: the choice names nothing, or several rows.
        """
        choice = self.choice.without_subscription() if without_subscription else self.choice
        state = self.state()
        if not choice:
            return View(state, state.rows)
        from azext_login.profile.chosen_view import apply_choice

        return apply_choice(state, choice, self.settings.cloud)

    def uses(self, row: SubscriptionRow) -> bool:
        """Tell whether a row is the default of this process, after its choice. A choice that is not valid uses none."""
        try:
            used = rules.active_row(self.view().rows)
        except (AccountError, NotSignedInError):
            return False
        return used is not None and key_of(used) == key_of(row)

    def valid_view(self, on_invalid: Callable[[AccountError | NotSignedInError], None] = lambda error: None) -> View:
        """Return the stored rows with the choice of this process, or without it if it is not valid.

        :param on_invalid: receives the error about a choice that names nothing, or several rows.
        """
        try:
            return self.view()
        except (AccountError, NotSignedInError) as error:
            on_invalid(error)
        state = self.state()
        return View(state, state.rows)

    def of_chosen_account(
        self, rows: Sequence[SubscriptionRow], *, without_subscription: bool = False
    ) -> list[SubscriptionRow]:
        """Return the rows that belong to the account that this process chose; all rows if it chose none.

        :param without_subscription: as for `view`.
        :raises NotSignedInError: the chosen account is not signed in.
        :raises AccountError: the choice names nothing, or several rows.
        """
        account = self.view(without_subscription=without_subscription).account
        return [row for row in rows if account in (None, account_of(row).key)]

    def refresh_failures(self, rows: Sequence[SubscriptionRow]) -> list[dict[str, str] | None]:
        """Return for each row when (`on`, UTC) and why (`reason`) its tenant could last not be read, or None."""
        state = self.state()
        return [rules.refresh_failure_of(state, row) for row in rows]

    def find(self, subscription: str | None = None, *, again: Callable[[], Command]) -> SubscriptionRow:
        """Return the row of a subscription (ID or name), or the active one.

        :param again: returns the running command, for the advice.
        :raises NotSignedInError: no account is signed in to this cloud.
        :raises AccountError: there is no such subscription, there are several, or no subscription is active.
        """
        view = self.view(without_subscription=bool(subscription))
        rows = rules.in_cloud(view.rows, self.settings.cloud)
        if not rows:
            raise NotSignedInError("Please run 'az login' to setup account.", login=())
        if not subscription:
            active = rules.active_row(rows)
            if active is None:
                raise AccountError("No subscription found. Run 'az account set' to select a subscription.")
            return active
        found = words.with_subscription(rows, subscription)
        if not found:
            return self._find_shadowed(view, subscription)
        if len(found) > 1:
            from azext_login.profile.ambiguity import several_subscriptions

            raise several_subscriptions(subscription, found, again())
        return found[0]

    def _find_shadowed(self, view: View, subscription: str) -> SubscriptionRow:
        from azext_login.profile.chosen_view import find_shadowed, not_found

        row = find_shadowed(view, subscription, self.settings.cloud)
        if row is None:
            raise not_found(subscription, self.choice)
        return row

    def active_user(self) -> str:
        """Return the name of the active account; its label if this process chose the account.

        All managed identities of a kind have one name, which is what the built-in command uses.

        :raises NotSignedInError: no account is active.
        """
        row = rules.active_row(self.rows())
        if row is None:
            raise NotSignedInError("There are no active accounts.", next_step="Please run 'az login' to sign in.")
        account = account_of(row)
        return account.label if self.choice.names_account else account.name

    # Changing

    @contextmanager
    def change(
        self,
        *,
        mirror: bool = False,
        first: Callable[[], None] = lambda: None,
        then: Callable[[], None] = lambda: None,
    ) -> Iterator[ProfileState]:
        """Yield the state to change under the lock; it is stored at the end of the block.

        If another subscription is active afterwards, other extensions are told. A process in a context of another
        cloud than the stored one does not change the stored default.

        :param mirror: store the active subscription in clouds.config as well, where the host looks it up when it
            switches clouds; before another process can choose another one.
        :param first: stores or removes tokens and secrets, when it is certain that the rows can be stored. It must not
            use the network: other commands wait for the lock.
        :param then: called when the rows are stored, before another process can change them.
        :raises StoreError: the rows cannot be stored, or another process holds the lock too long.
        """

        after: SubscriptionRow | None = None

        def finish(state: ProfileState) -> None:
            if mirror and after is not None:
                self._mirror(after)
            then()

        with self.store.change(first=first, then=finish) as state:
            before = self._active_in(state)
            stored = rules.active_row(rules.in_cloud(state.rows, self.stored_cloud))
            key = None if stored is None else key_of(stored)
            yield state
            after = self._active_in(state)
            if key is not None and not self.is_in_stored_cloud:
                for row in state.all_rows():
                    row["isDefault"] = key_of(row) == key
        self._notify_of_default(before, after)

    def _notify_of_default(self, before: SubscriptionRow | None, after: SubscriptionRow | None) -> None:
        """Tell other extensions that another row is the stored default of the active cloud, if it is.

        :param before: the row that was the default; None without one.
        :param after: the row that is the default now.
        """
        if before is None and after is None:
            return
        from azext_login.usecases.events import subscription_changed

        event = subscription_changed(before, after, self.settings.cloud)
        if event is not None:
            self.notify(event)

    def _active_in(self, state: ProfileState) -> SubscriptionRow | None:
        row = rules.active_row(rules.in_cloud(state.rows, self.settings.cloud))
        return None if row is None else dict(row)

    def _mirror(self, active: SubscriptionRow) -> None:
        try:
            self._clouds.store_choice(self.settings.cloud, active["id"])
        except StoreError as error:
            from azext_login.system.command_line import quote_command

            set_again = quote_command("az", "account", "set", "--subscription", str(active["id"]))
            raise StoreError(
                f"{error}\nazureProfile.json is up to date: '{printable(active['name'])}' is active, and sign-ins are "
                "stored. Only clouds.config is not up to date, so `az cloud set` would choose an earlier subscription.",
                error.recommendations or f"Then run:\n{set_again}",
            ) from error

    def forget_subscriptions(self, subscription_ids: Collection[str] | None = None) -> None:
        """Remove subscriptions, or all with None, from clouds.config. A failure is only a warning.

        :param subscription_ids: in lower case.
        """
        try:
            self._clouds.forget(subscription_ids)
        except StoreError as error:
            logger.warning("%s", error)

    def resolve_tenant(self, domain: str) -> str:
        """Return the GUID of a tenant that is given by a verified domain.

        :raises SignInError: there is no such tenant.
        """
        from azext_login.auth.entra.tenants import resolve_tenant

        settings = self.settings
        return resolve_tenant(
            self.clients.http,
            settings.authority,
            domain,
            verify=settings.verify_certificates,
            documents=None if settings.is_adfs else self.clients.documents,
            again=self._again,
        )
