"""Jobs of GitHub Actions and Azure Pipelines: their environment, and the services that give them OIDC tokens.

GitHub: "OpenID Connect reference", section "Methods for requesting the OIDC token": GET, the bearer token of the job,
`audience` appended to an address that has a query already; {"value": JWT}. Azure DevOps: REST reference, "Oidctoken -
Create", the way azure-identity's AzurePipelinesCredential calls it; its refusals are in the issues named below.
Their issuers are "github" and "azure-pipelines" (issuers.py).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from flask import Blueprint, Response, jsonify, redirect, request

from tests.localcloud.directory import stable_guid
from tests.localcloud.federation import AUDIENCE

#: The service connection of a pipeline that doesn't name another.
SERVICE_CONNECTION = stable_guid("service-connection", "production")
GITHUB_SUBJECT = "repo:contoso/app:ref:refs/heads/main"
PIPELINES_SUBJECT = "sc://contoso/app/production"
_VERSION = re.compile(r"^7\.[1-9](-preview(\.\d+)?)?$")
#: Makes a token: (issuer's name, subject, audience).
Issue = Callable[[str, str, str], str]


@dataclass(frozen=True)
class Job:
    """A running job. `token` is what it authenticates with.

    `subjects` is the subject of its tokens by service connection id; "" is the job itself.
    """

    id: str
    issuer: str
    subjects: dict[str, str]
    token: str = field(repr=False)


class CiJobs:
    """The running jobs of one cloud."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def start(self, issuer: str, subjects: dict[str, str]) -> Job:
        """A new job with a token of its own."""
        job = Job(secrets.token_hex(8), issuer, subjects, secrets.token_urlsafe(48))
        self._jobs[job.id] = job
        return job

    def find(self, issuer: str, job_id: str, header: str | None) -> Job | None:
        """The job, if the `Authorization` header carries its token."""
        scheme, _, token = (header or "").partition(" ")
        job = self._jobs.get(job_id)
        if job is None or job.issuer != issuer or scheme.lower() != "bearer":
            return None
        return job if secrets.compare_digest(job.token.encode(), token.encode()) else None

    def clear(self) -> None:
        """No job is running."""
        self._jobs.clear()


def github_environment(job: Job, base_url: str) -> dict[str, str]:
    """What GitHub's runner sets for a job with `permissions: id-token: write`."""
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{base_url}/github/jobs/{job.id}/idtoken?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": job.token,
    }


def azure_pipelines_environment(job: Job, base_url: str) -> dict[str, str]:
    """What the agent sets, and the token that a pipeline maps into the environment of a step."""
    return {
        "TF_BUILD": "True",
        "SYSTEM_OIDCREQUESTURI": f"{base_url}/azure-pipelines/contoso/app/_apis/distributedtask/hubs/build/plans/"
        f"{stable_guid('plan')}/jobs/{job.id}/oidctoken",
        "SYSTEM_ACCESSTOKEN": job.token,
    }


def _server_error(status: int, kind: str, message: str) -> Response:
    """An error as both services word it: they share Azure DevOps' server."""
    answer = jsonify(
        {
            "$id": "1",
            "innerException": None,
            "message": message,
            "typeName": f"Microsoft.VisualStudio.Services.WebApi.{kind}, Microsoft.VisualStudio.Services.WebApi",
            "typeKey": kind,
            "errorCode": 0,
            "eventId": 3000,
        }
    )
    answer.status_code = status
    return answer


def _wrapped(status: int, value: object) -> Response:
    answer = jsonify({"count": len(value) if isinstance(value, str) else 1, "value": value})
    answer.status_code = status
    return answer


def _unauthorized() -> Response:
    answer = _server_error(
        401, "UnauthorizedRequestException", "TF400813: The user '' is not authorized to access this resource."
    )
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def cijobs_blueprint(jobs: CiJobs, issue: Issue) -> Blueprint:
    """The two services."""
    pages = Blueprint("cijobs", __name__)

    @pages.get("/github/jobs/<job_id>/idtoken")
    def github(job_id: str) -> Response:
        job = jobs.find("github", job_id, request.headers.get("Authorization"))
        if job is None:
            return _unauthorized()
        # Without one it is the address of the repository's owner.
        audience = request.args.get("audience") or "https://github.com/contoso"
        return _wrapped(200, issue("github", job.subjects[""], audience))

    @pages.route(
        "/azure-pipelines/contoso/app/_apis/distributedtask/hubs/build/plans/<plan>/jobs/<job_id>/oidctoken",
        methods=["POST", "GET"],
    )
    def pipelines(plan: str, job_id: str) -> Response:
        job = jobs.find("azure-pipelines", job_id, request.headers.get("Authorization"))
        if job is None:
            if request.headers.get("X-TFS-FedAuthRedirect", "").lower() == "suppress":
                return _unauthorized()
            # Without that header a caller whom it doesn't know is sent to a sign-in page (azure-sdk-for-net#46135).
            return redirect(f"/azure-pipelines/_signin?reply_to={quote(request.url, safe='')}", 302)  # type: ignore[return-value]
        if request.method != "POST":
            return _wrapped(405, {"Message": "The requested resource does not support http method 'GET'."})
        if not _VERSION.match(request.args.get("api-version", "")):
            return _server_error(
                400,
                "VssVersionNotSpecifiedException",
                'No api-version was supplied for the "POST" request. The version must be supplied either as part of '
                'the Accept header (e.g. "application/json; api-version=1.0") or as a query parameter (e.g. '
                '"?api-version=1.0").',
            )
        connection = request.args.get("serviceConnectionId", "").lower()
        if connection not in job.subjects:
            # dotnet/docker-tools#2012
            return _wrapped(
                400,
                f"There is no explicit reference to service connection {connection} from current stage "
                "build.deploy.__default.",
            )
        return jsonify({"oidcToken": issue("azure-pipelines", job.subjects[connection], AUDIENCE)})

    @pages.get("/azure-pipelines/_signin")
    def sign_in_page() -> Response:
        # Azure DevOps answers 203 here (azure-sdk-for-cpp#5786).
        return Response("<html><head><title>Azure DevOps Services | Sign In</title></head></html>", 203)

    return pages
