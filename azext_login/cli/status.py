"""The command that checks whether the accounts work now, and explains what to do if they do not."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from azext_login.cli.collector import resume
from azext_login.cli.open_session import PRIVATE_FILES, open_session
from azext_login.cli.options import serves
from azext_login.cli.raw_output import write_text
from azext_login.cli.status_options import StatusOptions
from azext_login.host import exit_with, output_options
from azext_login.system.terminal.streams import is_terminal
from azext_login.usecases.status.records import StatusReport


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
    report = check(session, cmd.cli_ctx, wanted)
    exit_with(cmd.cli_ctx, int(report.outcome))
    return _shown(cmd.cli_ctx, report)


def _shown(cli_ctx: Any, report: StatusReport) -> dict[str, Any] | None:
    """Return the report for the host to print. A table is written here: the host's have one part and no colours."""
    from azext_login.cli.status_document import document_of

    if cli_ctx.invocation.data.get("output") != "table" or "--query" in output_options(cli_ctx):
        return document_of(report)
    from azext_login.cli.status_table import WIDTH, coloured, plain, table_of

    is_on_terminal = is_terminal(sys.stdout)
    width = shutil.get_terminal_size((WIDTH, 24)).columns if is_on_terminal else WIDTH
    uses_colours = is_on_terminal and not os.environ.get("NO_COLOR") and cli_ctx.enable_color
    write_text(table_of(report, width=width, paint=coloured if uses_colours else plain))
    return None
