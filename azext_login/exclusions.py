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
    """Return the tenants that are not named here.

    :param names: GUIDs or domain names. A domain that is not the default one of a tenant is looked up.
    :raises ServiceUnreachableError: a domain could not be looked up.
    """
    excluded = {name.casefold() for name in names}
    if not excluded:
        return list(tenants)
    known = {label for tenant in tenants for label in _labels(tenant)}
    excluded |= {_looked_up(session, name) for name in sorted(excluded - known) if not _is_guid(name)}
    kept = [tenant for tenant in tenants if not _labels(tenant) & excluded]
    if len(kept) != len(tenants):
        logger.info("%d of %d tenants are excluded.", len(tenants) - len(kept), len(tenants))
    return kept


def _labels(tenant: Tenant) -> set[str]:
    return {label.casefold() for label in (tenant.id, tenant.default_domain) if label}


def _is_guid(name: str) -> bool:
    from azure.cli.core.util import is_guid

    return bool(is_guid(name))


def _looked_up(session: Session, name: str) -> str:
    if "." in name:
        try:
            return session.resolve_tenant(name).casefold()
        except SignInError:
            pass
    logger.warning("'%s' is to be excluded, but there is no tenant with this ID or domain name.", name)
    return name
