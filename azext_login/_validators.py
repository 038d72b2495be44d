"""Checks of arguments before a command runs."""

from __future__ import annotations

import argparse
import re
from typing import Any

from knack.log import get_logger

logger = get_logger(__name__)


def validate_tenant(cmd: Any, namespace: argparse.Namespace) -> None:
    """Resolve a tenant's domain name to its GUID, with the tenant's OpenID configuration.

    https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#find-your-apps-openid-configuration-document-uri

    :raises ValueError: the tenant is empty. The host makes a usage error (exit code 2) of it.
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

    namespace.tenant = open_session(cmd.cli_ctx).resolve_tenant(tenant)
    logger.debug("Resolved tenant domain name %s to GUID %s", tenant, namespace.tenant)


def validate_tenant_to_refresh(cmd: Any, namespace: argparse.Namespace) -> None:
    """The same for `account list`; without --refresh, the command refuses the tenant, and nobody needs its ID.

    :raises ValueError, SignInError, ServiceUnreachableError: as `validate_tenant`.
    """
    if namespace.refresh:
        validate_tenant(cmd, namespace)


def validate_excluded_tenants(namespace: argparse.Namespace) -> None:
    """Refuse a name without a letter, as from a variable that is not set: everything would be asked.

    :raises ValueError: there is one. The host makes a usage error (exit code 2) of it.
    """
    if not all(name.strip() for name in namespace.exclude_tenants or ()):
        raise ValueError("usage error: --exclude-tenant is empty. Give the tenant's ID or its domain name.")


def validate_going_back(namespace: argparse.Namespace) -> None:
    """Refuse an account or a tenant beside `-`: the subscription that was active before has both.

    :raises ValueError: one is given. The host makes a usage error (exit code 2) of it.
    """
    from azext_login.usecases.select_subscription import PREVIOUS

    if namespace.subscription == PREVIOUS and (namespace.username or namespace.tenant):
        raise ValueError(
            "usage error: --username and --tenant do not go with --subscription -. "
            "To choose a subscription of theirs, give its name or ID."
        )


_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,7})s?)?")


def validate_min_validity(namespace: argparse.Namespace) -> None:
    """Turn a duration such as `300`, `90s`, `10m`, `1h` or `1h30m` into seconds.

    :raises ValueError: it is none. The host makes a usage error (exit code 2) of it.
    """
    text = namespace.min_validity
    if text is None or not isinstance(text, str):
        return
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or not any(match.groups()):
        raise ValueError(
            f"usage error: {text!r} is not a duration. Give seconds, or a number with s, m or h, for example 10m."
        )
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    namespace.min_validity = float(hours * 3600 + minutes * 60 + seconds)
