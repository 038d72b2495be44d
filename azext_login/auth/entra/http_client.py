"""The HTTP client that MSAL calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from azext_login.errors import ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.http.errors import capitalised, connection_errors, parse_json_object, refuse_if_busy
from azext_login.system.http.session import LONGEST_REQUEST, SERVER_ERROR, TIMEOUT, TRANSIENT_STATUS
from azext_login.system.http.waiting import limit_time

SIGN_IN_SERVICE = "the sign-in service"

# MSAL's name for one call of its API, in each request that it makes for it (msal/telemetry.py).
_CALL = "client-request-id"


class AuthorityHttpClient:
    """The HTTP client that MSAL calls, with two repairs of the addresses it builds, and no question asked twice.

    MSAL builds the address of the user-realm lookup from the authority's host without its port, and puts the user
    name into it unquoted (msal/authority.py, `user_realm_discovery`). A private authority on a port of its own,
    and a guest's name with `#EXT#` in it, need both.

    A refresh token that was refused is shown again within the same call, first as one of the application's family and
    then as its own (msal/application.py, `_acquire_token_silent_by_finding_rt_belongs_to_me_or_my_family`). The answer
    is known then. MSAL's HTTP cache does not help: it keeps no refusals of ours. Another refresh token of the same
    person is another question: it may have a second factor. One that another tenant has given in exchange for the
    refused one in the meantime is not.
    """

    def __init__(self, session: requests.Session, authority: str, *, verify: bool = True):
        self._session = session
        self._verify = verify
        parts = urlsplit(authority)
        self._bare = f"https://{parts.hostname}/common/userrealm/"
        self._repaired = f"https://{parts.netloc}/common/userrealm/"
        # Address, call and the refresh token that came from a sign-in -> the refusal.
        self._refusals: dict[tuple[str, str, str], requests.Response] = {}
        # Refresh token -> the one from a sign-in that it came in exchange for, by way of others or not.
        self._origins: dict[str, str] = {}

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a POST; MSAL's protocol for HTTP clients."""
        data, call = kwargs.get("data"), (kwargs.get("headers") or {}).get(_CALL)
        if not isinstance(data, dict):
            # Of a federation server, which answers a wrong password with HTTP status 500 (WS-Trust 1.3, SOAP faults).
            return self._send("POST", url, kwargs)
        if call is None or data.get("grant_type") != "refresh_token":
            answer = self._send("POST", url, kwargs)
            _check_token_answer(answer)
            return answer
        shown = str(data.get("refresh_token"))
        origin = self._origins.get(shown, shown)
        refusal = self._refusals.get((url, call, origin))
        if refusal is not None:
            return refusal
        answer = self._send("POST", url, kwargs)
        body = _check_token_answer(answer)
        if answer.status_code == 400:
            self._refusals[url, call, origin] = answer
        elif isinstance(given := body.get("refresh_token"), str):
            self._origins[given] = origin
        return answer

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET; MSAL's protocol for HTTP clients."""
        if url.startswith(self._bare):
            name, separator, query = url[len(self._bare) :].rpartition("?")
            url = self._repaired + quote(name, safe="@") + separator + query
        answer = self._send("GET", url, kwargs)
        # MSAL takes a 429 for a tenant that does not exist.
        refuse_if_busy(answer, SIGN_IN_SERVICE)
        return answer

    def close(self) -> None:
        """Nothing: the session belongs to the caller."""

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT)
        if not self._verify:
            kwargs["verify"] = False
        # What is posted proves who asks, and is for this address alone: 307 and 308 would have it sent again.
        send = partial(self._session.request, method, url, allow_redirects=method == "GET", **kwargs)
        parts = urlsplit(url)
        with connection_errors(SIGN_IN_SERVICE, f"{parts.scheme}://{parts.netloc}"):
            if threading.current_thread() is threading.main_thread():
                answer = limit_time(LONGEST_REQUEST, send, service=f"{SIGN_IN_SERVICE} at {parts.netloc}")
            else:
                # Whoever asks in another thread does not wait for it any longer than for that.
                answer = send()
        if method != "GET" and answer.is_redirect:
            raise UnexpectedAnswerError(
                f"{capitalised(SIGN_IN_SERVICE)} at {parts.netloc} names another address to send the request "
                f"to (HTTP status {answer.status_code}). Nothing was sent there: a secret is in it.",
                "A proxy or a captive portal may have answered in its place. Check the network, and the address with "
                "`az cloud show`; then run the command again.",
            )
        return answer


def _check_token_answer(answer: requests.Response) -> Mapping[str, Any]:
    """Return the answer of an OAuth endpoint, which MSAL goes on with whatever it is.

    :raises ServiceUnreachableError: the service stumbled; nobody has asked again so far (`build_session`).
    :raises ServiceBusyError: the service is overloaded or broken.
    :raises UnexpectedAnswerError: it is neither what was asked for nor an error by RFC 6749 section 5.2.
    """
    if answer.status_code >= SERVER_ERROR and answer.status_code not in TRANSIENT_STATUS:
        raise ServiceUnreachableError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} failed (HTTP status "
            f"{answer.status_code}).",
            "Run the command again in a minute.",
        )
    refuse_if_busy(answer, SIGN_IN_SERVICE)
    body = parse_json_object(answer, SIGN_IN_SERVICE)
    if not any(isinstance(body.get(name), str) and body[name] for name in ("access_token", "device_code", "error")):
        raise UnexpectedAnswerError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} answered without a token or a reason "
            f"(HTTP status {answer.status_code}).",
            "A proxy or a gateway may have answered in its place. Check the network, and the address with "
            "`az cloud show`; then run the command again in a minute.",
        )
    return body
