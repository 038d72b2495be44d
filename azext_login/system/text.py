"""Text from outside: whether it can be sent, and how it is shown on one line of a terminal."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_WHITE_SPACE = "\t\n\r"
# Categories of characters that are invisible but change how the terminal shows a line: controls (the terminal would
# execute an escape sequence in a name), format characters (U+202E reverses text), line and paragraph separators, and
# halves of surrogate pairs, which cannot be encoded.
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# They select a narrow or a wide form of the character before them, and terminals disagree about its width.
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
# C0 and C1 controls, and the characters that turn the direction of text: https://www.unicode.org/reports/tr9/
_OBEYED = "[\\x00-\\x1f\\x7f-\\x9f\\u202a-\\u202e\\u2066-\\u2069]"
# Tenants and subscriptions have GUIDs. Other clouds, and stand-ins for them, may have other words.
_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_GUID = r"(?ai)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# How the parts of a JSON Web Token begin: with base64url of "{" and a quotation mark or white space.
_TOKEN = r"(?:eyJ|eyA|ewo|ew0|ewk)[\w-]{10,}[\w.=-]*"


def is_utf_8(text: str) -> bool:
    """Tell whether text can be sent. Other bytes of argv and of the environment are surrogates in it (PEP 383)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def is_id(text: object) -> bool:
    """Tell whether this can be the ID of a tenant or a subscription: a word that no shell and no terminal obeys."""
    return isinstance(text, str) and re.fullmatch(_ID, text) is not None


def is_guid(text: str) -> bool:
    """Tell whether this is a GUID with its dashes and without braces, in upper or lower case."""
    return re.fullmatch(_GUID, text) is not None


def without_controls(text: str) -> str:
    """Return text with U+FFFD in place of the characters that a terminal obeys instead of showing them."""
    return re.sub(_OBEYED, "\ufffd", text)


def fits_header(text: str) -> bool:
    """Tell whether a secret can be sent in a header: printable ASCII without spaces.

    requests and http.client quote a header that they refuse, so we check it before them.
    """
    return text.isascii() and text.isprintable() and " " not in text


def capitalised(text: str) -> str:
    """Return text for the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def shorten(text: str, longest: int) -> str:
    """Return text of at most `longest` characters, with dots in place of the rest."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def printable(text: object) -> str:
    """Return text that takes one line of a terminal and changes nothing else there.

    Names come from other directories, whose owners could add control characters to them.
    """
    value = str(text)
    if value.isascii() and value.isprintable():
        return value
    return "".join(" " if char in _WHITE_SPACE else char for char in visible(value))


def visible(text: str) -> str:
    """Return text without the characters that a terminal does not show as such. White space stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        for char in text
        if char in _WHITE_SPACE or not (unicodedata.category(char) in _NOT_SHOWN or ord(char) in _VARIATION_SELECTORS)
    )


def without_tokens(text: str) -> str:
    """Return text with three asterisks in place of each JSON Web Token, or each part of one."""
    return re.sub(_TOKEN, "***", text)


def format_time(timestamp: float, layout: str, zone: tzinfo | None = None) -> str:
    """Return a time for users. A timestamp of a token may be too large for any calendar; it is shown in seconds then.

    :param timestamp: POSIX time in seconds.
    :param layout: a format of `strftime`.
    :param zone: None for local time.
    """
    from datetime import datetime

    try:
        return datetime.fromtimestamp(timestamp, zone).strftime(layout)
    except (OverflowError, OSError, ValueError):
        return f"{timestamp:.0f} seconds after 1970"


def format_utc(timestamp: float) -> str:
    """Return a time for users, in UTC.

    :param timestamp: POSIX time in seconds.
    """
    from datetime import timezone

    return format_time(timestamp, "%Y-%m-%d %H:%M:%S UTC", timezone.utc)
