"""Scopes of the v2.0 endpoints: which one resource a request is for, and what the answer reports as granted.

Source: "Scopes and permissions in the Microsoft identity platform", section on ".default" and the trailing slash;
azure-cli-core auth/util.py for the double slash of `https://management.core.windows.net//.default`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.localcloud.errors import EntraError, missing_parameter

OIDC_SCOPES = ("openid", "profile", "email", "offline_access")


@dataclass(frozen=True)
class Resource:
    """Something tokens are for. `uris` are its identifiers without trailing slash, lower case.

    `consent` is what it takes: "given" (pre-authorized), "user" (asks the user) or "admin" (no user can agree).
    """

    key: str
    uris: tuple[str, ...]
    consent: str = "given"


ARM_AUDIENCES = (
    "https://management.localcloud.example/",
    "https://management.core.windows.net/",
    "https://management.azure.com/",
)
#: How a token may name ARM, without a trailing slash: an address or its application id.
ARM_IDENTIFIERS = (*(a.rstrip("/") for a in ARM_AUDIENCES), "797f4846-ba00-4fd7-ba43-dac1f8f63013")
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"

RESOURCES = (
    Resource("arm", ARM_IDENTIFIERS),
    Resource("ms-graph", (GRAPH_APP_ID, "https://graph.localcloud.example", "https://graph.microsoft.com")),
    Resource(
        "aad-graph",
        (
            "00000002-0000-0000-c000-000000000000",
            "https://aadgraph.localcloud.example",
            "https://graph.windows.net",
        ),
    ),
    Resource("batch", ("https://batch.localcloud.example", "https://batch.core.windows.net")),
    Resource("media", ("https://rest.media.localcloud.example", "https://rest.media.azure.net")),
    Resource("data-lake", ("https://datalake.localcloud.example", "https://datalake.azure.net")),
    Resource("oss-rdbms", ("https://ossrdbms-aad.localcloud.example", "https://ossrdbms-aad.database.windows.net")),
    Resource(
        "vault",
        (
            "https://vault.localcloud.example",
            "https://vault.azure.net",
            "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
        ),
    ),
    Resource("storage", ("https://storage.localcloud.example", "https://storage.azure.com")),
    Resource("logs", ("https://api.loganalytics.localcloud.example", "https://api.loganalytics.io")),
    Resource(
        "app-insights",
        ("https://api.applicationinsights.localcloud.example", "https://api.applicationinsights.io"),
    ),
    Resource("app-service", ("https://appservice.localcloud.example", "https://appservice.azure.com")),
    Resource("synapse", ("https://dev.azuresynapse.localcloud.example", "https://dev.azuresynapse.net")),
    Resource("attestation", ("https://attest.localcloud.example", "https://attest.azure.net")),
    Resource("aks", ("6dae42f8-4368-4678-94ff-3960e28e3630",)),
    Resource("devops", ("499b84ac-1321-427f-aa17-267ca6975798",)),
    Resource("ssh", ("https://pas.windows.net/checkmyaccess/linux",)),
    Resource("needs-consent", ("https://needs-consent.localcloud.example",), consent="user"),
    Resource("needs-admin", ("https://needs-admin.localcloud.example",), consent="admin"),
)


def by_uri(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Resources by each of their identifiers."""
    return {uri: resource for resource in resources for uri in resource.uris}


BY_URI = by_uri(RESOURCES)
GRAPH = BY_URI[GRAPH_APP_ID]


@dataclass(frozen=True)
class ScopeRequest:
    """A parsed `scope` parameter. `audience` is the resource as the client wrote it, trailing slash and all."""

    resource: Resource
    audience: str
    permissions: tuple[str, ...]
    oidc: tuple[str, ...]

    @property
    def granted(self) -> str:
        """The `scope` of a token answer: the asked-for names, and what they stand for.

        MSAL files an access token under this text, so it has to contain what was asked for.
        """
        prefix = self.audience + "/"
        names = ["user_impersonation" if p == ".default" else p for p in self.permissions]
        found = [prefix + n for n in names] + [prefix + p for p in self.permissions]
        if self.resource is GRAPH:
            # Graph is the resource that openid, profile and email are permissions of.
            found = [s for s in ("email", "openid", "profile") if "openid" in self.oidc] + found
        return " ".join(dict.fromkeys(found))

    @property
    def scp(self) -> str:
        """The `scp` claim."""
        names = ["user_impersonation" if p == ".default" else p for p in self.permissions]
        return " ".join(dict.fromkeys(names)) or "openid profile email"


def _invalid_scope(scope: str) -> EntraError:
    return EntraError(
        "invalid_scope",
        70011,
        "The provided request must include a 'scope' input parameter. The "
        "provided value for the input parameter 'scope' is not valid. The "
        f"scope {scope} is not valid.",
    )


def _split(scope: str) -> tuple[str, str]:
    """(resource, permission) of one scope; a bare permission belongs to Microsoft Graph."""
    if "/" not in scope:
        if not scope.replace(".", "").replace("_", "").isalnum() or scope == ".default":
            raise _invalid_scope(scope)
        return GRAPH_APP_ID, scope
    audience, _, permission = scope.rpartition("/")
    parts = urlsplit(audience)
    if not permission or not (parts.netloc if "://" in scope else audience):
        raise _invalid_scope(scope)
    return audience, permission


def parse_scope(scope: str | None, tenant_name: str, known: Mapping[str, Resource] = BY_URI) -> ScopeRequest:
    """Parse a `scope` parameter; raises EntraError for what Entra refuses too.

    `known` are the resources by their identifiers.
    Two resources in one request, `.default` beside a named permission, an unknown resource (AADSTS500011) and
    malformed text (AADSTS70011) are errors. Only OpenID scopes give a Microsoft Graph token.
    """
    words = (scope or "").split()
    if not words:
        raise missing_parameter("scope")
    oidc = tuple(dict.fromkeys(w for w in words if w in OIDC_SCOPES))
    asked = [_split(w) for w in words if w not in OIDC_SCOPES]
    if not asked:
        return ScopeRequest(GRAPH, GRAPH_APP_ID, (), oidc)
    audiences = list(dict.fromkeys(audience for audience, _ in asked))
    if len(audiences) > 1:
        raise EntraError(
            "invalid_request",
            28000,
            "Provided value for the input parameter scope is not valid because "
            "it contains more than one resource. Scope "
            f"{' '.join(words)} is not valid.",
        )
    permissions = tuple(dict.fromkeys(permission for _, permission in asked))
    if ".default" in permissions and len(permissions) > 1:
        raise _invalid_scope(" ".join(words) + " (.default can't be combined with resource-specific scopes)")
    resource = known.get(audiences[0].rstrip("/").lower())
    if resource is None:
        raise EntraError(
            "invalid_resource",
            500011,
            f"The resource principal named {audiences[0]} was not found in the tenant named "
            f"{tenant_name}. This can happen if the application has not been installed by the "
            "administrator of the tenant or consented to by any user in the tenant. You might have sent "
            "your authentication request to the wrong tenant.",
        )
    return ScopeRequest(resource, audiences[0], permissions, oidc)
