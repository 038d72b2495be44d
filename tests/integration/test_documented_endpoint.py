"""The code blocks of docs/token-endpoint.rst: a program, another account and a container get tokens."""

from __future__ import annotations

import sys

import pytest

from tests.harness.az import Az
from tests.harness.sign_in import sign_in
from tests.integration.documentation import bash, block
from tests.integration.token_cache_files import claims_of
from tests.localcloud import LocalCloud
from tests.users import ALICE, BOB

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the blocks are written for bash")

_PROGRAM = "az account serve-tokens -- python3 job.py"
_ACCOUNT = "az account serve-tokens --username bob@contoso.com --allow-resource https://vault.azure.net -- ./job.sh"
_CONTAINER = "umask 077"

#: First line of each block that is tested here.
TESTED = {_PROGRAM, _ACCOUNT, _CONTAINER}

_BRIDGE = "172.17.0.1"
_ARM = "https://management.localcloud.example"

# What a program of the user does: it asks for a token by the two variables, and prints it.
_JOB = """\
import json, os, sys, urllib.parse, urllib.request

query = urllib.parse.urlencode({"api-version": "2019-08-01", "resource": sys.argv[1]})
request = urllib.request.Request(
    os.environ["IDENTITY_ENDPOINT"] + "?" + query, headers={"X-IDENTITY-HEADER": os.environ["IDENTITY_HEADER"]}
)
with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
    print(json.load(answer)["access_token"])
"""

# In place of Docker: the program runs here, with the variables in the file.
_DOCKER = f"""docker() {{
    test "$1 $2 $4" = "run --env-file contoso/job"
    env $(cat "$3") python3 job.py {_ARM}
}}"""


@pytest.fixture
def az(signed_in: Az) -> Az:
    """`az` with alice signed in, and the programs of the documentation in the working directory."""
    (signed_in.config_dir / "job.py").write_text(_JOB, encoding="utf-8")
    script = signed_in.config_dir / "job.sh"
    script.write_text("#!/bin/sh\nexec python3 job.py https://vault.azure.net\n", encoding="utf-8")
    script.chmod(0o755)
    return signed_in.with_env(PATH=f"{signed_in.host.bin}:/usr/bin:/bin")


def test_a_program_gets_tokens(az: Az) -> None:
    (line,) = block(_PROGRAM)
    assert claims_of(bash(az, [f"{line} {_ARM}"]).strip())["unique_name"] == ALICE


def test_a_program_gets_tokens_of_another_account(az: Az, cloud: LocalCloud) -> None:
    sign_in(az, cloud, BOB).ok()
    sign_in(az, cloud, ALICE).ok()
    (line,) = block(_ACCOUNT)
    claims = claims_of(bash(az, [line.replace("bob@contoso.example", BOB)]).strip())
    assert (claims["unique_name"], claims["aud"]) == (BOB, "https://vault.azure.net")


def test_a_container_gets_tokens(az: Az) -> None:
    lines = [line.replace(_BRIDGE, "127.0.0.1") for line in block(_CONTAINER)]
    assert claims_of(bash(az, [_DOCKER, *lines, "wait"]).strip())["unique_name"] == ALICE
    assert (az.config_dir / "endpoint.env").stat().st_mode & 0o077 == 0
