"""What a sign-in asks for, and how many of the requests wait for each other, as the local cloud counts them."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import AddressTaker
from tests.harness.http_user import HttpUser, LastPage
from tests.harness.sign_in import sign_in, sign_in_with_code
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud, seed
from tests.localcloud.requestlog import LoggedRequest, count_rounds
from tests.users import ALICE, ERIN, MAX

#: Requests that are sent together overlap, unless a busy computer takes longer than this from one to the next.
_LATENCY_MS = 150
#: What the requests of the user's own pages begin with, in the browser and on another device.
_PAGES = re.compile("/device$|/login/|/organizations/oauth2/v2.0/authorize$")
_OF_TENANT = {
    "v2.0/.well-known/openid-configuration": "document",
    "oauth2/v2.0/token": "token",
    "oauth2/v2.0/devicecode": "device code",
}
_ELSEWHERE = {
    "/metadata/instance": "metadata of the machine",
    "/metadata/identity/oauth2/token": "token of the identity",
}
_CLAIMS = base64.b64encode(b'{"access_token": {"nbf": {"essential": true, "value": "1700000000"}}}').decode()
_SERVICE_PRINCIPAL = ("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant")

#: The start of a sign-in with a password, and what follows in the home tenant of max and of alice.
_PASSWORD = ("GET document of organizations", "GET realm", "POST token of organizations")
_MAX = ("GET tenants", "GET subscriptions of generated")
_ALICE = ("GET tenants", "GET subscriptions of contoso")


@pytest.fixture(scope="module")
def slow() -> Iterator[LocalCloud]:
    """A cloud where every request takes a while. max sees one tenant with three subscriptions."""
    with LocalCloud(tenants=1, subscriptions=3, latency_ms=_LATENCY_MS) as running:
        yield running


@pytest.fixture
def slow_az(make_az: Callable[..., Az], slow: LocalCloud) -> Az:
    """The newest `az` with the extension, signed out, with the slow cloud active. Nothing has been requested yet."""
    az = make_az(cloud=slow)
    slow.admin.clear_requests()
    return az


def _kind(cloud: LocalCloud, request: LoggedRequest) -> str:
    """Return what a request asked for. The first domain of a tenant, without its ending, stands for the ID."""
    names = {tenant.id: tenant.domains[0].partition(".")[0] for tenant in cloud.directory.tenants}
    segment, _, rest = request.path[1:].partition("/")
    if request.path == "/tenants":
        kind = "tenants"
    elif request.path == "/subscriptions":
        kind = f"subscriptions of {names[str(request.tenant)]}"
    elif request.path.startswith("/common/userrealm/"):
        kind = "realm"
    elif rest in _OF_TENANT:
        kind = f"{_OF_TENANT[rest]} of {names.get(segment, segment)}"
    else:
        kind = _ELSEWHERE.get(request.path, request.path)
    return f"{request.method} {kind}"


def _asked(cloud: LocalCloud) -> list[LoggedRequest]:
    """Return what `az` has asked for. What users ask for at their pages and vain polls are left out."""
    return [
        row
        for row in cloud.admin.requests()
        if not _PAGES.match(row.path) and not (str(row.grant_type).endswith(":device_code") and row.status == 400)
    ]


def _kinds(cloud: LocalCloud, rows: Sequence[LoggedRequest]) -> Counter[str]:
    return Counter(_kind(cloud, row) for row in rows)


def _user(cloud: LocalCloud, username: str, user_code: str = "") -> HttpUser:
    password = cloud.directory.user(username).password
    return HttpUser(Path(cloud.ca_bundle), username, password, user_code=user_code)


@dataclass(frozen=True)
class SignIn:
    """A sign-in, what it asks for, and how many of that waits for each other at most."""

    asked: Sequence[str]
    rounds: int
    user: str = ""
    options: Sequence[str] = ()


_WITH_PASSWORD = {
    "one tenant": SignIn((*_PASSWORD, *_MAX), 3, MAX),
    "a guest of other tenants": SignIn(
        (
            *(*_PASSWORD, *_ALICE),
            *("POST token of fabrikam", "GET subscriptions of fabrikam"),
            *("POST token of tailspin", "GET subscriptions of tailspin"),
            # It demands a second factor.
            "POST token of woodgrove",
        ),
        5,
        ALICE,
    ),
    "an excluded tenant": SignIn(
        # Only the list of tenants tells whether the home tenant is the excluded one.
        (
            *(*_PASSWORD, "POST token of contoso", *_ALICE),
            *("POST token of fabrikam", "GET subscriptions of fabrikam", "POST token of woodgrove"),
        ),
        6,
        ALICE,
        ("--exclude-tenant", "tailspin.example"),
    ),
    "a tenant by its ID": SignIn(
        ("GET document of fabrikam", "GET realm", "POST token of fabrikam", "GET subscriptions of fabrikam"),
        3,
        ALICE,
        ("--tenant", seed.FABRIKAM.id),
    ),
    "the home tenant by its ID": SignIn(
        ("GET document of contoso", "GET realm", "POST token of contoso", "GET subscriptions of contoso"),
        3,
        ALICE,
        ("--tenant", seed.CONTOSO.id),
    ),
    "a tenant by its domain": SignIn(
        # Its document has the ID, and that of the ID follows from it.
        ("GET document of fabrikam.example", "GET realm", "POST token of fabrikam", "GET subscriptions of fabrikam"),
        4,
        ALICE,
        ("--tenant", "fabrikam.example"),
    ),
    "another scope": SignIn(
        (*_PASSWORD, "POST token of organizations", *_MAX),
        4,
        MAX,
        ("--scope", "https://graph.microsoft.com/.default"),
    ),
    "no discovery": SignIn(
        ("GET document of contoso", "GET realm", "POST token of contoso"),
        2,
        ALICE,
        ("--tenant", seed.CONTOSO.id, "--allow-no-subscriptions", "--skip-subscription-discovery"),
    ),
}


@pytest.mark.parametrize("case", _WITH_PASSWORD.values(), ids=_WITH_PASSWORD.keys())
def test_a_sign_in_with_a_password_asks_for_what_it_needs_and_together(
    slow_az: Az, slow: LocalCloud, case: SignIn
) -> None:
    sign_in(slow_az, slow, case.user, *case.options).ok()
    asked = _asked(slow)
    assert _kinds(slow, asked) == Counter(case.asked)
    assert count_rounds(asked) <= case.rounds


def test_a_document_that_an_earlier_sign_in_has_read_is_not_read_again(
    make_az: Callable[..., Az], slow_az: Az, slow: LocalCloud
) -> None:
    sign_in(slow_az, slow, MAX).ok()
    later = make_az(cloud=slow)
    shutil.copy(slow_az.config_dir / "msal_http_cache.bin", later.config_dir)
    slow.admin.clear_requests()
    sign_in(later, slow, MAX).ok()
    asked = _asked(slow)
    assert _kinds(slow, asked) == Counter(("GET realm", "POST token of organizations", *_MAX))
    assert count_rounds(asked) <= 3


_WORKLOADS = {
    "service principal": (
        (*_SERVICE_PRINCIPAL, seed.CONTOSO.id),
        ("GET document of contoso", "POST token of contoso", "GET subscriptions of contoso"),
        3,
    ),
    "service principal, by a domain": (
        (*_SERVICE_PRINCIPAL, "contoso.example"),
        ("GET document of contoso.example", "POST token of contoso", "GET subscriptions of contoso"),
        3,
    ),
    "managed identity": (
        ("login", "--identity"),
        ("GET metadata of the machine", "GET token of the identity", "GET subscriptions of contoso"),
        3,
    ),
}


@pytest.mark.parametrize(("words", "expected", "rounds"), _WORKLOADS.values(), ids=_WORKLOADS.keys())
def test_a_workload_asks_for_one_token_and_one_list(
    slow_az: Az, slow: LocalCloud, words: Sequence[str], expected: Sequence[str], rounds: int
) -> None:
    slow_az.run(*words, env=slow.imds_environment()).ok()
    asked = _asked(slow)
    assert _kinds(slow, asked) == Counter(expected)
    assert count_rounds(asked) <= rounds


def test_after_the_redirect_from_the_browser_three_requests_are_left(
    slow_az: Az, slow: LocalCloud, tmp_path: Path
) -> None:
    browser, user = AddressTaker(tmp_path / "browser"), _user(slow, MAX)
    process = slow_az.start("login", env={"BROWSER": browser.browser})
    user.visit(browser.address(), deliver=False)
    assert _kinds(slow, _asked(slow)) == Counter(["GET document of organizations"])
    slow.admin.clear_requests()
    user.deliver()
    slow_az.result(process, "login").ok()
    asked = _asked(slow)
    assert _kinds(slow, asked) == Counter(("POST token of organizations", *_MAX))
    assert count_rounds(asked) <= 2


_WITH_CODE = {
    "one tenant": SignIn(("POST token of organizations", *_MAX), 2, MAX),
    "a claims challenge": SignIn(("POST token of organizations", *_MAX), 2, MAX, ("--claims-challenge", _CLAIMS)),
    "a personal account": SignIn(
        # Its own tenant has no subscriptions; it is a guest of the other one.
        ("POST token of organizations", "GET tenants", "POST token of contoso", "GET subscriptions of contoso"),
        4,
        ERIN,
    ),
}


@pytest.mark.parametrize("case", _WITH_CODE.values(), ids=_WITH_CODE.keys())
def test_after_a_device_code_is_entered_as_much_is_left_as_after_a_redirect(
    slow_az: Az, slow: LocalCloud, case: SignIn
) -> None:
    def answer(url: str, code: str) -> LastPage:
        return _user(slow, case.user, code).visit(url)

    sign_in_with_code(slow_az, answer, *case.options)[0].ok()
    asked = _asked(slow)
    earlier = Counter(["GET document of organizations", "POST device code of organizations"])
    assert _kinds(slow, asked[:2]) == earlier
    assert _kinds(slow, asked[2:]) == Counter(case.asked)
    assert count_rounds(asked[2:]) <= case.rounds


def test_fifty_tenants_take_two_requests_each_and_five_others(make_az: Callable[..., Az]) -> None:
    with LocalCloud(tenants=50, subscriptions=2) as cloud:
        az = make_az(cloud=cloud)
        cloud.admin.clear_requests()
        sign_in(az, cloud, MAX).ok()
        asked = _asked(cloud)
        assert len(az.profile()["subscriptions"]) == 100
    assert set(_kinds(cloud, asked).values()) == {1}
    assert len(asked) <= 50 * 2 + 5


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "BASE/HOME/v2.0"},
        {"authorization_endpoint": "https://elsewhere.example/organizations/oauth2/v2.0/authorize"},
        {"device_authorization_endpoint": None},
    ],
    ids=["another issuer", "another host", "no device codes"],
)
def test_after_a_document_of_another_shape_each_tenant_is_asked_for_its_own(
    slow_az: Az, slow: LocalCloud, changes: dict[str, str | None]
) -> None:
    start = f"{slow.url}/organizations/oauth2/v2.0"
    document = {
        "issuer": f"{slow.url}/{{tenantid}}/v2.0",
        "authorization_endpoint": f"{start}/authorize",
        "token_endpoint": f"{start}/token",
        "device_authorization_endpoint": f"{start}/devicecode",
    }
    home = slow.directory.tenant("contoso.example").id
    body = json.dumps(document | changes).replace("BASE", slow.url).replace("HOME", home)
    slow.admin.fail_next("^/organizations/v2.0/", status=200, body=body)
    sign_in(slow_az, slow, ALICE).ok()
    asked = _kinds(slow, _asked(slow))
    tenants = ("organizations", "contoso", "fabrikam", "tailspin", "woodgrove")
    assert {kind for kind in asked if "document" in kind} == {f"GET document of {tenant}" for tenant in tenants}
    assert set(asked.values()) == {1}
