"""`account list --refresh`: reads the subscriptions of every account again, and keeps those of tenants that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from azext_login.errors import AccountError, IncompleteListError, InterruptedDiscoveryError, first_line
from azext_login.host_errors import AzCLIError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import Account, SubscriptionRow, account_of, is_tenant_level, tenant_of
from azext_login.profile.state import RowKey, key_of, owner_of
from azext_login.resource_manager.ask_tenants import Ask, discover, find_tenants
from azext_login.resource_manager.discovery import Discovery, Progress
from azext_login.resource_manager.pages import MOST_ROWS
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.command_line import AZ_LOGIN
from azext_login.usecases.excluded_tenants import ExcludedTenants
from azext_login.usecases.rows import row_of

if TYPE_CHECKING:
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.profile.state import ProfileState
    from azext_login.usecases.session import Session

# Why an account was not refreshed.
_INTERRUPTED = "Ctrl-C was pressed before its tenants were asked."


@dataclass(frozen=True)
class RefreshFailure:
    """An account whose subscriptions could not be read again; its rows stay."""

    account: Account
    error: AzCLIError


@dataclass(frozen=True)
class RefreshOutcome:
    """What the tenants answered, what failed, and which subscription became active."""

    failures: tuple[RefreshFailure, ...]
    discoveries: tuple[tuple[Account, Discovery], ...]
    """What the tenants of each account answered."""
    newly_active: SubscriptionRow | None = None
    """The new default, if the old one is no longer listed or missing."""
    interrupted: bool = False
    """Whether Ctrl-C ended it early."""


@dataclass(frozen=True)
class _OwnRows:
    account: Account
    rows: list[SubscriptionRow]


def refresh(
    session: Session,
    *,
    tenant: str | None = None,
    exclude_tenants: Sequence[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> RefreshOutcome:
    """Read the subscriptions of every account of this cloud again.

    Rows of other clouds, and rows of accounts and tenants that did not answer, stay as they are. Ctrl-C ends the
    refresh; what was read until then is stored.

    :param tenant: GUID of the only tenant to ask, for the accounts that have subscriptions there.
    :param exclude_tenants: tenants (GUID or domain) that are not asked.
    :raises AccountError: no account can have subscriptions in `tenant`, or a setting of ours cannot be read.
    """
    settings = session.settings
    cloud, default_subscription = settings.cloud, settings.default_subscription
    only = None if tenant is None else Tenant(tenant)
    excluded = None
    if not tenant:
        excluded = ExcludedTenants(exclude_tenants, always=settings.exclude_tenants, resolve=session.resolve_tenant)
    failures: list[RefreshFailure] = []
    discoveries: list[tuple[Account, Discovery]] = []
    refreshed: list[SubscriptionRow] = []
    asked_about: set[RowKey] = set()
    interrupted = False
    stored = session.rows(all_clouds=True, all_identities=True)
    session.clients.subscription_budget.reserve(len(stored) - len(rules.in_cloud(stored, cloud)))
    with session.clients.stored_tokens() as applications:
        for own in _accounts_to_ask(session, only):
            if interrupted:
                failures.append(RefreshFailure(own.account, InterruptedDiscoveryError(_INTERRUPTED)))
                continue
            try:
                may_read_ahead = excluded is not None and not excluded.has_names
                tenants, ask = _tenants_to_ask(session, own, only, applications, on_progress, may_read_ahead)
                wanted = excluded.leave_out(tenants) if excluded else tenants
                discovery = discover(wanted, ask, on_progress=on_progress)
            except AzCLIError as error:
                failures.append(RefreshFailure(own.account, error))
                continue
            except KeyboardInterrupt:
                failures.append(RefreshFailure(own.account, InterruptedDiscoveryError(_INTERRUPTED)))
                interrupted = True
                continue
            discoveries.append((own.account, discovery))
            asked_about.update(map(key_of, own.rows))
            refreshed += _refreshed_rows(own, discovery, cloud)
            interrupted = discovery.interrupted
    if excluded and not failures:
        excluded.warn_of_unused()
    refreshed = _bounded(refreshed, stored, discoveries)
    answered = {
        (cloud, account.key, report.tenant.key)
        for account, discovery in discoveries
        for report in discovery.reports
        # A list that was not read to its end does not tell which subscriptions are gone.
        if report.failure is None
    }
    with_subscriptions = set(map(owner_of, refreshed))

    def is_outdated(row: SubscriptionRow) -> bool:
        if row.get("environmentName") != cloud:
            return False
        if is_tenant_level(row):
            return owner_of(row) in with_subscriptions
        # A row that a sign-in has stored in the meantime is newer than the answers.
        return owner_of(row) in answered and key_of(row) in asked_about

    with session.change(mirror=True) as state:
        was_active = rules.active_row(state.rows)
        # An account that signed out in the meantime stays signed out.
        present = {account_of(row).key for row in rules.in_cloud(state.all_rows(), cloud)}
        signed_in = [row for row in refreshed if account_of(row).key in present]
        active = rules.refresh(state, signed_in, is_outdated, fallback=default_subscription)
        for account, discovery in discoveries:
            rules.record_answers(state, cloud, account, discovery.failures())
        for failure in failures:
            rules.record_answers(state, cloud, failure.account, _failures_of_all_tenants(state, cloud, failure))
    changed = active is not None and (was_active is None or was_active["id"] != active["id"])
    return RefreshOutcome(tuple(failures), tuple(discoveries), active if changed else None, interrupted)


def _accounts_to_ask(session: Session, only: Tenant | None) -> list[_OwnRows]:
    accounts = _by_account(rules.in_cloud(session.state().all_rows(), session.settings.cloud))
    if only is None:
        return accounts
    with_rows = [own for own in accounts if any(tenant_of(row) == only.key for row in own.rows)]
    found = with_rows or [own for own in accounts if own.account.is_user]
    if not found:
        raise AccountError(
            f"No account that is signed in can have subscriptions in tenant '{only.id}'.",
            f"To sign in to it, run:\n{AZ_LOGIN.with_option('--tenant', only.id)}",
        )
    return found


def _tenants_to_ask(
    session: Session,
    own: _OwnRows,
    only: Tenant | None,
    applications: ApplicationFactory,
    on_progress: Callable[[Progress], None],
    may_read_ahead: bool,
) -> tuple[list[Tenant], Ask]:
    """Return the tenants of an account, and the function that asks one of them.

    :param may_read_ahead: whether the home tenant may be asked without waiting for the list of tenants.
    """
    by_tenant = {tenant_of(row): row for row in own.rows}
    # At an AD FS server, service principals sign in without a tenant as well.
    signs_in_without_tenant = own.account.is_user or session.settings.is_adfs
    if not signs_in_without_tenant or own.account.keeps_to_its_tenant:
        asked = [row for key, row in by_tenant.items() if only is None or key == only.key]
        return [Tenant(str(row["tenantId"])) for row in asked], partial(_ask_workload, session, by_tenant, applications)
    credential = session.clients.credential_of(own.rows[0], applications)
    manager = session.clients.resource_manager_of(credential, home=None)
    if may_read_ahead and own.account.is_user:
        user = session.clients.user_credential(own.account, applications)
        if (home := user.share_with_home(session.settings.arm_scopes)) is not None:
            manager.read_ahead(Tenant(home))
    if only is not None:
        known = _known_tenant(only, own.rows)
        if not known.is_described:
            tenants = find_tenants(manager.tenants, on_progress=on_progress)
            known = next((tenant for tenant in tenants if tenant.key == only.key), known)
        return [known], partial(manager.subscriptions, described=known.is_described)
    tenants = find_tenants(manager.tenants, on_progress=on_progress)
    # A tenant that the user signed in to with --tenant may be missing in the list; it is asked as well.
    listed = {tenant.key for tenant in tenants}
    further = [_known_tenant(Tenant(key), own.rows) for key in by_tenant if key not in listed]

    def ask(tenant: Tenant) -> Iterator[Subscription]:
        return manager.subscriptions(tenant, described=tenant.key in listed)

    return [*tenants, *further], ask


def _ask_workload(
    session: Session, by_tenant: Mapping[str, SubscriptionRow], applications: ApplicationFactory, tenant: Tenant
) -> Iterator[Subscription]:
    """Ask a tenant with the credential that was stored for it."""
    credential = session.clients.credential_of(by_tenant[tenant.key], applications)
    yield from session.clients.resource_manager_of(credential, home=tenant.id).subscriptions(tenant)


def _known_tenant(tenant: Tenant, rows: Sequence[SubscriptionRow]) -> Tenant:
    """Return a tenant as its first row describes it, if there is one, so that its name need not be looked up."""
    row = next((row for row in rows if tenant_of(row) == tenant.key), None)
    if row is None:
        return tenant
    return Tenant(str(row["tenantId"]), row.get("tenantDisplayName"), row.get("tenantDefaultDomain"))


def _failures_of_all_tenants(state: ProfileState, cloud: str, failure: RefreshFailure) -> dict[str, str | None]:
    reason = first_line(failure.error)
    rows = rules.in_cloud(state.all_rows(), cloud)
    return {str(row["tenantId"]): reason for row in rows if account_of(row).key == failure.account.key}


def _refreshed_rows(own: _OwnRows, discovery: Discovery, cloud: str) -> list[SubscriptionRow]:
    further = [duplicate.subscription for duplicate in discovery.duplicates]
    # A service principal may have signed in to one tenant with SN+I and to another without.
    accounts = {tenant_of(row): account_of(row) for row in own.rows}
    return [
        row_of(subscription, accounts.get(subscription.tenant_key, own.account), cloud)
        for subscription in discovery.subscriptions + further
    ]


def _bounded(
    refreshed: Sequence[SubscriptionRow],
    stored: Sequence[SubscriptionRow],
    discoveries: Sequence[tuple[Account, Discovery]],
) -> list[SubscriptionRow]:
    """Return the rows without new ones of endless lists that would add to the stored ones, refresh after refresh."""
    endless = {
        (account.key, report.tenant.key)
        for account, discovery in discoveries
        for report in discovery.failed
        if isinstance(report.failure, IncompleteListError)
    }
    known = set(map(key_of, stored)) if endless else set()
    room = MOST_ROWS - len(stored)
    kept = []
    for row in refreshed:
        if endless and key_of(row) not in known and (account_of(row).key, tenant_of(row)) in endless:
            if room <= 0:
                continue
            room -= 1
        kept.append(row)
    return kept


def _by_account(rows: Sequence[SubscriptionRow]) -> list[_OwnRows]:
    """Return the accounts in the order of their first row, each with its rows."""
    grouped: dict[tuple[str, str], _OwnRows] = {}
    for row in rows:
        account = account_of(row)
        grouped.setdefault((account.key, account.kind), _OwnRows(account, [])).rows.append(row)
    return list(grouped.values())
