"""The options with which a token is chosen, on every command that gives one out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from azext_login._params import RESOURCE_TYPES
from azext_login.errors import AccountError
from azext_login.profile.model import Row, account_of
from azext_login.usecases.get_token import TokenRequest, get_token

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken
    from azext_login.usecases.session import Session


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


def find_row(session: Session, options: TokenOptions) -> Row:
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


def token_of(session: Session, cli_ctx: Any, row: Row, options: TokenOptions) -> AccessToken:
    """Return the token that the options ask for."""
    from azext_login._validators import decode_claims_challenge

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
    return get_token(session, row, request)
