"""The options of `az account token-helper`: each is declared here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

from azext_login.cli.options import option


@dataclass(frozen=True, kw_only=True)
class InstallHelperOptions:
    """The options of `az account token-helper install`."""

    to: str | None = option(
        "--to",
        completer="complete_directories",
        help="Directory for the launcher. It is created if it does not exist. Default: ~/.local/bin.",
    )


@dataclass(frozen=True, kw_only=True)
class UninstallHelperOptions:
    """The options of `az account token-helper uninstall`."""

    to: str | None = option(
        "--to", completer="complete_directories", help="Directory of the launcher. Default: ~/.local/bin."
    )


@dataclass(frozen=True, kw_only=True)
class ListHelpersOptions:
    """The options of `az account token-helper status`."""

    to: str | None = option("--to", completer="complete_directories", help="One more directory to look in.")
