"""`az account get-access-token` for programs: how fresh, whose, from where, and what when the service is away."""

from __future__ import annotations

import base64
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.http_user import HttpUser, LastPage
from tests.harness.sign_in import sign_in, sign_in_with_code
from tests.integration.token_cache_files import (
    access_tokens,
    claims_of,
    let_tokens_age,
    let_tokens_be_due,
    let_tokens_expire,
)
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL

TOKEN = ("account", "get-access-token")
_REQUESTS = "/token$"
NOBODY = "00000000-0000-0000-0000-000000000001"
TRACE_LINE = r"Trace ID: [0-9a-f-]{36} Correlation ID: [0-9a-f-]{36} Timestamp: [0-9-]{10} [0-9:]{8}Z"


@pytest.fixture
def alice_here(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """`az` with alice signed in to a cloud that no other test uses, whose request log is empty again."""
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    own_cloud.admin.clear_requests()
    return az


@pytest.fixture
def app_here(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """The same with a service principal."""
    az = make_az(cloud=own_cloud)
    az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example").ok()
    own_cloud.admin.clear_requests()
    return az


def _token(az: Az, *options: str, **env: str) -> dict[str, Any]:
    found: dict[str, Any] = az.run(*TOKEN, *options, env=env).ok().json()
    return found


# How fresh


def test_a_cached_token_that_lives_long_enough_is_not_asked_for_again(alice_here: Az, own_cloud: LocalCloud) -> None:
    let_tokens_age(alice_here, left=1000)
    before = access_tokens(alice_here)
    assert _token(alice_here, "--min-validity", "10m")["accessToken"] in before
    assert _token(alice_here)["accessToken"] in before
    assert not own_cloud.admin.requests()


@pytest.mark.parametrize(
    "options",
    [
        ("--min-validity", "20m"),
        ("--min-validity=1200", "--tenant", "contoso.example"),
        ("--force-refresh",),
        ("--force-refresh", "--tenant", "contoso.example"),
    ],
)
def test_a_cached_token_that_will_not_do_is_replaced_for_all(
    alice_here: Az, own_cloud: LocalCloud, options: tuple[str, ...]
) -> None:
    let_tokens_age(alice_here, left=1000)
    before = access_tokens(alice_here)
    fresh = _token(alice_here, *options)
    assert fresh["accessToken"] not in before
    assert fresh["expires_on"] - time.time() > 1200
    assert own_cloud.admin.count_requests(_REQUESTS) == 1
    assert _token(alice_here)["accessToken"] == fresh["accessToken"]
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


def test_a_service_principal_gets_a_new_token_too(app_here: Az, own_cloud: LocalCloud) -> None:
    before = access_tokens(app_here)
    time.sleep(1.1)  # tokens are cached by the second
    forced = _token(app_here, "--force-refresh")["accessToken"]
    assert forced not in before
    assert own_cloud.admin.count_requests(_REQUESTS) == 1
    let_tokens_age(app_here, left=1000)
    longer = _token(app_here, "--min-validity", "1200")["accessToken"]
    assert longer not in {forced, *before}
    assert own_cloud.admin.count_requests(_REQUESTS) == 2


def test_a_lifetime_that_no_token_has_is_an_error_with_the_longest_one(alice_here: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.token_lifetime(900)
    error = alice_here.run(*TOKEN, "--min-validity", "2h").failed().stderr
    assert "7200 seconds" in error
    longest = re.search(r"is valid for (\d+) seconds at most", error)
    assert longest
    assert 800 <= int(longest[1]) <= 900
    # Signing in again would not help.
    assert "az login" not in error
    # The new token is kept, and good for what is asked for usually.
    assert _token(alice_here, "--min-validity", "5m")["expires_on"] - time.time() < 900
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


@pytest.mark.parametrize("duration", ["soon", "", "1d", "10 m"])
def test_what_is_no_duration_is_a_usage_error(signed_in: Az, duration: str) -> None:
    error = signed_in.run(*TOKEN, f"--min-validity={duration}").failed(2).stderr
    assert "is not a duration" in error


def test_a_claims_challenge_gets_a_new_token_that_answers_it(alice_here: Az, own_cloud: LocalCloud) -> None:
    before = access_tokens(alice_here)
    challenge = base64.b64encode(json.dumps({"access_token": {"nbf": {"essential": True, "value": "1"}}}).encode())
    fresh = _token(alice_here, "--claims-challenge", challenge.decode())
    assert fresh["accessToken"] not in before
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


def test_a_claims_challenge_that_the_user_has_to_answer_explains_how_to_sign_in(alice_here: Az) -> None:
    challenge = base64.b64encode(json.dumps({"access_token": {"acrs": {"value": "c1"}}}).encode()).decode()
    error = alice_here.run(*TOKEN, "--claims-challenge", challenge).failed().stderr
    assert re.search(rf"az login .*--claims-challenge \"?{re.escape(challenge)}", error)


def test_a_claims_challenge_that_is_not_valid_is_refused_before_anything_is_sent(
    alice_here: Az, own_cloud: LocalCloud
) -> None:
    alice_here.run(*TOKEN, "--claims-challenge", "not base64!").failed()
    assert not own_cloud.admin.requests()


# Whose


@pytest.fixture
def alice_and_bob(signed_in: Az, cloud: LocalCloud) -> Az:
    """`az` with both signed in, bob last and active."""
    sign_in(signed_in, cloud, BOB).ok()
    return signed_in


def test_of_several_accounts_the_one_that_is_named_gets_the_token(alice_and_bob: Az, cloud: LocalCloud) -> None:
    assert claims_of(_token(alice_and_bob)["accessToken"])["unique_name"] == BOB
    for name in (ALICE, ALICE.upper()):
        named = _token(alice_and_bob, "--username", name)
        assert claims_of(named["accessToken"])["unique_name"] == ALICE
    shared = cloud.directory.subscription("Shared Platform").id
    for name in (ALICE, BOB):
        named = _token(alice_and_bob, "--username", name, "--subscription", "Shared Platform")
        assert claims_of(named["accessToken"])["unique_name"] == name
        assert named["subscription"] == shared


def test_a_service_principal_is_named_by_its_application_id(signed_in: Az) -> None:
    words = ("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example")
    signed_in.run(*words).ok()
    signed_in.run("account", "set", "-s", "Contoso Development", "--username", ALICE).ok()
    assert claims_of(_token(signed_in, "--username", CI_APP.upper())["accessToken"])["appid"] == CI_APP


@pytest.mark.parametrize("options", [("--username", CAROL), ("--username", ALICE, "-s", "no such")])
def test_a_user_who_is_not_signed_in_has_no_token(signed_in: Az, options: tuple[str, ...]) -> None:
    error = signed_in.run(*TOKEN, *options).failed().stderr
    assert "is not signed in" in error
    assert "az login" in error


def test_tenant_and_subscription_together_are_the_account_and_the_tenant(signed_in: Az, cloud: LocalCloud) -> None:
    fabrikam = cloud.directory.tenant("fabrikam.example").id
    development = cloud.directory.subscription("Contoso Development").id
    for tenant in (fabrikam, "fabrikam.example"):
        found = _token(signed_in, "--tenant", tenant, "--subscription", "Contoso Development")
        assert claims_of(found["accessToken"])["tid"] == fabrikam
        assert found["subscription"] == development
        assert found["tenant"] == tenant
    assert "subscription" not in _token(signed_in, "--tenant", fabrikam)


def test_a_managed_identity_has_tokens_of_its_tenant_only(make_az: Callable[..., Az], cloud: LocalCloud) -> None:
    az = make_az().with_env(**cloud.imds_environment())
    az.run("login", "--identity").ok()
    contoso = cloud.directory.tenant("contoso.example").id
    for options in ((), ("--min-validity", "10m"), ("--force-refresh",), ("--tenant", contoso.upper())):
        assert claims_of(_token(az, *options)["accessToken"])["tid"] == contoso
    error = az.run(*TOKEN, "--tenant", cloud.directory.tenant("fabrikam.example").id).failed().stderr
    assert "managed identity" in error
    assert "az login" in error


# The service is away


@pytest.fixture(params=["stopped", "unavailable", "drop", "html", "throttled by Entra"])
def away(request: pytest.FixtureRequest, alice_here: Az, own_cloud: LocalCloud, tmp_path: Path) -> Az:
    """`az` with alice signed in to a cloud that has gone away since, in one of several ways."""
    if request.param == "throttled by Entra":
        busy = {
            "error": "temporarily_unavailable",
            "error_description": "AADSTS90033: Try again.",
            "error_codes": [90033],
        }
        own_cloud.admin.fail_next(_REQUESTS, count=None, status=400, body=json.dumps(busy))
        return alice_here
    if request.param != "stopped":
        own_cloud.admin.fail_next(".*", count=None, kind=request.param)
        return alice_here
    kept = shutil.copy(Path(own_cloud.ca_bundle), tmp_path / "ca.pem")
    own_cloud.stop()
    return replace(alice_here, ca_bundle=Path(kept))


def test_what_is_cached_is_good_without_the_service_for_as_long_as_it_was_asked_for(away: Az) -> None:
    let_tokens_age(away, left=180)
    before = access_tokens(away)
    result = away.run(*TOKEN).ok()
    assert result.json()["accessToken"] in before
    assert re.search(r"WARNING: .*used as it is, for the 1[78]\d seconds", result.stderr)
    assert away.run(*TOKEN, "--min-validity", "2m").ok().json()["accessToken"] in before
    for options in (("--min-validity", "4m"), ("--force-refresh",)):
        away.run(*TOKEN, *options).failed()
    let_tokens_age(away, left=-1)
    error = away.run(*TOKEN).failed().stderr
    # Programs take these words for "no user is signed in", which is not so.
    assert "az login" not in error
    assert "az account set" not in error


@pytest.mark.parametrize("away", ["drop"], indirect=True)
def test_what_is_cached_is_good_without_the_service_whichever_token_msal_would_choose(
    away: Az, own_cloud: LocalCloud
) -> None:
    own_cloud.admin.clear_faults()
    _token(away, "--tenant", "contoso.example")
    own_cloud.admin.fail_next(".*", count=None, kind="drop")
    let_tokens_age(away, left=180)
    before = access_tokens(away)
    assert _token(away, "--tenant", "contoso.example")["accessToken"] in before
    let_tokens_be_due(away)
    assert _token(away)["accessToken"] in before
    let_tokens_age(away, left=1000)
    (away.config_dir / "msal_http_cache.bin").unlink()
    assert _token(away)["accessToken"] in before


def test_a_refusal_is_a_reason_once_a_token_has_to_be_renewed(alice_here: Az, own_cloud: LocalCloud) -> None:
    """MSAL goes on with a token that is valid for more than five minutes, and reports nothing."""
    own_cloud.admin.revoke(ALICE)
    let_tokens_be_due(alice_here)
    for left, is_good in ((1000, True), (180, False)):
        let_tokens_age(alice_here, left=left)
        result = alice_here.run(*TOKEN)
        assert "stored sign-in of 'alice@contoso.example' has expired or was revoked" in result.stderr
        assert result.exit_code == (0 if is_good else 1)


def test_a_refusal_is_no_reason_to_go_on_with_the_old_token(alice_here: Az, own_cloud: LocalCloud) -> None:
    let_tokens_age(alice_here, left=180)
    own_cloud.admin.revoke(ALICE)
    assert "az login" in alice_here.run(*TOKEN).failed().stderr


# What programs look for in errors


def test_every_refresh_token_of_a_user_is_tried(
    make_az: Callable[..., Az], own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    """One was signed in to with a second factor, and the one that came later was not."""
    az = make_az(cloud=own_cloud)
    own_cloud.admin.demand_mfa("fabrikam.example")

    def visit(url: str, code: str) -> LastPage:
        return make_http_user(ALICE, user_code=code, at=own_cloud).visit(url)

    tenant = sign_in_with_code(az, visit, "--tenant", "fabrikam.example")[0].ok().json()[0]["tenantId"]
    time.sleep(1.1)
    password = own_cloud.directory.user(ALICE).password
    other = ("--scope", "https://graph.microsoft.com/.default", "--tenant", "contoso.example")
    az.run("login", "-u", ALICE, f"-p={password}", *other).ok()
    az.run("account", "get-access-token", "--tenant", tenant, "--resource", "https://vault.azure.net").ok()


def test_who_is_not_signed_in_is_told_to_sign_in(az: Az) -> None:
    assert "az login" in az.run(*TOKEN).failed().stderr


def test_who_has_chosen_no_subscription_is_told_to_choose_one(signed_in: Az) -> None:
    document = signed_in.profile()
    for row in document["subscriptions"]:
        row["isDefault"] = False
    signed_in.profile_path.write_text(json.dumps(document), encoding="utf-8")
    assert "az account set" in signed_in.run(*TOKEN).failed().stderr


@pytest.mark.parametrize(
    "cause, words",
    [
        ("no tokens", r"az login"),
        ("session ended", rf"AADSTS50173(.|\n)*\n{TRACE_LINE}\n(.|\n)*az login"),
        ("second factor", r"AADSTS50076(.|\n)*az login --tenant"),
        ("consent", r"AADSTS65001(.|\n)*az login .*--scope \"?https://needs-consent"),
        ("unknown tenant", rf"(?i)tenant 'nobody\.example'(.|\n)*AADSTS90002: .*\n{TRACE_LINE}"),
        ("unknown tenant ID", rf"(?i)tenant '{NOBODY}'(.|\n)*AADSTS90002: .*\n{TRACE_LINE}"),
    ],
)
def test_the_error_names_the_cause_and_what_to_run(
    alice_here: Az, own_cloud: LocalCloud, cause: str, words: str
) -> None:
    options: tuple[str, ...] = ()
    if cause == "no tokens":
        (alice_here.config_dir / "msal_token_cache.json").unlink()
    elif cause == "session ended":
        own_cloud.admin.revoke(ALICE)
        let_tokens_age(alice_here, left=-1)
    elif cause == "second factor":
        options = ("--tenant", "woodgrove.example")
    elif cause == "consent":
        options = ("--resource", "https://needs-consent.localcloud.example")
    else:
        options = ("--tenant", NOBODY if cause == "unknown tenant ID" else "nobody.example")
    assert re.search(words, alice_here.run(*TOKEN, *options).failed().stderr)


# Local time


@pytest.mark.parametrize(
    "moment, local",
    [
        (2_077_140_600, "2035-10-28 01:30:00"),  # an hour before summer time's last half hour
        (2_077_144_200, "2035-10-28 02:30:00"),  # in summer time
        (2_077_147_800, "2035-10-28 02:30:00"),  # an hour later, in winter time
        (2_058_397_199, "2035-03-25 01:59:59"),  # the second before summer time begins
        (2_058_397_200, "2035-03-25 03:00:00"),
    ],
)
def test_expires_on_counts_through_a_change_of_clocks_and_local_time_follows_them(
    signed_in: Az, moment: int, local: str
) -> None:
    """The rules of the European Union: https://data.iana.org/time-zones/tzdb/europe."""
    let_tokens_expire(signed_in, moment)
    found = _token(signed_in, TZ="Europe/Zurich")
    assert found["expires_on"] == moment
    assert found["expiresOn"].startswith(local)
