"""What a service for managed identities answers is not logged: a malformed answer may contain a token, too."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.az import Az
from tests.integration.canaries import files_in
from tests.integration.test_managed_identities import IDENTITY, environment_of
from tests.localcloud import LocalCloud

TOKEN = "canary-of-a-token-0815"
LIFETIME = {"expires_in": 3600, "expires_on": 4102444800}
MALFORMED = {
    "no JSON": json.dumps({"access_token": TOKEN, **LIFETIME})[:-1],
    "no web token": json.dumps({"access_token": f"head.{TOKEN}.signature", **LIFETIME}),
    "no lifetime": json.dumps({"access_token": TOKEN}),
    "an odd lifetime": json.dumps({"access_token": TOKEN, "expires_in": TOKEN, "expires_on": TOKEN}),
    "no token": json.dumps({"accessToken": TOKEN, **LIFETIME}),
    "a list": json.dumps([TOKEN]),
    "a token in place of its type": json.dumps({"access_token": TOKEN, "token_type": TOKEN, **LIFETIME}),
}
COMMANDS = (IDENTITY, ("account", "get-access-token"))
# For Cloud Shell, the host's MSAL sends requests to one port of this computer, which tests cannot have.
BUILT_IN = ("group", "list")
WITHOUT_BUILT_IN = ("cloud_shell",)


@pytest.mark.parametrize("answer", MALFORMED)
@pytest.mark.parametrize("kind", ["imds", "app_service", "arc", "service_fabric", "machine_learning", "cloud_shell"])
def test_a_malformed_answer_is_neither_printed_nor_logged(
    make_az: Callable[..., Az], own_cloud: LocalCloud, kind: str, answer: str
) -> None:
    az = make_az(cloud=own_cloud).with_env(
        **environment_of(own_cloud, kind), AZURE_LOGGING_ENABLE_LOG_FILE="yes", AZURE_CORE_OUTPUT="none"
    )
    az.run(*IDENTITY).ok()
    own_cloud.admin.fail_next("/token", count=None, status=200, body=MALFORMED[answer])
    for words in COMMANDS if kind in WITHOUT_BUILT_IN else (*COMMANDS, BUILT_IN):
        result = az.run(*words, "--debug")
        assert "DEBUG: " in result.stderr
        assert TOKEN not in result.stdout + result.stderr, words
    files = files_in(az.config_dir)
    assert b"get-access-token" in files["logs/az.log"]
    assert not [name for name, content in files.items() if TOKEN.encode() in content]
