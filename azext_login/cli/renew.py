"""The command that renews the tokens of an account, once or until a signal stops it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from azext_login.cli.account_options import RenewOptions
from azext_login.cli.collector import resume
from azext_login.cli.open_session import again_of, open_session
from azext_login.cli.options import serves
from azext_login.errors import first_line
from azext_login.host import exit_with
from azext_login.profile.model import account_of
from azext_login.system.launching_script import watch_script
from azext_login.system.log import get_logger
from azext_login.system.signals import stop_on_signals
from azext_login.system.text import format_time, printable
from azext_login.usecases.renew_tokens import Renewal, renew, watch

if TYPE_CHECKING:
    from azext_login.host_errors import AzCLIError
    from azext_login.profile.model import SubscriptionRow
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# Exit codes of our own begin at 10.
_SOME_FAILED = 10


def _offer_sign_in(cmd: Any, options: RenewOptions, error: Exception) -> bool:
    """Offer it, unless the command runs unattended."""
    from azext_login.cli.offer_sign_in import offer_sign_in

    return not options.watch and offer_sign_in(cmd, error)


@serves("account renew", RenewOptions, offer_sign_in=_offer_sign_in)
def renew_account(cmd: Any, options: RenewOptions) -> dict[str, Any] | None:
    """Renew the federated token and the access tokens of an account before they expire."""
    resume()
    session = open_session(cmd.cli_ctx)
    from azext_login.usecases.choose_account import find_account

    again = again_of(cmd, options)
    row = find_account(session, username=options.username, tenant=options.tenant, again=again)
    account = account_of(row)
    if not (account.is_user or account.is_managed_identity):
        _report_obstacle(cmd.cli_ctx)
    renewal = _watch(session, row) if options.watch else _renew_or_offer_sign_in(cmd, session, row)
    if renewal is None:
        return None
    exit_with(cmd.cli_ctx, _SOME_FAILED if renewal.failures else 0)
    return _result(renewal)


def _renew_or_offer_sign_in(cmd: Any, session: Session, row: SubscriptionRow) -> Renewal:
    renewal = _renew_once(session, row)
    refusal = next((each.error for each in renewal.failures if getattr(each.error, "login", None) is not None), None)
    if refusal is None:
        return renewal
    from azext_login.cli.offer_sign_in import offer_sign_in

    if not offer_sign_in(cmd, refusal, is_reported=True):
        return renewal
    # Another session: this one still has the tokens of before.
    return _renew_once(open_session(cmd.cli_ctx), row)


def _renew_once(session: Session, row: SubscriptionRow) -> Renewal:
    renewal = renew(session, row)
    _report_last_assertion(renewal)
    _report_failures(renewal)
    return renewal


def _watch(session: Session, row: SubscriptionRow) -> Renewal | None:
    """Renew until a signal stops it (SIGINT, SIGTERM, on Windows SIGBREAK), and report each round that differs.

    It also stops when the script that started this Python has ended. It deliberately outlives the shell of a job.

    A signal stops a round that is under way too. What that round has renewed so far is stored, and a file that is
    being written is written completely (`write_atomically`).

    :return: what the last round did; None if none succeeded.
    """
    reports = _WatchReports()
    has_script_ended = watch_script()
    with stop_on_signals() as is_signalled:
        watch(
            session,
            row,
            report=reports.add,
            report_failure=_report_failed_round,
            is_stopped=lambda: is_signalled() or has_script_ended(),
        )
    logger.warning("%s Stopped. What was renewed stays stored.", _time_of(time.time()))
    return reports.last


class _WatchReports:
    """Reports the rounds of a watch: the first one, and those that changed something."""

    def __init__(self) -> None:
        self.last: Renewal | None = None

    def add(self, renewal: Renewal) -> None:
        before, self.last = self.last, renewal
        if before is None:
            _report_last_assertion(renewal)
        _report_failures(renewal)
        if before is None or _validity(before) != _validity(renewal):
            logger.warning("%s", _summary(renewal))


def _validity(renewal: Renewal) -> tuple[object, ...]:
    return (renewal.assertion_expires_on, renewal.tokens)


def _report_failed_round(error: AzCLIError, pause: float) -> None:
    logger.warning(
        "%s Nothing was renewed, and no stored token has changed. The next attempt is in %d seconds: %s",
        _time_of(time.time()), pause, first_line(error),
    )  # fmt: skip


def _report_obstacle(cli_ctx: Any) -> None:
    """Tell why commands of others do not renew these tokens by themselves, if they do not."""
    from azext_login.usecases.every_command import obstacle

    reason = obstacle(cli_ctx)
    if reason:
        logger.warning(
            "Commands other than `az login` and `az account` do not renew tokens by themselves, because %s. Run "
            "`az account renew --watch` beside them.",
            reason,
        )


def _report_last_assertion(renewal: Renewal) -> None:
    if renewal.has_source or renewal.assertion_expires_on is None:
        return
    logger.warning(
        "The federated token itself cannot be renewed, because it was given with --federated-token. It expires at %s, "
        "and no new access tokens can be obtained after that. Sign in with --federated-token-file or "
        "--federated-token-source, which fetch the next one.",
        _time_of(renewal.assertion_expires_on),
    )


def _report_failures(renewal: Renewal) -> None:
    for failure in renewal.failures:
        logger.warning(
            "The access token for %s could not be renewed. The cached one stays: %s",
            printable(" ".join(failure.scopes)),
            first_line(failure.error),
        )


def _summary(renewal: Renewal) -> str:
    parts = []
    if renewal.assertion_expires_on is not None:
        parts.append(f"federated token until {_time_of(renewal.assertion_expires_on)}")
    if renewal.tokens:
        earliest = min(token.expires_on for token in renewal.tokens)
        parts.append(f"{len(renewal.tokens)} access token(s), the first until {_time_of(earliest)}")
    return f"{_time_of(time.time())} {renewal.account.label}: {', '.join(parts) or 'nothing to renew'}."


def _time_of(seconds: float) -> str:
    """Return local time, like the timestamps of a job's log."""
    return format_time(seconds, "%H:%M:%S")


def _result(renewal: Renewal) -> dict[str, Any]:
    """Return the result of the command. Times are POSIX time in seconds."""
    expires_on = renewal.assertion_expires_on
    return {
        "user": {"name": renewal.account.label, "type": renewal.account.kind},
        "tenantId": renewal.tenant,
        "federatedTokenExpiresOn": None if expires_on is None else int(expires_on),
        "accessTokens": [{"scopes": list(token.scopes), "expires_on": token.expires_on} for token in renewal.tokens],
        "failed": [{"scopes": list(failure.scopes), "error": str(failure.error)} for failure in renewal.failures],
    }
