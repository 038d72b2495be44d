"""The credential that environment variables describe, and the cloud that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.workload.environment import EnvironmentCredential, check_authority, credentials_from_environment
from azext_login.errors import SignInError
from tests.users import ALICE

CLIENT = {"AZURE_CLIENT_ID": "client-1", "AZURE_TENANT_ID": "tenant-1"}
SECRET = {"AZURE_CLIENT_SECRET": "secret-canary"}
CERTIFICATE = {"AZURE_CLIENT_CERTIFICATE_PATH": "/run/certificate.pem"}
PASSPHRASE = {"AZURE_CLIENT_CERTIFICATE_PASSWORD": "passphrase-canary"}
USER = {"AZURE_USERNAME": ALICE, "AZURE_PASSWORD": "password-canary"}
TOKEN_FILE = {"AZURE_FEDERATED_TOKEN_FILE": "/run/token"}
ALL = {**CLIENT, **SECRET, **CERTIFICATE, **PASSPHRASE, **USER, **TOKEN_FILE}

PUBLIC = "https://login.microsoftonline.com"


def unusable(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return message and advice of the error, which quotes no value."""
    with pytest.raises(SignInError) as caught:
        credentials_from_environment(environ)
    message, advice = str(caught.value.error_msg), str(caught.value.recommendations[0])
    assert not any(value in message + advice for value in environ.values() if value)
    return message, advice


def test_a_client_secret() -> None:
    assert credentials_from_environment({**CLIENT, **SECRET}) == EnvironmentCredential(
        kind="client secret",
        variables=("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"),
        client_id="client-1",
        tenant="tenant-1",
        client_secret="secret-canary",
    )


def test_a_certificate_with_everything_that_belongs_to_it() -> None:
    more = {"AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": "true", "AZURE_AUTHORITY_HOST": PUBLIC}
    assert credentials_from_environment({**CLIENT, **CERTIFICATE, **PASSPHRASE, **more}) == EnvironmentCredential(
        kind="certificate",
        variables=(
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_CLIENT_CERTIFICATE_PATH",
            "AZURE_CLIENT_CERTIFICATE_PASSWORD",
            "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
            "AZURE_AUTHORITY_HOST",
        ),
        client_id="client-1",
        tenant="tenant-1",
        certificate_path=Path("/run/certificate.pem"),
        passphrase="passphrase-canary",
        send_chain=True,
        authority=PUBLIC,
    )


def test_a_certificate_without_a_passphrase() -> None:
    credential = credentials_from_environment({**CLIENT, **CERTIFICATE})
    assert (credential.kind, credential.passphrase, credential.send_chain) == ("certificate", None, False)


@pytest.mark.parametrize(
    ("value", "sent"),
    [("true", True), ("True", True), ("1", True), (" true ", True), ("false", False), ("0", False), ("yes", False)],
)
def test_the_chain_is_sent_for_the_values_that_mean_true_in_every_azure_sdk(value: str, sent: bool) -> None:
    environ = {**CLIENT, **CERTIFICATE, "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": value}
    assert credentials_from_environment(environ).send_chain is sent


@pytest.mark.parametrize("client", [{}, {"AZURE_CLIENT_ID": "client-1"}])
def test_a_user_needs_neither_application_nor_tenant(client: Mapping[str, str]) -> None:
    assert credentials_from_environment({**client, **USER}) == EnvironmentCredential(
        kind="username and password",
        variables=("AZURE_USERNAME", "AZURE_PASSWORD"),
        username=ALICE,
        password="password-canary",
    )


def test_a_user_in_a_tenant() -> None:
    credential = credentials_from_environment({**CLIENT, **USER})
    assert (credential.tenant, credential.client_id) == ("tenant-1", None)
    assert credential.variables == ("AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_TENANT_ID")


def test_a_federated_token_file() -> None:
    assert credentials_from_environment({**CLIENT, **TOKEN_FILE}) == EnvironmentCredential(
        kind="federated token file",
        variables=("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"),
        client_id="client-1",
        tenant="tenant-1",
        token_file=Path("/run/token"),
    )


def test_the_order_is_azure_identitys() -> None:
    environ = dict(ALL)
    for kind, variable in [
        ("client secret", "AZURE_CLIENT_SECRET"),
        ("certificate", "AZURE_CLIENT_CERTIFICATE_PATH"),
        ("username and password", "AZURE_PASSWORD"),
        ("federated token file", "AZURE_FEDERATED_TOKEN_FILE"),
    ]:
        assert credentials_from_environment(environ).kind == kind
        environ[variable] = ""  # an empty variable counts as not set
    unusable(environ)


@given(st.dictionaries(st.sampled_from(sorted(ALL)), st.sampled_from(["", "canary-1", "canary-2"])))
def test_the_credential_contains_only_values_of_its_kind(environ: Mapping[str, str]) -> None:
    try:
        credential = credentials_from_environment(environ)
    except SignInError:
        unusable(environ)
        return
    used = {
        "AZURE_CLIENT_ID": credential.client_id,
        "AZURE_TENANT_ID": credential.tenant,
        "AZURE_CLIENT_SECRET": credential.client_secret,
        "AZURE_CLIENT_CERTIFICATE_PATH": credential.certificate_path and str(credential.certificate_path),
        "AZURE_CLIENT_CERTIFICATE_PASSWORD": credential.passphrase,
        "AZURE_USERNAME": credential.username,
        "AZURE_PASSWORD": credential.password,
        "AZURE_FEDERATED_TOKEN_FILE": credential.token_file and str(credential.token_file),
    }
    assert {name: value for name, value in used.items() if value is not None} == {
        name: environ[name] for name in credential.variables
    }
    assert all(environ[name] for name in credential.variables)


def test_a_credential_does_not_show_its_secret() -> None:
    for environ in ({**CLIENT, **SECRET}, {**CLIENT, **CERTIFICATE, **PASSPHRASE}, USER):
        assert "canary" not in repr(credentials_from_environment(environ))


def test_without_variables_the_advice_lists_all_kinds() -> None:
    message, advice = unusable({"PATH": "/bin", "AZURE_CLIENT_CERTIFICATE_PASSWORD": "passphrase-canary"})
    assert "No environment variable describes a credential" in message
    assert "client secret: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET" in advice
    assert "username and password: AZURE_USERNAME, AZURE_PASSWORD" in advice
    assert "federated token file: AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE" in advice


def test_with_an_application_only_the_advice_lists_all_kinds_of_credential() -> None:
    message, advice = unusable(CLIENT)
    assert "Found: AZURE_CLIENT_ID, AZURE_TENANT_ID." in message
    assert "\nclient secret: AZURE_CLIENT_SECRET\ncertificate: AZURE_CLIENT_CERTIFICATE_PATH\n" in advice


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        (SECRET, "client secret, set AZURE_CLIENT_ID and AZURE_TENANT_ID as well"),
        ({**SECRET, "AZURE_CLIENT_ID": "client-1"}, "client secret, set AZURE_TENANT_ID as well"),
        ({**CERTIFICATE, "AZURE_TENANT_ID": "tenant-1"}, "certificate, set AZURE_CLIENT_ID as well"),
        ({**CLIENT, "AZURE_USERNAME": "alice"}, "username and password, set AZURE_PASSWORD as well"),
        ({**TOKEN_FILE, "AZURE_CLIENT_ID": "client-1"}, "federated token file, set AZURE_TENANT_ID as well"),
        ({**SECRET, "AZURE_PASSWORD": "password-canary"}, "username and password, set AZURE_USERNAME as well"),
    ],
)
def test_the_advice_names_what_the_most_complete_kind_lacks(environ: Mapping[str, str], missing: str) -> None:
    message, advice = unusable(environ)
    assert missing in advice
    assert all(name in message for name in environ)


def test_an_empty_variable_is_named() -> None:
    """As in a build of a fork's pull request, which gets no secrets."""
    message, advice = unusable({**CLIENT, "AZURE_CLIENT_SECRET": ""})
    assert "Set but empty: AZURE_CLIENT_SECRET." in message
    assert "AZURE_CLIENT_SECRET" in advice


@pytest.mark.parametrize(
    ("wanted", "active"),
    [
        (None, PUBLIC),
        ("", PUBLIC),
        ("login.microsoftonline.com", PUBLIC),
        ("https://login.microsoftonline.com/", PUBLIC),
        ("HTTPS://Login.MicrosoftOnline.com//", PUBLIC),
        ("https://login.microsoftonline.com:443", PUBLIC),
        (" login.microsoftonline.com ", PUBLIC + "/"),
        ("https://login.windows.net", PUBLIC),
        ("https://login.partner.microsoftonline.cn/", "https://login.chinacloudapi.cn"),
        ("localhost:8443", "https://localhost:8443/"),
        ("https://stack.example/adfs/", "https://stack.example/adfs"),
        ("https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_the_active_clouds_authority_is_accepted_in_every_spelling(wanted: str | None, active: str) -> None:
    check_authority(wanted, active, "SomeCloud")


@pytest.mark.parametrize(
    ("wanted", "command"),
    [
        ("https://login.microsoftonline.com/", "az cloud set --name AzureCloud"),
        ("login.microsoftonline.us", "az cloud set --name AzureUSGovernment"),
        ("https://login.usgovcloudapi.net", "az cloud set --name AzureUSGovernment"),
        ("https://login.chinacloudapi.cn/", "az cloud set --name AzureChinaCloud"),
        ("https://login.sovcloud-identity.fr", "az cloud list"),
        ("https://localhost:8444", "az cloud list"),
        ("http://localhost:8443", "az cloud list"),
        ("https://localhost", "az cloud list"),
        ("https://not-login.microsoftonline.com", "az cloud list"),
        ("https://localhost:8443/adfs", "az cloud list"),
        ("https://login.microsoftonline.com:8443", "az cloud list"),
        ("https://login.microsoftonline.com/adfs", "az cloud list"),
    ],
)
def test_another_clouds_authority_is_refused_with_the_command_that_sets_it(wanted: str, command: str) -> None:
    with pytest.raises(SignInError) as caught:
        check_authority(wanted, "https://localhost:8443", "LocalCloud")
    assert "but the active cloud, LocalCloud, signs in at https://localhost:8443." in caught.value.error_msg
    assert command in caught.value.recommendations[0]


def test_the_advice_does_not_suggest_the_cloud_that_is_active() -> None:
    with pytest.raises(SignInError) as caught:
        check_authority(PUBLIC, "https://localhost:8443", "AzureCloud")
    assert "az cloud list" in caught.value.recommendations[0]


@pytest.mark.parametrize("wanted", ["https://", "https://[", "https://localhost:port", "/adfs", " "])
def test_an_invalid_address_is_refused_with_the_right_one(wanted: str) -> None:
    with pytest.raises(SignInError, match="is not the address of a sign-in service") as caught:
        check_authority(wanted, PUBLIC, "AzureCloud")
    assert PUBLIC in caught.value.recommendations[0]


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    with pytest.raises(SignInError, match=r"names https://\[::1\]:8443, but"):
        check_authority("[::1]:8443", PUBLIC, "AzureCloud")


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(SignInError) as caught:
        check_authority("https://alice:canary@login.example/a?canary#canary", PUBLIC, "AzureCloud")
    assert "canary" not in caught.value.error_msg
    assert "https://login.example/a," in caught.value.error_msg


@given(st.text())
def test_no_value_causes_another_error(wanted: str) -> None:
    try:
        check_authority(wanted, PUBLIC, "AzureCloud")
    except SignInError as error:
        refused = error
    else:
        return
    assert refused.recommendations
