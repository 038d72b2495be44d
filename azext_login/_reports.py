"""What a person is told about tenants and accounts after a command, on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from knack.log import get_logger

if TYPE_CHECKING:
    from .profile.discovery import Discovery, TenantReport
    from .profile.model import Row
    from .refreshing import RefreshOutcome
    from .signing_out import SignOutOutcome

logger = get_logger(__name__)


def report_discovery(discovery: Discovery) -> None:
    """Say which tenants refused or are empty, and which subscriptions several tenants show."""
    for duplicate in discovery.duplicates:
        subscription = duplicate.subscription
        logger.warning(
            "Subscription %s '%s' can be accessed from tenants %s (used) and %s. To use the other one, run "
            'az login --tenant "%s"',
            subscription.id, subscription.name, duplicate.kept_tenant_id, subscription.tenant_id,
            subscription.tenant_id,
        )  # fmt: skip
    if discovery.empty:
        logger.warning(
            "No accessible subscriptions in: %s. Use `az login --allow-no-subscriptions` to have tenant level access.",
            ", ".join(report.tenant.label for report in discovery.empty),
        )
    for report in discovery.failed:
        _report_tenant(report, "was left out")


def report_refresh(outcome: RefreshOutcome) -> None:
    """Say which accounts and tenants could not be read again."""
    for failure in outcome.failures:
        logger.warning(
            "The subscriptions of '%s' could not be refreshed and stay as they were: %s To sign in again, run az login",
            failure.account.name,
            str(failure.error).splitlines()[0],
        )
    for discovery in outcome.discoveries:
        for report in discovery.failed:
            _report_tenant(report, "could not be refreshed, and its subscriptions stay as they were")
    if outcome.newly_active is not None:
        logger.warning(
            "Subscription '%s' (%s) is active now. To choose another one, run az account set --subscription ID",
            outcome.newly_active["name"],
            outcome.newly_active["id"],
        )


def _report_tenant(report: TenantReport, what: str) -> None:
    logger.warning(
        'Tenant %s %s: %s To sign in to it, run az login --tenant "%s"',
        report.tenant.label,
        what,
        str(report.failure).splitlines()[0],
        report.tenant.id,
    )


def report_selection(row: Row) -> None:
    """Say, on a terminal, which subscription is active now, and for whom."""
    if sys.stderr.isatty():
        logger.warning("Active now: '%s' (%s), as %s.", row["name"], row["id"], row["user"]["name"])


def report_sign_out(name: str, outcome: SignOutOutcome) -> None:
    """Say when there was nobody to sign out, and when no account is active afterwards."""
    if not outcome.known:
        logger.warning("'%s' is not signed in, so there was nothing to sign out. See `az account list`.", name)
    elif outcome.was_active and outcome.remaining:
        logger.warning(
            'No subscription is active now. Choose one with `az account set --subscription "%s"`, or another from '
            "`az account list --output table`.",
            outcome.remaining[0]["id"],
        )
