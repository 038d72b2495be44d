"""Reports about contexts on standard error: what still decides here, and what uses a name that is gone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from azext_login.host_index import OFF, every_command_setting, follows_directories
from azext_login.profile.choice import CONTEXT_VARIABLE
from azext_login.system.command_line import Command
from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import is_terminal
from azext_login.system.text import printable, shorten
from azext_login.usecases.contexts import BY_CONTEXT, BY_DIRECTORY

if TYPE_CHECKING:
    from azext_login.profile.context_file import ContextFile
    from azext_login.profile.contexts import Context
    from azext_login.profile.model import Account, SubscriptionRow
    from azext_login.usecases.contexts import ContextStatus
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# More names or directories than these are counted, not listed.
_MOST_LISTED = 3

_CONTEXT = ("az", "account", "context")


def report_unusable(session: Session, status: ContextStatus) -> None:
    """Warn that the active context cannot be used, and name the command that changes that."""
    from azext_login.profile.context_rows import login_of

    if status.context.cloud != session.settings.cloud:
        logger.warning(
            "The context '%s' decides here, but its cloud '%s' is not registered. Add it with az cloud register",
            status.context.name, printable(status.context.cloud),
        )  # fmt: skip
    elif not status.is_signed_in:
        logger.warning(
            "The context '%s' decides here, but its account is not signed in. To sign in again, run:\n%s",
            status.context.name, login_of(status.context),
        )  # fmt: skip
    elif status.row is None:
        logger.warning(
            "The context '%s' decides here, but its account does not have its subscription any more. To choose another "
            "one for it, run:\n%s",
            status.context.name, _command("update", "--name", status.context.name).with_option("--subscription", "ID"),
        )  # fmt: skip


def report_cloud(cloud: str) -> None:
    """Report that another cloud is the stored one, as `az cloud set` does."""
    logger.warning("Switched active cloud to '%s'.", printable(cloud))


def report_still_chosen(session: Session, used: Context, stored: SubscriptionRow) -> bool:
    """Warn that this shell does not use the context that became the stored default; tell whether that is so."""
    if not session.choice or session.uses(stored):
        return False
    choice = session.choice
    if choice.chosen is None or choice.variables:
        logger.warning(
            "The context '%s' is the stored default, but this shell follows %s. To use the stored default, unset %s.",
            used.name, choice.origin, choice.origin,
        )  # fmt: skip
        return True
    if choice.chosen.file is None:
        how = f"To use '{used.name}' in this shell, run azctx {used.name}, or set {CONTEXT_VARIABLE} to this name."
    else:
        how = f"To use '{used.name}' in this directory, run {_command('pin', '--name', used.name)}"
    logger.warning(
        "The context '%s' is the stored default, but %s chooses '%s' here. %s",
        used.name, printable(choice.chosen.origin), _name_of(choice.chosen.name), how,
    )  # fmt: skip
    return True


def report_renamed(before: ContextStatus, name: str, directories: Sequence[str]) -> None:
    """Warn of what still has the old name of a context.

    :param before: the context before it was renamed.
    :param directories: those that are allowed to choose it.
    """
    if before.context.name.lower() == name.lower():
        return
    if before.reason == BY_CONTEXT:
        logger.warning(
            "%s is still '%s' in this shell. Run azctx %s, or set it to the new name.",
            CONTEXT_VARIABLE, before.context.name, name,
        )  # fmt: skip
    if directories:
        logger.warning(
            "The file .azure-context still has the old name in %s. There, run %s",
            _listed(directories), _command("pin", "--name", name),
        )  # fmt: skip


def report_deleted(status: ContextStatus, directories: Sequence[str]) -> None:
    """Warn of what still chooses a context that was deleted."""
    name = status.context.name
    if status.reason == BY_CONTEXT:
        logger.warning(
            "%s is still '%s' in this shell. Until you unset it, commands that need a subscription fail.",
            CONTEXT_VARIABLE, name,
        )  # fmt: skip
    if directories:
        logger.warning(
            "The file .azure-context still chooses '%s' in %s. Until you remove it, commands that need a subscription "
            "fail there.",
            name, _listed(directories),
        )  # fmt: skip
    elif status.reason == BY_DIRECTORY:
        logger.warning("%s still chooses '%s'. Remove the file.", printable(status.origin), name)


def report_allowed(cli_ctx: Any, file: ContextFile) -> None:
    """Report, on a terminal, what a file chooses from now on; in any case, what prevents that."""
    from azext_login.cli.open_session import open_session

    path = printable(file.path)
    if not follows_directories(cli_ctx):
        logger.warning("%s is allowed, but the setting login.directory_contexts is off, so it has no effect.", path)
        return
    session = open_session(cli_ctx, is_about_default=True)
    choice = session.choice
    if choice.chosen is None or choice.chosen.file != file:
        _report_variables(path, choice.variables or (CONTEXT_VARIABLE,))
        return
    if choice.subscription:
        _report_variables(path, choice.variables)
    elif every_command_setting(cli_ctx) == OFF:
        logger.warning(
            "%s is allowed, but only `az login` and `az account` follow it, because login.every_command is off.", path
        )
    elif is_terminal(sys.stderr):
        logger.warning("%s chooses the context '%s' in its directory and below.", path, file.name)


def _report_variables(path: str, variables: Sequence[str]) -> None:
    decides = " and ".join(variables)
    logger.warning(
        "%s is allowed, but %s still decides in this shell. To follow the file, unset %s.", path, decides, decides
    )


def report_revoked(file: ContextFile | None) -> None:
    """Report, on a terminal, that a file has no effect any more; in any case, that there is none."""
    if file is None:
        logger.warning("There is no file .azure-context in this directory or its parents, so none is allowed.")
    elif is_terminal(sys.stderr):
        logger.warning("%s has no effect any more.", printable(file.path))


def report_contexts_of_account(name: str, names: Sequence[str]) -> None:
    """Report which contexts cannot be used because their account has signed out."""
    if names:
        one = len(names) == 1
        logger.warning(
            "%s kept, but cannot be used before '%s' signs in again: %s. To delete %s, run %s",
            "This context was" if one else "These contexts were", printable(name), _listed(names, joiner=", "),
            "it" if one else "one", _command("delete", "--name", names[0] if one else "NAME"),
        )  # fmt: skip


def report_kept_contexts(names: Sequence[str]) -> None:
    """Report that contexts are kept although every account was removed."""
    if names:
        one = len(names) == 1
        logger.warning(
            "%s kept. To delete %s, run %s",
            "One context was" if one else f"{len(names)} contexts were", "it" if one else "one",
            _command("delete", "--name", names[0] if one else "NAME"),
        )  # fmt: skip


def report_other_account(session: Session, account: Account) -> None:
    """Warn after a sign-in that the context of this process belongs to another account."""
    choice = session.choice
    if choice.chosen is None or choice.account:
        return
    context = choice.chosen.context
    if context is not None and context.account.key == account.key and context.cloud == session.settings.cloud:
        return
    create = _command("create", "--name", "NAME").with_option("--username", account.label)
    logger.warning(
        "The sign-in of '%s' is stored, but %s still chooses the context '%s' here. To create a context for this "
        "account, run:\n%s",
        printable(account.label), printable(choice.chosen.origin), _name_of(choice.chosen.name), create,
    )  # fmt: skip


def _name_of(name: str) -> str:
    return shorten(printable(name), 64)


def _listed(values: Sequence[str], *, joiner: str = " and ") -> str:
    """Return names, or directories in the user's spelling; many are counted."""
    shown = [printable(value) for value in values[:_MOST_LISTED]]
    left = len(values) - len(shown)
    return joiner.join([*shown, f"{left} more"] if left else shown)


def _command(verb: str, name: str, value: str) -> Command:
    return Command((*_CONTEXT, verb)).with_option(name, value)
