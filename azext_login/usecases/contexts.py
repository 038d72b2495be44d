"""Contexts: list, create, change and delete them, and make one the stored default. Needs no network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from azext_login.errors import AccountError, NotFoundError
from azext_login.profile import subscriptions as rules
from azext_login.profile.contexts import (
    Context,
    check_name,
    context_of,
    find_context,
    is_same_name,
    read_contexts,
    with_context,
    without_context,
)
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import ProfileState
from azext_login.system.command_line import Command
from azext_login.usecases.context_names import write_names
from azext_login.usecases.context_subscription import NewChoice, row_for_change, row_for_new
from azext_login.usecases.events import ContextChanged

if TYPE_CHECKING:
    from azext_login.profile.choice import ChosenContext
    from azext_login.usecases.session import Session

BY_VARIABLE, BY_CONTEXT, BY_DIRECTORY, BY_STORED_DEFAULT = "variable", "context", "directory", "stored"
"""Why a subscription or a context is active, in every command that prints it: AZURE_LOGIN_ACCOUNT or
AZURE_LOGIN_SUBSCRIPTION, AZURE_LOGIN_CONTEXT, a file `.azure-context`, or it is what is stored as the default."""


@dataclass(frozen=True)
class ContextStatus:
    """A context, and what it stands for now."""

    context: Context
    row: SubscriptionRow | None
    """None if its account is not signed in, or does not have the subscription any more."""
    is_signed_in: bool
    """Whether its account is signed in to its cloud."""
    reason: str | None = None
    """Why it is active: one of the BY_ constants; None if it is not."""
    origin: str | None = None
    """What chose it: the name of the variable, or the path of the file."""


# Reading


def list_contexts(session: Session) -> list[ContextStatus]:
    """Return all contexts, sorted by name. Brings the file with their names up to date."""
    statuses = read_statuses(session)
    write_names(session.config_dir, [status.context for status in statuses])
    return statuses


def read_statuses(session: Session) -> list[ContextStatus]:
    """Return all contexts, sorted by name, and write nothing."""
    state = session.state()
    return [_status(session, state, context) for context in read_contexts(state.contexts)]


def get_context(session: Session, name: str) -> ContextStatus:
    """Return one context.

    :raises AccountError: there is none with this name.
    """
    state = session.state()
    return _status(session, state, require_context(state, name))


def active_context(session: Session) -> ContextStatus | None:
    """Return the context that decides in this process, or one that stands for the stored default; None without one.

    :raises AccountError: the one that was chosen does not exist.
    """
    state, chosen = session.state(), session.choice.chosen
    if chosen is not None:
        from azext_login.profile.context_rows import known_context

        found = [known_context(chosen)]
    else:
        found = read_contexts(state.contexts)
    return next((status for context in found if (status := _status(session, state, context)).reason is not None), None)


# Changing


def create_context(session: Session, name: str, choice: NewChoice) -> ContextStatus:
    """Store a new context for what is active now, or for what is given, in the active cloud.

    :raises NotSignedInError: no account is signed in.
    :raises AccountError: the name is not valid or taken; or there is no such subscription, or there are several.
    :raises StoreError: it cannot be stored.
    """
    check_name(name)
    row = row_for_new(session, choice)
    with _changing(session) as state:
        existing = find_context(state.contexts, name)
        if existing is not None:
            update = Command(("az", "account", "context", "update")).with_option("--name", existing.name)
            raise AccountError(
                f"There is a context named '{existing.name}' already. It was not changed.",
                f"To change it, run `{update}` with --subscription, --username or --tenant.",
            )
        context = context_of(name, row)
        state.contexts = with_context(state.contexts, context)
    return _changed(session, state, context)


def update_context(session: Session, name: str, choice: NewChoice) -> ContextStatus:
    """Let a context stand for another subscription, account or tenant of its cloud.

    :param choice: what is missing stays as it is, if that is possible.
    :raises NotSignedInError: its account is not signed in, and no other one is given.
    :raises AccountError: there is no such context; or no such subscription, or several.
    :raises StoreError: it cannot be stored.
    """
    with _changing(session) as state:
        before = require_context(state, name)
        row = row_for_change(session, state, before, choice)
        context = context_of(before.name, row)
        state.contexts = with_context(state.contexts, context, replaces=before.name)
    return _changed(session, state, context)


def rename_context(session: Session, name: str, new_name: str) -> tuple[ContextStatus, list[str]]:
    """Give a context another name.

    :return: the context, and the directories whose file still has the old name.
    :raises AccountError: there is no such context, or the new name is not valid or taken.
    :raises StoreError: it cannot be stored.
    """
    check_name(new_name)
    with _changing(session) as state:
        before = require_context(state, name)
        existing = find_context(state.contexts, new_name)
        if existing is not None and not is_same_name(existing.name, before.name):
            raise AccountError(
                f"There is a context named '{existing.name}' already. Nothing was changed.", "Choose another name."
            )
        context = replace(before, name=new_name)
        state.contexts = with_context(state.contexts, context, replaces=before.name)
        left = [] if is_same_name(name, new_name) else _directories_of(state, before.name)
    return _changed(session, state, context), left


def delete_context(session: Session, name: str) -> tuple[ContextStatus, list[str]]:
    """Remove a context. What it stands for stays as it is.

    :return: the context as it was, and the directories whose file chooses it.
    :raises AccountError: there is no such context.
    :raises StoreError: it cannot be removed.
    """
    with _changing(session) as state:
        context = require_context(state, name)
        status = _status(session, state, context)
        # They stay allowed: their file then leads to an error, and not to the identity of the stored default.
        left = _directories_of(state, context.name)
        state.contexts = without_context(state.contexts, context.name)
    _changed(session, state, context)
    return status, left


def use_context(session: Session, name: str) -> SubscriptionRow:
    """Make what a context stands for the stored default, as `az account set` does, and return its row.

    :param session: one of the context's cloud.
    :raises NotSignedInError: its account is not signed in.
    :raises AccountError: there is no such context, or its account does not have the subscription any more.
    :raises StoreError: it cannot be stored.
    """
    with session.change(mirror=True) as state:
        row = find_row_of(session, state, require_context(state, name))
        rules.make_active(state, row)
    return row


def find_row_of(session: Session, state: ProfileState, context: Context) -> SubscriptionRow:
    """Return the row that a context stands for.

    :raises NotSignedInError: its account is not signed in.
    :raises AccountError: its account does not have the subscription any more.
    """
    from azext_login.profile.context_rows import not_listed, not_signed_in

    own = [row for row in rules.in_cloud(state.all_rows(), context.cloud) if account_of(row).key == context.account.key]
    if not own:
        raise not_signed_in(f"The context '{context.name}' exists", context, session.cloud_of_process)
    row = next((row for row in own if context.stands_for(row)), None)
    if row is None:
        raise not_listed(f"The context '{context.name}' exists", context)
    return row


def require_context(state: ProfileState, name: str) -> Context:
    """Return a context by its name.

    :raises NotFoundError: there is none.
    :raises AccountError: no context can have the name.
    """
    found = find_context(state.contexts, name)
    if found is None:
        check_name(name)
        raise NotFoundError(
            f"There is no context named '{name}'.", "List the contexts with `az account context list --output table`."
        )
    return found


def _status(session: Session, state: ProfileState, context: Context) -> ContextStatus:
    rows = rules.in_cloud(state.all_rows(), context.cloud)
    row = next((row for row in rows if context.stands_for(row)), None)
    status = ContextStatus(context, row, any(account_of(row).key == context.account.key for row in rows))
    choice = session.choice
    if choice.chosen is not None:
        if is_same_name(choice.chosen.name, context.name) and not _is_overridden(session, context):
            return replace(status, reason=reason_of(choice.chosen), origin=choice.chosen.origin)
        return status
    if not choice and row is not None and row.get("isDefault") and context.cloud == session.stored_cloud:
        return replace(status, reason=BY_STORED_DEFAULT)
    return status


def reason_of(chosen: ChosenContext) -> str:
    """Return why a context is chosen."""
    return BY_CONTEXT if chosen.file is None else BY_DIRECTORY


def _is_overridden(session: Session, context: Context) -> bool:
    """Tell whether a variable chooses another subscription than the chosen context."""
    if not session.choice.subscription:
        return False
    row = rules.active_row(session.valid_view().rows)
    return row is None or not context.stands_for(row)


def _directories_of(state: ProfileState, name: str) -> list[str]:
    return [directory for directory, allowed in state.allowed.items() if is_same_name(str(allowed), name)]


@contextmanager
def _changing(session: Session) -> Iterator[ProfileState]:
    """Yield the state to change. The file with the names is written before another process can change them again."""

    def store_names() -> None:
        write_names(session.config_dir, read_contexts(state.contexts))

    with session.change(then=store_names) as state:
        yield state


def _changed(session: Session, state: ProfileState, context: Context) -> ContextStatus:
    """Tell other extensions that a context has changed, and return what it stands for now."""
    session.notify(ContextChanged(context.cloud, context.name))
    return _status(session, state, context)
