"""MSAL is told about account brokers what the built-in commands tell it, also with settings of a later azure-cli."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az

#: Records what MSAL's application for users is made with. A later host has one more switch (azure-cli#31169).
_RECORD = """
import json, os
import azure.cli.core._profile as profile
import msal
from azure.cli.core.auth.identity import Identity

if os.environ.get("LATER_HOST"):
    create, arguments = profile._create_identity_instance, Identity._msal_public_app_kwargs.fget

    def create_later(cli_ctx, *words, **names):
        identity = create(cli_ctx, *words, **names)
        identity._enable_broker_on_wsl = cli_ctx.config.getboolean("core", "enable_broker_on_wsl", fallback=False)
        return identity

    profile._create_identity_instance = create_later
    Identity._msal_public_app_kwargs = property(
        lambda self: {**arguments(self), "enable_broker_on_wsl": self._enable_broker_on_wsl}
    )

make = msal.PublicClientApplication.__init__

def make_and_record(self, *words, **names):
    with open(os.environ["RECORDED"], "w") as stream:
        json.dump({name: value for name, value in names.items() if name.startswith("enable_broker")}, stream)
    make(self, *words, **names)

msal.PublicClientApplication.__init__ = make_and_record
"""

_TOKEN = ("account", "get-access-token", "--scope", "https://graph.localcloud.example/.default", "-o", "none")

_ALL = {
    "AZURE_CORE_ENABLE_BROKER_ON_WINDOWS": "false",
    "AZURE_CORE_ENABLE_BROKER_ON_MAC": "true",
    "AZURE_CORE_ENABLE_BROKER_ON_LINUX": "true",
    "AZURE_CORE_ENABLE_BROKER_ON_WSL": "true",
}


def _told(az: Az, folder: Path, **environment: str) -> Any:
    recorded = folder / "recorded"
    (folder / "sitecustomize.py").write_text(_RECORD, encoding="utf-8")
    # Whether the built-in command can reach the local cloud does not matter: this comes first.
    az.run(*_TOKEN, env={**environment, "PYTHONPATH": folder, "RECORDED": recorded})
    told = json.loads(recorded.read_text(encoding="utf-8"))
    recorded.unlink()
    return told


@pytest.mark.parametrize(
    "environment, expected",
    [
        ({}, {"windows": True, "mac": False}),
        (_ALL, {"windows": False, "mac": True}),
        ({**_ALL, "LATER_HOST": "1"}, {"windows": False, "mac": True, "wsl": True}),
    ],
    ids=["no setting", "every setting", "every setting of a later azure-cli"],
)
def test_a_broker_is_on_where_it_is_on_built_in(
    signed_in: Az, tmp_path: Path, environment: dict[str, str], expected: dict[str, bool]
) -> None:
    told = _told(signed_in, tmp_path, **environment)
    assert told == {f"enable_broker_on_{system}": is_on for system, is_on in expected.items()}
    assert told == _told(replace(signed_in, extension_dir=None), tmp_path, **environment)


def test_a_switch_that_is_neither_on_nor_off_has_its_default(signed_in: Az, tmp_path: Path) -> None:
    told = _told(signed_in, tmp_path, AZURE_CORE_ENABLE_BROKER_ON_WINDOWS="maybe", AZURE_CORE_ENABLE_BROKER_ON_MAC="on")
    assert told == {"enable_broker_on_windows": True, "enable_broker_on_mac": True}
