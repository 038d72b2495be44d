"""Unmodified clients of managed identities against `az account serve-tokens`: Azure SDKs, and a stock `az`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.harness.az import Az
from tests.harness.environments import HOSTS, NODE, in_ci
from tests.integration.served_tokens import SERVE, VAULT
from tests.integration.token_cache_files import claims_of
from tests.users import ALICE

_PYTHON = Path(__file__).with_name("managed_identity_program.py")
_PROGRAM = _PYTHON.with_suffix(".mjs")
_PACKAGES = HOSTS / "identity-client"
_CREDENTIALS = ("ManagedIdentityCredential", "DefaultAzureCredential")

pytestmark = pytest.mark.timeout(300)


def _served(az: Az, *words: str, **env: str) -> dict[str, Any]:
    found: dict[str, Any] = az.run(*SERVE, "--", *words, env=env, timeout=120).ok().json()
    return found


def _node() -> tuple[str, str, str]:
    if not (_PACKAGES / "node_modules" / "@azure" / "identity").is_dir():
        if in_ci():
            pytest.fail("@azure/identity is missing")
        pytest.skip("needs @azure/identity: python3 tests/harness/environments.py identity-client")
    return str(NODE), str(_PROGRAM), str(_PACKAGES)


def _program(language: str) -> tuple[str, ...]:
    return _node() if language == "node" else (sys.executable, str(_PYTHON), language)


@pytest.mark.parametrize("credential", _CREDENTIALS)
@pytest.mark.parametrize("language", ["sync", "async", "node"])
def test_azure_identity_gets_the_token(signed_in: Az, language: str, credential: str) -> None:
    # DefaultAzureCredential would use these before a managed identity.
    others = {"AZURE_CLIENT_ID": "x", "AZURE_TENANT_ID": "x", "AZURE_CLIENT_SECRET": "x"}
    found = _served(signed_in, *_program(language), credential, f"{VAULT}/.default", **others)
    expected = signed_in.run("account", "get-access-token", "--resource", VAULT).ok().json()
    assert found.get("token") == expected["accessToken"], found
    assert abs(found["expires_on"] - expected["expires_on"]) <= 5


@pytest.mark.parametrize("language", ["sync", "async", "node"])
def test_azure_identity_reports_why_there_is_no_token(signed_in: Az, language: str) -> None:
    words = (*_program(language), "ManagedIdentityCredential", "https://contoso.com/.default")
    found = _served(signed_in, *words)
    assert found["error"] in ("CredentialUnavailableError", "ClientAuthenticationError")
    assert "--allow-resource" in found["message"]


def test_a_stock_az_signs_in_with_the_identity(signed_in: Az, make_az: Callable[..., Az]) -> None:
    other = replace(make_az(), extension_dir=None)
    other = replace(other, config_dir=signed_in.config_dir.parent / "other")
    # The cloud is registered there, and no account is signed in.
    signed_out = shutil.ignore_patterns("home", "azureProfile*", "msal*", "login*")
    shutil.copytree(signed_in.config_dir, other.config_dir, ignore=signed_out)
    environment = {name: str(value) for name, value in other.environment().items() if name.startswith("AZURE_")}
    script = f"{other.host.az} login --identity --output none && {other.host.az} account get-access-token"
    words = ("/bin/sh", "-c", script)
    settings = [f"{name}={value}" for name, value in environment.items()]
    found = _served(signed_in, "/usr/bin/env", *settings, *words)
    claims = claims_of(found["accessToken"])
    assert str(claims.get("upn") or claims["unique_name"]).rpartition("#")[2] == ALICE
