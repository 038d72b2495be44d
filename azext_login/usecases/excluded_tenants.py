"""Tenants that are left out of a discovery."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from knack.log import get_logger

from azext_login.errors import SignInError
from azext_login.resource_manager.resources import Tenant

if TYPE_CHECKING:
    from azext_login.usecases.session import Session

logger = get_logger(__name__)


class Exclusions:
    """What leaves tenants out: the names of this command, and those of the setting `login.exclude_tenants`."""

    def __init__(self, session: Session, names: Sequence[str]):
        """:param names: GUIDs or domain names. A domain that is not the default one of a tenant is looked up.
        :raises AccountError: the setting cannot be read.
        """
        self._named = {_normal(name) for name in names}
        self._names = self._named | {_normal(name) for name in session.settings.exclude_tenants}
        self._look_up: Callable[[str], str | None] = cache(lambda name: _looked_up(session, name))
        self._seen: set[str] = set()

    def leave_out(self, tenants: Sequence[Tenant]) -> list[Tenant]:
        """Return the tenants that are not excluded.

        :raises ServiceUnreachableError: a domain could not be looked up.
        """
        known = {label for tenant in tenants for label in _labels(tenant)}
        labels = {name: name if name in known else self._look_up(name) for name in sorted(self._names)}
        self._seen |= {name for name, label in labels.items() if label in known}
        kept = [tenant for tenant in tenants if not _labels(tenant) & set(labels.values())]
        if len(kept) != len(tenants):
            logger.info("%d of %d tenants are excluded.", len(tenants) - len(kept), len(tenants))
        return kept

    def warn_of_useless(self) -> None:
        """Name what has left out nothing so far, although it was named for this very command, or is nobody's."""
        for name in sorted(self._names - self._seen):
            if self._look_up(name) is None:
                logger.warning("'%s' is to be excluded, but there is no tenant with this ID or domain name.", name)
            elif name in self._named:
                logger.warning("'%s' is to be excluded, but is none of the tenants that would be asked.", name)


def _labels(tenant: Tenant) -> set[str]:
    return {label.casefold() for label in (tenant.id, tenant.default_domain) if label}


def _normal(name: str) -> str:
    """Return a name as it is compared: a GUID may be written in capitals, in braces or without dashes."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return name.casefold()


def _looked_up(session: Session, name: str) -> str | None:
    """Return the GUID of a tenant, or None if there is no such tenant. Whether a GUID is one cannot be looked up."""
    if "." in name:
        try:
            return session.resolve_tenant(name).casefold()
        except SignInError:
            return None
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return None
