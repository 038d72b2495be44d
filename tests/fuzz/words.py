"""Targets that are text: requests to the loopback receiver, pasted addresses, tokens, what programs print."""

from __future__ import annotations

import socket
import sys
from types import ModuleType
from typing import Any
from unittest import mock

from azext_login.auth.interactive.pasted_address import PastedAddressError, parse_pasted_address
from azext_login.auth.interactive.redirect_receiver import RedirectReceiver
from azext_login.auth.sources.access_token import read_token
from azext_login.auth.sources.credential_source import SourceRequest
from azext_login.auth.sources.federated_tokens import CommandAssertion, check_assertion
from azext_login.auth.sources.plugins import Plugin, PluginSource
from azext_login.auth.sources.program import ProgramSource
from azext_login.auth.sources.user_command import UserCommand, split_command_line
from azext_login.system.http_server.handler import Limits
from azext_login.system.http_server.request import FormError, RequestParser, RequestRefusedError, parse_form
from tests.fuzz.answers import CLAIMS, FAR, HOST, OBJECT, TENANT
from tests.fuzz.mutate import Mutator, token_of
from tests.fuzz.place import Place
from tests.fuzz.run import RefusedError, Target

_STATE = "state-of-this-sign-in"
_FORM = "application/x-www-form-urlencoded"


def _request(mutate: Mutator, port: int) -> bytes:
    query = f"code=0.code&state={_STATE}&session_state=1".encode()
    query = mutate.octets(query) if mutate.chance(3) else query
    if mutate.chance(2):
        head = f"POST / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: {_FORM}\r\n"
        return mutate.octets(f"{head}Content-Length: {len(query)}\r\n\r\n".encode() + query)
    rest = f" HTTP/1.1\r\nHost: localhost:{port}\r\nSec-Fetch-Mode: navigate\r\nCookie: a=b\r\n\r\n"
    return mutate.octets(b"GET /?" + query + rest.encode())


def _redirect_request(mutate: Mutator, here: Place) -> object:
    """Parse a request of which the bytes arrive in parts."""
    parser, content, request = (
        RequestParser(request_line=16384, headers=32768, body=65536),
        _request(mutate, 8400),
        None,
    )
    size = mutate.choose(1 << 20, 1 << 20, 7, 100, 1000)
    try:
        for at in range(0, min(len(content), 200_000), size):
            request = parser.feed(content[at : at + size])
            if request is not None:
                break
        if request is None:
            raise RefusedError
        request.header("host")
        return parse_form(request.body or request.target.partition("?")[2].encode("ascii"))
    except (RequestRefusedError, FormError) as error:
        raise RefusedError from error


def _redirect(mutate: Mutator, here: Place) -> object:
    """Send a request to the receiver, over a socket."""
    receiver = here.kept.get("receiver") or _receiver(here)
    content = _request(mutate, receiver.port)
    status = b""
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=5) as client:
        try:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65536):
                status += part
        except ConnectionError:
            # Refused before everything was sent.
            pass
    # What begins as a TLS record is answered by one: an alert.
    expected = b"\x15\x03" if content.startswith(b"\x16") else b"HTTP/1.1 "
    if status and not status.startswith(expected):
        raise AssertionError(status[:200])
    if receiver.wait(0.0) is None:
        raise RefusedError
    receiver.close()
    del here.kept["receiver"]
    return status


def _receiver(here: Place) -> RedirectReceiver:
    limits = Limits(read_seconds=0.5, write_seconds=0.5, hold_seconds=0.3, linger_seconds=0.05, farewell_seconds=0.01)
    receiver = RedirectReceiver(limits=limits)
    receiver.expect(_STATE)
    # The client does not wait for its page.
    receiver.complete(None)
    here.kept["receiver"] = receiver
    return receiver


def _pasted(mutate: Mutator, here: Place) -> object:
    address = f"http://localhost:8400/?code=0.code&state={_STATE}&session_state=1#x=y"
    try:
        return parse_pasted_address(mutate.text(mutate.text(address)), redirect_uri="http://localhost:8400")
    except PastedAddressError as error:
        raise RefusedError from error


def _handed_token(mutate: Mutator, here: Place) -> object:
    claims = {**CLAIMS, "aud": "https://management.azure.com/", "appid": OBJECT, "upn": "alice@contoso.example"}
    claims = {**claims, "iss": f"{HOST}/{TENANT}/v2.0", mutate.choose("idtyp", "scp"): "user"}
    tenant = mutate.choose(None, TENANT)
    return read_token(mutate.token(claims), authority=HOST, tenant=tenant, now=here.now)


_ASSERTION = token_of({"iss": "https://issuer.example", "sub": "x", "exp": FAR})
_ANSWERS: tuple[dict[str, Any], ...] = (
    {"version": 1, "kind": "assertion", "assertion": _ASSERTION, "expires_on": FAR},
    {"version": 1, "kind": "secret", "secret": "x", "expires_on": None},
    {"version": 1, "kind": "token", "access_token": "x.y.z", "expires_on": FAR},
)
_ASKED = SourceRequest(OBJECT, TENANT, ("https://management.azure.com/.default",), HOST)


def _program(mutate: Mutator, here: Place) -> object:
    """Read the JSON that a user's program prints."""
    output = mutate.json(mutate.choose(*_ANSWERS))
    with mock.patch.object(UserCommand, "run", return_value=output):
        return ProgramSource("get-credential").fetch(_ASKED, http=here.http, environ={})


def _token_command(mutate: Mutator, here: Place) -> object:
    """Read the token that a user's command prints."""
    output = mutate.octets(mutate.token({"iss": "https://issuer.example", "exp": FAR}).encode("utf-8", "surrogatepass"))
    with mock.patch.object(UserCommand, "run", return_value=output):
        assertion = CommandAssertion("get-token").fetch_assertion(http=here.http, environ={})
    check_assertion(assertion, here.now)
    return assertion


def _command_line(mutate: Mutator, here: Place) -> object:
    """Split the command line of a stored entry. Nothing runs."""
    platform = mutate.choose("linux", "win32")
    try:
        return split_command_line(mutate.text("get-token --audience 'api://x y' \"z\""), platform)
    except ValueError as error:
        raise RefusedError from error


class _Hostile:
    """An object with which nothing works."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("\x1b[2J")

    def __str__(self) -> str:
        raise RuntimeError("\ud800")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise KeyError(other)

    __hash__ = None  # type: ignore[assignment]


class _Source:
    def __init__(self, answer: Any):
        self._answer = answer

    def fetch(self, request: SourceRequest) -> Any:
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


def _plugin(mutate: Mutator, here: Place) -> object:
    """Ask a plug-in, which answers with any object or fails."""
    answer = mutate.plain(mutate.choose(*_ANSWERS))
    if mutate.chance(4) and isinstance(answer, dict) and answer:
        name = mutate.random.choice(list(answer))
        answer[name] = mutate.random.choice((_Hostile(), b"x", float("nan"), float("inf"), 10**400, {1}, object, 1j))
    if mutate.chance(10):
        answer = mutate.random.choice((
            ValueError(mutate.text("x")), RuntimeError(_Hostile()), SystemExit(3), KeyboardInterrupt(), MemoryError(),
            RecursionError(), BaseException(), GeneratorExit(), StopIteration(1),
            UnicodeDecodeError("a", b"b", 0, 1, "\x1b"),
        ))  # fmt: skip
    module = ModuleType("azext_fuzzed.sources")
    module.SOURCES = {"vault": lambda arguments: _Source(answer)}  # type: ignore[attr-defined]
    if mutate.chance(20):
        module.SOURCES = mutate.plain({"vault": "x"})  # type: ignore[attr-defined]
    found = [Plugin("fuzzed", sys.path[0], "azext_fuzzed", "azext_fuzzed.sources")]
    modules = {"azext_fuzzed": ModuleType("azext_fuzzed"), module.__name__: module}
    with (
        mock.patch.dict(sys.modules, modules),
        mock.patch("azext_login.auth.sources.plugins.find_plugins", return_value=found),
    ):
        return PluginSource("vault", "fuzzed").fetch(_ASKED, http=here.http, environ={})


TARGETS = (
    Target("redirect-request", _redirect_request, 6),
    Target("redirect", _redirect, 3),
    Target("pasted-address", _pasted, 6),
    Target("handed-token", _handed_token, 6),
    Target("program", _program, 6),
    Target("token-command", _token_command, 6),
    Target("command-line", _command_line, 2),
    Target("plug-in", _plugin, 4),
)
