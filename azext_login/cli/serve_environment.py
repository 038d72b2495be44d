"""The environment in which unmodified clients find our endpoint, and no other credential before it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

ENDPOINT_VARIABLE = "IDENTITY_ENDPOINT"
SECRET_VARIABLE = "IDENTITY_HEADER"

# What would make a client use another kind of managed identity: azure-identity for Python
# (_credentials/managed_identity.py), MSAL for JavaScript (ManagedIdentityClient.ts), and MSAL for Python
# (managed_identity.py, `get_managed_identity_source`).
_OTHER_SOURCES = (
    "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_ENDPOINT", "MSI_SECRET", "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)  # fmt: skip
# What DefaultAzureCredential uses before a managed identity, or to name one, or to leave managed identities out:
# https://learn.microsoft.com/python/api/azure-identity/azure.identity.defaultazurecredential
_OTHER_CREDENTIALS = (
    "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE", "AZURE_PASSWORD", "AZURE_TENANT_ID", "AZURE_TOKEN_CREDENTIALS", "AZURE_USERNAME",
)  # fmt: skip

_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NO_PROXIES = ("no_proxy", "NO_PROXY")


def environment_of_command(environ: Mapping[str, str], url: str, secret: str) -> dict[str, str]:
    """Return the environment of a command that gets its tokens from an endpoint.

    :param environ: the environment of this process.
    :param url: the address of the endpoint.
    """
    removed = {*_OTHER_SOURCES, *_OTHER_CREDENTIALS}
    made = {name: value for name, value in environ.items() if name not in removed}
    made |= {ENDPOINT_VARIABLE: url, SECRET_VARIABLE: secret}
    if any(environ.get(name) for name in _PROXIES):
        # A proxy would get the secret and the tokens, and could not reach this computer. Some clients read the variable
        # in lower case, others in upper case.
        host = urlsplit(url).hostname or ""
        other = next((environ[name] for name in _NO_PROXIES if environ.get(name)), "")
        made |= {name: _with_host(environ.get(name) or other, host) for name in _NO_PROXIES}
    return made


def _with_host(exempt: str, host: str) -> str:
    """Return the value of NO_PROXY with a host in addition."""
    if exempt.strip() == "*" or host in [each.strip() for each in exempt.split(",")]:
        return exempt
    return ",".join(filter(None, (exempt, host)))


def env_file(url: str, secret: str) -> str:
    """Return the two variables as `docker run --env-file` reads them: one per line, without quotes."""
    return f"{ENDPOINT_VARIABLE}={url}\n{SECRET_VARIABLE}={secret}\n"
