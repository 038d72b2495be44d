"""`az login` through a real Chromium: what the user sees, and what the terminal shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import BrowserUser
from tests.users import ALICE, BOB, ERIN, NINA

pytestmark = pytest.mark.browser


def parameters(url: str) -> dict[str, str]:
    """Return the query of an address, one value per name."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_the_last_page_of_a_sign_in_is_ours_and_confirms_it(
    az: Az, make_browser_user: Callable[..., BrowserUser]
) -> None:
    user = make_browser_user(ALICE)
    rows = az.run("login", env={"BROWSER": user.browser}).ok().json()
    report = user.report()
    assert "Contoso Production" in {row["name"] for row in rows}
    assert urlsplit(report.url).hostname == "localhost"
    assert "You are signed in" in report.text
    assert report.screenshot.stat().st_size > 1000


def test_the_request_carries_pkce_state_and_an_account_picker(
    az: Az, make_browser_user: Callable[..., BrowserUser]
) -> None:
    user = make_browser_user(ALICE)
    az.run("login", env={"BROWSER": user.browser}).ok()
    asked = parameters(user.report().opened)
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 16
    assert asked["prompt"] == "select_account"
    assert asked["redirect_uri"].startswith("http://localhost:")


def test_no_code_stays_in_the_address_bar(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    user = make_browser_user(ALICE)
    az.run("login", env={"BROWSER": user.browser}).ok()
    assert "code" not in parameters(user.report().url)


def test_a_browser_with_a_session_still_asks_for_the_account(
    az: Az, make_browser_user: Callable[..., BrowserUser]
) -> None:
    first = make_browser_user(ALICE)
    az.run("login", env={"BROWSER": first.browser}).ok()
    first.report()

    again = make_browser_user(ALICE, profile=first.profile)
    az.run("login", env={"BROWSER": again.browser}).ok()
    assert again.report().steps[0] == "picked the account"


def test_another_user_can_sign_in_with_the_same_browser(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    first = make_browser_user(ALICE)
    az.run("login", env={"BROWSER": first.browser}).ok()
    first.report()

    bob = make_browser_user(BOB, profile=first.profile)
    rows = az.run("login", env={"BROWSER": bob.browser}).ok().json()
    assert bob.report().steps[0] == "chose another account"
    assert BOB in {row["user"]["name"] for row in rows}


def test_a_tenant_that_demands_a_second_factor_gets_it(az: Az, make_browser_user: Callable[..., BrowserUser]) -> None:
    user = make_browser_user(ALICE)
    words = ("login", "--tenant", "woodgrove.example")
    rows = az.run(*words, env={"BROWSER": user.browser}).ok().json()
    assert [row["name"] for row in rows] == ["Woodgrove Vault"]
    assert "entered the MFA code" in user.report().steps


def test_a_microsoft_account_signs_in_to_the_tenant_where_it_is_a_guest(
    az: Az, make_browser_user: Callable[..., BrowserUser]
) -> None:
    user = make_browser_user(ERIN)
    words = ("login", "--tenant", "contoso.example")
    rows = az.run(*words, env={"BROWSER": user.browser}).ok().json()
    assert [row["name"] for row in rows] == ["Contoso Development"]


def test_consent_that_the_user_cannot_give_is_an_error_in_both_places(
    signed_in: Az, make_browser_user: Callable[..., BrowserUser]
) -> None:
    before = signed_in.profile()["subscriptions"]
    user = make_browser_user(NINA)
    error = signed_in.run("login", env={"BROWSER": user.browser}).failed().stderr
    report = user.report()
    assert "az login" in error
    assert "failed" in report.title.lower()
    assert signed_in.profile()["subscriptions"] == before


def test_consent_that_is_denied_is_an_error_in_both_places(
    az: Az, make_browser_user: Callable[..., BrowserUser]
) -> None:
    user = make_browser_user(ALICE, cancel_at="#accept")
    scope = "https://needs-consent.localcloud.example/.default"
    error = az.run("login", "--scope", scope, env={"BROWSER": user.browser}).failed().stderr
    assert "az login" in error
    assert "failed" in user.report().title.lower()


def shown_until(az: Az, wanted: str, **env: str) -> str:
    """Start `az login`, and return what it shows, up to the line with `wanted`."""
    process = az.start("login", env=env)
    assert process.stderr
    shown = ""
    try:
        while wanted not in shown and (line := process.stderr.readline()):
            shown += line
    finally:
        process.kill()
        process.communicate()
    return shown


def test_without_any_browser_a_device_code_is_shown(az: Az) -> None:
    assert "enter the code" in shown_until(az, "/device")


def test_without_a_working_browser_the_user_gets_the_address(az: Az, tmp_path: Path) -> None:
    shown = shown_until(az, "code_challenge=", BROWSER=f"{tmp_path / 'no-such-browser'} %s")
    assert "The web browser could not be opened." in shown
