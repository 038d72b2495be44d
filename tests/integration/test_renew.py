"""`az account renew`, once and with --watch, in jobs whose federated tokens expire before the job ends.

One of the tests is such a job. In every test run it takes 45 seconds, with tokens that are valid for 15;
`LOGIN_RENEW_SECONDS=300 make test ARGS='-k long_job'` takes as long as that, with tokens that are valid for 60 seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.stage import CloudStage
from tests.harness.waiting import until
from tests.integration.jobs import GITHUB, WATCH, Job, end_of, trust_workloads
from tests.integration.workloads import POD
from tests.localcloud import CI_APP, SERVICE_CONNECTION, LocalCloud
from tests.localcloud.scopes import RESOURCES
from tests.users import ALICE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, and shells that start something and exit")

_LONG = float(os.environ.get("LOGIN_RENEW_SECONDS", "45"))
_SIGN_IN = ("login", "--service-principal", "--username", CI_APP, "--tenant", "contoso.example")
_RENEW = ("account", "renew")
_TOKEN = ("account", "get-access-token", "--query", "expires_on")
_VAULT, _BATCH = "https://vault.localcloud.example", "https://batch.localcloud.example"


@pytest.fixture(scope="module")
def workload_cloud() -> Iterator[LocalCloud]:
    """A cloud with lifetimes as usual: 5 minutes for federated tokens, an hour for access tokens."""
    with LocalCloud() as running:
        trust_workloads(running)
        yield running


@pytest.fixture(scope="module")
def _signed_in_job(
    cloud_stage: CloudStage, newest: Host, workload_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("job") / "azure", cloud=workload_cloud)
    az.run(*_SIGN_IN, *GITHUB, env=workload_cloud.github_environment()).ok()
    return az.config_dir


@pytest.fixture
def job(make_az: Callable[..., Az], workload_cloud: LocalCloud, _signed_in_job: Path) -> Iterator[Job]:
    """A job of GitHub Actions that has signed in."""
    az = make_az(cloud=workload_cloud)
    shutil.copytree(_signed_in_job, az.config_dir, dirs_exist_ok=True)
    made = Job(az.with_env(**workload_cloud.github_environment()), workload_cloud)
    yield made
    made.clean_up()
    workload_cloud.admin.clear_faults()


@pytest.fixture
def short_job(make_az: Callable[..., Az], own_cloud: LocalCloud) -> Iterator[Job]:
    """One in a cloud of its own, where whatever it gets ends after 10 seconds: a watch has a round every 5 seconds."""
    trust_workloads(own_cloud)
    own_cloud.admin.assertion_lifetime(10)
    own_cloud.admin.token_lifetime(10)
    az = make_az(cloud=own_cloud).with_env(**own_cloud.github_environment())
    az.run(*_SIGN_IN, *GITHUB).ok()
    made = Job(az, own_cloud)
    yield made
    made.clean_up()


# A job that is longer than its tokens


@pytest.mark.timeout(_LONG + 240)
def test_a_long_job_that_asks_for_new_scopes_keeps_working_with_a_watch_in_the_background(
    make_az: Callable[..., Az], own_cloud: LocalCloud, tmp_path: Path
) -> None:
    lifetime = int(min(60, _LONG / 3))
    trust_workloads(own_cloud)
    own_cloud.admin.assertion_lifetime(lifetime)
    own_cloud.admin.token_lifetime(lifetime)
    job = Job(make_az(cloud=own_cloud).with_env(**own_cloud.github_environment()), own_cloud)
    job.az.run(*_SIGN_IN, *GITHUB).ok()
    first = job.assertion
    # A step of its own, whose shell ends after the first round.
    log = tmp_path / "renew.log"
    start = f'az account renew --watch --output none > "{log}" 2>&1 & echo $!'
    wait = f'until [[ -s "{log}" ]]; do /bin/sleep 0.1; done'
    step = subprocess.run(
        ["/bin/bash", "-euc", f"{start}; {wait}"],
        env=job.az.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    watch = int(step.stdout)
    try:
        new_scopes = iter(uri for resource in RESOURCES if resource.consent == "given" for uri in resource.uris)
        began, rounds = time.monotonic(), 0
        while time.monotonic() < began + _LONG:
            rounds += 1
            scope = f"{next(new_scopes)}/.default"
            for az in (job.stock, job.az):
                expires_on = int(az.run(*_TOKEN, "--scope", scope).ok().stdout)
                assert 0 < expires_on - time.time() <= lifetime
            assert job.stock.run("group", "list", "--query", "[].name").ok().json() == ["app", "network"]
            time.sleep(max(0.0, began + rounds * _LONG / 15 - time.monotonic()))
        said = log.read_text(encoding="utf-8")
        assert end_of(first) < time.time() < end_of(job.assertion)
        assert rounds >= 3, said
        assert job.fetched >= 1 + _LONG / lifetime, said
    finally:
        os.kill(watch, signal.SIGTERM)
    until(lambda: "Stopped" in log.read_text(encoding="utf-8"))
    said = log.read_text(encoding="utf-8")
    assert "could not be renewed" not in said
    assert "Traceback" not in said
    job.assert_whole()


@pytest.fixture(scope="module")
def jobs_with_ended_tokens(
    cloud_stage: CloudStage, newest: Host, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Job]]:
    """Jobs by where their federated tokens come from. The ones that they have stored are over."""
    with LocalCloud() as cloud:
        trust_workloads(cloud)
        folder = tmp_path_factory.mktemp("ended")
        token_file = folder / "token"
        token_file.write_text(cloud.admin.issue_assertion(POD), encoding="ascii")
        sources: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
            "file": (("--federated-token-file", str(token_file)), {}),
            "github": (GITHUB, cloud.github_environment()),
            "azure-pipelines": (
                (
                    *("--federated-token-source", "azure-pipelines"),
                    *("--service-connection-id", SERVICE_CONNECTION),
                ),
                cloud.azure_pipelines_environment(),
            ),
        }
        jobs = {
            name: Job(cloud_stage.az(newest, folder / name, cloud=cloud).with_env(**env), cloud)
            for name, (_, env) in sources.items()
        }
        with ThreadPoolExecutor(len(jobs)) as pool:
            for result in pool.map(lambda name: jobs[name].az.run(*_SIGN_IN, *sources[name][0]), jobs):
                result.ok()
        # Ten minutes later for the process that checks them, which is all that counts.
        cloud.admin.clock_offset(600)
        token_file.write_text(cloud.admin.issue_assertion(POD), encoding="ascii")
        yield jobs


@pytest.mark.parametrize("source", ["file", "github", "azure-pipelines"])
def test_without_a_watch_our_tokens_go_on_where_built_in_ones_have_ended(
    jobs_with_ended_tokens: dict[str, Job], source: str
) -> None:
    job = jobs_with_ended_tokens[source]
    assert "AADSTS700024" in job.stock.run(*_TOKEN, "--resource", _VAULT).failed().stderr
    assert int(job.az.run(*_TOKEN, "--resource", _VAULT).ok().stdout) > time.time()
    # What we fetched is stored, so that built-in commands go on as well, until it ends.
    assert int(job.stock.run(*_TOKEN, "--resource", _BATCH).ok().stdout) > time.time()


# Once


def test_renewing_once_gives_new_tokens_for_what_is_in_use_and_reports_until_when(job: Job) -> None:
    before = job.assertion
    cached = _access_tokens(job.az)
    # Whole seconds: what is renewed within the one that the sign-in ended in would end when the old ones do.
    time.sleep(1)
    result = job.az.run(*_RENEW).ok()
    shape = result.json()
    assert set(shape) == {"user", "tenantId", "federatedTokenExpiresOn", "accessTokens", "failed"}
    assert shape["user"] == {"name": CI_APP, "type": "servicePrincipal"}
    assert shape["tenantId"] == job.cloud.directory.tenant("contoso.example").id
    assert shape["federatedTokenExpiresOn"] == end_of(job.assertion) > end_of(before)
    (token,) = shape["accessTokens"]
    assert token == {"scopes": ["https://management.localcloud.example//.default"], "expires_on": token["expires_on"]}
    assert shape["failed"] == []
    assert result.stderr == ""
    (renewed,) = _access_tokens(job.az).values()
    assert renewed["secret"] not in [entry["secret"] for entry in cached.values()]
    assert abs(int(renewed["expires_on"]) - token["expires_on"]) <= 1


def test_a_scope_that_fails_is_named_with_exit_code_10_and_its_old_token_stays(job: Job) -> None:
    job.az.run(*_TOKEN, "--resource", _VAULT).ok()
    before = _access_tokens(job.az)
    refusal = {"error": "invalid_scope", "error_description": "AADSTS70011: not today.", "error_codes": [70011]}
    job.cloud.admin.fail_next("/token$", status=400, body=json.dumps(refusal))
    result = job.az.run(*_RENEW)
    assert result.exit_code == 10, result
    result.assert_clean()
    shape = result.json()
    (failure,), (token,) = shape["failed"], shape["accessTokens"]
    assert {*failure["scopes"], *token["scopes"]} == {
        "https://management.localcloud.example//.default",
        f"{_VAULT}/.default",
    }
    assert "AADSTS70011" in failure["error"]
    (warning,) = result.stderr.splitlines()
    assert warning.startswith(f"WARNING: The access token for {failure['scopes'][0]} could not be renewed")
    kept = [key for key, entry in _access_tokens(job.az).items() if entry == before[key]]
    assert [before[key]["target"] for key in kept] == failure["scopes"]


@pytest.mark.parametrize(
    ("options", "stdout", "says"),
    [
        (("--output", "none"), "", True),
        (("--query", "failed[].error", "--only-show-errors"), "[\n", False),
        (("--query", "user.name", "--output", "tsv"), f"{CI_APP}\n", True),
    ],
)
def test_the_usual_options_for_the_output_apply(job: Job, options: tuple[str, ...], stdout: str, says: bool) -> None:
    job.cloud.admin.fail_next("/token$", status=400, body='{"error": "invalid_scope", "error_description": "no"}')
    result = job.az.run(*_RENEW, *options)
    assert result.exit_code == 10, result
    assert result.stdout[: len(stdout) or None] == stdout
    assert ("could not be renewed" in result.stderr) == says


def test_a_federated_token_that_was_not_to_be_stored_is_not_stored_by_renewing_either(job: Job) -> None:
    job.az.run(*_SIGN_IN, *GITHUB, "--no-store-secret").ok()
    before = _access_tokens(job.az)
    assert job.az.run(*_RENEW).ok().json()["failed"] == []
    (entry,) = json.loads((job.az.config_dir / "service_principal_entries.json").read_text(encoding="utf-8"))
    assert "client_assertion" not in entry
    assert _access_tokens(job.az).keys() == before.keys()
    assert _access_tokens(job.az) != before
    job.stock.run("group", "list").ok()


def test_an_account_that_is_not_the_active_one_is_renewed_by_its_name(job: Job) -> None:
    alice = job.cloud.directory.user(ALICE)
    job.az.run("login", "-u", alice.username, "--password=@-", input=alice.password).ok()
    before = job.fetched
    shape = job.az.run(*_RENEW, "--username", CI_APP.upper()).ok().json()
    assert (shape["user"]["name"], job.fetched) == (CI_APP, before + 1)
    shape = job.az.run(*_RENEW, "--tenant", "fabrikam.example").ok().json()
    assert shape["user"] == {"name": alice.username, "type": "user"}
    assert shape["federatedTokenExpiresOn"] is None
    assert shape["tenantId"] == job.cloud.directory.tenant("fabrikam.example").id
    error = job.az.run(*_RENEW, "--username", "nobody@contoso.example").failed().stderr
    assert "az account list --all-identities" in error


def test_there_is_nothing_to_renew_of_a_managed_identity(make_az: Callable[..., Az], cloud: LocalCloud) -> None:
    az = make_az().with_env(**cloud.imds_environment())
    az.run("login", "--identity").ok()
    refused = az.run(*WATCH, env={"AZURE_LOGIN_EVERY_COMMAND": "off"}).failed().stderr
    assert "nothing to renew" in refused
    assert "by themselves" not in refused


def test_a_user_who_is_not_signed_in_is_told_to_sign_in(az: Az) -> None:
    assert "az login" in az.run(*_RENEW).failed().stderr


# How a watch ends


def test_two_watches_at_once_outlive_a_failure_and_end_cleanly_with_the_signals_of_jobs_and_terminals(
    short_job: Job,
) -> None:
    first, second = short_job.watch(), short_job.watch("--output", "none")
    short_job.cloud.admin.fail_next("^/github/", status=403, body="no")
    fetched = short_job.fetched
    # Each of them once more at least, one of them in vain, and then once more.
    until(lambda: short_job.fetched >= fetched + 4)
    results = [short_job.stop(first, signal.SIGTERM), short_job.stop(second, signal.SIGINT)]
    for result in results:
        result.ok()
        assert "Stopped. What was renewed stays stored." in result.stderr
        assert "could not" not in result.stderr
    failure = "Nothing was renewed, and no stored token has changed. The next attempt is in 5 seconds: "
    assert sum(result.stderr.count(failure) for result in results) == 1
    assert results[0].json()["user"]["name"] == CI_APP
    assert results[1].stdout == ""
    short_job.assert_whole()
    short_job.stock.run("group", "list").ok()


def test_a_signal_ends_a_long_pause_at_once_and_only_errors_are_shown_if_asked_for(job: Job) -> None:
    before = _access_tokens(job.az)
    fetched = job.fetched
    watch = job.watch("--only-show-errors")
    until(lambda: _access_tokens(job.az) != before)
    # The next round comes after minutes, which is longer than anybody is waited for here.
    result = job.stop(watch).ok()
    assert result.stderr == ""
    assert job.fetched == fetched + 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("service", ["^/github/", "/token$"])
def test_a_signal_ends_a_request_that_hangs_at_once_and_what_was_fetched_stays(
    job: Job, service: str, number: signal.Signals
) -> None:
    before = job.assertion
    job.cloud.admin.fail_next(service, kind="hang", hang=600)
    process = job.az.start(*WATCH)
    job.started.append(process)
    until(job.cloud.admin.count_hanging)
    result = job.stop(process, number).ok()
    assert job.cloud.admin.count_hanging() == 1
    assert "Stopped. What was renewed stays stored." in result.stderr
    assert (job.assertion == before) == (service == "^/github/")
    job.assert_whole()


def test_a_federated_token_that_was_given_is_named_as_the_last_one(
    job: Job, tmp_path: Path, workload_cloud: LocalCloud
) -> None:
    token = workload_cloud.admin.issue_assertion(POD)
    job.az.run(*_SIGN_IN, "--federated-token=@-", input=token).ok()
    result = job.az.run(*_RENEW).ok()
    assert "The federated token itself cannot be renewed" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    file = tmp_path / "token"
    file.write_text(workload_cloud.admin.issue_assertion(POD, lifetime=10**13), encoding="utf-8")
    job.az.run(*_SIGN_IN, "--federated-token-file", str(file)).ok()
    process = job.az.start(*WATCH)
    job.started.append(process)
    assert process.stderr is not None
    # It reports that in its first round, and can be stopped from before that on.
    said = iter(process.stderr.readline, "")
    assert any("seconds after 1970" in line for line in said)
    job.stop(process).ok()


def test_a_watch_ends_with_the_shell_script_that_linux_packages_start_az_with(job: Job, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "az"
    script.parent.mkdir()
    script.write_text(f'#!/bin/bash\n"{job.az.host.bin}/python3" -Im azure.cli "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    packaged = replace(job, az=replace(job.az, host=replace(job.az.host, az=script)))
    watch = packaged.watch()
    (python,) = psutil.Process(watch.pid).children()
    watch.send_signal(signal.SIGTERM)
    try:
        # The signal does not reach it.
        python.wait(60)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            python.kill()
    result = job.az.result(watch, *WATCH)
    assert result.exit_code == -signal.SIGTERM
    assert "Stopped." in result.stderr
    assert result.json()["failed"] == []
    job.assert_whole()


def test_a_logout_ends_the_watch_and_nothing_comes_back(short_job: Job) -> None:
    # The answer to the watch's first request comes when the account has gone.
    short_job.cloud.admin.fail_next("/token$", kind="hang", hang=600)
    watch = short_job.watch()
    until(short_job.cloud.admin.count_hanging)
    short_job.az.run("logout").ok()
    assert watch.poll() is None
    short_job.cloud.admin.clear_faults()
    error = short_job.az.result(watch, *WATCH).failed().stderr
    assert "az login" in error
    remaining = [
        path.name
        for path in short_job.az.config_dir.rglob("*")
        if path.is_file() and "commands" not in path.parts and CI_APP.encode() in path.read_bytes()
    ]
    assert remaining == []


def _access_tokens(az: Az) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((az.config_dir / "msal_token_cache.json").read_text(encoding="utf-8"))
    tokens: dict[str, Any] = content["AccessToken"]
    return tokens
