"""The service that issues the tokens of managed identities, compared with the one that MSAL chooses."""

from __future__ import annotations

import os
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msal import managed_identity as msal_sources

from azext_login.auth.managed_identity.sources import IdentitySource, SourceKind, find_cloud_shell_source, find_source
from azext_login.errors import SignInError
from tests.unit.auth.managed_identity.environments import VARIABLES, in_environment

BY_MSAL = {
    msal_sources.SERVICE_FABRIC: SourceKind.SERVICE_FABRIC,
    msal_sources.APP_SERVICE: SourceKind.APP_SERVICE,
    msal_sources.MACHINE_LEARNING: SourceKind.MACHINE_LEARNING,
    msal_sources.AZURE_ARC: SourceKind.ARC,
    msal_sources.CLOUD_SHELL: SourceKind.CLOUD_SHELL,
    msal_sources.DEFAULT_TO_VM: SourceKind.IMDS,
}
VALUES = {"AZUREPS_HOST_ENVIRONMENT": "cloud-shell/1.0"}


def found(environment: dict[str, str], agent: bool = False) -> IdentitySource:
    return find_source(environment, exists=lambda path: agent, platform="linux")


@given(st.sets(st.sampled_from(VARIABLES)), st.booleans())
def test_the_service_is_the_one_that_msal_chooses(names: set[str], agent: bool) -> None:
    environment = {name: VALUES.get(name, f"http://127.0.0.1/{name}") for name in names}
    real = os.path.exists

    def exists(path: str) -> bool:
        return agent if "azcmagent" in path else real(path)

    with in_environment(environment), mock.patch.object(os.path, "exists", exists):
        chosen = BY_MSAL[msal_sources.get_managed_identity_source()]
        assert find_source(os.environ, exists=exists).kind is chosen


def test_without_variables_the_service_is_the_metadata_service_of_virtual_machines() -> None:
    source = found({"PATH": "/bin"})
    assert source.place == "http://169.254.169.254/metadata/identity/oauth2/token"
    assert source.reason == "It was asked because no environment variable names another service."


def test_a_server_with_the_agent_of_azure_arc_needs_no_variable() -> None:
    source = found({}, agent=True)
    assert (source.kind, source.place) == (SourceKind.ARC, "http://localhost:40342/metadata/identity/oauth2/token")
    assert source.reason == "It was asked because that agent is installed on this computer."


def test_the_reason_names_all_variables_but_no_value() -> None:
    source = found(
        {"IDENTITY_ENDPOINT": "http://127.0.0.1:4141/msi", "IDENTITY_HEADER": "s3cret", "MSI_SECRET": "s3cret"}
    )
    assert source.reason == (
        "It was asked because of the environment: IDENTITY_ENDPOINT, IDENTITY_HEADER. Also set: MSI_SECRET."
    )
    assert "s3cret" not in repr(source)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("http://user:s3cret@127.0.0.1:4141/msi?key=s3cret#s3cret", "http://127.0.0.1:4141/msi"),
        ("http://[::1]:4141/msi", "http://[::1]:4141/msi"),
        ("https://localhost/msi", "https://localhost/msi"),
    ],
)
def test_the_address_is_shown_without_secrets(address: str, place: str) -> None:
    assert found({"IDENTITY_ENDPOINT": address, "IDENTITY_HEADER": "x"}).place == place


@given(st.text())
@example("")
@example("169.254.169.254")
@example("http://[::1")
@example("http://127.0.0.1:99999/")
@example("http://127.0.0.1/\x1b[31m")
@example("file:///etc/passwd")
def test_an_invalid_address_is_an_error_that_names_its_variable(text: str) -> None:
    try:
        place = found({"IDENTITY_ENDPOINT": text, "IDENTITY_HEADER": "x"}).place
    except SignInError as refusal:
        advice = refusal.recommendations[0]
    else:
        advice = None
        assert place.startswith(("http://", "https://"))
        assert place.isprintable()
    assert advice is None or advice.endswith("\nunset IDENTITY_ENDPOINT")


def test_the_error_names_the_variable_with_the_invalid_address() -> None:
    with pytest.raises(SignInError, match="AZURE_POD_IDENTITY_AUTHORITY_HOST holds no address"):
        found({"AZURE_POD_IDENTITY_AUTHORITY_HOST": ""})
    with pytest.raises(SignInError, match="MSI_ENDPOINT holds no address"):
        find_cloud_shell_source({"MSI_ENDPOINT": "localhost:50342"})


def test_cloud_shell_has_the_address_of_its_variable_or_its_usual_port() -> None:
    assert find_cloud_shell_source({"MSI_ENDPOINT": "http://127.0.0.1:1/x"}).place == "http://127.0.0.1:1/x"
    assert find_cloud_shell_source({}).place == "http://localhost:50342/oauth2/token"
