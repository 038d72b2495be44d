"""Twenty programs that find an expired token at once: one request, one answer or one error for all."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from tests.harness.az import Az, Result
from tests.harness.launchers import Process
from tests.harness.sign_in import sign_in
from tests.harness.waiting import until
from tests.integration.token_cache_files import access_tokens, claims_of, let_tokens_age, let_tokens_be_due
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

CALLERS = 20
# Seconds: more than anything here waits for a command.
_FOR_EVER = 600
TOKEN = ("account", "get-access-token")
_REQUESTS = "/token$"


@pytest.fixture(params=["user", "service principal"])
def caller(request: pytest.FixtureRequest, make_az: Callable[..., Az], own_cloud: LocalCloud) -> Az:
    """`az` with a signed-in account whose tokens have expired, in a cloud that no other test uses."""
    az = make_az(cloud=own_cloud)
    if request.param == "user":
        sign_in(az, own_cloud, ALICE).ok()
    else:
        az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example").ok()
    let_tokens_age(az, left=-1)
    own_cloud.admin.clear_requests()
    own_cloud.admin.fail_next(_REQUESTS, count=None, kind="hang", hang=_FOR_EVER)
    return az


def _all_at_once(az: Az, cloud: LocalCloud, *options: str, callers: int = CALLERS) -> list[Result]:
    """Answer the one that asks when all of them have missed the token."""
    return _answered_together(az, cloud, [(*TOKEN, *options)] * callers)


def _answered_together(az: Az, cloud: LocalCloud, commands: Sequence[tuple[str, ...]], asking: int = 1) -> list[Result]:
    """Answer when so many requests hang, and every process has a turn to ask or waits for one."""
    processes = [az.start(*words) for words in commands]
    until(lambda: cloud.admin.count_hanging() >= asking and all(map(_is_in_the_queue, processes)))
    cloud.admin.clear_faults()
    return [az.result(process, *words, timeout=150) for process, words in zip(processes, commands, strict=True)]


def _is_in_the_queue(process: Process) -> bool:
    """Tell whether a process has a turn to ask, or waits for one: the file of the lock is open."""
    try:
        return any("login_requests" in file.path for file in psutil.Process(process.pid).open_files())
    except psutil.Error:  # it has ended, and its result shows why
        return True


@pytest.mark.timeout(300)
def test_one_of_twenty_asks_and_all_have_the_same_new_token(caller: Az, own_cloud: LocalCloud) -> None:
    before = access_tokens(caller)
    tokens = {result.ok().json()["accessToken"] for result in _all_at_once(caller, own_cloud)}
    assert len(tokens) == 1
    assert not tokens & before
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


@pytest.mark.timeout(300)
def test_the_error_of_the_one_that_asked_is_the_error_of_all(caller: Az, own_cloud: LocalCloud) -> None:
    refusal = {
        "error": "invalid_grant",
        "error_description": "AADSTS50173: The provided grant has expired.",
        "error_codes": [50173],
        "suberror": "bad_token",
    }
    own_cloud.admin.clear_faults()
    own_cloud.admin.fail_next(_REQUESTS, count=None, status=400, body=json.dumps(refusal), hang=_FOR_EVER)
    errors = {result.failed().stderr for result in _all_at_once(caller, own_cloud)}
    (error,) = errors
    assert "AADSTS50173" in error
    assert "az login" in error
    assert own_cloud.admin.count_requests(_REQUESTS) == 1
    # Who comes later asks anew.
    caller.run(*TOKEN).ok()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("caller", ["user"], indirect=True)
def test_a_lifetime_that_one_of_many_cannot_have_is_asked_for_once(caller: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.token_lifetime(900)
    results = _all_at_once(caller, own_cloud, "--min-validity", "2h", callers=6)
    assert all("7200 seconds, and a new token is valid for" in result.failed().stderr for result in results)
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("caller", ["user"], indirect=True)
@pytest.mark.parametrize("options", [("--force-refresh",), ("--min-validity", "1h")])
def test_of_many_who_want_the_longest_or_a_new_token_one_asks(
    caller: Az, own_cloud: LocalCloud, options: tuple[str, ...]
) -> None:
    results = _all_at_once(caller, own_cloud, *options, callers=4)
    assert len({result.ok().json()["accessToken"] for result in results}) == 1
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("caller", ["user"], indirect=True)
def test_who_has_a_token_that_still_lives_does_not_wait_for_a_service_that_does_not_answer(
    caller: Az, own_cloud: LocalCloud
) -> None:
    """Callers give up after ten seconds: azure-identity's `process_timeout`. Each waits twice at most."""
    let_tokens_age(caller, left=1000)
    let_tokens_be_due(caller)
    before = access_tokens(caller)
    processes = [caller.start(*TOKEN) for _ in range(4)]
    results = [caller.result(process, *TOKEN) for process in processes]
    assert own_cloud.admin.count_hanging() >= 1
    assert {result.ok().json()["accessToken"] for result in results} <= before
    assert all("used as it is" in result.stderr for result in results)
    # A clock would tell how long four processes take to start.
    assert {_seconds_waited(result) for result in results} == {3}


@pytest.mark.parametrize("caller", ["user"], indirect=True)
@pytest.mark.parametrize("other", [("--min-validity", "1h"), ("--force-refresh",)])
def test_the_failure_of_who_wanted_more_is_no_failure_of_who_has_enough(
    caller: Az, own_cloud: LocalCloud, other: tuple[str, ...]
) -> None:
    let_tokens_age(caller, left=250)
    before = access_tokens(caller)
    own_cloud.admin.clear_faults()
    own_cloud.admin.fail_next(_REQUESTS, count=None, kind="drop", hang=_FOR_EVER)
    first = caller.start(*TOKEN, *other)
    until(own_cloud.admin.count_hanging)
    second = caller.start(*TOKEN)
    until(lambda: _is_in_the_queue(second))
    own_cloud.admin.clear_faults()
    assert caller.result(second, *TOKEN).ok().json()["accessToken"] in before
    assert "could not be reached" in caller.result(first, *TOKEN, *other).failed().stderr
    assert own_cloud.admin.count_requests(_REQUESTS) == 1


@pytest.mark.parametrize("caller", ["user"], indirect=True)
def test_who_has_a_token_that_still_lives_does_not_wait_for_a_process_that_has_stopped(
    caller: Az, own_cloud: LocalCloud
) -> None:
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    let_tokens_age(caller, left=250)
    before = access_tokens(caller)
    stopped = caller.start(*TOKEN, "--force-refresh")
    until(own_cloud.admin.count_hanging)
    stopped.send_signal(signal.SIGSTOP)
    try:
        result = caller.run(*TOKEN).ok()
    finally:
        stopped.kill()
        stopped.communicate()
    assert result.json()["accessToken"] in before
    assert "Another process has been asking" in result.stderr
    assert _seconds_waited(result) == 3


@pytest.mark.parametrize("caller", ["user"], indirect=True)
def test_a_failure_that_was_recorded_by_a_clock_that_was_ahead_stops_nothing(caller: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.clear_faults()
    own_cloud.admin.fail_next(_REQUESTS, kind="drop")
    caller.run(*TOKEN).failed()
    (note,) = _notes(caller)
    note.write_text(json.dumps({**json.loads(note.read_text(encoding="utf-8")), "at": time.time() + 86_400}))
    caller.run(*TOKEN).ok()


@pytest.mark.timeout(300)
def test_requests_for_different_things_do_not_wait_for_each_other(caller: Az, own_cloud: LocalCloud) -> None:
    resources = ("https://vault.azure.net", "https://graph.microsoft.com", "https://storage.azure.com")
    commands = [(*TOKEN, "--resource", resource) for resource in resources for _ in range(2)]
    results = _answered_together(caller, own_cloud, commands, asking=3)
    assert {claims_of(result.ok().json()["accessToken"])["aud"].rstrip("/") for result in results} == set(resources)
    assert own_cloud.admin.count_requests(_REQUESTS) == 3


def test_the_record_of_a_failure_is_removed_with_the_account(caller: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.clear_faults()
    own_cloud.admin.fail_next(_REQUESTS, count=None, status=400, body='{"error": "invalid_grant"}')
    caller.run(*TOKEN).failed()
    assert _notes(caller)
    name = caller.run("account", "show", "--query", "user.name", "-o", "tsv").ok().stdout.strip()
    caller.run("logout").ok()
    assert not _notes(caller)
    for path in caller.config_dir.rglob("*"):
        assert not path.is_file() or name not in path.read_bytes().decode("utf-8", "replace"), path.name


def _seconds_waited(result: Result) -> int:
    """Return how long a command reports that it has waited before it went on with what it had."""
    found = re.search(r"(?:within|for) (\d+) seconds\.", result.stderr)
    assert found, result
    return int(found[1])


def _notes(az: Az) -> list[Path]:
    return list((az.config_dir / "login_requests").glob("*.json"))


@pytest.mark.timeout(300)
def test_where_there_can_be_no_lock_everybody_asks_and_is_answered(caller: Az, own_cloud: LocalCloud) -> None:
    own_cloud.admin.clear_faults()
    (caller.config_dir / "login_requests").write_text("in the way", encoding="utf-8")
    processes = [caller.start(*TOKEN) for _ in range(4)]
    for process in processes:
        caller.result(process, *TOKEN).ok()
