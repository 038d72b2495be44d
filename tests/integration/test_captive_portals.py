"""A network that asks users to sign in to it first answers in place of the sign-in service: the error names that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import let_tokens_age
from tests.localcloud import LocalCloud
from tests.unit.auth.managed_identity.environments import listening
from tests.users import ALICE

_PAGE = "<!DOCTYPE html><html><title>Hotel Wi-Fi</title></html>"
_HTTP_PAGE = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(_PAGE)}\r\n\r\n{_PAGE}".encode()

_TOKEN, _DISCOVERY = "/token$", "/openid-configuration"

_ANSWERS: dict[str, dict[str, Any]] = {
    "200": {"status": 200, "body": _PAGE, "headers": {"Content-Type": "text/html; charset=utf-8"}},
    "200 without a type": {"status": 200, "body": f"\n {_PAGE}", "headers": {"Content-Type": "application/json"}},
    "403": {"status": 403, "body": _PAGE, "headers": {"Content-Type": "text/html"}},
    "511": {"status": 511, "body": _PAGE, "headers": {"Content-Type": "text/html"}},
    "511 without a page": {"status": 511, "body": "", "headers": {"Content-Type": "text/plain"}},
}


@pytest.fixture
def az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    return make_az(cloud=own_cloud)


@pytest.fixture
def portal() -> Iterator[str]:
    """The address of a captive portal."""
    with listening(_HTTP_PAGE) as (address, _):
        yield f"http://{address}/"


def _assert_named(error: str, *parts: str) -> None:
    flat = " ".join(error.split())
    assert re.search(r"answered in place of the sign-in service at \S+", flat)
    assert "captive portal" in flat
    assert "az login" not in flat
    for part in parts:
        assert part in flat


@pytest.mark.parametrize("answer", list(_ANSWERS))
def test_a_page_in_place_of_a_token_is_named(az: Az, own_cloud: LocalCloud, answer: str) -> None:
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    own_cloud.admin.fail_next(_TOKEN, count=None, **_ANSWERS[answer])
    _assert_named(az.run("account", "get-access-token").failed().stderr, f"HTTP status {answer[:3]}")
    own_cloud.admin.clear_faults()
    az.run("account", "get-access-token").ok()


@pytest.mark.parametrize("answer", list(_ANSWERS))
def test_a_page_in_place_of_the_discovery_document_is_named(az: Az, own_cloud: LocalCloud, answer: str) -> None:
    own_cloud.admin.fail_next(_DISCOVERY, count=None, **_ANSWERS[answer])
    password = own_cloud.directory.user(ALICE).password
    for options in ((), ("--tenant", "contoso.example")):
        error = az.run("login", "-u", ALICE, f"-p={password}", *options).failed().stderr
        _assert_named(error, f"HTTP status {answer[:3]}")


def test_a_redirect_of_discovery_to_a_portal_is_named(az: Az, own_cloud: LocalCloud, portal: str) -> None:
    own_cloud.admin.fail_next(_DISCOVERY, count=None, status=302, body="", headers={"Location": portal})
    password = own_cloud.directory.user(ALICE).password
    error = az.run("login", "-u", ALICE, f"-p={password}").failed().stderr
    _assert_named(error, f"after a redirect to {portal.split('/')[2]}", own_cloud.url.partition("//")[2])


@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_of_a_secret_to_a_portal_is_named_and_not_followed(
    az: Az, own_cloud: LocalCloud, status: int
) -> None:
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    with listening(_HTTP_PAGE) as (address, heard):
        headers = {"Location": f"http://{address}/"}
        own_cloud.admin.fail_next(_TOKEN, count=None, status=status, body="", headers=headers)
        error = az.run("account", "get-access-token").failed().stderr
    _assert_named(error, "with a redirect to 127.0.0.1", "Nothing was sent there")
    assert not heard
