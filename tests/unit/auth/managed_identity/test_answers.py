"""What a person reads when the service for managed identities answers, but gives no token."""

from __future__ import annotations

import io
import json
import uuid

import pytest
import requests

from azext_login.auth.jwt import claims_of
from azext_login.auth.managed_identity.answers import check_answer
from azext_login.auth.managed_identity.assigned_identity import AssignedIdentity
from azext_login.auth.managed_identity.sources import find_source
from azext_login.errors import ServiceUnreachableError, SignInError, UnexpectedAnswerError
from tests.localcloud import DEPLOY_IDENTITY, READER_IDENTITY, VM_IDENTITY
from tests.localcloud.managedidentity_endpoints import ARC_TOKENS
from tests.localcloud.testing import TokenClient
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
from tests.unit.auth.managed_identity.machines import listening, on_machine

pytest_plugins = ["tests.localcloud.fixtures"]


# -- answers that are none ---------------------------------------------------------------------------------------


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
    with on_machine(environment_of(client.cloud, kind)), pytest.raises(UnexpectedAnswerError) as caught:
        credential().token(SCOPES)
    text = said(caught.value)
    assert "127.0.0.1" in text
    assert "It was asked because of the environment" in text
    assert "s3cret" not in text
    assert "hotel" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_secrets_follow_no_redirect(client: TokenClient, kind: str) -> None:
    with listening() as (elsewhere, heard):
        client.cloud.admin.fail_next(
            "/token", status=307, body="", headers={"Location": f"http://{elsewhere}/", "Content-Type": "text/html"}
        )
        with on_machine(environment_of(client.cloud, kind)), pytest.raises(UnexpectedAnswerError, match="status 307"):
            credential().token(SCOPES)
    assert heard == []


def test_a_proxy_that_answers_for_imds_is_told_from_imds(client: TokenClient) -> None:
    client.cloud.admin.fail_next(TOKENS, status=403, body="connecting to 169.254.169.254:80: host is unreachable")
    with on_machine(client.cloud.imds_environment()):
        assert "a proxy of this machine answered in its place" in refused(ServiceUnreachableError)


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_CHOICE)
def test_an_identity_that_is_not_assigned_here_is_named(client: TokenClient, kind: str) -> None:
    client.cloud.admin.assign_identity("reader-identity", False)
    with on_machine(environment_of(client.cloud, kind)):
        text = refused(client_id=READER_IDENTITY)
    assert text.startswith(f"The managed identity with the client ID '{READER_IDENTITY}' is not assigned to")
    assert text.endswith(f"az login --identity --client-id {READER_IDENTITY}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_machine_without_any_identity_says_so(client: TokenClient, kind: str) -> None:
    for name in ("vm-identity", "deploy-identity", "reader-identity"):
        client.cloud.admin.assign_identity(name, False)
    with on_machine(environment_of(client.cloud, kind)):
        text = refused()
    assert text.startswith("The resource that this command runs on has no system-assigned managed identity.")
    if kind in WITH_CHOICE:
        assert "`az vm identity assign`" in text
        assert text.endswith("\naz login --identity --client-id CLIENT_ID")
    else:
        assert "--client-id" not in text
        assert text.endswith("\naz login --identity")


def test_several_identities_have_to_be_told_apart(client: TokenClient) -> None:
    client.cloud.admin.assign_identity("vm-identity", False)
    with on_machine(client.cloud.imds_environment()):
        text = refused()
    assert text.startswith("This machine has no system-assigned managed identity, but several user-assigned ones.")
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
    with on_machine(client.cloud.imds_environment()):
        text = refused()
    assert text.endswith(
        "Sign in with one of these:\n"
        f"az login --identity --resource-id {resource}\n"
        f"az login --identity --client-id {DEPLOY_IDENTITY}"
    )


def test_the_identity_that_was_asked_for_is_not_offered_again(client: TokenClient) -> None:
    body = {"error_description": f"No managed identity was found for {READER_IDENTITY}. Identities: {DEPLOY_IDENTITY}"}
    client.cloud.admin.fail_next(TOKENS, status=400, body=json.dumps(body))
    with on_machine(client.cloud.imds_environment()):
        text = refused(client_id=READER_IDENTITY.upper())
    assert text.endswith(f"Sign in with one of these:\naz login --identity --client-id {DEPLOY_IDENTITY}")


@pytest.mark.parametrize("kind", ["imds", "machine_learning", "service_fabric", "arc"])
def test_an_unknown_resource_is_a_matter_of_spelling(client: TokenClient, kind: str) -> None:
    with on_machine(environment_of(client.cloud, kind)), pytest.raises(SignInError) as caught:
        credential().token(["https://nothing.example/.default"])
    text = said(caught.value)
    assert text.startswith("There are no tokens for the scope or resource that was asked for.")
    assert "AADSTS500011" in text
    assert "Trace ID" not in text
    assert text.endswith("az login --identity")


@pytest.mark.parametrize("kind", ["app_service", "machine_learning"])
def test_a_wrong_secret_is_not_shown(client: TokenClient, kind: str) -> None:
    wrong = {"IDENTITY_HEADER": "s3cret"} if kind == "app_service" else {"MSI_SECRET": "s3cret"}
    with on_machine({**environment_of(client.cloud, kind), **wrong}):
        text = refused()
    assert text.startswith("The request for a token was refused.")
    assert "s3cret" not in text


@pytest.mark.parametrize("secret", ["s3cret\r", "s3cret\nx", " s3cret", "s3cret-ä", "s3cret-\u2603"])
@pytest.mark.parametrize("kind", ["app_service", "machine_learning", "service_fabric"])
def test_a_secret_that_cannot_be_sent_is_named_and_not_shown(client: TokenClient, kind: str, secret: str) -> None:
    name = "MSI_SECRET" if kind == "machine_learning" else "IDENTITY_HEADER"
    with on_machine({**environment_of(client.cloud, kind), name: secret}), pytest.raises(SignInError) as caught:
        credential().token(SCOPES)
    text = said(caught.value)
    assert f"{name} holds" in text
    assert "s3cret" not in text
    assert not client.cloud.admin.requests()


def test_an_answer_that_ends_half_way_says_so_and_what_to_do() -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
    with listening(half) as (place, _), on_machine({"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{place}"}):
        text = refused(UnexpectedAnswerError)
    assert f"at http://{place}/metadata/identity/oauth2/token broke off in the middle of its answer." in text
    assert "It was asked because of the environment" in text
    assert text.endswith("run the command again.")


def test_the_text_of_a_refusal_cannot_write_to_the_terminal(client: TokenClient) -> None:
    body = json.dumps({"error": "invalid_request", "error_description": "no\x1b[2J" + "x" * 5000})
    client.cloud.admin.fail_next(TOKENS, status=400, body=body)
    with on_machine(client.cloud.imds_environment()):
        text = refused()
    assert "\x1b" not in text
    assert len(text) < 1500


# -- services with one identity only -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["arc", "service_fabric"])
def test_an_id_is_refused_where_there_is_no_choice(client: TokenClient, kind: str) -> None:
    with on_machine(environment_of(client.cloud, kind)):
        text = refused(client_id=DEPLOY_IDENTITY)
    assert f"one identity only, and not of the managed identity with the client ID '{DEPLOY_IDENTITY}'" in text
    assert text.endswith("Leave the ID out:\naz login --identity")
    assert kind == "arc" or not client.cloud.admin.requests()


def test_an_agent_of_azure_arc_that_knows_the_identity_is_believed(client: TokenClient) -> None:
    environment = environment_of(client.cloud, "arc")
    # The local cloud's agent names the identity that its token is of, so the machine's own ID is confirmed.
    with on_machine(environment):
        assert claims_of(credential(client_id=VM_IDENTITY.upper()).token(SCOPES).secret)["appid"] == VM_IDENTITY


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"s3cret", "The request for a token was refused."),
        (b"s3cret\nwith\n", "The key file of the agent of Azure Arc"),
        (b"s3cret\xe2\x98\x83", "The key file of the agent of Azure Arc"),
        (b"s3cret\xff", "The key file of the agent of Azure Arc"),
    ],
    ids=["a key", "lines", "no key", "bytes"],
)
def test_a_challenge_of_azure_arc_that_comes_again_or_has_no_key_is_a_refusal(
    client: TokenClient, content: bytes, says: str
) -> None:
    environment = environment_of(client.cloud, "arc")
    key = ARC_TOKENS / f"{uuid.uuid4()}.key"
    key.write_bytes(content)
    try:
        challenge = {"WWW-Authenticate": f"Basic realm={key}"}
        client.cloud.admin.fail_next("/arc/", status=401, body="{}", headers=challenge, count=2)
        with on_machine(environment):
            text = refused()
    finally:
        key.unlink()
    assert text.startswith(says)
    assert text.endswith("\nazcmagent show")
    assert "s3cret" not in text


@pytest.mark.parametrize("repeated", [{}, {"client_id": VM_IDENTITY}, {"object_id": DEPLOY_IDENTITY}])
def test_a_token_of_azure_arc_that_is_not_said_to_be_the_identity_s_is_refused(repeated: dict[str, str]) -> None:
    """Some releases of MSAL check this as well, others never send the ID."""
    source = find_source({"IDENTITY_ENDPOINT": "http://127.0.0.1/arc", "IMDS_ENDPOINT": "http://127.0.0.1"})
    answer = requests.Response()
    answer.status_code = 200
    answer.raw = io.BytesIO(json.dumps({"access_token": "s3cret", "expires_in": "60", **repeated}).encode())
    check_answer(answer, source, AssignedIdentity())
    with pytest.raises(SignInError, match="one identity only"):
        check_answer(answer, source, AssignedIdentity("client-id", DEPLOY_IDENTITY))


def test_cloud_shell_has_a_person_and_no_managed_identity(client: TokenClient) -> None:
    with on_machine(client.cloud.cloud_shell_environment()), pytest.raises(SignInError, match="Cloud Shell has no"):
        credential().token(SCOPES)


@pytest.mark.parametrize(
    ("challenge", "message"),
    [
        (
            "Basic realm=/var/opt/azcmagent/tokens/not-there.key",
            "gives a token to who can read its key file, which this user cannot",
        ),
        ("Bearer realm=x", "HTTP status 401"),
        ("", "HTTP status 401"),
    ],
)
def test_a_challenge_of_azure_arc_that_cannot_be_met_says_why(
    client: TokenClient, challenge: str, message: str
) -> None:
    client.cloud.admin.fail_next("/arc/", status=401, body="{}", headers={"WWW-Authenticate": challenge})
    with on_machine(environment_of(client.cloud, "arc")):
        assert message in refused()


@pytest.mark.parametrize(
    ("thumbprint", "kind", "message"),
    [
        (
            "0" * 40,
            ServiceUnreachableError,
            "https://127.0.0.1:{port}/servicefabric/metadata/identity/oauth2/token does not prove with its",
        ),
        ("s3cret", UnexpectedAnswerError, "IDENTITY_SERVER_THUMBPRINT must be"),
    ],
)
def test_service_fabric_is_known_by_its_certificate(
    client: TokenClient, thumbprint: str, kind: type[Exception], message: str
) -> None:
    environment = {**client.cloud.service_fabric_environment(), "IDENTITY_SERVER_THUMBPRINT": thumbprint}
    with on_machine(environment), pytest.raises(kind) as caught:
        credential().token(SCOPES)
    assert message.format(port=client.cloud.fabric_port) in said(caught.value)
    assert "Error(" not in said(caught.value)
    assert not client.cloud.admin.requests()
    assert "s3cret" not in said(caught.value)
