"""The local cloud's operator: faults, delays, settings, the request log, over Python and over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness.waiting import until
from tests.localcloud import AZURE_CLI, LocalCloud
from tests.localcloud.testing import TokenClient, trusting_session
from tests.users import ALICE, MAX

pytest_plugins = ["tests.localcloud.fixtures"]

DISCOVERY = "/organizations/v2.0/.well-known/openid-configuration"


def look(client: TokenClient) -> requests.Response:
    return client.session.get(client.cloud.url + DISCOVERY, timeout=60)


def test_the_next_requests_fail_as_told_and_then_no_more(client: TokenClient) -> None:
    client.cloud.admin.fail_next("openid-configuration", count=2, kind="throttled", headers={"Retry-After": "7"})
    assert client.password(ALICE).status_code == 200
    answers = [look(client) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("kind", "status", "content"),
    [
        ("error", 500, "application/json"),
        ("unavailable", 503, "application/json"),
        ("html", 200, "text/html"),
        ("malformed", 200, "application/json"),
    ],
)
def test_every_kind_of_bad_answer(client: TokenClient, kind: str, status: int, content: str) -> None:
    client.cloud.admin.fail_next(kind=kind)
    answer = look(client)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith(content)
    if status == 200:
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()


def test_a_dropped_connection_is_an_error_of_the_connection(client: TokenClient) -> None:
    client.cloud.admin.fail_next(kind="drop")
    with pytest.raises(requests.exceptions.ConnectionError):
        look(client)
    assert look(client).status_code == 200


def test_a_hanging_request_answers_late(client: TokenClient) -> None:
    client.cloud.admin.fail_next(kind="hang", hang=0.3)
    begin = time.monotonic()
    assert look(client).status_code == 200
    assert time.monotonic() - begin >= 0.3


def test_one_hanging_request_does_not_hold_up_others_and_ends_with_its_fault(client: TokenClient) -> None:
    admin = client.cloud.admin
    admin.fail_next(kind="unavailable", hang=600)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(look, TokenClient(client.cloud))
        until(lambda: admin.count_hanging() == 1)
        assert look(client).status_code == 200
        assert not slow.done()
        admin.clear_faults()
        assert slow.result(60).status_code == 503
    assert admin.count_hanging() == 0


def test_a_client_that_never_speaks_does_not_hold_up_others(client: TokenClient) -> None:
    with socket.create_connection(("127.0.0.1", client.cloud.port)):
        assert look(client).status_code == 200


def test_random_failures_are_repeatable_by_seed(client: TokenClient) -> None:
    def outcome() -> list[int]:
        client.cloud.admin.fail_randomly(0.5, seed=7, kind="unavailable")
        found = [look(client).status_code for _ in range(20)]
        client.cloud.admin.clear_faults()
        return found

    first = outcome()
    assert first == outcome()
    assert set(first) == {200, 503}


def test_latency_delays_every_request(client: TokenClient) -> None:
    client.cloud.admin.latency(100)
    begin = time.monotonic()
    look(client)
    assert time.monotonic() - begin >= 0.1


def test_the_request_log_tells_what_was_asked_and_no_secret(client: TokenClient) -> None:
    answer = client.password(ALICE).json()
    client.arm("/subscriptions", answer["access_token"])
    client.refresh(answer["refresh_token"], "fabrikam.example")
    rows = client.cloud.admin.requests()
    assert [(r.method, r.status, r.user, r.grant_type) for r in rows] == [
        ("POST", 200, ALICE, "password"),
        ("GET", 200, ALICE, None),
        ("POST", 200, ALICE, "refresh_token"),
    ]
    text = json.dumps([r.to_json() for r in rows])
    for secret in ("alice-local-password", answer["access_token"], answer["refresh_token"]):
        assert secret not in text
    assert client.cloud.admin.count_requests("/token$") == 2
    client.cloud.admin.clear_requests()
    assert client.cloud.admin.requests() == []


def test_the_directory_can_be_changed_and_reset(client: TokenClient) -> None:
    admin = client.cloud.admin
    token = client.password(ALICE).json()["access_token"]

    def seen() -> list[str]:
        return [row["displayName"] for row in client.arm("/subscriptions", token).json()["value"]]

    before = seen()
    admin.remove_access(ALICE, "contoso.example", "Contoso Production")
    admin.add_access(ALICE, "contoso.example", "Woodgrove Vault")
    admin.rename_subscription("Contoso Development", "Renamed")
    assert set(before) - set(seen()) == {"Contoso Production", "Contoso Development"}
    assert {"Woodgrove Vault", "Renamed"} <= set(seen())
    admin.reset()
    assert seen() == before


def test_mfa_can_be_demanded_and_waived(client: TokenClient) -> None:
    client.cloud.admin.demand_mfa("contoso.example")
    assert client.password(ALICE).json()["error_codes"] == [50076]
    client.cloud.admin.demand_mfa("contoso.example", demanded=False)
    assert client.password(ALICE).status_code == 200


def operate(cloud: LocalCloud, operation: str, key: str | None = None, **arguments: object) -> requests.Response:
    return trusting_session(cloud).post(
        f"{cloud.url}/admin/{operation}",
        json=arguments,
        headers={"X-Admin-Key": cloud.admin_key if key is None else key},
    )


def test_the_admin_endpoint_does_what_the_methods_do(client: TokenClient) -> None:
    assert operate(client.cloud, "disable_user", user=ALICE).json() == {"result": None}
    assert client.password(ALICE).json()["error_codes"] == [50057]
    assert operate(client.cloud, "count_requests", path="token").json() == {"result": 1}
    assert operate(client.cloud, "requests").json()["result"][0]["grant_type"] == "password"


def test_the_admin_endpoint_reads_json_whatever_the_content_type_says(client: TokenClient) -> None:
    # `curl -d` claims to send a form.
    headers = {"X-Admin-Key": client.cloud.admin_key, "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{client.cloud.url}/admin/disable_user"
    assert client.session.post(url, data=json.dumps({"user": ALICE}), headers=headers).status_code == 200
    assert client.password(ALICE).json()["error_codes"] == [50057]


def test_the_admin_endpoint_wants_its_key(fresh_cloud: LocalCloud) -> None:
    assert operate(fresh_cloud, "reset", key="wrong").status_code == 403
    assert operate(fresh_cloud, "reset", key="").status_code == 403


@pytest.mark.parametrize(
    ("operation", "arguments", "status"),
    [
        ("nothing", {}, 404),
        ("_access", {}, 404),
        ("disable_user", {"user": "nobody"}, 404),
        ("disable_user", {"nonsense": 1}, 400),
        ("fail_next", {"kind": "nonsense"}, 400),
    ],
)
def test_a_wrong_admin_request_is_refused(
    fresh_cloud: LocalCloud, operation: str, arguments: dict[str, Any], status: int
) -> None:
    assert operate(fresh_cloud, operation, **arguments).status_code == status


def test_generated_tenants_and_subscriptions_are_all_visible() -> None:
    with LocalCloud(tenants=3, subscriptions=4) as cloud:
        client = TokenClient(cloud)
        answer = client.password(MAX).json()
        assert len(client.arm("/tenants", answer["access_token"]).json()["value"]) == 3
        there = client.refresh(answer["refresh_token"], "tenant002.example").json()["access_token"]
        rows = client.arm("/subscriptions", there).json()["value"]
        assert [row["displayName"] for row in rows] == [f"Tenant 002 Subscription {n:03}" for n in range(1, 5)]


def test_identifiers_are_the_same_in_every_cloud() -> None:
    first, second = LocalCloud(), LocalCloud()
    assert first.directory == second.directory
    first.stop()
    second.stop()


def test_the_program_tells_when_it_is_ready_and_ends_on_a_signal(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    state = tmp_path / "state"
    root = Path(__file__).resolve().parents[3]
    command = [
        sys.executable,
        "-m",
        "tests.localcloud",
        "--ready-file",
        str(ready),
        "--state-dir",
        str(state),
    ]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            until(ready.exists)
            told = json.loads(ready.read_text())
            assert told["pid"] == process.pid
            assert os.stat(ready).st_mode & 0o777 == 0o600
            assert {os.stat(f).st_mode & 0o777 for f in state.iterdir()} == {0o600}
            session = requests.Session()
            session.trust_env = False
            assert session.get(told["url"] + DISCOVERY, verify=told["ca_bundle"], timeout=60).status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        introduction = process.stdout.read()
    assert "alice-local-password" in introduction
    assert f"az cloud register -n LocalCloud --endpoint-resource-manager {told['url']}" in introduction
    assert not ready.exists()


def test_a_stopped_cloud_leaves_no_files_and_no_listener() -> None:
    with LocalCloud() as cloud:
        client = TokenClient(cloud)
        look(client)
        folder = cloud.ca_bundle.parent
    assert not folder.exists()
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(cloud.url, timeout=2)


def test_many_clients_at_once_are_all_served(client: TokenClient) -> None:
    def sign_in(_: int) -> int:
        mine = TokenClient(client.cloud, AZURE_CLI)
        token = mine.password(ALICE).json()["access_token"]
        return mine.arm("/subscriptions", token).status_code

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(sign_in, range(64))) == [200] * 64
