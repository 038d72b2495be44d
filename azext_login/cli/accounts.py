"""One short function per command: read the arguments, call the session, shape the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.cli.collector import resume
from azext_login.cli.open_session import open_session
from azext_login.cli.results import plain, share_equal_strings, with_cloud_name
from azext_login.errors import AccountError
from azext_login.host import accepts_host_options
from azext_login.profile.model import SubscriptionRow, is_enabled

if TYPE_CHECKING:
    pass

logger = get_logger(__name__)


@accepts_host_options("logout")
def logout(cmd: Any, username: str | None = None) -> None:
    """Log out to remove access to Azure subscriptions."""
    _note_cloud_shell_sign_out()
    session = open_session(cmd.cli_ctx)
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
) -> tuple[SubscriptionRow, ...]:
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
    session = open_session(cmd.cli_ctx)
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
    result = [with_cloud_name(row) for row in shown]
    if show_refresh:
        for row, failure in zip(result, session.refresh_failures(shown), strict=True):
            row["refreshFailure"] = failure
    return plain(result)


@accepts_host_options("account show")
def show_account(cmd: Any, subscription: str | None = None) -> SubscriptionRow:
    """Return one subscription, the active one by default."""
    return open_session(cmd.cli_ctx).find(subscription)


@accepts_host_options("account set")
def set_account(
    cmd: Any, subscription: str | None = None, username: str | None = None, tenant: str | None = None
) -> None:
    """Make a subscription the active one. Without one, which the parser allows on a terminal only, it is asked for."""
    from azext_login.cli.reports import report_selection

    session = open_session(cmd.cli_ctx)
    if subscription is None:
        from azext_login.cli.picker.account_set import select_interactively

        row = select_interactively(session, username=username, tenant=tenant)
    else:
        from azext_login.usecases.select_subscription import select_subscription

        row = select_subscription(session, subscription, username=username, tenant=tenant)
    report_selection(row)


@accepts_host_options("account clear")
def clear_accounts(cmd: Any) -> None:
    """Remove all accounts."""
    _note_cloud_shell_sign_out()
    from azext_login.usecases.sign_out import clear

    clear(open_session(cmd.cli_ctx))


def _note_cloud_shell_sign_out() -> None:
    from azure.cli.core.util import in_cloud_console

    if in_cloud_console():
        logger.warning(
            "Logout successful. Re-login to your initial Cloud Shell identity with 'az login --identity'. Login with "
            "a new identity with 'az login'."
        )
