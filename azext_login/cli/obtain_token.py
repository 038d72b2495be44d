"""The token that the options of a command ask for, and what the command writes of it. Needs no host."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from azext_login.cli.option_values import RESOURCE_TYPES
from azext_login.cli.token_options import ExportOptions, TokenOptions
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.usecases.get_token import TokenRequest, get_token, report_stale_token

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken
    from azext_login.system.command_line import Command
    from azext_login.usecases.session import Session

# The application ID of Azure DevOps, whose tokens git needs:
# https://learn.microsoft.com/azure/devops/integrate/get-started/authentication/service-principal-managed-identity
_AZURE_DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798"


def for_format(options: ExportOptions) -> ExportOptions:
    """Return the options with the resource that the format is meant for, if they name none."""
    is_named = options.resource or options.scopes or options.resource_type
    if is_named or options.token_format != "git":
        return options
    return dataclasses.replace(options, resource=_AZURE_DEVOPS)


def token_result(options: TokenOptions, row: SubscriptionRow, token: AccessToken) -> dict[str, Any]:
    """Return the result of `az account get-access-token`.

    :param row: the one that `obtain_token` has returned.
    """
    result: dict[str, Any] = {
        "tokenType": "Bearer",
        "accessToken": token.secret,
        # POSIX seconds, for programs.
        "expires_on": token.expires_on,
        # Local time without a zone, as in the first versions; ambiguous when daylight saving time ends.
        "expiresOn": time.strftime("%Y-%m-%d %H:%M:%S.000000", time.localtime(token.expires_on)),
        # As given: the built-in prints the spelling of the command line.
        "tenant": options.tenant or row["tenantId"],
    }
    if options.subscription or not options.tenant:
        result["subscription"] = row["id"]
    return result


def obtain_token(
    session: Session, options: TokenOptions, again: Callable[[], Command], *, before_waiting: Callable[[], object]
) -> tuple[SubscriptionRow, AccessToken]:
    """Return the token, and the row of the account that it is for. A stale token is reported.

    :param again: returns the running command, for the advice.
    :param before_waiting: called if the cache does not have the token, before a lock or a service is waited for.
    :raises NotSignedInError: no account is signed in to this cloud.
    :raises AccountError: there is no such subscription or account, there are several, or the account is bound to
        another tenant.
    """
    subscription, tenant = options.subscription, options.tenant
    if not (tenant or options.username):
        row = session.find(subscription, again=again)
        return row, _get_token(session, row, options, before_waiting)
    from azext_login.usecases.choose_account import choose_for_token

    choice = choose_for_token(session, username=options.username, tenant=tenant, subscription=subscription, again=again)
    return choice.use(lambda row: _get_token(session, row, options, before_waiting))


def _scopes_of(options: TokenOptions, row: SubscriptionRow) -> Sequence[str]:
    """Return the values of --scope.

    :raises AccountError: it has no value, and the account is a workload. For users, the built-in accepts that.
    """
    from azext_login.cli.options import is_blank

    scopes = options.scopes or ()
    if not is_blank(scopes):
        return scopes
    from azext_login.cli.empty_values import refusal, warn, without_blanks

    if not account_of(row).is_user:
        raise refusal("--scope", scopes)
    warn("--scope", scopes, "it is ignored")
    return without_blanks(scopes)


def _get_token(
    session: Session, row: SubscriptionRow, options: TokenOptions, before_waiting: Callable[[], object]
) -> AccessToken:
    """Return the token that the options ask for, and warn of a stale one."""
    from azext_login.auth.entra.claims_challenge import decode_claims_challenge

    resource = options.resource
    if resource is None and options.resource_type:
        resource = getattr(session.settings.endpoints, RESOURCE_TYPES[options.resource_type])
    scopes = _scopes_of(options, row) or ([resource + "/.default"] if resource else None)
    request = TokenRequest(
        scopes=list(scopes or session.settings.arm_scopes),
        tenant=options.tenant,
        validity=options.min_validity or 0.0,
        force=options.force_refresh,
        claims_challenge=decode_claims_challenge(options.claims_challenge),
        advised_scopes=scopes,
        client_id=options.app_client_id,
    )
    outcome = get_token(session, row, request, before_waiting=before_waiting)
    report_stale_token(outcome)
    return outcome.token
