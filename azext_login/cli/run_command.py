"""The command that runs another one in a context, or in a config directory of its own."""

from __future__ import annotations

import os
from typing import Any

from azext_login.cli.isolated_settings import extension_directory, installation_id, shared_settings
from azext_login.cli.open_session import open_session
from azext_login.cli.options import serves
from azext_login.cli.run_options import RunOptions
from azext_login.cli.verbatim_words import MISSING_COMMAND, VerbatimCommand, verbatim_command
from azext_login.errors import AccountError
from azext_login.host import exit_with, has_cloud
from azext_login.host_index import OFF, every_command_setting
from azext_login.profile.choice import ACCOUNT_VARIABLE, CONTEXT_VARIABLE, SUBSCRIPTION_VARIABLE
from azext_login.profile.context_rows import not_registered
from azext_login.profile.contexts import Context
from azext_login.system.child_process import CAN_REPLACE_PROCESS, NotStartedError, become_program, run_child
from azext_login.system.log import get_logger
from azext_login.system.signals import defer_signals, handle_deferred_signals
from azext_login.system.text import printable
from azext_login.usecases.contexts import require_context
from azext_login.usecases.isolated_run import HAS_SHARED_KEYRING, isolated_run
from azext_login.usecases.session import Session

logger = get_logger(__name__)

_CLOUD_VARIABLE = "AZURE_CLOUD_NAME"
# It would take precedence over the setting in the config directory.
_DIRECTORIES_VARIABLE = "AZURE_LOGIN_DIRECTORY_CONTEXTS"


@serves("account context run", RunOptions)
def run_in_context(cmd: Any, options: RunOptions) -> None:
    """Run a command in a context."""
    command = verbatim_command(cmd.cli_ctx)
    if command is None:
        # The parser has refused a command line without it.
        raise AccountError(MISSING_COMMAND)
    # The context of this process, if any, does not count: the command runs in another one, or in none.
    session = open_session(cmd.cli_ctx, is_about_default=True)
    name = options.from_context if options.isolated else options.context
    context = None if name is None else require_context(session.state(), name)
    try:
        if options.isolated or context is None:
            if context is not None and not has_cloud(cmd.cli_ctx, context.cloud):
                raise not_registered(f"The command was not run in the context '{context.name}'", context)
            code = _run_isolated(cmd.cli_ctx, session, context, command)
        else:
            if every_command_setting(cmd.cli_ctx) == OFF:
                logger.warning(
                    "Only `az login` and `az account` follow the context '%s', because login.every_command is off. To "
                    "change that, run az config set login.every_command=auto",
                    context.name,
                )
            code = _run_in(context, command)
    except NotStartedError as error:
        logger.error("'%s' %s", printable(command.words[0]), error)
        code = error.exit_code
    exit_with(cmd.cli_ctx, code)


def _run_in(context: Context, command: VerbatimCommand) -> int:
    """Run a command with the variable that chooses a context; return its exit code unless it replaces this process."""
    # They would take precedence.
    environ = _environment_without(ACCOUNT_VARIABLE, SUBSCRIPTION_VARIABLE)
    environ[CONTEXT_VARIABLE] = context.name
    if CAN_REPLACE_PROCESS and command.is_of_process:
        # The command takes over the place of `az`: its signals, its job control and its exit code.
        become_program(command.words, environ)
    return run_child(command.words, environ)


def _run_isolated(cli_ctx: Any, session: Session, context: Context | None, command: VerbatimCommand) -> int:
    """Run a command in a config directory of its own, and return its exit code."""
    settings = shared_settings(cli_ctx)
    code: int | None = None
    try:
        # Another Ctrl-C, after the one that has ended the command, must not keep the directory from being removed.
        with defer_signals(), isolated_run(session, settings, context, installation_id=installation_id()) as run:
            environ = _environment_without(
                ACCOUNT_VARIABLE,
                SUBSCRIPTION_VARIABLE,
                CONTEXT_VARIABLE,
                _DIRECTORIES_VARIABLE,
                # The config directory has one cloud, which is that of the sign-in.
                *([] if context is None else [_CLOUD_VARIABLE]),
            )
            environ["AZURE_CONFIG_DIR"] = os.path.abspath(run.directory.path)
            environ["AZURE_EXTENSION_DIR"] = extension_directory()
            # The host sends telemetry when a command has exited, and would make the directory again for its log.
            environ["AZURE_CORE_COLLECT_TELEMETRY"] = "false"
            if HAS_SHARED_KEYRING:
                environ["AZURE_CORE_ENCRYPT_TOKEN_CACHE"] = "false"
            handle_deferred_signals()
            code = run_child(command.words, environ, inherits=[run.lock])
    except KeyboardInterrupt:
        if code is None:
            raise
    return code


def _environment_without(*names: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in names}
