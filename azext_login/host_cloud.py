"""The cloud of one command in place of the stored one. A module of its own, because every `az` command loads it."""

from __future__ import annotations

import threading
from typing import Any

_STORED = "stored_by_azext_login"

_changing = threading.Lock()


def stored_cloud_name(cli_ctx: Any) -> str:
    """Return the name of the cloud that is active where no context is chosen."""
    stored = cli_ctx.__dict__.get(_STORED)
    return str((stored[0] if stored else cli_ctx.cloud).name)


def use_cloud(cli_ctx: Any, name: str | None) -> None:
    """Let this process use a cloud in place of the stored one. Nothing is stored.

    The host asks its context for the cloud, and in some places its configuration. It runs a command with a shallow copy
    of its context: what is set there must not stay in the original.

    :param name: None for the stored cloud. A cloud that is not registered changes nothing.
    """
    with _changing:
        if name is not None and name == cli_ctx.cloud.name:
            # Threads of a program ask for tokens at the same time: the stored cloud must not be there in between.
            return
        stored = cli_ctx.__dict__.pop(_STORED, None)
        if stored:
            cli_ctx.cloud, cli_ctx.config = stored
        if name is not None and name != cli_ctx.cloud.name:
            _replace_cloud(cli_ctx, name)


def _replace_cloud(cli_ctx: Any, name: str) -> None:
    from copy import copy

    from azure.cli.core.cloud import get_clouds

    config = copy(cli_ctx.config)
    get = config.get

    def get_with_cloud(section: str, option: str, *values: Any, **options: Any) -> Any:
        return name if (section, option) == ("cloud", "name") else get(section, option, *values, **options)

    cloud = next((cloud for cloud in get_clouds(cli_ctx) if cloud.name == name), None)
    if cloud is None:
        return
    config.get = get_with_cloud
    cloud.is_active = True
    setattr(cli_ctx, _STORED, (cli_ctx.cloud, cli_ctx.config))
    cli_ctx.cloud, cli_ctx.config = cloud, config
