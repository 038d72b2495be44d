"""Tokens of the user who opened a Cloud Shell."""

from __future__ import annotations

import time

import pytest
from azure.cli.core.util import in_cloud_console

from azext_login.auth.jwt import claims_of
from azext_login.auth.managed_identity.cloud_shell import CloudShellCredential, in_cloud_shell
from azext_login.errors import ServiceUnreachableError, SignInError, UnexpectedAnswerError
from azext_login.system.http.session import build_session
from tests.localcloud.testing import TokenClient
from tests.unit.auth.managed_identity.environments import black_hole, in_environment, listening
from tests.users import BOB

pytest_plugins = ["tests.localcloud.fixtures"]

SCOPES = ["https://management.core.windows.net//.default"]


def credential(pauses: list[float] | None = None) -> CloudShellCredential:
    return CloudShellCredential(http=build_session(), sleep=([] if pauses is None else pauses).append)


def test_the_token_is_the_user_s_and_resource_manager_accepts_it(client: TokenClient) -> None:
    with listening() as (proxy, heard):
        proxies = dict.fromkeys(("http_proxy", "https_proxy"), f"http://{proxy}")
        with in_environment({**client.cloud.cloud_shell_environment(BOB), **proxies}):
            token = credential().token(SCOPES)
    claims = claims_of(token.secret)
    assert claims["unique_name"] == BOB
    assert abs(token.expires_on - claims["exp"]) <= 2
    assert client.arm("/subscriptions", token.secret).status_code == 200
    # No request went to the sign-in service or a proxy.
    assert [row.path for row in client.cloud.admin.requests()][:-1] == ["/cloudshell/bob@fabrikam.example/oauth2/token"]
    assert heard == []


def test_it_is_cloud_shell_if_the_host_detects_it(client: TokenClient) -> None:
    for environment in ({}, {"ACC_CLOUD": ""}, client.cloud.cloud_shell_environment()):
        with in_environment(environment):
            assert in_cloud_shell() == bool(in_cloud_console())
    assert in_cloud_shell(client.cloud.cloud_shell_environment())


def test_outside_cloud_shell_no_browser_opens(client: TokenClient) -> None:
    with in_environment({"ACC_CLOUD": "PROD"}), pytest.raises(SignInError, match="AZUREPS_HOST_ENVIRONMENT") as caught:
        credential().token(SCOPES)
    assert caught.value.recommendations[0].endswith("\naz login")


def test_a_resource_that_cloud_shell_has_no_tokens_for_is_named(client: TokenClient) -> None:
    with in_environment(client.cloud.cloud_shell_environment()), pytest.raises(SignInError) as caught:
        credential().token(["https://nothing.example/.default"])
    assert str(caught.value).startswith("The requested scope or resource was not found.")
    assert "Audience https://nothing.example is not a supported MSI token audience" in str(caught.value)


@pytest.mark.parametrize("kind", ["html", "malformed"])
def test_an_answer_without_a_token_is_one_clear_error(client: TokenClient, kind: str) -> None:
    client.cloud.admin.fail_next("/cloudshell/", kind=kind)
    with (
        in_environment(client.cloud.cloud_shell_environment()),
        pytest.raises(UnexpectedAnswerError, match="Cloud Shell"),
    ):
        credential().token(SCOPES)


def test_a_request_to_a_busy_service_is_repeated(client: TokenClient) -> None:
    client.cloud.admin.fail_next("/cloudshell/", kind="unavailable")
    pauses: list[float] = []
    with in_environment(client.cloud.cloud_shell_environment()):
        assert credential(pauses).token(SCOPES)
    assert pauses == [1]


def test_a_service_that_drops_packets_is_an_error_within_five_seconds(client: TokenClient) -> None:
    begin = time.monotonic()
    with black_hole() as hole:
        environment = {**client.cloud.cloud_shell_environment(), "MSI_ENDPOINT": f"http://{hole}/oauth2/token"}
        with in_environment(environment), pytest.raises(ServiceUnreachableError, match="did not answer in time"):
            credential().token(SCOPES)
    assert time.monotonic() - begin < 5
