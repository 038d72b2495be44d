"""The discovery documents of a cloud's tenants, which follow from each other where they have Entra's shape.

In Entra, the documents of two tenants of one authority differ in the tenant's ID alone, as far as a client uses them.
MSAL for .NET requests none of them: it makes the endpoints from the authority's address
(https://github.com/AzureAD/microsoft-authentication-library-for-dotnet, `AadAuthority`). MSAL for Python asks for the
document of each tenant (`Authority`), so its HTTP client answers from here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

_SUFFIX = "/v2.0/.well-known/openid-configuration"

_ENDPOINTS = {
    "authorization_endpoint": "/oauth2/v2.0/authorize",
    "token_endpoint": "/oauth2/v2.0/token",
    "device_authorization_endpoint": "/oauth2/v2.0/devicecode",
}

# What stands for the ID of a tenant in the issuer of a document for many tenants.
_ANY_TENANT = "{tenantid}"
_FOR_MANY = frozenset({"organizations", "common"})

_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII)

# The public cloud, the one for US government, and the two addresses of the one in China:
# https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
_OF_ENTRA = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
    }
)

# The header of a document that was made here. It is not kept for other commands: it does not prove that there is such a
# tenant.
MADE = "x-made-by-login"

# Seconds. A thread that waits for the first document longer than this requests its own.
_LONGEST_WAIT = 5.0


def is_of_entra(address: str) -> bool:
    """Tell whether this is the address of a cloud's Entra ID.

    :raises ValueError: it is not an address.
    """
    parts = urlsplit(address.lower())
    return parts.scheme == "https" and parts.netloc in _OF_ENTRA


class AuthorityDocuments:
    """What a process knows of an authority's documents. Threads share it."""

    def __init__(self, authority: str):
        """:param authority: the address of the sign-in service without a tenant."""
        self._base = authority.rstrip("/").lower()
        self._is_foreign = urlsplit(self._base).path != ""
        self._is_derivable = is_of_entra(self._base) and not self._is_foreign
        self._existing: set[str] = set()
        self.was_reached = False
        """Whether a connection to the service was established, so that a document need not prove that it is there."""
        self.was_read = False
        """Whether a document was read."""
        # Held during the first request, so that other threads need none.
        self._first = threading.Lock()
        self._was_asked = False

    def tenant_of(self, url: str) -> str | None:
        """Return the tenant in the address of a document, in lower case; None for another address."""
        address = url.lower()
        if self._is_foreign or not (address.startswith(f"{self._base}/") and address.endswith(_SUFFIX)):
            return None
        tenant = address[len(self._base) + 1 : -len(_SUFFIX)]
        return tenant if tenant in _FOR_MANY or _GUID.fullmatch(tenant) else None

    def find(self, tenant: str, *, only_existing: bool) -> Mapping[str, Any] | None:
        """Return what a client uses of a tenant's document; None if it has to be requested.

        :param tenant: GUID, `organizations` or `common`, in lower case.
        :param only_existing: whether the document has to prove that there is such a tenant.
        """
        if not self._is_derivable:
            return None
        if only_existing and tenant not in _FOR_MANY and tenant not in self._existing:
            return None
        document = {name: f"{self._base}/{tenant}{path}" for name, path in _ENDPOINTS.items()}
        return {"issuer": f"{self._base}/{_ANY_TENANT if tenant in _FOR_MANY else tenant}/v2.0", **document}

    def learn(self, document: Mapping[str, Any]) -> None:
        """Record whether the documents of this authority have Entra's shape, from the first one that was read."""
        self.was_read = self.was_reached = True
        tenant = self._shape(document)
        if tenant is None:
            self._is_foreign, self._is_derivable = True, False
            return
        self._is_derivable = not self._is_foreign
        if tenant not in _FOR_MANY:
            self._existing.add(tenant)

    def begin_request(self) -> bool:
        """Wait until another thread has read the first document. Tell whether this thread is to read it."""
        if self._was_asked or self._is_foreign or not self._first.acquire(timeout=_LONGEST_WAIT):
            return False
        if self._was_asked:
            self._first.release()
            return False
        return True

    def end_request(self) -> None:
        """Let the other threads continue, whatever the answer to the first request was."""
        self._was_asked = True
        self._first.release()

    def _shape(self, document: Mapping[str, Any]) -> str | None:
        """Return the tenant in the endpoints and the issuer of a document, in lower case; None for another shape."""
        endpoint = str(document.get("token_endpoint")).lower()
        tenant = endpoint.removeprefix(f"{self._base}/").removesuffix(_ENDPOINTS["token_endpoint"])
        if tenant not in _FOR_MANY and not _GUID.fullmatch(tenant):
            return None
        # Without endpoints for devices, a server has no device codes. Entra always has.
        if any(str(document.get(name)).lower() != f"{self._base}/{tenant}{path}" for name, path in _ENDPOINTS.items()):
            return None
        issuers = {f"{self._base}/{tenant}/v2.0", f"{self._base}/{_ANY_TENANT}/v2.0"}
        return tenant if str(document.get("issuer")).lower().rstrip("/") in issuers else None


@cache
def known_documents(authority: str) -> AuthorityDocuments:
    """Return what the process knows: the validator of `--tenant` reads a document, and then the command needs it."""
    return AuthorityDocuments(authority)
