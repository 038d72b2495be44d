"""Registers the hooks with the host's events.

Every hook fails open: whatever happens in it, the command runs as it would without this extension. There is one
exception: a command does not use another account than the one that this process chose.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from azext_login.host_index import OFF, OWN_MODULE, every_command_setting

# After it, a user relies on the hooks. `az account renew` reports what stands in their way itself.
_SIGN_IN = "login"


def register_hooks(loader: Any) -> None:
    """Register what happens before a command of others runs, with its result, and after one that has loaded all of us.

    :param loader: our loader. It has no commands if the host has loaded it for the hooks only.
    """
    from knack.events import (
        EVENT_CLI_POST_EXECUTE,
        EVENT_INVOKER_CMD_TBL_LOADED,
        EVENT_INVOKER_PRE_PARSE_ARGS,
        EVENT_INVOKER_TRANSFORM_RESULT,
    )

    # Completion of a word ends the process before anything is parsed.
    is_completion = bool(loader.cli_ctx.data.get("completer_active"))
    hooks = (
        (EVENT_INVOKER_CMD_TBL_LOADED if is_completion else EVENT_INVOKER_PRE_PARSE_ARGS, _prepare_command),
        (EVENT_INVOKER_TRANSFORM_RESULT, _prepare_table),
        (EVENT_CLI_POST_EXECUTE, _update_index),
    )
    # A program may run several commands with one context.
    for event, hook in hooks:
        loader.cli_ctx.unregister_event(event, hook)
        if event != EVENT_CLI_POST_EXECUTE or loader.command_table:
            loader.cli_ctx.register_event(event, hook)


def _prepare_command(cli_ctx: Any, *, args: list[str] | None = None, **_: Any) -> None:
    """Give a command that is not ours the right subscriptions and credentials, when it asks for them.

    That begins with the parser, which looks up the subscription of --subscription.

    :param args: the list that the host parses next; None for the completion of a word.
    """
    try:
        name = cli_ctx.invocation.data.get("command_string")
        command = cli_ctx.invocation.commands_loader.command_table.get(name)
        is_ours = command is None or type(command.loader).__module__ == OWN_MODULE
        from azure.cli.core._session import ACCOUNT

        from azext_login.host_cloud import use_cloud

        # An earlier command of this process may have seen something else.
        use_cloud(cli_ctx, None)
        if is_ours or every_command_setting(cli_ctx) == OFF:
            ACCOUNT.__class__ = getattr(type(ACCOUNT), "stored_class", type(ACCOUNT))
            return
        from azext_login.cli.process_choice import choice_of_process, has_chooser
        from azext_login.hooks.account_view import show
        from azext_login.hooks.credentials import is_needed_early, serve

        choice, failure = None, None
        try:
            choice = choice_of_process(cli_ctx, ACCOUNT.data) if has_chooser(cli_ctx) else None
        except Exception as error:  # noqa: BLE001  # reported when the command asks for an account
            failure = error
        show(
            ACCOUNT,
            cli_ctx,
            choice,
            command=name,
            subscription=_subscription_in(args or ()),
            on_read=serve,
            failure=failure,
        )
        if choice is not None and choice.cloud is not None and not _is_about_stored_cloud(name):
            # After `show`: if this fails, the choice is still known, and the command does not use another account.
            use_cloud(cli_ctx, choice.cloud)
            _name_cloud(args or [], name, cli_ctx.cloud.name)
        if is_needed_early(ACCOUNT.data):
            serve()
    except Exception as error:  # noqa: BLE001  # fails open
        _logger().debug("The command runs without the hooks of this extension: %r", error)


def _is_about_stored_cloud(command: str) -> bool:
    """Tell whether a command changes the clouds. `az cloud show` and `az cloud list` tell what this process uses."""
    words = command.split()
    return words[:1] == ["cloud"] and words[1:] not in (["show"], ["list"])


def _name_cloud(args: list[str], command: str, cloud: str) -> None:
    """Let `az cloud show` show the cloud of this process. The host chose the stored one before any hook ran."""
    if command == "cloud show" and not any(word.startswith(("-n", "--n")) for word in args):
        args += ["--name", cloud]


def _subscription_in(args: Sequence[str]) -> str | None:
    """Return the value of --subscription, which may be abbreviated, among the words of a command."""
    found = None
    for index, word in enumerate(args):
        option, equals, value = word.partition("=")
        if option.startswith("--sub") and "--subscription".startswith(option):
            found = value if equals else "".join(args[index + 1 : index + 2])
    return found


def _prepare_table(cli_ctx: Any, **_: Any) -> None:
    """Keep the columns of every table where they are without us: the host finds our dependencies when it loads us."""
    try:
        if cli_ctx.invocation.data.get("output") == "table":
            from azext_login.hooks.table_columns import count_columns_as_built_in

            count_columns_as_built_in()
    except Exception as error:  # noqa: BLE001  # fails open
        _logger().debug("The columns of the table may be wider: %r", error)


def _update_index(cli_ctx: Any, **_: Any) -> None:
    """Let the host load us for every command from now on, or no longer."""
    try:
        from azext_login.usecases.every_command import update_index

        update_index(cli_ctx)
    except Exception as error:  # noqa: BLE001  # fails open
        level = logging.WARNING if cli_ctx.data.get("command") == _SIGN_IN else logging.INFO
        _logger().log(level, "Commands other than `az login` and `az account` run without this extension: %s", error)


def _logger() -> logging.Logger:
    # Loaded only if something has failed: these lines are part of the time of every command.
    from azext_login.system.log import get_logger

    return get_logger(__name__)
