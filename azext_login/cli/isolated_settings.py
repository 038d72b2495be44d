"""The settings that an isolated run has in common with the command that starts it."""

from __future__ import annotations

import configparser
import os
from typing import Any

# How tokens are obtained and stored, and where extensions are. No defaults of the user, such as a location.
_SHARED = {
    "core": (
        "enable_broker_on_linux", "enable_broker_on_mac", "enable_broker_on_windows", "enable_broker_on_wsl",
        "encrypt_token_cache", "instance_discovery", "login_experience_v2", "use_msal_http_cache",
    ),
    "extension": ("dev_sources",),
    "login": ("every_command",),
}  # fmt: skip


def shared_settings(cli_ctx: Any) -> dict[str, dict[str, str]]:
    """Return these settings: section -> name -> value. Those that are not set are missing."""
    found: dict[str, dict[str, str]] = {}
    for section, names in _SHARED.items():
        for name in names:
            value = _value(cli_ctx.config, section, name)
            if value is not None:
                found.setdefault(section, {})[name] = value
    return found


def _value(config: Any, section: str, name: str) -> str | None:
    try:
        value = config.get(section, name, fallback=None)
    except configparser.Error:
        return None
    # A percent sign would have to be written twice, and no value of these has one.
    text = "" if value is None else str(value)
    return None if not text or "%" in text or "\n" in text else text


def extension_directory() -> str:
    """Return the directory of the installed extensions."""
    from azure.cli.core.extension import EXTENSIONS_DIR

    return str(os.path.abspath(EXTENSIONS_DIR))


def installation_id() -> str | None:
    """Return the ID of this installation; None if it has none yet."""
    from azure.cli.core._session import ACCOUNT

    found = ACCOUNT.data.get("installationId") if isinstance(ACCOUNT.data, dict) else None
    return found if isinstance(found, str) else None
