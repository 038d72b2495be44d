"""Tenants that are excluded from the search for subscriptions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import cache

from azext_login.errors import SignInError
from azext_login.resource_manager.resources import Tenant
from azext_login.system.log import get_logger

logger = get_logger(__name__)


class ExcludedTenants:
    """The tenants that a command excludes, and those that the setting `login.exclude_tenants` always excludes."""

    def __init__(self, names: Sequence[str], *, always: Sequence[str] = (), resolve: Callable[[str], str]):
        """:param names: GUIDs or domain names, as the command gives them.
        :param always: the same, as the setting gives them.
        :param resolve: returns the GUID of a tenant that has a domain. Called for domains that are not the default one
            of a listed tenant. Raises SignInError if no tenant has the domain.
        """
        self._of_command = {_normalize(name) for name in names}
        self._names = self._of_command | {_normalize(name) for name in always}
        self._find_tenant: Callable[[str], str | None] = cache(lambda name: _find_tenant(name, resolve))
        self._used: set[str] = set()

    @property
    def has_names(self) -> bool:
        """Whether any tenant may be excluded."""
        return bool(self._names)

    def leave_out(self, tenants: Sequence[Tenant]) -> list[Tenant]:
        """Return the tenants that are not excluded.

        :raises ServiceUnreachableError: a domain could not be looked up.
        """
        known = {name for tenant in tenants for name in _names_of(tenant)}
        resolved = {name: name if name in known else self._find_tenant(name) for name in sorted(self._names)}
        self._used |= {name for name, tenant in resolved.items() if tenant in known}
        kept = [tenant for tenant in tenants if not _names_of(tenant) & set(resolved.values())]
        if len(kept) != len(tenants):
            logger.info("%d of %d tenants are excluded.", len(tenants) - len(kept), len(tenants))
        return kept

    def warn_of_unused(self) -> None:
        """Warn of the names that excluded no tenant: all that no tenant has, and the command's in any case."""
        for name in sorted(self._names - self._used):
            if self._find_tenant(name) is None:
                logger.warning("'%s' is to be excluded, but there is no tenant with this ID or domain name.", name)
            elif name in self._of_command:
                logger.warning("'%s' is to be excluded, but it is not one of the tenants that were found.", name)


def _names_of(tenant: Tenant) -> set[str]:
    return {tenant.key, tenant.default_domain.casefold()} if tenant.default_domain else {tenant.key}


def _normalize(name: str) -> str:
    """Return a name as it is compared: a GUID may be written in capitals, in braces or without dashes."""
    return _guid_of(name) or name.casefold()


def _find_tenant(name: str, resolve: Callable[[str], str]) -> str | None:
    """Return the GUID of a tenant, or None if there is no such tenant. A GUID is not looked up."""
    if "." not in name:
        return _guid_of(name)
    try:
        return resolve(name).casefold()
    except SignInError:
        return None


def _guid_of(name: str) -> str | None:
    try:
        return str(uuid.UUID(name))
    except ValueError:
        return None
