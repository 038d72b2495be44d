"""The commands that give out access tokens."""

from __future__ import annotations

import dataclasses
import datetime
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from azext_login.cli.collector import resume
from azext_login.cli.open_session import again_of, open_session
from azext_login.cli.option_values import RESOURCE_TYPES
from azext_login.cli.options import serves
from azext_login.cli.token_options import ExportOptions, TokenOptions
from azext_login.errors import AccountError
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.patience import limit_waits
from azext_login.usecases.get_token import TokenRequest, get_token, report_stale_token

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken
    from azext_login.system.command_line import Command
    from azext_login.usecases.session import Session


def _offer_sign_in(cmd: Any, options: TokenOptions, error: Exception) -> bool:
    from azext_login.cli.offer_sign_in import offer_sign_in

    return offer_sign_in(cmd, error)


@serves("account get-access-token", TokenOptions, offer_sign_in=_offer_sign_in)
@limit_waits()
def get_access_token(cmd: Any, options: TokenOptions) -> dict[str, Any]:
    """Return an access token for utilities to access Azure."""
    session = open_session(cmd.cli_ctx)
    row, token = _obtain_token(session, cmd.cli_ctx, options, again_of(cmd, options))
    result: dict[str, Any] = {
        "tokenType": "Bearer",
        "accessToken": token.secret,
        # POSIX seconds, for programs.
        "expires_on": token.expires_on,
        # Local time without a zone, as in the first versions; ambiguous when daylight saving time ends.
        "expiresOn": datetime.datetime.fromtimestamp(token.expires_on).strftime("%Y-%m-%d %H:%M:%S.%f"),
        # As given: the built-in prints the spelling of the command line.
        "tenant": options.tenant or row["tenantId"],
    }
    if options.subscription or not options.tenant:
        result["subscription"] = row["id"]
    return result


@serves("account export-token", ExportOptions, offer_sign_in=_offer_sign_in)
@limit_waits()
def export_token(cmd: Any, options: ExportOptions) -> None:
    """Write an access token in the form that a program reads."""
    from azext_login.cli.token_formats import check_export, default_resource, write_token

    output = cmd.cli_ctx.invocation.data["output"]
    check_export(options.token_format, yes=options.yes, output=output)
    if options.allow_host and options.token_format != "git":
        raise AccountError(
            "usage error: '--allow-host' is only applicable with '--format git'",
            "Run `az account export-token --help` for examples.",
        )
    if options.token_format == "git" and output != "none":
        from azext_login.cli.git_credential import may_have_token

        if not may_have_token(sys.stdin, options.allow_host):
            return
    again = again_of(cmd, options)
    if not (options.resource or options.scopes or options.resource_type):
        options = dataclasses.replace(options, resource=default_resource(options.token_format))
    session = open_session(cmd.cli_ctx)
    _, token = _obtain_token(session, cmd.cli_ctx, options, again)
    write_token(token, options.token_format, output=output)


def _obtain_token(
    session: Session, cli_ctx: Any, options: TokenOptions, again: Callable[[], Command]
) -> tuple[SubscriptionRow, AccessToken]:
    """Return the token, and the row of the account that it is for.

    :param again: returns the running command, for the advice.
    :raises NotSignedInError: no account is signed in to this cloud.
    :raises AccountError: there is no such subscription or account, there are several, or the account is bound to
        another tenant.
    """
    subscription, tenant = options.subscription, options.tenant
    if not (tenant or options.username):
        row = session.find(subscription, again=again)
        return row, _get_token(session, cli_ctx, row, options)
    from azext_login.usecases.choose_account import choose_for_token

    choice = choose_for_token(session, username=options.username, tenant=tenant, subscription=subscription, again=again)
    return choice.use(lambda row: _get_token(session, cli_ctx, row, options))


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


def _get_token(session: Session, cli_ctx: Any, row: SubscriptionRow, options: TokenOptions) -> AccessToken:
    """Return the token that the options ask for, and warn of a stale one."""
    from azext_login.auth.entra.claims_challenge import decode_claims_challenge

    resource = options.resource
    if resource is None and options.resource_type:
        resource = getattr(cli_ctx.cloud.endpoints, RESOURCE_TYPES[options.resource_type])
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
    outcome = get_token(session, row, request, before_waiting=resume)
    report_stale_token(outcome)
    return outcome.token
