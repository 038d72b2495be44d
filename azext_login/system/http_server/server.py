"""Serves HTTP from one thread that no client can block.

One thread with a selector replaces a thread per connection. Deadlines, the limit on connections, held connections and
a prompt, complete shutdown then take a few lines in one place, and no thread is left behind. The handler decides what a
request means.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Sequence

from azext_login.system.http_server.handler import Client, Handler, Held, Limits
from azext_login.system.http_server.request import RequestParser, RequestRefusedError
from azext_login.system.http_server.response import Response

logger = logging.getLogger(__name__)

_TLS_HANDSHAKE = 0x16  # RFC 8446 section 5.1: the content type of a record that starts with a ClientHello
# RFC 8446 section 6.2: alert record, level fatal, handshake_failure. The browser then shows its error
# page at once instead of waiting for an answer.
_TLS_ALERT = bytes((0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28))
_READ_SIZE = 16 * 1024


class _Phase(enum.Enum):
    READING = enum.auto()
    HELD = enum.auto()
    WRITING = enum.auto()
    LINGERING = enum.auto()
    CLOSED = enum.auto()


class _Connection:
    """One client: its phase (reading, perhaps held, writing, lingering), and until when the phase may last."""

    def __init__(self, sock: socket.socket, client: Client, parser: RequestParser, deadline: float) -> None:
        self.sock = sock
        self.client = client
        self.parser = parser
        self.phase = _Phase.READING
        self.deadline = deadline
        self.unsent = b""
        self.held: Held | None = None
        self.awaited = False
        self.leads_to_page = False


class HttpServer:
    """Serves listening sockets, which it owns and closes, in the background from `start` to `close`."""

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        handler: Handler,
        limits: Limits,
        clock: Callable[[], float],
        *,
        name: str,
    ) -> None:
        """:param clock: counts seconds and never goes back.
        :param name: of the thread, and of the server in the log.
        """
        self._name = name
        self._listeners = list(listeners)
        self._handler = handler
        self._limits = limits
        self._clock = clock
        self._connections: list[_Connection] = []  # oldest first
        self._page_due: float | None = None  # until when a browser that was redirected may request its page
        self._close_by: float | None = None
        self._tls = threading.Event()
        self._closing = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)
        self._wake_sender.setblocking(False)
        self._selector.register(self._wake_receiver, selectors.EVENT_READ, self._woken)
        for listener in self._listeners:
            self._selector.register(listener, selectors.EVENT_READ, lambda one=listener: self._accept(one))
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Serve. Whatever the handler needs of the server has to be set before. Called once."""
        self._thread.start()

    @property
    def was_reached_with_tls(self) -> bool:
        """Whether a client tried TLS on this plain HTTP port."""
        return self._tls.is_set()

    def look_again(self) -> None:
        """Answer the held connections whose response is known by now. To be called from any thread."""
        self._wake()

    def close(self) -> None:
        """Stop. A page that is on its way gets `farewell_seconds`, everything else no time. Idempotent."""
        self._closing.set()
        self._wake()
        # The wait is limited, so that no surprise in the thread (it is a daemon) can keep the command from exiting.
        self._thread.join(self._limits.farewell_seconds + 2.0)

    def _wake(self) -> None:
        # Fails if the buffer is full of wake-ups, or if the thread has finished. Neither needs another wake-up.
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"\0")

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_receiver.recv(4096)

    def _run(self) -> None:
        try:
            while not self._finished():
                for key, _ in self._selector.select(self._seconds_to_next_deadline()):
                    key.data()
                self._answer_held(is_final=self._closing.is_set())
                self._expire()
        finally:
            for connection in list(self._connections):
                self._drop(connection)
            self._selector.close()
            for sock in (*self._listeners, self._wake_receiver, self._wake_sender):
                sock.close()

    def _finished(self) -> bool:
        if not self._closing.is_set():
            return False
        now = self._clock()
        if self._close_by is None:
            self._close_by = now + self._limits.farewell_seconds
        on_its_way = any(one.awaited or one.leads_to_page or one.phase is _Phase.HELD for one in self._connections)
        expected = self._page_due is not None and now < self._page_due
        return now >= self._close_by or not (on_its_way or expected)

    def _seconds_to_next_deadline(self) -> float | None:
        deadlines = [connection.deadline for connection in self._connections]
        if self._close_by is not None:
            deadlines.append(self._close_by)
            if self._page_due is not None:
                deadlines.append(self._page_due)
        return max(0.0, min(deadlines) - self._clock()) if deadlines else None

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, peer = listener.accept()
            client = Client(peer, sock.getsockname())
        except BlockingIOError:
            return
        except OSError as error:
            logger.debug("A connection could not be accepted: errno %s", error.errno)
            # Without a free file descriptor the connection stays in the queue, and an immediate retry would spin.
            self._closing.wait(0.05)
            return
        if not self._make_room():
            sock.close()
            return
        sock.setblocking(False)
        limits = self._limits
        parser = RequestParser(request_line=limits.request_line, headers=limits.headers, body=limits.body)
        connection = _Connection(sock, client, parser, self._clock() + limits.read_seconds)
        self._connections.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._readable(connection))

    def _make_room(self) -> bool:
        """Close the oldest idle connection if the limit is reached, and tell whether one more is allowed.

        A browser sends its request right after it connects. A client that opens connections to block the port does not,
        so the connection that has been silent for longest is closed in favour of the new one.
        """
        if len(self._connections) < self._limits.connections:
            return True
        for phase in (_Phase.LINGERING, _Phase.READING):
            for connection in self._connections:
                if connection.phase is phase and not connection.awaited and not connection.leads_to_page:
                    self._drop(connection)
                    return True
        return False

    def _readable(self, connection: _Connection) -> None:
        if connection.phase not in (_Phase.READING, _Phase.LINGERING):
            return  # closed in favour of another one in the same round
        try:
            data = connection.sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(connection)
        elif connection.phase is _Phase.LINGERING:
            pass  # what follows the request is read and discarded
        elif not connection.parser.started and data[0] == _TLS_HANDSHAKE:
            logger.debug("A client speaks TLS to %s", self._name)
            self._tls.set()
            self._write(connection, _TLS_ALERT)
        else:
            self._take(connection, data)

    def _take(self, connection: _Connection, data: bytes) -> None:
        try:
            request = connection.parser.feed(data)
            if request is None:
                return
            response = self._handler.respond(request, connection.client)
        except RequestRefusedError as refusal:
            response = self._handler.refuse(refusal)
        if isinstance(response, Response):
            self._send(connection, response)
            return
        connection.held = response
        connection.phase = _Phase.HELD
        connection.deadline = self._clock() + self._limits.hold_seconds
        self._selector.unregister(connection.sock)

    def _answer_held(self, *, is_final: bool) -> None:
        for connection in list(self._connections):
            if connection.phase is _Phase.HELD:
                self._answer_if_known(connection, is_final=is_final)

    def _answer_if_known(self, connection: _Connection, *, is_final: bool) -> None:
        response = None if connection.held is None else connection.held.response(is_final=is_final)
        if response is not None:
            self._send(connection, response)
        elif is_final:
            self._drop(connection)

    def _send(self, connection: _Connection, response: Response) -> None:
        logger.debug("%s answers %s", self._name, response.status)
        connection.awaited = response.awaited
        connection.leads_to_page = response.leads_to_page
        self._write(connection, response.payload)

    def _write(self, connection: _Connection, payload: bytes) -> None:
        if connection.phase is _Phase.READING:
            self._selector.unregister(connection.sock)
        connection.phase = _Phase.WRITING
        connection.deadline = self._clock() + self._limits.write_seconds
        connection.unsent = payload
        self._selector.register(connection.sock, selectors.EVENT_WRITE, lambda: self._writable(connection))
        self._writable(connection)

    def _writable(self, connection: _Connection) -> None:
        if connection.phase is not _Phase.WRITING:
            return
        try:
            connection.unsent = connection.unsent[connection.sock.send(connection.unsent) :]
            if connection.unsent:
                return
            connection.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if connection.leads_to_page:
            connection.leads_to_page = False
            self._page_due = self._clock() + self._limits.farewell_seconds
        elif connection.awaited:
            self._page_due = None
        # To close now, with bytes of the client unread, would send a reset. The reset can overtake our last bytes, and
        # the browser would then show an error instead of the page (RFC 9112 section 9.6).
        connection.phase = _Phase.LINGERING
        connection.deadline = self._clock() + self._limits.linger_seconds
        self._selector.modify(connection.sock, selectors.EVENT_READ, lambda: self._readable(connection))

    def _expire(self) -> None:
        now = self._clock()
        for connection in list(self._connections):
            if now < connection.deadline:
                continue
            if connection.phase is _Phase.HELD:
                self._answer_if_known(connection, is_final=True)
            elif connection.phase is _Phase.READING and connection.parser.started:
                refusal = RequestRefusedError(408, "The request took too long.")
                self._send(connection, self._handler.refuse(refusal))
            else:
                self._drop(connection)  # among them, connections that browsers open in advance and never use

    def _drop(self, connection: _Connection) -> None:
        if connection.phase in (_Phase.READING, _Phase.WRITING, _Phase.LINGERING):
            self._selector.unregister(connection.sock)
        connection.phase = _Phase.CLOSED
        connection.sock.close()
        self._connections.remove(connection)
