"""Adjustments to the host's argument parser: no override notice, abbreviations that stay the host's, secrets that start
with a dash."""

from __future__ import annotations

import argparse
from typing import Any

from azext_login._params import ADDED_OPTIONS
from azext_login.cli.collector import resume, skip_at_exit
from azext_login.host import host_parameters


def register_parser_hooks(loader: Any) -> None:
    """Adjust the parsers of this extension's commands once the host has built them.

    The host raises the event only when one of our top-level words is invoked, so nothing of this
    touches other commands.
    """
    from knack.events import EVENT_INVOKER_CMD_TBL_LOADED

    def adjust(_: Any, cmd_tbl: dict[str, Any], parser: Any, **__: Any) -> None:
        ours = {name: command for name, command in cmd_tbl.items() if command.loader is loader}
        if ours:
            skip_at_exit()
        else:
            resume()
        for name, command in ours.items():
            _silence_override_notice(command)
            command_parser = parser.subparser_map.get(name)
            if command_parser is not None:
                _keep_out_of_abbreviations(command_parser, added_options(name))

    loader.cli_ctx.register_event(EVENT_INVOKER_CMD_TBL_LOADED, adjust)


def added_options(command: str) -> frozenset[str]:
    """Return the destinations of the options that this extension adds to the host's `command`.

    Newer hosts have some of them. The host's own global options are in every command's arguments, so they cannot be
    found by comparing those with the handler's parameters.
    """
    added = ADDED_OPTIONS.get(command)
    return added - host_parameters(command) if added else frozenset()


def _silence_override_notice(command: Any) -> None:
    """Stop "The behavior of this command has been altered" on every call.

    Whoever installed the extension asked for that. `-h` still names the extension: it prints the
    command's source whether or not it overrides another command.
    """
    command.command_source.overrides_command = False


def _keep_out_of_abbreviations(parser: argparse.ArgumentParser, added: frozenset[str]) -> None:
    """Let argparse abbreviate only the options that the host's own command has.

    argparse accepts every unique prefix of a long option. A new option would make some prefixes
    ambiguous that scripts use today, and would make new prefixes work that a later host may need.
    `_get_option_tuples` is where argparse collects the candidates for a prefix; exact option strings
    never get there. It is not public, so a Python without it simply keeps the standard behaviour.
    """
    collect = getattr(parser, "_get_option_tuples", None)
    if collect is None or not added:
        return

    def without_added(option_string: str) -> list[Any]:
        # The action is the first element in every supported Python; the length differs (3.12 added one).
        return [candidate for candidate in collect(option_string) if candidate[0].dest not in added]

    setattr(parser, "_get_option_tuples", without_added)  # noqa: B010  # not an attribute that type checkers know
