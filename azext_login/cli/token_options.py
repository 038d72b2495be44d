"""The options of the commands that give out access tokens: each is declared here, and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.cli.option_values import RESOURCE_TYPES, TOKEN_FORMATS, application_option
from azext_login.cli.options import option


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TokenOptions:
    """Whose token, for which resource, and how fresh: the options of `az account get-access-token`."""

    subscription: str | None = option(
        "--subscription", "-s", "--name", "-n",
        action="SubscriptionOverName",
        validator="warn_of_ignored_name",
        when_empty="subscription",
        help="Name or ID of the subscription whose account and tenant the token is for. Default: the active one.",
    )  # fmt: skip
    resource_type: str | None = option(
        "--resource-type", choices=tuple(RESOURCE_TYPES), help="Well-known resource that the token is for."
    )
    resource: str | None = option(
        "--resource",
        when_empty="resource",
        help="Resource that the token is for, for example `https://vault.azure.net`.",
    )
    scopes: Sequence[str] | None = option(
        "--scope",
        nargs="*",
        when_empty="token scope",
        help="Scopes of the token, separated by spaces. Use it instead of --resource.",
    )
    tenant: str | None = option(
        "--tenant", "-t",
        when_empty="tenant",
        completer="complete_tenants",
        help="Tenant (ID or domain name) that issues the token. Default: the tenant of the subscription. Not "
        "available for managed identities and Cloud Shell.",
    )  # fmt: skip
    username: str | None = option(
        "--username",
        completer="complete_users",
        help="Account (user name or application ID) that gets the token. Default: the account of the subscription.",
    )
    app_client_id: str | None = application_option(
        help="Application (client) ID of an application of your own, which gets the token instead of the Azure CLI. "
        "The user signs in to it first, with `az login --app-client-id`."
    )
    min_validity: float | None = option(
        "--min-validity",
        validator="validate_min_validity",
        help="Time for which the token must be valid at least: seconds, or numbers with h, m and s, for example 10m or "
        "1h30m. A cached token that expires earlier is replaced.",
    )
    force_refresh: bool = option(
        "--force-refresh",
        default=False,
        help="Request a new token even if a valid one is cached, for example after a role was assigned.",
    )
    claims_challenge: str | None = option(
        "--claims-challenge",
        help="Base64-encoded claims that a resource requested in its WWW-Authenticate header.",
    )


def _allowed_host(text: str) -> str:
    from azext_login.cli.git_credential import allowed_host

    return allowed_host(text)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ExportOptions(TokenOptions):
    """The options of `az account export-token`."""

    token_format: str = option(
        "--format", "-f",
        default=dataclasses.MISSING,
        choices=TOKEN_FORMATS,
        help="Program that reads the token: exec-credential (kubectl), bash (and other POSIX shells), fish, "
        "powershell, dotenv, header (of HTTP), git (credential helper, for Azure DevOps).",
    )  # fmt: skip
    allow_host: Sequence[str] = option(
        "--allow-host",
        default=(),
        nargs="+",
        type=_allowed_host,
        help="With --format git: hosts that get a token, separated by spaces, besides those of Azure DevOps. For "
        "example git.contoso.com, git.contoso.com:8443, or *.contoso.com.",
    )
    yes: bool = option("--yes", "-y", default=False, help="Write the token even if standard output is a terminal.")
