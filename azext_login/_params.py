"""The arguments of our commands, on top of the host's own registration."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from azure.cli.core.commands.parameters import get_enum_type
from knack.log import get_logger

from azext_login._completers import complete_tenants, complete_users
from azext_login._validators import (
    validate_excluded_tenants,
    validate_going_back,
    validate_min_validity,
    validate_tenant,
    validate_tenant_to_refresh,
)
from azext_login.cli.option_values import RESOURCE_TYPES, TOKEN_FORMATS, TOKEN_SOURCES
from azext_login.host import host_parameters
from azext_login.system.terminal.terminal import can_choose

logger = get_logger(__name__)


# Command -> destinations of the options that are ours, wherever the host does not have them.
ADDED_OPTIONS = {
    "login": frozenset(
        {
            "no_browser",
            "skip_subscription_discovery",
            "subscription",
            "from_env",
            "federated_token_file",
            "federated_token_source",
            "service_connection_id",
            "no_store_secret",
            "store_decrypted_key",
            "exclude_tenants",
        }
    ),
    "account list": frozenset({"all_identities", "tenant", "exclude_tenants", "show_refresh"}),
    "account set": frozenset({"username", "tenant"}),
    "account get-access-token": frozenset({"username", "min_validity", "force_refresh", "claims_challenge"}),
}


class SubscriptionOverName(argparse.Action):
    """`--subscription`/`-s` wins over `--name`/`-n`, whatever their order.

    The built-in has one option with four spellings, so the last one given wins and
    `--subscription A --name B` silently asks for B.
    """

    _SUBSCRIPTION = ("--subscription", "-s")

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        given: dict[bool, Any] = getattr(namespace, "_subscription_spellings", {})
        given[option_string in self._SUBSCRIPTION] = values
        namespace._subscription_spellings = given
        setattr(namespace, self.dest, given.get(True, given.get(False)))


def warn_of_ignored_name(namespace: argparse.Namespace) -> None:
    """Say that `--name` was ignored when `--subscription` was given as well."""
    given: dict[bool, Any] = namespace.__dict__.pop("_subscription_spellings", {})
    if len(given) == 2 and given[True] != given[False]:
        logger.warning("--name '%s' was ignored, because --subscription '%s' was given.", given[False], given[True])


def declare_arguments(loader: Any) -> None:
    """Add our arguments to the scopes that the host's loader has just registered."""
    with loader.argument_context("login") as context:
        context.argument(
            "tenant", _host_argument(loader, "login", "tenant"), validator=validate_tenant, completer=complete_tenants
        )
        context.argument(
            "password",
            _host_argument(loader, "login", "password"),
            help="User password, service principal secret, or passphrase of the certificate. Will prompt if not given.",
        )
        context.argument(
            "certificate",
            _host_argument(loader, "login", "certificate"),
            help="PEM or PFX file with the certificate and its key.",
        )
        context.argument(
            "no_browser",
            options_list=["--no-browser"],
            action="store_true",
            help="Print the sign-in address instead of opening a browser. The sign-in completes when the "
            "browser comes back, or when the address that it ends up on is pasted into the terminal.",
        )
        _declare_exclude_tenants(context)
        _declare_workload_options(context)
        _declare_missing_login_options(context)

    with loader.argument_context("logout") as context:
        context.argument("username", _host_argument(loader, "logout", "username"), completer=complete_users)

    with loader.argument_context("account list") as context:
        context.argument(
            "all_identities",
            options_list=["--all-identities"],
            action="store_true",
            help="List a subscription once for each account and tenant that it can be used through.",
        )
        context.argument(
            "tenant",
            options_list=["--tenant"],
            validator=validate_tenant_to_refresh,
            completer=complete_tenants,
            help="With --refresh, read only this tenant (ID or domain name) again.",
        )
        _declare_exclude_tenants(context)
        context.argument(
            "show_refresh",
            options_list=["--show-refresh"],
            action="store_true",
            help="Show when and why the tenant of a subscription could last not be read again.",
        )

    with loader.argument_context("account set") as context:
        context.argument(
            "subscription",
            _host_argument(loader, "account set", "subscription"),
            # Elsewhere the parser goes on saying what it says: its words and exit code are known to scripts.
            required=not can_choose(),
            validator=validate_going_back,
            help="Name or ID of subscription. On a terminal, leave it out to choose from a list.",
        )
        context.argument(
            "username",
            options_list=["--username"],
            completer=complete_users,
            help="Work as this account, where several are signed in that have the subscription.",
        )
        context.argument(
            "tenant",
            options_list=["--tenant"],
            completer=complete_tenants,
            help="Work through this tenant (ID or domain name), where the subscription can be used through several.",
        )

    with loader.argument_context("account renew") as context:
        context.argument(
            "username",
            options_list=["--username"],
            completer=complete_users,
            help="User name or application ID. Default: the active account.",
        )
        context.argument(
            "tenant",
            options_list=["--tenant"],
            completer=complete_tenants,
            help="Tenant (ID or domain name) of the tokens. Default: the one of the active subscription.",
        )
        context.argument(
            "watch",
            options_list=["--watch"],
            action="store_true",
            help="Go on until stopped with Ctrl-C or SIGTERM, and renew always before something ends.",
        )

    with loader.argument_context("account get-access-token") as context:
        context.argument("subscription", action=SubscriptionOverName, validator=warn_of_ignored_name)
        context.argument(
            "tenant", _host_argument(loader, "account get-access-token", "tenant"), completer=complete_tenants
        )
        _declare_token_options(context)

    with loader.argument_context("account export-token") as context:
        _declare_token_selection(context)
        _declare_token_options(context)
        context.argument(
            "token_format",
            options_list=["--format", "-f"],
            arg_type=get_enum_type(TOKEN_FORMATS),
            help="Who reads it: exec-credential (kubectl), bash (and other POSIX shells), fish, powershell, dotenv, "
            "header (of HTTP), git (credential helper, for Azure DevOps).",
        )
        context.argument(
            "yes", options_list=["--yes", "-y"], action="store_true", help="Write the token to a terminal as well."
        )


def _declare_token_selection(context: Any) -> None:
    """Declare the options that the host's get-access-token has for whose token it is, and what it is for.

    The host registers them for its own command only.
    """
    context.argument(
        "subscription",
        options_list=["--subscription", "-s", "--name", "-n"],
        action=SubscriptionOverName,
        validator=warn_of_ignored_name,
        help="Name or ID of the subscription whose account and tenant the token is of. Default: the active one.",
    )
    context.argument(
        "resource_type",
        arg_type=get_enum_type(RESOURCE_TYPES),
        options_list=["--resource-type"],
        help="Well-known resource that the token is for.",
    )
    context.argument("resource", options_list=["--resource"], help="Resource that the token is for, as an address.")
    context.argument(
        "scopes",
        options_list=["--scope"],
        nargs="*",
        help="Scopes of the token, separated by spaces. Instead of --resource.",
    )
    context.argument(
        "tenant",
        options_list=["--tenant", "-t"],
        completer=complete_tenants,
        help="Tenant (ID or domain name) that the token is of. Default: that of the subscription.",
    )


def _declare_token_options(context: Any) -> None:
    context.argument(
        "username",
        options_list=["--username"],
        completer=complete_users,
        help="Account (user name or application ID) whose token it is. Default: that of the subscription.",
    )
    context.argument(
        "min_validity",
        options_list=["--min-validity"],
        validator=validate_min_validity,
        help="How long the token has to live at least: seconds, or a number with s, m or h, for example 10m. A cached "
        "token that ends earlier is replaced.",
    )
    context.argument(
        "force_refresh",
        options_list=["--force-refresh"],
        action="store_true",
        help="Ask for a new token whatever is cached, for example after a role was assigned.",
    )
    context.argument(
        "claims_challenge",
        options_list=["--claims-challenge"],
        help="Base64-encoded claims that a resource has asked for in its WWW-Authenticate header.",
    )


def _host_argument(loader: Any, scope: str, destination: str) -> Any:
    """Return the host's registration of an argument, to add to: registering again replaces it."""
    return loader.argument_registry.arguments[scope].get(destination)


def _declare_exclude_tenants(context: Any) -> None:
    context.argument(
        "exclude_tenants",
        options_list=["--exclude-tenant"],
        nargs="+",
        validator=validate_excluded_tenants,
        completer=complete_tenants,
        help="Tenants (ID or domain name, separated by spaces) that are not asked for subscriptions. To leave them out "
        'every time: az config set login.exclude_tenants="TENANT TENANT".',
    )


def _declare_workload_options(context: Any) -> None:
    context.argument(
        "from_env",
        options_list=["--from-env"],
        action="store_true",
        help="Sign in with what the environment variables AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET and so "
        "on describe, in the order of the Azure SDKs.",
    )
    context.argument(
        "federated_token_file",
        options_list=["--federated-token-file"],
        help="File that always holds a valid federated token, as in a Kubernetes pod. It is read again whenever a "
        "token is asked for.",
    )
    context.argument(
        "federated_token_source",
        options_list=["--federated-token-source", "--token-source"],
        arg_type=get_enum_type(TOKEN_SOURCES),
        help="Service that gives the running job a federated token, asked again whenever a token is asked for.",
    )
    context.argument(
        "service_connection_id",
        options_list=["--service-connection-id", "--service-connection"],
        help="ID of the Azure Resource Manager service connection. Required by --federated-token-source "
        "azure-pipelines.",
    )
    context.argument(
        "no_store_secret",
        options_list=["--no-store-secret"],
        action="store_true",
        help="Do not store the client secret or federated token. Commands work until the token of this sign-in ends.",
    )
    context.argument(
        "store_decrypted_key",
        options_list=["--store-decrypted-key"],
        action="store_true",
        help="Store the certificate's private key without its passphrase, so that built-in commands can go on using "
        "it. Without this, they work until the token of this sign-in ends.",
    )


def _declare_missing_login_options(context: Any) -> None:
    """Give an older azure-cli the options of `az login` that newer ones have."""
    present = host_parameters("login")
    if "skip_subscription_discovery" not in present:
        context.argument(
            "skip_subscription_discovery",
            options_list=["--skip-subscription-discovery", "--skip-sub"],
            action="store_true",
            help="Do not look for subscriptions. Requires --tenant; with --subscription, only that one is read.",
        )
    if "subscription" not in present:
        context.argument(
            "subscription",
            options_list=["--subscription", "-s"],
            help="Subscription (ID or name) to make the default. With --skip-subscription-discovery, an ID.",
        )
