"""The browser sign-in with a real receiver, a real MSAL application and the local cloud, and a scripted user."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msal
import pytest
import requests

from azext_login.auth.entra.errors import Attempt
from azext_login.auth.interactive.browser import BrowserSignIn, sign_in_with_browser
from azext_login.errors import SignInError
from tests.harness.http_user import HttpUser
from tests.harness.waiting import until
from tests.localcloud import LocalCloud
from tests.localcloud.testing import Visitor
from tests.users import ALICE

SCOPES = ["https://management.localcloud.example//.default"]


class ScriptedTerminal:
    """A terminal whose user pastes what the test puts into `pasted`."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.pasted: list[str] = []
        self.reader_closed = False
        self.has_ended = False

    def show(self, text: str) -> None:
        self.shown.append(text)

    def show_notice(self, text: str) -> None:
        self.shown.append(text)

    def open_paste_reader(self) -> Any:
        return self

    def poll(self) -> str | None:
        return self.pasted.pop(0) if self.pasted else None

    def close(self) -> None:
        self.reader_closed = True

    def address(self, marker: str) -> str:
        """Return the sign-in address in what was shown, waiting for it."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for text in list(self.shown):
                for line in text.splitlines():
                    if line.startswith("https://") and marker in line:
                        return line
            time.sleep(0.02)
        raise AssertionError(f"no address with {marker}: {self.shown}")


@pytest.fixture
def application(cloud: LocalCloud) -> Iterator[Any]:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(cloud.ca_bundle)
        yield msal.PublicClientApplication(
            "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
            authority=f"{cloud.url}/organizations",
            instance_discovery=False,
            http_client=session,
        )


def _request(terminal: ScriptedTerminal, open_browser: Callable[[str], bool], **changes: Any) -> BrowserSignIn:
    settings: dict[str, Any] = {
        "scopes": SCOPES,
        "claims_challenge": None,
        "terminal": terminal,
        "open_browser": open_browser,
        "attempt": Attempt(),
        "time_limit": 20.0,
        **changes,
    }
    return BrowserSignIn(**settings)


def _redirect_port(address: str) -> int:
    (redirect_uri,) = parse_qs(urlsplit(address).query)["redirect_uri"]
    port = urlsplit(redirect_uri).port
    assert port is not None
    return port


def _https_attempt(port: int) -> None:
    """Connect as a browser does that uses https for localhost."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as plain, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


def _final_address(cloud: LocalCloud, address: str) -> str:
    """Sign in, and return the last address of a browser that cannot reach the receiver."""
    landed = Visitor(cloud).sign_in(address, ALICE)
    return f"{landed.url.partition('?')[0]}?{urlencode(landed.parameters)}"


def test_the_code_comes_back_in_a_form_so_that_no_address_bar_holds_it(
    application: Any, make_http_user: Callable[..., HttpUser]
) -> None:
    opened: list[str] = []
    alice = make_http_user(ALICE)

    def browse(address: str) -> bool:
        opened.append(address)
        page = alice.visit(address)
        assert "signed in" in page.text.lower()
        assert "code=" not in page.url
        return True

    result = sign_in_with_browser(application, _request(ScriptedTerminal(), browse))
    assert result["id_token_claims"]["preferred_username"] == ALICE
    assert "response_mode=form_post" in opened[0]


def test_a_browser_that_insists_on_https_is_named_and_its_address_can_be_pasted(
    application: Any, cloud: LocalCloud
) -> None:
    terminal = ScriptedTerminal()

    def browse(address: str) -> bool:
        port = _redirect_port(address)
        for _ in range(3):
            _https_attempt(port)
        final = _final_address(cloud, terminal.address("response_mode=query"))
        terminal.pasted += ["nonsense", final.replace("http:", "https:")]
        return True

    result = sign_in_with_browser(application, _request(terminal, browse))
    assert "access_token" in result
    text = "\n".join(terminal.shown)
    assert text.count("edge://net-internals/#hsts") == 1
    assert "localhost" in text
    assert terminal.reader_closed


def test_without_a_browser_the_address_is_shown_and_either_way_back_works(
    application: Any, cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    for paste in (True, False):
        terminal = ScriptedTerminal()

        def elsewhere(terminal: ScriptedTerminal = terminal, paste: bool = paste) -> None:
            address = terminal.address("response_mode=query")
            if paste:
                terminal.pasted.append(_final_address(cloud, address))
            else:
                make_http_user(ALICE).visit(address)

        helper = threading.Thread(target=elsewhere)
        helper.start()

        def refuse(address: str) -> bool:
            raise AssertionError("no browser was to be opened")

        result = sign_in_with_browser(application, _request(terminal, refuse, launch_browser=False))
        helper.join(10)
        assert "access_token" in result


def test_a_pasted_address_of_another_sign_in_is_refused_without_ending_this_one(application: Any) -> None:
    terminal = ScriptedTerminal()

    def elsewhere() -> None:
        address = terminal.address("response_mode=query")
        port = _redirect_port(address)
        terminal.pasted.append(f"http://localhost:{port}/?code=stolen-code&state=of-another-sign-in")

    threading.Thread(target=elsewhere).start()
    with pytest.raises(SignInError, match="not completed within"):
        sign_in_with_browser(
            application, _request(terminal, lambda address: True, launch_browser=False, time_limit=2.0)
        )
    assert any("another sign-in" in text for text in terminal.shown)
    assert not any("stolen-code" in text for text in terminal.shown)


def test_without_an_answer_the_error_names_another_command(application: Any) -> None:
    with pytest.raises(SignInError) as caught:
        sign_in_with_browser(application, _request(ScriptedTerminal(), lambda address: True, time_limit=0.3))
    assert "az login --use-device-code" in caught.value.recommendations[0]


def test_a_port_that_is_taken_is_named_with_other_ways_to_sign_in(application: Any) -> None:
    with socket.socket(socket.AF_INET) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SignInError) as caught:
            sign_in_with_browser(application, _request(ScriptedTerminal(), lambda address: True, port=port))
    assert f"Port {port} of localhost is in use: another program listens on it" in str(caught.value)
    (next_step,) = caught.value.recommendations
    assert next_step.startswith("Stop the other program, or choose another port:\naz login --redirect-port PORT\n")
    assert "az login --use-device-code" in next_step


@pytest.mark.parametrize("port", [0, 80])
def test_a_computer_without_a_usable_localhost_is_explained(
    application: Any, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("azext_login.system.http_server.listeners.socket.socket.bind", refuse)
    with pytest.raises(SignInError, match="Permission denied") as caught:
        sign_in_with_browser(application, _request(ScriptedTerminal(), lambda address: True, port=port))
    assert ("port 80" in str(caught.value)) == (port == 80)
    assert "az login --use-device-code" in caught.value.recommendations[0]


def test_a_refusal_reaches_the_terminal_and_the_page(application: Any, cloud: LocalCloud, tmp_path: Path) -> None:
    pages: list[str] = []

    def browse(address: str) -> bool:
        (state,) = parse_qs(urlsplit(address).query)["state"]
        answer = {"error": "access_denied", "error_description": "AADSTS65004: <b>declined</b>", "state": state}
        pages.append(requests.post(f"http://localhost:{_redirect_port(address)}/", data=answer, timeout=60).text)
        return True

    with pytest.raises(SignInError, match="declined"):
        sign_in_with_browser(application, _request(ScriptedTerminal(), browse))
    until(lambda: pages)
    assert "not signed in" in pages[0].lower()
    assert "<b>declined" not in pages[0]
