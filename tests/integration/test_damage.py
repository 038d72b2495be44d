"""Damaged files: no traceback, nothing deleted, at most one clear error, and the next command works."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from azext_login.profile.state import ProfileState, RowKey, key_of
from tests.harness.az import Az, Result
from tests.harness.hosts import Host
from tests.harness.stage import CloudStage
from tests.integration import damaged_clouds, damaged_profiles, damaged_secrets
from tests.integration.damage import PRECIOUS, Damage
from tests.localcloud import CI_APP, CI_SECRET, LocalCloud
from tests.users import ALICE

OF_ALICE, OF_THE_APP, IN_FABRIKAM = "Shared Platform", "Contoso Development", "Fabrikam Main"

DAMAGES = [
    *damaged_profiles.PROFILES,
    *damaged_profiles.COPIES,
    *damaged_clouds.CONFIGS,
    *damaged_clouds.COPIES,
    *damaged_secrets.TOKEN_CACHES,
    *damaged_secrets.SERVICE_PRINCIPALS,
    *damaged_secrets.HTTP_CACHES,
]

# Files that name accounts or contain their tokens, by the prefixes of their names.
_PRIVATE = ("azureProfile.json", "clouds.config", "msal_", "service_principal_entries", "login_")

# The steps that write the profile. A step that only reads does not change an odd file that can be used.
_WRITING = ("set", "login", "app login", "logout", "app logout", "clear")


@pytest.fixture(scope="session")
def _two_signed_in(cloud_stage: CloudStage, newest: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config directory in which a service principal and alice are signed in, with alice active."""
    az = cloud_stage.az(newest, tmp_path_factory.mktemp("two-signed-in") / "azure")
    words = _Steps(az, cloud_stage.cloud).words
    az.run(*words["app login"]).ok()
    az.run(*words["login"]).ok()
    az.run("account", "set", "--subscription", OF_THE_APP, "--username", CI_APP).ok()
    az.run("account", "set", "--subscription", IN_FABRIKAM).ok()
    return az.config_dir


@pytest.fixture
def two_signed_in(_two_signed_in: Path, az: Az) -> Az:
    """`az`, with a service principal and alice signed in."""
    shutil.copytree(_two_signed_in, az.config_dir, dirs_exist_ok=True)
    return az


class _Steps:
    """The commands that the table names."""

    def __init__(self, az: Az, cloud: LocalCloud) -> None:
        token = ("account", "get-access-token", "--query", "tenant")
        self._az = az
        self.words: dict[str, tuple[str, ...]] = {
            "show": ("account", "show"),
            "list": ("account", "list", "--all"),
            "set": ("account", "set", "--subscription", OF_ALICE),
            "previous": ("account", "set", "--subscription", "-"),
            "token": (*token, "--subscription", OF_ALICE),
            "other token": (*token, "--tenant", "fabrikam.example", "--subscription", IN_FABRIKAM)[:-2],
            "app token": (*token, "--subscription", OF_THE_APP),
            "group list": ("group", "list", "--subscription", OF_ALICE),
            "app group list": ("group", "list", "--subscription", OF_THE_APP),
            "login": ("login", "-u", ALICE, "-p", cloud.directory.user(ALICE).password),
            "app login": (
                "login",
                "--service-principal",
                "-u",
                CI_APP,
                f"-p={CI_SECRET}",
                "--tenant",
                "contoso.example",
            ),
            "logout": ("logout", "--username", ALICE),
            "app logout": ("logout", "--username", CI_APP),
            "clear": ("account", "clear"),
        }

    def run(self, step: str) -> Result:
        """Run a step, and check that it succeeds or fails as its name requires."""
        name = step.removeprefix("!")
        result = self._az.run(*self.words[name])
        if name == step:
            return result.ok()
        result.failed()
        error = result.stderr[result.stderr.index("ERROR: ") :]
        # The last one is the host's own advice about clouds.config.
        advice = ("az ", "set aside", "quarantined", "delete this file")
        assert any(words in error for words in advice), f"the error names no next step\n{result}"
        return result


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: f"{damage.file}: {damage.name}")
def test_a_damaged_file_loses_nothing_and_the_next_command_works(
    two_signed_in: Az, cloud: LocalCloud, damage: Damage
) -> None:
    az = two_signed_in
    before = _rows(az)
    damage.change(az.config_dir / damage.file)
    is_precious = PRECIOUS in "".join(_contents(az.config_dir))

    steps = _Steps(az, cloud)
    said = []
    for step in damage.steps.split(", "):
        said.append(steps.run(step).stderr)
        _assert_in_order(az, written=step in _WRITING)

    everything = "".join(said)
    for words in damage.says:
        assert words in everything
    for news in ("were restored", "set aside as", "quarantined as", "azextLogin.unusable", "one was kept"):
        repeated = sum(news in text for text in said)
        assert repeated <= 1, f"'{news}' was reported {repeated} times"
    if damage.keeps_rows:
        assert before <= _rows(az), "rows are gone"
    if is_precious and not {"clear", "logout", "app logout"} & set(damage.steps.split(", ")):
        assert PRECIOUS in "".join(_contents(az.config_dir)), "the content of the file is lost"


def _assert_in_order(az: Az, *, written: bool) -> None:
    """Check the files: complete, readable by their owner alone, and at most one default if the profile was written."""
    if az.profile_path.exists():
        profile = json.loads(az.profile_path.read_text(encoding="utf-8-sig"))
        if isinstance(profile, dict):
            state = ProfileState.of(profile)
            defaults = sum(bool(row.get("isDefault")) for row in state.all_rows())
            assert defaults <= 1 or not written, "more than one default"
            if written:
                in_front = [(row["environmentName"], row["id"].lower()) for row in profile["subscriptions"]]
                assert len(set(in_front)) == len(in_front), "built-in code finds two rows of one subscription"
    for path in az.config_dir.iterdir():
        assert not path.name.endswith(".tmp"), f"{path.name} was left behind"
        if sys.platform != "win32" and path.name.startswith(_PRIVATE) and path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, f"others can read {path.name}"


def _rows(az: Az) -> set[RowKey]:
    profile = az.profile() if az.profile_path.exists() else {}
    return {key_of(row) for row in ProfileState.of(profile).all_rows()} if isinstance(profile, dict) else set()


def _contents(folder: Path) -> Iterator[str]:
    """Yield names and contents of all files except the host's log of commands."""
    for path in folder.rglob("*"):
        if "commands" in path.relative_to(folder).parts:
            continue
        yield path.name
        if path.is_file():
            yield path.read_bytes().decode("utf-8", errors="replace")
