"""Write the folder with the release completely, or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.release.build import digest_of
from tests.release.errors import ReleaseRefusedError

SUMS = "SHA256SUMS"
INDEX = "index.json"
NOTES = "release-notes.md"
#: What `make release` and `make wheel` leave in the folder.
_OURS = re.compile(r"login-\S+\.(whl|cdx\.json)|index\.json|release-notes\.md|SHA256SUMS")


def refuse_other_files(folder: Path) -> None:
    """Refuse a folder with files that are not from an earlier run: it is going to be replaced.

    Raises:
        ReleaseRefusedError: there are such files.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ReleaseRefusedError(f"{folder} is not a folder. Remove it, and run this command again.")
    others = sorted(path.name for path in folder.glob("*") if not _OURS.fullmatch(path.name))
    if others:
        raise ReleaseRefusedError(f"{folder} has files that are not of a release: {', '.join(others)}. Move them.")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to. It replaces `folder` at the end, and vanishes if there is an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # On the same file system: renaming it is one step.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh, old = Path(scratch, "new"), Path(scratch, "old")
        fresh.mkdir()
        yield fresh
        for path in fresh.iterdir():
            path.chmod(0o644)
        fresh.chmod(0o755)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS, for `sha256sum --check`, with all files of the folder."""
    lines = [f"{digest_of(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
