"""core.encrypt_token_cache with a later azure-cli: separate items of the keyring, or plain text without a keyring."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.keyring import broken_pygobject
from tests.harness.later_host import PERSISTENCE, later
from tests.harness.sign_in import sign_in
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libsecret is the keyring of Linux")

_SERVICE_PRINCIPAL = ("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example")
_WARNING = "This later azure-cli stores secrets in plain text."
_NAMES = ("msal_token_cache", "service_principal_entries")


def _files(az: Az) -> set[str]:
    return {path.name for path in az.config_dir.iterdir() if path.name.startswith(_NAMES)}


def _contents(az: Az) -> list[Any]:
    """Return what this host has in its store of tokens and in that of secrets; None if it has nothing."""
    program = (
        "import json\n"
        "from azure.cli.core.auth import persistence\n"
        f"for location, kind in zip({_NAMES!r}, ('Token cache', 'Secret store')):\n"
        "    try: print(json.dumps(json.loads(persistence.build_persistence(location, True, kind).load())))\n"
        "    except persistence.PersistenceNotFound: print('null')\n"
    )
    done = subprocess.run(
        [str(az.host.az.parent / "python"), "-c", program],
        env=az.environment(),
        cwd=az.config_dir,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _token(az: Az, *options: str) -> str:
    return str(az.run("account", "get-access-token", *options).ok().json()["accessToken"])


@pytest.mark.parametrize(
    "store, extension", [("keyring", ".sig"), ("file", ".bin")], ids=["items of a keyring", "encrypted files"]
)
def test_users_and_service_principals_sign_in_where_the_host_encrypts_their_secrets_separately(
    make_az: Callable[..., Az],
    cloud: LocalCloud,
    keyring: dict[str, str],
    tmp_path: Path,
    store: str,
    extension: str,
) -> None:
    az = later(make_az().with_env(**keyring, LATER_HOST_STORE=store), tmp_path / "later", PERSISTENCE)
    stock = replace(az, extension_dir=None)
    sign_in(az, cloud, ALICE).ok()
    az.run(*_SERVICE_PRINCIPAL).ok()
    assert _files(az) == {name + extension for name in _NAMES}
    assert not any(CI_SECRET.encode() in path.read_bytes() for path in az.config_dir.glob("*") if path.is_file())
    tokens, secrets = _contents(az)
    assert [account["username"] for account in tokens["Account"].values()] == [ALICE]
    assert [entry["client_id"] for entry in secrets] == [CI_APP]
    of_principal = _token(az)
    assert of_principal == _token(stock)

    assert az.run("logout", "--username", CI_APP).ok()
    tokens, secrets = _contents(az)
    assert secrets == []
    assert of_principal not in json.dumps(tokens)
    az.run("account", "set", "--subscription", "Contoso Development").ok()
    assert _token(az) == _token(stock)

    az.run("account", "clear").ok()
    assert _contents(az) in ([{}, []], [None, None])
    assert _files(az) == set()


@pytest.mark.parametrize("failure", ["no PyGObject", "no keyring service"])
def test_without_a_keyring_secrets_are_in_plain_text_if_the_host_does_that_and_only_a_sign_in_reports_it(
    make_az: Callable[..., Az], cloud: LocalCloud, tmp_path: Path, failure: str
) -> None:
    az = make_az().with_env(AZURE_CORE_ENCRYPT_TOKEN_CACHE="true", PYTHONPATH=broken_pygobject(tmp_path, failure))
    az = later(az, tmp_path / "later", PERSISTENCE)
    assert sign_in(az, cloud, ALICE).ok().stderr.count(_WARNING) == 1
    assert az.run(*_SERVICE_PRINCIPAL).ok().stderr.count(_WARNING) == 1
    assert _files(az) == {name + ".json" for name in _NAMES}
    result = az.run("account", "get-access-token").ok()
    assert result.stderr == ""
    assert result.json()["accessToken"] == _token(replace(az, extension_dir=None))
    assert az.run("logout").ok().stderr.count(_WARNING) == 0
    az.run("account", "clear").ok()
    assert _files(az) == set()


def test_a_sign_out_with_encryption_off_reports_that_the_keyring_may_hold_credentials(
    make_az: Callable[..., Az], cloud: LocalCloud, keyring: dict[str, str], tmp_path: Path
) -> None:
    az = later(make_az().with_env(**keyring), tmp_path / "later", PERSISTENCE)
    sign_in(az, cloud, ALICE).ok()
    plain = az.with_env(AZURE_CORE_ENCRYPT_TOKEN_CACHE="false")
    for words in (("logout",), ("account", "clear")):
        assert plain.run(*words).ok().stderr.count("The keyring may still hold encrypted credentials") == 1
    assert _files(az) == {"msal_token_cache.sig"}, "the next command with encryption has to find the item"
    assert "keyring" not in az.run("account", "clear").ok().stderr
    assert _contents(az) == [{}, None]
    assert _files(az) == set()
