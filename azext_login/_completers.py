"""Completes values on Tab, from the stored accounts. No network."""

from __future__ import annotations

from typing import Any

from azure.cli.core.decorators import Completer


@Completer  # type: ignore[untyped-decorator]  # the host is untyped
def complete_users(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the names of the signed-in accounts."""
    from azext_login.cli.open_session import open_session

    rows = open_session(cmd.cli_ctx).rows(all_clouds=True)
    return sorted({str((row.get("user") or {}).get("name")) for row in rows})


@Completer  # type: ignore[untyped-decorator]
def complete_tenants(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the tenants of the known subscriptions, by ID and by domain name."""
    from azext_login.cli.open_session import open_session

    rows = open_session(cmd.cli_ctx).rows()
    found = {row.get("tenantId") for row in rows} | {row.get("tenantDefaultDomain") for row in rows}
    return sorted(str(tenant) for tenant in found if tenant)
