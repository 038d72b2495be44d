"""Resources that an endpoint gives tokens of, in any spelling."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from azext_login.usecases.token_endpoint.resources import AllowedResources, resources_of

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


def test_a_cloud_has_the_resources_that_its_settings_name() -> None:
    cloud = SimpleNamespace(
        endpoints=SimpleNamespace(
            active_directory="https://login.contoso.example", resource_manager="https://arm.example/", batch=None
        ),
        suffixes=SimpleNamespace(keyvault_dns=".vault.example", mhsm_dns=None, storage_endpoint="core.example"),
    )
    assert resources_of(cloud) == ["https://arm.example/", "https://vault.example", "https://storage.azure.com"]
