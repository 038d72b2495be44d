"""The `login` extension of the Azure CLI.

The host looks for its command loader here. `az-token` imports this package without a host, so the loader is imported
when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azext_login._loader import LoginCommandsLoader as LoginCommandsLoader

    COMMAND_LOADER_CLS = LoginCommandsLoader


def __getattr__(name: str) -> Any:
    if name in ("COMMAND_LOADER_CLS", "LoginCommandsLoader"):
        from azext_login._loader import LoginCommandsLoader

        return LoginCommandsLoader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
