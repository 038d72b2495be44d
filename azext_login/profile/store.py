"""azureProfile.json: read, changed under a lock, and replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .._files import FileLock, write_atomically
from ..errors import StoreError
from .model import Row

_FILE = "azureProfile.json"
_LOCK = "login_profile.lock"
_SUBSCRIPTIONS = "subscriptions"

Document = dict[str, Any]
"""The whole file: `installationId`, `subscriptions`, and whatever else anybody keeps there."""


class ProfileStore:
    """The one owner of azureProfile.json.

    Every change takes the lock, reads the file again, changes what it read and replaces the file. Top-level keys
    and row keys that are not ours come back as they were.
    """

    def __init__(self, config_dir: Path, *, on_written: Callable[[Document], None] = lambda document: None):
        """:param on_written: gets exactly what was written. The host keeps a copy of the file in memory and may
        write it after our command has ended, so that copy has to follow.
        """
        self._path = config_dir / _FILE
        self._lock = FileLock(config_dir / _LOCK)
        self._on_written = on_written

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def read(self) -> list[Row]:
        """Return all rows, of every cloud.

        :raises StoreError: the file cannot be read, or is not a profile.
        """
        return rows_of(self._load())

    @contextmanager
    def change(self) -> Iterator[Profile]:
        """Yield the profile under the lock, and write it afterwards if `rows` was changed.

        Nothing is written when the block raises.

        :raises StoreError: the file cannot be read or written, or another process holds the lock too long.
        """
        with self._lock:
            document = self._load()
            before = json.dumps(document)
            profile = Profile(rows_of(document))
            yield profile
            document[_SUBSCRIPTIONS] = profile.rows
            after = json.dumps(document)
            if after != before:
                write_atomically(self._path, after.encode("utf-8"))
            self._on_written(document)

    def _load(self) -> Document:
        try:
            # The host writes a byte order mark; we read it and never write one.
            text = self._path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self._path} could not be read: {error}.") from error
        try:
            document = json.loads(text)
        except ValueError as error:
            raise StoreError(f"{self._path} is not valid JSON ({error}). It was left as it is.") from error
        if not isinstance(document, dict):
            raise StoreError(f"{self._path} does not hold a JSON object. It was left as it is.")
        return document


class Profile:
    """The rows while the lock is held. Assign `rows`, or change them in place."""

    def __init__(self, rows: list[Row]):
        self.rows = rows


def rows_of(document: Document) -> list[Row]:
    """Return the rows of a document, without those that no command could use."""
    rows = document.get(_SUBSCRIPTIONS) or []
    return [row for row in rows if isinstance(row, dict) and row.get("id")] if isinstance(rows, list) else []
