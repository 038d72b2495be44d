"""The options of the commands that show and change accounts: each is declared here, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.cli.option_values import exclude_tenants_option
from azext_login.cli.options import option
from azext_login.system.terminal.streams import can_choose


@dataclass(frozen=True, kw_only=True)
class LogoutOptions:
    """The options of `az logout`."""

    username: str | None = option("--username", completer="complete_users", when_empty="signed-out account")


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """The options of `az account list`."""

    all: bool = option("--all", default=False)
    refresh: bool = option("--refresh", default=False)
    all_identities: bool = option(
        "--all-identities",
        default=False,
        help="List a subscription once for each account and tenant that can use it.",
    )
    tenant: str | None = option(
        "--tenant",
        validator="validate_tenant_to_refresh",
        completer="complete_tenants",
        help="With --refresh, read only this tenant (ID or domain name) again.",
    )
    exclude_tenants: Sequence[str] = exclude_tenants_option()
    show_refresh: bool = option(
        "--show-refresh",
        default=False,
        help="Show when and why the last refresh of a subscription's tenant failed.",
    )


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """The options of `az account show`."""

    subscription: str | None = option("--subscription", "-s", "--name", "-n", when_empty="subscription")


@dataclass(frozen=True, kw_only=True)
class SetOptions:
    """The options of `az account set`."""

    subscription: str | None = option(
        "--subscription", "-s", "--name", "-n",
        # Without a terminal, the parser still refuses: scripts know its message and its exit code.
        is_required=lambda: not can_choose(),
        validator="validate_previous_subscription",
        help="Name or ID of the subscription, or - for the one that was active before. On a terminal, leave it out to "
        "choose from a list.",
    )  # fmt: skip
    username: str | None = option(
        "--username",
        completer="complete_users",
        help="Use the subscription as this account, where several signed-in accounts have it.",
    )
    tenant: str | None = option(
        "--tenant",
        completer="complete_tenants",
        help="Use the subscription through this tenant (ID or domain name), where several tenants have it.",
    )


@dataclass(frozen=True, kw_only=True)
class RenewOptions:
    """The options of `az account renew`."""

    username: str | None = option(
        "--username", completer="complete_users", help="User name or application ID. Default: the active account."
    )
    tenant: str | None = option(
        "--tenant",
        completer="complete_tenants",
        help="Tenant (ID or domain name) of the tokens. Default: the tenant of the active subscription.",
    )
    watch: bool = option(
        "--watch",
        default=False,
        help="Continue until stopped with Ctrl-C or SIGTERM, and renew each token before it expires.",
    )
