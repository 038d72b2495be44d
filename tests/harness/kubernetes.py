"""A Kubernetes API server, as far as `kubectl get pods` needs one, which accepts tokens of the local cloud only.

Each request needs a bearer token whose signature, issuer, audience and times are right, as with Entra ID in AKS:
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#openid-connect-tokens
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import trustme

from tests.localcloud import LocalCloud
from tests.localcloud.testing import trusting_session

AUDIENCE = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The resource of every AKS cluster that uses Entra ID."""

POD = "nginx-5d59d67564-4x7vq"
_VERSION = {"major": "1", "minor": "20", "gitVersion": "v1.20.2"}
_PODS = "/api/v1/namespaces/default/pods"
_TABLE = "as=Table;v=v1;g=meta.k8s.io"
_DOCUMENTS: dict[str, dict[str, Any]] = {
    "/version": _VERSION,
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": ["get", "list"],
                "shortNames": ["po"],
            }
        ],
    },
}
_METADATA = {"name": POD, "namespace": "default"}


@dataclass
class Cluster:
    """A running server."""

    url: str
    ca_file: Path
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Of each answered request, the path and the user of its token."""
    refusals: list[str] = field(default_factory=list)
    """Why requests were refused."""

    def kubeconfig(self, users: dict[str, Any]) -> str:
        """Return the text of a kubeconfig for this cluster.

        users: has the key `users`, with one user.
        """
        (user,) = users["users"]
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user["name"]}}],
            "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": str(self.ca_file)}}],
            **users,
        }
        return json.dumps(document)


@contextmanager
def running_cluster(cloud: LocalCloud, tenant: str, folder: Path) -> Iterator[Cluster]:
    """Run a server whose users are those of a tenant of the cloud.

    tenant: its ID.
    folder: for the certificate that clients have to trust.
    """
    authority = trustme.CA()
    ca_file = folder / "cluster-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        cluster = Cluster(f"https://127.0.0.1:{server.server_port}", ca_file)
        _Handler.cluster, _Handler.verifier = cluster, _Verifier(cloud, tenant)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield cluster
        finally:
            server.shutdown()
            thread.join()


class _Verifier:
    """Tells whose token it is, or raises jwt.InvalidTokenError."""

    def __init__(self, cloud: LocalCloud, tenant: str) -> None:
        session = trusting_session(cloud)
        document = session.get(f"{cloud.url}/{tenant}/.well-known/openid-configuration", timeout=30).json()
        self._issuer = document["issuer"]
        self._keys = jwt.PyJWKSet.from_dict(session.get(document["jwks_uri"], timeout=30).json())

    def user_of(self, token: str) -> str:
        key = self._keys[jwt.get_unverified_header(token)["kid"]]
        required = ["exp", "nbf", "iss", "aud"]
        claims = jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=self._issuer, options={"require": required}
        )
        return str(claims["unique_name"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster
    verifier: _Verifier

    def do_GET(self) -> None:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        path = urlsplit(self.path).path
        try:
            if scheme != "Bearer":
                raise jwt.InvalidTokenError("there is no bearer token")
            user = self.verifier.user_of(token)
        except (jwt.InvalidTokenError, KeyError) as error:
            self.cluster.refusals.append(str(error))
            self._answer(401, _status("Unauthorized", 401))
            return
        self.cluster.requests.append((path, user))
        if path == _PODS:
            self._answer(200, _table() if _TABLE in self.headers.get("Accept", "") else _list())
        elif path in _DOCUMENTS:
            self._answer(200, _DOCUMENTS[path])
        else:
            self._answer(404, _status("NotFound", 404))

    def _answer(self, code: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write no log: a request contains a token."""


def _status(reason: str, code: int) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


def _list() -> dict[str, Any]:
    pod = {"kind": "Pod", "apiVersion": "v1", "metadata": _METADATA, "status": {"phase": "Running"}}
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod]}


def _table() -> dict[str, Any]:
    columns = [{"name": name, "type": "string", "format": "", "description": "", "priority": 0} for name in _COLUMNS]
    row = {
        "cells": [POD, "1/1", "Running"],
        "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": _METADATA},
    }
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns,
        "rows": [row],
    }


_COLUMNS = ("Name", "Ready", "Status")
