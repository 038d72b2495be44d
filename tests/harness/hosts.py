"""The azure-cli installations that tests run on: the newest one, and the oldest one we support."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from tests.harness import environments


@dataclass(frozen=True)
class Host:
    """A stock azure-cli. `name` is "newest" or "oldest"; `az` is its executable."""

    name: str
    version: str
    az: Path

    @property
    def bin(self) -> Path:
        """The folder to put on PATH."""
        return self.az.parent

    @property
    def search_path(self) -> str:
        """The value of PATH. Packages of systems and Homebrew install `az` as a script, which needs a shell."""
        is_script = not (self.bin / "python").exists()
        return f"{self.bin}:/usr/bin:/bin" if is_script else str(self.bin)


@functools.cache
def newest() -> Host:
    """Return the azure-cli that requirements-dev.txt pins."""
    return _host("newest", environments.newest_version())


@functools.cache
def oldest() -> Host:
    """Return the azure-cli that azext_metadata.json names as the oldest one."""
    return _host("oldest", environments.oldest_version())


def named(name: str) -> Host:
    """Return the host called "newest" or "oldest"."""
    return {"newest": newest, "oldest": oldest}[name]()


def _host(name: str, version: str) -> Host:
    """Return the host at the place where environments.py puts it, or at the place that an environment variable names.

    Raises:
        SetUpError: it isn't there.
    """
    az = environments.external_host(name) or environments.HOSTS / name / "bin" / "az"
    if not az.exists():
        raise environments.SetUpError(
            f"azure-cli {version} is not installed. Run: python3 tests/harness/environments.py {name}"
        )
    return Host(name, version, az)
