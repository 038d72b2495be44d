"""Ask azure-cli's own parser, inside the host's Python, what it makes of options and their abbreviations.

A program of its own, because only the host's Python can import azure-cli. It reads a question as JSON from standard
input and writes the answer to standard output; `ask` in `options.py` is the other end.

- `{"ask": "options", "commands": [...], "prefixes": {command: [...]}}`: every option of the commands, and what each
  prefix stands for. Without prefixes: all prefixes of all options that the parser has.
- `{"ask": "values", "lines": [[...]]}`: what each option of these command lines becomes, or why one is refused.
- `{"ask": "facts", "words": [...], "used": [...], "settings": [...], "packages": [...]}`: commands and options that
  begin with these words, signatures of functions (`module:name`), settings that these modules read, versions.
- `{"ask": "tomorrow", "lines": [[...]]}`: runs command lines on a host that has one more option, and tells whether they
  reached the host's own handler, and with what.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
import itertools
import json
import re
import sys
from typing import Any

#: Names that parsing leaves behind, apart from options.
_NOT_OPTIONS = frozenset(("_cmd", "_command_package", "_parser", "_subscription_spellings", "cmd", "command", "func"))
#: Accepted by every option that takes a text or a number.
_VALUE = "1"


class _Stop(BaseException):
    """Ends an invocation when the parser is complete."""


class _Refused(Exception):  # noqa: N818  # what argparse calls an error is an answer here
    """The parser's word for why it refuses."""


def parser_of(command: str) -> Any:
    """Return the host's parser as it is when it is about to parse `command`."""
    from azure.cli.core import get_default_cli
    from knack.events import EVENT_INVOKER_PRE_PARSE_ARGS

    cli = get_default_cli()
    found: list[Any] = []

    def stop(*_: object, **__: object) -> None:
        found.append(cli.invocation.parser)
        raise _Stop

    cli.register_event(EVENT_INVOKER_PRE_PARSE_ARGS, stop)
    with contextlib.suppress(_Stop):
        cli.invoke(command.split(), out_file=io.StringIO())
    return found[0]


def refuse(self: Any, message: str) -> None:
    """Stand in for `error` of the parser, which would print and exit."""
    raise _Refused(message)


def check_value(self: Any, action: Any, value: Any) -> None:
    """Stand in for `_check_value` of the parser, which would look for help on what was meant."""
    if action.choices is not None and value not in action.choices:
        raise _Refused(f"{action.dest}: no such choice")


def outcome(parser: Any, command: str, words: list[str]) -> str:
    """Return what the parser makes of `words`: what they set, or why it refuses."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            plain = vars(parser.parse_args(command.split() + required(parser, command, words)))
            found = vars(parser.parse_args(command.split() + required(parser, command, words) + words))
    except _Refused as refusal:
        return f"refused: {refusal}"
    except SystemExit as ending:
        return f"ends with {ending.code}"
    changed = {
        name: repr(value)
        for name, value in found.items()
        if name not in _NOT_OPTIONS and repr(plain.get(name)) != repr(value)
    }
    return f"sets {json.dumps(changed, sort_keys=True)}"


def required(parser: Any, command: str, words: list[str]) -> list[str]:
    """Return the words that the command cannot do without."""
    return ["-n", "needed"] if command == "account set" else []


def options(question: dict[str, Any]) -> dict[str, Any]:
    """Answer the question about options."""
    from azure.cli.core.parser import AzCliCommandParser

    answer: dict[str, Any] = {}
    for command in question["commands"]:
        parser = parser_of(command)
        AzCliCommandParser.error = refuse
        AzCliCommandParser._check_value = check_value
        # Help is the one action that ends the process; what it prints is compared elsewhere.
        AzCliCommandParser.format_help = lambda self: None
        actions = parser.subparser_map[command]._actions
        strings = [string for action in actions for string in action.option_strings]
        prefixes = question.get("prefixes", {}).get(command) or sorted(
            {string[:length] for string in strings if string.startswith("--") for length in range(3, len(string) + 1)}
            | {string for string in strings if not string.startswith("--")}
        )
        answer[command] = {
            "options": {
                string: {"dest": action.dest, "nargs": action.nargs, "choices": _listed(action.choices)}
                for action in actions
                for string in action.option_strings
            },
            "prefixes": {
                prefix: [
                    outcome(parser, command, words) for words in ([prefix, _VALUE], [prefix], [f"{prefix}={_VALUE}"])
                ]
                for prefix in prefixes
            },
        }
    return answer


def values(question: dict[str, Any]) -> list[dict[str, str] | str]:
    """Answer the question about the values of options. The validators of options do not run."""
    from azure.cli.core.parser import AzCliCommandParser

    parsers: dict[str, Any] = {}
    answers: list[dict[str, str] | str] = []
    for line in question["lines"]:
        command = " ".join(itertools.takewhile(lambda word: not word.startswith("-"), line))
        parser = parsers[command] = parsers.get(command) or parser_of(command)
        AzCliCommandParser.error = refuse
        AzCliCommandParser._check_value = check_value
        try:
            found = vars(parser.parse_args(line))
        except _Refused as refusal:
            answers.append(str(refusal))
            continue
        answers.append({name: _shown(value) for name, value in found.items() if name not in _NOT_OPTIONS})
    return answers


def _shown(value: Any) -> str:
    """Return what identifies a value. A compiled query has no other form than its text."""
    return repr(getattr(value, "expression", value))


def _listed(choices: Any) -> list[str] | None:
    return None if choices is None else sorted(str(choice) for choice in choices)


def facts(question: dict[str, Any]) -> dict[str, str]:
    """Answer the question about facts: name -> what it is."""
    from importlib.metadata import version

    found = {f"package {name}": version(name) for name in question["packages"]}
    for word in question["words"]:
        parser = parser_of(word)
        for command, command_parser in parser.subparser_map.items():
            if command.split()[0] != word:
                continue
            found[f"az {command}"] = "a command"
            for action in command_parser._actions:
                for string in action.option_strings:
                    found[f"az {command} {string}"] = f"{action.dest}, choices: {_listed(action.choices)}"
    for name in question["used"]:
        module, _, path = name.partition(":")
        with contextlib.suppress(ImportError, AttributeError):
            used: Any = functools.reduce(getattr, path.split("."), importlib.import_module(module))
            found[f"function {name}"] = str(inspect.signature(used))
    for name in question["settings"]:
        with contextlib.suppress(ImportError):
            source = inspect.getsource(importlib.import_module(name))
            for setting in re.findall(r"""\(\s*['"]core['"],\s*['"](\w+)['"]""", source):
                found[f"setting core.{setting}"] = "a setting"
    return found


def tomorrow(question: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer the question about a host that has the option --new-host-option of `az login`."""
    from azure.cli.command_modules import profile
    from azure.cli.command_modules.profile import custom

    calls: list[dict[str, Any]] = []
    today = inspect.signature(custom.login)
    added = inspect.Parameter("new_host_option", inspect.Parameter.KEYWORD_ONLY, default=None)

    @functools.wraps(custom.login)
    def login(cmd: Any, **arguments: Any) -> list[Any]:
        calls.append({name: value for name, value in arguments.items() if value})
        return []

    login.__signature__ = inspect.Signature([*today.parameters.values(), added])  # type: ignore[attr-defined]
    custom.login = login
    load_today = profile.ProfileCommandsLoader.load_arguments

    def load_arguments(self: Any, command: str) -> None:
        load_today(self, command)
        with self.argument_context("login") as context:
            context.argument("new_host_option", options_list=["--new-host-option"], help="Tomorrow's.")

    profile.ProfileCommandsLoader.load_arguments = load_arguments

    from azure.cli.core import get_default_cli

    answers = []
    for line in question["lines"]:
        calls.clear()
        try:
            exit_code = get_default_cli().invoke(line, out_file=io.StringIO())
        except SystemExit as ending:
            exit_code = ending.code
        answers.append({"exit_code": exit_code, "host_calls": list(calls)})
    return answers


def main() -> None:
    """Read the question, write the answer. Nothing else may get onto standard output."""
    question = json.load(sys.stdin)
    answer = {"facts": facts, "options": options, "tomorrow": tomorrow, "values": values}[question["ask"]](question)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
