"""Sign-in in a web browser: authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252).

Entra can send its answer back in two ways, and each has a cost:

* `form_post`: the browser posts a form to us. The code never stands in the address bar, the history or a log, so this
  is what a normal sign-in uses. But if the browser cannot reach us, its address bar holds nothing to work with.
* `query`: the code stands in the address, so the address can be pasted into the terminal. The code is used once,
  within minutes, and is worthless without the verifier that only this process has; but it does stay in the history.

So: `form_post` first. `query` with `--no-browser`, and from the moment we know that the browser cannot reach us, which
is when it opens a TLS connection to our plain port because it was once told to use https for `localhost` (RFC 6797).
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.interactive.pasted_address import PastedAddressError, parse_pasted_address
from azext_login.auth.interactive.redirect_receiver import AuthorizationAnswer, LoopbackReceiver, PortInUseError
from azext_login.errors import SignInError
from azext_login.system.terminal.paste_reader import PasteReader

# How long a person may take, in seconds. Entra's own sign-in page gives up earlier.
TIME_LIMIT = 15 * 60.0

# How often the flow looks at its sources of an answer, in seconds.
_TICK = 0.1

_FORM_POST = "form_post"
_QUERY = "query"


class Terminal(Protocol):
    """Where the person is. Everything said goes to standard error."""

    def say(self, text: str) -> None:
        """Show what the person needs in order to go on."""

    def note(self, text: str) -> None:
        """Show what is good to know; left out with --only-show-errors."""

    def open_paste_reader(self) -> PasteReader | None:
        """Return a reader for a pasted address, or None if nobody can paste."""


@dataclass(frozen=True)
class BrowserSignIn:
    """What the person asked for and what the flow works with."""

    scopes: Sequence[str]
    claims_challenge: str | None
    terminal: Terminal
    open_browser: Callable[[str], bool]
    attempt: Attempt
    launch_browser: bool = True
    port: int = 0
    """Port of the redirect address; 0 for any free one. AD FS knows only the registered one, 8400."""
    time_limit: float = TIME_LIMIT
    clock: Callable[[], float] = time.monotonic


def sign_in_with_browser(application: Any, request: BrowserSignIn) -> dict[str, Any]:
    """Let the person sign in in a browser and return MSAL's result.

    :raises SignInError: the person declined, Entra refused, or nobody answered in time.
    """
    browser_cannot_reach_us = threading.Event()
    with _receiver(request, browser_cannot_reach_us) as receiver:
        flows = _PendingFlows(application, request, receiver)
        conversation = _Conversation(request, flows, receiver.redirect_uri)
        try:
            conversation.start()
            answer = _wait_for_answer(request, receiver, conversation, browser_cannot_reach_us)
        finally:
            conversation.close()
        return _redeem(application, request, receiver, flows, answer)


@contextmanager
def _receiver(request: BrowserSignIn, browser_cannot_reach_us: threading.Event) -> Iterator[LoopbackReceiver]:
    """Listen for the browser, or say why that is not possible."""
    try:
        receiver = LoopbackReceiver(port=request.port, on_tls_hello=browser_cannot_reach_us.set).__enter__()
    except OSError as error:
        taken = f"Port {error.port} is used by another program" if isinstance(error, PortInUseError) else str(error)
        raise SignInError(
            f"The browser's answer cannot be received on this machine: {taken}. Nothing was changed.",
            next_step="End the other program, or sign in with a code that is entered in a browser anywhere:\n"
            "az login --use-device-code",
        ) from error
    with closing(receiver):
        yield receiver


class _PendingFlows:
    """The sign-ins that have been started, each known by its `state`."""

    def __init__(self, application: Any, request: BrowserSignIn, receiver: LoopbackReceiver):
        self._application = application
        self._request = request
        self._receiver = receiver
        self._by_state: dict[str, dict[str, Any]] = {}

    def start(self, response_mode: str) -> str:
        """Start a sign-in and return the address to visit."""
        with warnings.catch_warnings():
            # MSAL recommends form_post on standard error; why it is not always possible is said above.
            warnings.simplefilter("ignore", UserWarning)
            flow = self._application.initiate_auth_code_flow(
                list(self._request.scopes),
                redirect_uri=self._receiver.redirect_uri,
                prompt="select_account",
                response_mode=response_mode,
                claims_challenge=self._request.claims_challenge,
            )
        self._by_state[flow["state"]] = flow
        self._receiver.expect(flow["state"])
        return str(flow["auth_uri"])

    def of(self, parameters: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the sign-in that an answer belongs to."""
        return self._by_state.get(parameters.get("state", ""))


class _Conversation:
    """What is said to the person while we wait, and what they paste."""

    def __init__(self, request: BrowserSignIn, flows: _PendingFlows, redirect_uri: str):
        self._request = request
        self._flows = flows
        self._redirect_uri = redirect_uri
        self._reader: PasteReader | None = None
        self._advised = False

    def start(self) -> None:
        if not self._request.launch_browser:
            self._offer_address("To sign in, open this address in a web browser:", self._flows.start(_QUERY))
            return
        address = self._flows.start(_FORM_POST)
        self._request.terminal.note(
            f"A web browser has been opened at {address.partition('?')[0]}. Please continue the login in the web "
            "browser. If no web browser is available or if the web browser fails to open, press Ctrl-C and use "
            "device code flow with `az login --use-device-code`, or `az login --no-browser`."
        )
        # A browser command may run until its window is closed, so nobody waits for it here.
        threading.Thread(target=self._launch, args=(address,), daemon=True).start()

    def _launch(self, address: str) -> None:
        if not self._request.open_browser(address):
            self._request.terminal.say(f"The web browser could not be opened. Open this address yourself:\n{address}")

    def advise_on_https(self) -> None:
        """Tell, once, why the browser's page says that the connection is not secure, and what to do."""
        if self._advised:
            return
        self._advised = True
        self._request.terminal.say(
            "The browser tried to come back with https, because a site once told it to use https for 'localhost' "
            "(HSTS). It cannot reach this command that way.\n"
            "Fix for Edge: open edge://net-internals/#hsts, for Chrome: chrome://net-internals/#hsts. Enter "
            "'localhost' under 'Delete domain security policies' and press Delete."
        )
        if self._request.launch_browser:
            self._offer_address(
                "Then, or without that fix, open this address and sign in again:", self._flows.start(_QUERY)
            )
        elif self._reader is not None:
            self._request.terminal.say("Or paste the address that the browser shows now.")

    def _offer_address(self, introduction: str, address: str) -> None:
        say = self._request.terminal.say
        say(f"{introduction}\n\n{address}\n")
        if self._reader is None:
            self._reader = self._request.terminal.open_paste_reader()
            if self._reader is not None:
                say(
                    "If the browser then shows an error page, copy the whole address from its address bar, "
                    "paste it here and press Enter. It is used here and not shown."
                )
                self._reader.start()

    def pasted(self) -> AuthorizationAnswer | None:
        """Return the answer in what was pasted since the last call, if there is one."""
        reader = self._reader
        line = reader.poll() if reader is not None else None
        if not line:
            if reader is not None and reader.ended:
                self._reader = None
                reader.close()
                self._request.terminal.say(
                    "Nothing can be pasted any more. The browser can still come back here; Ctrl-C ends the sign-in."
                )
            return None
        try:
            parameters = parse_pasted_address(line, redirect_uri=self._redirect_uri)
        except PastedAddressError as error:
            self._request.terminal.say(f"{error} Nothing was lost: paste the address again.")
            return None
        if self._flows.of(parameters) is None:
            self._request.terminal.say(
                "That address belongs to another sign-in. Open the address above, sign in, and paste the address "
                "that the browser ends up on."
            )
            return None
        return AuthorizationAnswer(parameters)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()


def _wait_for_answer(
    request: BrowserSignIn,
    receiver: LoopbackReceiver,
    conversation: _Conversation,
    browser_cannot_reach_us: threading.Event,
) -> AuthorizationAnswer:
    deadline = request.clock() + request.time_limit
    while request.clock() < deadline:
        answer = receiver.wait(_TICK) or conversation.pasted()
        if answer is not None:
            return answer
        if browser_cannot_reach_us.is_set():
            conversation.advise_on_https()
    raise SignInError(
        f"Nobody signed in within {request.time_limit / 60:.0f} minutes. Nothing was changed.",
        next_step="Run the command again. Where no browser can come back to this machine, use:\n"
        "az login --use-device-code",
    )


def _redeem(
    application: Any,
    request: BrowserSignIn,
    receiver: LoopbackReceiver,
    flows: _PendingFlows,
    answer: AuthorizationAnswer,
) -> dict[str, Any]:
    """Trade the code for tokens and let the browser's page say how that went."""
    failure = "the sign-in was interrupted"
    succeeded = False
    try:
        flow = flows.of(answer.parameters)
        if flow is None:
            # The receiver and the paste check both know the states, so this would be a defect of theirs.
            raise SignInError("The browser answered another sign-in.", next_step="Run the command again.")
        result: dict[str, Any] = application.acquire_token_by_auth_code_flow(flow, dict(answer.parameters))
        if "error" in result:
            raise explain(result, request.attempt)
        succeeded = True
        return result
    except SignInError as error:
        failure = error.error_msg
        raise
    finally:
        receiver.complete(succeeded=succeeded, error="" if succeeded else failure)
