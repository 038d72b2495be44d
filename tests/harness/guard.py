"""Keep the test process itself on this machine and out of anybody's home directory."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_UNWANTED = frozenset(
    (
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"),
        *("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"),
    )
)


class NetworkAccessError(AssertionError):
    """A test tried to reach something that isn't on this machine."""


def is_local(address: Any) -> bool:
    """Tell whether a socket address (a path, or a tuple that begins with a host) is on this machine."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


@contextmanager
def loopback_only() -> Iterator[None]:
    """Refuse every connection, and every look-up of a name, that is not for loopback."""
    original = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
    look_up = socket.getaddrinfo

    def guarded(name: str) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if not is_local(address):
                raise NetworkAccessError(f"a test tried to connect to {address!r}")
            return original[name](self, address)

        return call

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host is not None and not is_local((os.fsdecode(host),)):
            raise socket.gaierror(socket.EAI_NONAME, f"tests resolve no names beyond this machine: {host!r}")
        return look_up(host, *args, **kwargs)

    try:
        for name in original:
            setattr(socket.socket, name, guarded(name))
        socket.getaddrinfo = guarded_look_up
        yield
    finally:
        for name, method in original.items():
            setattr(socket.socket, name, method)
        socket.getaddrinfo = look_up


def move_home(folder: Path) -> None:
    """Point everything that azure-cli reads at import, or that a tool might find, at `folder`.

    The variables of the developer who runs the tests (a proxy, a CA bundle, AZURE_DEFAULTS_...) go, too: a test
    that needs one sets it.
    """
    for name in list(os.environ):
        if name.startswith("AZURE_") or name.upper() in _UNWANTED:
            del os.environ[name]
    places = {"HOME": "home", "AZURE_CONFIG_DIR": "azure", "AZURE_EXTENSION_DIR": "extensions"}
    for name, where in places.items():
        (folder / where).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(folder / where)
    os.environ["AZURE_CORE_COLLECT_TELEMETRY"] = "no"
