"""Sign-in with a web browser: authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252).

Entra can return its answer in two ways, and each has a disadvantage:

* `form_post`: the browser posts a form to this process. The code never appears in the address bar, the history or a
  log, so a normal sign-in uses this. But if the browser cannot reach this process, its address bar contains nothing of
  use.
* `query`: the code is part of the address, so the user can paste the address into the terminal. The code works once,
  within minutes, and only with the verifier that this process alone has; but it stays in the history.

So `form_post` comes first. `query` follows with `--no-browser`, and as soon as the browser is known to be unable to
reach this process: it opens a TLS connection to the plain http port, because a site once told it to use https for
`localhost` (HSTS, RFC 6797).
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.interactive.pasted_address import PastedAddressError, parse_pasted_address
from azext_login.auth.interactive.redirect_receiver import AuthorizationAnswer, RedirectReceiver
from azext_login.errors import SignInError
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.http_server.listeners import PortInUseError
from azext_login.system.login_command import another_way
from azext_login.system.terminal.paste_reader import PasteReader

# How long the user may take, in seconds. Entra's own sign-in page expires earlier.
TIME_LIMIT = 15 * 60.0

# How often the flow checks the terminal for pasted text, in seconds.
_TICK = 0.1

_DEVICE_CODE = "--use-device-code"

_FORM_POST = "form_post"
_QUERY = "query"


class Terminal(Protocol):
    """The user's terminal. All text goes to standard error."""

    def show(self, text: str) -> None:
        """Show what the user needs in order to continue."""

    def show_notice(self, text: str) -> None:
        """Show what is good to know; left out with --only-show-errors."""

    def open_paste_reader(self) -> PasteReader | None:
        """Start to read pasted lines, or return None if the user cannot paste."""


@dataclass(frozen=True)
class BrowserSignIn:
    """What the user asked for, and what the flow uses."""

    scopes: Sequence[str]
    claims_challenge: str | None
    terminal: Terminal
    open_browser: Callable[[str], bool]
    attempt: Attempt
    launch_browser: bool = True
    port: int = 0
    """Port of the redirect URI; 0 for any free port. AD FS accepts only the registered port, 8400 for the Azure CLI."""
    time_limit: float = TIME_LIMIT
    clock: Callable[[], float] = time.monotonic


def sign_in_with_browser(application: Any, request: BrowserSignIn) -> dict[str, Any]:
    """Let the user sign in with a browser, and return MSAL's result.

    :raises SignInError: the port is in use, the user declined, Entra refused, or no answer arrived in time.
    """
    with closing(_listen(request.port, request.attempt.command or AZ_LOGIN)) as receiver:
        flows = _PendingFlows(application, request, receiver)
        with closing(_UserDialog(request, flows, receiver.redirect_uri)) as dialog:
            dialog.start()
            answer = _wait_for_answer(request, receiver, dialog)
        return _redeem_code(request, receiver, flows, answer)


def _listen(port: int, again: Command) -> RedirectReceiver:
    """Listen for the browser's answer, or explain why that is not possible.

    :param again: the `az login` that runs.
    """
    use_device_code = f"sign in with a code that you enter in any browser:\n{another_way(again, _DEVICE_CODE)}"
    try:
        return RedirectReceiver(port=port)
    except PortInUseError as error:
        raise SignInError(
            f"Port {port} of localhost is in use: another program listens on it, so the browser's answer cannot arrive "
            "there. Nothing was changed.",
            next_step="Stop the other program, or choose another port:\n"
            f"{again.with_option('--redirect-port', 'PORT')}\nOr {use_device_code}",
        ) from error
    except OSError as error:
        where = f"on port {port} of localhost" if port else "on localhost"
        raise SignInError(
            f"The browser's answer cannot be received {where}: {error.strerror or error}. Nothing was changed.",
            next_step=f"{'Choose another port, or' if port else 'To go without it,'} {use_device_code}",
        ) from error


class _PendingFlows:
    """The sign-ins that were started, by their `state`."""

    def __init__(self, application: Any, request: BrowserSignIn, receiver: RedirectReceiver):
        self._application = application
        self._request = request
        self._receiver = receiver
        self._by_state: dict[str, dict[str, Any]] = {}

    def start(self, response_mode: str) -> str:
        """Start a sign-in and return the address to visit."""
        with warnings.catch_warnings():
            # MSAL recommends form_post on standard error. The module docstring explains when that is not possible.
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

    def has_started(self, state: str | None) -> bool:
        """Tell whether an answer with this state belongs to one of the sign-ins."""
        return state in self._by_state

    def redeem(self, answer: AuthorizationAnswer) -> dict[str, Any]:
        """Exchange the code for tokens, and return MSAL's result.

        :param answer: to one of the sign-ins.
        """
        flow = self._by_state[answer.parameters["state"]]
        result: dict[str, Any] = self._application.acquire_token_by_auth_code_flow(flow, dict(answer.parameters))
        return result


class _UserDialog:
    """What the terminal shows to the user during the wait, and what the user pastes."""

    def __init__(self, request: BrowserSignIn, flows: _PendingFlows, redirect_uri: str):
        self._request = request
        self._flows = flows
        self._redirect_uri = redirect_uri
        self._reader: PasteReader | None = None
        self._has_explained_hsts = False

    def start(self) -> None:
        """Open the browser, or show the address to open."""
        if not self._request.launch_browser:
            self._offer_address("To sign in, open this address in a web browser:", self._flows.start(_QUERY))
            return
        address = self._flows.start(_FORM_POST)
        again = self._request.attempt.command or AZ_LOGIN
        self._request.terminal.show_notice(
            f"A web browser has been opened at {address.partition('?')[0]}. Please continue the login in the web "
            "browser. If no web browser is available or if the web browser fails to open, press Ctrl-C and use "
            f"device code flow with `{another_way(again, _DEVICE_CODE)}`, or `{again.with_option('--no-browser')}`."
        )
        # A browser command may run until the user closes the window, so the flow does not wait for it.
        threading.Thread(target=self._launch, args=(address,), daemon=True).start()

    def _launch(self, address: str) -> None:
        if not self._request.open_browser(address):
            self._request.terminal.show(f"The web browser could not be opened. Open this address yourself:\n{address}")

    def explain_hsts(self) -> None:
        """Explain, once, why the browser reports that the connection is not secure, and how to fix that."""
        if self._has_explained_hsts:
            return
        self._has_explained_hsts = True
        self._request.terminal.show(
            "The browser could not deliver its answer. It uses https for 'localhost', because a site once told it to "
            "(HSTS), and this command only accepts http there.\n"
            "To fix that, open edge://net-internals/#hsts in Edge or chrome://net-internals/#hsts in Chrome. Enter "
            "'localhost' under 'Delete domain security policies' and press Delete."
        )
        if self._request.launch_browser:
            self._offer_address(
                "Then, or without that fix, open this address and sign in again:", self._flows.start(_QUERY)
            )
        elif self._reader is not None:
            self._request.terminal.show("You can also paste the address that the browser shows now.")

    def _offer_address(self, introduction: str, address: str) -> None:
        terminal = self._request.terminal
        terminal.show(f"{introduction}\n\n{address}\n")
        self._reader = terminal.open_paste_reader()
        if self._reader is not None:
            terminal.show(
                "If the browser then shows an error page, copy the whole address from its address bar, "
                "paste it here and press Enter. The terminal shows stars in its place."
            )

    def take_pasted_answer(self) -> AuthorizationAnswer | None:
        """Return the answer in the line that was pasted since the last call, or None."""
        if self._reader is None:
            return None
        line = self._reader.poll()
        if self._reader.has_ended:
            self._reader.close()
            self._reader = None
            self._request.terminal.show(
                "The terminal accepts no more pasted addresses. The browser can still complete the sign-in. To cancel, "
                "press Ctrl-C."
            )
        if not line:
            return None
        try:
            parameters = parse_pasted_address(line, redirect_uri=self._redirect_uri)
        except PastedAddressError as error:
            self._request.terminal.show(f"{error} The sign-in is still open: paste the address again.")
            return None
        if not self._flows.has_started(parameters.get("state")):
            self._request.terminal.show(
                "That address belongs to another sign-in. Open the address above, sign in, and paste the address "
                "that the browser shows at the end."
            )
            return None
        return AuthorizationAnswer(parameters)

    def close(self) -> None:
        """Restore the terminal."""
        if self._reader is not None:
            self._reader.close()


def _wait_for_answer(request: BrowserSignIn, receiver: RedirectReceiver, dialog: _UserDialog) -> AuthorizationAnswer:
    deadline = request.clock() + request.time_limit
    while request.clock() < deadline:
        answer = receiver.wait(_TICK) or dialog.take_pasted_answer()
        if answer is not None:
            return answer
        if receiver.was_reached_with_tls:
            dialog.explain_hsts()
    raise SignInError(
        f"The sign-in was not completed within {request.time_limit / 60:.0f} minutes. Nothing was changed.",
        next_step="Run the command again. If no browser can reach this computer, use:\n"
        f"{another_way(request.attempt.command or AZ_LOGIN, _DEVICE_CODE)}",
    )


def _redeem_code(
    request: BrowserSignIn, receiver: RedirectReceiver, flows: _PendingFlows, answer: AuthorizationAnswer
) -> dict[str, Any]:
    """Exchange the code for tokens, and show the outcome in the browser."""
    failure: str | None = "The sign-in was interrupted."
    try:
        result = flows.redeem(answer)
        if "error" in result:
            raise explain(result, request.attempt)
        failure = None
        return result
    except SignInError as error:
        failure = error.error_msg
        raise
    finally:
        receiver.complete(failure)
