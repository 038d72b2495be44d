"""Checks arguments before a command runs. A ValueError becomes a usage error (exit code 2)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from azext_login.system.log import get_logger

if TYPE_CHECKING:
    from azext_login.system.command_line import Command

logger = get_logger(__name__)


def validate_tenant(cmd: Any, namespace: argparse.Namespace) -> None:
    """Resolve a tenant's domain name to its GUID, with the tenant's OpenID configuration.

    A GUID keeps its spelling: the built-in stores and prints it as given, and so does `az login`.
    https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#find-your-apps-openid-configuration-document-uri

    :raises ValueError: the tenant is empty.
    :raises SignInError: there is no such tenant.
    :raises ServiceUnreachableError: the sign-in service did not answer.
    """
    from azure.cli.core.util import is_guid

    tenant = namespace.tenant
    if tenant is None or (tenant and is_guid(tenant)):
        return
    if not tenant.strip():
        raise ValueError("usage error: --tenant is empty. Give the tenant's ID or its domain name.")
    from azext_login.cli.open_session import open_session

    namespace.tenant = open_session(cmd.cli_ctx, again=_login_of(cmd, namespace)).resolve_tenant(tenant)
    logger.debug("Resolved tenant domain name %s to GUID %s", tenant, namespace.tenant)


def _login_of(cmd: Any, namespace: argparse.Namespace) -> Command | None:
    """Return the running `az login`, for the advice; None for another command."""
    if cmd.name != "login":
        return None
    from azext_login.cli.login_options import LoginOptions
    from azext_login.cli.options import options_of
    from azext_login.cli.printed_command import printed_command

    given = {name: getattr(namespace, name) for name in options_of(LoginOptions)}
    return printed_command(cmd, LoginOptions(**given))


def validate_tenant_to_refresh(cmd: Any, namespace: argparse.Namespace) -> None:
    """Do the same for `account list`. Without --refresh, the command refuses the tenant, so its ID is not looked up.

    :raises ValueError, SignInError, ServiceUnreachableError: as `validate_tenant`.
    """
    if namespace.refresh:
        validate_tenant(cmd, namespace)


def validate_excluded_tenants(namespace: argparse.Namespace) -> None:
    """Refuse an empty name, as from a variable that is not set: every tenant would be asked.

    :raises ValueError: a name is empty.
    """
    if not all(name.strip() for name in namespace.exclude_tenants or ()):
        raise ValueError("usage error: --exclude-tenant is empty. Give the tenant's ID or its domain name.")


def validate_previous_subscription(namespace: argparse.Namespace) -> None:
    """Refuse an account or a tenant beside `-`: the subscription that was active before has both.

    :raises ValueError: one is given.
    """
    from azext_login.usecases.select_subscription import PREVIOUS

    if namespace.subscription == PREVIOUS and (namespace.username or namespace.tenant):
        raise ValueError(
            "usage error: --username and --tenant are not applicable with --subscription -. "
            "To choose a subscription by account or tenant, give its name or ID."
        )


def validate_context_changes(namespace: argparse.Namespace) -> None:
    """Refuse a change of a context that names nothing to change.

    :raises ValueError: nothing is given.
    """
    if namespace.subscription is namespace.username is namespace.tenant is None:
        raise ValueError("usage error: --subscription, --username or --tenant is required")


def validate_run(cmd: Any, namespace: argparse.Namespace) -> None:
    """Check what `az account context run` is given, except for the context.

    :raises ValueError: no command is given, or one that the host has changed; or options that do not go together.
    """
    from azext_login.cli.run_usage import check_run
    from azext_login.cli.verbatim_words import verbatim_command

    check_run(namespace, verbatim_command(cmd.cli_ctx))


class SubscriptionOverName(argparse.Action):
    """`--subscription`/`-s` takes precedence over `--name`/`-n`, in any order, unless it is empty.

    The built-in has one option with four spellings, so the last one given wins and
    `--subscription A --name B` silently uses B.
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
        setattr(namespace, self.dest, given.get(True) or given.get(False) or "")


def validate_serve(cmd: Any, namespace: argparse.Namespace) -> None:
    """Check what `az account serve-tokens` is given: the command, and options that choose an account in two ways.

    :raises ValueError: `--` without a command, or a command that the host has changed; or options that do not go
        together.
    """
    from azext_login.cli.serve_usage import check_serve
    from azext_login.cli.verbatim_words import verbatim_command

    check_serve(namespace, verbatim_command(cmd.cli_ctx))


def warn_of_ignored_name(namespace: argparse.Namespace) -> None:
    """Report which of `--subscription` and `--name` was ignored, if both were given."""
    given: dict[bool, Any] = namespace.__dict__.pop("_subscription_spellings", {})
    if len(given) < 2 or given[True] == given[False]:
        return
    if not (given[True] and given[False]):
        empty, used = ("--name", "--subscription") if given[True] else ("--subscription", "--name")
        logger.warning("%s is empty, so it is ignored, and %s is used.", empty, used)
    else:
        logger.warning("--name '%s' was ignored, because --subscription '%s' was given.", given[False], given[True])


def validate_min_validity(namespace: argparse.Namespace) -> None:
    """Turn a duration such as `300`, `90s`, `10m`, `1h` or `1h30m` into seconds.

    :raises ValueError: the text is not a duration.
    """
    from azext_login.cli.option_values import parse_duration

    text = namespace.min_validity
    if isinstance(text, str):
        namespace.min_validity = parse_duration("--min-validity", text)
