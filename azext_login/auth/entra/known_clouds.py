"""Microsoft's clouds, by the addresses of their sign-in services (authorities)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class KnownCloud:
    """One of Microsoft's clouds. Its `hosts` are aliases of one sign-in service."""

    hosts: tuple[str, ...]
    audience: str
    """The `aud` claim that the cloud expects in a federated token."""
    name: str | None = None
    """Its name in every release of azure-cli; None if older releases do not know the cloud."""


# Sources. Hosts: WELL_KNOWN_AUTHORITY_HOSTS in msal/authority.py. Aliases: the discovery document at
# https://login.microsoftonline.com/common/discovery/instance?api-version=1.1. Audiences of the first three clouds:
# https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity; of the
# others: the table of clouds in MSAL.NET, and GitHubActionsCredential in @azure/identity.
_CLOUDS = (
    KnownCloud(
        ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"),
        "api://AzureADTokenExchange",
        "AzureCloud",
    ),
    KnownCloud(
        ("login.microsoftonline.us", "login.usgovcloudapi.net"), "api://AzureADTokenExchangeUSGov", "AzureUSGovernment"
    ),
    KnownCloud(
        ("login.chinacloudapi.cn", "login.partner.microsoftonline.cn"),
        "api://AzureADTokenExchangeChina",
        "AzureChinaCloud",
    ),
    KnownCloud(("login.sovcloud-identity.fr",), "api://AzureADTokenExchangeFrance"),
    KnownCloud(("login.sovcloud-identity.de",), "api://AzureADTokenExchangeGermany"),
    KnownCloud(("login.sovcloud-identity.sg",), "api://AzureADTokenExchangeGovSG"),
)


@dataclass(frozen=True)
class AuthorityAddress:
    """The parts of an authority's address that count when two are compared."""

    scheme: str
    host: str
    port: int | None
    """None for the default port of the scheme."""
    path: str

    @property
    def cloud(self) -> KnownCloud | None:
        """The cloud of Microsoft's that signs in at this address; None for a private or unknown one."""
        if (self.scheme, self.port, self.path) != ("https", None, ""):
            return None
        return next((cloud for cloud in _CLOUDS if self.host in cloud.hosts), None)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"


def parse_authority(address: str) -> AuthorityAddress | None:
    """Return the parts of an authority's address; None if it is not an address.

    The address may lack `https://`, and trailing slashes do not count.
    """
    address = address.strip()
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    scheme = parts.scheme.lower()
    default_port = {"https": 443, "http": 80}.get(scheme)
    return AuthorityAddress(scheme, parts.hostname, None if port == default_port else port, parts.path.rstrip("/"))


def audience_of(authority: str) -> str:
    """Return the audience of federated tokens in the cloud of this authority.

    For a private authority, it is the audience of the public cloud: an application may be registered with any audience,
    and this one is the default of every tool.
    """
    address = parse_authority(authority)
    cloud = address.cloud if address is not None else None
    return (cloud or _CLOUDS[0]).audience
