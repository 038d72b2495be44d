"""Where launchers are: the directory that is usual for a user's programs, and the directories on PATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# What Windows tries in this order (PATHEXT), and what we write there.
_NAMES_ON_WINDOWS = ("az-token.com", "az-token.exe", "az-token.bat", "az-token.cmd")


def file_name(platform: str = sys.platform) -> str:
    """Return the name of the launcher."""
    return "az-token.cmd" if platform == "win32" else "az-token"


def default_directory() -> Path:
    """Return the directory of a user's programs: https://specifications.freedesktop.org/basedir-spec/latest/."""
    return Path(os.path.expanduser("~"), ".local", "bin")


def search_path(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the directories on PATH. Relative ones are left out: what they stand for changes with every `cd`."""
    entries = environ.get("PATH", "").split(os.pathsep)
    # On Windows, quotes around an entry are not part of it.
    paths = [entry.strip('"') if sys.platform == "win32" else entry for entry in entries]
    return list(dict.fromkeys(Path(path) for path in paths if os.path.isabs(path)))


def is_on_path(directory: Path, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a directory is on PATH, also under another name."""
    return any(is_same(directory, entry) for entry in search_path(environ))


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two paths name the same file or directory."""
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False


def programs_on_path(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield the files that the name `az-token` could start, that which a shell starts first."""
    names = _NAMES_ON_WINDOWS if sys.platform == "win32" else (file_name(),)
    for directory in search_path(environ):
        for name in names:
            path = directory / name
            if os.path.isfile(path) and os.access(path, os.X_OK):
                yield path
