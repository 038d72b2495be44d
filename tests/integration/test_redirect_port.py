"""`az login --redirect-port`: the browser returns to the port that the user has chosen, and to no other."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import AddressTaker
from tests.harness.http_user import HttpUser

ALICE = "alice@contoso.example"


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_the_browser_returns_to_the_chosen_port(
    az: Az, make_http_user: Callable[..., HttpUser], free_port: int, tmp_path: Path
) -> None:
    browser = AddressTaker(tmp_path / "browser")
    words = ("login", "--redirect-port", str(free_port))
    process = az.start(*words, env={"BROWSER": browser.browser})
    address = browser.address()
    assert f"redirect_uri=http%3A%2F%2Flocalhost%3A{free_port}&" in address
    make_http_user(ALICE).visit(address)
    assert {row["user"]["name"] for row in az.result(process, *words).ok().json()} == {ALICE}


def test_the_printed_address_leads_back_to_the_chosen_port(
    az: Az, make_http_user: Callable[..., HttpUser], free_port: int
) -> None:
    # A terminal wider than the address.
    terminal = az.pty("login", "--no-browser", f"--redirect-port={free_port}", env={"TERM": "dumb"}, size=(60, 4000))
    terminal.expect(r"(https://localhost:\d+/\S*redirect_uri=\S*)")
    assert isinstance(terminal.match, re.Match)
    address = str(terminal.match.group(1))
    assert f"redirect_uri=http%3A%2F%2Flocalhost%3A{free_port}&" in address
    assert "signed in" in make_http_user(ALICE).visit(address).text.lower()
    terminal.expect_exact("Enter for no changes): ")


def test_a_port_that_another_program_uses_is_one_error_with_a_way_out(az: Az, taken_port: int, tmp_path: Path) -> None:
    browser = AddressTaker(tmp_path / "browser")
    error = az.run("login", "--redirect-port", str(taken_port), env={"BROWSER": browser.browser}).failed().stderr
    assert f"Port {taken_port} of localhost is in use: another program listens on it" in error
    assert "Stop the other program, or choose another port:\naz login --redirect-port PORT" in error
    assert "az login --use-device-code" in error
    assert not az.profile_path.exists() or not az.profile().get("subscriptions")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "8400x", "", "٣", "99999999999999999999"])
def test_anything_but_a_port_is_a_usage_error(az: Az, port: str) -> None:
    error = az.run("login", f"--redirect-port={port}").failed(2).stderr
    assert "from 1 to 65535" in error


def test_the_port_is_refused_with_a_device_code(az: Az) -> None:
    error = az.run("login", "--redirect-port", "8400", "--use-device-code").failed().stderr
    assert "'--redirect-port' is only applicable to a sign-in with a web browser" in error


def test_a_device_code_for_want_of_a_browser_ignores_the_port_with_a_warning(az: Az, free_port: int) -> None:
    process = az.start("login", "--redirect-port", str(free_port))
    assert process.stderr
    seen: list[str] = []
    while not seen or "code" not in seen[-1] or "http" not in seen[-1]:
        seen.append(process.stderr.readline())
        assert seen[-1], "".join(seen)
    process.kill()
    process.communicate()
    assert "".join(seen).count("--redirect-port was ignored") == 1
