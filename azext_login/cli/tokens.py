"""The options with which a token is chosen, on every command that gives one out."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from knack.log import get_logger

from azext_login.cli.open_session import open_session
from azext_login.cli.option_values import RESOURCE_TYPES
from azext_login.errors import AccountError, first_line
from azext_login.host import accepts_host_options
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.usecases.get_token import TokenRequest, get_token

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken
    from azext_login.usecases.session import Session

logger = get_logger(__name__)


class TokenOptions(NamedTuple):
    """Whose token, for what, and how fresh. Names are those of `az account get-access-token`."""

    subscription: str | None = None
    resource: str | None = None
    scopes: Sequence[str] | None = None
    resource_type: str | None = None
    tenant: str | None = None
    username: str | None = None
    min_validity: float | None = None
    force_refresh: bool = False
    claims_challenge: str | None = None


def find_row(session: Session, options: TokenOptions) -> SubscriptionRow:
    """Return the row of the account that is to have the token.

    :raises NotSignedInError: nobody is signed in to this cloud.
    :raises AccountError: there is no such subscription or account, or the account keeps to another tenant.
    """
    if options.username:
        row = session.account_row(options.username, subscription=options.subscription)
    else:
        row = session.find(options.subscription)
    account, tenant = account_of(row), options.tenant
    if tenant and tenant.lower() != row["tenantId"].lower() and account.keeps_to_its_tenant:
        kind = "managed identity" if account.is_managed_identity else "Cloud Shell"
        raise AccountError(
            f"For {kind} account, getting access token for non-current tenants is not supported. The specified tenant "
            f"must be the current tenant {row['tenantId']}",
            "Leave --tenant out, or sign in as somebody of that tenant with `az login`.",
        )
    return row


def token_of(session: Session, cli_ctx: Any, row: SubscriptionRow, options: TokenOptions) -> AccessToken:
    """Return the token that the options ask for, and warn of a stale one."""
    from azext_login.auth.entra.claims_challenge import decode_claims_challenge

    resource = options.resource
    if resource is None and options.resource_type:
        resource = getattr(cli_ctx.cloud.endpoints, RESOURCE_TYPES[options.resource_type])
    asked = options.scopes or ([resource + "/.default"] if resource else None)
    request = TokenRequest(
        scopes=list(asked or session.settings.arm_scopes),
        tenant=options.tenant,
        validity=options.min_validity or 0.0,
        force=options.force_refresh,
        claims_challenge=decode_claims_challenge(options.claims_challenge),
        advised_scopes=asked,
    )
    outcome = get_token(session, row, request)
    if outcome.renewal_failure is not None:
        logger.warning(
            "The token could not be renewed and is used as it is, for the %d seconds that it is still valid: %s",
            outcome.token.expires_on - time.time(),
            first_line(outcome.renewal_failure),
        )
    return outcome.token


@accepts_host_options("account get-access-token")
def get_access_token(
    cmd: Any,
    subscription: str | None = None,
    resource: str | None = None,
    scopes: Sequence[str] | None = None,
    resource_type: str | None = None,
    tenant: str | None = None,
    username: str | None = None,
    min_validity: float | None = None,
    force_refresh: bool = False,
    claims_challenge: str | None = None,
) -> dict[str, Any]:
    """Return an access token for utilities to access Azure."""
    from azext_login.cli.tokens import TokenOptions, find_row, token_of

    options = TokenOptions(
        subscription=subscription,
        resource=resource,
        scopes=scopes,
        resource_type=resource_type,
        tenant=tenant,
        username=username,
        min_validity=min_validity,
        force_refresh=force_refresh,
        claims_challenge=claims_challenge,
    )
    session = open_session(cmd.cli_ctx)
    row = find_row(session, options)
    token = token_of(session, cmd.cli_ctx, row, options)
    shown = row["id"] if subscription or not tenant else None
    return _token_result(token, tenant=tenant or row["tenantId"], subscription=shown)


def export_token(
    cmd: Any,
    token_format: str,
    yes: bool = False,
    subscription: str | None = None,
    resource: str | None = None,
    scopes: Sequence[str] | None = None,
    resource_type: str | None = None,
    tenant: str | None = None,
    username: str | None = None,
    min_validity: float | None = None,
    force_refresh: bool = False,
    claims_challenge: str | None = None,
) -> None:
    """Write an access token in the form that a program reads."""
    from azext_login.cli.token_formats import check_export, default_resource, write_token
    from azext_login.cli.tokens import TokenOptions, find_row, token_of

    output = cmd.cli_ctx.invocation.data["output"]
    check_export(token_format, yes=yes, output=output)
    options = TokenOptions(
        subscription=subscription,
        resource=resource if resource or scopes or resource_type else default_resource(token_format),
        scopes=scopes,
        resource_type=resource_type,
        tenant=tenant,
        username=username,
        min_validity=min_validity,
        force_refresh=force_refresh,
        claims_challenge=claims_challenge,
    )
    session = open_session(cmd.cli_ctx)
    token = token_of(session, cmd.cli_ctx, find_row(session, options), options)
    write_token(token, token_format, output=output)


def _token_result(token: AccessToken, *, tenant: str, subscription: str | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tokenType": "Bearer",
        "accessToken": token.secret,
        # POSIX seconds, for programs.
        "expires_on": token.expires_on,
        # Local time without a zone, as the first versions had it; ambiguous when summer time ends.
        "expiresOn": datetime.datetime.fromtimestamp(token.expires_on).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "tenant": tenant,
    }
    if subscription:
        result["subscription"] = subscription
    return result
