"""`--app-client-id`: users sign in to applications of their own, beside the Azure CLI, and get tokens of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.browser_user import AddressTaker
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import sign_in, sign_in_with_code
from tests.integration.token_cache_files import claims_of, let_tokens_expire
from tests.localcloud import AZURE_CLI, CI_APP, CI_SECRET, NOTES_APP, SAMPLE_APP, LocalCloud
from tests.users import ALICE, BOB

OWN = ("--app-client-id", NOTES_APP)
TOKEN = ("account", "get-access-token", *OWN)
VAULT = "https://vault.azure.net/.default"


@pytest.fixture
def alice_here(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """`az` with alice signed in to the Azure CLI, in a cloud that no other test uses. She has consented to nothing."""
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    return az


@pytest.fixture
def with_own_app(alice_here: Az, own_cloud: LocalCloud) -> Az:
    """The same with alice signed in to the application of Contoso too. The request log is empty."""
    own_cloud.admin.consent(NOTES_APP, ALICE)
    sign_in(alice_here, own_cloud, ALICE, *OWN).ok()
    own_cloud.admin.clear_requests()
    return alice_here


def _cache(az: Az) -> dict[str, dict[str, dict[str, Any]]]:
    content: dict[str, dict[str, dict[str, Any]]] = json.loads((az.config_dir / "msal_token_cache.json").read_bytes())
    return content


def _of_azure_cli(az: Az) -> dict[str, dict[str, Any]]:
    """Return the entries of the token cache that the Azure CLI uses: its own, and the accounts."""
    return {
        section: {key: entry for key, entry in entries.items() if entry.get("client_id") in (None, AZURE_CLI)}
        for section, entries in _cache(az).items()
    }


def _clients(az: Az, section: str) -> set[str]:
    return {entry["client_id"] for entry in _cache(az).get(section, {}).values()}


def _token(az: Az, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = az.run(*TOKEN, *options).ok().json()
    return found


# The sign-in


def test_a_user_consents_in_the_browser_and_the_application_gets_tokens_of_its_own(
    alice_here: Az, own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser], tmp_path: Path
) -> None:
    browser = AddressTaker(tmp_path / "browser")
    words = ("login", *OWN)
    process = alice_here.start(*words, env={"BROWSER": browser.browser})
    address = browser.address()
    assert f"client_id={NOTES_APP}&" in address
    user = make_http_user(ALICE, at=own_cloud)
    user.visit(address)
    rows = alice_here.result(process, *words).ok().json()
    assert {row["user"]["name"] for row in rows} == {ALICE}
    own_cloud.admin.clear_requests()
    token = _token(alice_here)
    assert claims_of(token["accessToken"])["appid"] == NOTES_APP
    assert not own_cloud.admin.requests()


def test_a_user_who_declines_consent_leaves_nothing(
    alice_here: Az, own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    before = _cache(alice_here)
    result, _ = sign_in_with_code(
        alice_here,
        lambda url, code: make_http_user(ALICE, at=own_cloud, user_code=code, cancel_at="accept").visit(url),
        *OWN,
    )
    assert f"--app-client-id {NOTES_APP}" in result.failed().stderr
    assert _cache(alice_here) == before


def test_a_device_code_signs_in_to_the_application(
    alice_here: Az, own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    result, _ = sign_in_with_code(
        alice_here, lambda url, code: make_http_user(ALICE, at=own_cloud, user_code=code).visit(url), *OWN
    )
    result.ok()
    assert claims_of(_token(alice_here)["accessToken"])["appid"] == NOTES_APP


def test_a_password_signs_in_once_the_user_has_consented(alice_here: Az, own_cloud: LocalCloud) -> None:
    refused = sign_in(alice_here, own_cloud, ALICE, *OWN).failed()
    assert "Consent is missing" in refused.stderr
    assert re.search(rf"^az login --app-client-id {NOTES_APP} --tenant \S+$", refused.stderr, re.MULTILINE)
    own_cloud.admin.consent(NOTES_APP, ALICE)
    sign_in(alice_here, own_cloud, ALICE, *OWN).ok()


def test_the_rows_and_the_tokens_of_the_azure_cli_stay_as_they_are(
    alice_here: Az, own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    rows, tokens = alice_here.profile_path.read_bytes(), _of_azure_cli(alice_here)
    # In another way than to the Azure CLI, which is a property of MSAL's account.
    sign_in_with_code(
        alice_here, lambda url, code: make_http_user(ALICE, at=own_cloud, user_code=code).visit(url), *OWN
    )[0].ok()
    assert alice_here.profile_path.read_bytes() == rows
    assert _of_azure_cli(alice_here) == tokens
    assert _clients(alice_here, "RefreshToken") == {AZURE_CLI, NOTES_APP}


def test_no_subscriptions_are_read(with_own_app: Az, own_cloud: LocalCloud) -> None:
    sign_in(with_own_app, own_cloud, ALICE, *OWN).ok()
    paths = [request.path for request in own_cloud.admin.requests()]
    assert not [path for path in paths if "/subscriptions" in path or path.endswith("/tenants")]
    assert len([path for path in paths if path.endswith("/token")]) == 1


def test_a_scope_at_the_sign_in_is_that_of_the_token(alice_here: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.consent(NOTES_APP, ALICE)
    sign_in(alice_here, own_cloud, ALICE, *OWN, "--scope", VAULT).ok()
    own_cloud.admin.clear_requests()
    assert claims_of(_token(alice_here, "--scope", VAULT)["accessToken"])["aud"].startswith("https://vault")
    assert not own_cloud.admin.requests()


def test_without_a_user_at_the_azure_cli_nobody_is_asked_to_sign_in(az: Az) -> None:
    error = az.run("login", *OWN, "--use-device-code").failed().stderr
    assert "No user is signed in to the Azure CLI" in error
    assert error.rstrip().endswith("az login")
    error = az.run("login", *OWN, "-u", BOB, "-p=x").failed().stderr
    assert f"User '{BOB}' is not signed in to the Azure CLI" in error


def test_a_user_who_is_not_signed_in_to_the_azure_cli_is_refused_and_nothing_is_stored(
    alice_here: Az, own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    before = _cache(alice_here), alice_here.profile()
    words = (*OWN[:1], SAMPLE_APP, "--tenant", "fabrikam.example")
    result, _ = sign_in_with_code(
        alice_here, lambda url, code: make_http_user(BOB, at=own_cloud, user_code=code).visit(url), *words
    )
    assert f"'{BOB}' is not signed in to the Azure CLI" in result.failed().stderr
    assert (_cache(alice_here), alice_here.profile()) == before


@pytest.mark.parametrize(
    "options",
    [
        ("--service-principal", "-u", CI_APP, "-p=x", "--tenant", "contoso.example"),
        ("--identity",),
        ("--from-env",),
        ("--allow-no-subscriptions",),
        ("--subscription", "x"),
        ("--exclude-tenant", "fabrikam.example"),
    ],
)
def test_what_does_not_go_with_an_application_is_a_usage_error(signed_in: Az, options: Sequence[str]) -> None:
    refused = signed_in.run("login", *OWN, *options).failed()
    assert "usage error" in refused.stderr
    assert "--app-client-id" in refused.stderr


@pytest.mark.parametrize("value", ["notes", AZURE_CLI.upper(), f"{{{NOTES_APP}}}"])
@pytest.mark.parametrize("command", [("login",), ("account", "get-access-token")])
def test_anything_but_the_id_of_another_application_is_a_usage_error(
    signed_in: Az, command: Sequence[str], value: str
) -> None:
    refused = signed_in.run(*command, "--app-client-id", value).failed(exit_code=2)
    assert "--app-client-id" in refused.stderr


# Refusals of Entra


def test_an_application_of_another_tenant_is_explained(alice_here: Az, own_cloud: LocalCloud) -> None:
    error = sign_in(alice_here, own_cloud, ALICE, *OWN, "--tenant", "fabrikam.example").failed().stderr
    assert "The application does not exist in tenant" in error
    assert f"--app-client-id {NOTES_APP}" in error


def test_an_application_that_is_no_public_client_is_explained(alice_here: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.allow_public_flows(NOTES_APP, False)
    error = alice_here.run("login", *OWN, "--use-device-code").failed().stderr
    assert "Allow public client flows" in error


def test_a_consent_that_was_withdrawn_is_explained(with_own_app: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.withdraw_consent(NOTES_APP)
    error = with_own_app.run(*TOKEN, "--scope", VAULT).failed().stderr
    assert "Consent is missing" in error
    assert re.search(rf"^az login --app-client-id {NOTES_APP} --tenant \S+ --scope {VAULT}$", error, re.MULTILINE)


# Tokens


def test_the_refresh_token_of_the_application_gives_tokens_of_other_resources(
    with_own_app: Az, own_cloud: LocalCloud
) -> None:
    before = _of_azure_cli(with_own_app)
    token = _token(with_own_app, "--scope", VAULT)
    assert claims_of(token["accessToken"])["appid"] == NOTES_APP
    assert _of_azure_cli(with_own_app) == before
    assert _token(with_own_app, "--scope", VAULT) == token
    # Not one more for a refresh token of another application, or for a document.
    assert [request.path.rpartition("/")[2] for request in own_cloud.admin.requests()] == ["token"]


def test_the_azure_cli_keeps_its_own_tokens(with_own_app: Az) -> None:
    own, usual = _token(with_own_app), with_own_app.run("account", "get-access-token").ok().json()
    assert claims_of(usual["accessToken"])["appid"] == AZURE_CLI
    assert own["accessToken"] != usual["accessToken"]
    assert own["tenant"] == usual["tenant"]


def test_without_a_sign_in_one_error_names_the_command_and_no_token_is_requested(
    alice_here: Az, own_cloud: LocalCloud
) -> None:
    own_cloud.admin.clear_requests()
    error = alice_here.run(*TOKEN, "--scope", VAULT).failed().stderr
    assert f"'{ALICE}' has not signed in to application '{NOTES_APP}'" in error
    assert re.search(rf"^az login --app-client-id {NOTES_APP} --tenant \S+ --scope {VAULT}$", error, re.MULTILINE)
    # The refresh token of the Azure CLI is not for other applications.
    assert not own_cloud.admin.count_requests("/token$")


def test_an_application_without_a_user_gets_no_tokens_of_one(az: Az) -> None:
    az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example").ok()
    assert "only users sign in to applications" in az.run(*TOKEN).failed().stderr


def test_many_processes_send_one_request_for_the_application(with_own_app: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.latency(300)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _token(with_own_app, "--scope", VAULT)["accessToken"], range(4)))
    assert len(set(found)) == 1
    assert own_cloud.admin.count_requests("/token$") == 1


def test_an_exported_token_can_be_one_of_the_application(with_own_app: Az) -> None:
    exported = with_own_app.run("account", "export-token", "--format", "header", *OWN).ok().stdout
    assert claims_of(exported)["appid"] == NOTES_APP


# Other commands


def test_renewing_renews_tokens_of_the_azure_cli_only(with_own_app: Az, own_cloud: LocalCloud) -> None:
    _token(with_own_app, "--scope", VAULT)
    before = {key: entry for key, entry in _cache(with_own_app)["AccessToken"].items() if NOTES_APP in key}
    assert len(before) == 2
    renewed = with_own_app.run("account", "renew").ok().json()
    assert not [one for one in renewed["accessTokens"] if VAULT in one["scopes"]]
    assert not renewed["failed"]
    after = _cache(with_own_app)["AccessToken"]
    assert {key: after.get(key) for key in before} == before


def test_refreshing_the_subscriptions_uses_the_azure_cli(with_own_app: Az) -> None:
    let_tokens_expire(with_own_app, 1)
    with_own_app.run("account", "list", "--refresh").ok()
    with_own_app.run("group", "list").ok()
    assert claims_of(_token(with_own_app)["accessToken"])["appid"] == NOTES_APP


@pytest.mark.parametrize("command", [("logout",), ("account", "clear")])
def test_a_sign_out_removes_the_tokens_of_the_application_too(with_own_app: Az, command: Sequence[str]) -> None:
    with_own_app.run(*command).ok()
    path = with_own_app.config_dir / "msal_token_cache.json"
    left = json.loads(path.read_bytes()) if path.exists() else {}
    assert not any(left.get(section) for section in ("AccessToken", "RefreshToken", "IdToken", "Account"))


def test_built_in_commands_work_without_the_extension(with_own_app: Az) -> None:
    let_tokens_expire(with_own_app, 1)
    stock = replace(with_own_app, extension_dir=None)
    assert claims_of(stock.run("account", "get-access-token").ok().json()["accessToken"])["appid"] == AZURE_CLI


@pytest.mark.parametrize("again", [True, False])
def test_what_a_sign_out_without_the_extension_leaves_can_be_removed(
    with_own_app: Az, own_cloud: LocalCloud, again: bool
) -> None:
    replace(with_own_app, extension_dir=None).run("logout").ok()
    # MSAL removes the refresh tokens of the Azure CLI and its family only.
    assert _clients(with_own_app, "RefreshToken") == {NOTES_APP}
    if again:
        sign_in(with_own_app, own_cloud, ALICE).ok()
        with_own_app.run("logout").ok()
        assert not _cache(with_own_app)["RefreshToken"]
    else:
        with_own_app.run("account", "clear").ok()
        assert not (with_own_app.config_dir / "msal_token_cache.json").exists()
