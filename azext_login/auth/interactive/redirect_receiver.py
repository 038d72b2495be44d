"""Receives the authority's answer of the authorization code flow on localhost (RFC 8252, sections 7.3 and 8.3).

This module decides which request is the answer. `system.http_server` parses and serves requests without
``http.server``. While a user signs in, every web page and every process of the computer can reach this
port, so no client may get around a limit.

Nothing here logs a parameter, a path or a header: they contain the authorization code.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from azext_login.auth.interactive import redirect_pages as pages
from azext_login.auth.interactive.redirect_pages import (
    bare_response,
    page_response,
    redirect_response,
)
from azext_login.system.http_server.handler import Client, Limits
from azext_login.system.http_server.listeners import open_listeners
from azext_login.system.http_server.request import FormError, Request, RequestRefusedError, parse_form
from azext_login.system.http_server.response import Response, without_body
from azext_login.system.http_server.server import HttpServer

_DEFAULT_LIMITS = Limits()

logger = logging.getLogger(__name__)

_DONE = "/done"
_FORM = "application/x-www-form-urlencoded"
# On Windows, Ctrl-C cannot interrupt the wait for a lock; it takes effect between two slices (seconds).
_SLICE_SECONDS = 0.1


@dataclass(frozen=True)
class AuthorizationAnswer:
    """The parameters that the authority sent (RFC 6749 section 4.1.2).

    They are code, state and others, or error, error_description and state. The repr leaves them out.
    """

    parameters: Mapping[str, str] = field(repr=False)


class _RedirectionEndpoint:
    """Decides about each request (RFC 6749 section 3.1.2): at most one becomes the answer."""

    def __init__(self, port: int) -> None:
        self._hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        self._lock = threading.Lock()
        self._states: list[bytes] = []
        self._hide_address = False
        self._is_complete = False
        self._error: str | None = None
        self.answer: AuthorizationAnswer | None = None
        self.answered = threading.Event()

    def expect(self, state: str) -> None:
        with self._lock:
            self._states.append(state.encode("utf-8"))

    def complete(self, error: str | None) -> None:
        with self._lock:
            self._is_complete, self._error = True, error

    def refuse(self, refusal: RequestRefusedError) -> Response:
        return page_response(refusal.status, pages.refused(str(refusal)))

    def respond(self, request: Request, client: Client) -> Response | _RedirectionEndpoint:
        if request.method not in ("GET", "POST"):
            # This also refuses the preflight requests with which a page asks for more than a navigation may do.
            response = page_response(405, pages.refused(), headers={"Allow": "GET, POST"})
            return without_body(response) if request.method == "HEAD" else response
        host = request.header("host")
        if host is None:
            raise RequestRefusedError(400, "The request has no Host header.")
        if host.lower() not in self._hosts:
            # If a foreign name resolved to the loopback address, a foreign page would be "same origin" with this one.
            raise RequestRefusedError(403, "The request is for another host.")
        path, _, query = request.target.partition("?")
        if path == _DONE and request.method == "GET" and self.answer is not None:
            _require_navigation(request)
            return self._final_page()
        if path != "/":
            return bare_response(404, "Not found\n")
        _require_navigation(request)
        return self._record(_parameters(request, query), hide_address=request.method == "GET")

    def _record(self, parameters: Mapping[str, str], *, hide_address: bool) -> Response | _RedirectionEndpoint:
        with self._lock:
            if not self._is_expected(parameters.get("state", "")):
                logger.debug("Refused an answer with an unexpected state")
                return page_response(400, pages.foreign())
            if self.answer is not None:
                logger.debug("Refused an answer after the first one")
                return page_response(409, pages.repeated())
            if bool(parameters.get("code")) == bool(parameters.get("error")):
                raise RequestRefusedError(400, "The answer must contain either a code or an error.")
            self.answer = AuthorizationAnswer(MappingProxyType(dict(parameters)))
            self._hide_address = hide_address and "code" in parameters
        self.answered.set()
        return self  # the outcome of the sign-in is the response

    def _is_expected(self, state: str) -> bool:
        given = state.encode("utf-8")
        # Every state is compared, in constant time: the duration reveals nothing about any of them.
        return sum(hmac.compare_digest(given, expected) for expected in self._states) > 0

    def response(self, *, is_final: bool) -> Response | None:
        if not (is_final or self._is_complete):
            return None
        # With response_mode=query the address bar shows the code. The code is spent by now, and bound to PKCE, but it
        # would stay in the history and appear in every screenshot of this page. Without script, only a redirect takes
        # it out; it needs one request on localhost, for which `close` waits a moment. The address of a posted answer
        # or of an error has nothing to hide, so the page follows in the same response.
        return redirect_response(_DONE) if self._hide_address else self._final_page()

    def _final_page(self) -> Response:
        with self._lock:
            is_complete, error, answer = self._is_complete, self._error, self.answer
        parameters = answer.parameters if answer else {}
        refusal = ": ".join(filter(None, (parameters.get("error"), parameters.get("error_description"))))
        if is_complete and error is None:
            page = pages.success()
        elif is_complete or refusal:
            page = pages.failure(error or refusal)
        else:
            page = pages.neutral()
        return page_response(200, page, awaited=True)


def _require_navigation(request: Request) -> None:
    """Refuse (403) every request but the navigation of a browser window to this address.

    Browsers report it in headers that a page cannot set (W3C Fetch Metadata, sections 2.1 and 2.2). A client that sends
    none of these headers is allowed; the state decides.
    """
    mode, destination = request.header("sec-fetch-mode"), request.header("sec-fetch-dest")
    if (mode or "navigate") != "navigate" or (destination or "document") != "document":
        raise RequestRefusedError(403, "Only a browser window may open this address.")
    if (request.header("sec-purpose") or "").startswith("prefetch"):
        # The user may never see a page that was loaded in advance; the browser loads it again when it is needed.
        raise RequestRefusedError(403, "This address cannot be loaded in advance.")


def _parameters(request: Request, query: str) -> dict[str, str]:
    """Return the parameters of a query or a posted form.

    :raises RequestRefusedError: 400 or 415.
    """
    data = query.encode("ascii")
    if request.method == "POST":
        media_type, _, options = (request.header("content-type") or "").partition(";")
        if media_type.strip().lower() != _FORM or options.strip().lower() not in ("", "charset=utf-8"):
            raise RequestRefusedError(415, "The answer is not a form.")
        if query:
            raise RequestRefusedError(400, "The request has both a query and a form.")
        data = request.body
    try:
        return parse_form(data)
    except FormError as error:
        raise RequestRefusedError(400, str(error)) from error


class RedirectReceiver:
    """Waits on http://localhost:PORT for one answer with an expected state, and shows the outcome in the browser.

    It listens until `close`. In between: `expect` a state, open the browser, `wait`, redeem the code, `complete`.
    """

    def __init__(
        self, *, port: int = 0, clock: Callable[[], float] = time.monotonic, limits: Limits = _DEFAULT_LIMITS
    ) -> None:
        """Listen and serve.

        :param port: 0 for any free port.
        :param clock: counts seconds and never goes back.
        :raises PortInUseError: another program uses the port that was asked for.
        :raises OSError: listening is not possible at all.
        """
        self._clock = clock
        self._closed = threading.Event()
        listeners, self.port = open_listeners(port)
        self._endpoint = _RedirectionEndpoint(self.port)
        self._server = HttpServer(listeners, self._endpoint, limits, clock, name="login-redirect")
        self._server.start()

    @property
    def redirect_uri(self) -> str:
        """The redirect URI of the request.

        By name and not by number: the Azure CLI is registered with http://localhost, and Entra ID ignores the port
        ("Redirect URI (reply URL) restrictions and limitations", localhost exceptions).
        """
        return f"http://localhost:{self.port}"

    @property
    def was_reached_with_tls(self) -> bool:
        """Whether a client tried https: the browser then cannot deliver the answer to this plain http port."""
        return self._server.was_reached_with_tls

    def expect(self, state: str) -> None:
        """Accept an answer with this state as well. The first answer to any of them is the only one.

        :raises ValueError: the state is empty.
        """
        if not state:
            raise ValueError("An empty state protects nothing.")
        self._endpoint.expect(state)

    def wait(self, timeout: float) -> AuthorizationAnswer | None:
        """Return the answer, or None after `timeout` seconds without one, or after `close`.

        The browser waits for its page until `complete` is called. Ctrl-C interrupts the wait within a tenth of a
        second.
        """
        end = self._clock() + timeout
        while not self._endpoint.answered.is_set() and not self._closed.is_set():
            remaining = end - self._clock()
            if remaining <= 0:
                break
            self._endpoint.answered.wait(min(_SLICE_SECONDS, remaining))
        return self._endpoint.answer

    def complete(self, error: str | None = None) -> None:
        """Show the outcome in the browser now. Does not wait for the browser.

        :param error: None after a success. After a failure, plain text that the page shows, at most 1000 characters;
            with "" it shows what the authority answered.
        """
        self._endpoint.complete(error)
        self._server.look_again()

    def close(self) -> None:
        """Stop listening and close every connection, within about a second. Idempotent.

        A browser that waits for its page, or is on its way to it, gets it first. No other client is waited for.
        """
        self._closed.set()
        self._server.close()
