"""MSAL's HTTP client: no refused request is repeated, and every unexpected answer is one error with a next step."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from azure.cli.core.azclierror import AzCLIError
from msal.throttled_http_client import ThrottledHttpClient

from azext_login.auth.entra import documents as documents_module
from azext_login.auth.entra.application import authority_errors
from azext_login.auth.entra.documents import AuthorityDocuments
from azext_login.auth.entra.http_client import AuthorityHttpClient
from azext_login.auth.entra.tenants import resolve_tenant
from azext_login.auth.storage.msal_http_cache import HttpCache
from azext_login.errors import MalformedAnswerError, ServiceBusyError, SignInError, UnexpectedAnswerError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.threads import BackgroundCall

AUTHORITY = "https://login.contoso.example"


def _assert_text() -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (lambda: ElementTree.fromstring("<html>not closed"), MalformedAnswerError),
        (lambda: json.loads("<html>"), MalformedAnswerError),
        (lambda: ["no token"][1], UnexpectedAnswerError),
        (lambda: dict[str, str]()["access_token"], UnexpectedAnswerError),
        (lambda: int(float("inf")), UnexpectedAnswerError),
        (lambda: int("1e5"), UnexpectedAnswerError),
        (lambda: "".join([{}]), UnexpectedAnswerError),  # type: ignore[list-item]
        (_assert_text, UnexpectedAnswerError),
    ],
    ids=["XML", "JSON", "an ID token", "no token", "an endless time", "no time", "an error", "a refresh token"],
)
def test_an_answer_on_which_msal_fails_is_one_error(fail: Callable[[], object], kind: type[AzCLIError]) -> None:
    with pytest.raises(kind) as caught, authority_errors(AUTHORITY):
        fail()
    assert AUTHORITY in str(caught.value)
    assert caught.value.recommendations


def test_an_address_with_a_control_character_is_shown_without_it() -> None:
    with pytest.raises(AzCLIError) as caught, authority_errors("https://a\x7fb.example"):
        raise requests.exceptions.InvalidURL
    assert "https://ab.example" in str(caught.value)


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, KeyError])
def test_an_error_of_msal_that_quotes_a_whole_answer_is_shortened(kind: type[Exception]) -> None:
    with pytest.raises(AzCLIError) as caught, authority_errors(AUTHORITY):
        raise kind("x" * 100_000)
    assert len(str(caught.value)) < 1200


# Refused refresh tokens.

WOODGROVE, FABRIKAM = f"{AUTHORITY}/woodgrove/token", f"{AUTHORITY}/fabrikam/token"


class _TokenEndpoints(requests.Session):
    """Woodgrove refuses every refresh token; all other tenants exchange one for the next of `successors`."""

    def __init__(self, *successors: str) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self._successors = iter(successors)

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        self.asked.append((str(url), kwargs["data"]["refresh_token"]))
        answer = requests.Response()
        answer.url = str(url)
        is_refused = url == WOODGROVE
        answer.status_code = 400 if is_refused else 200
        body = {"error": "x"} if is_refused else {"access_token": "x", "refresh_token": next(self._successors)}
        answer._content = json.dumps(body).encode()
        return answer


def _refresh(client: AuthorityHttpClient, url: str, token: str, *, call: str = "one") -> int:
    data = {"grant_type": "refresh_token", "refresh_token": token}
    return client.post(url, data=data, headers={"client-request-id": call}).status_code


def test_a_tenant_is_not_asked_again_with_a_token_that_it_refused_in_the_same_call() -> None:
    endpoints = _TokenEndpoints()
    client = AuthorityHttpClient(endpoints, AUTHORITY)
    assert [_refresh(client, WOODGROVE, "first") for _ in range(2)] == [400, 400]
    assert endpoints.asked == [(WOODGROVE, "first")]


@pytest.mark.parametrize("exchanged", ["before", "after"])
def test_nor_with_a_successor_that_another_tenant_gave_at_the_same_time(exchanged: str) -> None:
    endpoints = _TokenEndpoints("second", "third")
    client = AuthorityHttpClient(endpoints, AUTHORITY)
    if exchanged == "before":
        assert _refresh(client, FABRIKAM, "first", call="other") == 200
    assert _refresh(client, WOODGROVE, "first") == 400
    if exchanged == "after":
        assert _refresh(client, FABRIKAM, "first", call="other") == 200
    assert _refresh(client, FABRIKAM, "second", call="a third") == 200
    assert [_refresh(client, WOODGROVE, token) for token in ("second", "third")] == [400, 400]
    assert [url for url, _ in endpoints.asked].count(WOODGROVE) == 1


def test_a_token_of_another_sign_in_and_another_call_are_new_requests() -> None:
    endpoints = _TokenEndpoints()
    client = AuthorityHttpClient(endpoints, AUTHORITY)
    for token, call in (("first", "one"), ("of another sign-in", "one"), ("first", "two")):
        assert _refresh(client, WOODGROVE, token, call=call) == 400
    assert len(endpoints.asked) == 3


@pytest.mark.parametrize("status", [429, 500, 501, 503])
def test_the_error_of_a_busy_or_broken_service_ends_with_the_ids_of_its_answer(status: int) -> None:
    class Busy(requests.Session):
        def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
            answer = requests.Response()
            answer.url, answer.status_code = str(url), status
            answer._content = json.dumps({"error": "x", "trace_id": "12ab-34", "correlation_id": "no ID"}).encode()
            return answer

    client = AuthorityHttpClient(Busy(), AUTHORITY)
    asks: list[Callable[[], object]] = [
        lambda: client.get(f"{AUTHORITY}/x"),
        lambda: client.post(WOODGROVE, data={"grant_type": "x"}),
    ]
    for ask in asks:
        with pytest.raises(AzCLIError) as caught:
            ask()
        assert str(caught.value).splitlines()[1:] == ["Trace ID: 12ab-34"]


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        (
            {
                "error_description": "AADSTS90002: No such tenant. Trace ID: 12ab-34 Correlation ID: 5",
                "trace_id": "12ab-34",
            },
            ["AADSTS90002: No such tenant.", "Trace ID: 12ab-34 Correlation ID: 5"],
        ),
        ({"error_description": ["x"]}, []),
        (["x"], []),
        (None, []),
    ],
)
def test_the_error_for_an_unknown_domain_quotes_the_service(body: object, rest: list[str]) -> None:
    class Refusing(requests.Session):
        def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
            answer = requests.Response()
            answer.url, answer.status_code = str(url), 400
            answer._content = b"<html>" if body is None else json.dumps(body).encode()
            return answer

    with pytest.raises(SignInError) as caught:
        resolve_tenant(Refusing(), AUTHORITY, "nowhere.example", verify=True)
    first, *others = str(caught.value).splitlines()
    assert "Tenant 'nowhere.example' was not found" in first
    assert others == rest


# Requests that are not sent, or sent ahead.

ONE, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"


class _Service(requests.Session):
    """Answers with Entra's documents, and with any other address as a realm. `gate` holds up the first answers."""

    def __init__(self, gate: threading.Event | None = None, *, status: int = 200) -> None:
        super().__init__()
        self.asked: list[str] = []
        self._gate = gate
        self._status = status

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        self.asked.append(str(url))
        if self._gate is not None:
            assert self._gate.wait(30)
        answer = requests.Response()
        answer.url, answer.status_code = str(url), self._status
        tenant = str(url).removeprefix(f"{AUTHORITY}/").partition("/")[0]
        start = f"{AUTHORITY}/{tenant}/oauth2/v2.0"
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token"}
        document = {name: f"{start}/{path}" for name, path in names.items()}
        document |= {"device_authorization_endpoint": f"{start}/devicecode", "issuer": f"{AUTHORITY}/{tenant}/v2.0"}
        answer._content = json.dumps({"account_type": "Managed"} if "/userrealm/" in str(url) else document).encode()
        return answer


def _document_at(tenant: str) -> str:
    return f"{AUTHORITY}/{tenant}/v2.0/.well-known/openid-configuration"


def _client(service: requests.Session) -> AuthorityHttpClient:
    return AuthorityHttpClient(service, AUTHORITY, documents=AuthorityDocuments(AUTHORITY))


def test_threads_that_need_documents_at_once_send_one_request() -> None:
    gate = threading.Event()
    service = _Service(gate)
    client = _client(service)
    tenants = [f"{number:08}{ONE[8:]}" for number in range(20)]
    calls = [BackgroundCall(partial(client.get, _document_at(tenant))) for tenant in tenants]
    gate.set()
    for tenant, call in zip(tenants, calls, strict=True):
        assert call.wait(30)
        assert call.result().json()["token_endpoint"] == f"{AUTHORITY}/{tenant}/oauth2/v2.0/token"
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [400, 429, 503])
def test_a_first_request_that_fails_leaves_the_others_to_theirs(status: int) -> None:
    service = _Service(status=status)
    client = _client(service)
    for tenant in (ONE, OTHER):
        with suppress(AzCLIError):
            assert client.get(_document_at(tenant)).status_code == status
    assert service.asked == [_document_at(ONE), _document_at(OTHER)]


def test_a_tenant_that_the_user_named_proves_that_it_exists() -> None:
    service = _Service()
    client = _client(service)
    client.get(_document_at(ONE))
    client.get(_document_at(OTHER))
    assert service.asked == [_document_at(ONE)]
    client.proving_existence().get(_document_at(ONE))
    client.proving_existence().get(_document_at(OTHER))
    assert service.asked == [_document_at(ONE), _document_at(OTHER)]


@pytest.mark.parametrize("username", ["alice@contoso.example", "a_b#EXT#@contoso.example", "ä ö@x/y?z"])
def test_the_realm_that_msal_asks_for_is_the_one_that_was_asked_for_ahead(username: str) -> None:
    """MSAL writes the user name into the address as it is (msal/authority.py, `user_realm_discovery`)."""
    service = _Service()
    client = _client(service)
    client.ask_for_realm(username)
    address = f"https://login.contoso.example/common/userrealm/{username}?api-version=1.0"
    headers = {"Accept": "application/json", "client-request-id": "x"}
    assert client.get(address, headers=headers).json() == {"account_type": "Managed"}
    assert len(service.asked) == 1
    client.get(address, headers=headers)
    assert len(set(service.asked)) == 1
    assert len(service.asked) == 2


def test_a_realm_that_could_not_be_asked_for_fails_where_msal_asks() -> None:
    client = _client(_Service(status=429))
    client.ask_for_realm("x")
    with pytest.raises(ServiceBusyError):
        client.get("https://login.contoso.example/common/userrealm/x?api-version=1.0")


def _cached(url: str, document: object) -> dict[str, Any]:
    """Return a cache of HTTP answers as MSAL fills it."""
    return {f"GET {url} hash=abc 2xx": SimpleNamespace(text=json.dumps(document), headers={}), "_index_": ()}


def test_a_document_in_the_cache_of_http_answers_leads_to_others() -> None:
    service = _Service()
    document = service.request("GET", _document_at(ONE)).json()
    for cached, requests_sent in ((document, 0), (document | {"issuer": "https://elsewhere.example/"}, 1)):
        service.asked.clear()
        client = _client(service)
        client.learn(_cached(_document_at(ONE), cached))
        assert client.get(_document_at(OTHER)).json()["token_endpoint"] == f"{AUTHORITY}/{OTHER}/oauth2/v2.0/token"
        assert len(service.asked) == requests_sent


def test_a_document_that_was_made_is_not_kept_for_other_commands(tmp_path: Path) -> None:
    """It would prove to them that the tenant exists."""
    client = _client(_Service())
    cache = HttpCache(PrivateDirectory(tmp_path))
    answers = cache.load()
    throttled = ThrottledHttpClient(client, http_cache=answers)
    for tenant in (ONE, OTHER):
        throttled.get(_document_at(tenant))
    cache.save()
    assert [key.split()[1] for key in HttpCache(PrivateDirectory(tmp_path)).load() if key != "_index_"] == [
        _document_at(ONE)
    ]


def test_a_known_cloud_that_cannot_be_reached_is_asked_so_that_the_error_is_the_right_one() -> None:
    authority = "https://login.microsoftonline.com"
    service = _Service(status=400)
    client = AuthorityHttpClient(service, authority, documents=AuthorityDocuments(authority))
    address = f"{authority}/organizations/v2.0/.well-known/openid-configuration"
    assert client.get(address).status_code == 400
    assert service.asked == [address]


def test_a_thread_does_not_wait_for_the_first_document_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "_LONGEST_WAIT", 0.1)
    documents = AuthorityDocuments(AUTHORITY)
    assert documents.begin_request()
    assert not documents.begin_request()
    documents.end_request()
    assert not documents.begin_request()
