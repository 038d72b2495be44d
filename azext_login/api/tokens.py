"""One access token, with everything that is known about it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from azext_login.api.arguments import check_optional, check_scopes, check_validity, own_application
from azext_login.api.connection import Wanted, checked_claims, session_of, token_of
from azext_login.api.records import Freshness, Token
from azext_login.auth.credential import FRESH_FOR
from azext_login.profile.model import account_of

if TYPE_CHECKING:
    from azext_login.profile.model import SubscriptionRow
    from azext_login.usecases.get_token import TokenOutcome


def get_token(
    cli_ctx: Any,
    *,
    resource: str | None = None,
    scopes: Sequence[str] | None = None,
    account: str | None = None,
    subscription: str | None = None,
    tenant: str | None = None,
    client_id: str | None = None,
    min_validity: float = 0,
    force_refresh: bool = False,
    claims: str | None = None,
    data: Mapping[str, str] | None = None,
) -> Token:
    """Return an access token, as `az account get-access-token` obtains it.

    It comes from the cache if a token there is fresh. Otherwise one process requests it and all that wait share the
    answer. A token that is due for renewal is returned only if no new one could be obtained; `freshness` tells.
    Example::

        token = api.get_token(cmd.cli_ctx, resource="https://vault.azure.net", min_validity=600)
        headers = {"Authorization": f"{token.token_type} {token.token}"}

    :param cli_ctx: the context of the command that runs.
    :param resource: address of the resource, such as `https://vault.azure.net`; None for Azure Resource Manager.
    :param scopes: scopes in place of `resource`, such as `["https://graph.microsoft.com/.default"]`.
    :param account: a user name, an application ID, or the label of a managed identity.
    :param subscription: ID or name of a subscription. Its account is used.
    :param tenant: GUID or domain. If the account is not in this tenant, the one other account that is signed in to it
        is used.
    :param client_id: application ID (GUID) of a public client of one's own, to which the user has signed in (`sign_in`,
        or `az login --app-client-id`); None for the Azure CLI.
    :param min_validity: seconds for which the token must still be valid.
    :param force_refresh: request a new token even if one is cached, for example after a change of roles.
    :param claims: a claims challenge, as decoded JSON text. A cached token is not used then.
    :param data: more fields of the request to the sign-in service, such as those of an SSH certificate
        (`{"token_type": "ssh-cert", "req_cnf": ..., "key_id": ...}`).
    :raises ValueError: both `resource` and `scopes` are given, `scopes` is empty or a single text, another argument is
        empty, `min_validity` is negative, or `claims` is not a JSON object.
    :raises NotSignedInError: no account is signed in, or its tokens are no longer stored.
    :raises AccountError: there is no such account or subscription, or there are several.
    :raises SignInError: the sign-in service refused. `InteractionRequiredError` if the user has to sign in again.
    :raises ServiceUnreachableError: a service did not answer, and no cached token will do.
    :raises UnexpectedAnswerError: something else answered in its place.
    """
    from azext_login.usecases.get_token import TokenRequest

    requested, wanted = _scopes(resource, scopes), Wanted(account, subscription, tenant, own_application(client_id))
    check_validity(min_validity)
    with closing(session_of(cli_ctx)) as session:
        request = TokenRequest(
            scopes=requested or list(session.settings.arm_scopes),
            tenant=tenant,
            validity=min_validity,
            force=force_refresh,
            claims_challenge=checked_claims(claims),
            advised_scopes=requested,
            client_id=wanted.client_id,
            data=data,
        )
        row, outcome = token_of(session, wanted, request)
    named = subscription is not None or not tenant
    return _record(row, outcome, tenant=tenant, subscription=str(row["id"]) if named else None)


def freshness_of(expires_on: float, refresh_on: float | None, now: float) -> Freshness:
    """Return how fresh a token is. All arguments are POSIX time in seconds.

    :param refresh_on: when the token is due for renewal; None if the service did not set a time.
    """
    if expires_on <= now:
        return Freshness.EXPIRED
    is_due = expires_on - now < FRESH_FOR or (refresh_on is not None and refresh_on < now)
    return Freshness.DUE if is_due else Freshness.FRESH


def _scopes(resource: str | None, scopes: Sequence[str] | None) -> list[str] | None:
    if resource is not None and scopes is not None:
        raise ValueError("Give either resource or scopes.")
    check_optional(resource=resource)
    if resource is not None:
        return [resource + "/.default"]
    if scopes is None:
        return None
    if isinstance(scopes, str):
        raise ValueError("scopes must be a list with at least one scope.")
    requested = list(scopes)
    check_scopes(requested)
    return requested


def _record(row: SubscriptionRow, outcome: TokenOutcome, *, tenant: str | None, subscription: str | None) -> Token:
    token = outcome.token
    return Token(
        token=token.secret,
        token_type=token.token_type,
        expires_on=token.expires_on,
        tenant=tenant or str(row["tenantId"]),
        subscription=subscription,
        account=account_of(row).label,
        origin=token.origin,
        freshness=freshness_of(token.expires_on, token.refresh_on, time.time()),
        refresh_on=token.refresh_on,
    )
