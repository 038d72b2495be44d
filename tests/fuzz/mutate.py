"""Damages valid samples of what comes from outside: by structure, as JSON or text, and by byte."""

from __future__ import annotations

import base64
import codecs
import copy
import json
import random
from collections.abc import Mapping
from typing import Any


class Raw(str):
    """Text that is written into JSON as it is: numbers that Python has no value for, repeated keys, deep nesting."""


_DEEP = 3000  # levels; Python's parser recurses for each
_LONG = 200_000  # characters

_TEXTS = (
    "", " ", "\0", "\n", "a\x1b]0;title\x07b", "a\x1b[2Jb", "\u202eb", "\u2028", "\ud800", "\udfff x", "\ufeff",
    "\U0010ffff", "İ", "ß", "null", "NaN", "-1", "1e999", "0x10", "9" * 400, "%00", "%zz", "%s%n", "{0}", "{who}", "{",
    "%(a)s", "../..", "/etc/passwd", "https://[", "https://evil.example/", "http://a:b@c:99999/", "//", "?", "#", "a b",
    "a\tb", "a\r\nb: c",
    "AADSTS50126: x", "AADSTS999999999 Trace ID: x Timestamp: y", "-rf", "$(id)", "'", '"', "`", "\\", "x" * _LONG,
    "\u0301" * 5000, "eyJhbGciOiJub25lIn0.e30.", "e30.e30.e30", "1970-01-01T00:00:00Z", "01/01/0001 00:00:00 +00:00",
    "12/31/9999 23:59:59 -12:00", "9999-12-31T23:59:59-1200", "1" * 15, "\u0661\u0662", "²", "١" * 5,
)  # fmt: skip

_NUMBERS = ("0", "-1", "1", "-0", "1e3", "0.5", "1e-400", "1e400", "-1e400", "9" * 20, "9" * 5000, "253402300800",
            "99999999999", "10000000000000000000000", "-62135596801", "2147483648", "9223372036854775808", "NaN",
            "Infinity", "-Infinity", "1." + "0" * 400 + "1")  # fmt: skip

_VALUES: tuple[Any, ...] = (
    None, True, False, [], {}, [[]], [None], {"": None}, {"a": {"b": {}}}, [1, "a", None, {}], 0, -1, 1.5, 10**19,
    *(Raw(number) for number in _NUMBERS),
    Raw("[" * _DEEP + "]" * _DEEP), Raw('{"a":' * _DEEP + "1" + "}" * _DEEP), Raw("[" * 300 + "]" * 300),
    Raw('{"a": 1, "a": [], "a": "x"}'), Raw('"\\ud800"'), Raw('"\\udc00\\ud800"'), Raw('"\\u0000"'),
    Raw("[" + "1," * 20_000 + "1]"),
)  # fmt: skip

# No JSON.
_OTHER = tuple(
    Raw(text) for text in ("'x'", "", "0x1", "+1", "00", "1_0", "undefined", "[1,]", "{a: 1}", '"\t"', '"\\x"', "1 2")
)

_KEYS = ("", "error", "error_description", "error_codes", "claims", "value", "nextLink", "id", "name", "user",
         "access_token", "expires_in", "expires_on", "secret", "\ud800", "__class__", "version", "kind",
         "target")  # fmt: skip

_BYTES = (b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", codecs.BOM_UTF8, b"\x80", b"\xc0\xaf", b"\xed\xa0\x80",
          b"\xf4\x90\x80\x80",
          b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\x1b[2J", b"%", b"%00", b"%f", b"&", b"=", b'"', b"{", b"}", b"[", b"]",
          b",", b":", b"\\u", b"NaN", b"9" * 5000, b"[" * _DEEP, b"A" * _LONG)  # fmt: skip

_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "utf-7", "cp037")


class Mutator:
    """Damages samples at random. The same seed damages the same sample in the same way."""

    def __init__(self, seed: str):
        self.random = random.Random(seed)

    def chance(self, one_in: int) -> bool:
        """Tell, once in so many times, that something is to be done."""
        return self.random.randrange(one_in) == 0

    def choose(self, *values: Any) -> Any:
        """Return one of several valid samples, or of hostile values."""
        return self.random.choice(values)

    def value(self, sample: Any) -> Any:
        """Return a damaged copy of a JSON value; `Raw` in it is no value, but text of JSON."""
        holder = [copy.deepcopy(sample)]
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            self._damage(holder)
        return holder[0]

    def plain(self, sample: Any) -> Any:
        """Return a damaged copy of a value of Python: what a parser makes of JSON, and what a plug-in may return."""
        return _parsed(self.value(sample))

    def json(self, sample: Any) -> bytes:
        """Return a damaged copy of a JSON value as a file or an answer has it."""
        text = _dumps(self.value(sample), ascii_only=not self.chance(4))
        content = text.encode("utf-8", "surrogatepass")
        return self.octets(content) if self.chance(8) else content

    def text(self, sample: str) -> str:
        """Return a damaged copy of a text."""
        chosen = self.random.choice(_TEXTS)
        at = self.random.randrange(len(sample) + 1)
        to = min(len(sample), at + self.random.choice((0, 1, 1, 5, 1000)))
        match self.random.randrange(6):
            case 0:
                return str(chosen)
            case 1:
                return sample[:at]
            case 2:
                return sample[:at] + sample[to:]
            case 3:
                return (
                    sample[:at]
                    + chr(self.random.choice((0, 10, 13, 27, 127, 0x85, 0x202E, 0xD800, 0x1F600)))
                    + sample[to:]
                )
            case 4:
                return sample[:to] + sample[at:]
        return sample[:at] + chosen + sample[to:]

    def octets(self, sample: bytes) -> bytes:
        """Return a damaged copy of some bytes."""
        for _ in range(self.random.choice((1, 1, 2, 4))):
            sample = self._damaged_bytes(sample)
        return sample

    def token(self, claims: Mapping[str, Any]) -> str:
        """Return a JSON Web Token (RFC 7519) with damaged claims, or a damaged one."""
        if self.chance(3):
            return self.text(token_of(claims))
        return _token(self.json(claims))

    def _damaged_bytes(self, sample: bytes) -> bytes:
        length = len(sample)
        at = self.random.randrange(length + 1)
        to = min(length, at + self.random.choice((0, 1, 2, 10, 1000)))
        match self.random.randrange(8):
            case 0:
                return sample[:at]
            case 1:
                return sample[to:]
            case 2:
                return sample[:at] + sample[to:]
            case 3:
                return sample[:to] + sample[at:]
            case 4 if at < length:
                return sample[:at] + bytes([sample[at] ^ (1 << self.random.randrange(8))]) + sample[at + 1 :]
            case 5:
                name = self.random.choice(_ENCODINGS)
                return sample.decode("utf-8", "replace").encode(name, "replace")
            case 6:
                return sample[:at] + self.random.randbytes(self.random.choice((1, 4, 64))) + sample[to:]
        return sample[:at] + self.random.choice(_BYTES) + sample[to:]

    def _damage(self, holder: list[Any]) -> None:
        """Change one place in a value, which is the only item of `holder`."""
        places = list(_places(holder))
        where, key = self.random.choice(places)
        value = where[key]
        match self.random.randrange(10):
            case 0 | 1 | 2:
                where[key] = copy.deepcopy(self.random.choice(_OTHER if self.chance(20) else _VALUES))
            case 3:
                where[key] = self.random.choice(_TEXTS)
            case 4 | 5:
                where[key] = self.text(value) if isinstance(value, str) else str(value)
            case 6 if where is not holder:
                del where[key]
            case 7 if isinstance(where, dict):
                where[self.random.choice(_KEYS)] = where.pop(key)
            case 7 if where is not holder:
                where.extend([copy.deepcopy(value)] * self.random.choice((1, 3, 200)))
            case 8:
                other, name = self.random.choice(places)
                where[key] = copy.deepcopy(other[name]) if other is not holder else [value]
            case _:
                where[key] = self.random.choice(([value], {"a": value}, {self.random.choice(_KEYS): value}))


class Unchanged(Mutator):
    """Returns the samples as they are: what a target has to accept."""

    def chance(self, one_in: int) -> bool:
        return False

    def choose(self, *values: Any) -> Any:
        return values[0]

    def value(self, sample: Any) -> Any:
        return copy.deepcopy(sample)

    def text(self, sample: str) -> str:
        return sample

    def octets(self, sample: bytes) -> bytes:
        return sample


def token_of(claims: Mapping[str, Any]) -> str:
    """Return a JSON Web Token with a signature that nobody verifies."""
    return _token(json.dumps(claims).encode())


def _token(claims: bytes) -> str:
    header = json.dumps({"alg": "RS256", "typ": "JWT"}).encode()
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims, b"signature"))


def _places(holder: Any) -> Any:
    """Yield each container with each of its keys, of the outermost one first."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])


def _dumps(value: Any, *, ascii_only: bool) -> str:
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{json.dumps(name)}: {_dumps(part, ascii_only=ascii_only)}" for name, part in value.items())
            + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_dumps(part, ascii_only=ascii_only) for part in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def _parsed(value: Any) -> Any:
    if isinstance(value, Raw):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    if isinstance(value, dict):
        return {name: _parsed(part) for name, part in value.items()}
    return [_parsed(part) for part in value] if isinstance(value, list) else value
