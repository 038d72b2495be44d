"""Which commands the extension provides, and which function serves each."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from typing import Any

# Command -> module of `azext_login.cli` and function in it. A module is imported when one of its commands runs.
HANDLERS = {
    "login": ("login", "login"),
    "logout": ("accounts", "logout"),
    "account list": ("accounts", "list_accounts"),
    "account set": ("accounts", "set_account"),
    "account show": ("accounts", "show_account"),
    "account clear": ("accounts", "clear_accounts"),
    "account get-access-token": ("tokens", "get_access_token"),
    "account export-token": ("tokens", "export_token"),
    "account token-helper install": ("token_helper", "install_helper"),
    "account token-helper uninstall": ("token_helper", "uninstall_helper"),
    "account token-helper status": ("token_helper", "list_helpers"),
    "account serve-tokens": ("serve_tokens", "serve_tokens"),
    "account renew": ("renew", "renew_account"),
    "account status": ("status", "show_status"),
    "account context list": ("contexts", "list_contexts"),
    "account context show": ("contexts", "show_context"),
    "account context create": ("contexts", "create_context"),
    "account context update": ("contexts", "update_context"),
    "account context rename": ("contexts", "rename_context"),
    "account context delete": ("contexts", "delete_context"),
    "account context use": ("contexts", "use_context"),
    "account context allow": ("contexts", "allow_directory"),
    "account context pin": ("contexts", "pin_directory"),
    "account context run": ("run_command", "run_in_context"),
    "account context hook": ("shell_hook", "print_hook"),
}

# Of each command that asks for confirmation on a terminal, and has --yes: the question, and the function that fails if
# there is nothing to ask about.
_QUESTIONS = {"account context delete": ("Delete the context '{name}'?", ("contexts", "check_exists"))}


def declare_commands(loader: Any, args: list[str] | None) -> None:
    """Fill `loader.command_table` with the commands of this extension, and prepare the process for one of them.

    :param args: the words of the command, before the host writes them to its log. May be changed in place.
    """
    from azure.cli.core.commands import CliCommandType

    from azext_login import _help  # noqa: F401  # importing it registers the help texts
    from azext_login._format import TABLES
    from azext_login._parser import register_parser_hooks
    from azext_login.cli.collector import pause
    from azext_login.cli.results import register_result_hook
    from azext_login.cli.secret_words import prepare_secrets
    from azext_login.cli.verbatim_words import take_verbatim_command
    from azext_login.host_index import OWN_WORDS

    pause(loader.cli_ctx)
    if sys.stderr is None and args and args[0].lower() in OWN_WORDS:
        # Closed (`2>&-`). The host would print its advice on standard output, which is for results.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the rest of the process
    if args:
        prepare_secrets(args, sys.argv[1:])
        take_verbatim_command(loader.cli_ctx, args, sys.argv[1:])
    register_parser_hooks(loader)
    register_result_hook(loader.cli_ctx)
    for command, (module, function) in HANDLERS.items():
        group_name, _, verb = command.rpartition(" ")
        handlers = CliCommandType(operations_tmpl=f"azext_login.cli.{module}#{{}}")
        with loader.command_group(group_name, handlers) as group:
            # `show_command` exits with 3 for what is not found.
            declare = group.show_command if verb == "show" else group.command
            settings: dict[str, Any] = {"table_transformer": TABLES[command]} if command in TABLES else {}
            if command in _QUESTIONS:
                settings["confirmation"] = partial(_confirm, loader.cli_ctx, *_QUESTIONS[command])
            declare(verb, function, **settings)


def _confirm(cli_ctx: Any, question: str, check: tuple[str, str], arguments: dict[str, Any]) -> bool:
    """Ask, and tell whether the user agrees. The host calls it with the arguments, unless --yes is among them."""
    from knack.prompting import NoTTYException, prompt_y_n

    from azext_login.system.log import get_logger
    from azext_login.system.text import printable, shorten

    module, function = check
    getattr(import_module(f"azext_login.cli.{module}"), function)(cli_ctx, arguments["name"])
    try:
        return bool(prompt_y_n(question.format(name=shorten(printable(arguments["name"]), 64))))
    except NoTTYException:
        get_logger(__name__).warning("There is no terminal to ask for confirmation. To confirm, use --yes.")
        return False


def handler_of(command: str) -> Any:
    """Return the function that serves a command of this extension."""
    module, function = HANDLERS[command]
    return getattr(import_module(f"azext_login.cli.{module}"), function)
