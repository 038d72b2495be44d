"""A second cloud on the same server: Azure Stack Hub with AD FS, at /azurestack and /adfs.

    az cloud register -n AzureStack --endpoint-resource-manager https://localhost:PORT/azurestack

It has a directory, settings and an operator of its own; requests and faults are in the same log and list as the first
cloud's. Metadata as azure-cli reads it (cloud.py, `_arm_to_cli_mapper`): `loginEndpoint` ends with /adfs.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from tests.localcloud.adfs import AdfsIssuer, adfs_blueprint
from tests.localcloud.admin import Admin
from tests.localcloud.arm import arm_blueprint
from tests.localcloud.authorize import authorize_blueprint
from tests.localcloud.directory import (
    Access,
    Application,
    Directory,
    Membership,
    Subscription,
    Tenant,
    User,
    stable_guid,
)
from tests.localcloud.federation import Fetch
from tests.localcloud.keys import signing_key_of
from tests.localcloud.metadata import cloud_metadata
from tests.localcloud.pages import pages_blueprint
from tests.localcloud.scopes import Resource, by_uri
from tests.localcloud.seed import AZURE_CLI
from tests.localcloud.service import TokenService
from tests.localcloud.state import Settings, State
from tests.localcloud.visitors import Visitors
from tests.users import ADAM, EVE

TENANT = Tenant(stable_guid("azurestack"), "Azure Stack", ("azurestack.example",))
#: The audience of ARM, with the tenant's id as Azure Stack has it.
AUDIENCE = f"https://management.adfs.azurestack.example/{TENANT.id}"
GRAPH_AUDIENCE = "https://graph.azurestack.example/"
RESOURCES = (Resource("arm", (AUDIENCE,)), Resource("ms-graph", (GRAPH_AUDIENCE.rstrip("/"),)))
#: Client id of the service principal "stack-app" and its secret.
STACK_APP = stable_guid("app", "stack-app")
STACK_SECRET = "stack~local-secret.1"


def _member(name: str) -> tuple[Membership, ...]:
    return (Membership(TENANT.id, stable_guid("oid", name, TENANT.id)),)


def stack_directory() -> Directory:
    """Two users, one application and two subscriptions in one tenant; eve sees no subscription."""
    users = (
        User(ADAM, "Adam Aebi", "adam-local-password", _member("adam"), note="Azure Stack: two subscriptions"),
        User(
            EVE,
            "Eve Egli",
            "eve-local-password",
            _member("eve"),
            note="Azure Stack: no subscription",
        ),
    )
    production, lab = (
        Subscription(stable_guid("subscription", f"stack-{name}"), f"Azure Stack {name}", TENANT.id)
        for name in ("Production", "Lab")
    )
    applications = (
        # AD FS compares redirect addresses with their port; Azure Stack registers the one of azure-cli.
        Application(
            AZURE_CLI,
            "Microsoft Azure CLI",
            public=True,
            redirect_uris=("http://localhost:8400", "http://127.0.0.1:8400"),
            any_loopback_port=False,
        ),
        Application(STACK_APP, "stack-app", secrets=(STACK_SECRET,), principals=_member("stack-app")),
    )
    access = (
        Access(ADAM, TENANT.id, production.id),
        Access(ADAM, TENANT.id, lab.id),
        Access(STACK_APP, TENANT.id, lab.id),
    )
    return Directory((TENANT,), users, (production, lab), applications, access)


def stack_metadata(base_url: str) -> dict[str, Any]:
    """The description of the cloud; endpoints that Azure Stack doesn't have are missing."""
    whole = cloud_metadata(base_url)
    return {
        "name": "AzureStack",
        "portal": whole["portal"],
        "authentication": {
            "loginEndpoint": f"{base_url}/adfs",
            "audiences": [AUDIENCE],
            "tenant": "adfs",
            "identityProvider": "ADFS",
        },
        "resourceManager": f"{base_url}/azurestack",
        "graph": GRAPH_AUDIENCE,
        "graphAudience": GRAPH_AUDIENCE,
        "gallery": "https://gallery.azurestack.example/",
        "suffixes": {"storage": "azurestack.example", "keyVaultDns": "vault.azurestack.example"},
    }


class AzureStack:
    """The cloud; `parent` is the state of the one it shares the server with, which resets it too."""

    def __init__(self, parent: State) -> None:
        self.state = State(stack_directory(), Settings(), parent.wall_clock, by_uri(RESOURCES), parent)
        self.admin = Admin(self.state)
        self._key = signing_key_of("AD FS")
        self._base_url = ""

    @property
    def url(self) -> str:
        """Azure Resource Manager's address, without a trailing slash."""
        return f"{self._base_url}/azurestack"

    @property
    def authority(self) -> str:
        """AD FS's address, without a trailing slash."""
        return f"{self._base_url}/adfs"

    @property
    def directory(self) -> Directory:
        """The users, the tenant and the subscriptions right now."""
        return self.state.directory

    def join(self, app: Flask, base_url: str, fetch: Fetch) -> None:
        """Put the cloud's endpoints into the server's application."""
        self._base_url = base_url
        issuer = AdfsIssuer(self.state, self._key, base_url, TENANT)
        service = TokenService(app, self.state, issuer, fetch)
        visitors = Visitors(self.state, issuer.routes.cookie)
        app.register_blueprint(adfs_blueprint(self.state, issuer, service))
        app.register_blueprint(authorize_blueprint(self.state, issuer, service, visitors), name="adfs-authorize")
        app.register_blueprint(pages_blueprint(self.state, issuer, visitors), name="adfs-pages")
        app.register_blueprint(
            arm_blueprint(self.state, issuer, stack_metadata), name="azurestack", url_prefix="/azurestack"
        )
