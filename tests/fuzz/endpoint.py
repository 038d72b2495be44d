"""The target of requests to the token endpoint: bytes of any program, web page or computer that reaches it."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from azext_login.auth.credential import AccessToken
from azext_login.cli.serve_log import line_of
from azext_login.system.http_server.handler import Client
from azext_login.system.http_server.request import RequestParser, RequestRefusedError
from azext_login.system.http_server.response import Response
from azext_login.system.log import get_logger
from azext_login.usecases.token_endpoint.addresses import host_check
from azext_login.usecases.token_endpoint.endpoint import LIMITS, Served, TokenEndpoint
from azext_login.usecases.token_endpoint.resources import AllowedResources
from azext_login.usecases.token_endpoint.supply import Outcome, TokenSupply
from tests.fuzz.mutate import Mutator
from tests.fuzz.place import Place
from tests.fuzz.run import RefusedError, Target

logger = get_logger(__name__)

_PORT = 40000
_SECRET = "Zb3-secret-of-this-run_9f8e7d6c5b4a392817"
_TOKEN = "eyJ-the-token-of-the-account"
_VAULT = "https://vault.azure.net"
_ALLOWED = ("https://management.azure.com/", _VAULT)
_HOSTS = (f"127.0.0.1:{_PORT}", f"LOCALHOST:{_PORT}", f"[::1]:{_PORT}")
_OTHER_HOSTS = ("", "127.0.0.1", f"localhost.:{_PORT}", f"evil.example:{_PORT}", f"a@localhost:{_PORT}")
_OTHER_HEADERS = (
    "", "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n", "Content-Length: -1\r\n", f"Host: {_HOSTS[0]}\r\n",
    f"X-IDENTITY-HEADER: {_SECRET}\r\n", " folded\r\n", "Expect: 100-continue\r\n", "X: " + "y" * 20_000 + "\r\n",
)  # fmt: skip
_METHODS = ("GET", "GET", "GET", "get", "POST", "HEAD", "OPTIONS", "CONNECT", "PRI", "")


class _Supply:
    """Has a token of every resource, and remembers for which ones it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, resource: str) -> Outcome:
        self.asked.append(resource)
        return Outcome(AccessToken(_TOKEN, 4_000_000_000))


def _request(mutate: Mutator) -> bytes:
    """Return a request of which some parts are odd, as the bytes that arrive."""

    def odd(usual: str, *others: str) -> str:
        return str(mutate.random.choice(others)) if mutate.chance(6) else usual

    resource = mutate.text(_VAULT) if mutate.chance(3) else mutate.choose(_VAULT, *_ALLOWED)
    query = (
        f"api-version={odd('2019-08-01', '2017-09-01', '')}"
        f"&resource={quote(resource.encode('utf-8', 'surrogatepass'), safe='')}{odd('', '&resource=x', '&client_id=x')}"
    )
    head = (
        f"{odd('GET', *_METHODS)} {odd('/msi/token', 'http://evil.example/msi/token', '//msi/token', '*')}?{query} "
        f"HTTP/{odd('1.1', '1.0', '0.9', '2.0', '1.11')}\r\n"
        f"Host: {odd(mutate.choose(*_HOSTS), *_OTHER_HOSTS)}\r\n"
        f"X-IDENTITY-HEADER: {odd(_SECRET, '', _SECRET.lower(), _SECRET + ',', mutate.text('x'))}\r\n"
        f"{odd('', *_OTHER_HEADERS)}\r\n"
    )
    content = head.encode("utf-8", "surrogatepass")
    return mutate.octets(content) if mutate.chance(3) else content


def _answer(content: bytes, endpoint: TokenEndpoint, cuts: list[int]) -> Response:
    """Return the answer to bytes that arrive in pieces."""
    parser = RequestParser(request_line=LIMITS.request_line, headers=LIMITS.headers, body=LIMITS.body)
    try:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            request = parser.feed(content[start:end])
            if request is not None:
                answer = endpoint.respond(request, Client(("127.0.0.1", 1), ("127.0.0.1", _PORT)))
                assert isinstance(answer, Response)
                return answer
        raise RequestRefusedError(408, "The request took too long.")
    except RequestRefusedError as refusal:
        return endpoint.refuse(refusal)


def _token_request(mutate: Mutator, here: Place) -> object:
    supply, served = _Supply(), list[Served]()
    endpoint = TokenEndpoint(
        cast(TokenSupply, supply),
        AllowedResources(_ALLOWED),
        secret=_SECRET,
        application="04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        identities=(),
        is_host=host_check(None, _PORT),
        process_of=lambda client: None,
        report=served.append,
    )
    content = _request(mutate)
    cuts = sorted(mutate.random.randrange(len(content) + 1) for _ in range(mutate.choose(0, 1, 3)))
    answer = _answer(content, endpoint, cuts)
    (reported,) = served
    # The log is a warning, so it is checked for what a terminal obeys.
    logger.warning("%s", line_of(reported))
    assert _TOKEN not in repr(reported)
    assert _SECRET not in repr(reported)
    assert _SECRET.encode() not in answer.payload
    assert b"\r\nCache-Control: no-store\r\n" in answer.payload
    assert reported.status == answer.status
    is_served = _TOKEN.encode() in answer.payload
    assert is_served == (answer.status == 200) == bool(supply.asked)
    if not is_served:
        raise RefusedError
    assert _SECRET.encode() in content
    assert {resource.removesuffix("/") for resource in supply.asked} <= {each.removesuffix("/") for each in _ALLOWED}
    return answer


TARGETS = (Target("token-request", _token_request, 8),)
