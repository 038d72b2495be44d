"""`azext_login.api` in programs: with azure-identity, in threads and in tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.environments import ROOT
from tests.harness.http_user import HttpUser
from tests.harness.sign_in import DEVICE_PROMPT
from tests.integration.token_cache_files import claims_of, let_tokens_expire
from tests.localcloud import AZURE_CLI, NOTES_APP, LocalCloud
from tests.users import ALICE, BOB

ARM = "https://management.localcloud.example/.default"

_PROGRAM = Path(__file__).with_name("api_program.py")

pytestmark = pytest.mark.timeout(300)


def _run(az: Az, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, _PROGRAM, *words],
        env={**az.environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("mode", ["chain", "async_chain"])
def test_a_chain_uses_our_credential(signed_in: Az, mode: str) -> None:
    resource = ARM.removesuffix("/.default")
    expected = signed_in.run("account", "get-access-token", "--resource", resource).ok().json()
    assert _run(signed_in, mode, ARM) == {"token": expected["accessToken"]}


@pytest.mark.parametrize("mode", ["chain", "async_chain"])
def test_a_chain_goes_on_to_the_next_credential_if_no_account_is_signed_in(az: Az, mode: str) -> None:
    assert _run(az, mode, ARM) == {"token": "of the fallback"}


def test_a_chain_goes_on_if_an_account_is_named_and_none_is_signed_in(az: Az) -> None:
    assert _run(az, "chain", ARM, BOB) == {"token": "of the fallback"}


def test_a_chain_stops_at_an_account_that_is_not_the_one_that_is_signed_in(signed_in: Az) -> None:
    """As with a refused sign-in: the caller wants this account, and not whatever comes next."""
    error = _run(signed_in, "chain", ARM, BOB)["error"]
    assert "is not signed in" in error


def test_the_error_is_one_of_the_azure_sdk_and_ours(az: Az) -> None:
    plain, with_identity = _run(az, "errors", ARM)["errors"]
    assert {"NotSignedInError", "AzCLIError", "ClientAuthenticationError"} <= set(plain["classes"])
    assert "CredentialUnavailableError" not in plain["classes"]
    assert "CredentialUnavailableError" in with_identity["classes"]
    assert "az login" in plain["next"]


def test_a_program_signs_in_to_an_application_of_its_own_and_gets_its_tokens(
    signed_in: Az, make_http_user: Callable[..., HttpUser]
) -> None:
    process = subprocess.Popen(
        [sys.executable, _PROGRAM, "own_application", ARM, NOTES_APP],
        env={**signed_in.environment(), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    prompt, shown = None, ""
    while prompt is None and (line := process.stderr.readline()):
        shown += line
        prompt = DEVICE_PROMPT.search(shown)
    assert prompt, shown
    make_http_user(ALICE, user_code=prompt[2]).visit(prompt[1])
    stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    found = json.loads(stdout)
    assert found["account"] == ALICE
    assert {claims_of(token)["appid"] for token in found["tokens"]} == {NOTES_APP}
    assert claims_of(found["usual"])["appid"] == AZURE_CLI


@pytest.mark.parametrize("mode", ["threads", "tasks"])
def test_many_callers_share_one_request(signed_in: Az, cloud: LocalCloud, mode: str) -> None:
    let_tokens_expire(signed_in, int(time.time()) - 60)
    found = _run(signed_in, mode, ARM)
    assert len(set(found["tokens"])) == 1
    assert found.get("infoIsTheSame", True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_forked_processes_share_no_connection_and_no_lock(signed_in: Az) -> None:
    assert set(_run(signed_in, "forks", ARM)["found"]) == {"eyJ"}


def test_a_listener_that_fails_in_any_way_does_not_fail_the_call(signed_in: Az) -> None:
    assert _run(signed_in, "listeners", ARM) == {"origins": ["refresh"] * 3}


def test_a_listener_may_wait_for_a_thread_that_uses_the_same_credential(signed_in: Az) -> None:
    assert _run(signed_in, "waiting_listener", ARM) == {"isTheSame": True}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds open connections through /proc")
def test_a_program_that_requests_many_tokens_leaves_no_connection_open(signed_in: Az) -> None:
    assert _run(signed_in, "connections", ARM)["open"] == 0


def test_an_error_of_the_callers_own_function_reaches_the_caller(az: Az) -> None:
    assert _run(az, "callbacks", ARM) == {"areTheSame": [True] * 4}
