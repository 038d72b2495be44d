"""The options of `az account serve-tokens`: each is declared here, and nowhere else."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.cli.options import option
from azext_login.system.text import fits_header, printable


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port. Give a number up to 65535; 0 for any free port.")
    return int(text)


def _address(text: str) -> str:
    from azext_login.usecases.token_endpoint.addresses import check_address

    try:
        return check_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an IP address. Give an address of this computer, for example 172.17.0.1."
        ) from None


def _resource(text: str) -> str:
    """Return a resource. Clients send resources, and the scope of all permissions has the name of its resource."""
    resource = text.removesuffix("/.default")
    if not fits_header(resource) or not resource.strip("/"):
        raise argparse.ArgumentTypeError(
            f"'{printable(text)}' is not a resource. Give a URI or an application ID, for example "
            "https://vault.azure.net. Several are separated by spaces, without quotes around all of them."
        )
    return resource


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The options of `az account serve-tokens`. The command that it runs is not among them: `verbatim_words`."""

    subscription: str | None = option(
        "--subscription", "-s",
        completer="complete_subscriptions",
        help="Name or ID of the subscription whose account and tenant the tokens are for. Default: the active one.",
    )  # fmt: skip
    username: str | None = option(
        "--username",
        completer="complete_users",
        help="Account (user name or application ID) whose tokens are served. Default: the account of the subscription.",
    )
    tenant: str | None = option(
        "--tenant", "-t",
        completer="complete_tenants",
        help="Tenant (ID or domain name) that issues the tokens. Default: the tenant of the subscription.",
    )  # fmt: skip
    context: str | None = option(
        "--context",
        validator="validate_serve",
        completer="complete_contexts",
        help="Name of the context whose account and subscription are used.",
    )
    allow_resource: Sequence[str] = option(
        "--allow-resource",
        default=(),
        nargs="+",
        type=_resource,
        help="Resources that tokens are served for, separated by spaces, for example `https://vault.azure.net`. "
        "Default: those that the settings of the cloud name.",
    )
    port: int = option("--port", default=0, type=_port, help="Port of the endpoint. Default: any free port.")
    bind: str | None = option(
        "--bind",
        type=_address,
        help="IP address of this computer on which containers or other computers reach the endpoint. Default: this "
        "computer alone reaches it.",
    )
    yes: bool = option(
        "--yes", "-y", default=False, help="Without a command: print the secret even if standard output is a terminal."
    )
