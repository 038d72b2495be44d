"""The options of the commands of contexts: each is declared here, and nowhere else."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from typing import Any

from azext_login.cli.options import option
from azext_login.system.terminal.streams import can_choose


def _name(text: str = "Name of the context.", **settings: Any) -> Any:
    """Return the option that names an existing context."""
    return option("--name", "-n", completer="complete_contexts", help=text, **settings)


def _subscription(text: str, **settings: Any) -> Any:
    return option("--subscription", "-s", completer="complete_subscriptions", help=text, **settings)


def _username(text: str) -> Any:
    return option("--username", completer="complete_users", help=text)


def _tenant(text: str) -> Any:
    return option("--tenant", completer="complete_tenants", help=text)


@dataclass(frozen=True, kw_only=True)
class CreateContextOptions:
    """The options of `az account context create`."""

    name: str = option(
        "--name", "-n",
        default=MISSING,
        help="Name of the context: up to 64 letters, digits, '.', '_' and '-'. Upper and lower case are the same.",
    )  # fmt: skip
    subscription: str | None = _subscription("Name or ID of the subscription. Default: the active one.")
    username: str | None = _username("User name or application ID of a signed-in account. Default: the active one.")
    tenant: str | None = _tenant(
        "Tenant (ID or domain name), where several tenants have the subscription. Without --subscription, the "
        "subscription is one of this tenant."
    )


@dataclass(frozen=True, kw_only=True)
class UpdateContextOptions:
    """The options of `az account context update`."""

    name: str = _name(default=MISSING)
    subscription: str | None = _subscription(
        "Name or ID of another subscription of the account.", validator="validate_context_changes"
    )
    username: str | None = _username("User name or application ID of another signed-in account.")
    tenant: str | None = _tenant("Another tenant (ID or domain name) through which the account has the subscription.")


@dataclass(frozen=True, kw_only=True)
class RenameContextOptions:
    """The options of `az account context rename`."""

    name: str = _name(default=MISSING)
    new_name: str = option("--new-name", default=MISSING, help="The new name. The same rules apply as for 'create'.")


@dataclass(frozen=True, kw_only=True)
class DeleteContextOptions:
    """The options of `az account context delete`."""

    name: str = _name(default=MISSING)


@dataclass(frozen=True, kw_only=True)
class ShowContextOptions:
    """The options of `az account context show`."""

    name: str | None = _name("Name of the context. Default: what is active here.")


@dataclass(frozen=True, kw_only=True)
class UseContextOptions:
    """The options of `az account context use`."""

    name: str | None = _name(
        "Name of the context. On a terminal, leave it out to choose from a list.",
        is_required=lambda: not can_choose(),
    )


@dataclass(frozen=True, kw_only=True)
class AllowContextOptions:
    """The options of `az account context allow`."""

    revoke: bool = option("--revoke", default=False, help="Do not let the file choose a context any more.")


@dataclass(frozen=True, kw_only=True)
class PinContextOptions:
    """The options of `az account context pin`."""

    name: str = _name(default=MISSING)
