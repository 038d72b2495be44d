"""Entries of directories by their paths, for tests of single files."""

from __future__ import annotations

from pathlib import Path

from azext_login.system.directory import Entry, PrivateDirectory


def entry_at(path: Path) -> Entry:
    """Return the entry with a path."""
    return PrivateDirectory(path.parent) / path.name
