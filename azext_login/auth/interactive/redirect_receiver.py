"""Receives the authority's answer of the authorization code flow on a loopback port (RFC 8252, 7.3 and 8.3).

The rules of what counts as an answer are here. Requests are parsed by a small strict parser
(``_http_request``) and served by one thread (``_loopback_server``) instead of ``http.server``: this port is
open to every web page and every process of the machine while somebody signs in, so each limit has to be one
that cannot be worked around.

Nothing in here logs a parameter, a path or a header: they hold the authorization code.
"""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType

from azext_login.auth.interactive.redirect_listeners import PortInUseError, open_listeners
from azext_login.auth.interactive.redirect_pages import (
    DEFAULT_PAGES,
    Pages,
    Response,
    bare_response,
    page_response,
    redirect_response,
    without_body,
)
from azext_login.auth.interactive.redirect_request import FormError, Request, RequestRefusedError, parse_form
from azext_login.auth.interactive.redirect_server import Limits, LoopbackServer

__all__ = ["DEFAULT_PAGES", "AuthorizationAnswer", "Limits", "LoopbackReceiver", "Pages", "PortInUseError"]

DEFAULT_LIMITS = Limits()

logger = logging.getLogger(__name__)

_DONE = "/done"
_FORM = "application/x-www-form-urlencoded"
# Waiting on a lock cannot be interrupted with Ctrl-C on Windows; between two slices it can.
_SLICE_SECONDS = 0.1


@dataclass(frozen=True)
class AuthorizationAnswer:
    """What the authority sent (RFC 6749 section 4.1.2).

    That is code, state and more, or error, error_description and state. The code is kept out of the repr.
    """

    parameters: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class _Outcome:
    succeeded: bool
    detail: str
    error: str


class _AnswerDesk:
    """Decides about each request: at most one becomes the answer."""

    def __init__(self, port: int, pages: Pages, on_tls_hello: Callable[[], None]) -> None:
        self._hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
        self._pages = pages
        self._on_tls_hello = on_tls_hello
        self._lock = threading.Lock()
        self._states: list[bytes] = []
        self._answer: AuthorizationAnswer | None = None
        self._hide_address = False
        self._outcome: _Outcome | None = None
        self.answered = threading.Event()

    @property
    def answer(self) -> AuthorizationAnswer | None:
        return self._answer

    def expect(self, state: str) -> None:
        with self._lock:
            self._states.append(state.encode("utf-8"))

    def complete(self, outcome: _Outcome) -> None:
        with self._lock:
            self._outcome = outcome

    def tls_hello(self) -> None:
        self._on_tls_hello()

    def refuse(self, refusal: RequestRefusedError) -> Response:
        return page_response(refusal.status, self._pages.refused(str(refusal)))

    def respond(self, request: Request) -> Response | None:
        if request.method not in ("GET", "POST"):
            # This also refuses the preflights with which a web page asks for more than a navigation may do.
            response = page_response(405, self._pages.refused(), headers={"Allow": "GET, POST"})
            return without_body(response) if request.method == "HEAD" else response
        host = request.header("host")
        if host is None:
            raise RequestRefusedError(400, "The request does not say which host it is for.")
        if host.lower() not in self._hosts:
            # A foreign name that resolves to the loopback address makes a foreign page "same origin" with us.
            raise RequestRefusedError(403, "The request is for another host.")
        path, _, query = request.target.partition("?")
        if path == _DONE and request.method == "GET" and self._answer is not None:
            _require_navigation(request)
            return page_response(200, self._outcome_page(), awaited=True)
        if path != "/":
            return bare_response(404, "Not found\n")
        _require_navigation(request)
        return self._record(_parameters(request, query), hide_address=request.method == "GET")

    def _record(self, parameters: Mapping[str, str], *, hide_address: bool) -> Response | None:
        with self._lock:
            if not self._expected(parameters.get("state", "")):
                logger.debug("Refused an answer with another state than the expected one")
                return page_response(400, self._pages.foreign())
            if self._answer is not None:
                logger.debug("Refused an answer after the first one")
                return page_response(409, self._pages.repeated())
            if bool(parameters.get("code")) == bool(parameters.get("error")):
                raise RequestRefusedError(400, "The answer has to hold either a code or an error.")
            self._answer = AuthorizationAnswer(MappingProxyType(dict(parameters)))
            self._hide_address = hide_address and "code" in parameters
        self.answered.set()
        return None

    def _expected(self, state: str) -> bool:
        given = state.encode("utf-8")
        # Every state is compared, in constant time: the time taken says nothing about any of them.
        return sum(hmac.compare_digest(given, expected) for expected in self._states) > 0

    def held_response(self) -> Response:
        # With response_mode=query the code stands in the address bar. It is spent by now and bound to PKCE,
        # but it would stay in the history and be in every screenshot of this page. A redirect is the only way
        # to take it out without script, and costs one request on loopback; closing waits a moment for it. A
        # posted answer and an error have nothing to hide in their address, and get their page in the same
        # response.
        if self._hide_address:
            return redirect_response(_DONE)
        return page_response(200, self._outcome_page(), awaited=True)

    def _outcome_page(self) -> str:
        with self._lock:
            outcome, answer = self._outcome, self._answer
        parameters = answer.parameters if answer else {}
        refusal = ": ".join(filter(None, (parameters.get("error"), parameters.get("error_description"))))
        if outcome is not None and outcome.succeeded:
            return self._pages.success(outcome.detail)
        if outcome is not None:
            return self._pages.failure(outcome.error or refusal, outcome.detail)
        return self._pages.failure(refusal) if refusal else self._pages.neutral()


def _require_navigation(request: Request) -> None:
    """Refuse (403) what is not a browser window going to this address.

    Browsers say so in headers that a page cannot set (W3C Fetch Metadata, sections 2.1 and 2.2); a client
    that sends none of them is let through, the state decides.
    """
    mode, destination = request.header("sec-fetch-mode"), request.header("sec-fetch-dest")
    if (mode or "navigate") != "navigate" or (destination or "document") != "document":
        raise RequestRefusedError(403, "Only a browser window may come here.")
    if (request.header("sec-purpose") or "").startswith("prefetch"):
        # A page loaded in advance may never be seen; the browser loads it again when it is needed.
        raise RequestRefusedError(403, "This address cannot be loaded in advance.")


def _parameters(request: Request, query: str) -> dict[str, str]:
    """The parameters of a query or a posted form. Raises RequestRefusedError (400, 415)."""
    data = query.encode("ascii")
    if request.method == "POST":
        media_type, _, options = (request.header("content-type") or "").partition(";")
        if media_type.strip().lower() != _FORM or options.strip().lower() not in ("", "charset=utf-8"):
            raise RequestRefusedError(415, "The answer is not a form.")
        if query:
            raise RequestRefusedError(400, "The answer is both in the address and in the form.")
        data = request.body
    try:
        return parse_form(data)
    except FormError as error:
        raise RequestRefusedError(400, str(error)) from error


class LoopbackReceiver:
    """Waits on http://localhost:PORT for one answer with an expected state; tells the browser how it ended.

    Use: ``with LoopbackReceiver() as receiver``, then `expect`, open the browser, `wait`, redeem the code,
    `complete`. Leaving the block stops everything.

    `port` 0 chooses a free port. `on_tls_hello` is called at most once, from a thread of its own, when
    somebody speaks TLS to the port: the browser was made to use https for localhost and cannot reach us.
    `clock` counts seconds and never goes back.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        pages: Pages = DEFAULT_PAGES,
        on_tls_hello: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._requested_port = port
        self._pages = pages
        self._on_tls_hello = on_tls_hello
        self._clock = clock
        self._limits = limits
        self._tls_thread: threading.Thread | None = None
        self._waiting_states: list[str] = []
        self._desk: _AnswerDesk | None = None
        self._server: LoopbackServer | None = None
        self._closed = threading.Event()
        self.port = port

    def __enter__(self) -> LoopbackReceiver:
        """Listen and serve. Raises PortInUseError for a fixed port that is taken, OSError if none works."""
        listeners, self.port = open_listeners(self._requested_port)
        self._desk = _AnswerDesk(self.port, self._pages, self._tls_hello)
        for state in self._waiting_states:
            self._desk.expect(state)
        self._server = LoopbackServer(listeners, self._desk, self._limits, self._clock)
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def redirect_uri(self) -> str:
        """The address to send with the request.

        By name and not by number: the Azure CLI is registered with http://localhost, whose port Entra ID
        ignores ("Redirect URI (reply URL) restrictions and limitations", localhost exceptions).
        """
        return f"http://localhost:{self.port}"

    def expect(self, state: str) -> None:
        """Accept an answer with this state as well. The first answer to any of them is the only one."""
        if not state:
            raise ValueError("A state that is empty protects nothing.")
        if self._desk is None:
            self._waiting_states.append(state)
        else:
            self._desk.expect(state)

    def wait(self, timeout: float) -> AuthorizationAnswer | None:
        """The answer, or None when there is none after `timeout` seconds or the receiver was closed.

        The browser is held until `complete` is called. Ctrl-C interrupts the wait within a tenth of a second.
        """
        desk = self._running_desk()
        end = self._clock() + timeout
        while not desk.answered.is_set() and not self._closed.is_set():
            remaining = end - self._clock()
            if remaining <= 0:
                break
            desk.answered.wait(min(_SLICE_SECONDS, remaining))
        return desk.answer

    def complete(self, *, succeeded: bool, detail: str = "", error: str = "") -> None:
        """Say how the sign-in ended; the browser's page is shown now. Does not wait for it.

        `detail` is an additional sentence for the page, `error` says what failed (without it, the page says
        what the authority sent). Both are shown to the person as plain text, at most 1000 characters.
        """
        self._running_desk().complete(_Outcome(succeeded, detail, error))
        if self._server is not None:
            self._server.release()

    def close(self) -> None:
        """Stop listening and close every connection, within about a second. Idempotent.

        A browser that is held or on its way to the final page gets it first; nobody else is waited for.
        """
        self._closed.set()
        if self._server is not None:
            self._server.close()
        if self._tls_thread is not None and self._tls_thread is not threading.current_thread():
            self._tls_thread.join(0.5)

    def _running_desk(self) -> _AnswerDesk:
        if self._desk is None:
            raise RuntimeError("The receiver is used outside of its with statement.")
        return self._desk

    def _tls_hello(self) -> None:
        if self._on_tls_hello is None or self._tls_thread is not None:
            return
        # The callback is the caller's and may write to a slow terminal: it must not hold up the server.
        self._tls_thread = threading.Thread(target=self._report_tls, name="login-loopback-tls", daemon=True)
        self._tls_thread.start()

    def _report_tls(self) -> None:
        try:
            if self._on_tls_hello is not None:
                self._on_tls_hello()
        except Exception:  # a hint that could not be given must not end the sign-in
            logger.debug("The hint about https on localhost failed", exc_info=True)
