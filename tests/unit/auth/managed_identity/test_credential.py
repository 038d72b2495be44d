"""Tokens of managed identities from the local cloud's endpoints, over real sockets: issued, delayed and missing."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from azext_login.auth.jwt import claims_of
from azext_login.auth.managed_identity.answers import BusyError
from azext_login.auth.managed_identity.credential import ManagedIdentityCredential, resource_of
from azext_login.auth.managed_identity.requests import BoundedHttpClient, limit_attempt
from azext_login.auth.managed_identity.sources import find_source
from azext_login.errors import ServiceUnreachableError, SignInError
from azext_login.system.http.session import build_session
from azext_login.system.patience import limit_waits
from tests.harness.az import NOWHERE
from tests.localcloud import DEPLOY_IDENTITY, READER_IDENTITY, VM_IDENTITY
from tests.localcloud.testing import TokenClient
from tests.unit.auth.managed_identity.environments import black_hole, in_environment, listening
from tests.unit.auth.managed_identity.identities import (
    KINDS,
    SCOPES,
    TOKENS,
    WITH_CHOICE,
    Watch,
    credential,
    environment_of,
    refused,
    said,
)

pytest_plugins = ["tests.localcloud.fixtures"]


# -- tokens ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_service_issues_a_token_that_resource_manager_accepts(client: TokenClient, kind: str) -> None:
    with in_environment(environment_of(client.cloud, kind)):
        token = credential().token(SCOPES)
    claims = claims_of(token.secret)
    assert claims["appid"] == VM_IDENTITY
    assert claims["aud"] == "https://management.core.windows.net/"
    assert abs(token.expires_on - claims["exp"]) <= 2
    assert client.arm("/subscriptions", token.secret).status_code == 200


@pytest.mark.parametrize("kind", WITH_CHOICE)
@pytest.mark.parametrize("option", ["client_id", "object_id", "resource_id"])
def test_an_id_chooses_the_identity(client: TokenClient, kind: str, option: str) -> None:
    app = client.cloud.directory.application("deploy-identity")
    value = {"client_id": app.app_id, "object_id": app.principals[0].oid, "resource_id": app.resource_id}[option]
    with in_environment(environment_of(client.cloud, kind)):
        ids: dict[str, Any] = {option: value}
        made = credential(**ids)
        again = ManagedIdentityCredential.from_info(made.assigned_identity_info, http=build_session())
        for one in (made, again):
            assert claims_of(one.token(SCOPES).secret)["appid"] == DEPLOY_IDENTITY


def test_a_stored_account_is_the_identity_that_signed_in(client: TokenClient) -> None:
    made = credential(resource_id="/subscriptions/a")
    assert (made.assigned_identity_info, made.user_name) == ("MSIResource-/subscriptions/a", "userAssignedIdentity")
    again = ManagedIdentityCredential.from_info("MSI", http=build_session())
    assert (again.assigned_identity_info, again.user_name) == ("MSI", "systemAssignedIdentity")


def test_a_slash_after_the_metadata_service_s_address_changes_nothing(client: TokenClient) -> None:
    with in_environment({"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"{client.cloud.identity_url}/"}):
        assert credential().token(SCOPES)


def test_a_token_is_requested_once_per_resource(client: TokenClient) -> None:
    with in_environment(client.cloud.imds_environment()):
        one = credential()
        assert one.token(SCOPES).secret == one.token(SCOPES).secret
        one.token(["https://vault.azure.net/.default"])
    assert client.cloud.admin.count_requests(TOKENS) == 2


def test_the_scope_becomes_the_resource_with_its_slashes() -> None:
    assert resource_of(SCOPES) == "https://management.core.windows.net/"
    assert resource_of(["https://vault.azure.net/.default"]) == "https://vault.azure.net"
    assert resource_of(["https://vault.azure.net/user_impersonation"]) == "https://vault.azure.net"


def test_another_tenant_than_its_own_is_refused(client: TokenClient) -> None:
    home = client.cloud.directory.tenant("contoso.example").id
    with in_environment(client.cloud.imds_environment()):
        one = credential()
        assert one.token(SCOPES, tenant=home.upper())
        with pytest.raises(SignInError, match=f"home tenant of .* is '{home}'") as caught:
            one.token(SCOPES, tenant=READER_IDENTITY)
    assert f"az login --tenant {READER_IDENTITY}" in said(caught.value)


def test_no_request_goes_through_a_proxy(client: TokenClient) -> None:
    with listening() as (proxy, heard):
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), f"http://{proxy}")
        for kind in KINDS:
            with in_environment({**environment_of(client.cloud, kind), **proxies}):
                assert credential().token(SCOPES)
    assert heard == []


def test_the_user_agent_is_the_command_s(client: TokenClient) -> None:
    with listening() as (address, heard), in_environment({"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{address}"}):
        refused(ServiceUnreachableError)
    assert b"AZURECLI/1" in heard[0]


def test_no_secret_is_logged(client: TokenClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [client.cloud.identity_secret]
    for kind in KINDS:
        with in_environment(environment_of(client.cloud, kind)):
            one = credential()
            secrets.append(one.token(SCOPES).secret)
            assert secrets[-1] not in repr(one.token(SCOPES))
    assert "Managed identities: " in caplog.text
    assert not [secret for secret in secrets if secret in caplog.text]


# -- missing services ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "service"),
    [
        ({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://{0}"}, "IMDS"),
        ({"IDENTITY_ENDPOINT": "http://{0}/msi", "IDENTITY_HEADER": "s3cret"}, "App Service"),
        ({"MSI_ENDPOINT": "http://{0}/msi", "MSI_SECRET": "s3cret"}, "Machine Learning"),
        ({"IDENTITY_ENDPOINT": "http://{0}/msi", "IMDS_ENDPOINT": "http://{0}"}, "Azure Arc"),
        (
            {
                "IDENTITY_ENDPOINT": "https://{0}/msi",
                "IDENTITY_HEADER": "s3cret",
                "IDENTITY_SERVER_THUMBPRINT": "0" * 40,
            },
            "Service Fabric",
        ),
    ],
)
@pytest.mark.parametrize("packets", ["dropped", "refused"])
def test_a_missing_service_is_an_error_within_five_seconds(
    environment: Mapping[str, str], service: str, packets: str
) -> None:
    with black_hole() as hole, listening() as (proxy, heard):
        address = hole if packets == "dropped" else NOWHERE.removeprefix("http://")
        there = {name: value.format(address) for name, value in environment.items()}
        begin = time.monotonic()
        with in_environment({**there, "http_proxy": f"http://{proxy}", "https_proxy": f"http://{proxy}"}):
            text = refused(ServiceUnreachableError)
        assert time.monotonic() - begin < 5
    assert heard == []
    assert service in text
    assert address in text
    assert ("did not answer in time" in text) == (packets == "dropped")
    assert f"because of the environment: {', '.join(environment)}." in text
    assert text.endswith("\naz login")
    assert "s3cret" not in text


def test_a_service_that_never_answers_is_an_error_within_five_seconds(client: TokenClient) -> None:
    client.cloud.admin.fail_next(kind="hang", hang=600)
    begin = time.monotonic()
    with in_environment(client.cloud.imds_environment()):
        text = refused(ServiceUnreachableError)
    assert time.monotonic() - begin < 5
    assert "did not answer in time" in text


def test_a_process_whose_packets_are_dropped_exits_within_five_seconds() -> None:
    script = (
        "from azext_login.auth.managed_identity.credential import ManagedIdentityCredential as C\n"
        "import msal, requests\n"
        "print('started', flush=True)\n"
        "C(http=requests.Session()).token(['https://vault.azure.net/.default'])"
    )
    with black_hole() as hole:
        proxy = {"http_proxy": f"http://{hole}", "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{hole}"}
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, **proxy},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        begin = time.monotonic()
        _, stderr = process.communicate(timeout=60)
        assert time.monotonic() - begin < 5
    assert "No managed identity was found." in stderr


def test_an_attempt_that_never_ends_times_out() -> None:
    source = find_source({}, exists=lambda path: False)
    with pytest.raises(ServiceUnreachableError, match=r"did not answer within 0\.1 seconds"):
        limit_attempt(lambda: time.sleep(3), source, seconds=0.1)
    assert limit_attempt(lambda: "token", source) == "token"
    with pytest.raises(KeyError):
        limit_attempt(lambda: dict[str, str]()["x"], source)


def test_a_process_exits_after_an_attempt_has_timed_out() -> None:
    script = (
        "from azext_login.auth.managed_identity.requests import limit_attempt; import time\n"
        "from azext_login.auth.managed_identity.sources import find_source\n"
        "limit_attempt(lambda: time.sleep(60), find_source({}), seconds=0.1)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50)
    assert "did not answer within 0.1 seconds" in result.stderr


def test_requests_have_timeouts_and_follow_no_redirect() -> None:
    class Session(requests.Session):
        def request(self, method: str, url: str, **kwargs: Any) -> Any:  # type: ignore[override]
            return kwargs

    client = BoundedHttpClient(Session(), lambda url: url)
    sent: list[Any] = [client.get("http://x"), client.post("http://x")]
    for options in sent:
        connect, read = options["timeout"]
        assert connect <= 2
        assert read <= 20
        assert options["allow_redirects"] is False


# -- a busy service ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
def test_a_request_to_imds_is_repeated_while_it_is_updated_or_busy(client: TokenClient, status: int) -> None:
    client.cloud.admin.fail_next(TOKENS, status=status, count=2)
    watch = Watch()
    with in_environment(client.cloud.imds_environment()):
        assert credential(watch).token(SCOPES)
    assert watch.pauses == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_to_any_unavailable_service_is_repeated(client: TokenClient, kind: str) -> None:
    client.cloud.admin.fail_next("/token", kind="unavailable")
    watch = Watch()
    with in_environment(environment_of(client.cloud, kind)):
        assert credential(watch).token(SCOPES)
    assert watch.pauses == [1]


@pytest.mark.parametrize("kind", ["app_service", "machine_learning", "service_fabric"])
@pytest.mark.parametrize("status", [404, 410])
def test_404_and_410_are_temporary_for_imds_only(client: TokenClient, kind: str, status: int) -> None:
    client.cloud.admin.fail_next("/token", status=status, body='{"message": "gone"}')
    watch = Watch()
    with in_environment(environment_of(client.cloud, kind)):
        text = refused(SignInError, watch)
    assert watch.pauses == []
    assert f"answered with HTTP status {status}: gone" in text


def test_the_pause_is_the_one_that_the_service_demands(client: TokenClient) -> None:
    client.cloud.admin.fail_next(TOKENS, kind="throttled", headers={"Retry-After": "7"})
    watch = Watch()
    with in_environment(client.cloud.imds_environment()):
        assert credential(watch).token(SCOPES)
    assert watch.pauses == [7]


@pytest.mark.parametrize(
    ("demanded", "pauses", "advised"),
    [
        ("60", [], "60 seconds"),
        ("6", [6], "6 seconds"),
        ("0.5", [0.5] * 3, "1 second"),
        ("soon", [1, 2, 4], "a minute"),
    ],
)
def test_requests_are_repeated_for_ten_seconds_at_most(
    client: TokenClient, demanded: str, pauses: list[float], advised: str
) -> None:
    client.cloud.admin.fail_next(TOKENS, count=None, kind="throttled", headers={"Retry-After": demanded})
    watch = Watch()
    with in_environment(client.cloud.imds_environment()):
        text = refused(BusyError, watch)
    assert watch.pauses == pauses
    assert client.cloud.admin.count_requests(TOKENS) == len(pauses) + 1
    assert "cannot issue a token at the moment (HTTP status 429): Slow down." in text
    assert text.endswith(f"Run the command again in {advised}.")


@pytest.mark.parametrize(("demanded", "pauses"), [("7", []), ("4", [4]), ("soon", [1, 2])])
def test_a_program_gets_the_error_of_a_busy_service_before_it_stops_the_command(
    client: TokenClient, demanded: str, pauses: list[float]
) -> None:
    client.cloud.admin.fail_next(TOKENS, count=None, kind="throttled", headers={"Retry-After": demanded})
    watch = Watch()
    with in_environment(client.cloud.imds_environment()), limit_waits(clock=watch, process_age=lambda: 0.7):
        text = refused(BusyError, watch)
    assert watch.pauses == pauses
    assert "HTTP status 429" in text
    assert "az login" not in text


def test_the_search_for_an_identity_service_takes_what_is_left_of_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    with (
        black_hole() as address,
        in_environment({"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{address}"}),
        limit_waits(process_age=lambda: 7.0),
    ):
        started = time.monotonic()
        refused(ServiceUnreachableError)
    assert time.monotonic() - started < 1.9


def test_an_update_of_imds_that_takes_longer_is_reported(client: TokenClient) -> None:
    client.cloud.admin.fail_next(TOKENS, count=None, status=410, body="")
    with in_environment(client.cloud.imds_environment()):
        assert "It is being updated, which takes up to 70 seconds." in refused(BusyError)


def test_the_advice_for_a_workload_with_a_federated_token_is_to_use_it(client: TokenClient) -> None:
    no_service = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": NOWHERE}
    with in_environment({**no_service, "AZURE_FEDERATED_TOKEN_FILE": "/var/run/token"}):
        assert refused(ServiceUnreachableError).endswith("\naz login --from-env")
