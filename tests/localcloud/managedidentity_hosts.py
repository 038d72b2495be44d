"""What a process finds on a machine with managed identities: the environment, per kind of machine."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.localcloud.managedidentity_endpoints import ARC_TOKENS
from tests.users import ALICE


def make_self_signed(file: Path) -> str:
    """Write a key and a certificate of its own making, as a Service Fabric cluster has; return its SHA-1 in hex."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localcloud-cluster")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(private + certificate.public_bytes(serialization.Encoding.PEM))
    return hashlib.sha1(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


class IdentityHosts:
    """The environments that `LocalCloud` has for child processes."""

    #: Port of the plain http endpoints, and of Service Fabric's with its own certificate.
    identity_port: int
    fabric_port: int
    #: SHA-1 of Service Fabric's certificate, in hex.
    fabric_thumbprint: str
    #: What IDENTITY_HEADER and MSI_SECRET hold.
    identity_secret: str
    _arc_files: set[Path]

    @property
    def identity_url(self) -> str:
        """`http://127.0.0.1:PORT`, without a trailing slash."""
        return f"http://127.0.0.1:{self.identity_port}"

    def imds_environment(self) -> dict[str, str]:
        """A virtual machine, except that its metadata service is on loopback."""
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.identity_url}

    def app_service_environment(self) -> dict[str, str]:
        """App Service, Functions or Container Apps."""
        return {
            "IDENTITY_ENDPOINT": f"{self.identity_url}/appservice/msi/token",
            "IDENTITY_HEADER": self.identity_secret,
        }

    def service_fabric_environment(self) -> dict[str, str]:
        """A Service Fabric cluster."""
        return {
            "IDENTITY_ENDPOINT": f"https://127.0.0.1:{self.fabric_port}/servicefabric/metadata/identity/oauth2/token",
            "IDENTITY_HEADER": self.identity_secret,
            "IDENTITY_SERVER_THUMBPRINT": self.fabric_thumbprint,
            "IDENTITY_API_VERSION": "2019-07-01-preview",
        }

    def machine_learning_environment(self) -> dict[str, str]:
        """A compute of Azure Machine Learning."""
        return {"MSI_ENDPOINT": f"{self.identity_url}/machinelearning/msi/token", "MSI_SECRET": self.identity_secret}

    def arc_environment(self) -> dict[str, str]:
        """A server connected with Azure Arc. Makes the folder of its challenge files; OSError where it may not."""
        ARC_TOKENS.mkdir(parents=True, exist_ok=True)
        if not os.access(ARC_TOKENS, os.W_OK | os.X_OK):
            raise PermissionError(f"nothing can be written to {ARC_TOKENS}")
        return {
            "IDENTITY_ENDPOINT": f"{self.identity_url}/arc/metadata/identity/oauth2/token",
            "IMDS_ENDPOINT": self.identity_url,
        }

    def cloud_shell_environment(self, username: str = ALICE) -> dict[str, str]:
        """The Cloud Shell of a user. MSAL by itself asks http://localhost:50342, whatever the value of MSI_ENDPOINT."""
        return {
            "ACC_CLOUD": "LOCAL",
            "AZUREPS_HOST_ENVIRONMENT": "cloud-shell/1.0",
            "MSI_ENDPOINT": f"{self.identity_url}/cloudshell/{username}/oauth2/token",
        }

    def _remove_arc_files(self) -> None:
        """Remove challenge files that no client used, and the folders if they are empty then."""
        for file in list(self._arc_files):
            file.unlink(missing_ok=True)
        self._arc_files.clear()
        for folder in (ARC_TOKENS, ARC_TOKENS.parent):
            with contextlib.suppress(OSError):  # not there, not empty, or not ours
                folder.rmdir()
