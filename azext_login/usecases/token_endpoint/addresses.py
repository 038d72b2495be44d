"""The names by which clients reach an endpoint, and the address that they are told."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from azext_login.system.http_server.handler import Client
from azext_login.usecases.token_endpoint.endpoint import PATH

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
# By these, containers of Docker and of Podman reach the computer that they run on.
_CONTAINER_NAMES = ("host.docker.internal", "host.containers.internal")


def is_loopback(address: str) -> bool:
    """Tell whether an address, as `check_address` returns it, is reached from this computer alone."""
    return ipaddress.ip_address(address).is_loopback


def check_address(text: str) -> str:
    """Return an IPv4 or IPv6 address in its usual form.

    :raises ValueError: it is none.
    """
    return str(ipaddress.ip_address(text.strip("[]")))


def endpoint_url(address: str | None, port: int) -> str:
    """Return the value of IDENTITY_ENDPOINT.

    :param address: the address that the server is bound to; None for localhost.
    """
    if address is None:
        host = "127.0.0.1"
    elif ipaddress.ip_address(address).is_unspecified:
        host = _CONTAINER_NAMES[0]
    else:
        host = _in_url(address)
    return f"http://{host}:{port}{PATH}"


def host_check(address: str | None, port: int) -> Callable[[str, Client], bool]:
    """Return a function that tells whether a Host header, in lower case, means this server.

    :param address: as for `endpoint_url`.
    """
    names = set(_LOOPBACK_NAMES)
    if address is not None:
        names = {_in_url(address), *(_LOOPBACK_NAMES if is_loopback(address) else _CONTAINER_NAMES)}
    hosts = {f"{name}:{port}" for name in names}

    def is_host(host: str, client: Client) -> bool:
        if host in hosts:
            return True
        # A server on all addresses is reached by the one that the connection has. No DNS name can equal it, so a
        # foreign web page cannot use one.
        return address is not None and host == f"{_in_url(str(client.local[0]))}:{port}"

    return is_host


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
