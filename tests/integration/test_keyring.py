"""core.encrypt_token_cache: with the keyring of Linux, without one, and with two stores in its one place."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.az import Az, Result
from tests.harness.keyring import FAILURES, broken_pygobject
from tests.harness.sign_in import sign_in
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE, BOB

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="libsecret is the keyring of Linux")

SETTING = "core.encrypt_token_cache"


def _encrypting(az: Az) -> Az:
    return az.with_env(AZURE_CORE_ENCRYPT_TOKEN_CACHE="true")


# Without a keyring


def _assert_names_the_setting(result: Result) -> None:
    error = result.failed().stderr
    assert SETTING in error, f"the error does not name the setting\n{result}"


@pytest.fixture(params=FAILURES)
def without_keyring(signed_in: Az, tmp_path: Path, request: pytest.FixtureRequest) -> Az:
    """`az` with encryption turned on where it cannot work, in a directory that alice is signed in to in plain text."""
    return _encrypting(signed_in).with_env(PYTHONPATH=broken_pygobject(tmp_path, request.param))


def test_without_a_keyring_tokens_and_sign_in_fail_with_the_setting_in_the_error(
    without_keyring: Az, cloud: LocalCloud
) -> None:
    before = without_keyring.profile()
    _assert_names_the_setting(without_keyring.run("account", "get-access-token"))
    _assert_names_the_setting(sign_in(without_keyring, cloud, BOB))
    assert without_keyring.profile() == before


def test_without_a_keyring_everything_works_that_needs_no_token(without_keyring: Az) -> None:
    az = without_keyring
    assert len(az.run("account", "list").ok().json()) > 1
    az.run("account", "set", "--subscription", "Contoso Development").ok()
    assert az.run("account", "show", "--query", "name").ok().json() == "Contoso Development"


@pytest.mark.parametrize("command", [("logout",), ("account", "clear")])
def test_without_a_keyring_signing_out_works(without_keyring: Az, command: tuple[str, ...]) -> None:
    without_keyring.run(*command).ok()
    assert without_keyring.run("account", "list").ok().json() == []


def test_turning_encryption_off_as_the_error_advises_helps(without_keyring: Az) -> None:
    az = without_keyring.with_env(AZURE_CORE_ENCRYPT_TOKEN_CACHE=None)
    az.run("config", "set", f"{SETTING}=true").ok()
    _assert_names_the_setting(az.run("account", "get-access-token"))
    az.run("config", "set", f"{SETTING}=false").ok()
    az.run("account", "get-access-token").ok()


# With the real thing


def _item(az: Az) -> str:
    """Return what is in the one place of the keyring, or "" if there is nothing."""
    program = (
        "from azure.cli.core.auth.persistence import build_persistence\n"
        "try: print(build_persistence('x', True).load())\n"
        "except Exception as error:\n"
        "    if 'PersistenceNotFound' not in repr(error): raise\n"
    )
    done = subprocess.run(
        [str(az.host.az.parent / "python"), "-c", program],
        env=az.environment(),
        cwd=az.config_dir,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _plain_traces(az: Az, *words: str) -> list[str]:
    return [
        path.name
        for path in az.config_dir.iterdir()
        if path.is_file() and any(word.encode() in path.read_bytes() for word in words)
    ]


def test_with_a_keyring_the_tokens_are_in_it_and_nowhere_else(
    make_az: Callable[..., Az], cloud: LocalCloud, keyring: dict[str, str]
) -> None:
    az = make_az().with_env(**keyring)
    sign_in(az, cloud, ALICE).ok()
    az.run("account", "get-access-token").ok()
    az.run("account", "get-access-token", "--tenant", "fabrikam.example").ok()
    az.run("group", "list").ok()
    assert "RefreshToken" in _item(az)
    assert not (az.config_dir / "msal_token_cache.json").exists()
    assert not _plain_traces(az, "RefreshToken")

    sign_in(az, cloud, BOB).ok()
    az.run("logout", "--username", ALICE).ok()
    assert ALICE not in _item(az)
    assert BOB in _item(az)
    az.run("account", "set", "--subscription", "Shared Platform").ok()
    az.run("account", "get-access-token").ok()

    az.run("account", "clear").ok()
    assert BOB not in _item(az)
    assert "secret" not in _item(az)
    assert not _plain_traces(az, BOB, ALICE)
    assert az.run("account", "list").ok().json() == []


def test_a_service_principal_in_the_keyring_is_signed_out_with_its_secret(
    make_az: Callable[..., Az], cloud: LocalCloud, keyring: dict[str, str]
) -> None:
    az = make_az().with_env(**keyring)
    words = ("--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example")
    result = az.run("login", *words)
    result.assert_clean()
    if result.exit_code:
        _assert_names_the_setting(result)
    az.run("logout", "--username", CI_APP).ok()
    assert CI_SECRET not in _item(az)


def test_two_stores_in_one_place_of_the_keyring_give_one_error_that_names_the_setting(
    make_az: Callable[..., Az], cloud: LocalCloud, keyring: dict[str, str]
) -> None:
    az = make_az().with_env(**keyring)
    _put(az, f'[{{"client_id": "{CI_APP}", "tenant": "t", "client_secret": "s"}}]')
    _assert_names_the_setting(sign_in(az, cloud, ALICE))
    assert CI_APP in _item(az), "the secret of the service principal is still there"
    az.run("logout", "--username", CI_APP).ok()
    sign_in(az, cloud, ALICE).ok()
    _assert_names_the_setting(
        az.run("login", "--service-principal", "-u", CI_APP, f"-p={CI_SECRET}", "--tenant", "contoso.example")
    )
    az.run("account", "get-access-token").ok()
    az.run("account", "clear").ok()
    assert az.run("account", "list").ok().json() == []


def test_a_damaged_item_in_the_keyring_can_be_cleared(
    make_az: Callable[..., Az], cloud: LocalCloud, keyring: dict[str, str]
) -> None:
    az = make_az().with_env(**keyring)
    sign_in(az, cloud, ALICE).ok()
    _put(az, "no JSON")
    error = az.run("account", "get-access-token").failed().stderr
    assert "az account clear" in error
    az.run("account", "list").ok()
    az.run("account", "clear").ok()
    sign_in(az, cloud, ALICE).ok()
    az.run("account", "get-access-token").ok()


def _put(az: Az, content: str) -> None:
    """Put something into the keyring where the host has its tokens."""
    program = (
        "import sys; from azure.cli.core.auth.persistence import build_persistence\n"
        "build_persistence('x', True).save(sys.argv[1])"
    )
    subprocess.run(
        [str(az.host.az.parent / "python"), "-c", program, content],
        env=az.environment(),
        cwd=az.config_dir,
        check=True,
        capture_output=True,
    )


def test_with_a_keyring_a_new_token_can_be_asked_for_and_an_old_one_be_used_without_the_service(
    make_az: Callable[..., Az], own_cloud: LocalCloud, keyring: dict[str, str]
) -> None:
    az = make_az(cloud=own_cloud).with_env(**keyring)
    sign_in(az, own_cloud, ALICE).ok()

    def token(*options: str) -> str:
        return str(az.run("account", "get-access-token", *options).ok().json()["accessToken"])

    first = token()
    assert token("--min-validity", "10m") == first
    time.sleep(1.1)  # tokens are cached by the second
    forced = token("--force-refresh")
    assert forced != first
    assert token() == forced
    own_cloud.admin.token_lifetime(200)
    error = az.run("account", "get-access-token", "--min-validity", "3h").failed().stderr
    # It has lived since it was issued, and the keyring may have taken its time.
    lifetime = re.search(r"is valid for (\d+) seconds at most", error)
    assert lifetime, error
    assert 100 < int(lifetime[1]) <= 200
    own_cloud.admin.fail_next("/token$", count=None, kind="drop")
    result = az.run("account", "get-access-token").ok()
    assert "used as it is" in result.stderr
    assert result.json()["accessToken"] not in (first, forced)


@pytest.mark.parametrize("value", ["", "100%"])
def test_a_setting_that_is_neither_on_nor_off_ends_only_what_needs_a_secret(signed_in: Az, value: str) -> None:
    az = signed_in.with_env(AZURE_CORE_ENCRYPT_TOKEN_CACHE=value)
    assert az.run("account", "show").ok().stderr == ""
    assert az.run("account", "list").ok().json()
    az.run("account", "set", "-s", "Contoso Development").ok()
    files = [az.profile_path, az.config_dir / "msal_token_cache.json"]
    before = [path.read_bytes() for path in files]
    for command in ("account get-access-token", "account list --refresh", "logout", "account clear"):
        said = az.run(*command.split()).failed().stderr
        assert "core.encrypt_token_cache is neither on nor off" in said
        assert "az config unset core.encrypt_token_cache" in said
    assert [path.read_bytes() for path in files] == before
