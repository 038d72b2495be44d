"""`account list --refresh`: reading the subscriptions of every account again, and keeping what was not answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from azure.cli.core.azclierror import AzCLIError

from azext_login.errors import AccountError, InterruptedDiscoveryError, first_line
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import Account, SubscriptionRow, account_of, is_tenant_level
from azext_login.profile.state import RowKey, key_of
from azext_login.resource_manager.ask_tenants import Ask, discover, find_tenants
from azext_login.resource_manager.discovery import Discovery, Progress
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.usecases.excluded_tenants import Exclusions
from azext_login.usecases.rows import row_of

if TYPE_CHECKING:
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.profile.state import ProfileState
    from azext_login.usecases.session import Session


# Why an account was not refreshed after Ctrl-C.
_NOT_ASKED = "Ctrl-C was pressed before it was asked."


@dataclass(frozen=True)
class RefreshFailure:
    """An account whose subscriptions could not be read again; its rows stay."""

    account: Account
    error: Exception


@dataclass(frozen=True)
class RefreshOutcome:
    """What `account list --refresh` could not do, and what it chose."""

    failures: tuple[RefreshFailure, ...]
    discoveries: tuple[tuple[Account, Discovery], ...]
    """What the tenants of each account answered."""
    newly_active: SubscriptionRow | None = None
    """The new default, where there was none or the old one is gone."""
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

    Rows of other clouds, and rows of accounts and tenants that did not answer, stay as they are. Ctrl-C ends it; what
    was read until then is stored.

    :param tenant: GUID of the only tenant to ask, for the accounts that have subscriptions there.
    :param exclude_tenants: tenants (GUID or domain) not to ask.
    :raises AccountError: nobody has a subscription in `tenant`, or a setting of ours cannot be read.
    """
    default_subscription = session.settings.default_subscription
    exclusions = None if tenant else Exclusions(session, exclude_tenants)
    cloud = session.settings.cloud
    failures: list[RefreshFailure] = []
    discoveries: list[tuple[Account, Discovery]] = []
    refreshed: list[SubscriptionRow] = []
    asked_about: set[RowKey] = set()
    interrupted = False
    with session.clients.stored_tokens() as applications:
        for own in _accounts_to_ask(session, tenant):
            if interrupted:
                failures.append(RefreshFailure(own.account, InterruptedDiscoveryError(_NOT_ASKED)))
                continue
            try:
                tenants, ask = _questions(session, own, tenant, applications, on_progress)
                wanted = exclusions.leave_out(tenants) if exclusions else tenants
                discovery = discover(wanted, ask, on_progress=on_progress)
            except AzCLIError as error:
                failures.append(RefreshFailure(own.account, error))
                continue
            except KeyboardInterrupt:
                failures.append(RefreshFailure(own.account, InterruptedDiscoveryError(_NOT_ASKED)))
                interrupted = True
                continue
            discoveries.append((own.account, discovery))
            asked_about.update(map(key_of, own.rows))
            refreshed += _refreshed_rows(own, discovery, cloud)
            interrupted = discovery.interrupted
    if exclusions and not failures:
        exclusions.warn_of_useless()
    # Whoever typed a tenant's ID to sign in to it may have typed it in upper case.
    answered = {
        (account.key, report.tenant.id.casefold())
        for account, discovery in discoveries
        for report in discovery.reports
        # Half of a list tells nothing about the other half.
        if report.failure is None
    }
    with_subscriptions = {_owner(row) for row in refreshed}

    def is_outdated(row: SubscriptionRow) -> bool:
        if row.get("environmentName") != cloud:
            return False
        if is_tenant_level(row):
            return _owner(row) in with_subscriptions
        # What a sign-in has stored since then is newer than the answers.
        return _owner(row) in answered and key_of(row) in asked_about

    with session.change(mirror=True) as state:
        was_active = rules.active_row(state.rows)
        # Whoever signed out while we asked the network stays signed out.
        present = {(row["environmentName"], account_of(row).key) for row in state.all_rows()}
        still_there = [row for row in refreshed if (cloud, account_of(row).key) in present]
        active = rules.refresh(state, still_there, is_outdated, fallback=default_subscription)
        for account, discovery in discoveries:
            rules.record_answers(state, cloud, account, discovery.failures())
        for failure in failures:
            rules.record_answers(state, cloud, failure.account, _all_failed(state, cloud, failure))
    changed = active is not None and (was_active is None or was_active["id"] != active["id"])
    return RefreshOutcome(tuple(failures), tuple(discoveries), active if changed else None, interrupted)


def _accounts_to_ask(session: Session, tenant: str | None) -> list[_OwnRows]:
    accounts = _by_account(rules.in_cloud(session.state().all_rows(), session.settings.cloud))
    if tenant is None:
        return accounts
    with_rows = [own for own in accounts if any(str(row["tenantId"]).lower() == tenant.lower() for row in own.rows)]
    found = with_rows or [own for own in accounts if own.account.is_user]
    if not found:
        raise AccountError(
            f"Nobody who is signed in could have subscriptions in tenant '{tenant}'.",
            f'To sign in to it, run:\naz login --tenant "{tenant}"',
        )
    return found


def _questions(
    session: Session,
    own: _OwnRows,
    tenant: str | None,
    applications: ApplicationFactory,
    on_progress: Callable[[Progress], None],
) -> tuple[list[Tenant], Ask]:
    """Return the tenants to ask for an account, and how."""
    # Of a tenant that has been written in two ways, one row stands for it.
    by_tenant = {str(row["tenantId"]).casefold(): row for row in own.rows}
    # At an AD FS server a service principal signs in without a tenant, too.
    names_no_tenant = own.account.is_user or session.settings.is_adfs
    if not names_no_tenant or own.account.keeps_to_its_tenant:
        asked = [row for one, row in by_tenant.items() if tenant is None or one == tenant.casefold()]
        return [Tenant(str(row["tenantId"])) for row in asked], partial(_ask_workload, session, by_tenant, applications)
    credential = session.clients.credential_of(own.rows[0], applications)
    manager = session.clients.resource_manager_of(credential, home=None)
    if tenant is not None:
        known = _known_tenant(tenant, own.rows)
        if not known.is_described:
            tenants = find_tenants(manager.tenants, on_progress=on_progress)
            known = next((one for one in tenants if one.id.lower() == tenant.lower()), known)
        return [known], partial(manager.subscriptions, described=known.is_described)
    tenants = find_tenants(manager.tenants, on_progress=on_progress)
    # A tenant that was signed in to by name need not be in the list; it is asked as well.
    listed = {one.id.lower() for one in tenants}
    further = [_known_tenant(one, own.rows) for one in by_tenant if one not in listed]

    def ask(one: Tenant) -> Iterator[Subscription]:
        return manager.subscriptions(one, described=one.id.lower() in listed)

    return [*tenants, *further], ask


def _ask_workload(
    session: Session, by_tenant: Mapping[str, SubscriptionRow], applications: ApplicationFactory, tenant: Tenant
) -> Iterator[Subscription]:
    """Ask a tenant with the credential that was stored for it."""
    credential = session.clients.credential_of(by_tenant[tenant.id.casefold()], applications)
    yield from session.clients.resource_manager_of(credential, home=tenant.id).subscriptions(tenant)


def _known_tenant(tenant: str, rows: Sequence[SubscriptionRow]) -> Tenant:
    """Return a tenant with the name and domain that are known of it, so that it need not be looked up."""
    row = next((row for row in rows if str(row["tenantId"]).lower() == tenant.lower()), None)
    if row is None:
        return Tenant(tenant)
    return Tenant(str(row["tenantId"]), row.get("tenantDisplayName"), row.get("tenantDefaultDomain"))


def _all_failed(state: ProfileState, cloud: str, failure: RefreshFailure) -> dict[str, str | None]:
    reason = first_line(failure.error)
    rows = rules.in_cloud(state.all_rows(), cloud)
    return {str(row["tenantId"]): reason for row in rows if account_of(row).key == failure.account.key}


def _refreshed_rows(own: _OwnRows, discovery: Discovery, cloud: str) -> list[SubscriptionRow]:
    further = [duplicate.subscription for duplicate in discovery.duplicates]
    # A service principal may have signed in to one tenant with SN+I and to another without.
    accounts = {str(row["tenantId"]).casefold(): account_of(row) for row in own.rows}
    return [
        row_of(subscription, accounts.get(subscription.tenant_id.casefold(), own.account), cloud)
        for subscription in discovery.subscriptions + further
    ]


def _owner(row: SubscriptionRow) -> tuple[str, str]:
    return account_of(row).key, str(row.get("tenantId")).casefold()


def _by_account(rows: Sequence[SubscriptionRow]) -> list[_OwnRows]:
    """Return the accounts in the order of their first row, each with its rows."""
    grouped: dict[tuple[str, str], _OwnRows] = {}
    for row in rows:
        account = account_of(row)
        grouped.setdefault((account.key, account.kind), _OwnRows(account, [])).rows.append(row)
    return list(grouped.values())
