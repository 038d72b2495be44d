"""Many `az` on one config directory at once lose nothing, fail nothing, and never leave a file that cannot be read.

`LOGIN_COMMANDS=192 make test ARGS='-k shells'` runs as many commands at once; `make bench ARGS=parallel` prints what
the built-in `az` makes of the same.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.bench.parallel import OWNERS, clouds_of, crowd, set_and_show, watching, write_profile
from tests.harness.az import Az, Result
from tests.harness.sign_in import sign_in
from tests.harness.stage import CLOUD_NAME
from tests.harness.waiting import until
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB, CAROL

_COMMANDS = int(os.environ.get("LOGIN_COMMANDS", "64"))

_Row = tuple[str, str, str, str]


def _rows(az: Az) -> set[_Row]:
    """Return every row of every identity: cloud, user, tenant and subscription."""
    document = az.profile()
    rows = document["subscriptions"] + document.get("azextLogin", {}).get("otherIdentities", [])
    return {_key(row) for row in rows}


def _key(row: dict[str, Any]) -> _Row:
    return row["environmentName"], row["user"]["name"], row["tenantId"], row["id"]


def _count(rows: set[_Row], user: str) -> int:
    return len([row for row in rows if row[1] == user])


def _users(az: Az) -> set[str]:
    return {user for _, user, _, _ in _rows(az)}


def _signed_in(az: Az) -> set[str]:
    cache = json.loads((az.config_dir / "msal_token_cache.json").read_text(encoding="utf-8"))
    return {account["username"] for account in cache.get("Account", {}).values()}


def _default(az: Az) -> dict[str, Any]:
    (row,) = [row for row in az.profile()["subscriptions"] if row["isDefault"]]
    return dict(row)


def _sign_in(az: Az, cloud: LocalCloud, user: str, *options: str) -> Result:
    return sign_in(az, cloud, user, "--allow-no-subscriptions", *options, timeout=180)


@pytest.mark.timeout(900)
def test_eight_shells_that_set_and_show_leave_every_subscription_and_one_default(az: Az) -> None:
    rows = crowd([CLOUD_NAME, "AzureCloud"])
    write_profile(az, rows)
    clouds_before = clouds_of(az)
    outcome = set_and_show(az, [row["id"] for row in rows if row["environmentName"] == CLOUD_NAME], _COMMANDS)
    assert len(outcome.results) == _COMMANDS
    assert not outcome.failures, outcome.failures[0]
    assert outcome.watch.reads
    assert not outcome.watch.unreadable
    assert _rows(az) == {_key(row) for row in rows}
    for result in outcome.results:
        result.assert_clean()
        if result.args[1] == "show":
            assert _key(result.json()) in _rows(az)
    # Both files record the same choice: the process that was last, was last in both.
    clouds = clouds_of(az)
    assert clouds.get(CLOUD_NAME, "subscription") == _default(az)["id"]
    assert clouds.sections() == clouds_before.sections()
    for option, value in clouds_before.items(CLOUD_NAME):
        assert option == "subscription" or clouds.get(CLOUD_NAME, option) == value


@pytest.mark.timeout(600)
def test_sign_in_refresh_set_and_logout_of_others_at_once_all_take_effect(az: Az, cloud: LocalCloud) -> None:
    rows = crowd([CLOUD_NAME, "AzureCloud"])
    crowd_keys = {_key(row) for row in rows}
    write_profile(az, rows)
    az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example").ok()
    _sign_in(az, cloud, BOB).ok()
    before = _rows(az)
    ids = [row["id"] for row in rows if row["environmentName"] == CLOUD_NAME]

    def repeat(*commands: tuple[str, ...]) -> list[Result]:
        return [az.run(*command, timeout=180) for command in commands]

    refresh = ("account", "list", "--refresh", "--query", "length(@)")
    jobs: list[Callable[[], list[Result]]] = [
        lambda: [_sign_in(az, cloud, ALICE)],
        lambda: [_sign_in(az, cloud, CAROL)],
        lambda: repeat(refresh, refresh),
        lambda: repeat(*(("account", "set", "--subscription", identity) for identity in ids[:6])),
        lambda: repeat(*(("account", "set", "--subscription", identity) for identity in ids[6:12])),
        lambda: [*repeat(("logout", "--username", BOB)), _sign_in(az, cloud, BOB)],
        lambda: repeat(("logout", "--username", CI_APP)),
    ]
    with watching(az) as watch, ThreadPoolExecutor(len(jobs)) as pool:
        results = [result for done in pool.map(lambda job: job(), jobs) for result in done]
    for result in results:
        result.ok()
    assert not watch.unreadable
    after = _rows(az)
    assert crowd_keys <= after
    assert {row for row in before if row[1] == BOB} <= after
    assert _users(az) == {ALICE, BOB, CAROL, *OWNERS}
    assert _signed_in(az) == {ALICE, BOB, CAROL}
    assert clouds_of(az).get(CLOUD_NAME, "subscription") == _default(az)["id"]
    # No tokens are stored for the owners of the generated rows: every refresh reports that.
    assert all(OWNERS[0] in result.stderr for result in results if "--refresh" in result.args)
    # Every row is in the list that built-in commands see, or has another user's row there in its place.
    front = {(row["environmentName"], row["id"]) for row in az.profile()["subscriptions"]}
    assert {(cloud_name, identity) for cloud_name, _, _, identity in after} == front
    assert len(front) == len(az.profile()["subscriptions"])


def test_a_user_and_an_application_that_sign_in_at_once_lose_no_row(signed_in: Az, cloud: LocalCloud) -> None:
    before = _rows(signed_in)
    commands = (
        ("login", "-u", BOB, f"-p={cloud.directory.user(BOB).password}"),
        ("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example"),
    )
    processes = [signed_in.start(*command) for command in commands]
    for process, command in zip(processes, commands, strict=True):
        signed_in.result(process, *command).ok()
    signed_in.run("account", "set", "-s", "Contoso Development").ok()
    after = _rows(signed_in)
    assert before <= after
    assert _count(after, BOB) == 3
    assert _count(after, CI_APP) == 2


def test_a_logout_during_a_refresh_is_not_undone_by_it(make_az: Callable[..., Az], own_cloud: LocalCloud) -> None:
    az = make_az(cloud=own_cloud)
    for user in (ALICE, BOB):
        _sign_in(az, own_cloud, user).ok()
    own_cloud.admin.fail_next("^/subscriptions", count=None, kind="hang", hang=600)
    refresh = az.start("account", "list", "--refresh")
    until(own_cloud.admin.count_hanging)
    az.run("logout", "--username", BOB).ok()
    own_cloud.admin.clear_faults()
    az.result(refresh, "account", "list", "--refresh").ok()
    assert _users(az) == {ALICE}
    for path in az.config_dir.iterdir():
        if path.is_file():
            assert BOB not in path.read_bytes().decode("utf-8", "replace"), path.name


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a POSIX signal")
def test_a_sign_in_during_a_refresh_of_the_same_account_stays_and_stays_active(
    make_az: Callable[..., Az], own_cloud: LocalCloud
) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    az = make_az(cloud=own_cloud)
    sign_in(az, own_cloud, ALICE).ok()
    own_cloud.admin.fail_next("^/subscriptions", kind="hang", hang=600)
    refresh = az.start("account", "list", "--refresh")
    until(own_cloud.admin.count_hanging)
    refresh.send_signal(signal.SIGSTOP)
    try:
        _sign_in(az, own_cloud, ALICE, "--tenant", "tailspin.example").ok()
        signed_in, rows = _default(az), _rows(az)
    finally:
        own_cloud.admin.clear_faults()
        refresh.send_signal(signal.SIGCONT)
    said = az.result(refresh, "account", "list", "--refresh").ok().stderr
    assert signed_in["name"] == "N/A(tenant level account)"
    assert (_default(az), _rows(az)) == (signed_in, rows)
    assert "active now" not in said
