"""The events for other extensions: what is raised, in which commands, and what a broken listener does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.harness.stage import Stage
from tests.integration.token_cache_files import let_tokens_expire
from tests.integration.workloads import GRAPH, POD, SERVICE_PRINCIPAL, guarded, write
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """The file to which the sample's listener appends."""
    return tmp_path / "events.jsonl"


@pytest.fixture
def listening(make_az: Callable[..., Az], stage: Stage, workload_cloud: LocalCloud, events: Path) -> Az:
    """An `az` with alice signed in, with both extensions in its index."""
    az = make_az(cloud=workload_cloud)
    az = guarded(replace(az, extension_dir=stage.extension_dir_with_sample(az.host)))
    sign_in(az, workload_cloud, ALICE).ok()
    az.run("sample", "-h", timeout=180).ok()
    return az.with_env(SAMPLE_EVENTS=str(events))


def _read(events: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()] if events.exists() else []


def _names(events: Path) -> list[str]:
    return [event["name"].removeprefix("azext_login.") for event in _read(events)]


def test_account_set_tells_an_extension_with_a_command_in_its_group(
    listening: Az, workload_cloud: LocalCloud, events: Path
) -> None:
    before = listening.run("account", "show").ok().json()
    wanted = workload_cloud.directory.subscription("Contoso Development").id
    listening.run("account", "set", "--subscription", wanted).ok()
    listening.run("account", "set", "--subscription", wanted).ok()
    (event,) = _read(events)
    assert event == {
        "name": "azext_login.SubscriptionChanged",
        "cloud": before["environmentName"],
        "account": ALICE,
        "subscription": wanted,
        "tenant": listening.run("account", "show").ok().json()["tenantId"],
        "previous_subscription": before["id"],
    }


def test_each_change_of_a_context_is_told_with_its_name(listening: Az, events: Path) -> None:
    cloud = listening.run("account", "show").ok().json()["environmentName"]
    for command in (
        ("create", "--name", "dev"),
        ("update", "--name", "dev", "--subscription", "Contoso Development"),
        ("rename", "--name", "dev", "--new-name", "work"),
        ("delete", "--name", "WORK", "--yes"),
    ):
        listening.run("account", "context", *command).ok()
    told = [event for event in _read(events) if event["name"] == "azext_login.ContextChanged"]
    assert [(event["cloud"], event["context"]) for event in told] == [
        (cloud, "dev"), (cloud, "dev"), (cloud, "work"), (cloud, "work"),
    ]  # fmt: skip


def test_the_api_raises_the_events_of_the_commands(listening: Az, workload_cloud: LocalCloud, events: Path) -> None:
    wanted = workload_cloud.directory.subscription("Contoso Development").id
    assert listening.run("sample", "select", "--default", wanted).ok().json()["id"] == wanted
    listening.run("sample", "new-token", "--resource", GRAPH).ok()
    listening.run("sample", "sign-out", "--account", ALICE).ok()
    assert _names(events) == [
        "SubscriptionChanged", "TokenRefreshed", "TokenRefreshed", "SubscriptionChanged", "SignedOut",
    ]  # fmt: skip
    refreshed = _read(events)[1]
    assert (refreshed["account"], refreshed["scopes"]) == (ALICE, [f"{GRAPH}/.default"])
    assert _read(events)[3]["subscription"] is None


def test_a_new_token_of_our_command_is_an_event_and_a_cached_one_is_not(listening: Az, events: Path) -> None:
    words = ("account", "get-access-token", "--resource", GRAPH)
    for _ in range(2):
        token = listening.run(*words).ok().json()
    assert _names(events) == ["TokenRefreshed"]
    assert _read(events)[0]["expires_on"] == token["expires_on"]
    assert token["accessToken"] not in events.read_text(encoding="utf-8")


def test_a_sign_in_by_the_api_is_told_with_its_subscriptions(listening: Az, events: Path) -> None:
    words = ("sample", "sign-in", "--method", "secret", "--client-id", CI_APP)
    made = listening.run(*words, "--tenant", "contoso.example", env={"SAMPLE_SECRET": CI_SECRET})
    signed_in = made.ok().json()
    event = next(each for each in _read(events) if each["name"] == "azext_login.SignedIn")
    assert event["account"] == CI_APP
    assert event["subscriptions"] == [each["id"] for each in signed_in["subscriptions"]]
    assert CI_SECRET not in events.read_text(encoding="utf-8")


@pytest.mark.parametrize("failure", ["raise", "exit"])
def test_a_listener_that_fails_is_one_warning(listening: Az, workload_cloud: LocalCloud, failure: str) -> None:
    wanted = workload_cloud.directory.subscription("Contoso Development").id
    done = listening.run("account", "set", "--subscription", wanted, env={"SAMPLE_FAILURE": failure}).ok()
    assert done.stderr.count("WARNING") == 1
    assert "azext_login.SubscriptionChanged" in done.stderr
    assert listening.run("account", "show").ok().json()["id"] == wanted


def test_an_extension_is_not_told_where_the_host_does_not_load_it(
    listening: Az, workload_cloud: LocalCloud, events: Path
) -> None:
    """`az login` is a word of ours alone. This is documented: change the documentation if it becomes possible."""
    sign_in(listening, workload_cloud, BOB).ok()
    assert _names(events) == []


def test_a_listener_may_obtain_a_token_itself(listening: Az, events: Path) -> None:
    words = ("account", "get-access-token", "--resource", GRAPH)
    done = listening.run(*words, env={"SAMPLE_FAILURE": "recurse"}).ok()
    assert done.stderr == ""
    assert _names(events) == ["TokenRefreshed"]


def test_a_token_that_a_hook_renews_is_an_event_and_one_of_the_host_is_not(
    listening: Az, workload_cloud: LocalCloud, events: Path, tmp_path: Path
) -> None:
    let_tokens_expire(listening, int(time.time()) - 60)
    listening.run("sample", "use").ok()
    assert _names(events) == []
    path = write(tmp_path / "token", workload_cloud.admin.issue_assertion(POD))
    listening.run(*SERVICE_PRINCIPAL, "--federated-token-file", path).ok()
    let_tokens_expire(listening, int(time.time()) - 60)
    listening.run("sample", "use").ok()
    assert "TokenRefreshed" in _names(events)
    assert {event["account"] for event in _read(events)} == {CI_APP}


def test_a_listener_in_a_hook_may_wait_for_a_thread_that_needs_a_token(
    listening: Az, workload_cloud: LocalCloud, tmp_path: Path
) -> None:
    path = write(tmp_path / "token", workload_cloud.admin.issue_assertion(POD))
    listening.run(*SERVICE_PRINCIPAL, "--federated-token-file", path).ok()
    let_tokens_expire(listening, int(time.time()) - 60)
    assert listening.run("sample", "use", env={"SAMPLE_FAILURE": "wait"}).ok().stderr == ""
