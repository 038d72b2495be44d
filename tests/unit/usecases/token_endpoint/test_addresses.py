"""The names by which clients reach an endpoint."""

from __future__ import annotations

import pytest

from azext_login.system.http_server.handler import Client
from azext_login.usecases.token_endpoint.addresses import check_address, endpoint_url, host_check


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (None, "http://127.0.0.1:80/msi/token"),
        ("172.17.0.1", "http://172.17.0.1:80/msi/token"),
        ("fd00::1", "http://[fd00::1]:80/msi/token"),
        ("0.0.0.0", "http://host.docker.internal:80/msi/token"),
        ("::", "http://host.docker.internal:80/msi/token"),
    ],
)
def test_clients_are_told_an_address_that_they_reach(address: str | None, url: str) -> None:
    assert endpoint_url(address, 80) == url


@pytest.mark.parametrize(
    ("address", "local", "host", "expected"),
    [
        (None, "127.0.0.1", "localhost:80", True),
        (None, "::1", "[::1]:80", True),
        (None, "127.0.0.1", "localhost", False),
        (None, "127.0.0.1", "localhost.evil.example:80", False),
        ("172.17.0.1", "172.17.0.1", "172.17.0.1:80", True),
        ("172.17.0.1", "172.17.0.1", "host.docker.internal:80", True),
        ("172.17.0.1", "172.17.0.1", "localhost:80", False),
        ("0.0.0.0", "10.0.0.4", "10.0.0.4:80", True),
        ("0.0.0.0", "10.0.0.4", "10.0.0.5:80", False),
        ("::", "fd00::4", "[fd00::4]:80", True),
    ],
)
def test_the_host_header_names_this_server(address: str | None, local: str, host: str, expected: bool) -> None:
    assert host_check(address, 80)(host, Client(("10.0.0.9", 5), (local, 80))) is expected


def test_an_address_is_a_number() -> None:
    assert check_address("[FD00::1]") == "fd00::1"
    for text in ("localhost", "", "1.2.3", "172.17.0.1/16"):
        with pytest.raises(ValueError, match="address"):
            check_address(text)
