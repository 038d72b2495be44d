"""One access token: from the cache without MSAL, or from one request for everybody who waits for it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from azure.cli.core.azclierror import AzCLIError
from knack.log import get_logger

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.azure_cli import AGENT_SESSION_VARIABLE, AZURE_CLI_CLIENT_ID
from azext_login.auth.storage.cached_token import (
    FRESH_FOR,
    TokenQuery,
    find_stale_token,
    find_token,
    is_candidate,
    is_due,
    seconds,
)
from azext_login.errors import ServiceSlowError, ServiceUnreachableError, SignInError, UnexpectedAnswerError, first_line
from azext_login.profile.model import SubscriptionRow, account_of

if TYPE_CHECKING:
    from azext_login.auth.storage.single_flight import SingleFlight
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

# Seconds to wait for a new token, each for somebody else's request and for one of our own, where a cached one will do.
# Callers give up after ten (azure-identity's AzureCliCredential), and `az` itself needs some of them.
_SHORT_WAIT = 3.0


@dataclass(frozen=True)
class TokenRequest:
    """What a token is asked for. Without any option it is what built-in commands get."""

    scopes: Sequence[str]
    tenant: str | None = None
    """GUID or domain; None for the row's."""
    validity: float = 0.0
    """Seconds that the token must have left; 0 for what MSAL considers fresh, five minutes."""
    force: bool = False
    """Ask for a new token whatever is cached, for example after a change of roles."""
    claims_challenge: str | None = None
    """JSON; a cached token is then not used."""
    advised_scopes: Sequence[str] | None = None
    """Scopes to repeat in the advice when a person has to sign in again."""

    @property
    def least(self) -> float:
        """Seconds that a cached token must have left to be of any use."""
        return max(self.validity, 1.0)


def get_token(
    session: Session,
    row: SubscriptionRow,
    request: TokenRequest,
    *,
    clock: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
) -> AccessToken:
    """Return a token of the account that a row belongs to.

    Of several processes that miss the same token at the same time, one asks for it, and the others have its outcome.
    Where the service cannot be reached, or something else answers in its place, a cached token is used that lives for
    as long as was asked; who has one waits for a few seconds only.

    :raises NotSignedInError: the account's tokens are gone.
    :raises SignInError: the sign-in service refused, or its tokens do not live as long as was asked.
    :raises ServiceUnreachableError: it did not answer, and no cached token will do.
    :raises UnexpectedAnswerError: the same, and something else answered.
    """
    began = clock()
    query = _query_of(session, row, request)
    if query is None or request.claims_challenge is not None:
        token = _ask(session, row, request)
        _check_lifetime(token.expires_on - clock(), request)
        return token
    if query.username is None:
        # An application of which nothing is stored has signed out; damage is found here, as in every other command.
        session.clients.service_principals.require(query.client_id, query.tenant)
    errand = _Errand(session, row, request, query, began, clock, environ)
    # An encrypted cache is opened with what MSAL brings, so MSAL may as well look into it.
    found = _Found() if session.settings.encrypt_token_cache else errand.look(began)
    if found.token is not None and not request.force:
        return found.token
    from azext_login.auth.storage.single_flight import PATIENCE, SingleFlight

    # Where only MSAL can tell what is cached, there may be a token that needs nobody.
    is_known = _cache_decides(session, row, environ) and not session.settings.encrypt_token_cache
    is_urgent = not is_known or found.outlasts(2 * _SHORT_WAIT, began, request)
    patience = _SHORT_WAIT if is_urgent else PATIENCE
    with SingleFlight(session.settings.config_dir, _key_of(query, request), patience=patience) as turn:
        return errand.take_turn(turn)


class _Found(NamedTuple):
    """What the cache has for a request."""

    token: AccessToken | None = None
    """What MSAL would give out as well."""
    spare: AccessToken | None = None
    """What to go on with where nobody can be asked for a new one."""

    def outlasts(self, wait: float, now: float, request: TokenRequest) -> bool:
        """Tell whether the spare token will do after waiting for so many seconds."""
        return self.spare is not None and self.spare.expires_on - now - wait >= request.least


@dataclass(frozen=True)
class _Errand:
    """Getting a token for which the cache counts."""

    session: Session
    row: SubscriptionRow
    request: TokenRequest
    query: TokenQuery
    began: float
    clock: Callable[[], float]
    environ: Mapping[str, str]

    def look(self, now: float, *, cached_since: float | None = None) -> _Found:
        """Look into the cache, without MSAL."""
        session, request = self.session, self.request
        if not _cache_decides(session, self.row, self.environ):
            return _Found()
        tokens = session.clients.token_cache.usable()
        token = None
        # At an AD FS server, only MSAL knows which entry is the right one.
        if not session.settings.is_adfs:
            validity = max(request.validity, FRESH_FOR)
            token = find_token(tokens, self.query, now=now, validity=validity, cached_since=cached_since)
        if token is not None or request.force:
            return _Found(token)
        return _Found(spare=find_stale_token(tokens, self._query_of_spare(), now=now, validity=request.least))

    def _query_of_spare(self) -> TokenQuery:
        """Return the query with the tenant's GUID for its domain, if that is known: MSAL stores tokens under it."""
        domain, rows = self.query.tenant.casefold(), self.session.rows(all_identities=True)
        of_domain = [row for row in rows if str(row.get("tenantDefaultDomain")).casefold() == domain]
        tenants = {str(row["tenantId"]) for row in of_domain}
        return replace(self.query, tenant=tenants.pop()) if len(tenants) == 1 else self.query

    def take_turn(self, turn: SingleFlight) -> AccessToken:
        """Use what somebody else has got since we began, or ask."""
        from azext_login.auth.storage.single_flight import Answer

        request, now = self.request, self.clock()
        outcome = turn.outcome_since(self.began, now)
        answer = outcome if isinstance(outcome, Answer) else None
        needs_new = request.force and not (answer and answer.forced)
        is_shared = answer is not None and answer.validity >= request.validity and not needs_new
        if answer is not None and is_shared:
            _check_lifetime(answer.lifetime, request)
            # It was asked for in our name as well, so its lifetime counts from when we did. It ends at a whole second,
            # which may be one too early for who began in the second that it came in.
            now = self.began - 1
        found = self.look(now, cached_since=self.began if needs_new else None)
        if found.token is not None:
            return found.token
        try:
            if turn.is_taken and found.spare is not None:
                raise ServiceSlowError(f"Another process has been asking for a new one for {_SHORT_WAIT:g} seconds.")
            # Who has no other token waits for longer than the one that gave up.
            if isinstance(outcome, AzCLIError) and not (isinstance(outcome, ServiceSlowError) and not found.spare):
                raise outcome
            with turn.noting_failure(self.clock):
                token = self._ask(found, now, needs_new)
        except (ServiceUnreachableError, UnexpectedAnswerError, SignInError) as error:
            return _spare_after(error, found, request, self.clock())
        came = self.clock()
        lifetime = token.expires_on - came
        if request.force or request.validity:
            turn.note_answer(Answer(lifetime, request.validity, forced=needs_new), came)
        # MSAL may have found one in the cache after a while; it is long enough for when it was asked for.
        if token.expires_on - now < request.validity:
            _check_lifetime(lifetime, request)
        return token

    def _ask(self, found: _Found, now: float, needs_new: bool) -> AccessToken:
        def is_of_no_use(entry: Mapping[str, Any]) -> bool:
            if not is_candidate(entry, self.query):
                return False
            if needs_new and (seconds(entry.get("cached_at")) or 0) < self.began:
                return True
            # Of a token that it could not renew, MSAL would not say so.
            if found.spare is not None and is_due(entry, now):
                return True
            return (seconds(entry.get("expires_on")) or 0) - now < self.request.validity

        limit = _SHORT_WAIT if found.outlasts(_SHORT_WAIT, now, self.request) else None
        return _ask(self.session, self.row, self.request, is_of_no_use=is_of_no_use, limit=limit)


def _ask(
    session: Session,
    row: SubscriptionRow,
    request: TokenRequest,
    *,
    is_of_no_use: Callable[[Mapping[str, Any]], bool] = lambda entry: False,
    limit: float | None = None,
) -> AccessToken:
    """Let MSAL find a token, or ask for one.

    :param is_of_no_use: tells which cached tokens (MSAL's entries) must not be found.
    :param limit: seconds after which to give up.
    """
    with session.clients.stored_tokens(leave_out=is_of_no_use) as applications:
        credential = session.clients.credential_of(row, applications, tenant=request.tenant)
        ask = partial(
            credential.token,
            request.scopes,
            tenant=request.tenant or row["tenantId"],
            claims_challenge=request.claims_challenge,
            advised_scopes=request.advised_scopes,
        )
        if limit is None:
            return ask()
        from azext_login.errors import ServiceSlowError
        from azext_login.system.http.waiting import limit_time

        return limit_time(limit, ask, service="the sign-in service", error=ServiceSlowError)


def _spare_after(error: AzCLIError, found: _Found, request: TokenRequest, now: float) -> AccessToken:
    """Return the token to go on with after a failure, and say so.

    A refusal is final, unless the token has not come to where it needs to be renewed. MSAL goes on with it then, too.
    """
    spare = found.spare
    if spare is None or not found.outlasts(0, now, request):
        raise error
    left = spare.expires_on - now
    if isinstance(error, SignInError) and left < FRESH_FOR:
        raise error
    logger.warning(
        "The token could not be renewed and is used as it is, for the %d seconds that it still has: %s",
        left,
        first_line(error),
    )
    return spare


def _check_lifetime(left: float, request: TokenRequest) -> None:
    if request.validity and left < request.validity - 1:
        raise SignInError(
            f"The token would have to live for {request.validity:.0f} seconds, and a new one lives for {left:.0f} at "
            "most.",
            next_step="Ask for less with --min-validity, and again when the token ends. Lifetimes are the tenant's "
            "policy.",
        )


def _query_of(session: Session, row: SubscriptionRow, request: TokenRequest) -> TokenQuery | None:
    """Return which entries of the cache are about a request; None for accounts whose tokens are not in it."""
    account = account_of(row)
    if account.keeps_to_its_tenant:
        return None
    tenant = request.tenant or str(row["tenantId"])
    return TokenQuery(
        environment=urlsplit(session.settings.authority).hostname or "",
        client_id=AZURE_CLI_CLIENT_ID if account.is_user else account.name,
        # MSAL takes the first part of an authority's path for the tenant, and AD FS has nothing else there.
        tenant="adfs" if session.settings.is_adfs else tenant,
        scopes=tuple(request.scopes),
        username=account.name if account.is_user else None,
    )


def _cache_decides(session: Session, row: SubscriptionRow, environ: Mapping[str, str]) -> bool:
    """Tell whether nothing but the cache decides which token an account gets."""
    settings = session.settings
    uses_broker = (sys.platform == "win32" and settings.broker_on_windows) or (
        sys.platform == "darwin" and settings.broker_on_mac
    )
    return not ((account_of(row).is_user and uses_broker) or environ.get(AGENT_SESSION_VARIABLE))


def _key_of(query: TokenQuery, request: TokenRequest) -> str:
    """Return what two requests have in common if one answer serves both."""
    parts = [query.environment, query.client_id, query.tenant, query.username or "", *sorted(query.scopes)]
    return json.dumps([part.casefold() for part in parts] + [request.claims_challenge])
