"""Opens listening sockets exclusively: on localhost in both address families, or on one address."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys

# Connections that wait to be accepted. Clients that come all at once try again after a second if there are more.
_BACKLOG = 512
_WINDOWS_NO_ACCESS = 10013  # WSAEACCES: another program uses the port exclusively, or Windows has reserved it
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT, errno.EINVAL, 10047, 10049}


def most_connections(wanted: int) -> int:
    """Return how many connections a server may hold at a time: at most half of what this process may have open.

    The other half is for files and requests of our own: clients that open connections and say nothing must not keep
    the server from working. On macOS, a process may have 256 descriptors.

    :param wanted: how many it would hold if that did not matter.
    """
    if sys.platform == "win32":  # has no limit that sockets count for
        return wanted
    import resource

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if allowed == resource.RLIM_INFINITY else max(1, min(wanted, allowed // 2))


class PortInUseError(OSError):
    """Another program listens on a fixed port. `port` is its number."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"Port {port} is in use by another program")
        self.port = port


def open_listeners(port: int) -> tuple[list[socket.socket], int]:
    """Listen on 127.0.0.1 and ::1, and return the sockets and their common port.

    RFC 8252 section 7.3: a client should listen on both families, because browsers resolve "localhost" to either. An
    address family that the computer lacks is left out.

    :param port: 0 for any port that is free on both.
    :raises PortInUseError: another program uses the port that was asked for.
    :raises OSError: listening is not possible at all.
    """
    if port:
        return _listen_on_both(port)
    for _ in range(50):
        with contextlib.suppress(PortInUseError):  # the port was free in one family and used in the other
            return _listen_on_both(0)
    raise OSError(errno.EADDRINUSE, "No port is free on both 127.0.0.1 and ::1")


def open_listener(address: str, port: int) -> socket.socket:
    """Listen on one address of this computer.

    :param address: an IPv4 or IPv6 address. The address that stands for all of them means those of its family.
    :param port: 0 for any free port.
    :raises PortInUseError: another program uses the port that was asked for.
    :raises OSError: the address is none of this computer, or listening is not possible at all.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return _listen(family, address, port)
    except OSError as error:
        if _is_in_use(error):
            raise PortInUseError(port) from error
        raise


def _listen_on_both(port: int) -> tuple[list[socket.socket], int]:
    listeners: list[socket.socket] = []
    missing: list[OSError] = []
    try:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                listeners.append(_listen(family, host, port))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:
                    raise
                missing.append(error)
            else:
                port = int(listeners[-1].getsockname()[1])
        if not listeners:
            raise missing[0]
    except OSError as error:
        for opened in listeners:
            opened.close()
        if _is_in_use(error):
            raise PortInUseError(port) from error
        raise
    return listeners, port


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # On Windows, SO_REUSEADDR lets every process take the port over; this is the opposite.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Elsewhere, it only allows a fixed port again while old connections are in TIME_WAIT. SO_REUSEPORT is
            # never set: with it, another process of the user could receive some of the answers.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_in_use(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE or getattr(error, "winerror", None) in (_WINDOWS_NO_ACCESS, 10048)
