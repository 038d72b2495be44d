"""The redirect receiver against everything that may reach a port on localhost and is not the answer."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from azext_login.auth.interactive.redirect_receiver import RedirectReceiver
from azext_login.system.http_server.handler import Limits
from tests.unit.auth.interactive.redirect_client import (
    CODE,
    FORM,
    STATE,
    InBackground,
    Reply,
    answer,
    connect,
    get,
    no_thread_left,
    parse,
    post,
    proper,
    read_all,
    send,
)

# For a computer that is busy with other tests: what waits for one of these takes long enough to be told apart.
PATIENT = Limits(read_seconds=60, write_seconds=60, hold_seconds=60, linger_seconds=60)

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "connection": "close",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[RedirectReceiver]:
    """One receiver for all single refusals: each of them has to leave it as it was."""
    with no_thread_left(), closing(RedirectReceiver()) as receiver:
        receiver.expect(STATE)
        yield receiver
        assert receiver.wait(0) is None
        receiver.complete()
        assert send(receiver, post(receiver, answer())).status == 200


@pytest.fixture
def patient_receiver() -> Iterator[RedirectReceiver]:
    with no_thread_left(), closing(RedirectReceiver(limits=PATIENT)) as one:
        one.expect(STATE)
        yield one


@pytest.fixture
def receiver() -> Iterator[RedirectReceiver]:
    with no_thread_left(), closing(RedirectReceiver()) as one:
        one.expect(STATE)
        yield one


def request(line: str, *headers: str) -> Callable[[RedirectReceiver], bytes]:
    """A request with exactly these lines; PORT is replaced."""

    def build(receiver: RedirectReceiver) -> bytes:
        text = "\r\n".join((line, *headers)) + "\r\n\r\n"
        return text.replace("PORT", str(receiver.port)).encode("latin-1")

    return build


def good_get(*extra: str, host: str | None = None) -> Callable[[RedirectReceiver], bytes]:
    return lambda receiver: get(receiver, "/?" + answer(), *extra, host=host)


def target(path: str, *extra: str) -> Callable[[RedirectReceiver], bytes]:
    return lambda receiver: get(receiver, path, *extra)


def form(body: str | bytes, *extra: str, content_type: str = FORM) -> Callable[[RedirectReceiver], bytes]:
    return lambda receiver: post(receiver, body, *extra, content_type=content_type)


HOST = "Host: localhost:PORT"
QUERY = "/?" + answer()

REFUSED: list[tuple[str, int, Callable[[RedirectReceiver], bytes]]] = [
    # the state and the parameters
    ("no parameters", 400, target("/")),
    ("wrong state", 400, target(f"/?code={CODE}&state=another")),
    ("no state", 400, target(f"/?code={CODE}")),
    ("empty state", 400, target(f"/?code={CODE}&state=")),
    ("state in another case", 400, target(f"/?code={CODE}&state={STATE.upper()}")),
    ("prefix of the state", 400, target(f"/?code={CODE}&state={STATE[:-1]}")),
    ("state that is not ascii", 400, target(f"/?code={CODE}&state=%E2%82%AC")),
    ("wrong state in a form", 400, form(f"code={CODE}&state=another")),
    ("neither code nor error", 400, target(f"/?state={STATE}")),
    ("empty code", 400, target(f"/?code=&state={STATE}")),
    ("both code and error", 400, target(f"/?code={CODE}&error=access_denied&state={STATE}")),
    ("two codes", 400, target(f"/?code={CODE}&code=other&state={STATE}")),
    ("two states", 400, target(f"/?code={CODE}&state=another&state={STATE}")),
    ("two states, one spelled otherwise", 400, target(f"/?code={CODE}&st%61te=another&state={STATE}")),
    ("two codes in a form", 400, form(f"code={CODE}&code=other&state={STATE}")),
    (
        "answer in the address and in the form",
        400,
        lambda r: post(r, answer()).replace(b"POST /", b"POST /?a=b"),
    ),
    ("broken percent sequence", 400, target(f"/?code=%zz&state={STATE}")),
    ("bytes that are not UTF-8", 400, target(f"/?code=%ff%fe&state={STATE}")),
    ("encoded NUL", 400, target(f"/?code=a%00b&state={STATE}")),
    (
        "very many parameters",
        400,
        target(f"/?code={CODE}&state={STATE}&" + "&".join(f"{n}=" for n in range(101))),
    ),
    ("form that is JSON", 415, form('{"code": "x"}', content_type="application/json")),
    ("form that is multipart", 415, form(answer(), content_type="multipart/form-data; boundary=x")),
    ("form in another character set", 415, form(answer(), content_type=FORM + "; charset=utf-16")),
    ("form without a type", 415, request("POST / HTTP/1.1", HOST, "Content-Length: 0")),
    # where it is sent
    ("favicon", 404, target("/favicon.ico", "Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors")),
    ("another path", 404, target("/login?" + answer())),
    ("path above", 404, target("/../?" + answer())),
    ("double slash", 404, target("//?" + answer())),
    ("final page before any answer", 404, target("/done")),
    ("absolute address", 404, target("http://localhost/?" + answer())),
    ("foreign host", 403, good_get(host="evil.example")),
    ("foreign host with our port", 403, lambda r: get(r, QUERY, host=f"evil.example:{r.port}")),
    ("host without the port", 403, good_get(host="localhost")),
    ("host with another port", 403, good_get(host="localhost:1")),
    ("host with user information", 403, lambda r: get(r, QUERY, host=f"localhost:{r.port}@evil.example")),
    (
        "host that only starts like ours",
        403,
        lambda r: get(r, QUERY, host=f"localhost:{r.port}.evil.example"),
    ),
    ("host with a dot at the end", 403, lambda r: get(r, QUERY, host=f"localhost.:{r.port}")),
    ("other loopback address", 403, lambda r: get(r, QUERY, host=f"127.0.0.2:{r.port}")),
    ("no host", 400, request(f"GET {QUERY} HTTP/1.1")),
    ("no host in HTTP/1.0", 400, request(f"GET {QUERY} HTTP/1.0")),
    ("empty host", 403, request(f"GET {QUERY} HTTP/1.1", "Host:")),
    ("two hosts", 400, request(f"GET {QUERY} HTTP/1.1", HOST, HOST)),
    ("two hosts, one foreign", 400, request(f"GET {QUERY} HTTP/1.1", HOST, "host: evil.example")),
    # who sends it
    ("fetch by a page", 403, good_get("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty")),
    ("image of a page", 403, good_get("Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image")),
    ("web socket", 403, good_get("Sec-Fetch-Mode: websocket", "Upgrade: websocket")),
    ("frame in a page", 403, good_get("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe")),
    ("two destinations", 400, good_get("Sec-Fetch-Dest: document", "Sec-Fetch-Dest: image")),
    ("page loaded in advance", 403, good_get("Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch;prerender")),
    # methods
    *[
        (f"method {method}", 405, request(f"{method} {QUERY} HTTP/1.1", HOST))
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "get", "X")
    ],
    ("method CONNECT", 405, request("CONNECT localhost:1 HTTP/1.1", HOST)),
    ("preflight", 405, request("OPTIONS / HTTP/1.1", HOST, "Access-Control-Request-Method: POST")),
    # sizes
    ("long request line", 431, target(f"/?code={'c' * 17000}&state={STATE}")),
    ("endless request line", 431, lambda _: b"GET /" + b"a" * 20000),
    ("large header", 431, good_get("Cookie: " + "c" * 33000)),
    ("endless headers", 431, lambda r: get(r, "/")[:-2] + b"A: b\r\n" * 7000),
    ("many headers", 431, good_get(*[f"H{n}: 1" for n in range(101)])),
    ("large form", 413, form("code=" + "c" * 65536)),
    ("form declared to be huge", 413, request("POST / HTTP/1.1", HOST, "Content-Length: 9999999999")),
    ("form without a length", 411, request("POST / HTTP/1.1", HOST, f"Content-Type: {FORM}")),
    ("chunked form", 501, request("POST / HTTP/1.1", HOST, "Transfer-Encoding: chunked")),
    ("chunked and long", 501, form(answer(), "Transfer-Encoding: chunked")),
    ("negative length", 400, request("POST / HTTP/1.1", HOST, "Content-Length: -1")),
    ("length with a sign", 400, request("POST / HTTP/1.1", HOST, "Content-Length: +5")),
    ("length that is no number", 400, request("POST / HTTP/1.1", HOST, "Content-Length: 0x5")),
    ("length beyond any number", 400, request("POST / HTTP/1.1", HOST, "Content-Length: " + "9" * 5000)),
    ("two lengths", 400, form(answer(), "Content-Length: 5")),
    # syntax
    ("NUL in the request line", 400, lambda r: b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("NUL in a header", 400, good_get("A: b\0c")),
    ("escape character in a header", 400, good_get("A: \x1b[2J")),
    ("bare line feeds", 400, lambda r: get(r, QUERY).replace(b"\r\n", b"\n")),
    ("bare carriage return", 400, good_get("A: b\rHost: evil.example")),
    ("folded header", 400, good_get("A: b", " c")),
    ("blank before the colon", 400, good_get("A : b")),
    ("header without a name", 400, good_get(": b")),
    ("header without a colon", 400, good_get("nonsense")),
    ("blank in the address", 400, request(f"GET /?code=a b&state={STATE} HTTP/1.1", HOST)),
    ("address that is not ascii", 400, request(f"GET /?code=\xe9&state={STATE} HTTP/1.1", HOST)),
    ("no version", 400, request("GET /", HOST)),
    ("other protocol", 400, request("GET / GOPHER/1.1", HOST)),
    ("HTTP/2 without negotiation", 505, lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("empty line first", 400, lambda r: b"\r\n" + get(r, QUERY)),
    ("SSH", 400, lambda _: b"SSH-2.0-OpenSSH_9.6\n"),
    ("SMB", 400, lambda _: b"\x00\x00\x00\x85\xffSMB"),
]


@pytest.mark.parametrize("status, build", [pytest.param(s, b, id=name) for name, s, b in REFUSED])
def test_what_is_not_the_answer_is_refused_and_changes_nothing(
    shared: RedirectReceiver, status: int, build: Callable[[RedirectReceiver], bytes]
) -> None:
    reply = send(shared, build(shared))
    assert reply.status == status
    assert SECURITY_HEADERS.items() <= reply.headers.items()
    assert CODE not in reply.raw.decode()
    if not build(shared).startswith(b"HEAD"):
        assert int(reply.headers["content-length"]) == len(reply.body.encode())
    if status == 405:
        assert reply.headers["allow"] == "get, post"
    assert shared.wait(0) is None


def test_a_head_request_is_refused_without_a_body(shared: RedirectReceiver) -> None:
    reply = send(shared, request(f"HEAD {QUERY} HTTP/1.1", HOST)(shared))
    assert (reply.status, reply.body) == (405, "")


def test_the_page_for_a_foreign_state_explains_which_sign_in_is_expected(shared: RedirectReceiver) -> None:
    body = send(shared, target(f"/?code={CODE}&state=another")(shared)).body
    assert "This is not the sign-in that the terminal is waiting for" in body


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LocalHost"])
def test_every_name_of_localhost_is_accepted_as_host(receiver: RedirectReceiver, host: str) -> None:
    receiver.complete()
    assert send(receiver, get(receiver, QUERY, host=f"{host}:{receiver.port}")).status == 303
    assert receiver.wait(0) is not None


def test_the_headers_of_a_real_navigation_are_let_through(receiver: RedirectReceiver) -> None:
    receiver.complete()
    headers = (
        "Connection: keep-alive",
        "Origin: https://login.microsoftonline.com",
        "Upgrade-Insecure-Requests: 1",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Mode: navigate",
        "Sec-Fetch-User: ?1",
        "Sec-Fetch-Dest: document",
        "Cookie: other_servers=" + "c" * 20000,
        "X-Name: caf\xe9",
    )
    assert send(receiver, post(receiver, answer(), *headers)).status == 200


def test_a_second_answer_is_refused_and_the_first_one_stays(receiver: RedirectReceiver) -> None:
    browser = InBackground(lambda: send(receiver, proper(receiver)))
    assert receiver.wait(60) is not None
    replay = send(receiver, proper(receiver))
    assert (replay.status, "answered before" in replay.body) == (409, True)
    assert send(receiver, post(receiver, answer(code="other", state=STATE))).status == 409
    assert send(receiver, target(f"/?code={CODE}&state=another")(receiver)).status == 400
    receiver.complete()
    assert browser.result().status == 303
    received = receiver.wait(0)
    assert received is not None
    assert received.parameters["code"] == CODE


def test_of_many_answers_at_once_exactly_one_is_taken(receiver: RedirectReceiver) -> None:
    receiver.complete()
    start = threading.Barrier(12)

    def answer_with(code: str) -> Reply:
        start.wait()
        return send(receiver, post(receiver, answer(code=code, state=STATE)))

    clients = [InBackground(partial(answer_with, str(number))) for number in range(12)]
    statuses = [client.result().status for client in clients]
    assert sorted(statuses) == [200] + [409] * 11
    received = receiver.wait(0)
    assert received is not None
    assert received.parameters["code"] == str(statuses.index(200))


def test_markup_in_an_error_is_shown_as_text(receiver: RedirectReceiver) -> None:
    attack = "</p></style><script>alert(1)</script><img src=x onerror='alert(2)'>\"&\u202egnp\r\n\r\nHTTP/1.1 200"
    receiver.complete("")
    query = answer(error="<b>bad</b>", error_description=attack, state=STATE)
    reply = send(receiver, get(receiver, "/?" + query))
    assert reply.raw.count(b"HTTP/1.1 200 OK") == 1
    assert int(reply.headers["content-length"]) == len(reply.body.encode())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in reply.body
    assert "&lt;b&gt;bad&lt;/b&gt;" in reply.body
    for harmful in ("<script", "<img", "<b>", "onerror='", "\u202e"):
        assert harmful not in reply.body


def test_line_breaks_in_an_error_do_not_reach_the_headers(receiver: RedirectReceiver) -> None:
    receiver.complete("a\r\nSet-Cookie: b=c\r\n\r\n<h1>")
    reply = send(receiver, proper(receiver))
    assert "set-cookie" not in reply.headers
    page = send(receiver, get(receiver, "/done"))
    assert "set-cookie" not in page.headers
    assert "<h1>\n" not in page.body


def test_a_long_error_is_cut(receiver: RedirectReceiver) -> None:
    receiver.complete("")
    query = answer(error="e", error_description="x" * 5000, state=STATE)
    body = send(receiver, get(receiver, "/?" + query)).body
    assert "x" * 997 + "..." in body
    assert "x" * 1000 not in body


def test_tls_is_answered_with_an_alert_and_reported_while_the_sign_in_goes_on() -> None:
    with closing(RedirectReceiver(limits=PATIENT)) as receiver:
        receiver.expect(STATE)
        context = ssl.create_default_context()
        assert not receiver.was_reached_with_tls
        for _ in range(3):
            start = time.monotonic()
            with connect(receiver) as sock, pytest.raises(ssl.SSLError, match=r"(?i)handshake.failure"):
                context.wrap_socket(sock, server_hostname="localhost")
            assert time.monotonic() - start < PATIENT.read_seconds / 2
            assert receiver.was_reached_with_tls
        receiver.complete()
        assert send(receiver, proper(receiver)).status == 303


def test_the_alert_is_the_only_answer_to_tls(receiver: RedirectReceiver) -> None:
    assert send(receiver, b"\x16\x03\x01\x02\x00\x01\x00").raw == bytes.fromhex("15030100020228")


def test_a_request_that_comes_byte_by_byte_is_understood(receiver: RedirectReceiver) -> None:
    receiver.complete()
    with connect(receiver) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(receiver, answer()):
            sock.send(bytes((byte,)))
        assert parse(read_all(sock)).status == 200


def test_a_second_request_on_the_same_connection_is_ignored(receiver: RedirectReceiver) -> None:
    receiver.complete()
    first = get(receiver, f"/?code={CODE}&state=another")
    reply = send(receiver, first + proper(receiver))
    assert reply.status == 400
    assert reply.raw.count(b"HTTP/1.1 ") == 1
    assert receiver.wait(0) is None
    reply = send(receiver, post(receiver, answer()) + proper(receiver) + b"x" * 100_000)
    assert reply.status == 200


def test_a_client_that_still_sends_what_was_refused_is_not_reset() -> None:
    with closing(RedirectReceiver(limits=Limits(linger_seconds=60))) as receiver, connect(receiver) as sock:
        sock.sendall(post(receiver, b"c" * 500_000)[:1000])
        reply = sock.recv(20)
        for _ in range(3):
            sock.sendall(b"c" * 1000)  # raises after a reset
            time.sleep(0.05)
        assert parse(reply + read_all(sock)).status == 413


def test_a_proper_answer_comes_through_thirty_connections_that_send_nothing_or_drip(
    patient_receiver: RedirectReceiver,
) -> None:
    receiver = patient_receiver
    receiver.complete()
    stop = threading.Event()
    hostile = [connect(receiver) for _ in range(30)]

    def drip() -> None:
        while not stop.wait(0.02):
            for number, sock in enumerate(hostile):
                try:
                    if number % 2:
                        sock.send(b"G")
                except OSError:
                    pass

    dripper = threading.Thread(target=drip)
    dripper.start()
    try:
        time.sleep(0.2)
        browser = InBackground(lambda: send(receiver, post(receiver, answer())))
        assert browser.result().status == 200
        assert browser.seconds < PATIENT.read_seconds / 2
    finally:
        stop.set()
        dripper.join()
        for sock in hostile:
            sock.close()


def still_open(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def test_at_most_sixteen_connections_are_kept_and_they_are_the_latest() -> None:
    with closing(RedirectReceiver(limits=PATIENT)) as receiver:
        clients = [connect(receiver) for _ in range(30)]
        end = time.monotonic() + 30
        while sum(map(still_open, clients)) > 16 and time.monotonic() < end:
            time.sleep(0.02)
        assert [still_open(sock) for sock in clients] == [False] * 14 + [True] * 16
        for sock in clients:
            sock.close()


def test_connections_cannot_push_out_the_browser_that_is_held(receiver: RedirectReceiver) -> None:
    browser = InBackground(lambda: send(receiver, post(receiver, answer())))
    assert receiver.wait(60) is not None
    clients = [connect(receiver) for _ in range(40)]
    time.sleep(0.1)
    receiver.complete()
    assert browser.result().status == 200
    for sock in clients:
        sock.close()


def test_a_request_that_is_not_finished_in_time_is_refused() -> None:
    # A client without a first byte within this time has sent nothing.
    with closing(RedirectReceiver(limits=Limits(read_seconds=0.6))) as receiver:
        receiver.expect(STATE)
        for sent in (b"GET / HTTP/1.1\r\n", post(receiver, answer())[:-3]):
            start = time.monotonic()
            assert send(receiver, sent).status == 408
            assert 0.5 < time.monotonic() - start < 30
        assert send(receiver, b"").raw == b"", "a connection opened in advance is closed without a response"


def test_the_deadline_is_for_the_whole_request_and_not_for_each_byte() -> None:
    with closing(RedirectReceiver(limits=Limits(read_seconds=0.4))) as receiver, connect(receiver) as sock:
        start = time.monotonic()
        sock.settimeout(0.05)
        while time.monotonic() - start < 60:
            try:
                sock.send(b"G")
                if reply := sock.recv(1):
                    assert reply == b"H"
                    break
            except TimeoutError:
                continue
        assert time.monotonic() - start < 30


def test_resets_and_vanishing_clients_leave_no_trace(
    receiver: RedirectReceiver, capfd: pytest.CaptureFixture[str]
) -> None:
    for sent in (b"", b"GET / HT", proper(receiver)[:-1], get(receiver, "/"), b"\x16\x03"):
        sock = connect(receiver)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(sent)
        sock.close()  # a reset instead of an end
    receiver.complete()
    assert send(receiver, post(receiver, answer())).status == 200
    assert capfd.readouterr() == ("", "")


def test_closing_is_quick_whatever_is_open() -> None:
    # Closing does not wait for a server that continues for longer.
    with no_thread_left(), closing(RedirectReceiver(limits=PATIENT)) as receiver:
        receiver.expect(STATE)
        held = connect(receiver)
        held.sendall(proper(receiver))
        receiver.wait(60)
        others = [connect(receiver) for _ in range(10)]
        for number, sock in enumerate(others):
            sock.sendall((b"GET", get(receiver, "/nothing"), b"\x16")[number % 3])
    for sock in (held, *others):
        sock.close()


def test_a_client_that_does_not_read_cannot_delay_closing() -> None:
    with no_thread_left(), closing(RedirectReceiver(limits=PATIENT)) as receiver:
        receiver.expect(STATE)
        sock = connect(receiver)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        sock.sendall(post(receiver, answer()))
        receiver.wait(60)
        receiver.complete("\U0001f600" * 1000)
    sock.close()


def test_pages_need_nothing_from_anywhere_and_allow_only_their_own_style(receiver: RedirectReceiver) -> None:
    import base64
    import hashlib

    page = send(receiver, get(receiver, "/"))
    style = re.search(r"<style>(.*?)</style>", page.body, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    # Header names and values are lower-cased by the client of these tests.
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest.lower()}'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://|<script|@import|url\(|style=", page.body)
    assert '<meta name="viewport"' in page.body
    assert '<html lang="en">' in page.body
    assert "<title>" in page.body
