"""Tenants that are left out of a discovery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from knack.log import get_logger

from .errors import SignInError
from .profile.resources import Tenant

if TYPE_CHECKING:
    from .session import Session

logger = get_logger(__name__)


def without_excluded(session: Session, tenants: Sequence[Tenant], names: Sequence[str]) -> list[Tenant]:
    """Return the tenants that are named neither here nor in the setting `login.exclude_tenants`.

    :param names: GUIDs or domain names. One that is not the default domain of a tenant is looked up.
    """
    excluded = {name.casefold() for name in (*names, *session.settings.exclude_tenants)}
    if not excluded:
        return list(tenants)
    known = {label for tenant in tenants for label in _labels(tenant)}
    excluded |= {_looked_up(session, name) for name in excluded - known if "." in name}
    kept = [tenant for tenant in tenants if not _labels(tenant) & excluded]
    if len(kept) != len(tenants):
        logger.info("%d of %d tenants are excluded.", len(tenants) - len(kept), len(tenants))
    return kept


def _labels(tenant: Tenant) -> set[str]:
    return {label.casefold() for label in (tenant.id, tenant.default_domain) if label}


def _looked_up(session: Session, domain: str) -> str:
    try:
        return session.resolve_tenant(domain).casefold()
    except SignInError:
        logger.warning("The tenant '%s' that is to be excluded does not exist.", domain)
        return domain
