"""Uses the API of the `login` extension, and the Azure CLI's own functions where that is not installed."""

from __future__ import annotations

import asyncio
import enum
import os
import sys
from dataclasses import asdict
from types import ModuleType
from typing import Any


def find_login_api() -> ModuleType | None:
    """Return `azext_login.api`; None if the extension is not installed, or has another API."""
    from azure.cli.core.extension import ExtensionNotInstalledException
    from azure.cli.core.extension.operations import add_extension_to_path

    try:
        add_extension_to_path("login")
        from azext_login import api
    except (ExtensionNotInstalledException, ImportError):
        return None
    major, minor = (int(part) for part in api.API_VERSION.split("."))
    return api if major == 1 and minor >= 0 else None


def list_groups(
    cmd: Any, account: str | None = None, tenant: str | None = None, asynchronous: bool = False
) -> dict[str, Any]:
    """List resource groups through a client of azure-mgmt-resource that is made as its documentation shows."""
    subscription = cmd.cli_ctx.data.get("subscription_id")
    api = find_login_api()
    if api is None:
        from azure.cli.core._profile import Profile

        credential, subscription, tenant = Profile(cli_ctx=cmd.cli_ctx).get_login_credentials()
        return {"api": None, "groups": _groups(cmd, credential, subscription)}
    credential = api.get_credential(cmd.cli_ctx, account=account, subscription=subscription, tenant=tenant)
    with credential:
        chosen = credential.subscription
        if asynchronous:
            from azext_login.api import aio

            twin = aio.get_credential(cmd.cli_ctx, account=account, subscription=subscription, tenant=tenant)
            groups = asyncio.run(_groups_asynchronously(cmd, twin, chosen))
        else:
            groups = _groups(cmd, credential, chosen)
        return {
            "api": api.API_VERSION,
            "groups": groups,
            "subscription": chosen,
            "account": credential.account,
            "tenant": credential.tenant,
        }


def _settings(cmd: Any) -> dict[str, Any]:
    endpoints = cmd.cli_ctx.cloud.endpoints
    resource = endpoints.active_directory_resource_id
    return {"base_url": endpoints.resource_manager, "credential_scopes": [resource + "/.default"]}


def _groups(cmd: Any, credential: Any, subscription: str) -> list[str]:
    from azure.mgmt.resource.resources import ResourceManagementClient

    client = ResourceManagementClient(credential, subscription, **_settings(cmd))
    return sorted(group.id for group in client.resource_groups.list())


async def _groups_asynchronously(cmd: Any, credential: Any, subscription: str) -> list[str]:
    from azure.core.pipeline.transport import AsyncioRequestsTransport
    from azure.mgmt.resource.resources.aio import ResourceManagementClient

    transport = AsyncioRequestsTransport()
    client = ResourceManagementClient(credential, subscription, transport=transport, **_settings(cmd))
    async with credential, client:
        return sorted([group.id async for group in client.resource_groups.list()])


def get_new_token(cmd: Any, account: str | None = None, resource: str | None = None) -> dict[str, Any]:
    """Return what is known of a cached token and of a new one, without the tokens."""
    api = find_login_api()
    assert api is not None
    found = [
        api.get_token(cmd.cli_ctx, account=account, resource=resource, force_refresh=force) for force in (False, True)
    ]
    assert all(token.token not in repr(token) for token in found)
    return {
        "first": _plain({**asdict(found[0]), "token": "***"}),
        "new": _plain({**asdict(found[1]), "token": "***"}),
        "is_another": found[0].token != found[1].token,
    }


def list_accounts(cmd: Any) -> dict[str, Any]:
    """Return the active account, and all."""
    api = find_login_api()
    assert api is not None
    active = api.current(cmd.cli_ctx)
    return {
        "current": _plain(asdict(active)) if active else None,
        "accounts": [_plain(asdict(account)) for account in api.accounts(cmd.cli_ctx)],
        "contexts": [_plain(asdict(context)) for context in api.contexts(cmd.cli_ctx)],
    }


def select(cmd: Any, default: str, account: str | None = None, tenant: str | None = None) -> dict[str, Any]:
    """Change the default subscription."""
    api = find_login_api()
    assert api is not None
    return dict(asdict(api.select(cmd.cli_ctx, default, account=account, tenant=tenant)))


def sign_in(
    cmd: Any, method: str, client_id: str = "", path: str = "", tenant: str | None = None, default: str | None = None
) -> dict[str, Any]:
    """Sign an account in. SAMPLE_SECRET has the client secret or the passphrase."""
    api = find_login_api()
    assert api is not None
    secret = os.environ.get("SAMPLE_SECRET", "")
    how = {
        "secret": lambda: api.ClientSecret(client_id, secret),
        "certificate": lambda: api.ClientCertificate(client_id, path, passphrase=secret or None),
        "federated": lambda: api.FederatedTokenFile(client_id, path),
        "device": lambda: api.DeviceCode(lambda message: print(f"SHOWN: {message}", file=sys.stderr, flush=True)),
        "browser": lambda: api.Browser(),
        "identity": lambda: api.ManagedIdentity(),
    }[method]()
    assert not secret or secret not in repr(how)
    signed_in = api.sign_in(cmd.cli_ctx, how, tenant=tenant, subscription=default)
    return dict(_plain(asdict(signed_in)))


def get_certificate(cmd: Any, account: str | None = None) -> dict[str, Any]:
    """Return the type of an SSH certificate, which needs more fields in the request (`data`)."""
    api = find_login_api()
    assert api is not None
    data = {"token_type": "ssh-cert", "req_cnf": '{"kty": "RSA", "n": "n", "e": "AQAB", "kid": "k"}', "key_id": "k"}
    scope = "https://pas.windows.net/CheckMyAccess/Linux/.default"
    credential = api.get_credential(cmd.cli_ctx, account=account)
    plain = credential.get_token(scope, data=data)
    info = credential.get_token_info(scope, options={"data": data})
    token = api.get_token(cmd.cli_ctx, scopes=[scope], account=account, data=data)
    return {
        "type": info.token_type,
        "typeOfToken": token.token_type,
        "isTheSame": plain.token == info.token == token.token,
    }


def get_tokens_of_tenants(cmd: Any, tenant: str, account: str | None = None) -> dict[str, Any]:
    """Return the tenants of tokens of the default tenant and of another one, in each way to name it."""
    from azext_sample import claims_of

    api = find_login_api()
    assert api is not None
    scope = cmd.cli_ctx.cloud.endpoints.active_directory_resource_id + "/.default"
    credential = api.get_credential(cmd.cli_ctx, account=account).with_auxiliary_tenants(tenant)
    tokens = {
        "own": credential.get_token(scope),
        "asked": credential.get_token(scope, tenant_id=tenant),
        "copied": credential.with_tenant(tenant).get_token(scope),
        "auxiliary": credential.get_auxiliary_tokens(scope)[0],
        "info": credential.get_token_info(scope, options={"tenant_id": tenant}),
        "afterwards": credential.get_token(scope),
    }
    return {name: claims_of(token.token)["tid"] for name, token in tokens.items()}


def sign_out(cmd: Any, account: str) -> bool:
    """Sign an account out."""
    api = find_login_api()
    assert api is not None
    return bool(api.sign_out(cmd.cli_ctx, account))


def _plain(value: Any) -> Any:
    """Return records with the values of enumerations, for JSON."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, enum.Enum) else value
