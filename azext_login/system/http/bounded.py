"""Answers of limited size: their bytes are counted while they are read, after decompression.

urllib3 decompresses as much as one packet contains, and a packet of a few kilobytes may unpack to gigabytes. So the
bytes are decompressed here, in pieces.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from http.client import HTTPException, LineTooLong
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError, SSLError

from azext_login.errors import UnexpectedAnswerError
from azext_login.system.http.echoes import remove_echoes, remove_echoes_in_headers
from azext_login.system.http.surroundings import kind_of_bundle

DOCUMENT_LIMIT = 1 << 20
"""Bytes of a token, an identity, an assertion, a discovery document, or an error. They have a few kilobytes."""

# The encodings that we request and decompress (RFC 9110 section 8.4.1).
ACCEPTED_ENCODINGS = "gzip, deflate"
_GZIP = ("gzip", "x-gzip")

# Encodings may be nested. urllib3 has the same limit.
_MOST_LAYERS = 5

# Bytes that are decompressed at a time.
_PIECE = 1 << 16

_ADVICE = (
    "Another program may have answered in place of the service. Check the network and the address of the service, for "
    "example with `az cloud show`; then run the command again."
)


class BoundedAdapter(HTTPAdapter):
    """Sends requests whose answers have at most DOCUMENT_LIMIT bytes.

    The caller of a request with `stream=True` reads the answer itself, with `read_answer` or `pieces_of`.
    """

    def send(self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **options: Any) -> Any:
        """Send a request. See HTTPAdapter.

        :raises UnexpectedAnswerError: the answer is too large.
        """
        response = super().send(request, True, *args, **options)
        remove_echoes_in_headers(response)
        # requests itself would read the body of a redirect, without a limit, before it returns the answer.
        if not stream or response.is_redirect:
            read_answer(response)
        return response

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Check the CA certificates for a connection. See HTTPAdapter.

        :raises OSError: they are missing, or a pipe or device is in their place.
        """
        if isinstance(verify, str) and not os.path.isdir(verify) and kind_of_bundle(verify):
            # The text is like that of requests for a missing one.
            raise OSError(f"The TLS CA certificate bundle {verify} {kind_of_bundle(verify)}")
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # requests has no types for it


def read_answer(response: requests.Response, limit: int = DOCUMENT_LIMIT) -> None:
    """Read the body of an answer, which `response.content` and `response.text` then return.

    What a refusal repeats of the secrets of the request is removed. Every answer passes here, except a page that is
    read in pieces.

    :raises UnexpectedAnswerError: it has more than `limit` bytes.
    :raises requests.RequestException: it cannot be read to its end, or not be decompressed.
    """
    if _is_read(response):
        return
    response._content = b"".join(pieces_of(response, limit))
    response._content_consumed = True  # type: ignore[attr-defined]  # as iter_content sets it
    # For an answer without a character set, requests would guess one from all bytes, which takes seconds.
    response.encoding = response.encoding or "utf-8"
    remove_echoes(response)


def pieces_of(response: requests.Response, limit: int) -> Generator[bytes, None, None]:
    """Yield the decompressed body of an answer in pieces. The errors are those of `read_answer`."""
    if _is_read(response):
        yield response.content
        return
    try:
        if _announced_length(response) > limit:
            raise _too_large(response, limit)
        pieces = _counted(response.raw.stream(_PIECE, decode_content=False), response, limit)
        for encoding in _encodings_of(response):
            # Each layer is counted: one may unpack to gigabytes of which the next one makes nothing.
            pieces = _counted(_decompress(pieces, encoding), response, limit)
        yield from pieces
    except requests.RequestException:
        # Some of them are errors of urllib3, too.
        raise
    except SSLError as error:
        raise requests.exceptions.SSLError(error) from error
    except ReadTimeoutError as error:
        raise requests.exceptions.ConnectionError(error) from error
    except HTTPError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    except zlib.error as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    finally:
        # After the whole body, the connection is in the pool again, and this does nothing.
        response.close()


def replace_body(response: requests.Response, body: Mapping[str, Any]) -> None:
    """Make the body of an answer that was read a JSON object of our own."""
    response._content = json.dumps(body).encode("ascii")
    response.encoding = "utf-8"


def announces_too_much(response: Any) -> bool:
    """Tell whether an answer (urllib3's or ours) has more bytes than a document, by its headers."""
    return _announced_length(response) > DOCUMENT_LIMIT


def skip_body(response: Any) -> None:
    """Skip the body of an answer (urllib3's) that no one reads. A long one is cut off, with its connection."""
    try:
        skipped = response.read(DOCUMENT_LIMIT, decode_content=False)
    except HTTPError:
        skipped = None
    if skipped is None or len(skipped) == DOCUMENT_LIMIT:
        response.close()


def check_headers(error: Exception, pool: Any) -> None:
    """Check that a request did not fail because the headers of its answer are too large for `http.client`.

    :param pool: urllib3's pool of connections, which knows the host.
    :raises UnexpectedAnswerError: it did, so another request is pointless.
    """
    cause = next((arg for arg in error.args if isinstance(arg, HTTPException)), None)
    if isinstance(cause, LineTooLong) or type(cause) is HTTPException:
        raise UnexpectedAnswerError(
            f"The answer of {pool.host} has headers that are too large: {cause}.", _ADVICE
        ) from error


def _is_read(response: requests.Response) -> bool:
    # requests has no public name for it. Before the body was read, the value is False.
    return response._content is not False  # type: ignore[comparison-overlap]


def _announced_length(response: Any) -> int:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 20 else 0


def _encodings_of(response: requests.Response) -> list[str]:
    """Return the encodings in the order in which they have to be removed. An unknown one ends the list."""
    names = [name.strip().lower() for name in response.headers.get("Content-Encoding", "").split(",")]
    layers = [name for name in reversed(names) if name not in ("", "identity")]
    if len(layers) > _MOST_LAYERS:
        raise requests.exceptions.ContentDecodingError(f"the answer has {len(layers)} encodings")
    known = next((i for i, name in enumerate(layers) if name not in (*_GZIP, "deflate")), len(layers))
    return layers[:known]


def _counted(pieces: Iterable[bytes], response: requests.Response, limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise _too_large(response, limit)
        yield piece


def _decompress(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the decompressed content of a body. It may consist of several members (RFC 1952 section 2.2).

    :raises zlib.error: it is damaged, or not complete.
    """
    decoder: Any = None
    members = 0
    for piece in pieces:
        data = piece
        while data:
            decoder = decoder or zlib.decompressobj(_window_bits(data, encoding))
            try:
                out = decoder.decompress(data, _PIECE)
            except zlib.error:
                if members:
                    return  # Programs that decompress ignore what follows a member and is not one.
                raise
            while out:
                yield out
                # Content may be pending although all input was read.
                out = decoder.decompress(decoder.unconsumed_tail, _PIECE)
            data = decoder.unused_data
            if decoder.eof:
                decoder = None
                members += 1
    if decoder is not None and not members:
        raise zlib.error("the content is not complete")


def _window_bits(data: bytes, encoding: str) -> int:
    """Return zlib's parameter for a format. Some servers call raw deflate data `deflate`, without zlib's header."""
    if encoding in _GZIP:
        return 16 + zlib.MAX_WBITS
    has_header = data[0] & 0x0F == zlib.DEFLATED
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS


def _too_large(response: requests.Response, limit: int) -> UnexpectedAnswerError:
    host = urlsplit(response.url).netloc
    return UnexpectedAnswerError(
        f"The answer of {host} is too large: it has more than {limit >> 20} MB (HTTP status {response.status_code}).",
        _ADVICE,
    )
