"""The host's own function for each of its two stores, which decides where encrypted secrets are, without MSAL.

The host decides what the operating system's keyring is, how its items are named, and whether it stores secrets in
plain text where there is no keyring. Releases differ in all of that (azure-cli#33849), so nothing of it is repeated
here.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

_HOST_MODULE = "azure.cli.core.auth.persistence"

# The name of a store's file without its extension -> the host's function that opens it.
_OPENERS = {"msal_token_cache": "load_persisted_token_cache", "service_principal_entries": "load_secret_store"}

_PACKAGE = "msal_extensions"
_ALIAS = "_azext_login_msal_extensions"
"""The name under which a second copy of msal-extensions is loaded, without the part that imports MSAL."""


def open_host_persistence(store: str, location: str) -> Any:
    """Return the object of msal-extensions with which the host loads and saves a store if encryption is on.

    :param store: `msal_token_cache` or `service_principal_entries`.
    :param location: the path of the file without its extension, which the host appends.
    :raises Exception: whatever the operating system's keyring raises where it is not available.
    """
    return getattr(_host_module(), _OPENERS[store])(location, True)._persistence


def warn_about_plain_text() -> None:
    """Print the warning of hosts that store secrets in plain text where there is no keyring, if this one did so."""
    getattr(_host_module(), "warn_if_encryption_unavailable", lambda: None)()


@cache
def _host_module() -> ModuleType:
    """Return the host's module, as it is if the host or MSAL is loaded, or a copy that was loaded without MSAL."""
    if _HOST_MODULE in sys.modules or _PACKAGE in sys.modules:
        return importlib.import_module(_HOST_MODULE)
    try:
        return _load_without_msal()
    except (ImportError, AttributeError):
        # This host imports more than we know of.
        return importlib.import_module(_HOST_MODULE)


class _NamedPersistence:
    """Takes the place of MSAL's token cache, which the host creates around the object that we need."""

    def __init__(self, persistence: Any):
        self._persistence = persistence


def _load_without_msal() -> ModuleType:
    found = importlib.util.find_spec(_PACKAGE)
    host = importlib.util.find_spec(_HOST_MODULE)
    if found is None or host is None or host.loader is None:
        raise ImportError(_HOST_MODULE)
    package = ModuleType(_ALIAS)
    # Its submodules import each other relatively, also when they are called later, so the package keeps this name.
    package.__path__ = list(found.submodule_search_locations or [])
    sys.modules[_ALIAS] = package
    classes = importlib.import_module(f"{_ALIAS}.persistence")
    package.__dict__.update({name: value for name, value in vars(classes).items() if not name.startswith("_")})
    package.__dict__.update(PersistedTokenCache=_NamedPersistence, CrossPlatLock=None)
    module = importlib.util.module_from_spec(host)
    with _modules({_PACKAGE: package, f"{_PACKAGE}.persistence": classes}):
        host.loader.exec_module(module)
    return module


@contextmanager
def _modules(named: Mapping[str, ModuleType]) -> Iterator[None]:
    """Let imports find these modules inside the block."""
    sys.modules.update(named)
    try:
        yield
    finally:
        for name in named:
            del sys.modules[name]
