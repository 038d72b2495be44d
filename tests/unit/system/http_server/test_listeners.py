"""How many connections a server may hold, which are descriptors of its process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from azext_login.system.http_server.listeners import most_connections

if sys.platform == "win32":
    pytest.skip("descriptors are not limited", allow_module_level=True)

import resource


@contextmanager
def _descriptors(number: int) -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and number > most:
        pytest.skip(f"at most {most} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.mark.parametrize(("descriptors", "connections"), [(256, 128), (799, 399), (800, 400), (1024, 400)])
def test_half_of_the_descriptors_stay_for_the_process(descriptors: int, connections: int) -> None:
    with _descriptors(descriptors):
        assert most_connections(400) == connections
