"""Reads the words of `az-token`, by the declarations of the options of `az account export-token`.

It reads plain spellings alone. What argparse and the host make of other words is for `az`: abbreviations, options of
every command such as --query, values from files, repeated options, and every mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any

from azext_login.az_token.hand_over import JSON, NotAnsweredError
from azext_login.cli.option_values import parse_duration
from azext_login.cli.options import Option, options_of
from azext_login.cli.token_options import ExportOptions, TokenOptions

_SEVERAL_VALUES = ("*", "+")


def parse(words: Sequence[str]) -> TokenOptions:
    """Return the options of `az account export-token`; without a format, those of `az account get-access-token`.

    :raises NotAnsweredError: only `az` can tell what the words mean.
    """
    given = dict(_given(words))
    record: type[TokenOptions] = ExportOptions
    if given.get("token_format") == [JSON]:
        record = TokenOptions
        del given["token_format"]
    options = options_of(record)
    values = {name: _value(options[name], texts) for name, texts in given.items() if name in options}
    if len(values) < len(given):
        raise NotAnsweredError("an option of another command")
    if any(field.default is MISSING and field.name not in values for field in fields(record)):
        raise NotAnsweredError("an option is missing")
    return record(**values)


def _given(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the options by the names of their fields, each with its values as texts."""
    options = options_of(ExportOptions)
    switches = {field.name for field in fields(ExportOptions) if field.default is False}
    by_spelling = {spelling: name for name, option in options.items() for spelling in option.strings}
    seen: set[str] = set()
    left = list(reversed(words))
    while left:
        spelling, is_joined, value = left.pop().partition("=")
        name = by_spelling.get(spelling, "")
        if not name or name in seen or (is_joined and not spelling.startswith("--")):
            raise NotAnsweredError("a word that is not an option, or a repeated option")
        seen.add(name)
        values = [value] if is_joined else []
        most = 0 if name in switches else len(words) if options[name].nargs in _SEVERAL_VALUES else 1
        while not is_joined and left and len(values) < most and not left[-1].startswith("-"):
            values.append(left.pop())
        if len(values) > most or (most and not values) or not all(map(_is_plain, values)):
            raise NotAnsweredError("a value that is missing or not plain")
        yield name, values


def _is_plain(text: str) -> bool:
    """Tell whether a value is what it looks like. The host reads files that values name, and refuses empty values."""
    return bool(text.strip()) and text[0].isascii() and text[0] not in "-@" and "=@" not in text


def _value(option: Option, texts: list[str]) -> Any:
    if not texts:
        return True
    if option.choices is not None and not set(texts) <= set(option.choices):
        raise NotAnsweredError("a value that is not a choice")
    if option.validator == "validate_min_validity":
        return parse_duration(option.name, texts[0])
    values = texts if option.type is None else [option.type(text) for text in texts]
    return values if option.nargs in _SEVERAL_VALUES else values[0]
