"""Text from elsewhere: whether it can be sent on, and how it is made fit for a line of a terminal."""

from __future__ import annotations

import unicodedata

_WHITE_SPACE = "\t\n\r"
# Characters that show nothing of their own and take part in how the terminal lays out its line: controls (an escape
# sequence in a name would be obeyed), format characters (U+202E turns text around), line and paragraph separators,
# and halves of surrogate pairs, which cannot be encoded.
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# They choose between a narrow and a wide form of the character before, and terminals disagree about the result.
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


def is_utf_8(text: str) -> bool:
    """Tell whether text can be sent on. Other bytes of argv and of the environment are surrogates (PEP 383)."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def fits_header(text: str) -> bool:
    """Tell whether this can be the secret in a header: printable ASCII without blanks.

    requests and http.client quote a header that they refuse, so it is for us to look first.
    """
    return text.isascii() and text.isprintable() and " " not in text


def shorten(text: str, longest: int) -> str:
    """Return text of at most `longest` characters, with dots in place of the rest."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def printable(text: object) -> str:
    """Return text as it can be shown in one line of a terminal without moving anything else.

    Names come from the directories of others: nothing in them may be obeyed by the terminal.
    """
    value = str(text)
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        " " if char in _WHITE_SPACE else char
        for char in value
        if char in _WHITE_SPACE or not (unicodedata.category(char) in _NOT_SHOWN or ord(char) in _VARIATION_SELECTORS)
    )
