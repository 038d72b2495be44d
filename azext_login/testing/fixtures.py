"""The fakes as fixtures. Write `pytest_plugins = ["azext_login.testing.fixtures"]` into your conftest.py."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from azext_login.testing.fakes import FakeCliContext, FakeClock, FakeIssuer


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Return a clock that `time.time` reads in this test. It stands still until the test advances it."""
    clock = FakeClock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def fake_issuer(fake_clock: FakeClock) -> FakeIssuer:
    """Return an issuer of federated tokens that goes by `fake_clock`."""
    return FakeIssuer(fake_clock)


@pytest.fixture
def fake_cli_ctx(tmp_path: Path) -> FakeCliContext:
    """Return the context of a command with a config directory of its own, for listeners to events."""
    return FakeCliContext(tmp_path)
