"""The bytes of HTTP/1.1 responses. No response may be stored by anybody, and each one closes its connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}


@dataclass(frozen=True)
class Response:
    """The bytes of one HTTP response, and whether the server waits a moment for the client when it closes.

    `awaited`: a user is waiting for this page. `leads_to_page`: the client requests the page next.
    """

    status: int
    payload: bytes = field(repr=False)
    awaited: bool = False
    leads_to_page: bool = False


def make_response(
    status: int, fields: Mapping[str, str], body: bytes = b"", *, awaited: bool = False, leads_to_page: bool = False
) -> Response:
    """Return a response.

    :param status: one of the HTTP status codes that this module names.
    :param fields: header fields besides those that every response has; ASCII, never what a client sent.
    """
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    common = {
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        # The address that is answered may contain a secret, which must not be sent on as a Referer.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
    }
    lines += [f"{name}: {value}" for name, value in {**fields, **common}.items()]
    payload = ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body
    return Response(status, payload, awaited=awaited, leads_to_page=leads_to_page)


def without_body(response: Response) -> Response:
    """Return the same response without its content, for a HEAD request (RFC 9110 section 9.3.2)."""
    head, separator, _ = response.payload.partition(b"\r\n\r\n")
    return Response(response.status, head + separator)
