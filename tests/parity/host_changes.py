"""What one azure-cli has that another one does not: commands, options, and the functions that the extension uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.harness.az import Az
from tests.parity.options import ask

#: The first words of the commands that we take over, or that stand beside them.
WORDS = ("login", "logout", "account")
#: What the extension calls or replaces in the host; a class stands for what creates it.
USED = (
    "azure.cli.command_modules.profile.custom:login",
    "azure.cli.command_modules.profile.custom:logout",
    "azure.cli.command_modules.profile.custom:list_subscriptions",
    "azure.cli.command_modules.profile.custom:set_active_subscription",
    "azure.cli.command_modules.profile.custom:show_subscription",
    "azure.cli.command_modules.profile.custom:account_clear",
    "azure.cli.command_modules.profile.custom:get_access_token",
    "azure.cli.core._profile:ManagedIdentityAuth.credential_factory",
    "azure.cli.core._profile:_create_identity_instance",
    "azure.cli.core._session:Session.save",
    "azure.cli.core.auth.identity:Identity",
    "azure.cli.core.auth.persistence:build_persistence",
    "azure.cli.core.auth.persistence:load_persisted_token_cache",
    "azure.cli.core.auth.persistence:load_secret_store",
    "azure.cli.core.telemetry:set_broker_info",
    "azure.cli.core.util:should_encrypt_token_cache",
)
#: Modules whose settings (`core.NAME`) the extension has to know.
SETTINGS = ("azure.cli.core._profile", "azure.cli.core.util", "azure.cli.command_modules.profile.custom")
PACKAGES = ("azure-cli", "knack", "msal", "msal-extensions")

Facts = Mapping[str, str]
"""The name of a command, an option, a function, a setting or a package -> what it is."""


def facts(az: Az) -> Facts:
    """Return the facts about a host, from its own parser and its own modules."""
    question = {"ask": "facts", "words": WORDS, "used": USED, "settings": SETTINGS, "packages": PACKAGES}
    answer: Facts = ask(az, question)
    return answer


def changes(known: Facts, found: Facts) -> list[str]:
    """Return a line for each fact that is new (+), gone (-) or different (~), by name."""
    lines = []
    for name in sorted(known.keys() | found.keys()):
        if name not in known:
            lines.append(f"+ {name}: {found[name]}")
        elif name not in found:
            lines.append(f"- {name}")
        elif known[name] != found[name]:
            lines.append(f"~ {name}: {known[name]} -> {found[name]}")
    return lines


def version_of(az: Path, said: str) -> str:
    """Return the version of an azure-cli from what `az --version` prints.

    Raises:
        ValueError: it prints none.
    """
    match = re.search(r"^azure-cli\s+(\S+)", said, re.MULTILINE)
    if not match:
        raise ValueError(f"{az} does not print the version of an azure-cli:\n{said}")
    return match[1]
