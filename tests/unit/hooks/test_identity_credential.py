"""The host's own factory with our hook: where the token of a managed identity comes from, and who decides on errors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest
from azure.cli.core._profile import ManagedIdentityAuth, Profile

from azext_login.auth.credential import AccessToken
from azext_login.auth.managed_identity.credential import ManagedIdentityCredential
from azext_login.errors import SignInError
from azext_login.hooks.credentials import serve
from azext_login.hooks.identity_credential import IdentityCredential

CLIENT = "33333333-0000-4000-8000-000000000000"
SCOPES = ["https://management.example/.default"]


class HostCredential:
    """What the host would have made."""

    def acquire_token(self, scopes: Sequence[str], **options: Any) -> dict[str, Any]:
        """Return a token of the host."""
        return {"access_token": "of the host", "expires_in": 60, **options}


@pytest.fixture(autouse=True)
def hook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the hook, twice, over a host that makes `HostCredential`s."""

    def credential_factory(id_type: str, id_value: str | None) -> HostCredential:
        if not id_type.startswith("MSI"):
            raise ValueError("unknown to the host")
        return HostCredential()

    monkeypatch.setattr(ManagedIdentityAuth, "credential_factory", staticmethod(credential_factory))
    for name in ("_create_credential", "get_raw_token"):
        monkeypatch.setattr(Profile, name, getattr(Profile, name))
    serve()
    serve()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Let our credential return a token, and record the identity and the options."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def token(self: ManagedIdentityCredential, scopes: Sequence[str], **options: Any) -> AccessToken:
        asked.append((self.assigned_identity_info, options))
        return AccessToken("ours", int(time.time()) + 3600)

    monkeypatch.setattr(ManagedIdentityCredential, "token", token)
    return asked


@pytest.mark.parametrize(
    ("id_type", "id_value", "info"),
    [
        (ManagedIdentityAuth.system_assigned, None, "MSI"),
        (ManagedIdentityAuth.user_assigned_client_id, CLIENT, f"MSIClient-{CLIENT}"),
        (ManagedIdentityAuth.user_assigned_object_id, CLIENT, f"MSIObject-{CLIENT}"),
        (ManagedIdentityAuth.user_assigned_resource_id, "/subscriptions/s", "MSIResource-/subscriptions/s"),
    ],
)
def test_each_identity_gets_its_token_from_us(
    asked: list[tuple[str, dict[str, Any]]], id_type: str, id_value: str | None, info: str
) -> None:
    credential = ManagedIdentityAuth.credential_factory(id_type, id_value)
    assert isinstance(credential, IdentityCredential)
    result = credential.acquire_token(SCOPES)
    assert (result["access_token"], result["token_type"]) == ("ours", "Bearer")
    assert 3590 <= result["expires_in"] <= 3600
    credential.acquire_token(SCOPES, claims_challenge="{}")
    assert asked == [(info, {}), (info, {"claims_challenge": "{}"})]


def test_an_option_that_only_the_host_knows_goes_to_the_host(asked: list[tuple[str, dict[str, Any]]]) -> None:
    result = ManagedIdentityAuth.credential_factory("MSI", None).acquire_token(SCOPES, data={"x": "y"})
    assert (result["access_token"], result["data"], asked) == ("of the host", {"x": "y"}, [])


def test_an_identity_that_the_host_does_not_know_is_its_error() -> None:
    with pytest.raises(ValueError, match="unknown to the host"):
        ManagedIdentityAuth.credential_factory("other", None)


def test_an_error_of_the_service_is_that_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SignInError("not assigned")

    monkeypatch.setattr(ManagedIdentityCredential, "token", refuse)
    with pytest.raises(SignInError, match="not assigned"):
        ManagedIdentityAuth.credential_factory("MSI", None).acquire_token(SCOPES)


def test_after_a_failure_of_ours_the_host_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("MSAL sends a request elsewhere")

    monkeypatch.setattr(ManagedIdentityCredential, "token", fail)
    assert ManagedIdentityAuth.credential_factory("MSI", None).acquire_token(SCOPES)["access_token"] == "of the host"


def test_a_host_with_other_parameters_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def credential_factory(identity: str) -> None:
        """Take something else."""

    monkeypatch.setattr(ManagedIdentityAuth, "credential_factory", staticmethod(credential_factory))
    serve()
    assert ManagedIdentityAuth.credential_factory is credential_factory
