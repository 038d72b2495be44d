"""Quarantine of files that cannot be used: a file is renamed, and later cleaned of an account that signs out."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from azext_login.errors import StoreError
from azext_login.system import strict_json
from azext_login.system.directory import Entry
from azext_login.system.files import find, make_private, read_bytes, remove_if_present, write_atomically

# Between the name of a file and the time at which it was quarantined.
_MARK = ".damaged-"

_ESCAPE = r"\\u([0-9a-fA-F]{4})"

# Header and payload of a JSON Web Token (RFC 7519); only the payload names a user.
_TOKEN = r"(?a)eyJ[\w-]+\.(eyJ[\w-]+)"


def quarantine_file(file: Entry, *, keep_original: bool = False) -> Entry:
    """Rename a file that cannot be used to `<name>.damaged-<time>-<PID>`, for its owner alone, and return it.

    :param keep_original: copy the file instead. The caller is about to replace it by the part that can be used.
    :raises StoreError: the file cannot be renamed or copied.
    """
    quarantined = file.with_name(f"{file.name}{_MARK}{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}")
    try:
        if keep_original:
            write_atomically(quarantined, read_bytes(file))
            return quarantined
        file.rename(quarantined)
    except OSError as error:
        raise StoreError(f"{file} cannot be used, and could not be quarantined: {error.strerror or error}.") from error
    make_private(quarantined)
    return quarantined


def find_quarantined(file: Entry) -> list[Entry]:
    """Return the quarantined versions of a file, whose name may be a glob pattern."""
    return find(file.with_name(f"{file.name}{_MARK}*"))


def remove_from_quarantined(
    files: Iterable[Entry], name: str, without: Callable[[Any], Any], *, are_secret: bool
) -> None:
    """Remove an account from quarantined files, and keep the other accounts in them.

    A file that cannot be parsed is deleted if it mentions the account, because its accounts cannot be told apart. If it
    may hold secrets, it is deleted in any case: secrets do not mention whose they are.

    :param name: the user name or application ID of the account.
    :param without: returns the parsed content of a file without the account, and does not change its argument.
    :param are_secret: whether the files may hold secrets.
    :raises StoreError: a file cannot be changed or deleted.
    """
    for file in files:
        try:
            content = read_bytes(file)
        except OSError:
            # It may mention the account.
            remove_if_present(file)
            continue
        try:
            parsed = json.loads(content)
            remaining = without(parsed)
            text = strict_json.dumps(remaining, indent=4).encode("ascii")
        except (ValueError, RecursionError):
            if are_secret or mentions_account(content, name):
                remove_if_present(file)
            continue
        if mentions_account(text, name):
            remove_if_present(file)
        elif remaining != parsed:
            write_atomically(file, text)


def mentions_account(content: bytes, name: str) -> bool:
    """Tell whether text, which may be damaged, has an account's name in any case, JSON-escaped or inside a token."""
    text = content.decode("utf-8", errors="replace")
    payloads = (_decode_payload(match[1]) for match in re.finditer(_TOKEN, text))
    # As a whole word: malice@contoso.com is another user than alice@contoso.com.
    wanted = re.compile(rf"(?<![\w.+-]){re.escape(name.casefold())}(?![\w.-]*\w)")
    return any(wanted.search(_unescape(part).casefold()) for part in (text, *payloads))


def _decode_payload(encoded: str) -> str:
    from base64 import urlsafe_b64decode  # here, because every command imports this module

    # Complete groups of four characters only: the text may end in the middle of a token.
    return urlsafe_b64decode(encoded[: len(encoded) // 4 * 4]).decode("utf-8", errors="replace")


def _unescape(text: str) -> str:
    """Return text with JSON's \\u escapes resolved; two of them stand for a character outside the BMP."""
    text = re.sub(_ESCAPE, lambda match: chr(int(match[1], 16)), text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", errors="replace")
