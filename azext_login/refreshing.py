"""`account list --refresh`: reading the subscriptions of every account again, and keeping what was not answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure.cli.core.azclierror import AzCLIError

from .profile import subscriptions as rules
from .profile.discovery import Discovery, TenantReport, discover
from .profile.model import Account, Row, account_of, is_tenant_level
from .profile.resources import Tenant

if TYPE_CHECKING:
    from .auth.application import ApplicationFactory
    from .session import Session


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


@dataclass(frozen=True)
class _OwnRows:
    account: Account
    rows: list[Row]


def refresh(session: Session) -> RefreshOutcome:
    """Read the subscriptions of every account of this cloud again.

    Rows of other clouds, and rows of accounts and tenants that did not answer, stay as they are.
    """
    cloud = session.settings.cloud
    failures: list[RefreshFailure] = []
    discoveries: list[Discovery] = []
    refreshed: list[Row] = []
    answered: set[tuple[str, str]] = set()
    with session.services.stored_tokens() as applications:
        for own in _by_account(rules.in_cloud(session.state().all_rows(), cloud)):
            try:
                discovery = _rediscover(session, own, applications)
            except AzCLIError as error:
                failures.append(RefreshFailure(own.account, error))
                continue
            discoveries.append(discovery)
            answered |= {(own.account.key, report.tenant.id) for report in discovery.reports if report.failure is None}
            refreshed += _refreshed_rows(own, discovery, cloud)

    def is_outdated(row: Row) -> bool:
        owner = (account_of(row).key, str(row.get("tenantId")))
        return row.get("environmentName") == cloud and owner in answered

    with session.change(mirror=True) as state:
        was_active = rules.active_row(state.rows)
        # Whoever signed out while we asked the network stays signed out.
        present = {(row["environmentName"], account_of(row).key) for row in state.all_rows()}
        still_there = [row for row in refreshed if (cloud, account_of(row).key) in present]
        active = rules.refresh(state, still_there, is_outdated)
    if active is None or (was_active is not None and was_active["id"] == active["id"]):
        return RefreshOutcome(tuple(failures), tuple(discoveries))
    return RefreshOutcome(tuple(failures), tuple(discoveries), active)


def _rediscover(session: Session, own: _OwnRows, applications: ApplicationFactory) -> Discovery:
    by_tenant = {str(row["tenantId"]): row for row in own.rows}
    # At an AD FS server a service principal signs in without a tenant, too.
    names_no_tenant = own.account.is_user or session.settings.is_adfs
    if names_no_tenant and not own.account.keeps_to_its_tenant:
        credential = session.services.credential_of(own.rows[0], applications)
        manager = session.services.resource_manager_of(credential, home=None)
        tenants = manager.tenants()
        # A tenant that was signed in to by name need not be in the list; it is asked as well.
        listed = {tenant.id for tenant in tenants}
        return discover(manager, [*tenants, *(Tenant(tenant) for tenant in by_tenant if tenant not in listed)])
    return Discovery(tuple(_report_of(session, Tenant(tenant), row, applications) for tenant, row in by_tenant.items()))


def _report_of(session: Session, tenant: Tenant, row: Row, applications: ApplicationFactory) -> TenantReport:
    """Ask one tenant of a workload; its failure costs nobody else's result."""
    try:
        credential = session.services.credential_of(row, applications)
        manager = session.services.resource_manager_of(credential, home=tenant.id)
        return TenantReport(tenant, tuple(manager.subscriptions(tenant)))
    except AzCLIError as error:
        return TenantReport(tenant, failure=error)


def _refreshed_rows(own: _OwnRows, discovery: Discovery, cloud: str) -> list[Row]:
    further = [duplicate.subscription for duplicate in discovery.duplicates]
    # A service principal may have signed in to one tenant with SN+I and to another without.
    accounts = {str(row["tenantId"]): account_of(row) for row in own.rows}
    fresh = [
        subscription.to_row(accounts.get(subscription.tenant_id, own.account), cloud)
        for subscription in discovery.subscriptions + further
    ]
    with_rows = {row["tenantId"] for row in fresh}
    return fresh + [dict(row) for row in own.rows if is_tenant_level(row) and row["tenantId"] not in with_rows]


def _by_account(rows: Sequence[Row]) -> list[_OwnRows]:
    """Return the accounts in the order of their first row, each with its rows."""
    grouped: dict[tuple[str, str], _OwnRows] = {}
    for row in rows:
        account = account_of(row)
        grouped.setdefault((account.key, account.kind), _OwnRows(account, [])).rows.append(row)
    return list(grouped.values())
