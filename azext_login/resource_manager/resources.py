"""Tenants and subscriptions as Azure Resource Manager describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azext_login.system.text import printable


@dataclass(frozen=True)
class Tenant:
    """A tenant as `GET /tenants` describes it; display name and domain are absent in old API versions."""

    id: str
    """GUID, as Azure Resource Manager or the user wrote it."""
    display_name: str | None = None
    default_domain: str | None = None

    @property
    def key(self) -> str:
        """The case-folded ID, which identifies the tenant: users and services write GUIDs in either case."""
        return self.id.casefold()

    @property
    def is_described(self) -> bool:
        """Tell whether its display name or its domain is known."""
        return bool(self.display_name or self.default_domain)

    @property
    def label(self) -> str:
        """Return what to show to the user, for example `0f1e... 'Contoso'`."""
        return f"{self.id} '{printable(self.display_name)}'" if self.display_name else self.id


@dataclass(frozen=True)
class Subscription:
    """A subscription as seen from one tenant.

    `details` are the optional keys of its row in their order: homeTenantId, tenantDefaultDomain,
    tenantDisplayName, managedByTenants. Which of them exist depends on the API version and on whether the
    tenant was looked up, and the host leaves the others out.
    """

    id: str
    name: str
    state: str | None
    tenant_id: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The ID in lower case, which identifies the subscription."""
        return self.id.lower()

    @property
    def tenant_key(self) -> str:
        """`Tenant.key` of its tenant."""
        return self.tenant_id.casefold()
