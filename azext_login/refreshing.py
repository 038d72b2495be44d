"""`account list --refresh`: reading the subscriptions of every account again, and keeping what was not answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.cli.core.azclierror import AzCLIError
from knack.util import CLIError

from .errors import SignInError
from .profile import subscriptions as rules
from .profile.discovery import Discovery, TenantReport, discover
from .profile.model import Account, Row, account_of, is_tenant_level
from .profile.resources import Tenant

if TYPE_CHECKING:
    from .auth.application import ApplicationFactory
    from .session import Session

HostCredential = Callable[[Row], Any]
"""Returns the host's credential (`acquire_token(scopes)`) for the row of a service principal or managed identity."""


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


def refresh(session: Session, host_credential: HostCredential) -> RefreshOutcome:
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
                discovery = _rediscover(session, own, applications, host_credential)
            except (AzCLIError, CLIError) as error:
                failures.append(RefreshFailure(own.account, error))
                continue
            discoveries.append(discovery)
            answered |= {
                (own.account.name.casefold(), report.tenant.id)
                for report in discovery.reports
                if report.failure is None
            }
            refreshed += _refreshed_rows(own, discovery, cloud)

    def is_outdated(row: Row) -> bool:
        owner = (account_of(row).name.casefold(), str(row.get("tenantId")))
        return row.get("environmentName") == cloud and owner in answered

    with session.change(mirror=True) as state:
        was_active = rules.active_row(state.rows)
        # Whoever signed out while we asked the network stays signed out.
        present = {(row["environmentName"], account_of(row).name.casefold()) for row in state.all_rows()}
        still_there = [row for row in refreshed if (cloud, account_of(row).name.casefold()) in present]
        active = rules.refresh(state, still_there, is_outdated)
    if active is None or (was_active is not None and was_active["id"] == active["id"]):
        return RefreshOutcome(tuple(failures), tuple(discoveries))
    return RefreshOutcome(tuple(failures), tuple(discoveries), active)


def _rediscover(
    session: Session, own: _OwnRows, applications: ApplicationFactory, host_credential: HostCredential
) -> Discovery:
    by_tenant = {str(row["tenantId"]): row for row in own.rows}
    if own.account.is_user and not own.rows[0]["user"].get("cloudShellID"):
        manager = session.services.resource_manager_of(own.account, applications, home=None)
        tenants = manager.tenants()
        # A tenant that was signed in to by name need not be in the list; it is asked as well.
        listed = {tenant.id for tenant in tenants}
        return discover(manager, [*tenants, *(Tenant(tenant) for tenant in by_tenant if tenant not in listed)])
    return Discovery(
        tuple(_report_of(session, Tenant(tenant), row, host_credential) for tenant, row in by_tenant.items())
    )


def _report_of(session: Session, tenant: Tenant, row: Row, host_credential: HostCredential) -> TenantReport:
    """Ask one tenant with the host's credential; its failure costs nobody else's result."""
    try:
        token = partial(_host_token, host_credential(row), session.settings.arm_scopes)
        return TenantReport(tenant, tuple(session.services.resource_manager(token).subscriptions(tenant)))
    except AzCLIError as error:
        return TenantReport(tenant, failure=error)
    except (CLIError, ValueError, OSError) as error:
        # The host's credentials raise what MSAL, a certificate file or the metadata service make of a problem.
        return TenantReport(tenant, failure=SignInError(str(error)))


def _host_token(credential: Any, scopes: Sequence[str], tenant: str | None, claims_challenge: str | None) -> str:
    """Return a token of the host's credential, which knows its tenant and takes no claims."""
    return str(credential.acquire_token(list(scopes))["access_token"])


def _refreshed_rows(own: _OwnRows, discovery: Discovery, cloud: str) -> list[Row]:
    further = [duplicate.subscription for duplicate in discovery.duplicates]
    fresh = [subscription.to_row(own.account, cloud) for subscription in discovery.subscriptions + further]
    users = {str(row["tenantId"]): row["user"] for row in own.rows}
    for row in fresh:
        # A row's user may hold more than name and type (SN+I, managed identity): it goes along.
        row["user"] = dict(users.get(row["tenantId"]) or own.rows[0]["user"])
    with_rows = {row["tenantId"] for row in fresh}
    return fresh + [dict(row) for row in own.rows if is_tenant_level(row) and row["tenantId"] not in with_rows]


def _by_account(rows: Sequence[Row]) -> list[_OwnRows]:
    """Return the accounts in the order of their first row, each with its rows."""
    grouped: dict[tuple[str, str, object], _OwnRows] = {}
    for row in rows:
        account = account_of(row)
        # Every user-assigned managed identity has the same name; `assignedIdentityInfo` tells them apart.
        key = (account.name.casefold(), account.kind, row["user"].get("assignedIdentityInfo"))
        grouped.setdefault(key, _OwnRows(account, [])).rows.append(row)
    return list(grouped.values())
