"""What the commands that programs run most may load: loading modules takes most of the time of such a command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.harness.az import Az
from tests.harness.later_host import PERSISTENCE, later
from tests.harness.sign_in import sign_in
from tests.localcloud import LocalCloud
from tests.users import ALICE

_EVERY_COMMAND = (
    "_completers", "_format", "_help", "_loader", "_params", "_parser", "_validators", "commands", "errors", "host",
    "host_cloud", "host_errors", "host_index",
    "hooks", "hooks.events",
    "cli", "cli.collector", "cli.open_session", "cli.option_values", "cli.options", "cli.private_files",
    "cli.process_choice", "cli.results",
    "cli.secret_words", "cli.verbatim_words",
    "profile", "profile.choice", "profile.choosers", "profile.clouds", "profile.json_text", "profile.last_good",
    "profile.model",
    "profile.state", "profile.store", "profile.subscriptions", "profile.words",
    "system", "system.damaged_files", "system.directory", "system.entries", "system.file_lock", "system.files",
    "system.links", "system.log", "system.patience", "system.posix", "system.signals", "system.strict_json",
    "system.text",
    "usecases", "usecases.every_command", "usecases.session",
)  # fmt: skip

_SHOW = (*_EVERY_COMMAND, "cli.account_options", "cli.accounts", "system.terminal", "system.terminal.streams")

_CACHED_TOKEN = (
    *_EVERY_COMMAND,
    "auth", "auth.credential", "auth.entra", "auth.entra.azure_cli", "auth.entra.claims_challenge",
    "auth.storage", "auth.storage.cached_token", "auth.storage.host_lock", "auth.storage.secret_file",
    "auth.storage.token_cache",
    "cli.obtain_token", "cli.token_options", "cli.tokens", "usecases.clients", "usecases.get_token",
)  # fmt: skip

_SLOW = {"msal", "msal_extensions", "requests", "urllib3", "cryptography", "jwt", "prompt_toolkit"}
"""Each of these packages takes longer to load than everything above. The host itself loads asyncio."""

# `python -X importtime` does not list what `importlib.import_module` loads, which is how handlers are loaded.
_PROGRAM = """
import atexit, json, runpy, sys
destination = sys.argv.pop(1)
atexit.register(lambda: open(destination, "w").write(json.dumps(sorted(sys.modules))))
runpy.run_module("azure.cli", run_name="__main__", alter_sys=True)
"""


def _loaded(az: Az, folder: Path, *command: str) -> set[str]:
    """Return the modules that are loaded when a command exits."""
    destination = folder / "modules.json"
    subprocess.run(
        [az.host.bin / "python", "-c", _PROGRAM, destination, *command],
        env=az.environment(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(destination.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "command, expected",
    [(("account", "show"), _SHOW), (("account", "get-access-token"), _CACHED_TOKEN)],
    ids=["account show", "a cached token"],
)
def test_a_frequent_command_loads_only_what_it_needs(
    signed_in: Az, tmp_path: Path, command: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """A module that is added here needs a reason; one that is not needed any more leaves the list."""
    loaded = _loaded(signed_in, tmp_path, *command)
    ours = {name.partition(".")[2] for name in loaded if name.startswith("azext_login.")}
    assert ours == set(expected)
    assert sorted(loaded & _SLOW) == []


@pytest.mark.parametrize("is_later", [False, True], ids=["the newest azure-cli", "a later azure-cli"])
def test_a_cached_token_in_the_keyring_is_found_without_msal(
    az: Az, cloud: LocalCloud, keyring: dict[str, str], tmp_path: Path, is_later: bool
) -> None:
    az = az.with_env(**keyring)
    if is_later:
        az = later(az, tmp_path / "later", PERSISTENCE)
    sign_in(az, cloud, ALICE).ok()
    az.run("account", "get-access-token").ok()
    loaded = _loaded(az, tmp_path, "account", "get-access-token")
    ours = {name.partition(".")[2] for name in loaded if name.startswith("azext_login.")}
    assert ours == {*_CACHED_TOKEN, "auth.storage.encryption", "auth.storage.host_persistence"}
    assert sorted(loaded & _SLOW) == []


def test_a_cached_token_is_found_without_msal_where_an_account_broker_is_on(signed_in: Az, tmp_path: Path) -> None:
    """As it is by default on Windows. MSAL asks the broker only if it has no valid token."""
    az = signed_in.with_env(AZURE_CORE_ENABLE_BROKER_ON_LINUX="true")
    assert sorted(_loaded(az, tmp_path, "account", "get-access-token") & _SLOW) == []


def test_a_built_in_command_for_which_nothing_chooses_loads_only_the_search(signed_in: Az, tmp_path: Path) -> None:
    """Records are loaded for a command that needs them: each takes about a millisecond."""
    searching = {"azext_login.profile.choosers", "azext_login.host_cloud"}
    records = {"azext_login.host", *(f"azext_login.profile.{name}" for name in ("choice", "context_file", "state"))}
    assert _loaded(signed_in, tmp_path, "cloud", "list") & (searching | records) == searching


@pytest.mark.parametrize("command", [("account", "show"), ("group", "list"), ("account", "get-access-token")])
def test_the_api_for_other_extensions_is_not_loaded(signed_in: Az, tmp_path: Path, command: tuple[str, ...]) -> None:
    loaded = _loaded(signed_in, tmp_path, *command)
    assert "azext_login" in loaded
    assert sorted(name for name in loaded if name.startswith("azext_login.api")) == []
