"""Files that were set aside because they could not be used: taking one person's data out, keeping everybody else's."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from azext_login.system.files import regular, remove_if_present, write_atomically

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")

# Header and payload of a token (RFC 7519). Nothing but the payload names anybody.
_TOKEN = re.compile(r"eyJ[\w-]+\.(eyJ[\w-]+)", re.ASCII)


def forget_in(asides: Iterable[Path], name: str, without: Callable[[Any], Any], *, are_secret: bool) -> None:
    """Take an account out of files that were set aside.

    A file that cannot be taken apart goes as a whole if it names the account, since nobody could tell what in it is
    whose; one that may hold secrets also if it does not: they stand there under other names as well.

    :param without: returns the parsed content of a file without the account, and leaves what it gets as it is.
    :param are_secret: whether the files may hold secrets.
    :raises StoreError: a file cannot be changed or deleted.
    """
    for aside in asides:
        try:
            with open(aside, "rb", opener=regular) as stream:
                content = stream.read()
        except OSError:
            # Whose it is cannot be seen either.
            remove_if_present(aside)
            continue
        try:
            parsed = json.loads(content)
            left = without(parsed)
            text = json.dumps(left, indent=4).encode("ascii")
        except (ValueError, RecursionError):
            if are_secret or names(content, name):
                remove_if_present(aside)
            continue
        if names(text, name):
            remove_if_present(aside)
        elif left != parsed:
            write_atomically(aside, text)


def names(content: bytes, name: str) -> bool:
    """Tell whether a text that may be damaged names an account, in any case, escaped or inside a token."""
    text = content.decode("utf-8", errors="replace")
    payloads = (_payload(match[1]) for match in _TOKEN.finditer(text))
    # As a whole word: malice@contoso.com is somebody else than alice@contoso.com.
    wanted = re.compile(rf"(?<![\w.+-]){re.escape(name.casefold())}(?![\w.-]*\w)")
    return any(wanted.search(_unescaped(part).casefold()) for part in (text, *payloads))


def _payload(encoded: str) -> str:
    # A whole number of groups: the text may end in the middle of a token.
    return urlsafe_b64decode(encoded[: len(encoded) // 4 * 4]).decode("utf-8", errors="replace")


def _unescaped(text: str) -> str:
    """Return a text with JSON's escapes of characters resolved; two of them make one of the rarer characters."""
    text = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", errors="replace")
