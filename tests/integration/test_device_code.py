"""`az login --use-device-code`, with a user who answers on another device."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import BrowserUser, open_page
from tests.harness.http_user import HttpUser, LastPage
from tests.harness.sign_in import sign_in_with_code
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB, MIA


def test_the_code_entered_elsewhere_signs_in(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    result, _ = sign_in_with_code(az, lambda url, code: make_http_user(ALICE, user_code=code).visit(url))
    assert "Contoso Production" in {row["name"] for row in result.ok().json()}


def test_a_second_factor_on_the_other_device_opens_a_tenant_that_demands_it(
    az: Az, make_http_user: Callable[..., HttpUser]
) -> None:
    result, _ = sign_in_with_code(
        az,
        lambda url, code: make_http_user(MIA, user_code=code).visit(url),
        *("--tenant", "woodgrove.example"),
    )
    assert [row["name"] for row in result.ok().json()] == ["Woodgrove Vault"]


def test_declining_on_the_other_device_is_an_error(az: Az, make_http_user: Callable[..., HttpUser]) -> None:
    # "accept" is the button of the page that asks whether the user started this sign-in.
    result, _ = sign_in_with_code(
        az, lambda url, code: make_http_user(ALICE, user_code=code, cancel_at="accept").visit(url)
    )
    error = result.failed().stderr
    assert "declined" in error
    assert "az login" in error
    assert not az.profile_path.exists() or not az.profile().get("subscriptions")


def test_a_code_that_no_user_enters_expires_with_an_error(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    own_cloud.admin.device_code(interval=1, expires_in=2)
    az = make_az(cloud=own_cloud)
    result, _ = sign_in_with_code(az, lambda url, code: LastPage(url, 0, "not visited"))
    assert "expired" in result.failed().stderr


def test_a_plain_openid_provider_signs_a_user_in_and_renews_the_token(
    make_az: Callable[..., Az], own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    own_cloud.admin.plain_openid()
    az = make_az(cloud=own_cloud)
    result, _ = sign_in_with_code(az, lambda url, code: make_http_user(BOB, at=own_cloud, user_code=code).visit(url))
    assert "Fabrikam Main" in {row["name"] for row in result.ok().json()}
    token = az.run("account", "get-access-token", "--scope", "https://vault.azure.net/.default").ok().json()
    assert token["tokenType"] == "Bearer"
    assert 3500 < token["expires_on"] - time.time() < 3700
    az.run("account", "list", "--refresh").ok()
    own_cloud.admin.revoke(BOB)
    refused = az.run("account", "get-access-token", "--scope", "https://graph.microsoft.com/.default").failed()
    assert "az login" in refused.stderr


@pytest.mark.browser
def test_the_device_page_works_in_a_real_browser(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    def answer(url: str, code: str) -> LastPage:
        user = make_browser_user(ALICE, user_code=code)
        open_page(user, url)
        seen = user.report()
        return LastPage(seen.url, 200, seen.text)

    result, page = sign_in_with_code(az, answer)
    result.ok()
    assert "close" in page.text
