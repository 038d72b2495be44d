"""An extension of another author. This module uses what public extensions use of the Azure CLI.

`with_login` and `events` use the API of ours if it is installed.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from azure.cli.core import AzCommandsLoader


class SampleCommandsLoader(AzCommandsLoader):  # type: ignore[misc]  # the host is untyped
    """Declares `az sample`."""

    def load_command_table(self, args: list[str] | None) -> Any:
        """Return the commands."""
        from azure.cli.core.commands import CliCommandType

        with self.command_group("sample", CliCommandType(operations_tmpl="azext_sample#{}")) as group:
            group.command("use", "use")
            group.command("token", "get_token")
            group.command("auxiliary-tokens", "get_auxiliary_tokens")
            group.command("tokens", "get_tokens_in_threads")
            group.command("ssh-certificate", "get_ssh_certificate")
        with_login = CliCommandType(operations_tmpl="azext_sample.with_login#{}")
        with self.command_group("sample", with_login) as group:
            group.command("groups", "list_groups")
            group.command("new-token", "get_new_token")
            group.command("accounts", "list_accounts")
            group.command("select", "select")
            group.command("sign-in", "sign_in")
            group.command("sign-out", "sign_out")
            group.command("certificate", "get_certificate")
            group.command("tenants", "get_tokens_of_tenants")
        # A command in the group `account` lets the host load this extension for every `az account`.
        with self.command_group("account", with_login) as group:
            group.command("sample", "list_accounts")
        from azext_sample.events import listen

        listen(self.cli_ctx)
        return self.command_table

    def load_arguments(self, command: str) -> None:
        """Register the arguments."""
        with self.argument_context("sample") as context:
            context.argument("account", options_list=["--account"])
            context.argument("tenant", options_list=["--tenant"])
            context.argument("asynchronous", options_list=["--asynchronous"], action="store_true")
            context.argument("default", options_list=["--default"])
            context.argument("method", options_list=["--method"])
            context.argument("client_id", options_list=["--client-id"])
            context.argument("path", options_list=["--path"])
            context.argument("resource", options_list=["--resource"])
            context.argument("resources", options_list=["--resources"], nargs="+")


COMMAND_LOADER_CLS = SampleCommandsLoader


def use(cmd: Any, tenant: str | None = None, resource: str | None = None) -> dict[str, Any]:
    """Call what public extensions call, and return who and what the answers are for."""
    from azure.cli.core._profile import Profile
    from azure.cli.core.commands.client_factory import get_mgmt_service_client, get_subscription_id
    from azure.cli.core.profiles import ResourceType
    from azure.cli.core.util import send_raw_request

    audience = cmd.cli_ctx.cloud.endpoints.active_directory_resource_id
    credential, subscription, home = Profile().get_login_credentials()
    given = cmd.cli_ctx.data.get("subscription_id")
    choice = {"tenant": tenant} if tenant else {"subscription": given}
    raw, raw_subscription, raw_tenant = Profile(cli_ctx=cmd.cli_ctx).get_raw_token(
        resource=resource or audience, **choice
    )
    client = get_mgmt_service_client(cmd.cli_ctx, ResourceType.MGMT_RESOURCE_RESOURCES)
    address = "/subscriptions/{subscriptionId}/resourcegroups?api-version=2022-09-01"
    answer = send_raw_request(cmd.cli_ctx, "GET", address).json()
    return {
        "loginCredentials": {
            "token": claims_of(credential.get_token(audience + "/.default").token),
            "subscription": subscription,
            "tenant": home,
        },
        "rawToken": {"token": claims_of(raw[1]), "subscription": raw_subscription, "tenant": raw_tenant},
        "subscriptionId": get_subscription_id(cmd.cli_ctx),
        "profileSubscriptionId": Profile(cli_ctx=cmd.cli_ctx).get_subscription_id(given),
        "requestedGroups": sorted(group["id"] for group in answer["value"]),
        "groups": sorted(group.id for group in client.resource_groups.list()),
    }


def get_token(cmd: Any, tenant: str | None = None, resource: str | None = None) -> dict[str, Any]:
    """Return the claims of one token, and the subscription and the tenant that come with it."""
    from azure.cli.core._profile import Profile

    (_, token, _), subscription, home = Profile(cli_ctx=cmd.cli_ctx).get_raw_token(resource, tenant=tenant)
    return {"token": claims_of(token), "subscription": subscription, "tenant": home}


def get_auxiliary_tokens(cmd: Any, tenant: str, resource: str) -> list[dict[str, Any]]:
    """Return the claims of the tokens for a request that concerns another tenant too."""
    from azure.cli.core._profile import Profile

    credential, _, _ = Profile(cli_ctx=cmd.cli_ctx).get_login_credentials(aux_tenants=[tenant])
    return [claims_of(token.token) for token in credential.get_auxiliary_tokens(resource + "/.default")]


def get_tokens_in_threads(cmd: Any, resources: list[str]) -> list[dict[str, Any]]:
    """Return the claims of a token of each resource. Threads ask for them at the same time, with two credentials."""
    from concurrent.futures import ThreadPoolExecutor

    from azure.cli.core._profile import Profile

    credentials = [Profile(cli_ctx=cmd.cli_ctx).get_login_credentials()[0] for _ in range(2)]
    wanted = [(credential, resource + "/.default") for resource in resources for credential in credentials]
    with ThreadPoolExecutor(len(wanted)) as pool:
        return [claims_of(token.token) for token in pool.map(lambda pair: pair[0].get_token(pair[1]), wanted)]


def get_ssh_certificate(cmd: Any) -> dict[str, Any]:
    """Return the claims of what `az ssh` calls a certificate: a token that is bound to a key."""
    from azure.cli.core._profile import Profile

    data = {"token_type": "ssh-cert", "req_cnf": '{"kty": "RSA", "kid": "k"}', "key_id": "k"}
    scopes = ["https://pas.windows.net/CheckMyAccess/Linux/.default"]
    return claims_of(Profile(cli_ctx=cmd.cli_ctx).get_msal_token(scopes, data)[1])


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token that tell whose it is, and for what."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: claims[name] for name in ("aud", "tid", "oid", "appid", "upn", "unique_name") if name in claims}
