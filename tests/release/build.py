"""Build the wheel twice, in different surroundings, and require the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tests.harness.wheel import run_build
from tests.release.errors import ReleaseRefusedError
from tests.release.sources import Sources, export

# What a build must not depend on. The two folders differ too.
_SURROUNDINGS = (
    {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
    {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "2"},
)


def build_wheel(sources: Sources, destination: Path) -> Path:
    """Build the wheel of a commit into `destination`, and return its path.

    Every time in it is that of the commit (https://reproducible-builds.org/specs/source-date-epoch/).

    Raises:
        ReleaseRefusedError: the second build is not the same as the first, or has another version.
        RuntimeError: a build failed; the message is its output.
    """
    with tempfile.TemporaryDirectory(prefix="login-release-") as scratch:
        built = [
            _build(sources, Path(scratch, f"build{number}"), surroundings)
            for number, surroundings in enumerate(_SURROUNDINGS, start=1)
        ]
        digests = {digest_of(path) for path in built}
        if len(digests) > 1:
            raise ReleaseRefusedError("Two builds of the same commit are different. Compare them with diffoscope.")
        if not built[0].name.startswith(f"login-{sources.version}-"):
            raise ReleaseRefusedError(f"The build of version {sources.version} is called {built[0].name}.")
        return Path(shutil.copy(built[0], destination))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _build(sources: Sources, folder: Path, surroundings: dict[str, str]) -> Path:
    source, out = folder / "source", folder / "out"
    source.mkdir(parents=True)
    export(sources, source)
    run_build(source, out, {**os.environ, **surroundings, "SOURCE_DATE_EPOCH": str(sources.time)})
    (built,) = out.glob("*.whl")
    return built
