"""One access token: from the cache without MSAL, or from one request whose answer all waiting processes share."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from azext_login.auth.credential import FRESH_FOR, AccessToken, TokenOrigin
from azext_login.auth.entra.azure_cli import AGENT_SESSION_VARIABLE, AZURE_CLI_CLIENT_ID
from azext_login.auth.storage.cached_token import (
    TokenQuery,
    find_stale_token,
    find_token,
    is_candidate,
    is_due,
    seconds,
)
from azext_login.errors import (
    AccountError,
    ServiceSlowError,
    ServiceUnreachableError,
    SignInError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.host_errors import AzCLIError
from azext_login.profile.model import SubscriptionRow, account_of, tenant_key
from azext_login.system.log import get_logger
from azext_login.system.patience import longest_wait

if TYPE_CHECKING:
    from azext_login.auth.storage.single_flight import SingleFlight
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# Seconds to wait for a new token where a stale one will do: once for the request of another process, and once for our
# own. Callers stop waiting after ten seconds (azure-identity's AzureCliCredential), and `az` itself needs some of them.
_SHORT_WAIT = 3.0


class TokenRequest(NamedTuple):
    """What the token has to be. The defaults give the token that built-in commands get."""

    scopes: Sequence[str]
    tenant: str | None = None
    """GUID or domain; None for the tenant of the row."""
    validity: float = 0.0
    """Seconds for which the token must still be valid; 0 for MSAL's own limit, `FRESH_FOR`."""
    force: bool = False
    """Request a new token even if one is cached, for example after a change of roles."""
    claims_challenge: str | None = None
    """JSON; a cached token is not used then."""
    advised_scopes: Sequence[str] | None = None
    """Scopes to repeat in the command that the user is advised to sign in again with."""
    client_id: str | None = None
    """Application ID (GUID, in lower case) of another public client than the Azure CLI, which the user signed in to."""
    data: Mapping[str, str] | None = None
    """More fields of the request to the sign-in service, such as those of an SSH certificate. MSAL looks up the answer
    in its cache; we do not."""

    @property
    def least_validity(self) -> float:
        """Seconds for which a stale token must still be valid."""
        return max(self.validity, 1.0)


class TokenOutcome(NamedTuple):
    """The token, and why it is a stale one."""

    token: AccessToken
    renewal_failure: AzCLIError | None = None
    """Why no new token could be obtained, if `token` is stale."""

    @property
    def is_new(self) -> bool:
        """Whether the token was issued for this request, and was not stored before."""
        return self.token.origin is not TokenOrigin.CACHE


def get_token(
    session: Session,
    row: SubscriptionRow,
    request: TokenRequest,
    *,
    before_waiting: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
) -> TokenOutcome:
    """Return a token of the account that a row belongs to.

    If several processes need the same token at the same time, one requests it and the others share the outcome. If the
    service cannot be reached, or something else answers in its place, a stale token is used that is still valid for
    as long as requested. With such a token, we wait for a new one for a few seconds only.

    :param before_waiting: called if the cache does not have the token, before a lock or a service is waited for.
    :raises NotSignedInError: the tokens of the account are no longer stored.
    :raises SignInError: the sign-in service refused, or its tokens are not valid for as long as requested.
    :raises ServiceUnreachableError: the service did not answer, and no cached token will do.
    :raises UnexpectedAnswerError: something else answered in its place, and no cached token will do.
    :raises AccountError: the request has `data`, and the account's tokens come from the computer. Or it has a
        `client_id`, and the account is not that of a user.
    """
    outcome = _obtain(session, row, request, before_waiting, clock, environ)
    if outcome.is_new:
        from azext_login.usecases.events import token_refreshed

        session.notify(
            token_refreshed(
                row,
                session.settings.cloud,
                outcome.token,
                scopes=request.scopes,
                tenant=request.tenant,
                client_id=request.client_id,
            )
        )
    return outcome


def _obtain(
    session: Session,
    row: SubscriptionRow,
    request: TokenRequest,
    before_waiting: Callable[[], object],
    clock: Callable[[], float],
    environ: Mapping[str, str],
) -> TokenOutcome:
    began = clock()
    _check_application(row, request)
    query = query_of(session, row, request)
    if query is None or request.claims_challenge is not None or request.data:
        _check_data(row, request)
        before_waiting()
        token = _request_token(session, row, request)
        _check_lifetime(token.expires_on - clock(), request)
        return TokenOutcome(token)
    if query.username is None:
        # An application without a stored credential has signed out. A damaged file is found here too.
        session.clients.service_principals.require(query.client_id, query.tenant)
    pending = _PendingRequest(session, row, request, query, began, clock, environ)
    cached = pending.look_up(began)
    if cached.fresh is not None and not request.force:
        return TokenOutcome(cached.fresh)
    before_waiting()
    from azext_login.auth.storage.single_flight import PATIENCE, SingleFlight

    # Where only MSAL can read the cache, it may have a fresh token, so we do not wait long either.
    is_known = pending.is_decided_by_cache()
    is_urgent = not is_known or cached.has_stale_after(2 * _SHORT_WAIT, began, request)
    # After the wait we send our own request.
    patience = longest_wait(_SHORT_WAIT if is_urgent else PATIENCE, before_request=True)
    with SingleFlight(session.config_dir, _key_of(query, request), patience=patience) as turn:
        return pending.take_turn(turn)


class _CachedTokens(NamedTuple):
    """What the cache has for a request: a fresh token, a stale one, or neither."""

    fresh: AccessToken | None = None
    """A token that MSAL would return as well: valid for `FRESH_FOR` seconds or longer, and not due for renewal."""
    stale: AccessToken | None = None
    """A token that is valid for as long as requested, to use where no new one can be obtained."""

    def has_stale_after(self, wait: float, now: float, request: TokenRequest) -> bool:
        """Tell whether the stale token will still do after a wait of so many seconds."""
        return self.stale is not None and self.stale.expires_on - now - wait >= request.least_validity


class _PendingRequest(NamedTuple):
    """A request for a token that may be in the cache."""

    session: Session
    row: SubscriptionRow
    request: TokenRequest
    query: TokenQuery
    began: float
    clock: Callable[[], float]
    environ: Mapping[str, str]

    def look_up(self, now: float, *, cached_since: float | None = None) -> _CachedTokens:
        """Look the request up in the cache, without MSAL.

        :param cached_since: POSIX time in seconds; a fresh token that was stored before does not count.
        """
        session, request = self.session, self.request
        if self.environ.get(AGENT_SESSION_VARIABLE):
            return _CachedTokens()
        tokens = session.clients.token_cache.usable()
        fresh = None
        # At an AD FS server, only MSAL can tell which entry is the right one.
        if not session.settings.is_adfs:
            validity = max(request.validity, FRESH_FOR)
            fresh = find_token(tokens, self.query, now=now, validity=validity, cached_since=cached_since)
        if fresh is not None or request.force or not self.is_decided_by_cache():
            return _CachedTokens(fresh)
        stale = find_stale_token(tokens, self._query_of_stale(), now=now, validity=request.least_validity)
        return _CachedTokens(stale=stale)

    def is_decided_by_cache(self) -> bool:
        """Tell whether the cache alone decides which token the account gets: no broker and no agent session."""
        may_use_broker = self.session.settings.may_use_broker and self.request.client_id is None
        uses_broker = account_of(self.row).is_user and may_use_broker
        return not (uses_broker or self.environ.get(AGENT_SESSION_VARIABLE))

    def _query_of_stale(self) -> TokenQuery:
        """Return the query with the tenant's GUID for its domain, if it is known: MSAL stores tokens under the GUID."""
        domain, rows = tenant_key(self.query.tenant), self.session.rows(all_identities=True)
        of_domain = [row for row in rows if tenant_key(str(row.get("tenantDefaultDomain"))) == domain]
        tenants = {str(row["tenantId"]) for row in of_domain}
        return self.query._replace(tenant=tenants.pop()) if len(tenants) == 1 else self.query

    def take_turn(self, turn: SingleFlight) -> TokenOutcome:
        """Use what another process has obtained since we began, or request a token."""
        from azext_login.auth.storage.single_flight import Answer

        request, now = self.request, self.clock()
        outcome = turn.outcome_since(self.began, now)
        answer = outcome if isinstance(outcome, Answer) else None
        needs_new = request.force and not (answer and answer.forced)
        is_shared = answer is not None and answer.validity >= request.validity and not needs_new
        if answer is not None and is_shared:
            _check_lifetime(answer.lifetime, request)
            # The request was also ours, so the lifetime counts from when we began. Tokens expire at a whole second, so
            # the lifetime may seem a second too short if we began in the second in which the answer arrived.
            now = self.began - 1
        cached = self.look_up(now, cached_since=self.began if needs_new else None)
        if cached.fresh is not None:
            return TokenOutcome(cached.fresh)
        try:
            if turn.is_taken and cached.stale is not None:
                raise ServiceSlowError(
                    f"Another process has been asking for a new one for {round(turn.patience, 1):g} seconds."
                )
            # Another process with a stale token waits a few seconds only. Without one, we wait longer.
            if isinstance(outcome, AzCLIError) and not (isinstance(outcome, ServiceSlowError) and not cached.stale):
                raise outcome
            with turn.share_failure(self.clock):
                token = self._request(cached, now, needs_new)
        except (ServiceUnreachableError, UnexpectedAnswerError, SignInError) as error:
            return _use_stale_token(error, cached, request, self.clock())
        arrived = self.clock()
        lifetime = token.expires_on - arrived
        if request.force or request.validity:
            turn.share_answer(Answer(lifetime, request.validity, forced=needs_new), arrived)
        # MSAL may have found the token in the cache, some time after `now`, for which its lifetime was long enough.
        if token.expires_on - now < request.validity:
            _check_lifetime(lifetime, request)
        return TokenOutcome(token)

    def _request(self, cached: _CachedTokens, now: float, needs_new: bool) -> AccessToken:
        def is_useless(entry: Mapping[str, Any]) -> bool:
            if not is_candidate(entry, self.query):
                return False
            if needs_new and (seconds(entry.get("cached_at")) or 0) < self.began:
                return True
            # MSAL does not report that it failed to renew a token.
            if cached.stale is not None and is_due(entry, now):
                return True
            return (seconds(entry.get("expires_on")) or 0) - now < self.request.validity

        is_urgent = cached.has_stale_after(_SHORT_WAIT, now, self.request)
        limit = longest_wait(_SHORT_WAIT) if is_urgent else None
        return _request_token(self.session, self.row, self.request, is_useless=is_useless, limit=limit)


def report_stale_token(outcome: TokenOutcome) -> None:
    """Warn of a token that could not be renewed."""
    if outcome.renewal_failure is None:
        return
    logger.warning(
        "The token could not be renewed and is used as it is, for the %d seconds that it is still valid: %s",
        outcome.token.expires_on - time.time(),
        first_line(outcome.renewal_failure),
    )


def _request_token(
    session: Session,
    row: SubscriptionRow,
    request: TokenRequest,
    *,
    is_useless: Callable[[Mapping[str, Any]], bool] = lambda entry: False,
    limit: float | None = None,
) -> AccessToken:
    """Let MSAL find a token in the cache, or request one.

    :param is_useless: tells which cached tokens (MSAL's entries) must not be used.
    :param limit: seconds after which the request times out.
    """
    client_id = request.client_id or AZURE_CLI_CLIENT_ID
    with session.clients.stored_tokens(leave_out=is_useless, client_id=client_id) as applications:
        credential = session.clients.credential_of(row, applications, tenant=request.tenant)
        request_token = partial(
            credential.token,
            request.scopes,
            tenant=request.tenant or row["tenantId"],
            claims_challenge=request.claims_challenge,
            advised_scopes=request.advised_scopes,
            data=request.data,
        )
        if limit is None:
            return request_token()
        from azext_login.errors import ServiceSlowError
        from azext_login.system.http.waiting import limit_time

        return limit_time(limit, request_token, service="the sign-in service", error=ServiceSlowError)


def _use_stale_token(error: AzCLIError, cached: _CachedTokens, request: TokenRequest, now: float) -> TokenOutcome:
    """Return the stale token after a failure to renew it, or raise the failure.

    A refusal is final once the token is no longer valid for `FRESH_FOR` seconds. Until then, MSAL uses it as well.
    """
    stale = cached.stale
    if stale is None or not cached.has_stale_after(0, now, request):
        raise error
    if isinstance(error, SignInError) and stale.expires_on - now < FRESH_FOR:
        raise error
    return TokenOutcome(stale, error)


def _check_application(row: SubscriptionRow, request: TokenRequest) -> None:
    account = account_of(row)
    if request.client_id and not account.has_session:
        raise AccountError(
            f"'{account.label}' cannot have tokens of application '{request.client_id}': only users sign in to "
            "applications.",
            "Choose the account of a user with `az account set`, or leave out the ID of the application.",
        )


def _check_data(row: SubscriptionRow, request: TokenRequest) -> None:
    account = account_of(row)
    if request.data and account.keeps_to_its_tenant:
        raise AccountError(
            f"The tokens of '{account.label}' come from this computer, which issues no SSH certificates and no other "
            "special tokens.",
            "Sign in as a user or as a service principal with `az login`, or choose one with `az account set`.",
        )


def _check_lifetime(left: float, request: TokenRequest) -> None:
    if request.validity and left < request.validity - 1:
        raise SignInError(
            f"The token has to be valid for {request.validity:.0f} seconds, and a new token is valid for {left:.0f} "
            "seconds at most.",
            next_step="Run the command with a smaller --min-validity, and again before the token expires. The tenant's "
            "policy sets the lifetime of tokens.",
        )


def query_of(session: Session, row: SubscriptionRow, request: TokenRequest) -> TokenQuery | None:
    """Return the properties of a cached token for a request; None for accounts whose tokens are not cached."""
    account = account_of(row)
    if account.keeps_to_its_tenant:
        return None
    tenant = request.tenant or str(row["tenantId"])
    return TokenQuery(
        environment=urlsplit(session.settings.authority).hostname or "",
        client_id=(request.client_id or AZURE_CLI_CLIENT_ID) if account.is_user else account.name,
        # MSAL uses the first part of the authority's path as the tenant, which is `adfs` at an AD FS server.
        tenant="adfs" if session.settings.is_adfs else tenant,
        scopes=tuple(request.scopes),
        username=account.name if account.is_user else None,
    )


def _key_of(query: TokenQuery, request: TokenRequest) -> str:
    """Return what identifies the requests that one answer serves."""
    parts = [query.environment, query.client_id, query.tenant, query.username or "", *sorted(query.scopes)]
    return json.dumps([part.casefold() for part in parts] + [request.claims_challenge])
