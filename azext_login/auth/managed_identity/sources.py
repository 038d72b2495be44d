"""The service that issues the tokens of managed identities on this host (MSAL's term: the source)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from azext_login.errors import SignInError
from azext_login.system.command_line import Command
from azext_login.system.login_command import IDENTITY_LOGIN, another_way
from azext_login.system.text import fits_header

IMDS_HOST_VARIABLE = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
IMDS_PATH = "/metadata/identity/oauth2/token"
CLOUD_SHELL_VARIABLE = "AZUREPS_HOST_ENVIRONMENT"

# The variables that determine the source.
_VARIABLES = (
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    CLOUD_SHELL_VARIABLE,
    IMDS_HOST_VARIABLE,
)

# The variables whose value is sent as a header.
_SECRETS = ("IDENTITY_HEADER", "MSI_SECRET")

# Set by the webhook of AKS: https://learn.microsoft.com/azure/aks/workload-identity-overview
_FEDERATED_TOKEN_VARIABLE = "AZURE_FEDERATED_TOKEN_FILE"

# https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
_IMDS = "http://169.254.169.254"
# https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication. If no variable is set, MSAL
# checks whether the agent's program is installed.
_ARC = "http://localhost:40342/metadata/identity/oauth2/token"
_ARC_AGENT_ON_LINUX = "/opt/azcmagent/bin/himds"
_ARC_AGENT_ON_WINDOWS = r"%ProgramFiles%\AzureConnectedMachineAgent\himds.exe"

_KEPT = "Nothing was sent, and nothing that was stored has changed."


class SourceKind(Enum):
    """The kinds of services. The value is the service's name for users."""

    SERVICE_FABRIC = "the token service of the Service Fabric cluster"
    APP_SERVICE = "the identity service of App Service, Functions or Container Apps"
    MACHINE_LEARNING = "the identity service of Azure Machine Learning"
    ARC = "the agent of Azure Arc"
    CLOUD_SHELL = "the token service of Cloud Shell"
    IMDS = "the instance metadata service of virtual machines (IMDS)"


@dataclass(frozen=True)
class IdentitySource:
    """A service, its address, and the variables that determined it."""

    kind: SourceKind
    address: str
    """The address of token requests, without a query."""
    chosen_by: tuple[str, ...]
    """Names of the environment variables that determined the service; empty for a default."""
    seen: tuple[str, ...]
    """Names of all variables that are set and could determine a service."""
    federated: bool = False
    """Whether the environment names a federated token, with which a workload of a cluster can sign in."""
    command: Command = IDENTITY_LOGIN
    """The `az login` that runs, or that signs the stored account in again; for the advice."""

    @property
    def service(self) -> str:
        """The service's name for users, for the middle of a sentence."""
        return self.kind.value

    @property
    def place(self) -> str:
        """The address without the parts that could contain a secret."""
        try:
            parts = urlsplit(self.address)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
        except ValueError:
            return "an address that cannot be read"

    @property
    def reason(self) -> str:
        """A sentence that explains why this service was chosen."""
        if self.chosen_by:
            sentence = f"It was asked because of the environment: {', '.join(self.chosen_by)}."
        elif self.kind is SourceKind.ARC:
            sentence = "It was asked because that agent is installed on this computer."
        else:
            sentence = "It was asked because no environment variable names another service."
        others = [name for name in self.seen if name not in self.chosen_by]
        return f"{sentence} Also set: {', '.join(others)}." if others else sentence

    @property
    def alternative(self) -> str:
        """Advice: how to sign in without a managed identity."""
        if self.federated:
            from_env = another_way(self.command, "--from-env")
            return f"{_FEDERATED_TOKEN_VARIABLE} is set. To sign in with that federated token:\n{from_env}"
        return f"Elsewhere, sign in another way:\n{another_way(self.command)}"


def find_source(
    environ: Mapping[str, str],
    *,
    exists: Callable[[str], bool] = os.path.exists,
    platform: str = sys.platform,
) -> IdentitySource:
    """Return the service that MSAL uses in this environment (msal.managed_identity.get_managed_identity_source).

    A variable counts as set even if it is empty.

    :param exists: tells whether a file exists.
    :param platform: the value of sys.platform.
    :raises SignInError: the value of a variable is not an address, or not a secret that can be sent.
    """
    seen = tuple(name for name in _VARIABLES if name in environ)

    def source(kind: SourceKind, address: str, *chosen_by: str) -> IdentitySource:
        made = _check_address(
            IdentitySource(kind, address, chosen_by, seen, bool(environ.get(_FEDERATED_TOKEN_VARIABLE)))
        )
        for name in _SECRETS:
            if name in chosen_by and not fits_header(environ[name]):
                raise SignInError(
                    f"The environment variable {name} holds a value that cannot be sent: it has spaces, line ends or "
                    f"characters that are not ASCII. {_KEPT}",
                    next_step="Set it to the value that the platform gives, without a line end; then run the command "
                    "again.",
                )
        return made

    def has(*names: str) -> bool:
        return all(name in environ for name in names)

    if has("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"):
        names = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT")
        return source(SourceKind.SERVICE_FABRIC, environ["IDENTITY_ENDPOINT"], *names)
    if has("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        return source(SourceKind.APP_SERVICE, environ["IDENTITY_ENDPOINT"], "IDENTITY_ENDPOINT", "IDENTITY_HEADER")
    if has("MSI_ENDPOINT", "MSI_SECRET"):
        return source(SourceKind.MACHINE_LEARNING, environ["MSI_ENDPOINT"], "MSI_ENDPOINT", "MSI_SECRET")
    if has("IDENTITY_ENDPOINT", "IMDS_ENDPOINT"):
        return source(SourceKind.ARC, environ["IDENTITY_ENDPOINT"], "IDENTITY_ENDPOINT", "IMDS_ENDPOINT")
    if (platform == "linux" and exists(_ARC_AGENT_ON_LINUX)) or (
        platform == "win32" and exists(os.path.expandvars(_ARC_AGENT_ON_WINDOWS))
    ):
        return source(SourceKind.ARC, _ARC)
    if environ.get(CLOUD_SHELL_VARIABLE, "").startswith("cloud-shell"):
        return find_cloud_shell_source(environ)
    chosen_by = (IMDS_HOST_VARIABLE,) if has(IMDS_HOST_VARIABLE) else ()
    # MSAL removes slashes from both ends.
    return source(SourceKind.IMDS, environ.get(IMDS_HOST_VARIABLE, _IMDS).strip("/") + IMDS_PATH, *chosen_by)


# The address that MSAL uses in any environment (msal/cloudshell.py).
CLOUD_SHELL_ADDRESS = "http://localhost:50342/oauth2/token"


def find_cloud_shell_source(environ: Mapping[str, str]) -> IdentitySource:
    """Return the service of Cloud Shell, at the address in MSI_ENDPOINT if that is set.

    :raises SignInError: MSI_ENDPOINT is not an address.
    """
    seen = tuple(name for name in _VARIABLES if name in environ)
    chosen_by = [name for name in (CLOUD_SHELL_VARIABLE, "MSI_ENDPOINT") if name in environ]
    address = environ.get("MSI_ENDPOINT") or CLOUD_SHELL_ADDRESS
    return _check_address(IdentitySource(SourceKind.CLOUD_SHELL, address, tuple(chosen_by), seen))


def _check_address(source: IdentitySource) -> IdentitySource:
    """Return the source if its address is valid.

    :raises SignInError: it is not.
    """
    try:
        parts = urlsplit(source.address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if usable and source.address.isprintable() and " " not in source.address:
        return source
    name = next(iter(n for n in source.chosen_by if n.endswith(("_ENDPOINT", "_HOST"))), "the environment")
    raise SignInError(
        f"The environment variable {name} holds no address of a service for managed identities. {_KEPT}",
        next_step=f"The platform sets it on a resource with a managed identity. Elsewhere, remove it:\nunset {name}",
    )
