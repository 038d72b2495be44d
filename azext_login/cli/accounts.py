"""The commands that show, choose and remove accounts: read the options, call the use case, return the result."""

from __future__ import annotations

from typing import Any

from azext_login.cli.account_options import ListOptions, LogoutOptions, SetOptions, ShowOptions
from azext_login.cli.collector import resume
from azext_login.cli.open_session import again_of, open_session
from azext_login.cli.options import serves
from azext_login.cli.results import PlainRows, share_equal_strings, with_cloud_name
from azext_login.errors import AccountError, first_line
from azext_login.host_index import OFF, every_command_setting
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, is_enabled
from azext_login.system.log import get_logger
from azext_login.usecases.session import Session

logger = get_logger(__name__)


@serves("logout", LogoutOptions)
def logout(cmd: Any, options: LogoutOptions) -> None:
    """Log out to remove access to Azure subscriptions."""
    from azext_login.cli.reports import report_sign_out
    from azext_login.usecases.sign_out import sign_out

    _report_cloud_shell()
    session = open_session(cmd.cli_ctx)
    name = options.username or session.active_user()
    outcome = sign_out(session, name)
    report_sign_out(name, outcome)
    if outcome.contexts:
        from azext_login.cli.context_reports import report_contexts_of_account

        report_contexts_of_account(name, outcome.contexts)


@serves("account list", ListOptions)
def list_accounts(cmd: Any, options: ListOptions) -> PlainRows:
    """Return the subscriptions of the active cloud, or of every cloud."""
    _check_usage(options)
    session = open_session(cmd.cli_ctx)
    if options.refresh:
        refusal = _refresh(cmd, session, options)
        if refusal is not None and _offer_sign_in(cmd, options, refusal, is_reported=True):
            # Another session: this one still has the tokens of before.
            session = open_session(cmd.cli_ctx)
            _refresh(cmd, session, options)
    state = session.valid_view(on_invalid=_warn_of_choice).state
    rows = state.all_rows() if options.all_identities else state.rows
    rows = rows if options.all else rules.in_cloud(rows, session.settings.cloud)
    if not rows:
        logger.warning('Please run "az login" to access your accounts.')
    share_equal_strings(rows)
    shown = rows if options.all else [row for row in rows if is_enabled(row)]
    if len(shown) != len(rows):
        logger.warning("A few accounts are skipped as they don't have 'Enabled' state. Use '--all' to display them.")
    result = [with_cloud_name(row) for row in shown]
    if options.show_refresh:
        for row, failure in zip(result, session.refresh_failures(shown), strict=True):
            row["refreshFailure"] = failure
    return PlainRows(result)


def _offer_sign_in(cmd: Any, options: Any, error: Exception, *, is_reported: bool = False) -> bool:
    from azext_login.cli.offer_sign_in import offer_sign_in

    return offer_sign_in(cmd, error, is_reported=is_reported)


def _warn_of_choice(error: Exception) -> None:
    logger.warning("%s The stored default is marked.", first_line(error))


def _check_usage(options: ListOptions) -> None:
    rules = (
        (
            (options.tenant is not None or options.exclude_tenants) and not options.refresh,
            "usage error: '--tenant' and '--exclude-tenant' require '--refresh'",
        ),
        (
            options.tenant and options.exclude_tenants,
            "usage error: '--exclude-tenant' is not applicable with '--tenant'",
        ),
    )
    for is_broken, message in rules:
        if is_broken:
            raise AccountError(message, "Run `az account list --help` for examples.")


def _refresh(cmd: Any, session: Session, options: ListOptions) -> Exception | None:
    """Read the subscriptions again, and return the first error that a sign-in of the user helps against, if any.

    Of the tenants, only the one of --tenant counts: others may ask for a second factor that the user does not need.
    """
    from azext_login.cli.progress import progress_line
    from azext_login.cli.reports import report_refresh
    from azext_login.usecases.refresh_subscriptions import refresh

    resume()
    with progress_line(cmd.cli_ctx) as on_progress:
        outcome = refresh(
            session, tenant=options.tenant, exclude_tenants=options.exclude_tenants, on_progress=on_progress
        )
    report_refresh(outcome, again=again_of(cmd, options)())
    errors: list[Exception | None] = [failure.error for failure in outcome.failures]
    if options.tenant:
        errors += [report.failure for _, discovery in outcome.discoveries for report in discovery.failed]
    return next((error for error in errors if getattr(error, "login", None) is not None), None)


@serves("account show", ShowOptions, offer_sign_in=_offer_sign_in)
def show_account(cmd: Any, options: ShowOptions) -> SubscriptionRow:
    """Return one subscription, the active one by default."""
    session = open_session(cmd.cli_ctx)
    row = session.find(options.subscription, again=again_of(cmd, options))
    if session.choice and not options.subscription:
        from azext_login.cli.reports import report_choice

        report_choice(session, row, is_for_all=every_command_setting(cmd.cli_ctx) != OFF)
    return row


@serves("account set", SetOptions, offer_sign_in=_offer_sign_in)
def set_account(cmd: Any, options: SetOptions) -> None:
    """Make a subscription the active one. Without --subscription, which needs a terminal, the user chooses it."""
    from azext_login.cli.reports import report_overriding_choice, report_selection

    session = open_session(cmd.cli_ctx, is_about_default=True)
    if options.subscription is None:
        from azext_login.cli.picker.account_set import select_interactively

        again = again_of(cmd, options)
        row = select_interactively(session, again=again, username=options.username, tenant=options.tenant)
    else:
        from azext_login.usecases.select_subscription import select_subscription

        row = select_subscription(session, options.subscription, username=options.username, tenant=options.tenant)
    if not (session.choice and report_overriding_choice(session, row)):
        report_selection(row)


@serves("account clear")
def clear_accounts(cmd: Any) -> None:
    """Remove all accounts."""
    from azext_login.usecases.sign_out import clear

    _report_cloud_shell()
    contexts = clear(open_session(cmd.cli_ctx))
    if contexts:
        from azext_login.cli.context_reports import report_kept_contexts

        report_kept_contexts(contexts)


def _report_cloud_shell() -> None:
    from azure.cli.core.util import in_cloud_console

    if in_cloud_console():
        logger.warning(
            "Logout successful. Re-login to your initial Cloud Shell identity with 'az login --identity'. Login with "
            "a new identity with 'az login'."
        )
