"""The suite as a fixture."""

from __future__ import annotations

import pytest

from tests.harness.hosts import Host
from tests.harness.launchers import Launcher
from tests.harness.stage import Stage
from tests.localcloud import LocalCloud
from tests.parity.run import Suite


@pytest.fixture(scope="session")
def suite(
    newest: Host, shared_cloud: LocalCloud, stage: Stage, launcher: Launcher, tmp_path_factory: pytest.TempPathFactory
) -> Suite:
    """The newest host, with start states that are prepared once per worker."""
    return Suite(newest, shared_cloud, stage, tmp_path_factory.mktemp("parity"), launcher)
