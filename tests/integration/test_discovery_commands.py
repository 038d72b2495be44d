"""Finding subscriptions with real `az` processes: what is requested, what is kept, what the user is told."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pexpect
import pyte
import pytest

from tests.harness.az import Az
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import sign_in, sign_in_with_code
from tests.integration.token_cache_files import make_cold
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud, seed
from tests.users import ALICE, BOB, MAX

LIST = ("account", "list")
REFRESH = ("account", "list", "--refresh")
NAMES = ("--query", "[].name")


@pytest.fixture
def many() -> Iterator[LocalCloud]:
    """A cloud in which max sees 25 tenants with 4 subscriptions each."""
    with LocalCloud(tenants=25, subscriptions=4) as running:
        yield running


@pytest.fixture
def own_az(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """`az` without a signed-in user, with a cloud that the test may break."""
    return make_az(cloud=own_cloud)


def _names(az: Az) -> set[str]:
    return {row["name"] for row in az.profile()["subscriptions"]}


def _guid(name: str) -> str:
    return {"contoso": seed.CONTOSO, "fabrikam": seed.FABRIKAM, "woodgrove": seed.WOODGROVE}[name].id


# Requests.


def _asked(cloud: LocalCloud) -> dict[str, Counter[str]]:
    """Return for each tenant (GUID) how often its discovery document, a token and its subscriptions were asked for."""
    kinds = {
        "/v2.0/.well-known/openid-configuration": "document",
        "/oauth2/v2.0/token": "token",
    }
    asked: dict[str, Counter[str]] = {}
    for request in cloud.admin.requests():
        if request.path == "/subscriptions":
            tenant, kind = str(request.tenant), "list"
        else:
            _, tenant, path = ("/", *request.path[1:].partition("/")[::2])
            kind = kinds.get(f"/{path}", "")
        if kind and re.fullmatch(r"[0-9a-f-]{36}", tenant):
            asked.setdefault(tenant, Counter())[kind] += 1
    return asked


@pytest.mark.parametrize("command", ["sign-in", "refresh"])
def test_a_tenant_is_asked_for_a_token_and_the_pages_of_one_list(
    make_az: Callable[..., Az], many: LocalCloud, command: str
) -> None:
    az = make_az(cloud=many)
    if command == "refresh":
        sign_in(az, many, MAX).ok()
        make_cold(az)
    many.admin.page_size(3)
    many.admin.clear_requests()
    found = sign_in(az, many, MAX) if command == "sign-in" else az.run(*REFRESH)
    assert len(found.ok().json()) == 100
    generated = [tenant.id for tenant in many.directory.tenants if tenant.name.startswith("Tenant ")]
    # The token for any tenant is one of the home tenant, and its document leads to those of the others.
    home = many.directory.user(MAX).memberships[0].tenant_id
    assert _asked(many) == {tenant: {"list": 2} | ({} if tenant == home else {"token": 1}) for tenant in generated}
    assert many.admin.count_requests("^/tenants") == 9
    assert many.admin.count_requests("openid-configuration") == 1


@pytest.mark.parametrize("hang", [0.0, 1.0], ids=["first", "last"])
def test_a_tenant_that_asks_for_more_is_asked_for_a_token_once(own_az: Az, own_cloud: LocalCloud, hang: float) -> None:
    # When it is the last to answer, the other tenants have given a new refresh token in the meantime.
    sign_in(own_az, own_cloud, ALICE).ok()
    make_cold(own_az)
    own_cloud.admin.fail_next(f"^/{_guid('woodgrove')}/oauth2/v2.0/token$", kind="hang", hang=hang)
    own_cloud.admin.clear_requests()
    assert "asks for more" in own_az.run(*REFRESH).ok().stderr
    assert _asked(own_cloud)[_guid("woodgrove")] == {"token": 1}


def test_a_tenant_that_was_signed_in_to_by_name_is_asked_once(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, ALICE, "--tenant", _guid("fabrikam").upper()).ok()
    make_cold(own_az)
    own_cloud.admin.clear_requests()
    own_az.run(*REFRESH).ok()
    assert {tenant: asked["list"] for tenant, asked in _asked(own_cloud).items() if asked["list"]} == {
        _guid("contoso"): 1,
        _guid("fabrikam"): 1,
        seed.TAILSPIN.id: 1,
    }
    rows = own_az.profile()["subscriptions"]
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["tenantId"] for row in rows} == {_guid("contoso"), _guid("fabrikam")}


def test_a_sign_in_without_discovery_lists_nothing(own_az: Az, own_cloud: LocalCloud) -> None:
    options = ("--tenant", "contoso.example", "--allow-no-subscriptions", "--skip-subscription-discovery")
    own_cloud.admin.clear_requests()
    rows = sign_in(own_az, own_cloud, ALICE, *options).ok().json()
    assert [row["name"] for row in rows] == ["N/A(tenant level account)"]
    assert own_cloud.admin.count_requests("^/(subscriptions|tenants)") == 0


# The same rows as built in.


def test_the_rows_are_those_of_the_built_in_commands(
    make_az: Callable[..., Az], own_cloud: LocalCloud, make_http_user: Callable[..., HttpUser]
) -> None:
    # alice's tenants show a subscription that is shared and delegated, a disabled one, and none at all; one of them
    # demands a second factor.
    built_in, ours = make_az(cloud=own_cloud, extension=False), make_az(cloud=own_cloud)

    def sign_in_alice(az: Az) -> Any:
        # Not with a password: built in, that does not work on a port other than 443.
        result, _ = sign_in_with_code(
            az, lambda url, code: make_http_user(ALICE, at=own_cloud, user_code=code).visit(url)
        )
        return result.ok().json()

    def rows(az: Az) -> dict[str, Any]:
        return {row["id"]: row for row in az.profile()["subscriptions"]}

    def by_id(found: Any) -> Any:
        return sorted(found, key=lambda row: str(row["id"]))

    assert by_id(sign_in_alice(ours)) == by_id(sign_in_alice(built_in))
    assert rows(ours) == rows(built_in)
    seen = rows(ours)
    assert seen[seed.RETIRED.id]["state"] == "Disabled"
    assert seen[seed.SHARED.id]["managedByTenants"] == [{"tenantId": _guid("fabrikam")}]
    assert len(seen) == 7
    for az in (ours, built_in):
        az.run(*REFRESH).ok()
    assert rows(ours) == rows(built_in) == seen


# What goes wrong.


def test_a_tenant_that_throttles_is_asked_again_at_the_time_that_it_names(own_az: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.fail_next("^/subscriptions", kind="throttled", headers={"Retry-After": "2"})
    own_cloud.admin.clear_requests()
    found = sign_in(own_az, own_cloud, BOB).ok()
    assert len(found.json()) == 3
    first, second = [row for row in own_cloud.admin.requests() if row.path == "/subscriptions"]
    assert (first.status, second.status) == (429, 200)
    assert second.when - first.when >= 2


@pytest.mark.parametrize(
    ("path", "pause"),
    [
        ("^/subscriptions", "1.5"),
        (f"/{seed.FABRIKAM.id}/oauth2/v2.0/token", "soon"),
        (f"/{seed.FABRIKAM.id}/v2.0/.well-known", "-1"),
        ("^/subscriptions", "11"),
    ],
)
def test_a_tenant_that_names_a_pause_in_its_own_way_is_asked_again(
    own_az: Az, own_cloud: LocalCloud, path: str, pause: str
) -> None:
    sign_in(own_az, own_cloud, BOB).ok()
    make_cold(own_az)
    own_cloud.admin.fail_next(path, kind="throttled", headers={"Retry-After": pause})
    assert own_az.run(*REFRESH).ok().stderr == ""


@pytest.mark.parametrize(
    ("user", "path"),
    [
        (BOB, "^/subscriptions"),
        # Not at home: a token for any tenant is used there.
        (ALICE, f"/{seed.FABRIKAM.id}/oauth2/v2.0/token"),
    ],
)
@pytest.mark.parametrize(("kind", "status"), [("throttled", 429), ("unavailable", 503)])
def test_a_tenant_that_wants_an_hour_is_reported_and_not_asked_again(
    own_az: Az, own_cloud: LocalCloud, user: str, path: str, kind: str, status: int
) -> None:
    sign_in(own_az, own_cloud, user).ok()
    make_cold(own_az)
    own_cloud.admin.clear_requests()
    own_cloud.admin.fail_next(path, kind=kind, count=None, headers={"Retry-After": "3600"})
    result = own_az.run(*REFRESH).ok()
    assert re.search(r"Fabrikam +did not answer +az account list --refresh --tenant", result.stderr)
    assert sum(request.status == status for request in own_cloud.admin.requests()) == 1


@pytest.mark.parametrize("kind", ["throttled", "error", "unavailable", "drop", "malformed"])
@pytest.mark.parametrize("path", ["openid-configuration", "/token$", "^/tenants", "^/subscriptions"])
def test_one_stumble_of_a_service_costs_nothing(own_az: Az, own_cloud: LocalCloud, path: str, kind: str) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    make_cold(own_az)
    before = own_az.profile()["subscriptions"]
    own_cloud.admin.fail_next(path, kind=kind)
    result = own_az.run(*REFRESH).ok()
    assert re.findall(r"^(\S.*?)  +(?:asks|did)", result.stderr, re.MULTILINE) == ["Woodgrove Bank"]
    assert own_az.profile()["subscriptions"] == before


_RUNS = int(os.environ.get("LOGIN_RANDOM_RUNS", "3"))
_TENANTS_ALONE = r"^/(subscriptions|[0-9a-f]{8}-)"


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("seed", "fraction", "path"),
    [
        *(pytest.param(run, 0.1, ".*", id=f"a tenth of all, run {run}") for run in range(_RUNS)),
        pytest.param(0, 0.7, _TENANTS_ALONE, id="most of those to single tenants"),
    ],
)
def test_when_requests_fail_at_random_nothing_is_missing_in_silence(
    make_az: Callable[..., Az], seed: int, fraction: float, path: str
) -> None:
    with LocalCloud(tenants=50, subscriptions=4) as cloud:
        known, new = make_az(cloud=cloud), make_az(cloud=cloud)
        sign_in(known, cloud, MAX).ok()
        make_cold(known)
        before = {row["id"]: row for row in known.profile()["subscriptions"]}
        for number, kind in enumerate(("throttled", "error", "drop", "malformed")):
            # The first rule that fires decides, so each is what makes a quarter of the whole.
            cloud.admin.fail_randomly(1 - (1 - fraction) ** 0.25, seed=100 * seed + number, path=path, kind=kind)
        cloud.admin.clear_requests()

        refreshed = known.run(*REFRESH, timeout=300).ok()
        assert {row["id"]: row for row in known.profile()["subscriptions"]} == before
        _assert_found_or_reported(cloud, {row["name"] for row in refreshed.json()}, refreshed.stderr, may_stay=True)

        signed_in = sign_in(new, cloud, MAX)
        signed_in.assert_clean()
        if signed_in.exit_code:
            # It failed before it knew the tenants: nothing was stored, and it reports that.
            assert "ERROR: " in signed_in.stderr
            assert not new.run(*LIST).ok().json()
        else:
            _assert_found_or_reported(cloud, {row["name"] for row in signed_in.json()}, signed_in.stderr)

        requests = cloud.admin.requests()
        # A malformed answer has status 200, as a good one.
        failed = sum(request.status in (429, 499, 500) for request in requests) * 4 / 3
        reported = len(re.findall(r"^Tenant \d+", signed_in.stderr, re.MULTILINE))
        print(
            f"{len(requests)} requests, about {failed:.0f} failed; the sign-in ended with {signed_in.exit_code} and "
            f"reported {reported} of 50 tenants"
        )
        assert failed > len(requests) * fraction / 3
        assert fraction < 0.5 or 0 < reported < 50


def _assert_found_or_reported(cloud: LocalCloud, names: set[str], said: str, *, may_stay: bool = False) -> None:
    """Each tenant has all of its subscriptions in the list, or it has a line on standard error (and none)."""
    whole_account = f"The subscriptions of '{MAX}' could not be refreshed" in said
    for tenant in cloud.directory.tenants:
        if not tenant.name.startswith("Tenant "):
            continue
        expected = {one.name for one in cloud.directory.visible(MAX, tenant.id)}
        reported = bool(re.search(rf"^{tenant.name} +\w", said, re.MULTILINE)) or whole_account
        found = names & expected
        assert found == expected or reported, f"{tenant.name} is missing in silence: {said}"
        assert found in (expected, set()) if not may_stay else found == expected


def test_only_a_tenant_that_answers_loses_rows(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    own_cloud.admin.remove_access(ALICE, "contoso.example", "Contoso Development")
    own_cloud.admin.remove_access(ALICE, "fabrikam.example", "Fabrikam Main")
    own_cloud.admin.demand_mfa("fabrikam.example")
    make_cold(own_az)
    result = own_az.run(*REFRESH).ok()
    assert re.search(r"Fabrikam +asks for more, such as a second factor +az login --tenant", result.stderr)
    assert "Contoso Development" not in _names(own_az)
    assert "Fabrikam Main" in _names(own_az)


def test_an_answer_that_is_no_list_of_subscriptions_costs_no_row(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, BOB).ok()
    before = own_az.profile()["subscriptions"]
    too_deep = "[" * 100_000 + "]" * 100_000
    for body in ("{}", '{"value": [], "nextLink": "https://[bad"}', f'{{"value": {too_deep}}}'):
        own_cloud.admin.clear_faults()
        own_cloud.admin.fail_next("^/subscriptions", status=200, body=body, count=None)
        result = own_az.run(*REFRESH).ok()
        assert re.search(r"Fabrikam +did not answer", result.stderr)
        assert own_az.profile()["subscriptions"] == before


# What is remembered about a tenant that did not answer.


def test_what_could_not_be_refreshed_is_marked_until_it_is(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    shown = own_az.run(*LIST, "--show-refresh").ok().json()
    assert {row["name"]: row["refreshFailure"] for row in shown} == dict.fromkeys(_names(own_az) - {"Contoso Retired"})

    own_cloud.admin.fail_next(f"/{_guid('fabrikam')}/", kind="html", count=None)
    make_cold(own_az)
    own_az.run(*REFRESH).ok()
    shown = own_az.run(*LIST, "--show-refresh").ok().json()
    failures = {row["tenantDefaultDomain"]: row["refreshFailure"] for row in shown}
    assert failures["contoso.example"] is None
    assert "A web page answered in place of" in failures["fabrikam.example"]["reason"]
    head, *lines = own_az.run(*LIST, "--show-refresh", "-o", "table").ok().stdout.splitlines()
    assert head.split()[-2:] == ["IsDefault", "NotRefreshed"]
    marked = {line for line in lines if line.endswith(failures["fabrikam.example"]["on"])}
    assert marked == {line for line in lines if _guid("fabrikam") in line}
    assert "NotRefreshed" not in own_az.run(*LIST, "-o", "table").ok().stdout
    assert abs(time.time() - _utc(failures["fabrikam.example"]["on"])) < 120
    assert not any("refreshFailure" in row for row in own_az.run(*LIST).ok().json())
    assert not any("refreshFailure" in row for row in own_az.profile()["subscriptions"])

    own_cloud.admin.clear_faults()
    shown = own_az.run(*REFRESH, "--show-refresh").ok().json()
    assert not any(row["refreshFailure"] for row in shown)
    assert "NotRefreshed" not in own_az.run(*LIST, "--show-refresh", "-o", "table").ok().stdout


def _utc(text: str) -> float:
    import calendar

    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# Which tenants.


@pytest.mark.parametrize("name", [_guid("fabrikam").upper(), "fabrikam.example", "fabrikam.onmicrosoft.example"])
def test_an_excluded_tenant_is_not_asked(own_az: Az, own_cloud: LocalCloud, name: str) -> None:
    own_cloud.admin.clear_requests()
    sign_in(own_az, own_cloud, ALICE, "--exclude-tenant", name, _guid("woodgrove")).ok()
    assert _names(own_az) >= {"Contoso Production", "Shared Platform"}
    assert "Fabrikam Main" not in _names(own_az)
    assert set(_asked(own_cloud)) == {_guid("contoso"), seed.TAILSPIN.id}


def test_tenants_are_excluded_for_good_with_a_setting(own_az: Az, own_cloud: LocalCloud) -> None:
    own_az.run("config", "set", f"login.exclude_tenants=fabrikam.example {_guid('woodgrove')}").ok()
    result = sign_in(own_az, own_cloud, ALICE).ok()
    assert "Woodgrove" not in result.stderr
    assert "Fabrikam Main" not in _names(own_az)
    own_cloud.admin.clear_requests()
    own_az.run(*REFRESH, "--exclude-tenant", "tailspin.example").ok()
    assert set(_asked(own_cloud)) == {_guid("contoso")}


def test_a_refresh_keeps_the_rows_of_an_excluded_tenant(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    own_cloud.admin.remove_access(ALICE, "fabrikam.example", "Fabrikam Main")
    names = own_az.run(*REFRESH, "--exclude-tenant", "fabrikam.example", *NAMES).ok().json()
    assert "Fabrikam Main" in names


def test_a_tenant_that_is_read_for_the_first_time_has_its_name_in_the_rows(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, ALICE, "--exclude-tenant", "fabrikam.example").ok()
    rows = own_az.run(*REFRESH, "--tenant", "fabrikam.example", "--query", "[?name=='Fabrikam Main']").ok().json()
    assert [(row["tenantDisplayName"], row["tenantDefaultDomain"]) for row in rows] == [
        ("Fabrikam", "fabrikam.example")
    ]


def test_a_name_that_excludes_nothing_is_named_and_the_sign_in_goes_on(own_az: Az, own_cloud: LocalCloud) -> None:
    result = sign_in(own_az, own_cloud, ALICE, "--exclude-tenant", "nobody.example").ok()
    assert "'nobody.example' is to be excluded, but there is no tenant" in result.stderr
    assert "Fabrikam Main" in _names(own_az)


def test_a_sign_in_with_every_tenant_excluded_stores_nothing(own_az: Az, own_cloud: LocalCloud) -> None:
    error = sign_in(own_az, own_cloud, BOB, "--exclude-tenant", "fabrikam.example").failed().stderr
    assert "excluded" in error
    assert "Nothing was stored" in error
    assert not own_az.run(*LIST).ok().json()


@pytest.mark.parametrize(("user", "is_whole"), [(BOB, True), (ALICE, False)], ids=["one tenant", "several tenants"])
def test_a_sign_in_that_every_tenant_refused_has_the_whole_refusal_of_an_only_one(
    own_az: Az, own_cloud: LocalCloud, user: str, is_whole: bool
) -> None:
    refusal = json.dumps({"error": "invalid_grant", "error_codes": [50057], "error_description": "AADSTS50057: Off.",
                          "trace_id": "12ab-34"})  # fmt: skip
    own_cloud.admin.fail_next("^/[0-9a-f-]{36}/oauth2/v2.0/token$", status=400, body=refusal, count=None)
    # With an excluded tenant, the home tenant is asked for a token too.
    error = sign_in(own_az, own_cloud, user, "--exclude-tenant", seed.TAILSPIN.id).failed().stderr
    assert "Nothing was stored" in error
    assert ("AADSTS50057: Off.\nTrace ID: 12ab-34\n" in error) == is_whole
    assert ("Trace ID" in error) == is_whole


@pytest.mark.parametrize(
    "options",
    [
        ("login", "--tenant", "contoso.example", "--exclude-tenant", "fabrikam.example"),
        ("account", "list", "--exclude-tenant", "fabrikam.example"),
        ("account", "list", "--tenant", "fabrikam.example"),
        ("account", "list", "--tenant", "nobody.example"),
        ("login", "--from-env", "--exclude-tenant", "fabrikam.example"),
        (*REFRESH, "--tenant", "contoso.example", "--exclude-tenant", "fabrikam.example"),
    ],
)
def test_options_that_mean_nothing_together_are_a_usage_error(own_az: Az, options: tuple[str, ...]) -> None:
    assert "usage error" in own_az.run(*options).failed().stderr


def test_an_empty_name_excludes_no_tenant_and_is_a_usage_error(own_az: Az) -> None:
    assert "--exclude-tenant is empty" in own_az.run(*REFRESH, "--exclude-tenant", "").failed(2).stderr


def test_a_refresh_with_every_tenant_excluded_reports_that_none_was_asked(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, BOB).ok()
    said = own_az.run(*REFRESH, "--exclude-tenant", "fabrikam.example").ok().stderr
    assert f"Every tenant of '{BOB}' is excluded" in said


@pytest.mark.parametrize("name", ["fabrikam.onmicrosoft.example", _guid("fabrikam")])
def test_one_tenant_is_refreshed_alone(own_az: Az, own_cloud: LocalCloud, name: str) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    before = {row["id"]: row for row in own_az.profile()["subscriptions"]}
    own_cloud.admin.remove_access(ALICE, "contoso.example", "Contoso Development")
    own_cloud.admin.remove_access(ALICE, "fabrikam.example", "Fabrikam Main")
    own_cloud.admin.clear_requests()
    own_az.run(*REFRESH, "--tenant", name).ok()
    assert {tenant for tenant, asked in _asked(own_cloud).items() if asked["list"]} == {_guid("fabrikam")}
    assert own_cloud.admin.count_requests("^/tenants") == 0
    after = {row["id"]: row for row in own_az.profile()["subscriptions"]}
    assert after == {key: row for key, row in before.items() if row["name"] != "Fabrikam Main"}


def test_one_tenant_is_refreshed_for_the_accounts_that_have_subscriptions_there(
    own_az: Az, own_cloud: LocalCloud
) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    own_az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "-t", "fabrikam.example").ok()
    own_cloud.admin.clear_requests()
    own_az.run(*REFRESH, "--tenant", "fabrikam.example").ok()
    users = {request.user for request in own_cloud.admin.requests() if request.path == "/subscriptions"}
    assert users == {ALICE, CI_APP}


def test_a_service_principal_whose_secret_is_wrong_by_now_is_told_how_it_signs_in(
    own_az: Az, own_cloud: LocalCloud
) -> None:
    own_az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "-t", "fabrikam.example").ok()
    entries = own_az.config_dir / "service_principal_entries.json"
    entries.write_text(entries.read_text(encoding="utf-8").replace(CI_SECRET, "rotated"), encoding="utf-8")
    make_cold(own_az)
    said = own_az.run(*REFRESH).ok().stderr
    command = f"az login --service-principal --username {CI_APP} --password=@- --tenant {_guid('fabrikam')}"
    assert re.search(rf"The client secret of .* {re.escape(command)}$", said, re.MULTILINE)


def test_a_tenant_without_a_signed_in_user_is_an_error_with_the_command_to_run(
    own_az: Az, own_cloud: LocalCloud
) -> None:
    own_az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "-t", "fabrikam.example").ok()
    error = own_az.run(*REFRESH, "--tenant", "contoso.example").failed().stderr
    assert f"az login --tenant {_guid('contoso')}" in error


# The default.


def test_a_default_that_the_user_did_not_choose_is_named_once_and_a_setting_makes_it_a_choice(
    own_az: Az, own_cloud: LocalCloud
) -> None:
    said = sign_in(own_az, own_cloud, ALICE).ok().stderr
    assert "'Contoso Production' is the default subscription now, the first of 7." in said
    assert "is the default subscription now" not in sign_in(own_az, own_cloud, ALICE).ok().stderr

    own_az.run("account", "clear").ok()
    own_az.run("config", "set", "login.default_subscription=Nowhere").ok()
    said = sign_in(own_az, own_cloud, ALICE).ok().stderr
    assert f"login.default_subscription is 'Nowhere', but no enabled subscription of {ALICE} has this" in said
    assert "'Contoso Production' is the default subscription now" in said

    own_az.run("account", "clear").ok()
    own_az.run("config", "set", f"login.default_subscription={seed.FABRIKAM_MAIN.id}").ok()
    said = sign_in(own_az, own_cloud, ALICE).ok().stderr
    assert "is the default subscription now" not in said
    assert own_az.run("account", "show", "--query", "name").ok().json() == "Fabrikam Main"

    own_az.run("account", "set", "-s", "Contoso Development").ok()
    own_az.run("account", "list", "--refresh").ok()
    sign_in(own_az, own_cloud, ALICE).ok()
    assert own_az.run("account", "show", "--query", "name").ok().json() == "Contoso Development"


def test_a_percent_sign_in_a_setting_ends_only_what_needs_the_setting(own_az: Az, own_cloud: LocalCloud) -> None:
    sign_in(own_az, own_cloud, ALICE).ok()
    path, before = own_az.config_dir / "config", own_az.profile()["subscriptions"]
    text = path.read_text(encoding="utf-8")
    password = own_cloud.directory.user(BOB).password
    for name, command in (
        ("default_subscription", ("login", "-u", BOB, f"-p={password}")),
        ("exclude_tenants", REFRESH),
    ):
        path.write_text(f"{text}\n[login]\n{name} = 50%off.example\n", encoding="utf-8")
        said = own_az.run(*command).failed().stderr
        assert f"login.{name} in {path} cannot be read" in said
        assert "Write %% for each percent sign" in said
        assert own_az.profile()["subscriptions"] == before
    assert own_az.run("account", "show").ok().stderr == ""
    assert own_az.run("account", "get-access-token", "-o", "none").ok().stderr == ""


def test_the_default_is_not_named_with_only_show_errors(own_az: Az, own_cloud: LocalCloud) -> None:
    assert sign_in(own_az, own_cloud, ALICE, "--only-show-errors").ok().stderr == ""


# On a terminal.


def _hang(cloud: LocalCloud, tenant: str, seconds: float = 600) -> None:
    cloud.admin.fail_next(f"/{cloud.directory.tenant(tenant).id}/.*token$", kind="hang", hang=seconds, count=None)


def _screen_of(output: str, columns: int) -> list[str]:
    """Return the lines that a terminal shows after all that was written, without blank ones."""
    screen = pyte.Screen(columns, 60)
    pyte.Stream(screen).feed(output)
    return [line.rstrip() for line in screen.display if line.strip()]


def test_a_terminal_shows_one_line_of_progress_and_takes_it_away(make_az: Callable[..., Az], many: LocalCloud) -> None:
    az = make_az(cloud=many)
    sign_in(az, many, MAX).ok()
    make_cold(az)
    for number in (7, 8, 9):
        _hang(many, f"tenant{number:03}.example")
    columns = 80
    terminal = az.pty(*REFRESH, "-o", "none", size=(40, columns))
    terminal.expect(r"22 of 25 tenants, 88 subscriptions; waiting for Tenant 007 and 2 more")
    written = f"{terminal.before}{terminal.after}"
    many.admin.clear_faults()
    terminal.expect(pexpect.EOF)
    written += f"{terminal.before}"
    terminal.close()
    assert terminal.exitstatus == 0
    frames = [frame for frame in re.split(r"\r|\x1b\[K", written) if "tenants," in frame]
    assert frames
    assert max(len(frame) for frame in frames) < columns
    assert not any("\n" in frame for frame in frames)
    assert _screen_of(written, columns) == []


@pytest.mark.parametrize("way", ["no terminal", "--only-show-errors", "core.disable_progress_bar"])
def test_no_progress_is_shown_where_it_is_not_wanted(make_az: Callable[..., Az], many: LocalCloud, way: str) -> None:
    az = make_az(cloud=many)
    sign_in(az, many, MAX).ok()
    make_cold(az)
    _hang(many, "tenant007.example", 2)
    if way == "no terminal":
        assert az.run(*REFRESH, "-o", "none").ok().stderr == ""
        return
    if way == "core.disable_progress_bar":
        az.run("config", "set", f"{way}=true").ok()
    terminal = az.pty(*REFRESH, "-o", "none", *([way] if way.startswith("--") else []))
    terminal.expect(pexpect.EOF)
    assert terminal.before == ""


def _interrupted(terminal: pexpect.spawn[str]) -> str:
    terminal.expect(r"24 of 25 tenants, 96 subscriptions; waiting for Tenant 007")
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
    said = str(terminal.before)
    assert "Traceback" not in said
    assert re.search(
        r"Tenant 007 +was not waited for \(Ctrl-C\) +az account list --refresh (--output none )?--tenant", said
    )
    return said


def test_ctrl_c_during_a_refresh_keeps_what_was_stored_and_what_was_read(
    make_az: Callable[..., Az], many: LocalCloud
) -> None:
    az = make_az(cloud=many)
    sign_in(az, many, MAX).ok()
    before = _names(az)
    many.admin.rename_subscription("Tenant 003 Subscription 001", "Renamed")
    make_cold(az)
    _hang(many, "tenant007.example")
    said = _interrupted(az.pty(*REFRESH, size=(40, 200)))
    assert "Ctrl-C ended the search for subscriptions." in said
    assert _names(az) == before - {"Tenant 003 Subscription 001"} | {"Renamed"}
    shown = az.run(*LIST, "--show-refresh", "--query", "[?refreshFailure].name").ok().json()
    assert shown == [f"Tenant 007 Subscription {number:03}" for number in range(1, 5)]


def test_ctrl_c_during_a_sign_in_keeps_the_sign_in_and_what_was_found(
    make_az: Callable[..., Az], many: LocalCloud
) -> None:
    az = make_az(cloud=many)
    _hang(many, "tenant007.example")
    said = _interrupted(az.pty("login", "-u", MAX, f"-p={many.directory.user(MAX).password}", size=(40, 200)))
    assert f"The sign-in of {MAX} was kept, with the 96 that were found until then." in said
    assert len(_names(az)) == 96
    many.admin.clear_faults()
    assert len(az.run(*REFRESH).ok().json()) == 100


def test_ctrl_c_in_the_middle_of_a_list_keeps_its_beginning_and_removes_nothing(make_az: Callable[..., Az]) -> None:
    with LocalCloud(tenants=1, subscriptions=30) as cloud:
        az = make_az(cloud=cloud)
        cloud.admin.page_size(10)
        cloud.admin.fail_next("skiptoken", kind="hang", hang=600, count=None)
        password = cloud.directory.user(MAX).password
        for command in (("login", "-u", MAX, f"-p={password}"), REFRESH):
            terminal = az.pty(*command, "-o", "none", size=(40, 200))
            terminal.expect("0 of 1 tenant, 10 subscriptions; waiting for Tenant 001")
            terminal.sendintr()
            terminal.expect(pexpect.EOF)
            terminal.close()
            assert terminal.exitstatus == 1
            said = str(terminal.before)
            assert "The tenant did not show all subscriptions" in said
            assert re.search(
                r"Tenant 001 +was not read to the end \(Ctrl-C\) +az account list --refresh (--output none )?--tenant",
                said,
            )
            assert "found until then" in said
            rows = az.run(*LIST, "--show-refresh").ok().json()
            assert [bool(row["refreshFailure"]) for row in rows] == [True] * 10
        cloud.admin.clear_faults()
        assert len(az.run(*REFRESH, *NAMES).ok().json()) == 30
        cloud.admin.rename_subscription("Tenant 001 Subscription 001", "Renamed")
        cloud.admin.fail_next("skiptoken", kind="hang", hang=600, count=None)
        terminal = az.pty(*REFRESH, "-o", "none", size=(40, 200))
        terminal.expect("0 of 1 tenant, 10 subscriptions")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        names = az.run(*LIST, *NAMES).ok().json()
        assert len(names) == 30
        assert "Renamed" in names


@pytest.mark.parametrize(
    ("options", "hanging", "line"),
    [
        ((), "^/subscriptions", "0 of 1 tenant, 0 subscriptions; waiting for"),
        (
            ("--tenant", _guid("fabrikam"), "--allow-no-subscriptions"),
            "^/subscriptions",
            "0 of 1 tenant, 0 subscriptions; waiting for",
        ),
        ((), "^/tenants", "looking for tenants"),
    ],
)
def test_ctrl_c_before_anything_was_found_stores_nothing(
    own_az: Az, own_cloud: LocalCloud, options: tuple[str, ...], hanging: str, line: str
) -> None:
    own_cloud.admin.fail_next(hanging, kind="hang", hang=600, count=None)
    password = own_cloud.directory.user(BOB).password
    terminal = own_az.pty("login", "-u", BOB, f"-p={password}", *options, size=(40, 200))
    terminal.expect(line)
    terminal.sendintr()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 1
    assert "Traceback" not in str(terminal.before)
    assert "Nothing was found before, and nothing was stored." in str(terminal.before)
    assert not own_az.profile().get("subscriptions")
    assert not (own_az.config_dir / "msal_token_cache.json").exists()
