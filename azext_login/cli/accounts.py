"""One short function per command: read the arguments, call the session, shape the result."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.cli.collector import resume
from azext_login.cli.results import plain, share_equal_strings
from azext_login.errors import AccountError
from azext_login.host import accepts_host_options, exit_with
from azext_login.profile.model import Row, is_enabled
from azext_login.usecases.session import Session

if TYPE_CHECKING:
    from azext_login.auth.credential import AccessToken

logger = get_logger(__name__)


@accepts_host_options("login")
def login(
    cmd: Any,
    username: str | None = None,
    password: str | None = None,
    tenant: str | None = None,
    scopes: Sequence[str] | None = None,
    allow_no_subscriptions: bool = False,
    claims_challenge: str | None = None,
    use_device_code: bool = False,
    no_browser: bool = False,
    service_principal: bool | None = None,
    certificate: str | None = None,
    use_cert_sn_issuer: bool | None = None,
    client_assertion: str | None = None,
    identity: bool = False,
    client_id: str | None = None,
    object_id: str | None = None,
    resource_id: str | None = None,
    skip_subscription_discovery: bool = False,
    subscription: str | None = None,
    from_env: bool = False,
    federated_token_file: str | None = None,
    federated_token_source: str | None = None,
    service_connection_id: str | None = None,
    no_store_secret: bool = False,
    store_decrypted_key: bool = False,
    exclude_tenants: Sequence[str] | None = None,
) -> tuple[Row, ...] | None:
    """Log in to Azure."""
    from azext_login.cli.login import report_guess, report_outcome, select_after_sign_in, sign_in
    from azext_login.cli.login_options import LoginOptions, check_usage
    from azext_login.cli.login_workload import options_from_environment, warn_of_secret_on_command_line
    from azext_login.cli.progress import progress_line

    options = LoginOptions(
        username=username,
        password=password,
        tenant=tenant,
        scopes=scopes,
        allow_no_subscriptions=allow_no_subscriptions,
        claims_challenge=claims_challenge,
        use_device_code=use_device_code,
        no_browser=no_browser,
        service_principal=service_principal,
        certificate=certificate,
        use_cert_sn_issuer=use_cert_sn_issuer,
        client_assertion=client_assertion,
        identity=identity,
        client_id=client_id,
        object_id=object_id,
        resource_id=resource_id,
        skip_subscription_discovery=skip_subscription_discovery,
        subscription=subscription,
        from_env=from_env,
        federated_token_file=federated_token_file,
        federated_token_source=federated_token_source,
        service_connection_id=service_connection_id,
        no_store_secret=no_store_secret,
        store_decrypted_key=store_decrypted_key,
        exclude_tenants=tuple(exclude_tenants or ()),
    )
    check_usage(options)
    resume()
    session = Session.from_cli(cmd.cli_ctx)
    if options.from_env:
        options = options_from_environment(session, options)
    else:
        warn_of_secret_on_command_line(options, sys.argv)
    with progress_line(cmd.cli_ctx) as on_progress:
        outcome = sign_in(session, options, on_progress)
    report_outcome(options, outcome)
    if select_after_sign_in(session, options, outcome):
        return None
    report_guess(outcome)
    if options.identity:
        # The built-in shows what it has stored of a machine, with `environmentName`.
        return plain(outcome.rows)
    return plain([_with_cloud_name(row) for row in outcome.rows])


@accepts_host_options("logout")
def logout(cmd: Any, username: str | None = None) -> None:
    """Log out to remove access to Azure subscriptions."""
    _note_cloud_shell_sign_out()
    session = Session.from_cli(cmd.cli_ctx)
    from azext_login.cli.reports import report_sign_out
    from azext_login.usecases.sign_out import sign_out

    name = username or session.active_user()
    report_sign_out(name, sign_out(session, name))


@accepts_host_options("account list")
def list_accounts(
    cmd: Any,
    all: bool = False,  # the option's name
    refresh: bool = False,
    all_identities: bool = False,
    tenant: str | None = None,
    exclude_tenants: Sequence[str] | None = None,
    show_refresh: bool = False,
) -> tuple[Row, ...]:
    """Return the subscriptions of the active cloud, or of every cloud."""
    if (tenant is not None or exclude_tenants) and not refresh:
        raise AccountError(
            "usage error: '--tenant' and '--exclude-tenant' require '--refresh'",
            "Run `az account list --help` for examples.",
        )
    if tenant and exclude_tenants:
        raise AccountError(
            "usage error: '--exclude-tenant' is not applicable with '--tenant'",
            "Run `az account list --help` for examples.",
        )
    session = Session.from_cli(cmd.cli_ctx)
    if refresh:
        from azext_login.cli.progress import progress_line
        from azext_login.cli.reports import report_refresh
        from azext_login.usecases.refresh_subscriptions import refresh as refresh_accounts

        resume()
        with progress_line(cmd.cli_ctx) as on_progress:
            outcome = refresh_accounts(
                session, tenant=tenant, exclude_tenants=exclude_tenants or (), on_progress=on_progress
            )
        report_refresh(outcome)
    rows = session.rows(all_clouds=all, all_identities=all_identities)
    if not rows:
        logger.warning('Please run "az login" to access your accounts.')
    share_equal_strings(rows)
    shown = rows if all else [row for row in rows if is_enabled(row)]
    if len(shown) != len(rows):
        logger.warning("A few accounts are skipped as they don't have 'Enabled' state. Use '--all' to display them.")
    result = [_with_cloud_name(row) for row in shown]
    if show_refresh:
        for row, failure in zip(result, session.refresh_failures(shown), strict=True):
            row["refreshFailure"] = failure
    return plain(result)


@accepts_host_options("account show")
def show_account(cmd: Any, subscription: str | None = None) -> Row:
    """Return one subscription, the active one by default."""
    return Session.from_cli(cmd.cli_ctx).find(subscription)


@accepts_host_options("account set")
def set_account(
    cmd: Any, subscription: str | None = None, username: str | None = None, tenant: str | None = None
) -> None:
    """Make a subscription the active one. Without one, which the parser allows on a terminal only, it is asked for."""
    from azext_login.cli.reports import report_selection

    session = Session.from_cli(cmd.cli_ctx)
    if subscription is None:
        from azext_login.cli.picker.account_set import select_by_person

        row = select_by_person(session, username=username, tenant=tenant)
    else:
        row = session.select(subscription, username=username, tenant=tenant)
    report_selection(row)


@accepts_host_options("account clear")
def clear_accounts(cmd: Any) -> None:
    """Remove all accounts."""
    _note_cloud_shell_sign_out()
    from azext_login.usecases.sign_out import clear

    clear(Session.from_cli(cmd.cli_ctx))


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
    session = Session.from_cli(cmd.cli_ctx)
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
    session = Session.from_cli(cmd.cli_ctx)
    token = token_of(session, cmd.cli_ctx, find_row(session, options), options)
    write_token(token, token_format, output=output)


def renew_account(
    cmd: Any, username: str | None = None, tenant: str | None = None, watch: bool = False
) -> dict[str, Any] | None:
    """Renew the federated token and the access tokens of an account before they end."""
    from azext_login.cli.renew import exit_code_of, renew_and_report, shape, watch_and_report

    session = Session.from_cli(cmd.cli_ctx)
    row = session.account_row(username, tenant)
    renewal = watch_and_report(session, row) if watch else renew_and_report(session, row)
    if renewal is None:
        return None
    exit_with(cmd.cli_ctx, exit_code_of(renewal))
    return shape(renewal)


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


def _with_cloud_name(row: Row) -> Row:
    """Return the row as it is shown: `environmentName` reads `cloudName` and comes last."""
    # Built key by key: a copy of which a key is taken away keeps the room for it, ten thousand times.
    shown = {key: value for key, value in row.items() if key != "environmentName"}
    shown["cloudName"] = row.get("environmentName")
    return shown


def _note_cloud_shell_sign_out() -> None:
    from azure.cli.core.util import in_cloud_console

    if in_cloud_console():
        logger.warning(
            "Logout successful. Re-login to your initial Cloud Shell identity with 'az login --identity'. Login with "
            "a new identity with 'az login'."
        )
