"""Which process of this computer is at the other end of a connection, where the system tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from azext_login.system.text import printable, shorten

# Seconds of looking that are available at once, and what is added to them in each second. A look at all connections of
# the computer takes some ten milliseconds, and more where thousands of connections were closed a moment ago.
_MOST = 0.5
_ADDED = 0.1
# Characters of a name. A program chooses its own.
_LONGEST_NAME = 64


class ClientProcesses:
    """Finds the processes of clients.

    Looking takes a tenth of the time at most, so that no client can keep the server busy with it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """:param clock: counts seconds and never goes back."""
        self._clock = clock
        self._known: list[Any] = []  # psutil.Process, the latest first
        self._left = _MOST
        self._since = clock()

    def name_of(self, peer: tuple[Any, ...]) -> str | None:
        """Return the name, made printable, and the ID of the process that has a connection; None if the system does not
        tell.

        :param peer: the address and the port of that end of the connection, as the socket names them.
        """
        began = self._clock()
        self._left = min(_MOST, self._left + _ADDED * (began - self._since))
        self._since = began
        if self._left <= 0:
            return None
        try:
            return self._find(peer)
        finally:
            self._left -= self._clock() - began

    def _find(self, peer: tuple[Any, ...]) -> str | None:
        try:
            import psutil
        except ImportError:  # cygwin: azure-cli-core does not require it there
            return None
        # A program usually asks again.
        for process in self._known:
            try:
                found = any(_is_end(each, peer) for each in _connections_of(process))
            except (psutil.Error, OSError):
                continue
            if found:
                return self._describe(process)
        try:
            for each in psutil.net_connections("tcp"):
                if each.pid and _is_end(each, peer):
                    return self._describe(psutil.Process(each.pid))
        except (psutil.Error, OSError):
            # macOS tells the superuser only.
            return None
        return None

    def _describe(self, process: Any) -> str | None:
        import psutil

        try:
            name = process.name()
        except (psutil.Error, OSError):
            return None
        self._known = [process, *(each for each in self._known if each.pid != process.pid)][:4]
        return f"{shorten(printable(name), _LONGEST_NAME)} ({process.pid})"


def _connections_of(process: Any) -> Any:
    # psutil 6.0 has renamed it.
    connections = getattr(process, "net_connections", None) or process.connections
    return connections("tcp")


def _is_end(connection: Any, peer: tuple[Any, ...]) -> bool:
    """Tell whether a connection begins at the address and the port of a peer."""
    end = connection.laddr
    return bool(end) and end.port == peer[1] and _plain(end.ip) == _plain(peer[0])


def _plain(address: str) -> str:
    """Return an IPv4 address that a socket of both families shows as an IPv6 one."""
    return address.removeprefix("::ffff:")
