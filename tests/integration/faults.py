"""The faults of the fault table: what is wrong with the network or a service, and which cause an error has to name."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import requests

from tests.integration import broken_servers
from tests.integration.broken_servers import Handler, TlsServers, serving, speaking_tls, status
from tests.integration.fault_commands import (
    APPLICATION_TOKEN,
    ARM,
    BROWSER,
    DEVICE_CODE,
    DISCOVERY,
    GITHUB,
    IMDS,
    SIGNATURE,
    TOKEN,
    USER_TOKEN,
    WITHOUT_PAGE,
    Given,
)
from tests.localcloud import LocalCloud
from tests.localcloud.seed import AZURE_CLI
from tests.unit.auth.managed_identity.environments import black_hole
from tests.users import ALICE

_PATHS = {
    DISCOVERY: "/openid-configuration",
    TOKEN: r"/oauth2/v2\.0/token$",
    USER_TOKEN: r"/oauth2/v2\.0/token$",
    APPLICATION_TOKEN: r"/oauth2/v2\.0/token$",
    DEVICE_CODE: "/devicecode$",
    ARM: "^/(tenants|subscriptions)",
    IMDS: "^/metadata/identity",
    GITHUB: "^/github/jobs",
}
EVERYWHERE = frozenset(_PATHS) - {USER_TOKEN, APPLICATION_TOKEN}
_NETWORK = frozenset({DISCOVERY, ARM})


@dataclass(frozen=True)
class Surroundings:
    """What is different for the commands while a fault is there.

    address: where the sign-in service and Azure Resource Manager are instead.
    resource_manager: where Azure Resource Manager alone is instead.
    """

    env: Mapping[str, str | None] = field(default_factory=dict)
    address: str | None = None
    resource_manager: str | None = None


@dataclass(frozen=True)
class Scene:
    """What a fault is made of."""

    given: Given
    tls: TlsServers


Cause = Callable[[Scene], AbstractContextManager[Surroundings]]


@dataclass(frozen=True)
class Fault:
    """A fault of the network or of a service.

    named: what the error has to contain (a regular expression).
    hits: the services with the fault; only the commands that ask one of them fail.
    is_slow: it takes longer than a test may. The commands run in a time that passes faster.
    is_tolerated: the commands succeed.
    """

    name: str
    cause: Cause
    named: str
    hits: frozenset[str] = EVERYWHERE
    is_slow: bool = False
    is_tolerated: bool = False


# -- below HTTP ----------------------------------------------------------------------------------------------------


def _environment(name: str, named: str, **env: str | None) -> Fault:
    @contextmanager
    def cause(_: Scene) -> Iterator[Surroundings]:
        yield Surroundings(env)

    return Fault(name, cause, named, _NETWORK)


def _address(name: str, named: str, address: str) -> Fault:
    @contextmanager
    def cause(_: Scene) -> Iterator[Surroundings]:
        yield Surroundings({"HTTPS_PROXY": None, "HTTP_PROXY": None}, address)

    # A token that is handed over has to be of the sign-in service at this address.
    return Fault(name, cause, named, frozenset({DISCOVERY, IMDS}))


def _server(name: str, named: str, handle: Handler) -> Fault:
    """Another server is at the address of the services."""

    @contextmanager
    def cause(_: Scene) -> Iterator[Surroundings]:
        with serving(handle) as port:
            yield Surroundings(address=f"https://localhost:{port}")

    return Fault(name, cause, named, _NETWORK)


def _tls(
    name: str,
    named: str,
    make: Callable[[TlsServers], Any],
    handle: Handler = broken_servers.hang_up,
    *,
    is_slow: bool = False,
) -> Fault:
    """A server with another certificate, or with another use of TLS, is at the address of the services."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[Surroundings]:
        with serving(speaking_tls(make(scene.tls), handle)) as port:
            yield Surroundings({"REQUESTS_CA_BUNDLE": str(scene.tls.bundle)}, f"https://localhost:{port}")

    return Fault(name, cause, named, _NETWORK, is_slow)


def _resource_manager(name: str, named: str, handle: Handler, *, is_slow: bool = False) -> Fault:
    """Another server is at the address of Azure Resource Manager."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[Surroundings]:
        bundle = scene.given.outside / f"authorities of {name}"
        if not bundle.exists():
            bundle.write_bytes(scene.tls.bundle.read_bytes() + Path(scene.given.cloud.ca_bundle).read_bytes())
        with serving(speaking_tls(scene.tls.trusted(), handle)) as port:
            env = {"REQUESTS_CA_BUNDLE": str(bundle)}
            yield Surroundings(env, resource_manager=f"https://localhost:{port}")

    return Fault(name, cause, named, frozenset({ARM}), is_slow)


def _proxy(name: str, named: str, handle: Handler, proxy: str = "http://127.0.0.1:{port}") -> Fault:
    """All requests go through a proxy."""

    @contextmanager
    def cause(_: Scene) -> Iterator[Surroundings]:
        with serving(handle) as port:
            yield Surroundings({"HTTPS_PROXY": proxy.format(port=port), "NO_PROXY": "127.0.0.1"})

    return Fault(name, cause, named, _NETWORK)


def _bundle(name: str, named: str, write: Callable[[Path], object]) -> Fault:
    """The file of CA certificates is replaced."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[Surroundings]:
        path = scene.given.outside / f"bundle of {name}"
        if not path.exists():
            write(path)
        yield Surroundings({"REQUESTS_CA_BUNDLE": str(path)})

    return Fault(name, cause, named, _NETWORK)


@contextmanager
def _no_packets(_: Scene) -> Iterator[Surroundings]:
    with black_hole() as place:
        yield Surroundings({"NO_PROXY": "*"}, f"https://{place}".replace("127.0.0.1", "localhost"))


@contextmanager
def _no_answer(_: Scene) -> Iterator[Surroundings]:
    with serving(broken_servers.stay_silent) as port:
        yield Surroundings(address=f"https://localhost:{port}")


@contextmanager
def _interception(scene: Scene) -> Iterator[Surroundings]:
    with serving(broken_servers.intercept(scene.tls.untrusted())) as port:
        yield Surroundings({"HTTPS_PROXY": f"http://127.0.0.1:{port}", "NO_PROXY": "127.0.0.1"})


_PASSWORD = "http://user:s3cret@127.0.0.1:{port}"
_BELOW_HTTP = (
    _address("a name that cannot be resolved", r"'nowhere\.invalid' cannot be resolved", "https://nowhere.invalid"),
    _address("a closed port", "could not be reached: .*refused", "https://localhost:9"),
    Fault("no packets", _no_packets, "did not answer", _NETWORK, is_slow=True),
    Fault("no answer", _no_answer, "did not answer", _NETWORK, is_slow=True),
    _server("a reset", "could not be reached: Connection reset", broken_servers.reset),
    _server("a connection that is closed", "The TLS connection to .* failed: EOF", broken_servers.hang_up),
    _server("no TLS", "does not speak TLS", broken_servers.answer(status("400 Bad Request", body="no"))),
    _environment("a CA that is not trusted", "could not be verified", REQUESTS_CA_BUNDLE=None),
    _tls("an untrusted certificate", "could not be verified.*Only the CA certificates in", TlsServers.untrusted),
    _tls("an expired certificate", "could not be verified: .*expired.*clock", TlsServers.expired),
    _tls("a certificate of tomorrow", "could not be verified: .*not yet valid.*clock", TlsServers.not_valid_yet),
    _tls("another name", "could not be verified: .*not valid for 'localhost'", TlsServers.of_another_name),
    _tls("TLS 1.1", "The TLS connection .* failed: .*version", TlsServers.old),
    _tls("a close after TLS", "could not be reached: .*closed", TlsServers.trusted),
    _tls("a reset after TLS", "could not be reached: .*(closed|reset)", TlsServers.trusted, broken_servers.reset),
    _tls("an answer that is not HTTP", r"did not answer with valid HTTP: SSH-2\.0", TlsServers.trusted,
         broken_servers.answer(b"SSH-2.0-OpenSSH_9.9\r\n")),
    _tls("an answer by drops", "did not (answer|arrive) (within|for) [0-9]+ seconds", TlsServers.trusted,
         broken_servers.drip, is_slow=True),
    _tls("a body of one byte a second", "did not (answer|arrive) (within|for) [0-9]+ seconds", TlsServers.trusted,
         broken_servers.trickle, is_slow=True),
    _resource_manager("a list of one byte a second", "did not (answer|arrive) (within|for) [0-9]+ seconds",
                      broken_servers.trickle, is_slow=True),
    # It ends after a thousand pages, or after the time for pages without rows, whichever comes first.
    _resource_manager("a list whose pages do not end", "has no end of|without 'id'",
                      broken_servers.never_end_pages, is_slow=True),
    _tls("headers without an end",
         "headers that are too large|did not (answer|arrive) (within|for) [0-9]+ seconds", TlsServers.trusted,
         broken_servers.never_end_headers, is_slow=True),
    _environment("no CA bundle", "bundle.pem .*REQUESTS_CA_BUNDLE.* does not exist",
                 REQUESTS_CA_BUNDLE="/no/such/bundle.pem"),
    _bundle("an empty CA bundle", "REQUESTS_CA_BUNDLE.* contains no certificate", lambda path: path.write_text("")),
    _bundle("a CA bundle in DER", "REQUESTS_CA_BUNDLE.* contains no certificate",
            lambda path: path.write_bytes(b"\x30\x82\x01\x00" * 9)),
    _bundle("a directory as CA bundle", "REQUESTS_CA_BUNDLE.* is a directory without certificates", Path.mkdir),
    Fault("interception", _interception, "could not be verified.*Only the CA certificates in.*proxy", _NETWORK),
    _environment("a proxy that is not running", r"the proxy .*HTTPS_PROXY.* could not be reached",
                 HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1"),
    _environment("a proxy without a name", r"the proxy .*HTTPS_PROXY.* cannot be resolved",
                 HTTPS_PROXY="http://nowhere.invalid:3128", NO_PROXY="127.0.0.1"),
    _environment("a proxy with an impossible address", "HTTPS_PROXY.* is not the address of a proxy",
                 HTTPS_PROXY="ftp://proxy.example", NO_PROXY="127.0.0.1"),
    _proxy("a proxy that demands a password", "demands a user name and a password",
           broken_servers.answer(status("407 Proxy Authentication Required", "Proxy-Authenticate: Basic\r\n"))),
    _proxy("a proxy that refuses the password", "refused the user name and the password",
           broken_servers.answer(status("407 Proxy Authentication Required")), _PASSWORD),
    _proxy("a proxy that forbids", "refused the connection: .*403", broken_servers.answer(status("403 Forbidden"))),
    _proxy("a proxy without a way", "refused the connection: .*502", broken_servers.answer(status("502 Bad Gateway"))),
    _proxy("a proxy in plain text", "does not speak TLS itself", broken_servers.answer(status("400 Bad Request")),
           "https://127.0.0.1:{port}"),
    _proxy("a proxy that answers with a page", "TLS connection .* went through the proxy",
           broken_servers.answer(status("200 OK", "Content-Type: text/html\r\n", "<html>Sign in</html>"))),
    _proxy("a proxy that hangs up", "went through the proxy", broken_servers.hang_up),
)  # fmt: skip


# -- answers -------------------------------------------------------------------------------------------------------

_JSON = {"Content-Type": "application/json"}
_HTML = "<!DOCTYPE html><html><title>Hotel Wi-Fi</title></html>"
_PORTAL = "A web page answered in place of|captive portal|something other than a JSON object|HTTP status 511"
_NO_JSON = "something other than a JSON object"
_EMPTY = "named no issuer|unexpected structure|without a token|contains no list|without 'id'"
_REFUSED = "was not found|No token was issued|was refused|refused the request|refused \\([0-9]+ "
_BUSY = r"\(HTTP status (429|50[034])\)|refused \((429|50[034])|HTTP status 503\)"


def _answers(name: str, named: str, hits: frozenset[str] = EVERYWHERE, **answer: Any) -> Fault:
    """These services answer each request in this way."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[Surroundings]:
        for service in hits:
            scene.given.cloud.admin.fail_next(_PATHS[service], count=None, **answer)
        yield Surroundings()

    return Fault(name, cause, named, hits)


def _json(name: str, named: str, hits: frozenset[str], body: object, code: int = 200) -> Fault:
    return _answers(name, named, hits, status=code, body=json.dumps(body), headers=_JSON)


def _refused(code: int, word: str, named: str, hits: frozenset[str]) -> Fault:
    body = {"error": word, "error_codes": [code], "error_description": f"AADSTS{code}: No. Trace ID: 1-2"}
    return _json(f"AADSTS{code}", named, hits, body, 400)


@contextmanager
def _loop(scene: Scene) -> Iterator[Surroundings]:
    cloud = scene.given.cloud
    headers = {"Location": f"{cloud.url}/loop/openid-configuration/oauth2/v2.0/token"}
    for path in _PATHS.values():
        cloud.admin.fail_next(path, count=None, status=302, body="", headers=headers)
    yield Surroundings()


def _id_token(
    name: str,
    named: str,
    hits: frozenset[str] = frozenset({USER_TOKEN}),
    *,
    is_tolerated: bool = False,
    **claims: object,
) -> Fault:
    """The sign-in service answers with tokens of alice, and with an ID token that has these claims."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[Surroundings]:
        cloud = scene.given.cloud
        form = {
            "grant_type": "password",
            "client_id": AZURE_CLI,
            "username": ALICE,
            "password": cloud.directory.user(ALICE).password,
            "scope": "https://management.core.windows.net//.default openid profile offline_access",
            "client_info": "1",
        }
        for segment in ("organizations", *_tenants_of_alice(cloud)):
            address, direct = f"{cloud.url}/{segment}/oauth2/v2.0/token", {"https": ""}
            body = requests.post(address, form, verify=str(cloud.ca_bundle), proxies=direct, timeout=20).json()
            if "id_token" not in body:
                # This tenant demands a second factor.
                continue
            body["id_token"] = _with_claims(body["id_token"], claims)
            path = f"/{segment}{_PATHS[TOKEN]}"
            cloud.admin.fail_next(path, count=None, status=200, body=json.dumps(body), headers=_JSON)
        yield Surroundings()

    return Fault(name, cause, named, hits, is_tolerated=is_tolerated)


def _tenants_of_alice(cloud: LocalCloud) -> list[str]:
    return [membership.tenant_id for membership in cloud.directory.user(ALICE).memberships]


def _clock(name: str, seconds: float, named: str, hits: frozenset[str], *, is_tolerated: bool = False) -> Fault:
    """The clock of the services differs from that of this computer."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[Surroundings]:
        scene.given.cloud.admin.clock_offset(seconds)
        try:
            yield Surroundings()
        finally:
            scene.given.cloud.admin.clock_offset(0)

    return Fault(name, cause, named, hits, is_tolerated=is_tolerated)


def _with_claims(token: str, claims: Mapping[str, object]) -> str:
    """Return a token with other claims. Its signature does not fit."""
    content = {**jwt.decode(token, options={"verify_signature": False}), **claims}
    payload = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    header, _, signature = token.split(".")
    return f"{header}.{payload}.{signature}"


_T, _A = frozenset({TOKEN}), frozenset({ARM})
_U, _P = frozenset({USER_TOKEN}), frozenset({APPLICATION_TOKEN})
_BOMB = gzip.compress(b" " * (200 << 20), compresslevel=9)
_ELSEWHERE = "https://elsewhere.invalid/"
_SUBSCRIPTION = {"id": "/subscriptions/00000000-0000-0000-0000-00000000000a", "displayName": "A", "state": "Enabled"}
_ANSWERS = (
    _answers("a captive portal, 200", _PORTAL, status=200, body=_HTML, headers={"Content-Type": "text/html"}),
    _answers("a captive portal, 511", _PORTAL, status=511, body=_HTML, headers={"Content-Type": "text/html"}),
    _answers("a captive portal, 302", r"redirect|portal\.invalid|proxy", status=302, body="",
             headers={"Location": "http://portal.invalid/"}),
    _answers("a redirect elsewhere, 307", "redirect|proxy", status=307, body="",
             headers={"Location": _ELSEWHERE}),
    Fault("a redirect in a circle", _loop, "redirect|HTTP status 302"),
    _answers("nothing", _NO_JSON, status=200, body="", headers=_JSON),
    _answers("half of an object", _NO_JSON, status=200, body='{"value": [{"id": "/sub', headers=_JSON),
    _answers("plain text", _NO_JSON, status=200, body="OK", headers={"Content-Type": "text/plain"}),
    _answers("a number", _NO_JSON, status=200, body="5", headers=_JSON),
    _answers("an object without anything", _EMPTY, status=200, body="{}",
             headers=_JSON),
    _answers("a wrong type", _EMPTY, status=200, body="{}",
             headers={"Content-Type": "image/png"}),
    _answers("UTF-16", f"other than (JSON|a JSON object)|{_EMPTY}", status=200, body='{"value": []}'.encode("utf-16"),
             headers={"Content-Type": "application/json; charset=utf-8"}),
    _answers("no text", _NO_JSON, status=200, body=b"\xff\xfe\x00", headers=_JSON),
    _answers("deep JSON", _NO_JSON, status=200, body="[" * 100_000, headers=_JSON),
    _answers("5 MB", f"is too large|{_NO_JSON}", status=200, body='"' + "x" * 5_000_000, headers=_JSON),
    _answers("a gzip bomb", "is too large", status=200, body=_BOMB,
             headers={**_JSON, "Content-Encoding": "gzip"}),
    _answers("no gzip", "broke off", status=200, body=b"no gzip",
             headers={**_JSON, "Content-Encoding": "gzip"}),
    _answers("a dropped connection", "closed connection without response", kind="drop"),
    _answers("400", _REFUSED, status=400, body="{}", headers=_JSON),
    _answers("401", f"401|{_REFUSED}", status=401, body="{}", headers=_JSON),
    _answers("403", f"403|{_REFUSED}", status=403, body="{}", headers=_JSON),
    _answers("404", f"404|{_REFUSED}", status=404, body="", headers=_JSON),
    _answers("418", f"418|{_REFUSED}", status=418, body="{}", headers=_JSON),
    _answers("429", _BUSY, status=429, body="{}", headers=_JSON),
    _answers("429 for an hour", _BUSY, status=429, body="{}", headers={**_JSON, "Retry-After": "3600"}),
    _answers("500", _BUSY, status=500, body="{}", headers=_JSON),
    _answers("503", _BUSY, status=503, body="no", headers={"Content-Type": "text/plain"}),
    _answers("503 for an hour", _BUSY, status=503, body="no", headers={"Retry-After": "3600"}),
    _answers("504 with an odd pause", _BUSY, status=504, body="{}", headers={**_JSON, "Retry-After": "soon"}),
)  # fmt: skip
_ENTRA_FAULTS = (
    _json("discovery without a token endpoint", "unexpected structure|named no issuer", frozenset({DISCOVERY}),
          {"issuer": "https://localhost/x"}),
    _json("a token that is a number", "without a token or a reason", _T, {"access_token": 5, "expires_in": 3600}),
    _json("a refusal without a code", "slow_motion", _T, {"error": "slow_motion"}, 400),
    _refused(50034, "invalid_grant", "There is no (such )?user", _U),
    _refused(50057, "invalid_grant", "The account .*is disabled", _U),
    _refused(50076, "interaction_required", "Interactive authentication is needed", _U),
    _refused(50126, "invalid_grant", "user name or password .* is wrong", _U),
    _refused(50173, "invalid_grant", "has expired or was revoked", _U),
    _refused(53003, "access_denied", "policy .*blocks", _T),
    _refused(65001, "invalid_grant", "Consent is missing", _T),
    _refused(700016, "unauthorized_client", "application does not exist|There is no service principal", _T),
    _refused(700024, "invalid_client", "has expired, or is not valid yet", _P),
    _refused(7000215, "invalid_client", "client secret of .* is wrong", _P),
    _refused(90002, "invalid_request", "(The home tenant|Tenant '.*') does not exist at this authority", _T),
)  # fmt: skip
_ID_TOKENS = (
    _id_token(
        "an ID token for another application",
        "ID token .* for another application",
        aud="00000000-0000-0000-0000-00000000000b",
    ),
    _id_token("an ID token of another issuer", "ID token .* of another issuer", iss="https://elsewhere.example/x/v2.0"),
    _id_token("an ID token that has expired", "ID token .* has expired", exp=1_000_000_000, iat=999_999_000),
    _id_token("an ID token of odd claims", "ID token .* cannot be used", iss=5, aud=None, exp="soon", sub=[]),
    _id_token(
        "an ID token of another sign-in",
        "ID token .* of another sign-in",
        frozenset({BROWSER}),
        nonce="of another sign-in",
    ),
    # MSAL for Python logs that it is not valid yet, and uses the other tokens. With a browser, the nonce is missing.
    _id_token(
        "an ID token of the future",
        "",
        frozenset({WITHOUT_PAGE}),
        is_tolerated=True,
        nbf=4_000_000_000,
        iat=4_000_000_000,
        exp=4_000_003_600,
    ),
)
_CLOCKS = "The clock of this computer shows .*, and the clock of the sign-in service shows"
_DAY = 86_400.0
_CLOCK_FAULTS = (
    _clock("services a day ahead", _DAY, "", frozenset({WITHOUT_PAGE}), is_tolerated=True),
    _clock("services a day behind", -_DAY, "", frozenset({WITHOUT_PAGE}), is_tolerated=True),
    _clock("a signature of yesterday", _DAY, _CLOCKS, frozenset({SIGNATURE})),
    # MSAL's signed assertion has no `nbf` claim, so the service has nothing to refuse.
    _clock("a signature of tomorrow", -_DAY, "", frozenset({SIGNATURE}), is_tolerated=True),
)
_ARM_FAULTS = (
    _json("a page without a list", "contains no list|without 'id'", _A, {"count": 0}),
    _json("a page whose list is a text", "contains no list|without 'id'", _A, {"value": "none"}),
    _json("rows that are numbers", "list of objects|without 'id'", _A, {"value": [1, 2]}),
    _json("rows without an ID", "without '(id|tenantId)'", _A, {"value": [{"displayName": "x"}]}),
    _json("rows with other IDs", "is not an ID|Tenant 'z' was not found|without 'id'", _A,
          {"value": [{"id": "/subscriptions/x;y", "tenantId": "z"}]}),
    _json("pages on another host", "at another address|without 'id'", _A, {"value": [], "nextLink": _ELSEWHERE}),
    _json("a next page that is no address", "at another address|without 'id'", _A, {"value": [], "nextLink": "file:///etc"}),
    _json("InvalidAuthenticationToken", "401.*InvalidAuthenticationToken", _A,
          {"error": {"code": "InvalidAuthenticationToken", "message": "No."}}, 401),
    _json("AuthorizationFailed", "403.*AuthorizationFailed", _A,
          {"error": {"code": "AuthorizationFailed", "message": "No."}}, 403),
)  # fmt: skip
FAULTS = (*_BELOW_HTTP, *_ANSWERS, *_ENTRA_FAULTS, *_ID_TOKENS, *_CLOCK_FAULTS, *_ARM_FAULTS)
