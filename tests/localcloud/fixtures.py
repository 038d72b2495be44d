"""pytest fixtures of the local cloud: `pytest_plugins = ["tests.localcloud.fixtures"]` in a test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.localcloud.server import LocalCloud
from tests.localcloud.testing import TokenClient, Visitor


@pytest.fixture(scope="session")
def _running_cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture
def fresh_cloud(_running_cloud: LocalCloud) -> LocalCloud:
    """A cloud as if just started: shared by the tests, reset for each."""
    _running_cloud.admin.reset()
    return _running_cloud


@pytest.fixture
def client(fresh_cloud: LocalCloud) -> TokenClient:
    """Requests to the token endpoint and ARM of `fresh_cloud`."""
    return TokenClient(fresh_cloud)


@pytest.fixture
def visitor(fresh_cloud: LocalCloud) -> Visitor:
    """A user of `fresh_cloud` without a browser."""
    return Visitor(fresh_cloud)
