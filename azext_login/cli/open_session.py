"""Opens the session of a running command: the one place where settings, files and use cases are wired together."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_login.cli.private_files import PRIVATE_FILES
from azext_login.cli.process_choice import choice_of_process, report_refused_file
from azext_login.errors import first_line
from azext_login.host import (
    POWERSHELL_SETTINGS,
    activate_cloud,
    new_installation_id,
    read_host_settings,
)
from azext_login.host_cloud import stored_cloud_name, use_cloud
from azext_login.profile.clouds import CloudConfig
from azext_login.profile.model import SubscriptionRow
from azext_login.profile.store import ProfileStore
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import make_all_private, read_text
from azext_login.system.log import get_logger
from azext_login.system.text import printable
from azext_login.usecases.session import Session

if TYPE_CHECKING:
    from azext_login.system.command_line import Command
    from azext_login.usecases.events import Event

logger = get_logger(__name__)


def again_of(cmd: Any, options: Any) -> Callable[[], Command]:
    """Return a function that returns the running command, to be run again. It is called if an error advises that.

    :param options: the record of the options.
    """

    def again() -> Command:
        from azext_login.cli.printed_command import printed_command

        return printed_command(cmd, options)

    return again


def open_session(
    cli_ctx: Any,
    *,
    again: Command | None = None,
    restores_cloud: bool = True,
    is_about_default: bool = False,
    restricts_files: bool = True,
    context: str | None = None,
) -> Session:
    """Return the session of a running command. The context of the process, if any, decides which cloud is active.

    :param again: the command if it is an `az login`, for the advice.
    :param restores_cloud: whether a removed clouds.config is restored, so that another cloud may become active.
    :param is_about_default: whether the command changes the stored default or the contexts. Then the stored cloud is
        active, and a file `.azure-context` that does not count is not reported.
    :param restricts_files: whether files that other users can read are restricted to this user.
    :param context: the name of a context to be in, in place of what the process has chosen.
    """
    from azure.cli.core._session import ACCOUNT
    from azure.cli.core.api import get_config_dir

    config_dir = PrivateDirectory(Path(get_config_dir()))
    if restricts_files:
        make_all_private(config_dir, PRIVATE_FILES)
    clouds = CloudConfig(config_dir)
    was_active = clouds.restore_if_removed() if restores_cloud else None
    if was_active is not None:
        activate_cloud(cli_ctx, was_active)
        logger.warning("clouds.config had been removed and was restored. %s is the active cloud.", cli_ctx.cloud.name)
    choice = choice_of_process(cli_ctx, ACCOUNT.data, context=context)
    if is_about_default:
        # The caller, and other threads of it, stay in the context.
        cli_ctx = copy(cli_ctx)
    use_cloud(cli_ctx, None if is_about_default else choice.cloud)
    if choice.refused is not None and not is_about_default:
        report_refused_file(choice.refused)
    settings = read_host_settings(cli_ctx)

    def follow(document: dict[str, Any]) -> None:
        # The host may save its copy after our command (telemetry, survey), so that has to be the new one. Assigning the
        # attribute does not write a file; `ACCOUNT.save` and item assignment would.
        ACCOUNT.data = document

    def has_credentials(row: SubscriptionRow) -> bool:
        return session.clients.has_credentials(row)

    store = ProfileStore(
        config_dir,
        on_written=follow,
        has_credentials=has_credentials,
        new_installation_id=lambda: new_installation_id(partial(read_text, config_dir / POWERSHELL_SETTINGS)),
        active_cloud=settings.cloud,
        host_copy=lambda: ACCOUNT.data,
    )
    session = Session(
        settings,
        config_dir,
        store,
        clouds,
        host_account=ACCOUNT,
        choice=choice,
        stored_cloud=stored_cloud_name(cli_ctx),
        again=again,
        notify=partial(_raise_event, cli_ctx),
    )
    return session


# The events that this thread is raising: a listener may cause the same event again, and then without end.
_raising: ContextVar[tuple[str, ...]] = ContextVar("_raising", default=())


def _raise_event(cli_ctx: Any, event: Event) -> None:
    """Tell the listeners of other extensions what happened. One that fails is a warning."""
    if event.name in _raising.get():
        return
    before = _raising.set((*_raising.get(), event.name))
    try:
        cli_ctx.raise_event(event.name, payload=event)
    except BaseException as error:
        # What another extension does must not break ours. Ctrl-C is what the user does.
        if isinstance(error, KeyboardInterrupt):
            raise
        logger.warning(
            "A listener of another extension to %s failed. The command continues. %s: %s",
            event.name, type(error).__name__, _said(error),
        )  # fmt: skip
        logger.debug("The failure of the listener:", exc_info=error)
    finally:
        _raising.reset(before)


def _said(error: BaseException) -> str:
    """Return the first line of the message of a foreign error, which may have none."""
    try:
        return printable(first_line(error))
    except Exception:  # noqa: BLE001  # as above
        return "(it has no message)"
