"""ID tokens: those of another application or issuer, and those that have expired, are not used."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.entra.http_client import AuthorityHttpClient
from azext_login.auth.entra.id_tokens import Issuers, check_id_token
from azext_login.errors import MalformedAnswerError, UnexpectedAnswerError

BASE = "https://login.contoso.example"
TENANT = "0b8b6b8a-7d4b-4b2e-9d0a-3c8f6f2a1e55"
OTHER = "0b8b6b8a-7d4b-4b2e-9d0a-3c8f6f2a1e56"
ISSUER = f"{BASE}/{TENANT}/v2.0"
FOR_MANY = f"{BASE}/{{tenantid}}/v2.0"
NOW = 1_777_636_800.0
DAY = 86_400.0
CLAIMS: Mapping[str, Any] = {"aud": AZURE_CLI_CLIENT_ID, "iss": ISSUER, "tid": TENANT, "exp": NOW + 3600}


def _jwt(claims: object) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, b"signature"))


def _check(
    claims: object, *, issuer: str | None = ISSUER, base: str = BASE, served_at: float | None = NOW, here: float = NOW
) -> None:
    answer = requests.Response()
    answer.url = f"{base}/organizations/oauth2/v2.0/token"
    if served_at is not None:
        answer.headers["Date"] = formatdate(served_at, usegmt=True)
    check_id_token(_jwt(claims), answer, client_id=AZURE_CLI_CLIENT_ID, issuer=issuer, clock=lambda: here)


@pytest.mark.parametrize("issuer", [ISSUER, f"{ISSUER}/", FOR_MANY, None])
def test_the_token_that_was_asked_for_is_accepted(issuer: str | None) -> None:
    _check(CLAIMS, issuer=issuer)


@pytest.mark.parametrize("audience", [[AZURE_CLI_CLIENT_ID], AZURE_CLI_CLIENT_ID.upper(), ["x", AZURE_CLI_CLIENT_ID]])
def test_the_audience_may_be_a_list_and_in_any_case(audience: object) -> None:
    _check({**CLAIMS, "aud": audience})


@pytest.mark.parametrize("audience", [OTHER, [OTHER], [], None, 5, {"x": 1}, f"{AZURE_CLI_CLIENT_ID}0", ""])
def test_a_token_for_another_application_is_refused(audience: object) -> None:
    with pytest.raises(UnexpectedAnswerError, match="for another application"):
        _check({**CLAIMS, "aud": audience})


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": f"https://elsewhere.example/{TENANT}/v2.0"},
        {"iss": f"http://login.contoso.example/{TENANT}/v2.0"},
        {"iss": f"{BASE}/{OTHER}/v2.0"},
        {"iss": f"{BASE}/{TENANT}"},
        {"iss": f"{BASE}.evil.example/{TENANT}/v2.0"},
        {"iss": f"{BASE}@evil.example/{TENANT}/v2.0"},
        {"iss": "https://["},
        {"iss": ""},
        {"iss": None},
        {"iss": 5},
    ],
)
@pytest.mark.parametrize("issuer", [ISSUER, FOR_MANY])
def test_a_token_of_another_issuer_is_refused(changes: Mapping[str, object], issuer: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="of another issuer"):
        _check({**CLAIMS, **changes}, issuer=issuer)


@pytest.mark.parametrize("tenant", [None, 5, "", "x/../y", "{tenantid}"])
def test_a_token_without_a_tenant_is_refused_where_the_issuer_has_one(tenant: object) -> None:
    with pytest.raises(UnexpectedAnswerError, match="of another issuer"):
        _check({**CLAIMS, "tid": tenant, "iss": f"{BASE}/{tenant}/v2.0"}, issuer=FOR_MANY)


def test_an_unknown_document_leaves_the_host_to_compare() -> None:
    with pytest.raises(UnexpectedAnswerError, match="of another issuer"):
        _check({**CLAIMS, "iss": f"https://elsewhere.example/{TENANT}/v2.0"}, issuer=None)


@pytest.mark.parametrize("expected", [FOR_MANY, ISSUER, None])
def test_a_cloud_of_entra_has_several_addresses_and_one_issuer(expected: str | None) -> None:
    """https://login.chinacloudapi.cn/common/v2.0/.well-known/openid-configuration names the other one."""
    asked, issuer = "https://login.chinacloudapi.cn", f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0"
    expected = expected and expected.replace(BASE, asked)
    _check({**CLAIMS, "iss": issuer}, issuer=expected, base=asked)
    others = [issuer.replace("microsoftonline", "elsewhere"), f"{BASE}/{TENANT}/v2.0"]
    if expected:
        # Without a document, the tenant is unknown.
        others.append(issuer.replace(TENANT, OTHER))
    for foreign in others:
        with pytest.raises(UnexpectedAnswerError, match="of another issuer"):
            _check({**CLAIMS, "iss": foreign}, issuer=expected, base=asked)


def test_entra_is_no_issuer_for_another_authority() -> None:
    with pytest.raises(UnexpectedAnswerError, match="of another issuer"):
        _check({**CLAIMS, "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0"})


@pytest.mark.parametrize("here", [NOW - DAY, NOW, NOW + DAY])
def test_a_token_has_expired_by_the_clock_of_the_service_alone(here: float) -> None:
    _check({**CLAIMS, "exp": NOW - 299}, here=here)
    with pytest.raises(UnexpectedAnswerError, match=r"it has expired\."):
        _check({**CLAIMS, "exp": NOW - 301}, here=here)


def test_without_the_time_of_the_service_the_clock_of_this_computer_counts() -> None:
    _check(CLAIMS, served_at=None)
    with pytest.raises(UnexpectedAnswerError, match="the clock of this computer is wrong"):
        _check(CLAIMS, served_at=None, here=NOW + DAY)


def test_a_token_that_is_not_valid_yet_is_accepted() -> None:
    _check({**CLAIMS, "nbf": NOW + DAY, "iat": NOW + DAY, "exp": NOW + 2 * DAY})


@pytest.mark.parametrize("expiry", [None, "soon", [], True])
def test_a_token_that_never_expires_is_refused(expiry: object) -> None:
    with pytest.raises(UnexpectedAnswerError, match="does not tell when it expires"):
        _check({**CLAIMS, "exp": expiry})


@pytest.mark.parametrize("claims", [[], "x", 5, None])
def test_a_token_without_claims_is_refused(claims: object) -> None:
    with pytest.raises(MalformedAnswerError, match="not a JSON Web Token"):
        _check(claims)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(TENANT), st.lists, max_leaves=5
)


@given(st.dictionaries(st.sampled_from(["aud", "iss", "tid", "exp", "sub"]), _VALUES))
@example({"exp": 10**400})
def test_any_claims_are_accepted_or_refused_with_an_error_of_ours(changes: Mapping[str, object]) -> None:
    try:
        _check({**CLAIMS, **changes}, issuer=FOR_MANY)
    except UnexpectedAnswerError:
        return
    assert changes.get("aud", AZURE_CLI_CLIENT_ID) == AZURE_CLI_CLIENT_ID
    assert changes.get("iss", ISSUER) == ISSUER


@given(st.binary() | st.text())
@example('{"token_endpoint": 5, "issuer": []}')
def test_any_document_can_be_learned(content: bytes | str) -> None:
    issuers = Issuers()
    issuers.learn(content)
    assert issuers.find(BASE) is None


def test_a_document_names_the_issuer_of_its_endpoint() -> None:
    issuers = Issuers()
    issuers.learn(json.dumps({"token_endpoint": f"{BASE}/X/token", "issuer": ISSUER}))
    for same in ("x/token", "X/token", "X/TOKEN/"):
        assert issuers.find(f"{BASE}/{same}") == ISSUER
    assert issuers.find(f"{BASE}/y/token") is None


class _Service(requests.Session):
    """A sign-in service with one discovery document, whose token endpoint answers with one ID token."""

    def __init__(self, document: Mapping[str, str], id_token: str) -> None:
        super().__init__()
        self._bodies = {"GET": document, "POST": {"access_token": "x", "id_token": id_token}}

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        answer = requests.Response()
        answer.status_code, answer.url = 200, str(url)
        answer.headers["Content-Type"] = "application/json"
        answer._content = json.dumps(self._bodies[str(method)]).encode()
        answer.headers["Date"] = formatdate(NOW, usegmt=True)
        return answer


_WELL_KNOWN = ".well-known/openid-configuration"
# Authority, address of its document, issuer, token endpoint.
_AUTHORITIES = {
    "AD FS": (f"{BASE}/adfs", f"{BASE}/adfs/{_WELL_KNOWN}", f"{BASE}/adfs", f"{BASE}/adfs/oauth2/token/"),
    "AD FS with another name of its farm": (
        f"{BASE}/adfs",
        f"{BASE}/adfs/{_WELL_KNOWN}",
        "https://sts.contoso.example/adfs",
        f"{BASE}/adfs/oauth2/token/",
    ),
    "a policy in the path, as in B2C": (
        f"{BASE}/contoso.example/b2c_1_signin",
        f"{BASE}/contoso.example/b2c_1_signin/v2.0/{_WELL_KNOWN}",
        f"{BASE}/{TENANT}/v2.0/",
        f"{BASE}/contoso.example/b2c_1_signin/oauth2/v2.0/token",
    ),
    "a name for the tenant, and a query": (
        f"{BASE}/contoso.example",
        f"{BASE}/contoso.example/v2.0/{_WELL_KNOWN}?dc=test",
        f"https://{TENANT}.contoso.example/{TENANT}/v2.0",
        f"{BASE}/{TENANT}/oauth2/v2.0/token",
    ),
    "a document of its own": (BASE, f"{BASE}/x/v2.0/{_WELL_KNOWN}", "https://id.example", "https://tokens.example/t"),
}


@pytest.mark.parametrize("is_cached", [False, True], ids=["requested", "in the cache of MSAL"])
@pytest.mark.parametrize("name", _AUTHORITIES)
def test_an_authority_of_any_shape_is_the_issuer_that_its_document_names(name: str, is_cached: bool) -> None:
    authority, address, issuer, endpoint = _AUTHORITIES[name]
    document = {"issuer": issuer, "token_endpoint": endpoint, "authorization_endpoint": f"{authority}/authorize"}

    def ask(signed_by: str) -> None:
        claims = {**CLAIMS, "iss": signed_by}
        client = AuthorityHttpClient(_Service(document, _jwt(claims)), authority)
        if is_cached:
            client.learn({f"GET {address} hash=x 2xx": SimpleNamespace(text=json.dumps(document))})
        else:
            client.get(address)
        client.post(endpoint, data={"client_id": AZURE_CLI_CLIENT_ID, "grant_type": "authorization_code"})

    ask(issuer)
    for foreign in ("https://elsewhere.example", f"{issuer}/x", f"{BASE}/{OTHER}/v2.0"):
        with pytest.raises(UnexpectedAnswerError, match="of another issuer"):
            ask(foreign)
