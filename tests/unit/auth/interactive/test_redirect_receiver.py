"""The redirect receiver with well-behaved browsers: answers, pages, waiting, completing, closing."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from azext_login.auth.interactive.redirect_receiver import RedirectReceiver
from azext_login.system.http_server.handler import Limits
from azext_login.system.http_server.listeners import PortInUseError
from tests.unit.auth.interactive.redirect_client import (
    CODE,
    STATE,
    InBackground,
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

# For a computer that is busy with other tests: nothing depends on how quickly a client gets its turn.
PATIENT = Limits(read_seconds=60, write_seconds=60, hold_seconds=60, farewell_seconds=60)


@pytest.fixture
def receiver() -> Iterator[RedirectReceiver]:
    with no_thread_left(), closing(RedirectReceiver()) as one:
        one.expect(STATE)
        yield one


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_an_answer_in_the_address_is_received_and_the_page_has_an_address_without_the_code(
    receiver: RedirectReceiver,
) -> None:
    browser = InBackground(lambda: send(receiver, proper(receiver)))
    received = receiver.wait(60)
    assert received is not None
    assert dict(received.parameters) == {"code": CODE, "state": STATE}
    receiver.complete()
    reply = browser.result()
    assert (reply.status, reply.headers["location"]) == (303, "/done")
    page = send(receiver, get(receiver, "/done"))
    assert page.status == 200
    assert "You are signed in. You can close this window and go back to the terminal." in page.body
    assert CODE not in reply.raw.decode() + page.body


def test_a_posted_answer_is_received_and_gets_its_page_at_once(receiver: RedirectReceiver) -> None:
    browser = InBackground(lambda: send(receiver, post(receiver, answer(), "Origin: https://login.example")))
    received = receiver.wait(60)
    assert received is not None
    assert received.parameters["code"] == CODE
    receiver.complete()
    assert browser.result().status == 200
    assert "You are signed in." in browser.result().body


def test_codes_and_tokens_of_many_kilobytes_are_received_whole(receiver: RedirectReceiver) -> None:
    body = answer(code="c" * 9000, state=STATE, id_token="t" * 50000)
    browser = InBackground(lambda: send(receiver, post(receiver, body)))
    received = receiver.wait(60)
    assert received is not None
    assert (len(received.parameters["code"]), len(received.parameters["id_token"])) == (9000, 50000)
    receiver.complete()
    assert browser.result().status == 200


def test_an_error_of_the_authority_is_an_answer_and_its_page_shows_it(
    receiver: RedirectReceiver,
) -> None:
    query = answer(error="access_denied", error_description="AADSTS65004: declined\r\nTrace: 1", state=STATE)
    browser = InBackground(lambda: send(receiver, get(receiver, "/?" + query)))
    received = receiver.wait(60)
    assert received is not None
    assert received.parameters["error"] == "access_denied"
    receiver.complete("")
    reply = browser.result()
    assert reply.status == 200
    assert "Sign-in failed" in reply.body
    assert "access_denied: AADSTS65004: declined\nTrace: 1" in reply.body
    assert "The terminal shows the next step." in reply.body


def test_the_page_shows_why_a_code_could_not_be_redeemed(receiver: RedirectReceiver) -> None:
    browser = InBackground(lambda: send(receiver, post(receiver, answer())))
    receiver.wait(60)
    receiver.complete("AADSTS50076: more factors needed\nRun az login again.")
    body = browser.result().body
    assert "AADSTS50076: more factors needed\nRun az login again." in body
    assert "You are signed in." not in body


def test_the_browser_is_held_until_the_outcome_is_known(receiver: RedirectReceiver) -> None:
    browser = InBackground(lambda: send(receiver, post(receiver, answer())))
    receiver.wait(60)
    time.sleep(0.3)
    assert browser.running
    receiver.complete()
    assert "You are signed in." in browser.result().body


@pytest.mark.parametrize("by_post", [True, False])
def test_a_hold_that_takes_too_long_ends_on_a_neutral_page(by_post: bool) -> None:
    with closing(RedirectReceiver(limits=Limits(hold_seconds=0.2))) as receiver:
        receiver.expect(STATE)
        if by_post:
            reply = send(receiver, post(receiver, answer()))
        else:
            assert send(receiver, proper(receiver)).status == 303
            reply = send(receiver, get(receiver, "/done"))
        assert "Continue in the terminal" in reply.body
        receiver.complete()
        # The outcome is known now, and a reload of the page shows it.
        assert "You are signed in." in send(receiver, get(receiver, "/done")).body


@pytest.mark.parametrize("by_post", [True, False])
def test_leaving_while_the_browser_is_held_shows_it_the_neutral_page(by_post: bool) -> None:
    bodies: list[str] = []

    def browse(receiver: RedirectReceiver) -> None:
        reply = send(receiver, post(receiver, answer()) if by_post else proper(receiver))
        if reply.status == 303:
            reply = send(receiver, get(receiver, reply.headers["location"]))
        bodies.append(reply.body)

    with closing(RedirectReceiver(limits=PATIENT)) as one:
        one.expect(STATE)
        browser = threading.Thread(target=browse, args=(one,))
        browser.start()
        assert one.wait(60) is not None
    browser.join(60)
    assert "Continue in the terminal" in bodies[0]


def test_closing_right_after_completing_still_serves_the_redirected_page() -> None:
    for _ in range(10):
        bodies: list[str] = []

        def browse(receiver: RedirectReceiver, bodies: list[str]) -> None:
            location = send(receiver, proper(receiver)).headers["location"]
            time.sleep(0.05)  # a browser takes its time between the two
            bodies.append(send(receiver, get(receiver, location)).body)

        start = time.monotonic()
        with closing(RedirectReceiver(limits=PATIENT)) as receiver:
            receiver.expect(STATE)
            browser = threading.Thread(target=browse, args=(receiver, bodies))
            browser.start()
            receiver.wait(60)
            receiver.complete()
        assert time.monotonic() - start < PATIENT.farewell_seconds, (
            "closing waits for the page and not for the whole farewell"
        )
        browser.join(60)
        assert "You are signed in." in bodies[0]


def test_a_browser_that_never_comes_for_its_page_delays_closing_by_less_than_a_second() -> None:
    limits = replace(PATIENT, farewell_seconds=Limits().farewell_seconds)
    with closing(RedirectReceiver(limits=limits)) as receiver:
        receiver.expect(STATE)
        start = time.monotonic()
        browser = InBackground(lambda: send(receiver, proper(receiver)))
        receiver.wait(60)
        receiver.complete()
        browser.result()
        receiver.close()
        assert limits.farewell_seconds < 1
        # Of the limits, only this one has passed.
        assert limits.farewell_seconds <= time.monotonic() - start < 30


def test_several_states_can_be_expected_and_the_first_answer_is_the_only_one() -> None:
    with closing(RedirectReceiver()) as receiver:
        receiver.expect("first")
        receiver.expect("second")
        receiver.complete()
        assert send(receiver, post(receiver, answer(code="b", state="second"))).status == 200
        assert send(receiver, post(receiver, answer(code="a", state="first"))).status == 409
        received = receiver.wait(0)
        assert received is not None
        assert received.parameters["code"] == "b"


def test_an_empty_state_cannot_be_expected(receiver: RedirectReceiver) -> None:
    with pytest.raises(ValueError, match="empty"):
        receiver.expect("")


def test_waiting_ends_without_an_answer_after_the_time_given(receiver: RedirectReceiver) -> None:
    start = time.monotonic()
    assert receiver.wait(0.25) is None
    assert 0.2 < time.monotonic() - start < 30


def test_waiting_ends_when_the_receiver_is_closed(receiver: RedirectReceiver) -> None:
    closer = threading.Timer(0.1, receiver.close)
    closer.start()
    start = time.monotonic()
    assert receiver.wait(100) is None
    assert time.monotonic() - start < 50
    closer.join()


def test_the_caller_provides_the_clock() -> None:
    ticks = iter(range(0, 1000, 100))
    with closing(RedirectReceiver(clock=lambda: float(next(ticks, 10_000)))) as receiver:
        assert receiver.wait(250) is None


@pytest.mark.skipif(not has_ipv6(), reason="IPv6 is missing on localhost")
def test_both_loopback_addresses_are_served_on_one_port(receiver: RedirectReceiver) -> None:
    receiver.complete()
    assert send(receiver, get(receiver, "/"), "127.0.0.1").status == 400
    assert send(receiver, get(receiver, "/"), "::1").status == 400
    assert send(receiver, proper(receiver), "::1").status == 303
    assert receiver.wait(0) is not None


@pytest.mark.skipif(sys.platform != "linux", reason="only there all of 127/8 is loopback by default")
def test_no_other_address_of_the_machine_is_served(receiver: RedirectReceiver) -> None:
    with pytest.raises(ConnectionRefusedError):
        connect(receiver, "127.0.0.2")


def test_the_redirect_uri_names_localhost_and_the_port(receiver: RedirectReceiver) -> None:
    assert receiver.redirect_uri == f"http://localhost:{receiver.port}"


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_fixed_port_that_is_taken_on_either_address_is_a_named_error(family: socket.AddressFamily, host: str) -> None:
    if family == socket.AF_INET6 and not has_ipv6():
        pytest.skip("IPv6 is missing on localhost")
    with socket.socket(family, socket.SOCK_STREAM) as other:
        other.bind((host, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)) as caught:
            RedirectReceiver(port=port)
        assert caught.value.port == port
    with closing(RedirectReceiver(port=port)) as receiver:  # nothing was left open by the failure
        assert receiver.port == port


def test_no_other_process_can_listen_on_the_port_of_a_receiver(receiver: RedirectReceiver) -> None:
    with pytest.raises(PortInUseError):
        RedirectReceiver(port=receiver.port)
    if hasattr(socket, "SO_REUSEPORT"):
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                thief.bind(("127.0.0.1", receiver.port))


def test_a_fixed_port_can_be_used_again_right_after_an_answer() -> None:
    port = 0
    for _ in range(3):
        with closing(RedirectReceiver(port=port)) as receiver:
            port = receiver.port
            receiver.expect(STATE)
            receiver.complete()
            assert send(receiver, post(receiver, answer())).status == 200


@pytest.mark.parametrize("missing", [socket.AF_INET, socket.AF_INET6])
def test_one_address_family_is_enough(missing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == socket.AF_INET and not has_ipv6():
        pytest.skip("IPv6 is missing on localhost")
    real = socket.socket

    class Without(real):  # type: ignore[misc, valid-type]
        def __init__(self, family: int = -1, *rest: int, **named: int) -> None:
            if family == missing and rest[:1] == (socket.SOCK_STREAM,) and not named:
                raise OSError(97, "Address family not supported by protocol")
            super().__init__(family, *rest, **named)

    monkeypatch.setattr("azext_login.system.http_server.listeners.socket.socket", Without)
    with closing(RedirectReceiver()) as receiver:
        monkeypatch.undo()
        host = "::1" if missing == socket.AF_INET else "127.0.0.1"
        assert send(receiver, get(receiver, "/"), host).status == 400


def test_closing_twice_is_fine(receiver: RedirectReceiver) -> None:
    receiver.close()
    receiver.close()
    with pytest.raises(ConnectionRefusedError):
        connect(receiver)


def test_no_file_descriptor_is_left_open() -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open descriptors cannot be counted here")
    # In a process of its own: in this one, servers and other tests open and close theirs.
    script = (
        "import os\n"
        "from contextlib import closing\n"
        "from azext_login.auth.interactive.redirect_receiver import RedirectReceiver\n"
        "from tests.unit.auth.interactive.redirect_client import answer, connect, post, send\n"
        "before = None\n"
        "for _ in range(5):\n"
        "    with closing(RedirectReceiver()) as receiver:\n"
        f"        receiver.expect({STATE!r})\n"
        "        receiver.complete()\n"
        "        send(receiver, post(receiver, answer()))\n"
        "        idle = connect(receiver)\n"
        "    idle.close()\n"
        "    found = sorted(os.listdir('/proc/self/fd'))\n"
        "    assert before in (None, found), (before, found)\n"
        "    before = found\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_neither_the_log_nor_the_repr_holds_what_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), closing(RedirectReceiver()) as receiver:
        receiver.expect(STATE)
        receiver.complete()
        send(receiver, get(receiver, f"/?code={CODE}&state=wrong"))
        send(receiver, get(receiver, f"/{CODE}?code={CODE}"))
        send(receiver, get(receiver, f"/?code={CODE}&code={CODE}"))
        send(receiver, proper(receiver))
        received = receiver.wait(0)
        assert CODE not in repr(received)
    assert caplog.records
    assert CODE not in caplog.text
    assert STATE not in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT can be sent to one process there")
def test_ctrl_c_interrupts_the_wait_and_closes_the_receiver() -> None:
    script = (
        "from contextlib import closing\n"
        "from azext_login.auth.interactive.redirect_receiver import RedirectReceiver\n"
        "try:\n"
        "    with closing(RedirectReceiver()) as receiver:\n"
        "        receiver.expect('x')\n"
        "        print(receiver.port, flush=True)\n"
        "        receiver.wait(600)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        time.sleep(0.2)  # it may be waiting by then; if not, it is interrupted before
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.wait() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_browser_that_goes_away_while_it_is_held_does_no_harm(receiver: RedirectReceiver) -> None:
    with connect(receiver) as sock:
        sock.sendall(proper(receiver))
        assert receiver.wait(60) is not None
    receiver.complete()
    assert "You are signed in." in send(receiver, get(receiver, "/done")).body


def test_a_client_that_half_closes_after_its_request_gets_its_page(receiver: RedirectReceiver) -> None:
    with connect(receiver) as sock:
        sock.sendall(post(receiver, answer()))
        sock.shutdown(socket.SHUT_WR)
        assert receiver.wait(60) is not None
        receiver.complete()
        assert parse(read_all(sock)).status == 200
