"""What an access token says of itself, whatever its claims are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.sources.access_token import read_token
from azext_login.errors import SignInError
from tests.unit.auth.sources.test_federated_tokens import NOW, jwt

PUBLIC, CHINA, PRIVATE = (
    "https://login.microsoftonline.com",
    "https://login.chinacloudapi.cn",
    "https://localhost:8443",
)
TENANT = "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a"
CLAIMS: dict[str, Any] = {
    "aud": "https://management.azure.com/",
    "iss": f"https://sts.windows.net/{TENANT}/",
    "tid": TENANT,
    "oid": "0d1c7a70-7b3e-4b6e-b9d5-1d0f6b1f0c11",
    "exp": NOW + 3600,
    "appid": "app-id",
}


@pytest.mark.parametrize(
    "authority, issuer",
    [
        (PUBLIC, f"https://sts.windows.net/{TENANT}/"),
        (PUBLIC, f"https://login.microsoftonline.com/{TENANT}/v2.0"),
        (f"{PUBLIC}/", f"https://login.microsoftonline.com/{TENANT.upper()}/v2.0"),
        (CHINA, f"https://sts.chinacloudapi.cn/{TENANT}/"),
        (CHINA, f"https://login.partner.microsoftonline.cn/{TENANT}/v2.0"),
        ("https://login.microsoftonline.us", f"https://sts.windows.net/{TENANT}/"),
        (PRIVATE, f"https://localhost:8443/{TENANT}/"),
    ],
)
def test_the_issuers_of_a_cloud_are_known(authority: str, issuer: str) -> None:
    found = read_token(jwt({**CLAIMS, "iss": issuer}), authority=authority, tenant=None, now=NOW)
    assert (found.tenant, found.name, found.is_user) == (TENANT, "app-id", False)


@pytest.mark.parametrize(
    "authority, issuer",
    [
        (CHINA, f"https://sts.windows.net/{TENANT}/"),
        (PUBLIC, f"https://sts.chinacloudapi.cn/{TENANT}/"),
        (PUBLIC, f"https://login.microsoftonline.us/{TENANT}/v2.0"),
        (PRIVATE, f"https://sts.windows.net/{TENANT}/"),
        (PUBLIC, "https://sts.windows.net/another-tenant/"),
        (PUBLIC, f"https://sts.windows.net.example/{TENANT}/"),
        (PUBLIC, TENANT),
    ],
)
def test_the_issuers_of_other_clouds_are_refused(authority: str, issuer: str) -> None:
    with pytest.raises(SignInError, match="of another cloud or issuer"):
        read_token(jwt({**CLAIMS, "iss": issuer}), authority=authority, tenant=None, now=NOW)


@pytest.mark.parametrize(
    "claims, name",
    [
        ({"scp": "user_impersonation", "upn": "alice@contoso.com"}, "alice@contoso.com"),
        ({"scp": "user_impersonation", "unique_name": "live.com#mia@outlook.com"}, "mia@outlook.com"),
        ({"idtyp": "user", "preferred_username": "bob@contoso.com"}, "bob@contoso.com"),
        ({"idtyp": "user", "upn": "bob_contoso.com#EXT#@fabrikam.com"}, "bob_contoso.com#EXT#@fabrikam.com"),
    ],
)
def test_the_token_of_a_user_has_a_user_name(claims: dict[str, str], name: str) -> None:
    found = read_token(jwt({**CLAIMS, **claims}), authority=PUBLIC, tenant=TENANT.upper(), now=NOW)
    assert (found.name, found.is_user) == (name, True)
    assert found.secret not in repr(found)


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "upn", "scp", "idtyp", "azp", "unique_name"]), _VALUES))
def test_any_claims_are_either_read_or_refused(claims: dict[str, Any]) -> None:
    token = jwt({**CLAIMS, **claims})
    refusal = ""
    try:
        found = read_token(token, authority=PUBLIC, tenant=None, now=NOW)
    except SignInError as error:
        refusal = str(error)
        found = read_token(jwt(CLAIMS), authority=PUBLIC, tenant=None, now=NOW)
    assert token not in refusal
    assert refusal.isprintable()
    assert found.expires_on > NOW
    assert found.name.isprintable()


@given(st.text() | st.text(alphabet="abc.AZ_-=", max_size=40))
def test_any_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(SignInError):
        read_token(text, authority=PUBLIC, tenant=None, now=NOW)
