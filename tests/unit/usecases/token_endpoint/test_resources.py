"""Resources that an endpoint gives tokens of, in any spelling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from azext_login.usecases.token_endpoint.resources import AllowedResources

VAULT = "https://vault.azure.net"


def test_the_slash_is_the_clients_and_the_rest_is_the_allowed_spelling() -> None:
    for allowed in (VAULT, VAULT + "/"):
        found = AllowedResources([allowed])
        assert found.find(VAULT) == VAULT
        assert found.find(VAULT + "/") == VAULT + "/"
        assert found.find("HTTPS://Vault.Azure.NET/") == VAULT + "/"


@given(st.text() | st.sampled_from([VAULT + "//", VAULT + "/x", "x" + VAULT, VAULT + ".evil.example", ""]))
def test_there_are_two_spellings_of_each_resource_at_most(resource: str) -> None:
    assert AllowedResources([VAULT]).find(resource) in (None, VAULT, VAULT + "/")
