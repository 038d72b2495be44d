"""The JSON text of azureProfile.json in the host's layout, in parts that save memory, and its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from azext_login.profile.state import Document
from azext_login.system.strict_json import dumps

Fingerprint = bytes
"""Digest of a JSON text. Two documents with the same fingerprint have the same text."""

# Rows that are serialised at once. All of ten thousand at once take several times the file's size.
_ROWS_AT_ONCE = 200


def parts_of(document: Document) -> Iterator[bytes]:
    """Return a document as the JSON text that json.dumps makes of it, if that is strict JSON, in parts. All ASCII.

    The host writes the same layout, so an unchanged file has the same text, whether we or the host wrote it.
    """
    separator = b"{"
    for name, value in document.items():
        yield separator + dumps(name).encode("ascii") + b": "
        if isinstance(value, list):
            yield from _parts_of_rows(value)
        else:
            yield dumps(value).encode("ascii")
        separator = b", "
    yield b"}" if document else b"{}"


def _parts_of_rows(rows: list[Any]) -> Iterator[bytes]:
    yield b"["
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = dumps(rows[start : start + _ROWS_AT_ONCE]).encode("ascii")[1:-1]
        yield b", " + some if start else some
    yield b"]"


def fingerprint_of(parts: Iterable[bytes]) -> Fingerprint:
    """Return the fingerprint of a text that is given in parts."""
    import hashlib

    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()


def copy_json(value: Any) -> Any:
    """Return a deep copy of a JSON value. Faster than `copy.deepcopy`, and smaller than parsing the text again."""
    if isinstance(value, dict):
        return {name: copy_json(part) for name, part in value.items()}
    return [copy_json(part) for part in value] if isinstance(value, list) else value
