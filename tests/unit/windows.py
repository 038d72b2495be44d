"""A fixture that runs each test of a module on the file system of this computer, and on one like that of Windows."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.harness import windows_files

_FILE_SYSTEMS = ["this", "windows"] if sys.platform == "linux" else ["this"]


@pytest.fixture(autouse=True, params=_FILE_SYSTEMS)
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of the file system. Processes that the test starts have the same one."""
    if request.param == "windows":
        monkeypatch.setenv(windows_files.VARIABLE, "1")
        windows_files.install(monkeypatch.setattr)
    yield request.param
    windows_files.uninstall()
