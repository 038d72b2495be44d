"""GitHub's and Azure Pipelines' token services of the local cloud, as a step of a job calls them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
import requests

from tests.localcloud import CI_APP, GITHUB_SUBJECT, PIPELINES_SUBJECT, SERVICE_CONNECTION, LocalCloud
from tests.localcloud.testing import ARM_SCOPE, TokenClient, trusting_session

pytest_plugins = ["tests.localcloud.fixtures"]

AUDIENCE = "api://AzureADTokenExchange"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def ask_github(
    cloud: LocalCloud, environment: dict[str, str], audience: str | None = AUDIENCE, token: str | None = None
) -> requests.Response:
    url = environment["ACTIONS_ID_TOKEN_REQUEST_URL"] + ("&" + urlencode({"audience": audience}) if audience else "")
    secret = environment["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] if token is None else token
    return trusting_session(cloud).get(url, headers={"Authorization": f"bearer {secret}"})


def ask_pipelines(
    cloud: LocalCloud,
    environment: dict[str, str],
    connection: str | None = SERVICE_CONNECTION,
    version: str | None = "7.1",
    token: str | None = None,
    method: str = "POST",
    **more: Any,
) -> requests.Response:
    query = {"api-version": version, "serviceConnectionId": connection}
    headers = {
        "Authorization": f"Bearer {environment['SYSTEM_ACCESSTOKEN'] if token is None else token}",
        "Content-Type": "application/json",
        "X-TFS-FedAuthRedirect": "Suppress",
        **more.pop("headers", {}),
    }
    params = {key: value for key, value in query.items() if value is not None}
    session = trusting_session(cloud)
    return session.request(method, environment["SYSTEM_OIDCREQUESTURI"], params=params, headers=headers, **more)


def exchange(client: TokenClient, assertion: str) -> requests.Response:
    return client.token(
        "contoso.example",
        grant_type="client_credentials",
        client_id=CI_APP,
        scope=ARM_SCOPE,
        client_assertion=assertion,
        client_assertion_type=TYPE,
    )


def test_a_github_job_gets_a_token_for_the_audience_it_asks_for(fresh_cloud: LocalCloud) -> None:
    claims = claims_of(ask_github(fresh_cloud, fresh_cloud.github_environment()).json()["value"])
    assert (claims["aud"], claims["sub"]) == (AUDIENCE, GITHUB_SUBJECT)
    assert claims["iss"] == f"{fresh_cloud.url}/issuers/github"
    assert claims["exp"] - claims["iat"] == 300


def test_github_has_an_audience_of_its_own_when_none_is_asked_for(fresh_cloud: LocalCloud) -> None:
    answer = ask_github(fresh_cloud, fresh_cloud.github_environment(), audience=None)
    assert claims_of(answer.json()["value"])["aud"] == "https://github.com/contoso"


def test_a_github_job_signs_a_service_principal_in(client: TokenClient) -> None:
    environment = client.cloud.github_environment("repo:contoso/app:environment:production")
    client.cloud.admin.add_federated_credential("ci-app", "github", "repo:contoso/app:environment:production")
    assertion = ask_github(client.cloud, environment).json()["value"]
    assert exchange(client, assertion).status_code == 200


def test_every_answer_is_a_new_token_of_the_current_lifetime(fresh_cloud: LocalCloud) -> None:
    environment = fresh_cloud.github_environment()
    first = claims_of(ask_github(fresh_cloud, environment).json()["value"])
    fresh_cloud.admin.assertion_lifetime(60)
    second = claims_of(ask_github(fresh_cloud, environment).json()["value"])
    assert first["jti"] != second["jti"]
    assert second["exp"] - second["iat"] == 60


@pytest.mark.parametrize("token", ["", "wrong"])
def test_github_refuses_a_wrong_token(fresh_cloud: LocalCloud, token: str) -> None:
    answer = ask_github(fresh_cloud, fresh_cloud.github_environment(), token=token)
    assert (answer.status_code, answer.json()["typeKey"]) == (401, "UnauthorizedRequestException")


def test_a_job_gets_no_tokens_of_another_job(fresh_cloud: LocalCloud) -> None:
    first, second = fresh_cloud.github_environment(), fresh_cloud.github_environment("repo:contoso/other:pull_request")
    assert ask_github(fresh_cloud, first, token=second["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]).status_code == 401


def test_a_token_is_good_at_its_own_service_only(fresh_cloud: LocalCloud) -> None:
    def job_in(url: str) -> str:
        return url.partition("/jobs/")[2].partition("/")[0]

    github, pipelines = fresh_cloud.github_environment(), fresh_cloud.azure_pipelines_environment()
    request_url, token = pipelines["SYSTEM_OIDCREQUESTURI"], github["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    crossed = request_url.replace(job_in(request_url), job_in(github["ACTIONS_ID_TOKEN_REQUEST_URL"]))
    answer = ask_pipelines(fresh_cloud, {"SYSTEM_OIDCREQUESTURI": crossed, "SYSTEM_ACCESSTOKEN": token})
    assert answer.status_code == 401


def test_jobs_end_with_a_reset(fresh_cloud: LocalCloud) -> None:
    environment = fresh_cloud.github_environment()
    fresh_cloud.admin.reset()
    assert ask_github(fresh_cloud, environment).status_code == 401


def test_a_pipeline_gets_a_token_for_its_service_connection(fresh_cloud: LocalCloud) -> None:
    environment = fresh_cloud.azure_pipelines_environment()
    claims = claims_of(ask_pipelines(fresh_cloud, environment).json()["oidcToken"])
    assert (claims["aud"], claims["sub"]) == (AUDIENCE, PIPELINES_SUBJECT)
    assert claims["iss"] == f"{fresh_cloud.url}/issuers/azure-pipelines"


@pytest.mark.parametrize("version", ["7.1", "7.1-preview.1", "7.2"])
def test_a_pipeline_signs_a_service_principal_in(client: TokenClient, version: str) -> None:
    environment = client.cloud.azure_pipelines_environment(
        "sc://contoso/app/staging", "A0B1C2D3-0000-4000-8000-123456789abc"
    )
    client.cloud.admin.add_federated_credential("ci-app", "azure-pipelines", "sc://contoso/app/staging")
    answer = ask_pipelines(client.cloud, environment, "a0b1c2d3-0000-4000-8000-123456789ABC", version)
    assert exchange(client, answer.json()["oidcToken"]).status_code == 200


def test_a_pipeline_without_a_service_connection_gets_a_token_for_itself(client: TokenClient) -> None:
    client.cloud.admin.add_federated_credential("ci-app", "azure-pipelines", PIPELINES_SUBJECT)
    answer = ask_pipelines(client.cloud, client.cloud.azure_pipelines_environment(), None)
    assert claims_of(answer.json()["oidcToken"])["sub"] == "p://contoso/app/deploy"
    assert exchange(client, answer.json()["oidcToken"]).json()["error_codes"] == [700213]


def test_a_pipeline_is_told_that_it_does_not_use_a_service_connection(fresh_cloud: LocalCloud) -> None:
    answer = ask_pipelines(fresh_cloud, fresh_cloud.azure_pipelines_environment(), "b" * 32)
    assert answer.status_code == 400
    assert "no explicit reference to service connection " + "b" * 32 in answer.json()["value"]


@pytest.mark.parametrize("version", [None, "", "6.0", "latest"])
def test_a_pipeline_has_to_name_the_version_of_the_api(fresh_cloud: LocalCloud, version: str | None) -> None:
    answer = ask_pipelines(fresh_cloud, fresh_cloud.azure_pipelines_environment(), version=version)
    assert (answer.status_code, answer.json()["typeKey"]) == (400, "VssVersionNotSpecifiedException")


def test_a_pipeline_has_to_post(fresh_cloud: LocalCloud) -> None:
    answer = ask_pipelines(fresh_cloud, fresh_cloud.azure_pipelines_environment(), method="GET")
    assert (answer.status_code, answer.json()["value"]["Message"][:22]) == (405, "The requested resource")


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_pipeline_with_a_wrong_token_is_refused(fresh_cloud: LocalCloud, token: str) -> None:
    environment = fresh_cloud.azure_pipelines_environment()
    answer = ask_pipelines(fresh_cloud, environment, token=token)
    assert (answer.status_code, answer.json()["typeKey"]) == (401, "UnauthorizedRequestException")


def test_without_the_header_that_suppresses_it_a_wrong_token_leads_to_a_sign_in_page(fresh_cloud: LocalCloud) -> None:
    environment = fresh_cloud.azure_pipelines_environment()
    headers = {"X-TFS-FedAuthRedirect": None}
    moved = ask_pipelines(fresh_cloud, environment, token="wrong", headers=headers, allow_redirects=False)
    assert moved.status_code == 302
    page = ask_pipelines(fresh_cloud, environment, token="wrong", headers=headers)
    assert (page.status_code, page.headers["Content-Type"]) == (203, "text/html; charset=utf-8")
    assert "Sign In" in page.text
