"""Tokens over time: reused while they are good, refreshed silently after that, and what stops it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import let_tokens_age
from tests.localcloud import LocalCloud
from tests.users import ALICE

TOKEN = ("account", "get-access-token")


@pytest.fixture
def own_az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """`az` with alice signed in to a cloud that the test may break; its access tokens are valid for 20 minutes."""
    own_cloud.admin.token_lifetime(1200)
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    own_cloud.admin.clear_requests()
    return az


def test_a_token_that_is_good_is_used_again_without_the_network(own_az: Az, own_cloud: LocalCloud) -> None:
    first = own_az.run(*TOKEN).ok().json()
    own_cloud.stop()
    assert own_az.run(*TOKEN).ok().json()["accessToken"] == first["accessToken"]


def test_an_expired_token_is_replaced_in_silence(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    token = az.run(*TOKEN).ok()
    assert token.json()["expires_on"] > time.time() + 3000
    assert token.stderr == ""
    assert az.run("group", "list").ok().json()


def test_a_revoked_sign_in_asks_to_sign_in_again(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.revoke(ALICE)
    # Another resource needs a token that is not in the cache yet.
    error = own_az.run(*TOKEN, "--resource-type", "ms-graph").failed().stderr
    assert "az login" in error
    assert own_az.profile()["subscriptions"]


def test_a_short_failure_of_the_service_is_not_the_users_problem(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.fail_next(path="/oauth2/v2.0/token", kind="unavailable")
    assert own_az.run(*TOKEN, "--resource-type", "ms-graph").ok().json()["accessToken"]


def test_a_refusal_is_not_remembered_when_the_user_tries_again(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.disable_user(ALICE)
    own_az.run(*TOKEN, "--resource-type", "ms-graph").failed()
    own_cloud.admin.enable_user(ALICE)
    own_az.run(*TOKEN, "--resource-type", "ms-graph").ok()


def test_two_tenants_have_a_token_each(own_az: Az, own_cloud: LocalCloud) -> None:
    tokens = {
        own_az.run(*TOKEN, "--tenant", domain).ok().json()["accessToken"]
        for domain in ("contoso.example", "fabrikam.example")
    }
    assert len(tokens) == 2


@pytest.mark.parametrize(
    "command",
    [("login", "--tenant", "contoso.example"), ("login",), ("account", "list", "--refresh")],
    ids=["one tenant", "all tenants", "refresh"],
)
def test_a_list_in_a_circle_keeps_what_it_showed_and_is_reported(
    own_az: Az, own_cloud: LocalCloud, command: tuple[str, ...]
) -> None:
    before = {row["id"] for row in own_az.profile()["subscriptions"]}
    new = "0f1e2d3c-0000-4000-8000-000000000001"
    here = f"{own_cloud.url}/subscriptions?api-version=2022-12-01"
    body = f'{{"value": [{{"id": "/subscriptions/{new}", "state": NaN}}], "nextLink": "{here}"}}'
    own_cloud.admin.fail_next("^/subscriptions", count=None, status=200, body=body)
    found = sign_in(own_az, own_cloud, ALICE, *command[1:]) if command[0] == "login" else own_az.run(*command)
    assert "was not read to the end" in found.ok().stderr
    assert '"state": null' in own_az.profile_path.read_text(encoding="utf-8")
    after = {row["id"] for row in own_az.profile()["subscriptions"]}
    assert new in after
    if command[0] == "account":
        assert before <= after


def test_a_list_of_tenants_in_a_circle_is_used_as_far_as_it_goes(own_az: Az, own_cloud: LocalCloud) -> None:
    contoso = own_cloud.directory.tenant("contoso.example").id
    here = f"{own_cloud.url}/tenants?api-version=2022-12-01"
    body = f'{{"value": [{{"tenantId": "{contoso}"}}], "nextLink": "{here}"}}'
    own_cloud.admin.fail_next("^/tenants", count=None, status=200, body=body)
    found = sign_in(own_az, own_cloud, ALICE).ok()
    assert "continued /tenants with a page that it had sent before" in found.stderr
    assert {row["tenantId"] for row in found.json()} == {contoso}
