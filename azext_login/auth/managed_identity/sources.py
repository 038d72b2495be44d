"""Which service of this machine gives out the tokens of managed identities."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from azext_login.errors import SignInError
from azext_login.system.text import fits_header

IMDS_HOST_VARIABLE = "AZURE_POD_IDENTITY_AUTHORITY_HOST"
IMDS_PATH = "/metadata/identity/oauth2/token"
CLOUD_SHELL_VARIABLE = "AZUREPS_HOST_ENVIRONMENT"

# The variables that decide.
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

# Those of them that are sent as a header.
_SECRETS = ("IDENTITY_HEADER", "MSI_SECRET")

# Set by the webhook of AKS: https://learn.microsoft.com/azure/aks/workload-identity-overview
_FEDERATED_TOKEN_VARIABLE = "AZURE_FEDERATED_TOKEN_FILE"

# https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
_IMDS = "http://169.254.169.254"
# https://learn.microsoft.com/azure/azure-arc/servers/managed-identity-authentication; MSAL looks for the agent's
# program when the variables are not set.
_ARC = "http://localhost:40342/metadata/identity/oauth2/token"
_ARC_AGENT_ON_LINUX = "/opt/azcmagent/bin/himds"
_ARC_AGENT_ON_WINDOWS = r"%ProgramFiles%\AzureConnectedMachineAgent\himds.exe"

_KEPT = "Nothing was sent, and nothing that was stored has changed."


class SourceKind(Enum):
    """The kinds of services; the value is what a person knows the service as."""

    SERVICE_FABRIC = "the token service of the Service Fabric cluster"
    APP_SERVICE = "the identity service of App Service, Functions or Container Apps"
    MACHINE_LEARNING = "the identity service of Azure Machine Learning"
    ARC = "the agent of Azure Arc"
    CLOUD_SHELL = "the token service of Cloud Shell"
    IMDS = "the instance metadata service of virtual machines (IMDS)"


@dataclass(frozen=True)
class IdentitySource:
    """A service, where it is, and how it was chosen."""

    kind: SourceKind
    address: str
    """Where tokens are asked for, without a query."""
    chosen_by: tuple[str, ...]
    """Names of the environment variables that decided; none for a default."""
    seen: tuple[str, ...]
    """Names of all variables that are set and could have decided."""
    federated: bool = False
    """Whether the environment has a federated token, which is what a workload of a cluster signs in with."""

    @property
    def service(self) -> str:
        """What a person knows the service as, for the middle of a sentence."""
        return self.kind.value

    @property
    def place(self) -> str:
        """The address without anything that could be a secret in it."""
        try:
            parts = urlsplit(self.address)
            host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
            return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
        except ValueError:
            return "an address that cannot be read"

    @property
    def reason(self) -> str:
        """Why this service was asked, as a sentence."""
        if self.chosen_by:
            sentence = f"It was asked because of the environment: {', '.join(self.chosen_by)}."
        elif self.kind is SourceKind.ARC:
            sentence = "It was asked because this machine has that agent."
        else:
            sentence = "It was asked because no environment variable names another service."
        others = [name for name in self.seen if name not in self.chosen_by]
        return f"{sentence} Also set: {', '.join(others)}." if others else sentence

    @property
    def alternative(self) -> str:
        """How to sign in without a managed identity."""
        if self.federated:
            return f"{_FEDERATED_TOKEN_VARIABLE} is set. To sign in with that federated token:\naz login --from-env"
        return "Elsewhere, sign in another way:\naz login"


def find_source(
    environ: Mapping[str, str],
    *,
    exists: Callable[[str], bool] = os.path.exists,
    platform: str = sys.platform,
) -> IdentitySource:
    """Return the service that MSAL asks in this environment (msal.managed_identity.get_managed_identity_source).

    A variable counts when it is there, even if it is empty.

    :raises SignInError: a variable that should hold an address or a secret holds none.
    """
    seen = tuple(name for name in _VARIABLES if name in environ)

    def source(kind: SourceKind, address: str, *chosen_by: str) -> IdentitySource:
        made = _checked(IdentitySource(kind, address, chosen_by, seen, bool(environ.get(_FEDERATED_TOKEN_VARIABLE))))
        for name in _SECRETS:
            if name in chosen_by and not fits_header(environ[name]):
                raise SignInError(
                    f"The environment variable {name} holds something that cannot be sent: blanks, line ends or "
                    f"letters that are not ASCII. {_KEPT}",
                    next_step="Leave the variable as the platform sets it, without a line end from a file; then run "
                    "the command again.",
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
        return cloud_shell_source(environ)
    chosen_by = (IMDS_HOST_VARIABLE,) if has(IMDS_HOST_VARIABLE) else ()
    # MSAL takes slashes off both ends.
    return source(SourceKind.IMDS, environ.get(IMDS_HOST_VARIABLE, _IMDS).strip("/") + IMDS_PATH, *chosen_by)


# Where MSAL asks, whatever the environment says (msal/cloudshell.py).
CLOUD_SHELL_ADDRESS = "http://localhost:50342/oauth2/token"


def cloud_shell_source(environ: Mapping[str, str]) -> IdentitySource:
    """Return the service of Cloud Shell, at the address in MSI_ENDPOINT if there is one.

    :raises SignInError: MSI_ENDPOINT is not an address.
    """
    seen = tuple(name for name in _VARIABLES if name in environ)
    chosen_by = [name for name in (CLOUD_SHELL_VARIABLE, "MSI_ENDPOINT") if name in environ]
    address = environ.get("MSI_ENDPOINT") or CLOUD_SHELL_ADDRESS
    return _checked(IdentitySource(SourceKind.CLOUD_SHELL, address, tuple(chosen_by), seen))


def _checked(source: IdentitySource) -> IdentitySource:
    """Return the source if its address is one.

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
        f"The environment variable {name} holds no address that tokens of a managed identity can be asked for. {_KEPT}",
        next_step=f"The platform sets it on a resource with a managed identity. Elsewhere, remove it:\nunset {name}",
    )
