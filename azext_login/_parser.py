"""Adjusts the host's argument parser: no notice about overriding, abbreviations that keep their meaning, one hint."""

from __future__ import annotations

import argparse
from typing import Any

from azext_login.cli.collector import resume, skip_at_exit
from azext_login.cli.verbatim_words import MISSING_COMMAND, MISSING_SEPARATOR, RUN, SERVE, verbatim_command
from azext_login.host import remember_query


def register_parser_hooks(loader: Any) -> None:
    """Adjust the parsers of this extension's commands once the host has built them.

    The host raises the event only when one of our top-level words is invoked, so other commands are not affected.
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
                _keep_out_of_abbreviations(command_parser, name)
                _explain_values_with_a_dash(command_parser)
                if name == RUN:
                    _demand_command(command_parser, loader.cli_ctx)
                if name == SERVE:
                    _demand_separator(command_parser, loader.cli_ctx)
                remember_query(loader.cli_ctx, command_parser)

    loader.cli_ctx.register_event(EVENT_INVOKER_CMD_TBL_LOADED, adjust)


def _silence_override_notice(command: Any) -> None:
    """Stop "The behavior of this command has been altered" on every call.

    Users who install the extension want that. `-h` still names the extension: it prints the command's source whether
    or not that overrides another command.
    """
    command.command_source.overrides_command = False


def _keep_out_of_abbreviations(parser: argparse.ArgumentParser, command: str) -> None:
    """Let argparse abbreviate only the options that the host's own command has.

    argparse accepts every unique prefix of a long option. A new option would make some prefixes ambiguous that
    scripts use today, and would make new prefixes work that a later host may need. `_get_option_tuples` is where
    argparse collects the candidates for a prefix; exact option strings never get there. It is not public, so a Python
    without it keeps the standard behaviour.
    """
    collect = getattr(parser, "_get_option_tuples", None)
    if collect is None:
        return

    def without_added(option_string: str) -> list[Any]:
        from azext_login._params import added_options

        added = added_options(command)
        # The action is the first element in every supported Python; the length differs (3.12 added one).
        return [candidate for candidate in collect(option_string) if candidate[0].dest not in added]

    setattr(parser, "_get_option_tuples", without_added)  # noqa: B010  # not an attribute that type checkers know


def _explain_values_with_a_dash(parser: argparse.ArgumentParser) -> None:
    """Add a hint to the usage error about an option whose value begins with "-".

    argparse takes such a word for an option, and reports that the option before it has no value. The hint names the
    option alone: the word may be a secret.
    """
    words: list[str] = []

    def remember(args: Any = None, namespace: Any = None) -> Any:
        words[:] = args or ()
        return type(parser).parse_known_args(parser, args, namespace)

    def error(message: str) -> None:
        option = _option_before_a_dash(parser, message, words)
        hint = f". If the value begins with '-', write {option}=VALUE." if option else ""
        # Of the class at this moment, which a program that only asks the parser may have replaced.
        type(parser).error(parser, message + hint)

    setattr(parser, "parse_known_args", remember)  # noqa: B010  # a method, to type checkers
    setattr(parser, "error", error)  # noqa: B010


def _demand_command(parser: argparse.ArgumentParser, cli_ctx: Any) -> None:
    """Explain `--` where it is missing: argparse would only report that it does not know the words of the command."""
    parse = parser.parse_known_args

    def check(args: Any = None, namespace: Any = None) -> Any:
        is_help = any(word in ("-h", "--help") for word in args or ())
        if verbatim_command(cli_ctx) is None and not (is_help or cli_ctx.data.get("completer_active")):
            parser.validation_error(MISSING_COMMAND)  # type: ignore[attr-defined]  # of the host
        return parse(args, namespace)

    setattr(parser, "parse_known_args", check)  # noqa: B010  # a method, to type checkers


def _demand_separator(parser: argparse.ArgumentParser, cli_ctx: Any) -> None:
    """Explain `--` where the first word that is not known is not an option, but probably that of a command."""
    parse = parser.parse_known_args

    def check(args: Any = None, namespace: Any = None) -> Any:
        found, unknown = parse(args, namespace)
        if unknown and not unknown[0].startswith("-") and not cli_ctx.data.get("completer_active"):
            parser.validation_error(MISSING_SEPARATOR)  # type: ignore[attr-defined]  # of the host
        return found, unknown

    setattr(parser, "parse_known_args", check)  # noqa: B010  # a method, to type checkers


def _option_before_a_dash(parser: argparse.ArgumentParser, message: str, words: list[str]) -> str | None:
    """Return the long spelling of the option that a message reports without a value, if a word with "-" follows it."""
    for action in parser._actions:
        spellings = action.option_strings
        start = f"argument {'/'.join(spellings)}: expected "
        if spellings and message in (f"{start}one argument", f"{start}at least one argument"):
            # argparse accepts the beginning of a long spelling too.
            given = (
                word in spellings or (len(word) > 2 and any(long.startswith(word) for long in spellings))
                for word in words
            )
            if any(is_option and after.startswith("-") for is_option, after in zip(given, words[1:], strict=False)):
                return next((long for long in spellings if long.startswith("--")), spellings[0])
    return None
