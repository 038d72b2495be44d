"""Values of options, and options that several commands share."""

from __future__ import annotations

import re
from typing import Any

from azext_login.cli.options import option
from azext_login.system.text import is_guid

AZURE_PIPELINES = "azure-pipelines"

TOKEN_SOURCES = ("github", AZURE_PIPELINES)
"""The services that `--federated-token-source` can ask for a federated token."""

TOKEN_FORMATS = ("exec-credential", "bash", "fish", "powershell", "dotenv", "header", "git")
"""The formats of `account export-token`."""

# --resource-type -> name of the endpoint in the cloud's settings, as built in.
RESOURCE_TYPES = {
    "oss-rdbms": "ossrdbms_resource_id",
    "arm": "active_directory_resource_id",
    "aad-graph": "active_directory_graph_resource_id",
    "ms-graph": "microsoft_graph_resource_id",
    "batch": "batch_resource_id",
    "media": "media_resource_id",
    "data-lake": "active_directory_data_lake_resource_id",
}

_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,7})s?)?")


def parse_duration(name: str, text: str) -> float:
    """Return the seconds of a duration such as `300`, `90s`, `10m`, `1h` or `1h30m`.

    :param name: the option, for the error.
    :raises ValueError: the text is not a duration.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or not any(match.groups()):
        raise ValueError(
            f"usage error: {name} {text!r} is not a duration. Give seconds, or a number with s, m or h, for example "
            "10m."
        )
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def _application_id(text: str) -> str:
    from argparse import ArgumentTypeError

    from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID

    client_id = text.lower()
    if not is_guid(client_id):
        raise ArgumentTypeError(f"{text!r} is not the application (client) ID of an application, a GUID.")
    if client_id == AZURE_CLI_CLIENT_ID:
        raise ArgumentTypeError("this is the Azure CLI itself. Leave out the option.")
    return client_id


def application_option(*, help: str, group: str | None = None) -> Any:
    """Return the field for --app-client-id, which several commands have.

    `az login --client-id` names a managed identity, and a later `az account get-access-token --client-id` may be for
    applications that share the session of the Azure CLI (azure-cli#30301).
    """
    return option("--app-client-id", type=_application_id, group=group, help=help)


def exclude_tenants_option(group: str | None = None) -> Any:
    """Return the field for --exclude-tenant, which several commands have."""
    return option(
        "--exclude-tenant",
        default=(),
        nargs="+",
        validator="validate_excluded_tenants",
        completer="complete_tenants",
        group=group,
        help="Tenants (ID or domain name, separated by spaces) that are not asked for subscriptions. To exclude them "
        'every time: az config set login.exclude_tenants="TENANT TENANT".',
    )
