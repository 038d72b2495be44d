"""The commands that list, create, change and choose contexts: read the options, call the use case, return a result."""

from __future__ import annotations

import os
from typing import Any

from azext_login.cli import context_reports as reports
from azext_login.cli.context_options import (
    AllowContextOptions,
    CreateContextOptions,
    DeleteContextOptions,
    PinContextOptions,
    RenameContextOptions,
    ShowContextOptions,
    UpdateContextOptions,
    UseContextOptions,
)
from azext_login.cli.open_session import again_of, open_session
from azext_login.cli.options import serves
from azext_login.errors import AccountError
from azext_login.host import activate_cloud
from azext_login.profile.contexts import context_of
from azext_login.profile.model import SubscriptionRow
from azext_login.system.text import printable
from azext_login.usecases import context_directories, contexts
from azext_login.usecases.context_subscription import NewChoice
from azext_login.usecases.contexts import ContextStatus
from azext_login.usecases.session import Session

Result = dict[str, Any]

_CLOUD_VARIABLE = "AZURE_CLOUD_NAME"


@serves("account context list")
def list_contexts(cmd: Any) -> list[Result]:
    """Return all contexts."""
    return [_shown(status) for status in contexts.list_contexts(open_session(cmd.cli_ctx))]


@serves("account context show", ShowContextOptions)
def show_context(cmd: Any, options: ShowContextOptions) -> Result:
    """Return one context, or what is active here and why."""
    session = open_session(cmd.cli_ctx)
    if options.name is not None:
        return _shown(contexts.get_context(session, options.name))
    active = contexts.active_context(session)
    if active is not None:
        reports.report_unusable(session, active)
        return _shown(active)
    row = session.find(again=again_of(cmd, options))
    return _shown_row(row, session)


@serves("account context create", CreateContextOptions)
def create_context(cmd: Any, options: CreateContextOptions) -> Result:
    """Create a context for what is active, or for what the options name."""
    choice = NewChoice(options.subscription, options.username, options.tenant)
    return _shown(contexts.create_context(open_session(cmd.cli_ctx), options.name, choice))


@serves("account context update", UpdateContextOptions)
def update_context(cmd: Any, options: UpdateContextOptions) -> Result:
    """Let a context stand for something else."""
    choice = NewChoice(options.subscription, options.username, options.tenant)
    return _shown(contexts.update_context(_session(cmd), options.name, choice))


@serves("account context rename", RenameContextOptions)
def rename_context(cmd: Any, options: RenameContextOptions) -> Result:
    """Give a context another name."""
    session = _session(cmd)
    before = contexts.get_context(session, options.name)
    status, directories = contexts.rename_context(session, options.name, options.new_name)
    reports.report_renamed(before, status.context.name, directories)
    return _shown(status)


def check_exists(cli_ctx: Any, name: str) -> None:
    """Fail if there is no context with this name, before the user is asked about it."""
    contexts.require_context(open_session(cli_ctx, is_about_default=True).state(), name)


@serves("account context delete", DeleteContextOptions)
def delete_context(cmd: Any, options: DeleteContextOptions) -> None:
    """Delete a context. What it stands for stays as it is."""
    status, directories = contexts.delete_context(_session(cmd), options.name)
    reports.report_deleted(status, directories)


@serves("account context use", UseContextOptions)
def use_context(cmd: Any, options: UseContextOptions) -> None:
    """Make what a context stands for the stored default, and its cloud the active one."""
    from azext_login.cli.reports import report_selection

    session = _session(cmd)
    name = options.name
    if name is None:
        from azext_login.cli.picker.context_use import pick_context

        name = pick_context(contexts.list_contexts(session))
    state = session.state()
    context = contexts.require_context(state, name)
    # Before anything is changed.
    contexts.find_row_of(session, state, context)
    if context.cloud == session.settings.cloud:
        row = contexts.use_context(session, name)
    else:
        session, row = _use_in_other_cloud(cmd, session, context.cloud, name)
    if not reports.report_still_chosen(session, context, row):
        report_selection(row)


def _use_in_other_cloud(cmd: Any, session: Session, cloud: str, name: str) -> tuple[Session, SubscriptionRow]:
    """Do the same as `az cloud set` and `use` together, or nothing.

    :raises AccountError: the cloud is not registered, or a variable decides which cloud is active.
    """
    before = session.settings.cloud
    if os.environ.get(_CLOUD_VARIABLE):
        raise AccountError(
            f"The context '{name}' is for cloud '{printable(cloud)}', but {_CLOUD_VARIABLE} is '{printable(before)}'. "
            "Nothing was changed.",
            f"Unset {_CLOUD_VARIABLE}, and run the command again.",
        )
    activate_cloud(cmd.cli_ctx, cloud)
    if cmd.cli_ctx.cloud.name != cloud:
        raise AccountError(
            f"The context '{name}' is for cloud '{printable(cloud)}', which is not registered. Nothing was changed.",
            "List the clouds with `az cloud list --output table`, and add one with `az cloud register`.",
        )
    try:
        session = _session(cmd)
        row = contexts.use_context(session, name)
    except BaseException:
        activate_cloud(cmd.cli_ctx, before)
        raise
    reports.report_cloud(cloud)
    return session, row


@serves("account context allow", AllowContextOptions)
def allow_directory(cmd: Any, options: AllowContextOptions) -> None:
    """Let the nearest file `.azure-context` choose a context, or no longer."""
    session = _session(cmd)
    if options.revoke:
        reports.report_revoked(context_directories.revoke_directory(session))
        return
    file = context_directories.allow_directory(session)
    reports.report_allowed(cmd.cli_ctx, file)


@serves("account context pin", PinContextOptions)
def pin_directory(cmd: Any, options: PinContextOptions) -> None:
    """Write a file `.azure-context` to the working directory, and allow it."""
    file = context_directories.pin_directory(_session(cmd), options.name)
    reports.report_allowed(cmd.cli_ctx, file)


def _session(cmd: Any) -> Session:
    return open_session(cmd.cli_ctx, is_about_default=True)


def _shown(status: ContextStatus) -> Result:
    context, row = status.context, status.row
    return {
        "name": context.name,
        "cloud": context.cloud,
        "account": context.account.label,
        "accountType": context.account.kind,
        "tenant": context.tenant,
        "tenantDomain": None if row is None else row.get("tenantDefaultDomain"),
        "subscription": context.subscription,
        "subscriptionName": None if row is None else row["name"],
        "isSignedIn": status.is_signed_in,
        "isActive": status.reason is not None,
        "reason": status.reason,
        "origin": status.origin,
    }


def _shown_row(row: SubscriptionRow, session: Session) -> Result:
    """Return what is active without a context, with the keys of one."""
    choice = session.choice
    reason = contexts.BY_VARIABLE if choice else contexts.BY_STORED_DEFAULT
    origin = " and ".join(choice.variables) or None
    return {
        **_shown(ContextStatus(context_of("", row), row, is_signed_in=True, reason=reason, origin=origin)),
        "name": None,
    }
