"""The command that checks whether the accounts work now, and explains what to do if they do not."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from azext_login.cli.collector import resume
from azext_login.cli.open_session import open_session
from azext_login.cli.options import serves
from azext_login.cli.private_files import PRIVATE_FILES
from azext_login.cli.questions import is_agreed
from azext_login.cli.raw_output import write_text
from azext_login.cli.status_options import StatusOptions
from azext_login.errors import AccountError, StoreError, first_line
from azext_login.host import exit_with, output_options
from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import can_answer, is_terminal
from azext_login.system.text import printable
from azext_login.usecases.status.records import StatusReport

if TYPE_CHECKING:
    from azext_login.usecases.session import Session

logger = get_logger(__name__)


@serves("account status", StatusOptions)
def show_status(cmd: Any, options: StatusOptions) -> dict[str, Any] | None:
    """Check whether the accounts can obtain tokens now."""
    from azext_login.usecases.status.report import CheckOptions, check

    resume()
    session = open_session(cmd.cli_ctx, restores_cloud=False, restricts_files=False)
    wanted = CheckOptions(
        private_files=PRIVATE_FILES,
        username=options.username,
        tenant=options.tenant,
        scopes=options.scopes,
        only=options.check,
        is_offline=options.offline,
        all_identities=options.all_identities,
    )
    if options.fix and not options.yes and not can_answer():
        raise AccountError(
            "usage error: '--fix' asks before it changes anything, and there is no terminal. Nothing was changed.",
            "Add --yes to fix without a question.",
        )
    report = check(session, cmd.cli_ctx, wanted)
    if options.fix and _fix(session, report, is_confirmed=options.yes):
        report = check(session, cmd.cli_ctx, wanted)
    exit_with(cmd.cli_ctx, int(report.outcome))
    return _shown(cmd.cli_ctx, report)


def _fix(session: Session, report: StatusReport, *, is_confirmed: bool) -> bool:
    """Fix what can be fixed, after a question, and return whether something was fixed."""
    from azext_login.usecases.status.repair import fix, fixable

    found = fixable(report.findings)
    if not found:
        logger.warning("There is nothing that --fix can fix.")
        return False
    if not is_confirmed and not is_agreed("Fix this now?", *(printable(finding.what) for finding in found)):
        logger.warning("Nothing was changed.")
        return False
    fixed = fix(
        session,
        found,
        on_failure=lambda finding, error: logger.warning(
            "Not fixed: %s %s", printable(finding.what), printable(first_line(error))
        ),
    )
    for finding in fixed:
        logger.warning("Fixed: %s", printable(finding.what))
    return bool(fixed)


def _shown(cli_ctx: Any, report: StatusReport) -> dict[str, Any] | None:
    """Return the report for the host to print. A table is written here: the host's have one part and no colours."""
    from azext_login.cli.status_document import document_of

    if cli_ctx.invocation.data.get("output") != "table" or "--query" in output_options(cli_ctx):
        return document_of(report)
    from azext_login.cli.status_table import WIDTH, coloured, plain, table_of

    is_on_terminal = is_terminal(sys.stdout)
    width = shutil.get_terminal_size((WIDTH, 24)).columns if is_on_terminal else WIDTH
    uses_colours = is_on_terminal and not os.environ.get("NO_COLOR") and cli_ctx.enable_color
    try:
        write_text(table_of(report, width=width, paint=coloured if uses_colours else plain))
    except OSError as error:
        raise StoreError(
            f"The table could not be written to standard output: {error.strerror or error}.",
            "Run the same command again with an output that can be written to.",
        ) from error
    return None
