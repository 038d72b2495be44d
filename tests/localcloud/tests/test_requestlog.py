"""The request log: how many requests came one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.localcloud import LocalCloud
from tests.localcloud.requestlog import LoggedRequest, count_rounds
from tests.localcloud.testing import trusting_session


def _row(began: float, answered: float) -> LoggedRequest:
    return LoggedRequest("GET", "/tenants", 200, None, None, None, answered, began)


@pytest.mark.parametrize(
    ("spans", "rounds"),
    [
        ((), 0),
        (((0, 1),), 1),
        (((0, 1), (1, 2), (2.5, 3)), 3),
        (((0, 2), (0.5, 2.5), (1, 3)), 1),
        # One that takes long, beside two that come one after the other.
        (((0, 4), (0, 1), (2, 3)), 2),
        # The second chain begins a little later: its requests overlap with those of the first.
        (((0, 10), (3, 13), (11, 21), (14, 24)), 2),
    ],
)
def test_rounds_are_the_most_requests_that_came_one_after_the_other(
    spans: Sequence[tuple[float, float]], rounds: int
) -> None:
    assert count_rounds(_row(*span) for span in spans) == rounds
    assert count_rounds(_row(*span) for span in reversed(spans)) == rounds


def test_a_request_arrives_before_the_cloud_waits() -> None:
    with LocalCloud(latency_ms=50) as cloud:
        for _ in range(2):
            trusting_session(cloud).get(f"{cloud.url}/metadata/endpoints?api-version=2022-09-01", timeout=30)
        first, second = cloud.admin.requests()
    assert first.when - first.began >= 0.05
    assert second.began >= first.when


def test_an_address_names_no_usual_port() -> None:
    cloud = LocalCloud()
    cloud.port = 443
    assert cloud.url == "https://localhost"
    cloud.stop()
