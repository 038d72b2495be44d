"""The host's own `Session` and `Profile` with the view: what they return, and what they save."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.cli.core._profile import Profile
from azure.cli.core._session import Session
from knack.util import CLIError

from azext_login.errors import AccountError
from azext_login.hooks.account_view import show
from azext_login.profile.choice import Choice, choice_from
from azext_login.profile.model import Account, SubscriptionRow
from azext_login.profile.state import ProfileState
from azext_login.resource_manager.resources import Subscription
from azext_login.usecases.rows import row_of
from tests.users import ALICE, BOB

_ACCOUNT, _SUBSCRIPTION = "AZURE_LOGIN_ACCOUNT", "AZURE_LOGIN_SUBSCRIPTION"
_CLOUD = "AzureCloud"


class _Command:
    """A command that is not ours, with the host's copy of azureProfile.json."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        path.write_text(json.dumps(document), encoding="utf-8")
        self.path = path
        self.account = Session()
        self.account.load(str(path))
        endpoints = SimpleNamespace(
            active_directory="https://login.invalid", active_directory_resource_id="https://arm"
        )
        cloud = SimpleNamespace(name=_CLOUD, endpoints=endpoints)
        config = SimpleNamespace(config_dir=str(path.parent))
        self.cli_ctx = SimpleNamespace(cloud=cloud, data={}, config=config)
        self.name = "group list"
        self.reads = 0

    def show(self, subscription: str | None = None) -> Any:
        """Show the subscriptions that the command sees, and return the host's profile."""
        show(
            self.account,
            self.cli_ctx,
            choice_from(os.environ),
            command=self.name,
            subscription=subscription,
            on_read=self._count,
        )
        return Profile(cli_ctx=self.cli_ctx, storage=self.account)

    def on_disk(self) -> Any:
        return json.loads(self.path.read_text(encoding="utf-8-sig"))

    def _count(self) -> None:
        self.reads += 1


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., _Command]:
    """Return a function that makes a command: alice is active, and her row of Shared shadows bob's."""
    for variable in (_ACCOUNT, _SUBSCRIPTION):
        monkeypatch.delenv(variable, raising=False)

    def make_command(**options: Any) -> _Command:
        return _Command(tmp_path / "azureProfile.json", _document(), **options)

    return make_command


def _document() -> dict[str, Any]:
    rows = [{**_row("1", "Own", ALICE), "isDefault": True}, _row("2", "Shared", ALICE), _row("3", "Bob's", BOB)]
    document: dict[str, Any] = {"installationId": "i", "x-other": [1]}
    ProfileState(rows, [_row("2", "Shared before", BOB)]).write_to(document, 3)
    return document


def _row(identity: str, name: str, user: str) -> SubscriptionRow:
    return row_of(Subscription(identity, name, "Enabled", "t-1"), Account(user), _CLOUD)


def _user(profile: Any, subscription: str | None = None) -> str:
    return str(profile.get_subscription(subscription)["user"]["name"])


def test_without_a_choice_the_stored_list_itself_is_returned(make: Callable[..., _Command]) -> None:
    command = make()
    stored = command.account.data["subscriptions"]
    for subscription in (None, "2", "SHARED"):
        command.show(subscription)
        assert command.account.get("subscriptions") is stored
        assert command.account["subscriptions"] is stored


def test_the_choice_is_what_the_host_sees(make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    profile = command.show()
    assert {row["user"]["name"] for row in profile.load_cached_subscriptions()} == {BOB}
    assert _user(profile, "2") == BOB
    assert profile.get_current_account_user() == BOB
    monkeypatch.setenv(_SUBSCRIPTION, "Shared before")
    assert make().show().get_subscription_id() == "2"
    monkeypatch.delenv(_ACCOUNT)
    assert _user(make().show()) == BOB


def test_a_shadowed_subscription_that_the_command_names_is_found(make: Callable[..., _Command]) -> None:
    profile = make().show("Shared before")
    assert _user(profile, "Shared before") == BOB
    assert _user(profile) == ALICE


def test_nothing_is_computed_before_the_first_read(make: Callable[..., _Command]) -> None:
    command = make()
    profile = command.show()
    assert command.account.get("installationId") == "i"
    assert command.reads == 0
    profile.get_subscription()
    profile.get_subscription()
    assert command.reads == 1


def test_what_the_host_saves_is_what_is_stored(make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    profile = command.show()
    assert _user(profile) == BOB
    del command.account.data["installationId"]
    new = profile.get_installation_id()
    assert command.on_disk() == {**_document(), "installationId": new}
    assert list(command.account) == ["x-other", "subscriptions", "azextLogin", "installationId"]
    # The host loads its copy again for a profile without a context.
    command.account.load(str(command.path))
    assert _user(profile) == BOB
    assert command.account.data == command.on_disk()


def test_what_is_read_and_written_back_is_what_was_stored(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    rows = command.show().load_cached_subscriptions(all_clouds=True)
    command.account["subscriptions"] = rows
    assert command.on_disk() == _document()
    # What was written is seen as before.
    assert command.account.get("subscriptions") == rows


def test_a_default_that_an_extension_chooses_is_stored(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_ACCOUNT, BOB)
    monkeypatch.setattr("azure.cli.core._profile.set_cloud_subscription", lambda *_: None)
    command = make()
    command.show().set_active_subscription("2")
    stored = command.on_disk()["subscriptions"]
    assert [(row["id"], row["user"]["name"]) for row in stored if row["isDefault"]] == [("2", BOB)]
    assert [row["id"] for row in stored] == ["1", "2", "3"]


def test_the_default_that_the_cloud_remembers_is_the_stored_one(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The host stores the default that it sees in clouds.config, before it stores the rows."""
    clouds = tmp_path / "clouds.config"

    def store(_: Any, cloud: str, subscription: str) -> None:
        clouds.write_text(f"[{cloud}]\nsubscription = {subscription}\n", encoding="utf-8")

    monkeypatch.setattr("azure.cli.core._profile.set_cloud_subscription", store)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    profile = command.show()
    shown = profile.load_cached_subscriptions(all_clouds=True)
    profile._set_subscriptions(shown, merge=False)
    assert command.on_disk() == _document()
    assert "subscription = 1" in clouds.read_text(encoding="utf-8")
    (other,) = (row["id"] for row in shown if not row["isDefault"])
    profile.set_active_subscription(other)
    assert [row["id"] for row in command.on_disk()["subscriptions"] if row["isDefault"]] == [other]
    assert f"subscription = {other}" in clouds.read_text(encoding="utf-8")


def test_an_empty_list_removes_what_the_command_has_seen(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host signs an account out so, and reads it again so. Rows that the choice hides belong to others."""
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    command.show().load_cached_subscriptions()
    command.account["subscriptions"] = []
    assert command.on_disk()["subscriptions"] == _document()["subscriptions"][:2]


def test_an_empty_list_removes_everything_if_nothing_was_read_before(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host signs every account out so."""
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    command.show()
    command.account["subscriptions"] = []
    assert command.on_disk()["subscriptions"] == []


@pytest.mark.parametrize("variable", [_ACCOUNT, _SUBSCRIPTION])
def test_an_unknown_value_is_an_error_of_the_host_at_each_read(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "nothing")
    command = make()
    profile = command.show()
    for _ in range(2):
        with pytest.raises(CLIError, match=f"{variable} is 'nothing'"):
            profile.get_subscription()
    assert command.account.get("installationId") == "i"
    assert command.on_disk() == _document()


@pytest.mark.parametrize("stored", [None, 5, {}, [None], [{"id": 5}]])
def test_a_damaged_file_is_what_the_host_sees(make: Callable[..., _Command], stored: object) -> None:
    command = make()
    command.account.data["subscriptions"] = stored
    command.show("nothing")
    assert command.account.get("subscriptions") is stored
    command.account.data["azextLogin"] = 7
    assert command.account.get("subscriptions") is stored


def test_a_failure_within_does_not_affect_the_command(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError

    command = make()
    show(command.account, command.cli_ctx, Choice(), command="vm list", subscription="nothing", on_read=fail)
    monkeypatch.setattr("azext_login.profile.state.ProfileState.of", fail)
    assert command.account.get("subscriptions") == _document()["subscriptions"]


def test_the_next_command_of_the_process_has_a_view_of_its_own(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = make()
    depth = len(type(command.account).__mro__)
    for subscription, expected in (("Shared before", BOB), (None, ALICE), (None, ALICE)):
        profile = command.show(subscription)
        assert _user(profile, "2") == expected
    assert len(type(command.account).__mro__) == depth + 1
    assert isinstance(command.account, Session)


def test_switching_the_cloud_works_on_the_stored_default(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_ACCOUNT, BOB)
    command = make()
    assert _user(command.show()) == BOB
    # Also in a process that has run another command before.
    command.name = "cloud set"
    assert _user(command.show()) == ALICE


def test_a_failure_within_does_not_lead_to_an_account_that_was_not_chosen(
    make: Callable[..., _Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_ACCOUNT, BOB)
    profile = make().show()

    def fail(*_: Any, **__: Any) -> Any:
        raise KeyError("within")

    monkeypatch.setattr("azext_login.profile.command_view.rows_of_command", fail)
    with pytest.raises(AccountError, match=f"The choice of {_ACCOUNT} could not be applied"):
        profile.load_cached_subscriptions()


def test_without_knowing_what_the_process_chooses_no_account_is_used(make: Callable[..., _Command]) -> None:
    command = make()
    show(
        command.account,
        command.cli_ctx,
        None,
        command="group list",
        subscription=None,
        on_read=lambda: None,
        failure=KeyError("within"),
    )
    with pytest.raises(AccountError, match="What this process chooses could not be determined"):
        Profile(cli_ctx=command.cli_ctx, storage=command.account).load_cached_subscriptions()
