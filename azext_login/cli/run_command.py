"""The command that runs another one in a context."""

from __future__ import annotations

import os
from typing import Any

from azext_login.cli.open_session import open_session
from azext_login.cli.options import serves
from azext_login.cli.run_options import RunOptions
from azext_login.cli.verbatim_words import MISSING_COMMAND, VerbatimCommand, verbatim_command
from azext_login.errors import AccountError
from azext_login.host import exit_with
from azext_login.profile.choice import ACCOUNT_VARIABLE, CONTEXT_VARIABLE, SUBSCRIPTION_VARIABLE
from azext_login.profile.contexts import LONGEST_NAME, Context, find_context
from azext_login.system.child_process import CAN_REPLACE_PROCESS, NotStartedError, become_program, run_child
from azext_login.system.log import get_logger
from azext_login.system.text import printable, shorten
from azext_login.usecases.session import Session

logger = get_logger(__name__)


@serves("account context run", RunOptions)
def run_in_context(cmd: Any, options: RunOptions) -> None:
    """Run a command in a context."""
    command = verbatim_command(cmd.cli_ctx)
    if command is None:
        # The parser has refused a command line without it.
        raise AccountError(MISSING_COMMAND)
    session = open_session(cmd.cli_ctx)
    try:
        code = _run_in(_context_of(session, options.context or ""), command)
    except NotStartedError as error:
        logger.error("'%s' %s", printable(command.words[0]), error)
        code = error.exit_code
    exit_with(cmd.cli_ctx, code)


def _context_of(session: Session, name: str) -> Context:
    context = find_context(session.state().contexts, name)
    if context is None:
        raise AccountError(
            f"There is no context '{shorten(printable(name), LONGEST_NAME)}', so the command was not run.",
            "To list the contexts, run `az account context list`. To create one, run `az account context create`.",
        )
    return context


def _run_in(context: Context, command: VerbatimCommand) -> int:
    """Run a command with the variable that chooses a context; return its exit code unless it replaces this process."""
    # They would take precedence.
    environ = _environment_without(ACCOUNT_VARIABLE, SUBSCRIPTION_VARIABLE)
    environ[CONTEXT_VARIABLE] = context.name
    if CAN_REPLACE_PROCESS and command.is_of_process:
        # The command takes over the place of `az`: its signals, its job control and its exit code.
        become_program(command.words, environ)
    return run_child(command.words, environ)


def _environment_without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}
