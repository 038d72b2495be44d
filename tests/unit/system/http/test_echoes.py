"""What a service repeats of a request: no secret of it reaches a text, in whatever form the service writes it."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
import requests
from azure.cli.core.azclierror import AzCLIError
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.entra.http_client import AuthorityHttpClient
from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
from azext_login.resource_manager.client import ResourceManager
from azext_login.resource_manager.resources import Tenant
from azext_login.system.http.echoes import REMOVED, Redaction, remove_echoes, secrets_of, without_echoes
from azext_login.system.http.errors import connection_errors
from azext_login.system.http.session import build_session
from tests.unit.auth.managed_identity.environments import in_environment, listening
from tests.unit.auth.managed_identity.identities import SCOPES

TOKEN = "0.AXkAcanary_refresh-token/with+signs==." + "Zq8" * 30
ASSERTION = ".".join(base64.urlsafe_b64encode(part * 20).decode().rstrip("=") for part in (b"head", b"load", b"sign"))
PASSWORD = "p&ss <wörd>'%20\"canary"


def _base64_after(before: str) -> Callable[[str], str]:
    return lambda secret: base64.b64encode(f"{before}{secret}!!".encode()).decode()


def _replaced(secret: str, characters: str, form: str) -> str:
    return "".join(form.format(ord(char)) if char in characters else char for char in secret)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": lambda secret: quote(secret, safe=""),
    "in a form": quote_plus,
    "in a URL, lower case": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
    "in HTML": html.escape,
    "in HTML, with numbers": lambda secret: _replaced(secret, "&<>'\"+", "&#{};"),
    "in HTML in HTML": lambda secret: html.escape(html.escape(secret)),
    "in a URL in a URL": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in JSON of .NET": lambda secret: _replaced(secret, "&<>'\"+\xf6", "\\u{:04X}"),
    "in JSON in JSON in JSON": lambda secret: json.dumps(json.dumps(secret)[1:-1])[1:-1],
    "in JSON in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in base64": _base64_after(""),
    "in base64 after a user name": _base64_after("alice:"),
    "in base64 after another text": _base64_after("x:alice:"),
    "in base64url": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "with invisible characters": lambda secret: "\u200b".join(secret),
    "with controls": lambda secret: "\x1b".join(secret),
    "cut off": lambda secret: secret[: len(secret) // 2] + "...",
    "cut off after a few characters": lambda secret: secret[:5] + "…",
}


def _is_shown(secret: str, text: str, longest: int = 8) -> bool:
    """Tell whether a text contains a part of a secret with so many characters, whatever its encoding."""
    decoded = html.unescape(text).replace("\u200b", "").replace("\x1b", "")
    return any(secret[i : i + longest] in decoded for i in range(max(1, len(secret) - longest + 1)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [TOKEN, ASSERTION, PASSWORD, "Passw0rd!", "1234-abcd"])
def test_a_secret_is_removed_in_every_form(secret: str, form: str) -> None:
    written = FORMS[form](secret)
    for text in (f"The value '{written}' is not valid.", f"AADSTS7000215: {written}", written, f"{written} {written}"):
        if form.startswith("cut off"):
            text = text.partition(written)[0] + written
        cleaned = Redaction((secret,)).of_text(text)
        assert REMOVED in cleaned
        assert not _is_shown(secret, cleaned, 5)
        for begin in range(len(written) - 12):
            assert written[begin : begin + 12] not in cleaned or "base64" in form


@given(
    st.text(st.characters(exclude_categories=("C", "M", "Z")), min_size=4, max_size=80),
    st.text(max_size=40),
    st.text(max_size=40),
)
def test_no_secret_is_left_in_any_text(secret: str, before: str, after: str) -> None:
    for form in ("as it is", "in a URL", "in HTML"):
        text = before + FORMS[form](secret) + after
        assert secret not in Redaction((secret,)).of_text(text).replace(REMOVED, "\0")


@given(st.text("abcdefghijklmnop0123456789-_", min_size=20, max_size=200), st.data())
def test_no_part_of_a_long_secret_is_left(secret: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(secret) - 10))
    end = data.draw(st.integers(begin + 10, len(secret)))
    part = secret[begin:end]
    assert part not in Redaction((secret,)).of_text(f"The value ({part}) is not valid.")
    beginning = secret[: data.draw(st.integers(4, len(secret)))]
    for cut in ("", "...", "…", " ...", "'", "\nTrace ID: 1"):
        assert beginning not in Redaction((secret,)).of_text(f"!{beginning}{cut}")


@given(st.text("ABCDEFGHIJ0123456789", min_size=4, max_size=80), st.text("klmnop qrst.'\"[]\u00e9\n", max_size=300))
def test_a_text_without_a_secret_stays_as_it_is(secret: str, text: str) -> None:
    assert Redaction((secret,)).of_text(text) == text


def test_a_very_short_password_is_removed_only_as_a_word() -> None:
    assert Redaction(("or",)).of_text("Invalid user name or password for 'x'") == (
        f"Invalid user name {REMOVED} password for 'x'"
    )
    assert Redaction(("x",)).of_text("expired") == "expired"


def test_nothing_takes_long_even_in_a_text_of_a_megabyte() -> None:
    """No clock: a quadratic search would take hours."""
    redaction = Redaction((TOKEN, ASSERTION * 10))
    assert REMOVED in redaction.of_text("'a' b... " * 110_000 + TOKEN)


# -- every request that sends a secret -----------------------------------------------------------------------------


class _Echo(ThreadingHTTPServer):
    """Repeats all that it receives, in a form."""

    write: Callable[[str], str] = str
    status = 400
    is_json = True


class _Handler(BaseHTTPRequestHandler):
    server: _Echo

    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        values = [value.partition(" ")[2] or value for value in self.headers.values()]
        fields = [value for _, value in parse_qsl(sent)] or [sent]
        text = " ; ".join(map(self.server.write, fields + values))
        body: dict[str, Any] = {
            "error": "invalid_request", "error_description": text, "message": text, "correlation_id": text
        }  # fmt: skip
        content = json.dumps(body) if self.server.is_json else f"<b>{text}</b>"
        self.send_response(self.server.status, text.encode("ascii", "replace").decode()[:200])
        self.send_header("Content-Type", text.encode("ascii", "replace").decode()[:200])
        self.end_headers()
        self.wfile.write(content.encode())

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def echo() -> Iterator[_Echo]:
    with _Echo(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@contextmanager
def _answering(echo: _Echo, form: str, status: int = 400, *, is_json: bool = True) -> Iterator[str]:
    echo.write, echo.status, echo.is_json = FORMS[form], status, is_json
    yield "http://{}:{}".format(*echo.server_address)


FIELDS = ("client_secret", "client_assertion", "assertion", "refresh_token", "code", "code_verifier", "device_code",
          "password")  # fmt: skip
WHOLE = [form for form in FORMS if not form.startswith("cut")]


def _assert_clean(secret: str, *texts: object) -> None:
    for text in texts:
        assert not _is_shown(secret, str(text)), text


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("field", FIELDS)
def test_no_field_of_a_token_request_comes_back(echo: _Echo, field: str, form: str) -> None:
    secret = PASSWORD if field == "password" else TOKEN
    with _answering(echo, form) as address:
        client = AuthorityHttpClient(build_session(), address)
        answer = client.post(f"{address}/token", data={field: secret, "client_id": "app", "scope": "a b"})
        error = explain(answer.json(), Attempt(username="app"))
    _assert_clean(secret, error, error.recommendations, answer.text, answer.headers, answer.reason)
    if form in ("as it is", "in HTML"):
        assert "app" in str(error), "what is not a secret is still quoted"


@pytest.mark.parametrize("status", [200, 203, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("is_json", [True, False])
def test_no_kind_of_failure_has_the_secret(
    echo: _Echo, status: int, is_json: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with _answering(echo, "as it is", status, is_json=is_json) as address:
        client = AuthorityHttpClient(build_session(sleep=lambda seconds: None), address)
        try:
            answer = client.post(f"{address}/token", data={"refresh_token": TOKEN})
            shown = [answer.text, str(explain(answer.json(), Attempt()))]
        except AzCLIError as error:
            shown = [str(error), *error.recommendations]
    _assert_clean(TOKEN, *shown, caplog.text)


def test_the_password_for_a_federation_server_does_not_come_back(echo: _Echo) -> None:
    envelope = f"<s:Body><wsse:Password Type='x'>{html.escape(PASSWORD)}</wsse:Password></s:Body>"
    for form in ("as it is", "in HTML"):
        with _answering(echo, form, 500, is_json=False) as address:
            client = AuthorityHttpClient(build_session(), address)
            answer = client.post(f"{address}/trust", data=envelope, headers={"Content-Type": "application/soap+xml"})
        _assert_clean(PASSWORD, answer.text)


@pytest.mark.parametrize("form", WHOLE)
def test_the_token_for_resource_manager_does_not_come_back(echo: _Echo, form: str) -> None:
    with _answering(echo, form, 403) as address:
        client = ResourceManager(
            address, session=build_session(), api_version="2022-12-01", token=lambda tenant, claims: TOKEN
        )
        with pytest.raises(AzCLIError) as caught:
            list(client.subscriptions(Tenant("t", None, None)))
    _assert_clean(TOKEN, caught.value, caught.value.recommendations)


@pytest.mark.parametrize("row", [{"id": "/subscriptions/1", "displayName": TOKEN, "state": TOKEN}, {"id": f"!{TOKEN}"}])
def test_a_page_that_repeats_the_token_is_read_without_it(row: dict[str, str]) -> None:
    page = json.dumps({"value": [row], "nextLink": f"https://other.example/?token={TOKEN}"})
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(page)}\r\n\r\n{page}"
    found: list[Any] = []
    with listening(answer.encode()) as (address, _):
        client = ResourceManager(
            f"http://{address}", session=build_session(), api_version="2022-12-01", token=lambda tenant, claims: TOKEN
        )
        with pytest.raises(AzCLIError) as caught:
            found.extend(client.subscriptions(Tenant("t", None, None)))
    _assert_clean(TOKEN, found, caught.value)


@given(st.integers(1, 200), st.integers(0, 50))
def test_a_secret_is_removed_from_pieces_of_any_size(size: int, before: int) -> None:
    answer = requests.Response()
    answer.request = requests.Request(
        "GET", "https://a.example", headers={"Authorization": f"Bearer {TOKEN}"}
    ).prepare()
    body = b"x" * before + TOKEN.encode() + b"y" + TOKEN.encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert b"".join(without_echoes(answer, pieces)) == b"x" * before + b"***y***"


def test_a_challenge_that_repeats_the_token_is_not_repeated() -> None:
    """The advice for the user contains the claims of a challenge."""
    claims = base64.b64encode(json.dumps({"access_token": {"x": TOKEN}}).encode()).decode()
    challenge = f'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer claims="{claims}"\r\nContent-Length: 2\r\n\r\n{{}}'
    asked: list[str | None] = []

    def token(tenant: str | None, claims: str | None) -> str:
        asked.append(claims)
        return TOKEN

    with listening(challenge.encode()) as (address, _):
        client = ResourceManager(f"http://{address}", session=build_session(), api_version="2022-12-01", token=token)
        with pytest.raises(AzCLIError) as caught:
            list(client.subscriptions(Tenant("t", None, None)))
    _assert_clean(TOKEN, asked, caught.value)


@pytest.mark.parametrize(
    ("variables", "secret"),
    [
        ({"IDENTITY_ENDPOINT": "{}/msi", "IDENTITY_HEADER": TOKEN}, TOKEN),
        ({"MSI_ENDPOINT": "{}/msi", "MSI_SECRET": TOKEN}, TOKEN),
        ({"IDENTITY_ENDPOINT": "{}/msi", "IDENTITY_HEADER": TOKEN, "IDENTITY_SERVER_THUMBPRINT": "0" * 40}, TOKEN),
    ],
    ids=["App Service", "Machine Learning", "Service Fabric"],
)
@pytest.mark.parametrize("form", WHOLE)
def test_the_secret_of_an_identity_service_does_not_come_back(
    echo: _Echo, variables: dict[str, str], secret: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        _answering(echo, form, 403) as address,
        in_environment({name: value.format(address) for name, value in variables.items()}),
        pytest.raises(AzCLIError) as caught,
    ):
        ManagedIdentityCredential(http=build_session(), sleep=lambda seconds: None).token(SCOPES)
    _assert_clean(secret, caught.value, caught.value.recommendations, caplog.text)


def test_tokens_of_a_result_stay_as_they_are() -> None:
    """A service may return the refresh token that it received."""
    body = {"access_token": TOKEN, "refresh_token": TOKEN}
    for has_error in (False, True):
        answer = requests.Response()
        answer.status_code, answer.url = 200, "https://login.example/token"
        answer._content = json.dumps({**body, **({"error": "x"} if has_error else {})}).encode()
        answer.request = requests.Request("POST", answer.url, data={"refresh_token": TOKEN}).prepare()
        remove_echoes(answer)
        assert (answer.json()["refresh_token"] == TOKEN) != has_error


def test_all_that_is_secret_in_a_request_is_known() -> None:
    request = requests.Request(
        "POST",
        "https://example.com/x?sig=of-the-url&api-version=1",
        data={**{field: f"the {field}" for field in FIELDS}, "client_id": "app", "scope": "s"},
        headers={"Authorization": "Bearer of-the-header", "X-IDENTITY-HEADER": "of-the-identity", "secret": "of-ml"},
    ).prepare()
    assert set(secrets_of(request)) == {
        *(f"the {field}" for field in FIELDS), "of-the-url", "of-the-header", "of-the-identity", "of-ml"
    }  # fmt: skip
    basic = requests.Request("GET", "https://example.com", auth=("alice", "of-basic")).prepare()
    assert "of-basic" in set(secrets_of(basic))


# What is not HTTP: urllib3 logs it, or quotes it in an error, whose causes the host logs with --debug.

_OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
NOT_HTTP = {
    "no status line": f"{TOKEN}\r\n\r\n",
    "a status that is no number": f"HTTP/1.1 {TOKEN} OK\r\n\r\n",
    "a protocol": f"{TOKEN}/1.1 200 OK\r\n\r\n",
    "a reason": f"HTTP/1.1 400 {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}",
    "a header without a name": f"{_OK}{TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}",
    "the name of a header": f"{_OK}{TOKEN}: x\r\nContent-Length: 2\r\n\r\n{{}}",
    "the size of a part": f"{_OK}Transfer-Encoding: chunked\r\n\r\n{TOKEN}\r\n{{}}\r\n0\r\n\r\n",
    "a length": f"{_OK}Content-Length: {TOKEN}\r\n\r\n{{}}",
    "a compression": f"{_OK}Content-Encoding: {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}",
    "an encoding": f"{_OK.rstrip()}; charset={TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}",
    "another address": f"HTTP/1.1 302 Found\r\nLocation: https://{TOKEN}.example/{TOKEN}\r\nContent-Length: 0\r\n\r\n",
    "a pause": f"HTTP/1.1 503 Busy\r\nRetry-After: {TOKEN}\r\nContent-Length: 0\r\n\r\n",
    "a challenge": f"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer x={TOKEN}\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", NOT_HTTP)
def test_a_secret_in_what_is_not_http_is_not_logged(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with listening(NOT_HTTP[answer].encode()) as (host, _):
        client = AuthorityHttpClient(build_session(sleep=lambda seconds: None), f"http://{host}")
        try:
            with connection_errors("the service", f"http://{host}"):
                client.post(f"http://{host}/token", data={"refresh_token": TOKEN})
            shown = ""
        except AzCLIError:
            shown = traceback.format_exc()
    _assert_clean(TOKEN, shown, caplog.text)
