"""What `az account renew` says and returns, and how a signal ends it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from knack.log import get_logger

from azext_login.auth.workload.federated_tokens import time_text
from azext_login.cli.open_session import open_session
from azext_login.errors import first_line
from azext_login.host import exit_with
from azext_login.system.signals import stop_on_signals
from azext_login.system.text import printable
from azext_login.usecases.renew_tokens import Renewal, renew, watch

if TYPE_CHECKING:
    from azure.cli.core.azclierror import AzCLIError

    from azext_login.profile.model import SubscriptionRow
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# Codes of our own begin at 10.
_SOME_FAILED = 10


def renew_and_report(session: Session, row: SubscriptionRow) -> Renewal:
    """Renew once, and name the access tokens for which that failed."""
    renewal = renew(session, row)
    _report_last_assertion(renewal)
    _report_failures(renewal)
    return renewal


def watch_and_report(session: Session, row: SubscriptionRow) -> Renewal | None:
    """Renew until a signal says to stop (SIGINT, SIGTERM, on Windows SIGBREAK), and say what each round did."""
    last_seen: list[tuple[object, ...]] = []
    last: list[Renewal] = []

    def report(renewal: Renewal) -> None:
        if not last:
            _report_last_assertion(renewal)
        last[:] = [renewal]
        _report_failures(renewal)
        seen = (renewal.assertion_expires_on, renewal.tokens)
        if last_seen != [seen]:
            last_seen[:] = [seen]
            logger.warning("%s", _summary(renewal))

    def report_failure(error: AzCLIError, pause: float) -> None:
        logger.warning(
            "%s Nothing was renewed, and nothing that is stored has changed. Trying again in %d seconds: %s",
            _time_of(time.time()), pause, first_line(error),
        )  # fmt: skip

    script = _launching_script()

    with stop_on_signals() as is_signalled:

        def is_stopped() -> bool:
            return is_signalled() or (script is not None and os.getppid() != script)

        # A round that is under way is stopped as well. What it has renewed so far is stored, and a file that is being
        # written is written completely (`write_atomically`).
        watch(session, row, report=report, report_failure=report_failure, is_stopped=is_stopped)
    logger.warning("%s Stopped. What was renewed stays stored.", _time_of(time.time()))
    return last[0] if last else None


def exit_code_of(renewal: Renewal) -> int:
    """Return 0, or 10 if some access tokens could not be renewed."""
    return _SOME_FAILED if renewal.failures else 0


def shape(renewal: Renewal) -> dict[str, Any]:
    """Return the result of the command. Times are POSIX time in seconds."""
    ends = renewal.assertion_expires_on
    return {
        "user": {"name": renewal.account.label, "type": renewal.account.kind},
        "tenantId": renewal.tenant,
        "federatedTokenExpiresOn": None if ends is None else int(ends),
        "accessTokens": [{"scopes": list(token.scopes), "expires_on": token.expires_on} for token in renewal.tokens],
        "failed": [{"scopes": list(failure.scopes), "error": str(failure.error)} for failure in renewal.failures],
    }


def _report_last_assertion(renewal: Renewal) -> None:
    if renewal.has_source or renewal.assertion_expires_on is None:
        return
    logger.warning(
        "The federated token itself cannot be renewed: it was given with --federated-token. After %s there are no new "
        "access tokens. Sign in with --federated-token-file or --federated-token-source to have it fetched again.",
        _time_of(renewal.assertion_expires_on),
    )


def _report_failures(renewal: Renewal) -> None:
    for failure in renewal.failures:
        logger.warning(
            "The access token for %s could not be renewed and stays as it was: %s",
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
    """Return local time, as the clock of a job's log shows it."""
    return time_text(seconds, "%H:%M:%S")


def _launching_script() -> int | None:
    """Return the process ID of the `az` script that started this Python, if that is how it was started.

    Linux packages and Homebrew install `az` as a shell script. A job knows the process ID of that script alone, and
    ending the script does not reach Python, so we end with it. Where `az` is Python from the start, our parent is
    the job's shell, and a watch outlives that one on purpose.
    """
    import psutil

    try:
        words = psutil.Process(os.getppid()).cmdline()
    except psutil.Error:
        return None
    return os.getppid() if any(os.path.basename(word) == "az" for word in words[:3]) else None


def renew_account(
    cmd: Any, username: str | None = None, tenant: str | None = None, watch: bool = False
) -> dict[str, Any] | None:
    """Renew the federated token and the access tokens of an account before they end."""
    from azext_login.cli.renew import exit_code_of, renew_and_report, shape, watch_and_report

    session = open_session(cmd.cli_ctx)
    row = session.account_row(username, tenant)
    renewal = watch_and_report(session, row) if watch else renew_and_report(session, row)
    if renewal is None:
        return None
    exit_with(cmd.cli_ctx, exit_code_of(renewal))
    return shape(renewal)
