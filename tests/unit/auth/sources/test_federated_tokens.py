"""Sources of federated tokens: a file, and the services of build systems, which are real servers on loopback here."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from azext_login.auth.entra.known_clouds import audience_of
from azext_login.auth.jwt import expiry_of
from azext_login.auth.sources.credential_source import AssertionSource
from azext_login.auth.sources.federated_tokens import (
    AzurePipelinesAssertion,
    BuildAssertion,
    CommandAssertion,
    FileAssertion,
    GitHubAssertion,
    check_assertion,
    source_from_json,
)
from azext_login.errors import ServiceUnreachableError, SignInError, UnexpectedAnswerError
from azext_login.system.http.session import TIMEOUT, build_session

JOB_TOKEN = "job-token-canary"
AUDIENCE = "api://AzureADTokenExchange"
CONNECTION = "0b8b6b8a-7d4b-4b2e-9d0a-3c8f6f2a1e55"
NOW = 1_777_636_800.0  # 2026-05-01 12:00:00 UTC


def jwt(claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
    """Return a token with a signature that cannot be verified."""
    parts = [json.dumps(part).encode() for part in (header or {"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature"))


TOKEN = jwt({"iss": "https://issuer.example", "sub": "canary", "aud": AUDIENCE, "exp": NOW + 300})


@dataclass
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class TokenService:
    """A server on loopback that records its requests and gives the same answer to all."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    received: list[Received] = field(default_factory=list)
    address: str = ""

    def answer(self, value: object, status: int = 200) -> None:
        """Answer with JSON from now on."""
        self.body, self.status = json.dumps(value).encode(), status


@contextlib.contextmanager
def serving() -> Iterator[TokenService]:
    service = TokenService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.received.append(Received(self.command, self.path, headers, body))
            self.send_response(service.status)
            for name, value in {**service.headers, "Content-Length": str(len(service.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(service.body)

        do_GET = do_POST = _handle  # noqa: N815 (the names are http.server's)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service() -> Iterator[TokenService]:
    with serving() as running:
        yield running


@dataclass(frozen=True)
class BuildSystem:
    """One kind of service: its environment variables, and the member of its answer that has the token."""

    source: AssertionSource
    address: str
    token: str
    member: str
    path: str
    advice: str

    def environ(self, service: TokenService) -> dict[str, str]:
        return {self.address: service.address + self.path, self.token: JOB_TOKEN}

    def fetch(self, environ: Mapping[str, str], http: requests.Session | None = None) -> str:
        return self.source.fetch_assertion(http=http or build_session(), environ=environ)


GITHUB = BuildSystem(
    GitHubAssertion(AUDIENCE),
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "value",
    "/job/1//idtoken?api-version=2.0",
    "permissions:\n  id-token: write",
)
AZURE_PIPELINES = BuildSystem(
    AzurePipelinesAssertion(CONNECTION),
    "SYSTEM_OIDCREQUESTURI",
    "SYSTEM_ACCESSTOKEN",
    "oidcToken",
    "/contoso/_apis/distributedtask/hubs/build/plans/1/jobs/2/oidctoken",
    "SYSTEM_ACCESSTOKEN: $(System.AccessToken)",
)


@pytest.fixture(params=[GITHUB, AZURE_PIPELINES], ids=["GitHub", "Azure Pipelines"])
def system(request: pytest.FixtureRequest) -> BuildSystem:
    chosen: BuildSystem = request.param
    return chosen


def refused(
    system: BuildSystem, environ: Mapping[str, str], kind: type[Any] = SignInError, **options: Any
) -> tuple[str, str]:
    """Return message and advice of the error, which must quote no secret."""
    with pytest.raises(kind) as caught:
        system.fetch(environ, **options)
    error = caught.value
    message, advice = str(error.error_msg), "\n".join(error.recommendations)
    assert advice
    for secret in (JOB_TOKEN, TOKEN, "canary"):
        assert secret not in message + advice + repr(error.__cause__) + repr(error.__context__)
    return message, advice


def test_github_gets_the_request_that_its_documentation_describes(service: TokenService) -> None:
    service.answer({"value": TOKEN, "count": 1})
    assert GITHUB.fetch(GITHUB.environ(service)) == TOKEN
    (request,) = service.received
    assert request.method == "GET"
    assert request.path == "/job/1//idtoken?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange"
    assert request.headers["authorization"].lower() == f"bearer {JOB_TOKEN}"


def test_an_address_without_a_query_gets_one(service: TokenService) -> None:
    service.answer({"value": TOKEN})
    assert GITHUB.fetch({**GITHUB.environ(service), GITHUB.address: f"{service.address}/idtoken"}) == TOKEN
    assert service.received[0].path.startswith("/idtoken?audience=")


def test_azure_pipelines_gets_the_request_that_azure_identity_sends(service: TokenService) -> None:
    service.answer({"oidcToken": TOKEN})
    environ = {
        **AZURE_PIPELINES.environ(service),
        AZURE_PIPELINES.address: service.address + AZURE_PIPELINES.path + "/",
    }
    assert AZURE_PIPELINES.fetch(environ) == TOKEN
    (request,) = service.received
    assert request.method == "POST"
    assert request.path == f"{AZURE_PIPELINES.path}?api-version=7.1&serviceConnectionId={CONNECTION}"
    assert request.body == b""
    expected = {
        "authorization": f"Bearer {JOB_TOKEN}",
        "content-type": "application/json",
        "content-length": "0",
        "x-tfs-fedauthredirect": "Suppress",
    }
    assert {name: request.headers.get(name) for name in expected} == expected


def test_values_in_an_address_are_percent_encoded(service: TokenService) -> None:
    service.answer({"value": TOKEN, "oidcToken": TOKEN})
    for source in (GitHubAssertion("a&b=c d/é"), AzurePipelinesAssertion("a&b=c d/é")):
        environ = {**GITHUB.environ(service), **AZURE_PIPELINES.environ(service)}
        assert source.fetch_assertion(http=build_session(), environ=environ) == TOKEN
    assert all(request.path.endswith("=a%26b%3Dc%20d%2F%C3%A9") for request in service.received)


def build_fetched(environ: Mapping[str, str]) -> str:
    return BuildAssertion().fetch_assertion(http=build_session(), environ=environ)


def test_the_build_system_is_found_by_its_variables_and_github_takes_precedence(service: TokenService) -> None:
    service.answer({"value": TOKEN, "oidcToken": TOKEN})
    pipelines = {**AZURE_PIPELINES.environ(service), "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID": CONNECTION}
    github = GITHUB.environ(service)
    unauthorised = {name: value for name, value in github.items() if name == GITHUB.address}
    for environ in (pipelines, {**pipelines, **github}, {**pipelines, **unauthorised}):
        assert build_fetched(environ) == TOKEN
    audience = "audience=api%3A%2F%2FAzureADTokenExchange"
    assert [request.path.rpartition("&")[2] for request in service.received] == [
        f"serviceConnectionId={CONNECTION}", audience, f"serviceConnectionId={CONNECTION}",
    ]  # fmt: skip


@pytest.mark.parametrize("present", [{}, {"ARM_OIDC_AZURE_SERVICE_CONNECTION_ID": "$(connection)"}])
def test_a_service_connection_may_come_from_the_task(service: TokenService, present: Mapping[str, str]) -> None:
    service.answer({"oidcToken": TOKEN})
    task = {"AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": CONNECTION}
    assert build_fetched({**AZURE_PIPELINES.environ(service), **task, **present}) == TOKEN
    assert service.received[0].path.endswith(f"serviceConnectionId={CONNECTION}")


def test_a_build_without_its_variables_is_told_what_to_set(service: TokenService) -> None:
    for environ, says in (
        (AZURE_PIPELINES.environ(service), "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID is not set"),
        ({"GITHUB_ACTIONS": "true"}, f"{GITHUB.address} and {GITHUB.token} are not set"),
        ({}, f"neither {GITHUB.address} nor {AZURE_PIPELINES.address} is set"),
    ):
        with pytest.raises(SignInError) as caught:
            build_fetched(environ)
        assert says in caught.value.error_msg
        assert caught.value.recommendations
    assert service.received == []


def test_every_fetch_sends_a_request(system: BuildSystem, service: TokenService) -> None:
    for token in (TOKEN, jwt({"exp": NOW + 900})):
        service.answer({system.member: token})
        assert system.fetch(system.environ(service)) == token


@pytest.mark.parametrize("name", ["address", "token"])
@pytest.mark.parametrize("value", ["", "  ", None])
def test_a_missing_variable_is_named_with_the_lines_that_set_it(
    system: BuildSystem, service: TokenService, name: str, value: str | None
) -> None:
    variable = getattr(system, name)
    environ = system.environ(service)
    if value is None:
        del environ[variable]
    else:
        environ[variable] = value
    message, advice = refused(system, environ)
    assert f"{variable} is not set" in message
    assert system.advice in advice


def test_both_missing_variables_are_named(system: BuildSystem) -> None:
    message, _ = refused(system, {})
    assert f"{system.address} and {system.token} are not set" in message


def test_a_reference_that_azure_pipelines_did_not_expand_counts_as_missing(service: TokenService) -> None:
    environ = {**AZURE_PIPELINES.environ(service), "SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"}
    assert "SYSTEM_ACCESSTOKEN is not set" in refused(AZURE_PIPELINES, environ)[0]
    assert service.received == []


@pytest.mark.parametrize(
    "token", [f"{JOB_TOKEN}\r\nX-Injected: 1", f"{JOB_TOKEN} b", f"{JOB_TOKEN}é", f"{JOB_TOKEN}\0"]
)
def test_an_invalid_job_token_is_neither_sent_nor_shown(system: BuildSystem, service: TokenService, token: str) -> None:
    message, _ = refused(system, {**system.environ(service), system.token: token})
    assert f"The value of {system.token} is not a token" in message
    assert service.received == []


def test_line_ends_around_the_job_token_are_removed(system: BuildSystem, service: TokenService) -> None:
    service.answer({system.member: TOKEN})
    assert system.fetch({**system.environ(service), system.token: f"{JOB_TOKEN}\r\n"}) == TOKEN
    assert service.received[0].headers["authorization"] == f"Bearer {JOB_TOKEN}"


@pytest.mark.parametrize(
    "address",
    [
        "http://actions.example/idtoken",
        "http://10.0.0.1/idtoken",
        "http://127.0.0.1.actions.example/idtoken",
        "http://localhost@actions.example/idtoken",
        "ftp://localhost/idtoken",
        "ftp://127.0.0.1/idtoken",
        "file:///etc/passwd",
        "https://",
        "https://[",
        "https://localhost:port/",
        "idtoken",
    ],
)
def test_the_job_token_is_sent_to_https_addresses_only(system: BuildSystem, address: str) -> None:
    message, _ = refused(system, {system.address: address, system.token: JOB_TOKEN}, http=_Unused())
    assert f"{system.address} is not an https address" in message


class _Unused(requests.Session):
    def request(self, *args: Any, **options: Any) -> requests.Response:
        raise AssertionError("a request was sent")


class _Recorder(requests.Session):
    """Records the options of its requests."""

    sent: Mapping[str, Any] = {}

    def request(self, *args: Any, **options: Any) -> requests.Response:
        self.sent = options
        return super().request(*args, **options)


@pytest.mark.parametrize(("verify", "passed"), [(True, None), (False, False)])
def test_a_request_has_a_timeout_and_keeps_verification_switched_off(
    system: BuildSystem, service: TokenService, verify: bool, passed: bool | None
) -> None:
    service.answer({system.member: TOKEN})
    session = _Recorder()
    session.verify = verify
    system.fetch(system.environ(service), http=session)
    assert session.sent["timeout"] == TIMEOUT
    assert session.sent["verify"] is passed


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(system: BuildSystem, service: TokenService, status: int) -> None:
    with serving() as other:
        other.answer({system.member: TOKEN})
        service.status, service.headers = status, {"Location": f"{other.address}/elsewhere"}
        message, _ = refused(system, system.environ(service))
        assert f"HTTP status {status}" in message
        assert other.received == []


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_the_job_token_for_a_service_on_this_computer_is_not_sent_to_a_proxy(
    system: BuildSystem, service: TokenService, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with serving() as proxy:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)  # requests itself reads them
        monkeypatch.setenv(variable, proxy.address)
        service.answer({system.member: TOKEN})
        assert system.fetch(system.environ(service)) == TOKEN
        assert proxy.received == []


def test_a_password_in_netrc_does_not_replace_the_job_token(
    system: BuildSystem, service: TokenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login alice password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))  # requests itself reads it
    service.answer({system.member: TOKEN})
    system.fetch(system.environ(service))
    assert service.received[0].headers["authorization"] == f"Bearer {JOB_TOKEN}"


@pytest.mark.parametrize("status", [203, 400, 401, 403, 404])
@pytest.mark.parametrize("wrapped", [lambda text: {"message": text}, lambda text: {"value": text, "count": 1},
                                     lambda text: {"value": {"Message": text}, "count": 1}])  # fmt: skip
def test_a_refusal_quotes_the_service_and_explains_what_to_set_up(
    system: BuildSystem, service: TokenService, status: int, wrapped: Callable[[str], object]
) -> None:
    service.answer(wrapped("The connection is unknown.\nsecond line"), status)
    message, advice = refused(system, system.environ(service))
    assert f"HTTP status {status}. Its message: The connection is unknown." in message
    assert "second line" not in message
    assert system.advice in advice


def test_a_refusal_by_azure_pipelines_names_the_option(service: TokenService) -> None:
    service.answer({}, 404)
    assert "--service-connection-id" in refused(AZURE_PIPELINES, AZURE_PIPELINES.environ(service))[1]


@pytest.mark.parametrize(
    "body", [b"<html>sign in</html>", b"[]", b'"text"', b'{"message": {}}', b'{"message": " "}', b'{"value": [1]}', b""]
)
def test_a_refusal_may_have_no_message(system: BuildSystem, service: TokenService, body: bytes) -> None:
    service.status, service.body = 401, body
    assert "Its message" not in refused(system, system.environ(service))[0]


def test_a_service_that_answers_with_a_token_is_not_quoted(system: BuildSystem, service: TokenService) -> None:
    service.answer({"message": TOKEN}, 401)
    assert "Its message" not in refused(system, system.environ(service))[0]


@pytest.mark.parametrize("status", [203, 401, 500])
def test_a_service_that_repeats_the_job_token_is_quoted_without_it(
    system: BuildSystem, service: TokenService, status: int
) -> None:
    service.answer({"message": f"{JOB_TOKEN} has expired"}, status)
    kind = UnexpectedAnswerError if status == 500 else SignInError
    assert "Its message: *** has expired" in refused(system, system.environ(service), kind)[0]


def test_only_the_beginning_of_a_long_message_is_quoted(system: BuildSystem, service: TokenService) -> None:
    service.answer({"message": "No. " * 1000}, 403)
    assert len(refused(system, system.environ(service))[0]) < 500


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_service_is_not_reported_as_a_refusal(
    system: BuildSystem, service: TokenService, status: int
) -> None:
    service.answer({}, status)
    message, advice = refused(system, system.environ(service), UnexpectedAnswerError)
    assert f"HTTP status {status}" in message
    assert "in a minute" in advice


@pytest.mark.parametrize(
    "body",
    [b"<html>canary</html>", b"[]", b"{}", b'{"value": null, "oidcToken": 1}', b'{"value": "canary", "oidcToken": ""}'],
)
def test_an_answer_without_a_token_is_unexpected(system: BuildSystem, service: TokenService, body: bytes) -> None:
    service.body = body
    refused(system, system.environ(service), UnexpectedAnswerError)


def test_a_service_that_does_not_answer_is_named(system: BuildSystem) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        environ = {system.address: address, system.token: JOB_TOKEN}
        message, advice = refused(system, environ, ServiceUnreachableError)
    assert "service for ID tokens at 127.0.0.1" in message
    assert f"the address in {system.address}" in advice


def _fetched(path: Path) -> str:
    return FileAssertion(path).fetch_assertion(http=_Unused(), environ={})


def _file_refused(path: Path) -> str:
    with pytest.raises(SignInError) as caught:
        _fetched(path)
    assert caught.value.recommendations
    message = str(caught.value.error_msg)
    assert str(path) in message
    return message


@pytest.mark.parametrize("encoding", ["ascii", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("around", ["", "\n", " \t\r\n"])
def test_a_token_file_is_read_in_every_form_that_shells_write(tmp_path: Path, encoding: str, around: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(f"{around}{TOKEN}{around}".encode(encoding))
    assert _fetched(path) == TOKEN


def test_a_token_file_is_read_again_each_time_and_through_links(tmp_path: Path) -> None:
    # Kubernetes renews a projected token by changing the target of a link.
    tokens = [TOKEN, jwt({"exp": NOW + 900})]
    for number, token in enumerate(tokens):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "token").write_text(token)
    link = tmp_path / "data"
    link.symlink_to("0")
    source = source_from_json(FileAssertion(link / "token").to_json())
    assert source is not None
    fetched = [source.fetch_assertion(http=_Unused(), environ={})]
    link.unlink()
    link.symlink_to("1")
    fetched.append(source.fetch_assertion(http=_Unused(), environ={}))
    assert fetched == tokens


@pytest.mark.parametrize(
    "content",
    [b"no-token-canary", f'"{TOKEN}"'.encode(), f"{TOKEN}\n{TOKEN}".encode(), b"a.b.c", b"\xff\xff.\xff.\xff"],
)
def test_a_file_without_a_token_is_refused_and_not_quoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    message = _file_refused(path)
    assert "does not hold a federated token" in message
    assert "canary" not in message
    assert TOKEN not in message


def test_a_token_file_that_is_missing_empty_a_directory_or_huge_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert "no such file" in _file_refused(path)
    path.write_bytes(b"")
    assert "is empty" in _file_refused(path)
    path.write_bytes(b"a" * 300_000)
    assert "larger than 256 KB" in _file_refused(path)
    assert "is a directory" in _file_refused(tmp_path)


@given(
    st.one_of(
        st.builds(FileAssertion, st.text(min_size=1).map(lambda name: Path("/", name))),
        st.builds(GitHubAssertion, st.text(min_size=1)),
        st.builds(AzurePipelinesAssertion, st.text(min_size=1)),
        st.builds(BuildAssertion, st.text(min_size=1)),
        st.builds(CommandAssertion, st.text(min_size=1)),
    )
)
def test_a_stored_source_is_restored_unchanged(source: AssertionSource) -> None:
    stored = json.loads(json.dumps(source.to_json()))
    again = source_from_json(stored)
    assert again is not None
    assert type(again) is type(source)
    assert again.to_json() == stored


def test_a_relative_path_is_stored_as_an_absolute_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert FileAssertion(Path("here/../token")).to_json() == {"type": "file", "path": f"{tmp_path}/token"}


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["type", "path", "audience", "service_connection_id", "command_line"]), inner
            ),
        ),
    )
)
@example({"type": "file", "path": "relative"})
@example({"type": "file", "path": ["/absolute"]})
@example({"type": "github", "audience": ""})
@example({"type": "azure-pipelines", "service_connection_id": ""})
@example({"type": "gitlab", "audience": "a"})
@example({"type": "command", "command_line": ""})
def test_an_unknown_description_is_not_a_source(value: object) -> None:
    assert source_from_json(value) is None


def test_every_kind_of_source_is_restored_from_the_form_that_releases_have_stored() -> None:
    """Every later release has to read what users have stored."""
    assert source_from_json({"type": "file", "path": "/run/token", "more": 1}) == FileAssertion(Path("/run/token"))
    assert source_from_json({"type": "github", "audience": "api://a"}) == GitHubAssertion("api://a")
    stored = {"type": "azure-pipelines", "service_connection_id": CONNECTION}
    assert source_from_json(stored) == AzurePipelinesAssertion(CONNECTION)


@pytest.mark.parametrize(
    ("authority", "audience"),
    [
        ("https://login.microsoftonline.com", "api://AzureADTokenExchange"),
        ("https://login.microsoftonline.us/", "api://AzureADTokenExchangeUSGov"),
        ("https://login.usgovcloudapi.net", "api://AzureADTokenExchangeUSGov"),
        ("https://login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
        ("https://LOGIN.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
        ("https://login.sovcloud-identity.fr", "api://AzureADTokenExchangeFrance"),
        ("https://login.sovcloud-identity.de", "api://AzureADTokenExchangeGermany"),
        ("https://login.sovcloud-identity.sg", "api://AzureADTokenExchangeGovSG"),
        ("https://localhost:8443", "api://AzureADTokenExchange"),
        ("https://login.microsoftonline.us.example", "api://AzureADTokenExchange"),
        ("https://[", "api://AzureADTokenExchange"),
    ],
)
def test_every_cloud_has_its_own_audience(authority: str, audience: str) -> None:
    assert audience_of(authority) == audience


def test_the_error_for_an_expired_assertion_has_the_time_of_expiry() -> None:
    for expiry in (NOW, NOW - 60):
        token = jwt({"exp": expiry, "sub": "canary"})
        with pytest.raises(SignInError) as caught:
            check_assertion(token, NOW)
        assert caught.value.recommendations
        assert token not in caught.value.error_msg
    assert "expired at 2026-05-01 11:59:00 UTC" in caught.value.error_msg
    assert "2026-05-01 12:00:00 UTC" in caught.value.error_msg


def test_an_expiry_outside_every_calendar_is_shown_in_seconds() -> None:
    with pytest.raises(SignInError, match="expired at -1000000000000000000000 seconds after 1970"):
        check_assertion(jwt({"exp": -1e21}), NOW)


@pytest.mark.parametrize("claims", [{"exp": NOW + 1}, {"exp": int(NOW) + 1}, {}, {"exp": "never"}, {"exp": True}])
def test_an_assertion_that_has_not_expired_is_accepted(claims: Mapping[str, Any]) -> None:
    check_assertion(jwt(claims), NOW)


NOT_TOKENS = [
    "",
    "canary",
    "a.b.c",
    TOKEN.rpartition(".")[0] + ".",
    TOKEN + ".more",
    TOKEN + "!",
    TOKEN + "\u00e9",
    f"{base64.urlsafe_b64encode(b'[1]').decode()}.{TOKEN.partition('.')[2]}",
    f"{TOKEN.partition('.')[0]}.{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.eA",
]


@pytest.mark.parametrize("text", NOT_TOKENS)
def test_text_that_is_not_a_token_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(SignInError, match="not a JSON Web Token") as caught:
        check_assertion(text, NOW)
    assert "canary" not in caught.value.error_msg
    assert expiry_of(text) is None


@pytest.mark.parametrize(
    "claims", ['{"exp": Infinity}', '{"exp": NaN}', '{"exp": 1e999}', '{"exp": 1' + "0" * 400 + "}"]
)
def test_a_number_that_is_not_a_time_is_not_an_expiry(claims: str) -> None:
    part = base64.urlsafe_b64encode(claims.encode()).decode()
    assert expiry_of(f"{TOKEN.partition('.')[0]}.{part}.eA") is None


@given(
    st.one_of(st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False)),
    st.dictionaries(st.text(), st.text()),
)
def test_the_expiry_is_the_exp_claim_of_the_token(expiry: float, others: Mapping[str, str]) -> None:
    assert expiry_of(jwt({**others, "exp": expiry})) == float(expiry)


@given(
    st.one_of(st.text(), st.lists(st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())).map(".".join))
)
def test_any_text_has_an_expiry_or_none(text: str) -> None:
    expiry = expiry_of(text)
    assert expiry is None or math.isfinite(expiry)
