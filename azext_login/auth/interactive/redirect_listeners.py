"""Opens the listening sockets of the redirect receiver: loopback only, both families, a port of our own."""

from __future__ import annotations

import errno
import socket
import sys

_WINDOWS_NO_ACCESS = 10013  # WSAEACCES: somebody else holds the port exclusively, or Windows has reserved it
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT, errno.EINVAL, 10047, 10049}


class PortInUseError(OSError):
    """The port on which the redirect has to arrive belongs to another program. `port` says which one."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"Port {port} on localhost is in use by another program")
        self.port = port


def open_listeners(port: int) -> tuple[list[socket.socket], int]:
    """Listen on 127.0.0.1 and ::1 with the same port; 0 chooses one that is free on both.

    RFC 8252 section 7.3: a client should listen on both families, browsers resolve "localhost" to either. A
    family that the machine does not have is left out. Raises PortInUseError, or OSError when there is no
    loopback at all.
    """
    for _ in range(50):
        listeners: list[socket.socket] = []
        missing: OSError | None = None
        chosen = port
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                listener = _listen(family, host, chosen)
            except OSError as error:
                if error.errno in _NO_SUCH_FAMILY:
                    missing = error
                    continue
                for opened in listeners:
                    opened.close()
                if not _taken(error):
                    raise
                if port:
                    raise PortInUseError(port) from error
                break  # free on one family, taken on the other: choose again
            listeners.append(listener)
            chosen = int(listener.getsockname()[1])
        else:
            if not listeners:
                raise missing or OSError(errno.EADDRNOTAVAIL, "There is no loopback interface")
            return listeners, chosen
    raise PortInUseError(port)


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR means that anybody may take the port over; this is the opposite.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Elsewhere it only lets a fixed port be used again while old connections are in TIME_WAIT. Never
            # SO_REUSEPORT, with which another process of the user could receive some of the answers.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind((host, port))
        listener.listen(64)
    except BaseException:
        listener.close()
        raise
    return listener


def _taken(error: OSError) -> bool:
    return error.errno == errno.EADDRINUSE or getattr(error, "winerror", None) in (_WINDOWS_NO_ACCESS, 10048)
