"""What asking many tenants for their subscriptions returned, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass, field

from azext_login.errors import first_line
from azext_login.host_errors import AzCLIError
from azext_login.resource_manager.resources import Subscription, Tenant


@dataclass(frozen=True)
class TenantReport:
    """What one tenant answered: its subscriptions, or why there is no answer.

    With both, the list was not read to its end: there may be more subscriptions.
    """

    tenant: Tenant
    subscriptions: tuple[Subscription, ...] = ()
    failure: AzCLIError | None = None


@dataclass(frozen=True)
class DuplicateView:
    """A subscription that a second tenant shows as well; the first tenant keeps it."""

    subscription: Subscription
    kept_tenant_id: str


@dataclass(frozen=True)
class Discovery:
    """The result of asking every tenant."""

    reports: tuple[TenantReport, ...]
    duplicates: tuple[DuplicateView, ...] = field(default=())
    interrupted: bool = False
    """Whether Ctrl-C ended it early."""

    @property
    def subscriptions(self) -> list[Subscription]:
        """All subscriptions, each once, in the order in which the tenants were asked."""
        return [subscription for report in self.reports for subscription in report.subscriptions]

    @property
    def failed(self) -> list[TenantReport]:
        """The reports of the tenants that did not answer, or not to the end."""
        return [report for report in self.reports if report.failure is not None]

    def failures(self) -> dict[str, str | None]:
        """Return for each tenant (GUID) why it did not answer, in one line; None if it answered."""
        return {
            report.tenant.id: None if report.failure is None else first_line(report.failure) for report in self.reports
        }


@dataclass(frozen=True)
class Progress:
    """How far a discovery has come. With no tenants, the list of tenants has not arrived yet."""

    tenants: int
    answered: int
    subscriptions: int
    waiting_for: tuple[Tenant, ...]
