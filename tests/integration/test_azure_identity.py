"""azure-identity's AzureCliCredential, unmodified, from several threads or tasks at once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.token_cache_files import access_tokens, claims_of, let_tokens_age
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

ARM = "https://management.localcloud.example/.default"
#: Enough to be in each other's way; where they only have to get the same, a few do.
CALLERS, FEW = 10, 3

_PROGRAM = Path(__file__).with_name("azure_identity_program.py")

pytestmark = [pytest.mark.timeout(300), pytest.mark.parametrize("kind", ["sync", "async"])]


def _tokens(
    az: Az, kind: str, scope: str = ARM, *, callers: int = FEW, settings: dict[str, Any] | None = None, **options: Any
) -> list[dict[str, Any]]:
    """Let so many ask at once, and return what each of them got."""
    words = [kind, str(callers), scope, json.dumps(settings or {}), json.dumps(options)]
    done = subprocess.run(
        [sys.executable, _PROGRAM, *words],
        env={**az.environment(), "PATH": f"{az.host.bin}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert len(found) == callers
    return found


def test_all_get_the_token_that_is_cached(signed_in: Az, kind: str) -> None:
    expected = signed_in.run("account", "get-access-token", "--resource", ARM.removesuffix("/.default")).ok().json()
    for found in _tokens(signed_in, kind, callers=CALLERS):
        assert found == {"token": expected["accessToken"], "expires_on": expected["expires_on"]}


def test_all_get_a_token_that_still_lives_from_a_service_that_wants_to_be_asked_again_later(
    make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str
) -> None:
    """The credential times out after a minute here, and waiting for the service takes longer.

    How long is waited instead, so that the usual ten seconds are enough, is in test_many_tokens.py: ten processes may
    need all of those to start.
    """
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    az.run("account", "get-access-token", "--resource", ARM.removesuffix("/.default")).ok()
    let_tokens_age(az, left=250)
    before = access_tokens(az)
    own_cloud.admin.fail_next("/token$", count=None, kind="unavailable", headers={"Retry-After": "29"})
    assert {each.get("token") for each in _tokens(az, kind, callers=CALLERS)} <= before


def test_all_get_a_new_token_with_one_request(make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    own_cloud.admin.clear_requests()
    own_cloud.admin.fail_next("/token$", count=None, kind="hang", hang=2)
    # A process that has waited for nearly as long as its caller does sends a request of its own.
    found = _tokens(az, kind)
    assert len({each["token"] for each in found}) == 1
    assert found[0]["expires_on"] > time.time()
    assert own_cloud.admin.count_requests("/token$") == 1


@pytest.mark.parametrize("given", ["when made", "when asked"])
def test_the_tenant_that_is_asked_for_has_issued_the_tokens(
    signed_in: Az, cloud: LocalCloud, kind: str, given: str
) -> None:
    fabrikam = cloud.directory.tenant("fabrikam.example").id
    if given == "when made":
        found = _tokens(signed_in, kind, settings={"tenant_id": fabrikam})
    else:
        found = _tokens(signed_in, kind, settings={"additionally_allowed_tenants": ["*"]}, tenant_id=fabrikam)
    assert {claims_of(each["token"])["tid"] for each in found} == {fabrikam}


def test_tenant_and_subscription_go_together(signed_in: Az, cloud: LocalCloud, kind: str) -> None:
    fabrikam = cloud.directory.tenant("fabrikam.example").id
    settings = {"tenant_id": fabrikam, "subscription": "Contoso Development"}
    assert {claims_of(each["token"])["tid"] for each in _tokens(signed_in, kind, settings=settings)} == {fabrikam}


def test_a_claims_challenge_is_answered_with_a_command_that_we_have(signed_in: Az, kind: str) -> None:
    """The credential does not pass claims on: it names the sign-in to run."""
    for found in _tokens(signed_in, kind, claims='{"access_token": {"acrs": {"value": "c1"}}}'):
        assert found["error"] == "CredentialUnavailableError"
        assert "az login --claims-challenge" in found["message"]
    help_text = signed_in.run("login", "--help").ok().stdout
    assert "--claims-challenge" in help_text


def test_the_account_and_the_subscription_of_the_environment_are_used(
    signed_in: Az, cloud: LocalCloud, kind: str
) -> None:
    sign_in(signed_in, cloud, BOB).ok()
    signed_in.run("account", "set", "--subscription", "Contoso Development").ok()
    for user in (ALICE, BOB):
        az = signed_in.with_env(AZURE_LOGIN_ACCOUNT=user, AZURE_LOGIN_SUBSCRIPTION="Shared Platform")
        for found in _tokens(az, kind):
            assert "token" in found, found
            claims = claims_of(found["token"])
            assert str(claims.get("upn") or claims["unique_name"]).endswith(user)


def test_an_unknown_value_of_the_environment_is_told_apart_from_a_failure(signed_in: Az, kind: str) -> None:
    for variable in ("AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"):
        for found in _tokens(signed_in.with_env(**{variable: "nothing"}), kind, callers=1):
            assert found["error"] == "CredentialUnavailableError"
            assert "az login" in found["message"]


def test_no_signed_in_user_is_told_apart_from_a_failure(az: Az, kind: str) -> None:
    for found in _tokens(az, kind):
        assert found["error"] == "CredentialUnavailableError"
        assert "Please run 'az login'" in found["message"]


def test_a_service_that_is_away_is_told_apart_from_no_signed_in_user(
    make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    own_cloud.admin.fail_next(".*", count=None, kind="drop")
    for found in _tokens(az, kind):
        assert found["error"] == "ClientAuthenticationError"
        assert "sign-in service" in found["message"]


def test_a_busy_service_is_told_apart_from_no_signed_in_user_before_the_credential_times_out(
    make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str
) -> None:
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    let_tokens_age(az, left=-1)
    for status, pause in ((429, "30"), (503, "7")):
        own_cloud.admin.clear_faults()
        own_cloud.admin.fail_next(
            "/token$", count=None, kind="unavailable", status=status, headers={"Retry-After": pause}
        )
        (found,) = _tokens(az, kind, callers=1, settings={"process_timeout": 10})
        assert found["error"] == "ClientAuthenticationError", found
        assert f"is busy (HTTP status {status})" in found["message"]
        assert f"again in {pause} seconds" in found["message"]
