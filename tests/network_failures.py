"""Failures of the network as docs/errors.rst shows them: what requests raises, and the error that we make of it.

`tests/unit/system/http` provokes the same failures with real connections.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from unittest import mock

import requests
from azure.cli.core.azclierror import AzCLIError
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from azext_login.system.http.errors import connection_errors, foreign_redirect, not_an_object

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc).timestamp()
"""The time of the page."""

_HOST, _SERVICE = "login.microsoftonline.com", "the sign-in service"
_URL = f"https://{_HOST}/organizations/oauth2/v2.0/token"


@dataclass(frozen=True)
class Failure:
    """One way in which a request fails."""

    cause: str
    """What happened, for the page."""
    raised: Callable[[], BaseException]
    """What requests raises for it."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def error(self) -> AzCLIError:
        """Return our error for it."""
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
        clean = {name: value for name, value in os.environ.items() if name.upper() not in (*names, *_CA_VARIABLES)}
        with mock.patch.dict(os.environ, {**clean, **self.environment}, clear=True), mock.patch("time.time", _time):
            raised = self.raised()
            if isinstance(raised, AzCLIError):
                return raised
            try:
                with connection_errors(_SERVICE, f"https://{_HOST}"):
                    raise raised
            except AzCLIError as error:
                return error


_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def _time() -> float:
    return NOW


def _connection(error: Exception, kind: type[requests.RequestException] = requests.ConnectionError) -> BaseException:
    return kind(MaxRetryError(HTTPSConnection(_HOST), _URL, error), request=requests.Request("POST", _URL).prepare())  # type: ignore[arg-type]


def _tunnel(status: str) -> BaseException:
    return _connection(OSError(f"Tunnel connection failed: {status}"), requests.exceptions.ProxyError)


def _certificate(code: int, text: str) -> BaseException:
    error = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {text}")
    error.verify_code = code
    return _connection(error, requests.exceptions.SSLError)


def _refused() -> Exception:
    return NewConnectionError(
        HTTPSConnection(_HOST), "Failed to establish a new connection: [Errno 111] Connection refused"
    )


def _unresolved(host: str) -> Exception:
    return NameResolutionError(host, HTTPSConnection(host), OSError(-2, "Name or service not known"))  # type: ignore[arg-type]


def _answer(status: int, kind: str, body: bytes, *, location: str = "", came_from: str = "") -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer.url, answer._content = status, _URL, body
    answer.headers.update({"Content-Type": kind, **({"Location": location} if location else {})})
    if came_from:
        first = requests.Response()
        first.url, answer.url, answer.history = _URL, came_from, [first]
    return answer


def _redirect() -> AzCLIError:
    error = foreign_redirect(_answer(302, "", b"", location="http://portal.example/"), _SERVICE)
    assert error is not None
    return error


_PROXY = {"HTTPS_PROXY": "http://proxy.example:3128"}
_WITH_PASSWORD = {"HTTPS_PROXY": "http://user:password@proxy.example:3128"}
_BUNDLE = {"REQUESTS_CA_BUNDLE": "/path/to/bundle.pem"}
_HTML = ("text/html", b"<!DOCTYPE html>")

NETWORK = {
    "Names, connections and time": (
        Failure("The name of the service cannot be resolved (DNS).", lambda: _connection(_unresolved(_HOST))),
        Failure("The connection is refused: by a firewall, or by a host on which the service does not run.",
                lambda: _connection(_refused())),
        Failure("The service, or the network on the way to it, does not answer.",
                lambda: requests.exceptions.ReadTimeout()),
        Failure("The connection ends in the middle of the answer.",
                lambda: requests.exceptions.ChunkedEncodingError()),
    ),
    "Proxies": (
        Failure("The proxy refuses the connection to itself. The variable is the one that is set: ``HTTPS_PROXY``, "
                "``https_proxy``, ``ALL_PROXY`` or ``all_proxy``, and ``HTTP_PROXY`` or ``http_proxy`` for an http "
                "address. A password in it is never shown.",
                lambda: _connection(_refused(), requests.exceptions.ProxyError), _WITH_PASSWORD),
        Failure("The name of the proxy cannot be resolved.",
                lambda: _connection(_unresolved("proxy.example"), requests.exceptions.ProxyError), _PROXY),
        Failure("The proxy does not answer.", lambda: requests.exceptions.ConnectTimeout(), _PROXY),
        Failure("The proxy demands authentication, and the variable has no password.",
                lambda: _tunnel("407 Proxy Authentication Required"), _PROXY),
        Failure("The proxy refuses the password.",
                lambda: _tunnel("407 Proxy Authentication Required"), _WITH_PASSWORD),
        Failure("The proxy does not allow the address.", lambda: _tunnel("403 Forbidden"), _PROXY),
        Failure("The address of the proxy begins with https://, and the proxy speaks http.",
                lambda: _connection(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
                                    requests.exceptions.ProxyError), {"HTTPS_PROXY": "https://proxy.example:3128"}),
        Failure("The value of the variable is not an address.",
                lambda: requests.exceptions.InvalidProxyURL(), {"HTTPS_PROXY": "ftp://proxy.example"}),
        Failure("``NO_PROXY`` or ``no_proxy`` excludes the address, and it cannot be reached without the proxy.",
                lambda: _connection(_refused()), {**_PROXY, "NO_PROXY": ".microsoftonline.com"}),
        Failure("Only ``HTTP_PROXY`` is set, which is not for https addresses.",
                lambda: _connection(_refused()), {"HTTP_PROXY": "http://proxy.example:3128"}),
    ),
    "TLS": (
        Failure("The certificate is not trusted: mostly because a proxy inspects TLS (interception), and shows a "
                "certificate of its own.",
                lambda: _certificate(20, "unable to get local issuer certificate")),
        Failure("The file that ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE`` names does not exist. For a file without "
                "certificates, for a directory without them and for one that cannot be read the error has another "
                "predicate.",
                lambda: OSError("Could not find a suitable TLS CA certificate bundle"), _BUNDLE),
        Failure("The certificate has expired, or the clock of this computer is wrong.",
                lambda: _certificate(10, "certificate has expired")),
        Failure("The certificate is for another name.",
                lambda: _certificate(62, f"Hostname mismatch, certificate is not valid for '{_HOST}'.")),
        Failure("The service does not speak TLS.",
                lambda: _connection(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
                                    requests.exceptions.SSLError)),
    ),
    "Captive portals": (
        Failure("The network answers with a page to sign in to it (with status 200, or with 511 by RFC 6585).",
                lambda: not_an_object(_answer(200, *_HTML), _SERVICE)),
        Failure("The network leads the request to such a page.",
                lambda: not_an_object(_answer(200, *_HTML, came_from="http://portal.example/"), _SERVICE)),
        Failure("The network redirects a request with a secret. The redirect is not followed.", _redirect),
        Failure("Something other than JSON arrives, and no page: from a proxy, for example.",
                lambda: not_an_object(_answer(200, "text/plain", b"OK"), _SERVICE), _PROXY),
    ),
}  # fmt: skip
