"""Which of Microsoft's clouds a sign-in address belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class KnownCloud:
    """One cloud. Any of its `hosts` stands for all of them."""

    hosts: tuple[str, ...]
    audience: str
    """What the `aud` claim of a federated token reads here."""
    name: str | None = None
    """What every azure-cli calls it; None where not every one knows it."""


# The hosts: WELL_KNOWN_AUTHORITY_HOSTS in msal/authority.py, and which belong together: the discovery document at
# https://login.microsoftonline.com/common/discovery/instance?api-version=1.1. The audiences of the first three:
# https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity; of the
# others: the table of clouds in MSAL.NET and GitHubActionsCredential in @azure/identity.
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
    """The parts of an authority's address that tell it from another one."""

    scheme: str
    host: str
    port: int | None
    """None for the scheme's own."""
    path: str

    @property
    def cloud(self) -> KnownCloud | None:
        """The cloud whose address this is, the same one for all of its hosts."""
        if (self.scheme, self.port, self.path) != ("https", None, ""):
            return None
        return next((cloud for cloud in _CLOUDS if self.host in cloud.hosts), None)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"


def parse_authority(address: str) -> AuthorityAddress | None:
    """Return the parts of an address with or without `https://` in front and slashes at the end; None if it is none."""
    address = address.strip()
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    scheme = parts.scheme.lower()
    usual = {"https": 443, "http": 80}.get(scheme)
    return AuthorityAddress(scheme, parts.hostname, None if port == usual else port, parts.path.rstrip("/"))


def audience_of(authority: str) -> str:
    """Return the audience that federated tokens have in the cloud of this sign-in address.

    That is the public cloud's for private addresses too: an application there may be registered with any audience,
    and this one is what every tool creates it with.
    """
    address = parse_authority(authority)
    cloud = address.cloud if address is not None else None
    return (cloud or _CLOUDS[0]).audience
