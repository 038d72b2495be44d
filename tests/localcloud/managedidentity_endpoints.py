"""The endpoints that managed identities get their tokens from, over plain http: one blueprint per kind of host.

Sources: for IMDS as in managedidentity.py; "How to use managed identities for App Service and Azure Functions", REST
endpoint reference; "Authenticate against Azure resources with Azure Arc-enabled servers"; "How to leverage a Service
Fabric application's managed identity to access Azure services"; MSAL Python's managed_identity.py and cloudshell.py
for Azure Machine Learning and Cloud Shell, which have no public reference.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Blueprint, Flask, Response, g, jsonify, request

from tests.localcloud.app import add_hooks
from tests.localcloud.claims import ClaimsRequest
from tests.localcloud.directory import Application
from tests.localcloud.errors import EntraError
from tests.localcloud.managedidentity import IdentityNotFoundError, IdentityTokens, as_text, refusal_text
from tests.localcloud.scopes import parse_scope
from tests.localcloud.seed import AZURE_CLI
from tests.localcloud.signin import SignIn
from tests.localcloud.state import State
from tests.localcloud.tokens import Grant, Issuer

#: Where the agent of Azure Arc on Linux puts its challenge files, and the only place where MSAL reads them.
ARC_TOKENS = Path("/var/opt/azcmagent/tokens")


def make_identity_app(state: State, issuer: Issuer, secret: str, arc_files: set[Path]) -> Flask:
    """All of them in one application. `secret` is what IDENTITY_HEADER and MSI_SECRET hold.

    Arc's challenge files are added to `arc_files`, and taken out when they are used.
    """
    app = Flask("localcloud-identity", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    tokens = IdentityTokens(state, issuer)
    app.register_blueprint(_imds(tokens))
    app.register_blueprint(_app_service(tokens, secret))
    app.register_blueprint(_arc(tokens, arc_files))
    app.register_blueprint(_service_fabric(tokens, secret))
    app.register_blueprint(_machine_learning(tokens, secret))
    app.register_blueprint(_cloud_shell(state, issuer))
    add_hooks(app, state)
    return app


def _failed(status: int, **body: Any) -> Response:
    answer = jsonify(body)
    answer.status_code = status
    return answer


def _note(app: Application) -> None:
    g.user, g.tenant = app.app_id, app.principals[0].tenant_id


def _holds(header: str, secret: str) -> bool:
    return hmac.compare_digest(request.headers.get(header, "").encode(), secret.encode())


def _imds(tokens: IdentityTokens) -> Blueprint:
    pages = Blueprint("imds", __name__)

    def refuse(error: str, description: str) -> Response:
        return _failed(400, error=error, error_description=description)

    @pages.get("/metadata/identity/oauth2/token")
    def token() -> Response:
        args = request.args
        if request.headers.get("Metadata", "").lower() != "true":
            return refuse("invalid_request", "Required metadata header not specified")
        if "X-Forwarded-For" in request.headers:
            # A request that a proxy forwards could come from another machine.
            return refuse("invalid_request", "The request must not have the header X-Forwarded-For")
        if not args.get("api-version", "") >= "2018-02-01":
            return refuse("invalid_request", "The api-version is missing or not supported")
        resource = args.get("resource")
        if not resource:
            return refuse("invalid_request", "Required audience parameter not specified")
        try:
            chosen = tokens.choose(
                args.get("client_id"),
                args.get("object_id") or args.get("principal_id"),
                args.get("msi_res_id") or args.get("mi_res_id"),
            )
            _note(chosen)
            return jsonify(as_text(tokens.answer(chosen, resource)))
        except IdentityNotFoundError as error:
            several = (
                "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in "
                "the token request"
            )
            return refuse("invalid_request", several if error.several else "Identity not found")
        except EntraError as error:
            return refuse("invalid_resource", refusal_text(error, tokens.state, tokens.issuer.base_url))

    return pages


def _app_service(tokens: IdentityTokens, secret: str) -> Blueprint:
    """App Service, Functions, Container Apps and Automation."""
    pages = Blueprint("app_service", __name__)

    def refuse(status: int, message: str) -> Response:
        return _failed(status, statusCode=status, message=message, correlationId=str(uuid4()))

    @pages.get("/appservice/msi/token")
    def token() -> Response:
        args = request.args
        if not _holds("X-IDENTITY-HEADER", secret):
            return refuse(401, "The header X-IDENTITY-HEADER is missing or wrong.")
        if args.get("api-version") != "2019-08-01":
            return refuse(400, "Unsupported api-version.")
        try:
            chosen = tokens.choose(
                args.get("client_id"),
                args.get("object_id") or args.get("principal_id"),
                args.get("mi_res_id"),
            )
            _note(chosen)
            answer = as_text(tokens.answer(chosen, args.get("resource", "")))
        except IdentityNotFoundError:
            return refuse(
                400,
                "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            )
        except EntraError:
            # The real service explains no more about a resource that does not exist.
            return refuse(500, "An unexpected error occured while fetching the AAD Token.")
        del answer["expires_in"], answer["not_before"]
        return jsonify(answer)

    return pages


def _arc(tokens: IdentityTokens, files: set[Path]) -> Blueprint:
    """The agent of Azure Arc, of the kind that knows the machine's own identity only and ignores other IDs."""
    pages = Blueprint("arc", __name__)
    keys: dict[str, Path] = {}

    @pages.get("/arc/metadata/identity/oauth2/token")
    def token() -> Response:
        if request.headers.get("Metadata", "").lower() != "true":
            return _failed(400, error="invalid_request", error_description="Required metadata header not specified")
        kind, _, key = request.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            key, file = secrets.token_urlsafe(32), ARC_TOKENS / f"{uuid4()}.key"
            ARC_TOKENS.mkdir(parents=True, exist_ok=True)
            file.write_text(key, encoding="ascii")
            file.chmod(0o440)
            files.add(file)
            keys[key] = file
            challenge = Response(status=401)
            challenge.headers["WWW-Authenticate"] = f"Basic realm={file}"
            return challenge
        used = keys.pop(key, None)
        if used is None:
            return _failed(401, error="unauthorized_client", error_description="The challenge token is wrong.")
        used.unlink(missing_ok=True)
        files.discard(used)
        try:
            chosen = tokens.system_assigned()
            _note(chosen)
            return jsonify(as_text(tokens.answer(chosen, request.args.get("resource", ""))))
        except IdentityNotFoundError:
            return _failed(400, error="invalid_request", error_description="Identity not found")
        except EntraError as error:
            text = refusal_text(error, tokens.state, tokens.issuer.base_url)
            return _failed(400, error="invalid_resource", error_description=text)

    return pages


def _service_fabric(tokens: IdentityTokens, secret: str) -> Blueprint:
    """The cluster's token service: the identity belongs to the application and is not chosen by the caller."""
    pages = Blueprint("service_fabric", __name__)

    def refuse(status: int, code: str, message: str) -> Response:
        return _failed(status, error={"correlationId": str(uuid4()), "code": code, "message": message})

    @pages.get("/servicefabric/metadata/identity/oauth2/token")
    def token() -> Response:
        if "Secret" not in request.headers:
            return refuse(400, "SecretHeaderNotFound", "Secret is not found in the request headers.")
        if not _holds("Secret", secret):
            return refuse(404, "ManagedIdentityNotFound", "Managed identity cannot be found for the specified "
                          "application host.")  # fmt: skip
        if not request.args.get("resource"):
            return refuse(400, "ArgumentNullOrEmpty", "The parameter 'resource' should not be null or empty string.")
        try:
            chosen = tokens.system_assigned()
            _note(chosen)
            answer = tokens.answer(chosen, request.args["resource"])
        except IdentityNotFoundError:
            return refuse(404, "ManagedIdentityNotFound", "The application has no managed identity.")
        except EntraError as error:
            return refuse(400, "InvalidRequest", refusal_text(error, tokens.state, tokens.issuer.base_url))
        return jsonify({key: answer[key] for key in ("token_type", "access_token", "expires_on", "resource")})

    return pages


def _machine_learning(tokens: IdentityTokens, secret: str) -> Blueprint:
    pages = Blueprint("machine_learning", __name__)

    def refuse(status: int, message: str) -> Response:
        return _failed(status, statusCode=status, message=message)

    @pages.get("/machinelearning/msi/token")
    def token() -> Response:
        args = request.args
        if not _holds("secret", secret):
            return refuse(401, "The secret header is missing or wrong.")
        if args.get("api-version") != "2017-09-01":
            return refuse(400, "Unsupported api-version.")
        try:
            chosen = tokens.choose(args.get("clientid"), args.get("object_id"), args.get("msi_res_id"))
            _note(chosen)
            answer = as_text(tokens.answer(chosen, args.get("resource", "")))
        except IdentityNotFoundError:
            return refuse(400, "No MSI found for specified ClientId/ResourceId.")
        except EntraError as error:
            return refuse(400, refusal_text(error, tokens.state, tokens.issuer.base_url))
        return jsonify({key: answer[key] for key in ("access_token", "expires_on", "resource", "token_type")})

    return pages


def _cloud_shell(state: State, issuer: Issuer) -> Blueprint:
    """Cloud Shell's token service; the address names the user of the shell. It issues tokens of that user."""
    pages = Blueprint("cloud_shell", __name__)

    def refuse(code: str, message: str) -> Response:
        return _failed(400, error={"code": code, "message": message})

    @pages.post("/cloudshell/<username>/oauth2/token")
    def token(username: str) -> Response:
        if request.headers.get("Metadata", "").lower() != "true":
            return refuse("MetadataHeaderMissing", "The header Metadata is missing.")
        directory = state.directory
        user, resource = directory.user(username), request.form.get("resource", "")
        tenant = directory.tenant(user.home.tenant_id)
        try:
            scope = parse_scope(f"{resource}/.default", tenant.name)
        except EntraError:
            return refuse("AudienceNotSupported", f"Audience {resource} is not a supported MSI token audience.")
        g.user, g.tenant = user.username, tenant.id
        client = directory.application(AZURE_CLI)
        answer = issuer.for_user(
            Grant(
                tenant,
                client,
                user,
                user.home,
                SignIn(user.username, state.now()),
                scope,
                f"{resource}/.default",
                ClaimsRequest(),
                secrets.token_hex(8),
            )
        )
        lifetime = answer["expires_in"]
        return jsonify(
            {
                "access_token": answer["access_token"],
                "refresh_token": "",
                "expires_in": str(lifetime),
                "expires_on": str(int(state.now()) + lifetime),
                "not_before": str(int(state.now())),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    return pages
