"""Completes values on Tab, from the stored accounts. No network."""

from __future__ import annotations

from typing import Any

from azure.cli.core.decorators import Completer


@Completer  # type: ignore[untyped-decorator]  # the host is untyped
def complete_users(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the signed-in accounts by the names that options take: a managed identity is named by its ID."""
    from azext_login.cli.open_session import open_session
    from azext_login.profile.model import account_of

    rows = open_session(cmd.cli_ctx).rows(all_clouds=True, all_identities=True)
    return sorted({account_of(row).label for row in rows})


@Completer  # type: ignore[untyped-decorator]
def complete_tenants(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the tenants of the known subscriptions, by ID and by domain name."""
    from azext_login.cli.open_session import open_session

    rows = open_session(cmd.cli_ctx).rows(all_identities=True)
    found = {row.get("tenantId") for row in rows} | {row.get("tenantDefaultDomain") for row in rows}
    return sorted(str(tenant) for tenant in found if tenant)


@Completer  # type: ignore[untyped-decorator]
def complete_subscriptions(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the subscriptions of the active cloud by name and by ID."""
    from azext_login.cli.open_session import open_session

    rows = open_session(cmd.cli_ctx).rows(all_identities=True)
    return sorted({str(row[key]) for row in rows for key in ("name", "id")})


@Completer  # type: ignore[untyped-decorator]
def complete_contexts(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the names of the contexts."""
    from azext_login.cli.open_session import open_session
    from azext_login.profile.contexts import read_contexts

    return [context.name for context in read_contexts(open_session(cmd.cli_ctx).state().contexts)]


@Completer  # type: ignore[untyped-decorator]
def complete_directories(cmd: Any, prefix: str, namespace: Any, **_: Any) -> list[str]:
    """Return the directories whose paths begin with what was typed."""
    from argcomplete.completers import DirectoriesCompleter

    return [str(path) for path in DirectoriesCompleter()(prefix)]  # type: ignore[no-untyped-call]
