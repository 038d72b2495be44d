"""The request parser on its own: any bytes, cut anywhere, give a request or a refusal and nothing else."""

from __future__ import annotations

from itertools import pairwise
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_login.system.http_server.request import (
    DuplicateParameterError,
    FormError,
    Request,
    RequestParser,
    RequestRefusedError,
    parse_form,
)

SECRET = "0.AXEAsecret"
# Fragments of which some sequences are requests, so that the search gets past the first line.
PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /?a=b HTTP/1.1\r\n",
    b"Host: localhost:1\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 99999\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"A: \r\n",
    b" folded\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b":",
    b"abc",
    b"\xff",
    b"x" * 300,
]
traffic = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))


def parser() -> RequestParser:
    return RequestParser(request_line=200, headers=400, body=100)


def outcome(chunks: list[bytes]) -> Request | int | None:
    """The request, the status of the refusal, or None for an unfinished request."""
    one = parser()
    try:
        for chunk in chunks:
            if (request := one.feed(chunk)) is not None:
                return request
    except RequestRefusedError as refusal:
        return refusal.status
    return None


def contents(result: Request | int | None) -> object:
    return (result.method, result.target, result.headers, result.body) if isinstance(result, Request) else result


@settings(max_examples=400, deadline=None)
@given(traffic)
def test_any_bytes_end_in_a_request_a_refusal_or_the_wish_for_more(data: bytes) -> None:
    result = outcome([data])
    if isinstance(result, int):
        assert result in (400, 411, 413, 431, 501, 505)


@settings(max_examples=400, deadline=None)
@given(traffic, st.lists(st.integers(0, 400), max_size=6))
def test_how_the_bytes_are_cut_makes_no_difference_to_a_request(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    whole, cut, single = outcome([data]), outcome(pieces), outcome([bytes((one,)) for one in data])
    # Which of two faults is named may depend on the cut; whether there is one may not.
    assert isinstance(whole, int) == isinstance(cut, int) == isinstance(single, int)
    if not isinstance(whole, int):
        assert contents(whole) == contents(cut) == contents(single)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
        max_size=8,
    )
)
def test_what_a_browser_encodes_is_decoded_to_the_same(parameters: dict[str, str]) -> None:
    assert parse_form(urlencode(parameters).encode()) == parameters


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("%&=+ac0fF\0\r", max_size=40).map(str.encode)))
def test_decoding_raises_its_own_error_only_and_never_repeats_what_it_read(data: bytes) -> None:
    failure = None
    try:
        parse_form(b"code=" + SECRET.encode() + b"&" + data)
    except FormError as error:
        failure = error
    if failure is not None:
        assert SECRET not in str(failure)
        assert (failure.__cause__, failure.__context__) == (None, None)


@pytest.mark.parametrize(
    "data", [b"a=1&a=2", b"a&a", b"a=1&%61=2", b"=1&=2", b"a=&b=&a="], ids=lambda data: data.decode()
)
def test_a_repeated_name_is_refused_however_it_is_spelled(data: bytes) -> None:
    with pytest.raises(DuplicateParameterError):
        parse_form(data)


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", {}),
        (b"&&a=b&", {"a": "b"}),
        (b"a", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=b+c%2Bd", {"a": "b c+d"}),
        (b"a=%e2%82%ac", {"a": "\u20ac"}),
        (b"a=1%0D%0A2", {"a": "1\r\n2"}),
        (b"a=b;c=d", {"a": "b;c=d"}),
    ],
)
def test_forms_are_decoded_as_the_standard_says(data: bytes, expected: dict[str, str]) -> None:
    assert parse_form(data) == expected


@pytest.mark.parametrize("data", [b"a=%", b"a=%4", b"a=%zz", b"a=%ff", b"%ff=a", b"a=%00", b"a=%1b", b"a=%7f"])
def test_what_is_badly_encoded_is_refused_and_not_repaired(data: bytes) -> None:
    with pytest.raises(FormError, match="encoded"):
        parse_form(data)


def test_the_repr_of_a_request_shows_its_method_only() -> None:
    request = outcome([f"GET /?code={SECRET} HTTP/1.1\r\nReferer: {SECRET}\r\n\r\n".encode()])
    assert repr(request) == "Request(method='GET')"


def test_sizes_at_the_limit_are_accepted_and_one_byte_more_is_not() -> None:
    line = "GET /{} HTTP/1.1"
    assert isinstance(outcome([line.format("a" * 186).encode() + b"\r\n\r\n"]), Request)
    assert outcome([line.format("a" * 187).encode() + b"\r\n\r\n"]) == 431
    head = b"GET / HTTP/1.1\r\n"
    assert isinstance(outcome([head + b"A: " + b"b" * 395 + b"\r\n\r\n"]), Request)
    assert outcome([head + b"A: " + b"b" * 396 + b"\r\n\r\n"]) == 431
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    assert isinstance(outcome([head % 100 + b"a" * 100]), Request)
    assert outcome([head % 101]) == 413
