"""MSAL, as the Azure CLI uses it, signs in to the local cloud in every way and reads its refusals."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.localcloud import AZURE_CLI, CI_APP, CI_SECRET, LocalCloud
from tests.localcloud.testing import ARM_SCOPE, Visitor, trusting_session
from tests.users import ALICE

pytest_plugins = ["tests.localcloud.fixtures"]


class _PortKeeper(requests.Session):
    """MSAL asks for the user realm at the authority's host without its port; this puts the port back."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = str(cloud.ca_bundle)
        self._origin = cloud.url

    def get(self, url: str, **kwargs: object) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(url)
        if parts.port is None:
            url = f"{self._origin}{parts.path}?{parts.query}"
        return super().get(url, **kwargs)  # type: ignore[arg-type]


def application(
    cloud: LocalCloud, tenant: str = "organizations", cache: msal.TokenCache | None = None
) -> msal.PublicClientApplication:
    return msal.PublicClientApplication(
        AZURE_CLI,
        authority=f"{cloud.url}/{tenant}",
        instance_discovery=False,
        http_client=_PortKeeper(cloud),
        client_capabilities=["CP1"],
        token_cache=cache,
    )


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_msal_signs_in_with_a_code(fresh_cloud: LocalCloud, visitor: Visitor, mode: str) -> None:
    app = application(fresh_cloud)
    flow = app.initiate_auth_code_flow(
        [ARM_SCOPE], "http://localhost:5000", prompt="select_account", response_mode=mode
    )
    called = visitor.sign_in(flow["auth_uri"], ALICE)
    result = app.acquire_token_by_auth_code_flow(flow, called.parameters)
    assert result["id_token_claims"]["preferred_username"] == ALICE


def test_msal_signs_in_with_a_device_code(fresh_cloud: LocalCloud, visitor: Visitor) -> None:
    app = application(fresh_cloud)
    flow = app.initiate_device_flow([ARM_SCOPE])
    user = threading.Timer(0.2, visitor.enter_device_code, (flow["user_code"], ALICE))
    user.start()
    assert "access_token" in app.acquire_token_by_device_flow(flow)
    user.join()


def test_msal_signs_in_with_a_password_and_goes_on_silently_in_other_tenants(fresh_cloud: LocalCloud) -> None:
    cache = msal.TokenCache()
    app = application(fresh_cloud, cache=cache)
    assert "access_token" in app.acquire_token_by_username_password(ALICE, "alice-local-password", [ARM_SCOPE])
    (account,) = app.get_accounts(ALICE)
    assert account["home_account_id"] == fresh_cloud.directory.user(ALICE).home_account_id
    guest = application(fresh_cloud, "fabrikam.example", cache)
    assert "access_token" in guest.acquire_token_silent_with_error([ARM_SCOPE], account)
    refused = application(fresh_cloud, "woodgrove.example", cache).acquire_token_silent_with_error([ARM_SCOPE], account)
    assert refused["error_codes"] == [50076]
    assert len(app.get_accounts()) == 1


def test_msal_finds_its_token_again(fresh_cloud: LocalCloud) -> None:
    app = application(fresh_cloud)
    app.acquire_token_by_username_password(ALICE, "alice-local-password", [ARM_SCOPE])
    again = app.acquire_token_silent([ARM_SCOPE], app.get_accounts()[0])
    assert again["token_source"] == "cache"


def test_msal_reports_a_wrong_password(fresh_cloud: LocalCloud) -> None:
    result = application(fresh_cloud).acquire_token_by_username_password(ALICE, "wrong", [ARM_SCOPE])
    assert result["error"] == "invalid_grant"
    assert result["error_codes"] == [50126]


def test_msal_signs_a_service_principal_in(fresh_cloud: LocalCloud) -> None:
    app = msal.ConfidentialClientApplication(
        CI_APP,
        CI_SECRET,
        authority=f"{fresh_cloud.url}/contoso.example",
        instance_discovery=False,
        http_client=trusting_session(fresh_cloud),
    )
    assert "access_token" in app.acquire_token_for_client([ARM_SCOPE])


def test_msal_signs_a_service_principal_in_with_a_certificate(fresh_cloud: LocalCloud) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ci-app")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fresh_cloud.admin.add_certificate("ci-app", certificate.public_bytes(serialization.Encoding.PEM).decode())
    app = msal.ConfidentialClientApplication(
        CI_APP,
        # A SHA-1 thumbprint is what azure-cli-core gives to MSAL.
        {"private_key": private.decode(), "thumbprint": certificate.fingerprint(hashes.SHA1()).hex()},
        authority=f"{fresh_cloud.url}/fabrikam.example",
        instance_discovery=False,
        http_client=trusting_session(fresh_cloud),
    )
    assert "access_token" in app.acquire_token_for_client([ARM_SCOPE])
