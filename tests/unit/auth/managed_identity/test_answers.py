"""What users see when the service for managed identities answers, but issues no token."""

from __future__ import annotations

import io
import json
import re
import uuid

import pytest
import requests

from azext_login.auth.jwt import claims_of
from azext_login.auth.managed_identity.answers import BusyError, check_response
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import find_cloud_shell_source, find_source
from azext_login.errors import ServiceUnreachableError, SignInError, UnexpectedAnswerError
from tests.localcloud import DEPLOY_IDENTITY, READER_IDENTITY, VM_IDENTITY
from tests.localcloud.managedidentity_endpoints import ARC_TOKENS
from tests.localcloud.testing import TokenClient
from tests.unit.auth.managed_identity.environments import in_environment, listening
from tests.unit.auth.managed_identity.identities import (
    KINDS,
    SCOPES,
    TOKENS,
    WITH_CHOICE,
    credential,
    environment_of,
    refused,
    said,
)

pytest_plugins = ["tests.localcloud.fixtures"]


# -- invalid answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "body", "content"),
    [
        (200, "<html>Sign in to the hotel</html>", "text/html"),
        (400, "<html>Sign in to the hotel</html>", "text/html"),
        (200, '{"access_token": "s3cret', "application/json"),
        (200, '["s3cret"]', "application/json"),
        (200, '{"access_token": "s3cret"}', "application/json"),
        (200, '{"access_token": "s3cret", "expires_in": "soon", "expires_on": "soon"}', "application/json"),
        (200, '{"access_token": "s3cret", "expires_in": 1e999, "expires_on": 1e999}', "application/json"),
        (200, '{"access_token": ["s3cret"], "expires_in": 9, "expires_on": 9}', "application/json"),
        (200, "", "application/json"),
        (204, "", "text/plain"),
    ],
)
def test_an_answer_without_a_token_is_one_clear_error(
    client: TokenClient, kind: str, status: int, body: str, content: str
) -> None:
    client.cloud.admin.fail_next("/token", status=status, body=body, headers={"Content-Type": content})
    with in_environment(environment_of(client.cloud, kind)), pytest.raises(UnexpectedAnswerError) as caught:
        credential().token(SCOPES)
    text = said(caught.value)
    assert "127.0.0.1" in text
    assert "It was asked because of the environment" in text
    assert "s3cret" not in text
    assert "hotel" not in text


_SOURCES = {
    "IMDS": (
        find_source({}, exists=lambda path: False),
        "This computer is probably not in Azure",
        "bypass every proxy",
    ),
    "a host of IMDS": (
        find_source({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://a"}, exists=lambda path: False),
        "another program answers",
        "unset AZURE_POD_IDENTITY_AUTHORITY_HOST",
    ),
    "App Service": (
        find_source({"IDENTITY_ENDPOINT": "http://a/b", "IDENTITY_HEADER": "c"}),
        "another program answers",
        "unset IDENTITY_ENDPOINT IDENTITY_HEADER",
    ),
    "Machine Learning": (
        find_source({"MSI_ENDPOINT": "http://a/b", "MSI_SECRET": "c"}),
        "another program answers",
        "unset MSI_ENDPOINT MSI_SECRET",
    ),
    "Azure Arc": (
        find_source({"IDENTITY_ENDPOINT": "http://a/b", "IMDS_ENDPOINT": "http://a"}),
        "another program answers",
        "unset IDENTITY_ENDPOINT IMDS_ENDPOINT",
    ),
    "the agent of Azure Arc": (
        find_source({}, exists=lambda path: True, platform="linux"),
        "Another program probably answers",
        "azcmagent show",
    ),
    "Cloud Shell": (
        find_cloud_shell_source({"MSI_ENDPOINT": "http://a/b"}),
        "another program answers",
        "If this is Cloud Shell, open a new one",
    ),
}


@pytest.mark.parametrize("name", _SOURCES)
@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (403, "text/plain", "Forbidden"),
        (403, "text/html", "<h1>Forbidden</h1>"),
        (401, "text/plain", ""),
        (404, "text/html", "<h1>Not Found</h1>"),
        (405, "text/plain", "Method not allowed"),
        (302, "text/html", ""),
        (307, "application/json", "{}"),
        (200, "text/html", "<h1>Welcome</h1>"),
        (200, "application/json", '{"status": "ok"}'),
        (200, "application/json", "null"),
    ],
)
def test_an_answer_of_something_else_is_explained_with_its_likely_cause_and_the_ways_out(
    name: str, status: int, kind: str, body: str
) -> None:
    source, cause, way_out = _SOURCES[name]
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = status, source.address, body.encode()
    answer.headers["Content-Type"] = kind
    if 300 <= status < 400:
        answer.headers["Location"] = "https://portal.example/"
    answer.request = requests.Request("GET", source.address).prepare()
    with pytest.raises(UnexpectedAnswerError) as caught:
        check_response(answer, source, AssignedIdentity())
    text = said(caught.value)
    assert cause in text
    assert way_out in text
    assert "az login" in text
    assert source.place in text
    assert not isinstance(caught.value, BusyError)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_another_metadata_service_has_the_likely_cause_too(status: int) -> None:
    source, cause, way_out = _SOURCES["IMDS"]
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = status, source.address, b'{"message": "Missing header"}'
    answer.request = requests.Request("GET", source.address).prepare()
    with pytest.raises(SignInError) as caught:
        check_response(answer, source, AssignedIdentity())
    text = said(caught.value)
    assert cause in text
    assert way_out in text
    assert "Missing header" in text


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n"])
def test_a_program_that_is_no_such_service_is_explained_in_the_same_way(answer: bytes) -> None:
    with (
        listening(answer) as (address, _),
        in_environment({"MSI_ENDPOINT": f"http://{address}", "MSI_SECRET": "x"}),
        pytest.raises((UnexpectedAnswerError, ServiceUnreachableError)) as caught,
    ):
        credential().token(SCOPES)
    text = said(caught.value)
    assert "unset MSI_ENDPOINT MSI_SECRET" in text
    assert "az cloud show" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_are_not_sent_to_the_target_of_a_redirect(client: TokenClient, kind: str) -> None:
    with listening() as (elsewhere, heard):
        client.cloud.admin.fail_next(
            "/token", status=307, body="", headers={"Location": f"http://{elsewhere}/", "Content-Type": "text/html"}
        )
        with (
            in_environment(environment_of(client.cloud, kind)),
            pytest.raises(UnexpectedAnswerError, match="status 307"),
        ):
            credential().token(SCOPES)
    assert heard == []


def test_a_proxy_that_answers_instead_of_imds_is_named(client: TokenClient) -> None:
    client.cloud.admin.fail_next(TOKENS, status=403, body="connecting to 169.254.169.254:80: host is unreachable")
    with in_environment(client.cloud.imds_environment()):
        assert "a proxy on this computer answered instead" in refused(ServiceUnreachableError)


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_CHOICE)
def test_an_identity_that_is_not_assigned_here_is_named(client: TokenClient, kind: str) -> None:
    client.cloud.admin.assign_identity("reader-identity", False)
    with in_environment(environment_of(client.cloud, kind)):
        text = refused(client_id=READER_IDENTITY)
    assert text.startswith(f"The managed identity with the client ID '{READER_IDENTITY}' is not assigned to")
    assert text.endswith(f"az login --identity --client-id {READER_IDENTITY}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_resource_without_any_identity_is_an_error_with_the_next_step(client: TokenClient, kind: str) -> None:
    for name in ("vm-identity", "deploy-identity", "reader-identity"):
        client.cloud.admin.assign_identity(name, False)
    with in_environment(environment_of(client.cloud, kind)):
        text = refused()
    assert text.startswith("The resource that this command runs on has no system-assigned managed identity.")
    if kind in WITH_CHOICE:
        assert "`az vm identity assign`" in text
        assert text.endswith("\naz login --identity --client-id CLIENT_ID")
    else:
        assert "--client-id" not in text
        assert text.endswith("\naz login --identity")


def test_with_several_identities_the_user_has_to_name_one(client: TokenClient) -> None:
    client.cloud.admin.assign_identity("vm-identity", False)
    with in_environment(client.cloud.imds_environment()):
        text = refused()
    assert text.startswith(
        "The resource that this command runs on has several user-assigned managed identities, and no "
    )
    assert text.endswith("\naz login --identity --client-id CLIENT_ID")


def test_the_identities_that_an_answer_names_are_listed_with_their_commands(client: TokenClient) -> None:
    resource = client.cloud.directory.application("reader-identity").resource_id
    client.cloud.admin.fail_next(
        TOKENS,
        status=400,
        body=json.dumps(
            {
                "error": "invalid_request",
                "error_description": f"Multiple user assigned identities exist: {DEPLOY_IDENTITY}, {resource} (and "
                f"{DEPLOY_IDENTITY}). Correlation ID: {VM_IDENTITY}",
                "correlationId": VM_IDENTITY,
            }
        ),
    )
    with in_environment(client.cloud.imds_environment()):
        text = refused()
    assert text.endswith(
        "Sign in with one of these:\n"
        f"az login --identity --resource-id {resource}\n"
        f"az login --identity --client-id {DEPLOY_IDENTITY}"
    )


def test_the_requested_identity_is_not_suggested_again(client: TokenClient) -> None:
    body = {"error_description": f"No managed identity was found for {READER_IDENTITY}. Identities: {DEPLOY_IDENTITY}"}
    client.cloud.admin.fail_next(TOKENS, status=400, body=json.dumps(body))
    with in_environment(client.cloud.imds_environment()):
        text = refused(client_id=READER_IDENTITY.upper())
    assert text.endswith(f"Sign in with one of these:\naz login --identity --client-id {DEPLOY_IDENTITY}")


@pytest.mark.parametrize("kind", ["imds", "machine_learning", "service_fabric", "arc"])
def test_the_error_for_an_unknown_resource_advises_to_check_the_spelling(client: TokenClient, kind: str) -> None:
    with in_environment(environment_of(client.cloud, kind)), pytest.raises(SignInError) as caught:
        credential().token(["https://nothing.example/.default"])
    text = said(caught.value)
    assert text.startswith("The requested scope or resource was not found.")
    assert "AADSTS500011" in text
    assert text.count("Trace ID:") == 1
    last = str(caught.value).splitlines()[-1]
    assert re.fullmatch(r"Trace ID: [0-9a-f-]{36} Correlation ID: [0-9a-f-]{36} Timestamp: [0-9-]{10} [0-9:]{8}Z", last)
    assert text.endswith("az login --identity")


@pytest.mark.parametrize("status", [400, 429])
@pytest.mark.parametrize(
    "body",
    [
        {"message": "No.", "correlationId": VM_IDENTITY},
        {"error": {"code": "x", "message": "No.", "correlationId": VM_IDENTITY}},
        {"error": "x", "error_description": f"No. Correlation ID: {VM_IDENTITY}"},
        {"error": "x", "error_description": "No.", "correlation_id": VM_IDENTITY, "timestamp": "\x1b[2J"},
    ],
)
@pytest.mark.parametrize("name", _SOURCES)
def test_the_last_line_of_every_refusal_has_its_correlation_id(name: str, body: dict[str, object], status: int) -> None:
    source = _SOURCES[name][0]
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = status, source.address, json.dumps(body).encode()
    answer.request = requests.Request("GET", source.address).prepare()
    with pytest.raises((SignInError, BusyError)) as caught:
        check_response(answer, source, AssignedIdentity())
    assert str(caught.value).splitlines()[-1] == f"Correlation ID: {VM_IDENTITY}"
    assert str(caught.value).count(VM_IDENTITY) == 1


@pytest.mark.parametrize("kind", ["app_service", "machine_learning"])
def test_a_wrong_secret_is_not_shown(client: TokenClient, kind: str) -> None:
    wrong = {"IDENTITY_HEADER": "s3cret"} if kind == "app_service" else {"MSI_SECRET": "s3cret"}
    with in_environment({**environment_of(client.cloud, kind), **wrong}):
        text = refused()
    assert text.startswith("The request for a token was refused.")
    assert "s3cret" not in text


@pytest.mark.parametrize("secret", ["s3cret\r", "s3cret\nx", " s3cret", "s3cret-ä", "s3cret-\u2603"])
@pytest.mark.parametrize("kind", ["app_service", "machine_learning", "service_fabric"])
def test_a_secret_that_cannot_be_sent_is_named_and_not_shown(client: TokenClient, kind: str, secret: str) -> None:
    name = "MSI_SECRET" if kind == "machine_learning" else "IDENTITY_HEADER"
    with in_environment({**environment_of(client.cloud, kind), name: secret}), pytest.raises(SignInError) as caught:
        credential().token(SCOPES)
    text = said(caught.value)
    assert f"{name} holds" in text
    assert "s3cret" not in text
    assert not client.cloud.admin.requests()


def test_the_error_for_an_incomplete_answer_has_a_next_step() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
    with listening(half) as (place, _), in_environment({"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{place}"}):
        text = refused(UnexpectedAnswerError)
    assert f"at http://{place}/metadata/identity/oauth2/token broke off in the middle of its answer." in text
    assert "It was asked because of the environment" in text
    assert text.endswith("run the command again.")


def test_the_text_of_a_refusal_cannot_write_to_the_terminal(client: TokenClient) -> None:
    body = json.dumps({"error": "invalid_request", "error_description": "no\x1b[2J" + "x" * 5000})
    client.cloud.admin.fail_next(TOKENS, status=400, body=body)
    with in_environment(client.cloud.imds_environment()):
        text = refused()
    assert "\x1b" not in text
    assert len(text) < 1500


# -- services with one identity only -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["arc", "service_fabric"])
def test_an_id_is_refused_by_a_service_with_one_identity(client: TokenClient, kind: str) -> None:
    with in_environment(environment_of(client.cloud, kind)):
        text = refused(client_id=DEPLOY_IDENTITY)
    assert f"one identity only, not for the managed identity with the client ID '{DEPLOY_IDENTITY}'" in text
    assert text.endswith("Leave the ID out:\naz login --identity")
    assert kind == "arc" or not client.cloud.admin.requests()


def test_an_agent_of_azure_arc_that_confirms_the_identity_is_accepted(client: TokenClient) -> None:
    environment = environment_of(client.cloud, "arc")
    # The local cloud's agent names the identity of its token, so it confirms the ID of the system-assigned one.
    with in_environment(environment):
        assert claims_of(credential(client_id=VM_IDENTITY.upper()).token(SCOPES).secret)["appid"] == VM_IDENTITY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"s3cret", "The request for a token was refused."),
        (b"s3cret\nwith\n", "The key file of the agent of Azure Arc"),
        (b"s3cret\xe2\x98\x83", "The key file of the agent of Azure Arc"),
        (b"s3cret\xff", "The key file of the agent of Azure Arc"),
    ],
    ids=["a key", "lines", "no key", "bytes"],
)
def test_a_repeated_challenge_of_azure_arc_or_one_without_a_key_is_a_refusal(
    client: TokenClient, content: bytes, message: str
) -> None:
    environment = environment_of(client.cloud, "arc")
    key = ARC_TOKENS / f"{uuid.uuid4()}.key"
    key.write_bytes(content)
    try:
        challenge = {"WWW-Authenticate": f"Basic realm={key}"}
        client.cloud.admin.fail_next("/arc/", status=401, body="{}", headers=challenge, count=2)
        with in_environment(environment):
            text = refused()
    finally:
        key.unlink()
    assert text.startswith(message)
    assert text.endswith("\nazcmagent show")
    assert "s3cret" not in text


@pytest.mark.parametrize("repeated", [{}, {"client_id": VM_IDENTITY}, {"object_id": DEPLOY_IDENTITY}])
def test_a_token_of_azure_arc_without_the_requested_identity_is_refused(repeated: dict[str, str]) -> None:
    """Some releases of MSAL check this too; others never send the ID."""
    source = find_source({"IDENTITY_ENDPOINT": "http://127.0.0.1/arc", "IMDS_ENDPOINT": "http://127.0.0.1"})
    answer = requests.Response()
    answer.status_code = 200
    answer.raw = io.BytesIO(json.dumps({"access_token": "s3cret", "expires_in": "60", **repeated}).encode())
    check_response(answer, source, AssignedIdentity())
    with pytest.raises(SignInError, match="one identity only"):
        check_response(answer, source, AssignedIdentity("client-id", DEPLOY_IDENTITY))


def test_cloud_shell_has_a_user_and_no_managed_identity(client: TokenClient) -> None:
    with in_environment(client.cloud.cloud_shell_environment()), pytest.raises(SignInError, match="Cloud Shell has no"):
        credential().token(SCOPES)


@pytest.mark.parametrize(
    ("challenge", "message"),
    [
        (
            "Basic realm=/var/opt/azcmagent/tokens/not-there.key",
            "issues tokens only to users who can read its key file. The file cannot be read",
        ),
        ("Bearer realm=x", "HTTP status 401"),
        ("", "HTTP status 401"),
    ],
)
def test_the_error_for_a_challenge_of_azure_arc_that_cannot_be_met_has_the_reason(
    client: TokenClient, challenge: str, message: str
) -> None:
    client.cloud.admin.fail_next("/arc/", status=401, body="{}", headers={"WWW-Authenticate": challenge})
    with in_environment(environment_of(client.cloud, "arc")):
        assert message in refused()


@pytest.mark.parametrize(
    ("thumbprint", "kind", "message"),
    [
        (
            "0" * 40,
            ServiceUnreachableError,
            "https://127.0.0.1:{port}/servicefabric/metadata/identity/oauth2/token has another certificate than",
        ),
        ("s3cret", UnexpectedAnswerError, "IDENTITY_SERVER_THUMBPRINT must be"),
    ],
)
def test_service_fabric_is_trusted_by_its_certificate(
    client: TokenClient, thumbprint: str, kind: type[Exception], message: str
) -> None:
    environment = {**client.cloud.service_fabric_environment(), "IDENTITY_SERVER_THUMBPRINT": thumbprint}
    with in_environment(environment), pytest.raises(kind) as caught:
        credential().token(SCOPES)
    assert message.format(port=client.cloud.fabric_port) in said(caught.value)
    assert "Error(" not in said(caught.value)
    assert not client.cloud.admin.requests()
    assert "s3cret" not in said(caught.value)
