"""The WSGI application of one cloud: blueprints put together, and what happens to every request (log, delay, fault)."""

from __future__ import annotations

import hmac
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Flask, Response, g, jsonify, request

from tests.localcloud.admin import Admin, call
from tests.localcloud.arm import arm_blueprint
from tests.localcloud.authorize import authorize_blueprint
from tests.localcloud.azurestack import AzureStack
from tests.localcloud.cijobs import cijobs_blueprint
from tests.localcloud.entra import entra_blueprint
from tests.localcloud.faults import Fault
from tests.localcloud.federation import local_fetch
from tests.localcloud.issuers import issuers_blueprint
from tests.localcloud.pages import pages_blueprint
from tests.localcloud.plainopenid import make_plain
from tests.localcloud.requestlog import LoggedRequest
from tests.localcloud.service import TokenService
from tests.localcloud.state import State
from tests.localcloud.tokens import Issuer
from tests.localcloud.visitors import Visitors

#: Where the operators are; what they do is neither logged nor disturbed.
_OPERATORS = ("/admin/", "/azurestack/admin/")
#: Where the server puts a function that closes the connection without an answer.
DROP = "localcloud.drop"


def make_app(
    state: State, issuer: Issuer, admin: Admin, admin_key: str, ca_bundle: Path, azure_stack: AzureStack
) -> Flask:
    """Put the application together."""
    app = Flask("localcloud", template_folder=str(Path(__file__).with_name("templates")), static_folder=None)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20
    fetch = local_fetch(issuer.base_url, ca_bundle)
    service = TokenService(app, state, issuer, fetch)
    visitors = Visitors(state)
    app.register_blueprint(entra_blueprint(state, issuer, service))
    app.register_blueprint(authorize_blueprint(state, issuer, service, visitors))
    app.register_blueprint(pages_blueprint(state, issuer, visitors))
    app.register_blueprint(arm_blueprint(state, issuer))
    app.register_blueprint(issuers_blueprint(state.issuers))
    app.register_blueprint(
        cijobs_blueprint(state.ci_jobs, lambda name, subject, aud: admin.issue_assertion(subject, aud, issuer=name))
    )
    azure_stack.join(app, issuer.base_url, fetch)
    _add_admin(app, "/admin", admin, admin_key)
    _add_admin(app, "/azurestack/admin", azure_stack.admin, admin_key)
    add_hooks(app, state)
    return app


def _add_admin(app: Flask, path: str, admin: Admin, admin_key: str) -> None:
    @app.post(f"{path}/<operation>", endpoint=path)
    def operate(operation: str) -> tuple[Response, int]:
        if not hmac.compare_digest(request.headers.get("X-Admin-Key", "").encode(), admin_key.encode()):
            return jsonify({"error": "X-Admin-Key is missing or wrong."}), 403
        try:
            arguments = request.get_json(force=True) if request.get_data() else {}
            return jsonify({"result": call(admin, operation, arguments)}), 200
        except LookupError as exc:
            return jsonify({"error": str(exc)}), 404
        except (TypeError, ValueError) as exc:
            return jsonify({"error": str(exc)}), 400


def _fail(fault: Fault) -> Response | None:
    if fault.drop:
        request.environ[DROP]()
        # No client reads this any more; the number is for the request log.
        return Response(status=499)
    if not fault.status:
        return None
    return Response(fault.body, status=fault.status, headers=fault.headers)


def add_hooks(app: Flask, state: State) -> None:
    """Delay, fail and log every request except the operator's."""

    @app.before_request
    def disturb() -> Response | None:
        if request.path.startswith(_OPERATORS):
            return None
        g.began = state.now()
        if state.settings.latency_ms:
            time.sleep(state.settings.latency_ms / 1000)
        fault = state.faults.meet(request.method, request.path, request.query_string.decode())
        return _fail(fault) if fault else None

    @app.after_request
    def note(response: Response) -> Response:
        if request.path.startswith(_OPERATORS):
            return response
        if state.settings.plain_openid:
            make_plain(response)
        response.headers.setdefault("x-ms-request-id", str(uuid4()))
        correlation: Any = request.headers.get("x-ms-client-request-id") or request.headers.get("client-request-id")
        response.headers.setdefault("x-ms-correlation-request-id", correlation or str(uuid4()))
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers["Date"] = formatdate(state.now(), usegmt=True)
        state.log.add(
            LoggedRequest(
                request.method,
                request.path,
                response.status_code,
                g.get("tenant"),
                g.get("user"),
                g.get("grant_type"),
                state.now(),
                g.began,
            )
        )
        return response

    @app.errorhandler(404)
    def not_found(_: Exception) -> tuple[Response, int]:
        return jsonify({"error": {"code": "NotFound", "message": f"There is nothing at {request.path}."}}), 404
