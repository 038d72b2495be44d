"""The host's own `Profile` with our hook: which credential each account gets, and that the host decides in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.cli.core import _session, get_default_cli
from azure.cli.core._profile import Profile
from azure.cli.core.auth import identity

from azext_login.auth.workload.service_principal import needs_extension
from azext_login.hooks import credentials
from azext_login.hooks.credentials import serve
from azext_login.hooks.renewing_credential import RenewingCredential
from azext_login.hooks.tenant_credential import TenantCredential
from tests.unit.auth.workload.test_shared_assertion import assertion

TENANT, OTHER = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
APP = "33333333-0000-4000-8000-000000000000"


class HostCredential:
    """What the host would have made. It records what it is asked for."""

    def __init__(self, account: Mapping[str, Any], tenant: str | None) -> None:
        self.account, self.tenant, self.asked = account, tenant, []

    asked: list[dict[str, Any]]

    def acquire_token(self, scopes: list[str], **options: Any) -> dict[str, Any]:
        """Return a token of the host."""
        self.asked.append(options)
        return {"access_token": "of the host", "expires_in": 60}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[HostCredential]:
    """Install the hook over a host that makes `HostCredential`s, and return those that it makes."""
    made: list[HostCredential] = []

    def _create_credential(self: Any, account: Any, tenant_id: Any = None, client_id: Any = None) -> HostCredential:
        made.append(HostCredential(account, tenant_id))
        return made[-1]

    monkeypatch.setattr(Profile, "_create_credential", _create_credential)
    monkeypatch.setattr(Profile, "get_raw_token", Profile.get_raw_token)
    serve()
    serve()
    return made


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Profile]:
    """The host's profile in a config directory of its own."""
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("azure.cli.core._environment.get_config_dir", lambda: str(tmp_path))
    monkeypatch.setattr("azure.cli.core.api.get_config_dir", lambda: str(tmp_path))
    before = _session.ACCOUNT.data
    yield Profile(cli_ctx=get_default_cli())
    _session.ACCOUNT.data = before


def row(kind: str = "servicePrincipal", name: str = APP) -> dict[str, Any]:
    """Return a row of azureProfile.json."""
    return {"id": "s", "name": "n", "tenantId": TENANT, "user": {"name": name, "type": kind}, "isDefault": True}


def store(folder: Path, **entry: Any) -> None:
    """Store the entry of the service principal."""
    content = [{"client_id": APP, "tenant": TENANT, **entry}]
    (folder / "service_principal_entries.json").write_text(json.dumps(content), encoding="utf-8")


_SOURCE = {"azextLogin": {"assertionSource": {"type": "github", "audience": "api://a"}}, "client_assertion": "x"}


@pytest.mark.parametrize(
    "entry",
    [{"client_secret": "s"}, {"certificate": "/c.pem"}, {"client_assertion": assertion(exp=4e9)}, {}],
    ids=["client secret", "PEM certificate", "federated token", "nothing"],
)
def test_what_the_host_can_do_itself_stays_its_own(
    profile: Profile, made: list[HostCredential], tmp_path: Path, entry: dict[str, Any]
) -> None:
    store(tmp_path, **entry)
    assert profile._create_credential(row()) is made[0]
    assert profile._create_credential(row("user", "alice@contoso.example")) is made[1]
    # Another client application, or the tenant of the row.
    assert profile._create_credential(row(), client_id="other") is made[2]
    assert profile._create_credential(row(), tenant_id=TENANT.upper()) is made[3]


def test_a_source_of_federated_tokens_needs_us(profile: Profile, made: list[HostCredential], tmp_path: Path) -> None:
    store(tmp_path, **_SOURCE)
    assert isinstance(profile._create_credential(row()), RenewingCredential)
    assert isinstance(profile._create_credential(row(), tenant_id=OTHER), TenantCredential)
    assert not [one for one in made if one.tenant is None]


def test_a_store_that_cannot_be_read_leaves_the_decision_to_the_host(
    profile: Profile, made: list[HostCredential], tmp_path: Path
) -> None:
    (tmp_path / "service_principal_entries.json").mkdir()
    assert profile._create_credential(row()) is made[0]


def test_an_argument_that_only_the_host_knows_goes_to_the_host_after_the_renewal_was_tried(
    profile: Profile, made: list[HostCredential], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path, **{**_SOURCE, "client_assertion": assertion(exp=time.time() - 1)})
    credential = profile._create_credential(row())
    for _ in range(2):
        result = credential.acquire_token(["https://pas.windows.net/.default"], data={"token_type": "ssh-cert"})
        assert result["access_token"] == "of the host"
    assert [one.asked for one in made] == [[{"data": {"token_type": "ssh-cert"}}]] * 2


@pytest.mark.parametrize("host_renews", [True, False])
def test_an_entry_of_a_later_host_needs_us_only_if_this_host_does_not_renew_it(host_renews: bool) -> None:
    own = {"azextLogin": {"assertion": assertion(exp=4e9)}}
    for entry in ({"client_assertion_callback": "get-token"}, {"client_assertion": "FederatedIdentity"}):
        for more in ({}, own):
            assert needs_extension({"client_id": APP, "tenant": TENANT, **entry, **more}, lambda: host_renews) is (
                not host_renews
            )
    ours = {"client_id": APP, "tenant": TENANT, **_SOURCE}
    assert needs_extension(ours, lambda: host_renews)


def test_this_host_does_not_renew_by_itself() -> None:
    assert not hasattr(identity, "FEDERATED_IDENTITY")


def test_a_host_with_other_parameters_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def _create_credential(self: Any, account: Any, tenant: Any = None) -> None:
        """Take something else."""

    monkeypatch.setattr(Profile, "_create_credential", _create_credential)
    monkeypatch.delattr(Profile, "get_raw_token")
    serve()
    assert Profile._create_credential is _create_credential
    assert not hasattr(Profile, "get_raw_token")


@pytest.mark.parametrize(
    ("names", "active", "early"),
    [
        (["systemAssignedIdentity", "alice"], 0, True),
        (["systemAssignedIdentity", "alice"], 1, False),
        (["systemAssignedIdentity"], 0, False),
        ([], None, False),
    ],
)
def test_an_active_managed_identity_beside_another_account_is_served_early(
    names: list[str], active: int | None, early: bool
) -> None:
    rows = [
        {**row("servicePrincipal" if "Identity" in name else "user", name), "isDefault": number == active}
        for number, name in enumerate(names)
    ]
    assert credentials.is_needed_early({"subscriptions": rows}) is early
    assert not credentials.is_needed_early({"subscriptions": None})
