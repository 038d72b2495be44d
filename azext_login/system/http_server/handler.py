"""What a server and the handler of its requests agree on: limits, the two ends of a connection, held connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from azext_login.system.http_server.request import Request, RequestRefusedError
from azext_login.system.http_server.response import Response


@dataclass(frozen=True)
class Limits:
    """How much of each resource clients may use: sizes in bytes, times in seconds.

    The header section may be longer than the request line: browsers send the cookies of every other server that ever
    ran on localhost, because cookies do not distinguish ports (RFC 6265 section 8.5). The defaults are for one browser.
    """

    request_line: int = 16 * 1024
    headers: int = 32 * 1024
    body: int = 64 * 1024
    connections: int = 16
    read_seconds: float = 5.0
    write_seconds: float = 5.0
    hold_seconds: float = 10.0
    linger_seconds: float = 1.0
    farewell_seconds: float = 0.75


@dataclass(frozen=True)
class Client:
    """The two ends of a connection, as the socket names them: address and port first."""

    peer: tuple[Any, ...]
    local: tuple[Any, ...]


class Held(Protocol):
    """What a held connection waits for. Called from the server's thread; must not block."""

    def response(self, *, is_final: bool) -> Response | None:
        """Return the response, or None to wait until `HttpServer.look_again` is called.

        :param is_final: the connection cannot be held any longer, so a response is needed now.
        """


class Handler(Protocol):
    """Decides about requests. Every method is called from the server's thread and must not block."""

    def respond(self, request: Request, client: Client) -> Response | Held:
        """Return the response, or what the connection is held for.

        :raises RequestRefusedError: the server then sends the response of `refuse`.
        """

    def refuse(self, refusal: RequestRefusedError) -> Response:
        """Return the response to a request that is refused."""
