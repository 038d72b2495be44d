"""The first `az login` on a computer: an empty config directory, and a host that writes files after us."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.harness import hosts
from tests.harness.az import Az
from tests.localcloud import User

# What a new computer has: telemetry, its upload process and all.
pytestmark = pytest.mark.executable


def quiet_for(az: Az, seconds: float) -> str:
    """Wait until azureProfile.json has not changed for `seconds`, and return its text."""
    text, since = "", time.monotonic()
    while time.monotonic() - since < seconds:
        now = az.profile_path.read_text(encoding="utf-8")
        if now != text:
            text, since = now, time.monotonic()
        time.sleep(0.1)
    return text


@pytest.mark.parametrize("name", ["newest", pytest.param("oldest", marks=pytest.mark.oldest)])
def test_the_rows_are_still_there_when_the_process_and_its_telemetry_have_exited(
    make_az: Callable[..., Az], alice: User, name: str
) -> None:
    # The upload process of telemetry meets a proxy that refuses: nothing leaves the computer.
    az = make_az(host=hosts.named(name), warm=False).with_env(AZURE_CORE_COLLECT_TELEMETRY="yes")
    assert not az.profile_path.exists()

    rows = az.run("login", "-u", alice.username, "-p", alice.password, timeout=120).ok().json()

    quiet_for(az, seconds=2)
    profile = az.profile()
    assert profile["installationId"]
    assert {row["id"] for row in profile["subscriptions"]} == {row["id"] for row in rows}
    assert sum(row["isDefault"] for row in profile["subscriptions"]) == 1


def test_a_second_sign_in_keeps_the_installation_id(make_az: Callable[..., Az], alice: User) -> None:
    az = make_az().with_env(AZURE_CORE_COLLECT_TELEMETRY="yes")
    az.run("login", "-u", alice.username, "-p", alice.password).ok()
    first = az.profile()["installationId"]
    az.run("account", "clear").ok()
    az.run("login", "-u", alice.username, "-p", alice.password).ok()
    assert az.profile()["installationId"] == first


def test_what_is_written_has_no_byte_order_mark_and_is_for_the_owner_only(az: Az, alice: User) -> None:
    az.run("login", "-u", alice.username, "-p", alice.password).ok()
    assert az.profile_path.read_bytes()[:1] == b"{"
    for name in ("azureProfile.json", "msal_token_cache.json"):
        assert (az.config_dir / name).stat().st_mode & 0o077 == 0, name
