"""The local cloud's managed-identity endpoints, without any library in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.localcloud import DEPLOY_IDENTITY, READER_IDENTITY, VM_IDENTITY, LocalCloud
from tests.localcloud.testing import TokenClient
from tests.users import BOB

pytest_plugins = ["tests.localcloud.fixtures"]

ARM = "https://management.core.windows.net/"
IMDS = "/metadata/identity/oauth2/token"


def ask(address: str, headers: dict[str, str], **params: str) -> requests.Response:
    plain = requests.Session()
    plain.trust_env = False
    return plain.get(address, params=params, headers=headers, timeout=60)


def imds(cloud: LocalCloud, headers: dict[str, str] | None = None, **params: str) -> requests.Response:
    wanted = {"api-version": "2018-02-01", "resource": ARM, **params}
    return ask(cloud.identity_url + IMDS, {"Metadata": "true"} if headers is None else headers, **wanted)


def claims(answer: requests.Response) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    return found


def test_the_system_assigned_identity_is_meant_when_none_is_named(client: TokenClient) -> None:
    answer = imds(client.cloud)
    found = claims(answer)
    app = client.cloud.directory.application("vm-identity")
    assert found["appid"] == VM_IDENTITY
    assert found["oid"] == app.principals[0].oid
    assert found["tid"] == client.cloud.directory.tenant("contoso.example").id
    assert found["xms_mirid"] == app.resource_id
    assert found["aud"] == ARM
    assert all(isinstance(value, str) for value in answer.json().values())
    assert int(answer.json()["expires_on"]) == found["exp"]


def test_a_token_of_an_identity_shows_its_subscriptions(client: TokenClient) -> None:
    seen = {}
    for client_id in (VM_IDENTITY, DEPLOY_IDENTITY, READER_IDENTITY):
        token = imds(client.cloud, client_id=client_id).json()["access_token"]
        rows = client.arm("/subscriptions", token).json()["value"]
        seen[client_id] = [row["displayName"] for row in rows]
    assert seen == {
        VM_IDENTITY: ["Contoso Production", "Shared Platform"],
        DEPLOY_IDENTITY: ["Contoso Development"],
        READER_IDENTITY: [],
    }


@pytest.mark.parametrize("name", ["client_id", "object_id", "principal_id", "msi_res_id"])
def test_an_identity_is_named_by_any_of_its_ids_in_any_case(client: TokenClient, name: str) -> None:
    app = client.cloud.directory.application("deploy-identity")
    value = {"client_id": app.app_id, "msi_res_id": app.resource_id}.get(name, app.principals[0].oid)
    assert claims(imds(client.cloud, None, **{name: value.upper()}))["appid"] == DEPLOY_IDENTITY


def test_without_a_system_assigned_identity_several_others_have_to_be_told_apart(client: TokenClient) -> None:
    client.cloud.admin.assign_identity("vm-identity", False)
    answer = imds(client.cloud)
    assert answer.status_code == 400
    assert answer.json()["error_description"].startswith("Multiple user assigned identities exist")
    client.cloud.admin.assign_identity("reader-identity", False)
    assert claims(imds(client.cloud))["appid"] == DEPLOY_IDENTITY
    client.cloud.admin.assign_identity("deploy-identity", False)
    assert imds(client.cloud).json() == {"error": "invalid_request", "error_description": "Identity not found"}


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        ({}, {}),
        ({"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}, {}),
        ({"Metadata": "true"}, {"api-version": ""}),
        ({"Metadata": "true"}, {"resource": ""}),
        ({"Metadata": "true"}, {"client_id": VM_IDENTITY, "object_id": DEPLOY_IDENTITY}),
    ],
    ids=["no Metadata header", "forwarded", "no api-version", "no resource", "two identities"],
)
def test_imds_refuses_what_is_not_well_formed(
    client: TokenClient, headers: dict[str, str], params: dict[str, str]
) -> None:
    answer = imds(client.cloud, headers, **params)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


def test_imds_names_a_resource_that_does_not_exist(client: TokenClient) -> None:
    answer = imds(client.cloud, resource="https://nothing.example")
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_resource"
    assert "AADSTS500011" in answer.json()["error_description"]


def test_app_service_wants_its_header(client: TokenClient) -> None:
    env = client.cloud.app_service_environment()
    wanted = {"api-version": "2019-08-01", "resource": ARM}
    right = {"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]}
    assert ask(env["IDENTITY_ENDPOINT"], {"X-IDENTITY-HEADER": "wrong"}, **wanted).status_code == 401
    answer = ask(env["IDENTITY_ENDPOINT"], right, **wanted)
    assert claims(answer)["appid"] == VM_IDENTITY
    assert answer.json()["expires_on"] == str(claims(answer)["exp"])
    unknown = ask(env["IDENTITY_ENDPOINT"], right, client_id=ARM, **wanted)
    assert unknown.status_code == 400
    assert "No User Assigned or Delegated Managed Identity found" in unknown.json()["message"]


def test_machine_learning_wants_its_secret(client: TokenClient) -> None:
    env = client.cloud.machine_learning_environment()
    wanted = {"api-version": "2017-09-01", "resource": ARM, "clientid": DEPLOY_IDENTITY}
    assert ask(env["MSI_ENDPOINT"], {}, **wanted).status_code == 401
    assert claims(ask(env["MSI_ENDPOINT"], {"secret": env["MSI_SECRET"]}, **wanted))["appid"] == DEPLOY_IDENTITY


def test_arc_gives_a_token_to_who_can_read_its_file_and_once(client: TokenClient) -> None:
    try:
        env = client.cloud.arc_environment()
    except OSError as error:
        pytest.skip(f"the challenge files of Azure Arc cannot be written here: {error}")
    wanted = {"api-version": "2020-06-01", "resource": ARM}
    challenge = ask(env["IDENTITY_ENDPOINT"], {"Metadata": "true"}, **wanted)
    assert challenge.status_code == 401
    kind, _, file = challenge.headers["WWW-Authenticate"].partition("=")
    assert kind == "Basic realm"
    key = {"Metadata": "true", "Authorization": f"Basic {Path(file).read_text(encoding='ascii')}"}
    assert claims(ask(env["IDENTITY_ENDPOINT"], key, **wanted))["appid"] == VM_IDENTITY
    assert ask(env["IDENTITY_ENDPOINT"], key, **wanted).status_code == 401
    assert not Path(file).exists()


def test_cloud_shell_gives_a_token_of_the_user(client: TokenClient) -> None:
    env = client.cloud.cloud_shell_environment(BOB)
    plain = requests.Session()
    plain.trust_env = False
    form = {"resource": ARM}
    answer = plain.post(env["MSI_ENDPOINT"], data=form, headers={"Metadata": "true"}, timeout=60)
    assert claims(answer)["unique_name"] == BOB
    assert client.arm("/subscriptions", answer.json()["access_token"]).status_code == 200
    assert plain.post(env["MSI_ENDPOINT"], data=form, timeout=60).status_code == 400
    form["resource"] = "https://nothing.example"
    refused = plain.post(env["MSI_ENDPOINT"], data=form, headers={"Metadata": "true"}, timeout=60)
    assert refused.json()["error"]["code"] == "AudienceNotSupported"


def test_requests_are_logged_with_the_identity_and_fail_on_demand(client: TokenClient) -> None:
    client.cloud.admin.fail_next("/metadata/identity", status=410)
    assert [imds(client.cloud).status_code for _ in range(2)] == [410, 200]
    rows = [(row.path, row.status, row.user) for row in client.cloud.admin.requests()]
    assert rows == [(IMDS, 410, None), (IMDS, 200, VM_IDENTITY)]
