"""Offers the user on a terminal to sign in, where a command failed because that is missing, and signs in."""

from __future__ import annotations

from typing import Any

from azext_login.cli.login_options import LoginOptions
from azext_login.cli.open_session import open_session
from azext_login.cli.questions import is_agreed
from azext_login.errors import LoginWords, first_line
from azext_login.host import switch
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.directory import PrivateDirectory
from azext_login.system.terminal.streams import can_ask
from azext_login.system.text import printable

_QUESTION = "Sign in now?"

# Set in the data of the invocation when the question was asked: it is asked once in a command.
_ASKED = "azext_login_asked_to_sign_in"

# These work on the stored cloud, also in a context of another one.
_IN_STORED_CLOUD = ("account set",)


def offer_sign_in(cmd: Any, error: Exception, *, is_reported: bool = False) -> bool:
    """Ask whether to sign in now, sign in if the user agrees, and tell whether that was done.

    The stored default and the contexts stay as they are.

    :param cmd: the host's command, which the handler gets.
    :param error: why it failed. Its `login` has the options of the sign-in that helps.
    :param is_reported: whether the user has seen the error. Otherwise its first line comes before the question.
    :raises AzCLIError: the sign-in failed.
    """
    login: LoginWords | None = getattr(error, "login", None)
    options = None if login is None else _options_of(login)
    if login is None or options is None or not _may_ask(cmd.cli_ctx):
        return False
    cmd.cli_ctx.invocation.data[_ASKED] = True
    if not is_agreed(_QUESTION, "" if is_reported else printable(first_line(error))):
        return False
    try:
        _sign_in(cmd, options, Command(AZ_LOGIN.words, login))
    except KeyboardInterrupt:
        # The user has changed their mind: what the command reports is why it failed.
        return False
    return True


def _may_ask(cli_ctx: Any) -> bool:
    """Tell whether the question may be asked: once, on a terminal, unless the user wants to see less.

    Not in a config directory that another user can write to, as with `sudo az`: its files decide what the sign-in is
    for, and that user could read the new tokens.

    With `--output none`, a script tests the exit code, also one that was started on a terminal.
    """
    data = cli_ctx.invocation.data
    if _ASKED in data or cli_ctx.only_show_errors or data.get("output") == "none" or not can_ask():
        return False
    return switch(cli_ctx.config, "offer_sign_in", True, section="login") and _is_own_directory()


def _is_own_directory() -> bool:
    from pathlib import Path

    from azure.cli.core.api import get_config_dir

    try:
        return PrivateDirectory(Path(get_config_dir())).is_private()
    except OSError:
        return False


def _options_of(login: LoginWords) -> LoginOptions | None:
    """Return the options as `az login` gets them; None if there is one that does not belong to such a sign-in."""
    given = dict(login)
    scopes = list(given.pop("--scope", ())) or None
    if not set(given) <= {"--tenant", "--claims-challenge", "--app-client-id"} or not all(given.values()):
        return None
    return LoginOptions(
        tenant=given.get("--tenant", (None,))[0],
        scopes=scopes,
        claims_challenge=given.get("--claims-challenge", (None,))[0],
        app_client_id=given.get("--app-client-id", (None,))[0],
    )


def _sign_in(cmd: Any, options: LoginOptions, again: Command) -> None:
    """Sign a user in as `az login` does, but without a question about the default subscription.

    :param again: the same as a command, for the advice.
    """
    from contextlib import closing
    from dataclasses import replace

    from azure.cli.core.util import is_guid

    from azext_login.cli.collector import resume
    from azext_login.cli.context_reports import report_other_account
    from azext_login.cli.login import check_outcome, sign_in
    from azext_login.cli.progress import progress_line
    from azext_login.cli.reports import report_guess

    resume()
    is_about_default = cmd.name in _IN_STORED_CLOUD
    with closing(open_session(cmd.cli_ctx, again=again, is_about_default=is_about_default)) as session:
        if options.tenant and not is_guid(options.tenant):
            options = replace(options, tenant=session.resolve_tenant(options.tenant))
        with progress_line(cmd.cli_ctx) as on_progress:
            outcome = sign_in(session, options, again, on_progress, keeps_default=True)
        if not (options.app_client_id or is_about_default):
            report_other_account(session, outcome.account)
        check_outcome(session, options, outcome, again)
        if session.is_in_stored_cloud:
            report_guess(outcome)
