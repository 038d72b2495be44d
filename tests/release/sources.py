"""The sources of a release: one commit, its version, and what HISTORY.rst says about that."""

from __future__ import annotations

import io
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tests.release.errors import ReleaseRefusedError

_VERSION = re.compile(r'^VERSION = "([^"]+)"$', re.MULTILINE)
_HEADING = re.compile(r"^(\S.*)\n-{3,}\n", re.MULTILINE)
_SHOWN = 10


@dataclass(frozen=True)
class Sources:
    """A commit that may be released.

    root: the clone.
    commit: the whole ID.
    time: when it was committed, in seconds since 1970, UTC.
    version: VERSION in setup.py.
    notes: what HISTORY.rst says about the version, without the heading.
    """

    root: Path
    commit: str
    time: int
    version: str
    notes: str

    @property
    def tag(self) -> str:
        """The tag of this version."""
        return f"v{self.version}"


def read_sources(root: Path, tag: str | None = None) -> Sources:
    """Return the commit that is checked out in `root`.

    tag: the tag that is being released. It has to be the one of the version, and on this commit.

    Raises:
        ReleaseRefusedError: there are changes that are not committed, the version has been released, or
            HISTORY.rst has no entry for it.
    """
    _refuse_changes(root)
    commit = _git(root, "rev-parse", "HEAD").strip()
    version = version_in(_git(root, "show", "HEAD:setup.py"))
    notes = notes_of(version, _git(root, "show", "HEAD:HISTORY.rst"))
    sources = Sources(root, commit, int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD")), version, notes)
    _refuse_tag(sources, tag)
    return sources


def export(sources: Sources, folder: Path) -> None:
    """Write the files of the commit to `folder`, with the same modes whatever the umask is."""
    done = subprocess.run(["git", "archive", "--format=tar", sources.commit], cwd=sources.root, capture_output=True)
    if done.returncode:
        raise ReleaseRefusedError(f"git archive failed:\n{done.stderr.decode(errors='replace')}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    for path in folder.rglob("*"):
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)


def notes_of(version: str, history: str) -> str:
    """Return the part of HISTORY.rst about `version`, which has to be the first one.

    Raises:
        ReleaseRefusedError: it is missing, is empty, or is not the first.
    """
    headings = list(_HEADING.finditer(history))
    first = headings[0][1] if headings else "nothing"
    if first != version:
        raise ReleaseRefusedError(
            f"HISTORY.rst begins with the entry '{first}', and not with '{version}', the VERSION in setup.py. "
            f"Write the entry '{version}', commit it, and run this command again."
        )
    end = headings[1].start() if len(headings) > 1 else len(history)
    notes = history[headings[0].end() : end].strip()
    if not notes:
        raise ReleaseRefusedError(f"The entry '{version}' of HISTORY.rst is empty. List what has changed.")
    return notes + "\n"


def version_in(setup: str) -> str:
    """Return the version in the text of setup.py."""
    found = _VERSION.search(setup)
    if not found:
        raise ReleaseRefusedError('setup.py has no line VERSION = "..."')
    return found[1]


def _refuse_changes(root: Path) -> None:
    changes = _git(root, "status", "--porcelain").splitlines()
    if changes:
        shown = changes[:_SHOWN] + ["..."] * (len(changes) > _SHOWN)
        raise ReleaseRefusedError(
            "A release is built from a commit, and there are changes that are not committed:\n"
            + "\n".join(f"  {line}" for line in shown)
            + "\nCommit or remove them, and run this command again."
        )


def _refuse_tag(sources: Sources, tag: str | None) -> None:
    """Refuse a version that has a tag, unless it is the tag that is being released."""
    if tag is not None and tag != sources.tag:
        raise ReleaseRefusedError(f"The tag '{tag}' is not '{sources.tag}', the one of the VERSION in setup.py.")
    if not _git(sources.root, "tag", "--list", sources.tag).strip():
        if tag is not None:
            raise ReleaseRefusedError(f"There is no tag '{tag}' in this clone. Run: git fetch --tags")
        return
    if tag is None:
        raise ReleaseRefusedError(
            f"Version {sources.version} exists: there is a tag '{sources.tag}'. Raise VERSION in setup.py, and write "
            f"an entry in HISTORY.rst. To build the release of that tag again, check it out and run: "
            f"make release TAG={sources.tag} URL=..."
        )
    if _git(sources.root, "rev-parse", f"{tag}^{{commit}}").strip() != sources.commit:
        raise ReleaseRefusedError(f"The tag '{tag}' is on another commit. Run: git checkout {tag}")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise ReleaseRefusedError(f"git {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout
