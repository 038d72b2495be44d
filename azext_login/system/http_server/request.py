"""Parses one HTTP/1.x request from untrusted bytes, strictly and within limits, and decodes form parameters.

Strictness is the point, so this parser is not a library's. ``http.server`` makes blocking reads from a file object: a
deadline for the whole request, a limit for the whole head and a refusal before the body arrives could only be added
from outside. Both it and h11 accept what no browser sends here: bare line feeds and folded headers (h11 0.16 as well).
The requests that we serve are a small language, and this module accepts nothing else. It uses no socket: bytes go in, a
record comes out.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # RFC 9110 section 5.6.2
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb"{1,32}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_HEADER_NAME = re.compile(_TOKEN + rb"{1,128}")
_CONTENT_LENGTH = re.compile(r"[0-9]{1,10}")
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Error descriptions of the authority contain line breaks. No other control character is allowed in an answer.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# RFC 9112 section 2.2: a bare CR or LF is where two parsers start to disagree about where a line ends.
_BAD_IN_HEAD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]")

_MAX_HEADERS = 100
_MAX_FIELDS = 100


class RequestRefusedError(ValueError):
    """A request is refused. `status` is the HTTP status of the response.

    The message is fixed text, without anything that the client sent.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class FormError(ValueError):
    """A query or form body cannot be decoded. The message never contains any part of it."""


class DuplicateParameterError(FormError):
    """A parameter appears twice, which RFC 6749 section 3.1 forbids."""


@dataclass(frozen=True)
class Request:
    """One request. `headers` maps lower-case names to all values; target and body may contain secrets."""

    method: str
    target: str = field(repr=False)
    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    body: bytes = field(repr=False, default=b"")

    def header(self, name: str) -> str | None:
        """Return the only value of a header, or None if the header is missing.

        :raises RequestRefusedError: 400, the header is repeated.
        """
        values = self.headers.get(name, ())
        if len(values) > 1:
            raise RequestRefusedError(400, "A header that may appear once is repeated.")
        return values[0] if values else None


class RequestParser:
    """Collects bytes as they arrive until the request is complete.

    Only the body of a POST is read. Whatever follows the request (a second request, the body of a GET) is ignored:
    every connection carries one request.
    """

    def __init__(self, *, request_line: int, headers: int, body: int) -> None:
        """All limits in bytes: the request line, the header section after it, and the body."""
        self._max_line = request_line
        self._max_headers = headers
        self._max_body = body
        self._buffer = bytearray()
        self._scanned = 0
        self._line_end = -1
        self._head: Request | None = None
        self._body_start = 0
        self._body_length = 0

    @property
    def started(self) -> bool:
        """Whether any byte has arrived."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Request | None:
        """Add bytes, and return the request if it is complete, None if bytes are missing.

        :raises RequestRefusedError: the request is not acceptable.
        """
        self._buffer += data
        if self._head is None:
            self._read_head()
        if self._head is None or len(self._buffer) < self._body_start + self._body_length:
            return None
        body = bytes(self._buffer[self._body_start : self._body_start + self._body_length])
        return Request(self._head.method, self._head.target, self._head.headers, body)

    def _read_head(self) -> None:
        # Start three bytes earlier: the end of the head may be split over two reads.
        start = max(0, self._scanned - 3)
        end = self._buffer.find(b"\r\n\r\n", start)
        known = end + 2 if end >= 0 else len(self._buffer)
        if self._line_end < 0:
            self._line_end = self._buffer.find(b"\r\n", start, known)
        line_length = self._line_end if self._line_end >= 0 else known
        if line_length > self._max_line:
            raise RequestRefusedError(431, "The request line is too long.")
        if self._line_end >= 0 and known - self._line_end - 2 > self._max_headers:
            raise RequestRefusedError(431, "The request headers are too long.")
        # Garbage is refused as it arrives: it may have no end.
        if _BAD_IN_HEAD.search(self._buffer, max(0, self._scanned - 1), known):
            raise RequestRefusedError(400, "The request contains characters that are not allowed.")
        self._scanned = known
        if end >= 0:
            self._head = _parse_head(bytes(self._buffer[:end]))
            self._body_start = end + 4
            self._body_length = self._length_of_body(self._head)

    def _length_of_body(self, head: Request) -> int:
        if "transfer-encoding" in head.headers:
            # Browsers send forms with a length. A second way to delimit a body allows request smuggling.
            raise RequestRefusedError(501, "Transfer-Encoding is not supported.")
        text = head.header("content-length")
        if text is not None and not _CONTENT_LENGTH.fullmatch(text):
            raise RequestRefusedError(400, "Content-Length is not a number.")
        if head.method != "POST":
            return 0
        if text is None:
            raise RequestRefusedError(411, "The request needs a Content-Length.")
        if int(text) > self._max_body:
            raise RequestRefusedError(413, "The request body is too long.")
        return int(text)


def _parse_head(head: bytes) -> Request:
    lines = head.split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise RequestRefusedError(400, "The request line is malformed.")
    method, target, major, _ = match.groups()
    if major != b"1":
        raise RequestRefusedError(505, "This HTTP version is not supported.")
    if len(lines) - 1 > _MAX_HEADERS:
        raise RequestRefusedError(431, "The request has too many headers.")
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        # This also refuses folded lines (they start with a blank) and a blank before the colon, RFC 9112 section 5.
        if not colon or not _HEADER_NAME.fullmatch(name):
            raise RequestRefusedError(400, "A request header is malformed.")
        key = name.decode("ascii").lower()
        headers[key] = (*headers.get(key, ()), value.strip(b" \t").decode("latin-1"))
    return Request(method.decode("ascii"), target.decode("ascii"), headers)


def parse_form(data: bytes) -> dict[str, str]:
    """Decode application/x-www-form-urlencoded (a query or a form body) to its parameters.

    This is stricter than ``urllib.parse.parse_qsl``, which repairs what is not valid.

    :raises FormError: an invalid percent sequence, text that is not UTF-8, a control character, too many parameters.
    :raises DuplicateParameterError: a name is repeated.
    """
    parameters: dict[str, str] = {}
    parts = [part for part in data.split(b"&") if part]
    if len(parts) > _MAX_FIELDS:
        raise FormError("There are too many parameters.")
    for part in parts:
        name, _, value = part.partition(b"=")
        key = _decode(name)
        if key in parameters:
            raise DuplicateParameterError("A parameter appears twice.")
        parameters[key] = _decode(value)
    return parameters


def _decode(data: bytes) -> str:
    text = None
    if not _BAD_PERCENT.search(data):
        # Decoding errors quote their input, so they must not become the cause of ours.
        with contextlib.suppress(UnicodeDecodeError):
            text = unquote_to_bytes(data.replace(b"+", b" ")).decode("utf-8")
    if text is None or _CONTROL.search(text):
        raise FormError("A parameter is not properly encoded.")
    return text
