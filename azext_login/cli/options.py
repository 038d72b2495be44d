"""Declaring the options of a command once: the field of a record, the handler's parameter, the argument and its help.

A record is a frozen dataclass whose fields are made by `option`. `serves` derives the handler's signature from it, from
which the host builds the command line, and `azext_login._params` registers the arguments. Where the host's own command
has an option too, its spellings and the shape of its value stay the host's.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

from azext_login.host import call_host, host_signature
from azext_login.host_errors import AzCLIError
from azext_login.system.text import visible

_KEY = "option"


class Option(NamedTuple):
    """How a field stands on the command line. None leaves the decision to the host's registration, if there is one."""

    strings: tuple[str, ...]
    """Spellings. The first is the one that messages name."""
    help: str | None = None
    group: str | None = None
    """Heading in the help; `-h` adds the word "Arguments". The host's group of the option, if any, takes precedence."""
    validator: str | None = None
    """Name of a function in `azext_login._validators`. By name, because this package does not import the front door."""
    completer: str | None = None
    """Name of a function in `azext_login._completers`."""
    choices: Sequence[str] | None = None
    nargs: str | None = None
    type: Callable[[str], Any] | None = None
    """Converts the text. An `argparse.ArgumentTypeError` becomes a usage error (exit code 2)."""
    action: str | None = None
    """Name of an action of argparse, or of one in `azext_login._validators`. A field whose default is False needs none:
    the option takes no value."""
    when_empty: str | None = None
    """Name of a rule in `azext_login.cli.empty_values.RULES`, for an option of the host that the built-in command
    accepts without a value. Without a rule, an empty value is refused."""
    is_required: Callable[[], bool] | None = None
    """Tells whether the option has to be given, where that depends on the terminal."""

    @property
    def name(self) -> str:
        """The spelling that messages use."""
        return self.strings[0]


def option(*strings: str, default: Any = None, is_secret: bool = False, **settings: Any) -> Any:
    """Return a field of a record of options.

    :param strings: spellings, the one that messages use first.
    :param default: `dataclasses.MISSING` for an option that has to be given.
    :param is_secret: the value is kept out of the record's representation.
    :param settings: further fields of `Option`.
    """
    return dataclasses.field(default=default, repr=not is_secret, metadata={_KEY: Option(strings, **settings)})


def options_of(record: type) -> dict[str, Option]:
    """Return the options of a record by the names of its fields."""
    return {field.name: field.metadata[_KEY] for field in dataclasses.fields(record)}


def secret_options(record: type) -> tuple[str, ...]:
    """Return the options whose values are secrets."""
    return tuple(field.metadata[_KEY].name for field in dataclasses.fields(record) if not field.repr)


def given_options(record: Any, names: Sequence[str]) -> list[str]:
    """Return those of the named fields that have a value, by the names that messages use for their options."""
    options = options_of(type(record))
    return [options[name].name for name in names if getattr(record, name)]


def is_blank(value: Any) -> bool:
    """Tell whether the value of an option has no content, as from a variable that is not set.

    :param value: a text, or several, of which one is enough. Other values are not blank.
    """
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, (list, tuple)) and any(isinstance(word, str) and not word.strip() for word in value)


def serves(
    command: str, record: type | None = None, *, offer_sign_in: Callable[[Any, Any, AzCLIError], bool] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the handler of a command, which then gets its options as a record.

    The decorated function shows the host one parameter for each field, and those of the host's own handler that the
    record does not have. A call that uses one of those goes to the host's handler with everything that was given.

    :param record: the class of the record; None for a handler without options.
    :param offer_sign_in: called if the handler fails and a sign-in of the user helps. Receives the host's command, the
        record and the error, and tells whether the user has signed in; then the handler runs again, once. None for a
        command that does not offer it.
    """
    options = options_of(record) if record is not None else {}
    hosts = {name: parameter for name, parameter in host_signature(command).items() if name != "cmd"}
    unknown = {name: parameter for name, parameter in hosts.items() if name not in options}

    def decorate(handler: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(handler)
        def dispatch(cmd: Any, **arguments: Any) -> Any:
            if any(arguments.get(name, p.default) != p.default for name, p in unknown.items()):
                return call_host(command, cmd, arguments, {name: each.name for name, each in options.items()})
            if record is None:
                return _run(handler, cmd)
            given = record(**{name: value for name, value in arguments.items() if name in options})
            empty = [name for name in options if is_blank(getattr(given, name))]
            if empty:
                from azext_login.cli.empty_values import check_values

                rules = {name: options[name].when_empty if name in hosts else None for name in empty}
                given = check_values(given, rules, {name: options[name].name for name in empty})
            try:
                return _run(handler, cmd, given)
            except AzCLIError as error:
                if offer_sign_in is None or getattr(error, "login", None) is None:
                    raise
                if not offer_sign_in(cmd, given, error):
                    raise
            # Outside the block, so that a second failure is not reported as one that happened during the first.
            return _run(handler, cmd, given)

        ours = {field.name: _default(field) for field in dataclasses.fields(record)} if record is not None else {}
        # The parser lists the options in this order when an abbreviation is ambiguous: the host's first, in its order.
        defaults = {**{name: parameter.default for name, parameter in hosts.items()}, **ours}
        dispatch.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("cmd", inspect.Parameter.POSITIONAL_OR_KEYWORD),
                *(_parameter(name, default) for name, default in defaults.items()),
            ]
        )
        dispatch.options = options  # type: ignore[attr-defined]
        return dispatch

    return decorate


def _run(handler: Callable[..., Any], *arguments: Any) -> Any:
    """Run a handler. Errors quote names and answers from outside, of which a terminal is to obey nothing."""
    try:
        return handler(*arguments)
    except AzCLIError as error:
        error.error_msg = visible(str(error.error_msg))
        error.recommendations = [visible(str(advice)) for advice in error.recommendations]
        raise


def _default(field: dataclasses.Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default


def _parameter(name: str, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
