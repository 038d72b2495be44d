"""Ways to damage a file, for the tables of damaged files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROFILE, LAST_GOOD = "azureProfile.json", "login_last_good.json"
CLOUDS, LAST_GOOD_CLOUDS = "clouds.config", "login_last_good_clouds.config"
TOKENS, ENTRIES, HTTP_CACHE = "msal_token_cache.json", "service_principal_entries.json", "msal_http_cache.bin"

#: A word in damaged files. One of the files has to contain it afterwards.
PRECIOUS = "precious-4711"
#: Python's JSON parser fails on this.
DEEP = "[" * 60_000

Change = Callable[[Path], object]


@dataclass(frozen=True)
class Damage:
    """One row of the table.

    steps: the commands to run afterwards, by their names in test_damage. "!" marks one that fails, with one error, a
        next step and no traceback.
    says: words that standard error has to contain after the last step.
    keeps_rows: whether every row has to exist afterwards. It need not if a user signs out, or if no file has the row
        any more.
    """

    file: str
    name: str
    change: Change
    steps: str
    says: tuple[str, ...] = ()
    keeps_rows: bool = True


def text(content: str | bytes) -> Change:
    """Write `content` into the file."""
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    return lambda path: path.write_bytes(data)


def document(value: Any) -> Change:
    """Write a JSON document into the file."""
    return text(json.dumps(value))


def torn(share: float) -> Change:
    """Leave only the beginning of the file."""
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def before(prefix: bytes) -> Change:
    """Insert bytes at the beginning of the file."""
    return lambda path: path.write_bytes(prefix + path.read_bytes())


def behind(suffix: bytes) -> Change:
    """Append bytes to the file."""
    return lambda path: path.write_bytes(path.read_bytes() + suffix)


def replaced(old: str, new: str) -> Change:
    """Replace a text in the file."""
    return lambda path: path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))


def edited(edit: Callable[[Any], object]) -> Change:
    """Change the JSON document in the file in place."""

    def change(path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        edit(content)
        path.write_text(json.dumps(content), encoding="utf-8")

    return change


def missing(path: Path) -> None:
    """Remove the file."""
    path.unlink()


def directory(path: Path) -> None:
    """Replace the file by a directory that is not empty."""
    path.unlink()
    path.mkdir()
    (path / PRECIOUS).touch()


def pipe(path: Path) -> None:
    """Replace the file by a pipe. Opening it blocks until another process writes into it."""
    if sys.platform == "win32":
        raise NotImplementedError
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def dangling(path: Path) -> None:
    """Replace the file by a link without a target."""
    path.unlink()
    path.symlink_to(path.parent / "nowhere" / "at-all.json")


def together(change: Change, other: str, of_other: Change) -> Change:
    """Change the file, and another one beside it."""

    def both(path: Path) -> None:
        change(path)
        of_other(path.with_name(other))

    return both
