"""Which discovery documents follow from others, and which have to be requested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from azext_login.auth.entra.documents import AuthorityDocuments

BASE = "https://localhost:8443"
ONE, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-8888-7777-6666-555555555555"


def _document(tenant: str, base: str = BASE, **changes: Any) -> dict[str, Any]:
    issuer = "{tenantid}" if tenant in ("organizations", "common") else tenant
    document = {
        "issuer": f"{base}/{issuer}/v2.0",
        "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
    }
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


def _used(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "jwks_uri"}


@pytest.mark.parametrize("read", ["organizations", "common", ONE])
@pytest.mark.parametrize("wanted", ["organizations", "common", ONE, OTHER])
def test_a_document_follows_from_any_other_one_of_entra(read: str, wanted: str) -> None:
    documents = AuthorityDocuments(f"{BASE}/")
    assert documents.find(wanted, only_existing=False) is None
    documents.learn(_document(read))
    assert documents.find(wanted, only_existing=False) == _used(_document(wanted))


@pytest.mark.parametrize("read", [ONE, ONE.upper()])
def test_a_tenant_exists_if_its_document_was_read(read: str) -> None:
    documents = AuthorityDocuments(BASE)
    documents.learn(_document(read))
    assert documents.find(ONE, only_existing=True) is not None
    assert documents.find(OTHER, only_existing=True) is None
    assert documents.find("organizations", only_existing=True) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"token_endpoint": "https://login.other.example/organizations/oauth2/v2.0/token"},
        {"token_endpoint": f"{BASE}/organizations/oauth2/token"},
        {"token_endpoint": f"{BASE}/a/organizations/oauth2/v2.0/token"},
        {"token_endpoint": f"{BASE}/b2c_1_sign_in/oauth2/v2.0/token"},
        {"token_endpoint": f"{BASE}/adfs/oauth2/token"},
        {"token_endpoint": ["x"]},
        {"token_endpoint": None},
        {"authorization_endpoint": f"{BASE}/{ONE}/oauth2/v2.0/authorize"},
        {"authorization_endpoint": "https://login.other.example/organizations/oauth2/v2.0/authorize"},
        {"device_authorization_endpoint": None},
        {"device_authorization_endpoint": f"{BASE}/organizations/devices"},
        {"issuer": None},
        {"issuer": "https://issuer.example/{tenantid}/v2.0"},
        {"issuer": f"{BASE}/{ONE}/v2.0"},
        {"issuer": BASE},
    ],
)
def test_nothing_follows_from_a_document_of_another_shape(changes: Mapping[str, Any]) -> None:
    documents = AuthorityDocuments(BASE)
    documents.learn(_document("organizations", **changes))
    documents.learn(_document("organizations"))
    assert documents.find(OTHER, only_existing=False) is None
    assert documents.tenant_of(f"{BASE}/{OTHER}/v2.0/.well-known/openid-configuration") is None


@pytest.mark.parametrize(
    "host",
    [
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
    ],
)
def test_the_clouds_of_microsoft_are_known(host: str) -> None:
    documents = AuthorityDocuments(f"https://{host}/")
    assert documents.find("organizations", only_existing=True) == _used(_document("organizations", f"https://{host}"))
    assert documents.find(ONE, only_existing=False) == _used(_document(ONE, f"https://{host}"))
    assert documents.find(ONE, only_existing=True) is None


@pytest.mark.parametrize(
    "authority",
    [
        "http://login.microsoftonline.com",
        "https://login.microsoftonline.com:8443",
        "https://login.microsoftonline.com/b2c_1_policy",
        "https://login.microsoftonline.com.evil.example",
        "https://contoso.b2clogin.com",
        "https://adfs.contoso.example/adfs",
    ],
)
def test_no_other_authority_is_known(authority: str) -> None:
    assert AuthorityDocuments(authority).find("organizations", only_existing=False) is None


@pytest.mark.parametrize(
    ("address", "tenant"),
    [
        (f"{BASE}/organizations/v2.0/.well-known/openid-configuration", "organizations"),
        (f"{BASE}/{ONE.upper()}/v2.0/.well-known/openid-configuration", ONE),
        (f"{BASE}/contoso.example/v2.0/.well-known/openid-configuration", None),
        (f"{BASE}/consumers/v2.0/.well-known/openid-configuration", None),
        (f"{BASE}/{ONE}/.well-known/openid-configuration", None),
        (f"{BASE}/{ONE}/x/v2.0/.well-known/openid-configuration", None),
        (f"{BASE}/{ONE}/oauth2/v2.0/token", None),
        (f"https://localhost/{ONE}/v2.0/.well-known/openid-configuration", None),
    ],
)
def test_only_documents_of_a_tenants_id_are_known_by_their_address(address: str, tenant: str | None) -> None:
    """A domain's document is read, because it names the tenant's ID."""
    assert AuthorityDocuments(BASE).tenant_of(address) == tenant
