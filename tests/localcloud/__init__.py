"""A cloud on this machine: Entra ID's and Azure Resource Manager's protocols over TLS on loopback, for tests.

    from tests.localcloud import LocalCloud

    with LocalCloud() as cloud:
        requests.get(cloud.url + "/metadata/endpoints?api-version=2022-09-01", verify=str(cloud.ca_bundle))

Needs Authlib, Flask, cheroot, trustme, cryptography and PyJWT. See `python -m tests.localcloud --help`.
"""

from tests.localcloud.admin import Admin
from tests.localcloud.cijobs import GITHUB_SUBJECT, PIPELINES_SUBJECT, SERVICE_CONNECTION
from tests.localcloud.directory import Application, Directory, Membership, Subscription, Tenant, User
from tests.localcloud.seed import (
    AZURE_CLI,
    CI_APP,
    CI_SECRET,
    DEPLOY_IDENTITY,
    NOTES_APP,
    READER_IDENTITY,
    SAMPLE_APP,
    VM_IDENTITY,
    default_directory,
)
from tests.localcloud.server import LocalCloud

__all__ = [
    "AZURE_CLI",
    "CI_APP",
    "CI_SECRET",
    "DEPLOY_IDENTITY",
    "GITHUB_SUBJECT",
    "NOTES_APP",
    "PIPELINES_SUBJECT",
    "READER_IDENTITY",
    "SAMPLE_APP",
    "SERVICE_CONNECTION",
    "VM_IDENTITY",
    "Admin",
    "Application",
    "Directory",
    "LocalCloud",
    "Membership",
    "Subscription",
    "Tenant",
    "User",
    "default_directory",
]
