"""An extension that signs in with HashiCorp Vault, lists resource groups, and records which accounts change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from azure.cli.core import AzCommandsLoader

EVENTS = ("azext_login.SignedIn", "azext_login.SignedOut", "azext_login.SubscriptionChanged")


class VaultLoginCommandsLoader(AzCommandsLoader):  # type: ignore[misc]  # the Azure CLI has no types
    """Declares the commands and listens to events."""

    def load_command_table(self, args: list[str] | None) -> Any:
        """Return the commands."""
        from azure.cli.core.commands import CliCommandType

        functions = CliCommandType(operations_tmpl="azext_vaultlogin#{}")
        with self.command_group("vaultlogin", functions) as group:
            group.command("groups", "list_groups")
        # A command in the group `account` lets `az` load this extension in every `az account`.
        with self.command_group("account", functions) as group:
            group.command("changes", "list_changes")
        for event in EVENTS:
            # `az` can load the commands several times.
            self.cli_ctx.unregister_event(event, record_change)
            self.cli_ctx.register_event(event, record_change)
        return self.command_table


COMMAND_LOADER_CLS = VaultLoginCommandsLoader


def list_groups(cmd: Any) -> list[str]:
    """List the names of the resource groups in the subscription."""
    from azure.mgmt.resource.resources import ResourceManagementClient

    credential, subscription = get_credential(cmd.cli_ctx)
    endpoints = cmd.cli_ctx.cloud.endpoints
    client = ResourceManagementClient(
        credential,
        subscription,
        base_url=endpoints.resource_manager,
        credential_scopes=[endpoints.active_directory_resource_id + "/.default"],
    )
    return sorted(group.name for group in client.resource_groups.list())


def get_credential(cli_ctx: Any) -> tuple[Any, str]:
    """Return a credential of the `login` extension, or of the Azure CLI without it, and the subscription."""
    subscription = cli_ctx.data.get("subscription_id")
    api = find_login_api()
    if api is not None:
        credential = api.get_credential(cli_ctx, subscription=subscription)
        return credential, credential.subscription
    from azure.cli.core._profile import Profile

    built_in, found, _ = Profile(cli_ctx=cli_ctx).get_login_credentials(subscription_id=subscription)
    return built_in, found


def find_login_api() -> Any:
    """Return `azext_login.api`, or None if the `login` extension is not installed or has another API."""
    from azure.cli.core.extension import ExtensionNotInstalledException
    from azure.cli.core.extension.operations import add_extension_to_path

    try:
        add_extension_to_path("login")
        from azext_login import api
    except (ExtensionNotInstalledException, ImportError):
        return None
    major, minor = (int(part) for part in api.API_VERSION.split("."))
    return api if major == 1 and minor >= 0 else None


def record_change(cli_ctx: Any, payload: Any, **_: Any) -> None:
    """Record an event of the `login` extension."""
    change = {"event": payload.name, "account": payload.account}
    with _file(cli_ctx).open("a", encoding="utf-8") as file:
        file.write(json.dumps(change) + "\n")


def list_changes(cmd: Any) -> list[dict[str, str]]:
    """List the events that were recorded, the oldest one first."""
    file = _file(cmd.cli_ctx)
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def _file(cli_ctx: Any) -> Path:
    return Path(cli_ctx.config.config_dir, "vaultlogin-changes.jsonl")
