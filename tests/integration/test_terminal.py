"""`az login` on a real terminal that can do little: pasted addresses, the choice of a subscription, Ctrl-C.

What it looks like on a better one is in test_picker.
"""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import ssl
import sys
import termios
from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import pexpect
import pytest

from tests.harness.az import Az
from tests.harness.http_user import HttpUser
from tests.localcloud import LocalCloud, User
from tests.localcloud.testing import Visitor
from tests.users import ALICE

# A terminal wider than any address, which it therefore does not wrap.
WIDE = (60, 4000)
_ADDRESS = re.compile(r"(https://localhost:\d+/\S*response_mode=query\S*)")
_ENTER = "Enter for no changes): "
_DUMB = {"TERM": "dumb"}


@pytest.fixture
def visitor(cloud: LocalCloud) -> Visitor:
    """A user at a browser that cannot reach the computer of the terminal."""
    return Visitor(cloud)


def _port_of(address: str) -> int:
    (redirect_uri,) = parse_qs(urlsplit(address).query)["redirect_uri"]
    port = urlsplit(redirect_uri).port
    assert port
    return port


def _last_address(visitor: Visitor, address: str) -> str:
    """Sign in, and return the address that the browser shows when its request fails."""
    landed = visitor.sign_in(address, ALICE)
    assert landed.method.upper() == "GET"
    return f"{landed.url.partition('?')[0]}?{urlencode(landed.parameters)}"


def _browser_that_insists_on_https(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


def _address_in(terminal: pexpect.spawn[str]) -> str:
    terminal.expect(_ADDRESS)
    assert isinstance(terminal.match, re.Match)
    return str(terminal.match.group(1))


def test_an_address_pasted_after_a_tls_hello_completes_the_sign_in(az: Az, visitor: Visitor) -> None:
    # Nothing has to open: only the request matters.
    browser = {"BROWSER": f"{az.host.bin / 'python'} -c pass %s"}
    terminal = az.pty("login", "-o", "none", env={**_DUMB, **browser}, size=WIDE)
    terminal.expect("A web browser has been opened")
    assert terminal.pid
    (port,) = _listening_ports(terminal.pid)
    _browser_that_insists_on_https(port)
    terminal.expect_exact("edge://net-internals/#hsts")
    address = _address_in(terminal)
    assert _port_of(address) == port
    terminal.expect("paste it here")
    pasted = _last_address(visitor, address).replace("http://", "https://")
    terminal.sendline(pasted)
    terminal.expect_exact(_ENTER)
    terminal.sendline("")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert {row["user"]["name"] for row in az.profile()["subscriptions"]} == {ALICE}


def test_what_is_pasted_is_checked_and_never_shown(az: Az, visitor: Visitor) -> None:
    terminal = az.pty("login", "--no-browser", "-o", "none", env=_DUMB, size=WIDE)
    address = _address_in(terminal)
    terminal.expect("paste it here")
    terminal.sendline("https://login.example/something-else")
    terminal.expect("paste the address again")
    final = _last_address(visitor, address)
    code = parse_qs(urlsplit(final).query)["code"][0]
    terminal.sendline(final)
    terminal.expect_exact(_ENTER)
    seen = terminal.before or ""
    terminal.sendline("")
    terminal.expect(pexpect.EOF)
    assert code not in seen
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.parametrize("input_ends", [False, True])
def test_the_browser_can_answer_while_the_terminal_waits_for_a_paste(
    az: Az, make_http_user: Callable[..., HttpUser], input_ends: bool
) -> None:
    terminal = az.pty("login", "--no-browser", "-o", "none", env=_DUMB, size=WIDE)
    address = _address_in(terminal)
    terminal.expect("paste it here")
    if input_ends:
        terminal.send("\x04")
        terminal.expect("accepts no more pasted addresses. The browser can still complete the sign-in.")
    assert "signed in" in make_http_user(ALICE).visit(address).text.lower()
    terminal.expect_exact(_ENTER)
    # The terminal echoes and edits lines again.
    terminal.send("2x\x7f")
    terminal.sendline("")
    terminal.expect("Subscription: Contoso Production")
    terminal.expect(pexpect.EOF)


def test_ctrl_c_ends_the_wait_without_a_traceback(az: Az) -> None:
    terminal = az.pty("login", "--no-browser", size=WIDE)
    _address_in(terminal)
    terminal.expect("paste it here")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
    assert "Traceback" not in (terminal.before or "")
    assert not az.profile_path.exists() or not az.profile().get("subscriptions")


def test_sigterm_restores_the_terminal(az: Az) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    terminal = az.pty("login", "--no-browser", env=_DUMB, size=WIDE)
    terminal.expect("paste it here")
    terminal.waitnoecho()
    terminal.kill(signal.SIGTERM)
    terminal.expect(pexpect.EOF)
    modes = termios.tcgetattr(terminal.child_fd)[3]
    assert modes & termios.ECHO
    assert modes & termios.ICANON
    terminal.close()
    assert terminal.exitstatus == 128 + signal.SIGTERM
    assert "Traceback" not in (terminal.before or "")


def _login_with_choice(az: Az, make_http_user: Callable[..., HttpUser], **options: object) -> pexpect.spawn[str]:
    terminal = az.pty("login", "--no-browser", env=_DUMB, **options)  # type: ignore[arg-type]
    address = _address_in(terminal)
    make_http_user(ALICE).visit(address)
    terminal.expect_exact(_ENTER)
    return terminal


def test_a_number_chooses_the_subscription(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    terminal = _login_with_choice(az, make_http_user, size=WIDE)
    table = terminal.before or ""
    number = re.search(r"\[(\d+)\]\s+Fabrikam Main", table)
    assert number
    for wrong in ("0", "99", "Fabrikam", "²"):
        terminal.sendline(wrong)
        terminal.expect("is not a number between")
        terminal.expect_exact(_ENTER)
    terminal.sendline(number[1])
    terminal.expect("Subscription: Fabrikam Main")
    terminal.expect(pexpect.EOF)
    assert az.run("account", "show", "--query", "name", "-o", "tsv").ok().stdout.strip() == "Fabrikam Main"


@pytest.mark.parametrize("cancel", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_cancelling_the_choice_keeps_the_sign_in(az: Az, make_http_user: Callable[..., HttpUser], cancel: str) -> None:
    terminal = _login_with_choice(az, make_http_user, size=WIDE)
    terminal.send(cancel)
    terminal.expect("The sign-in was kept, and the default subscription is 'Contoso Production'")
    terminal.expect(pexpect.EOF)
    assert "Traceback" not in (terminal.before or "")
    assert az.run("account", "show", "--query", "name", "-o", "tsv").ok().stdout.strip() == "Contoso Production"


def test_no_choice_is_offered_when_it_is_switched_off_or_not_needed(
    az: Az, make_http_user: Callable[..., HttpUser]
) -> None:
    for options in (["--subscription", "Fabrikam Main"], []):
        env = {} if options else {"AZURE_CORE_LOGIN_EXPERIENCE_V2": "no"}
        terminal = az.pty("login", "--no-browser", "-o", "tsv", "--query", "[].name", *options, env=env, size=WIDE)
        make_http_user(ALICE).visit(_address_in(terminal))
        terminal.expect("Fabrikam Main\r\n")
        terminal.expect(pexpect.EOF)
        assert _ENTER not in (terminal.before or "")


def test_a_hidden_prompt_asks_for_the_password(az: Az, alice: User) -> None:
    terminal = az.pty("login", "--username", ALICE, "-o", "none", size=WIDE)
    terminal.expect_exact("Password: ")
    terminal.waitnoecho()
    terminal.sendline(alice.password)
    terminal.expect(pexpect.EOF)
    assert alice.password not in (terminal.before or "")
    assert az.profile()["subscriptions"]


def _listening_ports(pid: int) -> list[int]:
    import psutil

    found = set()
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        # A child process may exit meanwhile.
        with contextlib.suppress(psutil.NoSuchProcess):
            connections = process.net_connections(kind="tcp")
            found |= {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
    return sorted(found)
