"""The HTTP client that MSAL calls."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from azext_login.auth.entra.documents import MADE, AuthorityDocuments
from azext_login.auth.entra.id_tokens import Issuers, check_id_token
from azext_login.auth.refusal_trace import trace_of
from azext_login.auth.token_answers import standard_answer
from azext_login.errors import ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.http.bounded import replace_body
from azext_login.system.http.connections import connect
from azext_login.system.http.errors import (
    NETWORK_AUTHENTICATION_REQUIRED,
    advise_pause,
    connection_errors,
    foreign_redirect,
    parse_json_object,
    refuse_denial,
    refuse_if_busy,
    refuse_web_page,
)
from azext_login.system.http.json_answers import object_in
from azext_login.system.http.session import LONGEST_REQUEST, SERVER_ERROR, TIMEOUT, TRANSIENT_STATUS
from azext_login.system.http.waiting import limit_time, wait_for
from azext_login.system.text import capitalised
from azext_login.system.threads import BackgroundCall

SIGN_IN_SERVICE = "the sign-in service"

# A service that is overloaded, or did not receive the request.
_NOT_FAILED = (*TRANSIENT_STATUS, NETWORK_AUTHENTICATION_REQUIRED)

# The header with which MSAL marks all requests of one call of its API (msal/telemetry.py).
_CALL_ID = "client-request-id"

_INSTANCE_DISCOVERY = "/common/discovery/instance"
_OPENID_CONFIGURATION = "/.well-known/openid-configuration"
_DISCOVERY = (_INSTANCE_DISCOVERY, _OPENID_CONFIGURATION)
_REALM = "/common/userrealm/"


class _RefusedTokens:
    """The refresh tokens that the service refused, so that no call of MSAL asks a tenant twice with the same one.

    MSAL sends each refresh token of an account twice within a call: as a token of the application's family, and then
    as the application's own (msal/application.py, `_acquire_token_silent_by_finding_rt_belongs_to_me_or_my_family`).
    MSAL's HTTP cache would prevent that, but ours stores no refusals (`HttpCache`).

    Calls for other tenants run at the same time, and each exchanges the refresh token for a new one. So the second
    request may contain a successor of the refused token, and the tenant would refuse that as well. A refresh token from
    another sign-in of the same account is not a successor: that sign-in may have had a second factor.
    """

    def __init__(self) -> None:
        # (URL of the tenant's token endpoint, ID of the call, refresh token of the sign-in) -> refusal
        self._refusals: dict[tuple[str, str, str], requests.Response] = {}
        # Refresh token -> refresh token of the sign-in, from which it was obtained in one or more exchanges
        self._origins: dict[str, str] = {}

    def refusal_of(self, url: str, call: str, refresh_token: str) -> requests.Response | None:
        """Return the answer if the tenant has refused this token, or a token of the same sign-in, in this call."""
        return self._refusals.get((url, call, self._origin_of(refresh_token)))

    def record_answer(
        self, url: str, call: str, refresh_token: str, answer: requests.Response, body: Mapping[str, Any]
    ) -> None:
        """Record a refusal (status 400, RFC 6749 section 5.2), or the refresh token that succeeds this one."""
        origin = self._origin_of(refresh_token)
        if answer.status_code == 400:
            self._refusals[url, call, origin] = answer
        elif isinstance(successor := body.get("refresh_token"), str):
            self._origins[successor] = origin

    def _origin_of(self, refresh_token: str) -> str:
        return self._origins.get(refresh_token, refresh_token)


class AuthorityHttpClient:
    """The HTTP client that MSAL calls. It corrects two addresses, checks answers, and sends no request without need.

    MSAL builds the address of the user-realm request from the authority's host without its port, and does not quote the
    user name in it (msal/authority.py, `user_realm_discovery`). That fails for a private authority on its own port, and
    for the name of a guest, which contains `#EXT#`.
    """

    def __init__(
        self,
        session: requests.Session,
        authority: str,
        *,
        verify: bool = True,
        documents: AuthorityDocuments | None = None,
    ):
        """:param documents: what the command knows of discovery documents; None to request each of them."""
        self._session = session
        self._documents = documents
        self._only_existing = False
        self._verify = verify
        parts = urlsplit(authority)
        self._realms_without_port = f"https://{parts.hostname}{_REALM}"
        self._realms = f"https://{parts.netloc}{_REALM}"
        self._refused = _RefusedTokens()
        self._issuers = Issuers()
        # Address -> answer that was requested ahead of MSAL
        self._ahead: dict[str, BackgroundCall[requests.Response]] = {}

    def proving_existence(self) -> AuthorityHttpClient:
        """Return this client for a tenant that the user named: its document proves that there is such a tenant."""
        client = copy.copy(self)
        client._only_existing = True
        return client

    def learn(self, http_cache: Mapping[str, Any]) -> None:
        """Learn from the documents in MSAL's cache of HTTP answers, which MSAL does not request."""
        for key, answer in list(http_cache.items()):
            # A key reads "GET <address> hash=<...> 2xx" (msal/throttled_http_client.py).
            method, _, rest = str(key).partition(" ")
            address = rest.partition(" ")[0]
            if method != "GET" or not _is_document(address):
                continue
            text = getattr(answer, "text", "")
            self._issuers.learn(text)
            documents = self._documents
            if documents is not None and not documents.was_read and documents.tenant_of(address):
                documents.learn(object_in(text))

    def ask_for_realm(self, username: str) -> None:
        """Send the request about a user's password that MSAL is going to send, while MSAL requests other answers."""
        url = f"{self._realms}{quote(username, safe='@')}?api-version=1.0"
        self._ahead[url] = BackgroundCall(partial(self._send, "GET", url, {"headers": {"Accept": "application/json"}}))

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a POST; MSAL's protocol for HTTP clients."""
        data, headers = kwargs.get("data"), kwargs.get("headers") or {}
        if not isinstance(data, dict):
            # To a federation server, which answers a wrong password with status 500 (WS-Trust 1.3, SOAP faults).
            return self._send("POST", url, kwargs)
        is_refresh = _CALL_ID in headers and data.get("grant_type") == "refresh_token"
        call, refresh_token = str(headers.get(_CALL_ID)), str(data.get("refresh_token"))
        if is_refresh and (refusal := self._refused.refusal_of(url, call, refresh_token)) is not None:
            return refusal
        answer = self._send("POST", url, kwargs)
        body = _check_token_answer(answer)
        if "id_token" in body:
            check_id_token(body["id_token"], answer, client_id=data.get("client_id"), issuer=self._issuers.find(url))
        if is_refresh:
            self._refused.record_answer(url, call, refresh_token, answer, body)
        return answer

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET; MSAL's protocol for HTTP clients."""
        if url.startswith(self._realms_without_port):
            name, separator, query = url.removeprefix(self._realms_without_port).rpartition("?")
            url = self._realms + quote(name, safe="@") + separator + query
        tenant = self._documents.tenant_of(url) if self._documents else None
        if tenant is not None and self._documents is not None:
            answer = self._document_of(self._documents, tenant, url, kwargs)
        else:
            answer = self._checked(url, self._answer_ahead(url) or self._send("GET", url, kwargs))
        if _is_document(url) and answer.status_code == 200:
            self._issuers.learn(answer.content)
        return answer

    def _answer_ahead(self, url: str) -> requests.Response | None:
        """Return the answer to a request that was sent ahead, once."""
        call = self._ahead.pop(url, None)
        return None if call is None else wait_for(call, LONGEST_REQUEST, service=SIGN_IN_SERVICE)

    def _document_of(
        self, documents: AuthorityDocuments, tenant: str, url: str, kwargs: dict[str, Any]
    ) -> requests.Response:
        """Return a tenant's discovery document, from what is known where that is enough."""
        is_first = False
        try:
            is_first = documents.begin_request()
            known = documents.find(tenant, only_existing=self._only_existing)
            if known is not None and (documents.was_reached or connect(self._session, url)):
                documents.was_reached = True
                return _made_answer(url, known)
            answer = self._checked(url, self._send("GET", url, kwargs))
            if answer.status_code == 200:
                documents.learn(parse_json_object(answer, SIGN_IN_SERVICE))
            return answer
        finally:
            if is_first:
                documents.end_request()

    def _checked(self, url: str, answer: requests.Response) -> requests.Response:
        # MSAL would report a 429 as a tenant that does not exist.
        refuse_if_busy(answer, SIGN_IN_SERVICE, trace_of(answer))
        path = urlsplit(url).path
        if path.endswith(_DISCOVERY) or _REALM in path:
            # MSAL would report a page as JSON that is not valid, or as a tenant that does not exist.
            refuse_web_page(answer, SIGN_IN_SERVICE)
            refuse_denial(answer, SIGN_IN_SERVICE)
        if path.endswith(_INSTANCE_DISCOVERY) and answer.status_code == 200:
            _complete_instance_discovery(answer)
        return answer

    def close(self) -> None:
        """Do nothing: the session belongs to the caller."""

    def _send(self, method: str, url: str, kwargs: dict[str, Any]) -> requests.Response:
        kwargs.setdefault("timeout", TIMEOUT)
        if not self._verify:
            kwargs["verify"] = False
        # A POST contains a credential for this address only: a redirect (307, 308) would send it to another one.
        send = partial(self._session.request, method, url, allow_redirects=method == "GET", **kwargs)
        parts = urlsplit(url)
        with connection_errors(SIGN_IN_SERVICE, f"{parts.scheme}://{parts.netloc}"):
            if threading.current_thread() is threading.main_thread():
                answer = limit_time(LONGEST_REQUEST, send, service=f"{SIGN_IN_SERVICE} at {parts.netloc}")
            else:
                # The main thread limits the time for which it waits for other threads.
                answer = send()
        if method != "GET" and answer.is_redirect:
            if portal := foreign_redirect(answer, SIGN_IN_SERVICE):
                raise portal
            raise UnexpectedAnswerError(
                f"{capitalised(SIGN_IN_SERVICE)} at {parts.netloc} redirects the request to another address "
                f"(HTTP status {answer.status_code}). Nothing was sent there, because the request contains a secret.",
                "A proxy or a captive portal may have answered in its place. Check the network, and the address with "
                "`az cloud show`; then run the command again.",
            )
        return answer


def _is_document(url: str) -> bool:
    """Tell whether this is the address of a discovery document. MSAL keeps the query of an authority in it."""
    return urlsplit(url).path.endswith(_OPENID_CONFIGURATION)


def _made_answer(url: str, document: Mapping[str, Any]) -> requests.Response:
    """Return a discovery document as if the sign-in service had answered with it."""
    answer = requests.Response()
    answer.status_code, answer.reason, answer.url = 200, "OK", url
    answer.headers["Content-Type"] = "application/json"
    answer.headers[MADE] = "yes"
    replace_body(answer, document)
    return answer


def _check_token_answer(answer: requests.Response) -> Mapping[str, Any]:
    """Return the body of an answer of an OAuth endpoint. MSAL would use any answer without a check.

    :raises ServiceUnreachableError: the service failed; `build_session` has not repeated the request.
    :raises ServiceBusyError: the service is overloaded or broken.
    :raises UnexpectedAnswerError: it contains neither a token or device code nor an error (RFC 6749 section 5.2).
    """
    if answer.status_code >= SERVER_ERROR and answer.status_code not in _NOT_FAILED:
        raise ServiceUnreachableError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} failed (HTTP status "
            f"{answer.status_code}).\n{trace_of(answer)}".rstrip(),
            advise_pause(answer),
        )
    refuse_if_busy(answer, SIGN_IN_SERVICE, trace_of(answer))
    body = parse_json_object(answer, SIGN_IN_SERVICE)
    if not any(isinstance(body.get(name), str) and body[name] for name in ("access_token", "device_code", "error")):
        raise UnexpectedAnswerError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} answered without a token or a reason "
            f"(HTTP status {answer.status_code}).",
            "A proxy or a gateway may have answered in its place. Check the network, and the address with "
            "`az cloud show`; then run the command again in a minute.",
        )
    try:
        body = standard_answer(body)
    except ValueError as error:
        raise UnexpectedAnswerError(
            f"{capitalised(SIGN_IN_SERVICE)} at {urlsplit(answer.url).netloc} sent an answer that cannot be used: "
            f"{error}.",
            "Run the command again. If that does not help, check the address with `az cloud show`.",
        ) from error
    replace_body(answer, body)
    return body


def _complete_instance_discovery(answer: requests.Response) -> None:
    """Add the list of known authorities, which MSAL requires, to an answer without it, and drop what is not a list.

    https://learn.microsoft.com/entra/msal/dotnet/advanced/instance-discovery-details
    """
    body = dict(parse_json_object(answer, SIGN_IN_SERVICE))
    entries = body.get("metadata")
    body["metadata"] = [
        {**entry, "aliases": [alias for alias in entry["aliases"] if isinstance(alias, str)]}
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("aliases"), list)
    ]
    replace_body(answer, body)
