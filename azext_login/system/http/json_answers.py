"""JSON from services: values that strict JSON does not have are not read, and long lists are read item by item."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

ITEM_LIMIT = 1 << 20
"""Characters of one item of a list, and of any other member beside the list."""

# Digits. Python converts long numbers in quadratic time, and no member that we read is longer.
_LONGEST_INTEGER = 20

# A pattern that always matches.
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = "0123456789+-.eE"


def _integer(text: str) -> int | None:
    return int(text) if len(text) <= _LONGEST_INTEGER else None


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _constant(text: str) -> None:
    """Return None for NaN and Infinity, which are not JSON (RFC 8259 section 6)."""


# A number that cannot be used is null, so it is never written where another program reads it.
_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_constant)


def parse_json(content: bytes | str) -> Any:
    """Return a value, with None in place of numbers that strict JSON does not have or that are too long.

    :raises ValueError: it is not JSON, or nested too deeply.
    """
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content))
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def object_in(content: bytes | str) -> Mapping[str, Any]:
    """Return the JSON object that some content is; an empty one for any other content."""
    try:
        value = parse_json(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def without_surrogates(text: str) -> str:
    """Return text that can be encoded: JSON can contain one half of a surrogate pair, which becomes U+FFFD."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def read_list(
    pieces: Iterable[bytes], member: str, keep: Callable[[Any], None], *, others: Iterable[str] = ()
) -> dict[str, Any]:
    """Read a JSON object with a long list, of which only one item is in memory at a time.

    :param pieces: the body in UTF-8.
    :param member: the name of the list.
    :param keep: called with each item of the list.
    :param others: names of further members to return.
    :return: the further members, and an empty list for `member` if it was a list. Its value if not.
    :raises ValueError: it is not a JSON object, it is not complete, it has two lists, or an item is too long.
    """
    found: dict[str, Any] = {}
    try:
        reader = _Reader(pieces)
        reader.expect("{")
        if reader.skip("}"):
            return reader.end(found)
        while True:
            name = reader.value()
            if not isinstance(name, str):
                raise ValueError("a name is missing")
            reader.expect(":")
            if name == member and reader.skip("["):
                if isinstance(found.get(member), list):
                    raise ValueError("the list occurs twice")
                found[member] = []
                for item in reader.items():
                    keep(item)
            else:
                value = reader.value()
                if name == member or name in others:
                    found[name] = value
            if reader.skip("}"):
                return reader.end(found)
            reader.expect(",")
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


class _Reader:
    """The text of an object, of which no more is in memory than one item needs."""

    def __init__(self, pieces: Iterable[bytes]):
        self._pieces = iter(pieces)
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0

    def expect(self, sign: str) -> None:
        if not self.skip(sign):
            raise ValueError(f"'{sign}' is missing")

    def skip(self, sign: str) -> bool:
        """Move past `sign` if it comes next."""
        if self._next() != sign:
            return False
        self._at += 1
        return True

    def end(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return `found` if nothing follows."""
        if self._next():
            raise ValueError("something follows the object")
        return found

    def items(self) -> Iterator[Any]:
        """Yield the items of a list whose `[` was read."""
        if self.skip("]"):
            return
        while True:
            yield self.value()
            if self.skip("]"):
                return
            self.expect(",")

    def value(self) -> Any:
        """Return the next value."""
        self._next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                if not self._more():
                    raise
                continue
            # A number at the end of the text may continue.
            if self._text[end : end + 1] not in _NUMBER or not self._more():
                self._at = end
                return value

    def _next(self) -> str:
        """Return the next character that is not white space; "" at the end."""
        while True:
            space = _WHITE_SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Add at least as much text as there is, so that a long item is not parsed again for each piece."""
        rest = self._text[self._at :]
        if len(rest) > ITEM_LIMIT:
            raise ValueError("an item is too long")
        parts, length = [rest], 0
        for piece in self._pieces:
            parts.append(self._decode.decode(piece))
            length += len(parts[-1])
            if length > len(rest):
                break
        if not length:
            parts.append(self._decode.decode(b"", final=True))
        self._text, self._at = "".join(parts), 0
        return bool(length)
