"""One access token: from the cache without MSAL, or from one request for everybody who waits for it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from knack.log import get_logger

from .auth.access_token import AccessToken
from .auth.azure_cli import AGENT_SESSION_VARIABLE, AZURE_CLI_CLIENT_ID
from .auth.cached_token import FRESH, TokenQuery, find_token, is_candidate, seconds
from .errors import ServiceUnreachableError, SignInError, UnexpectedAnswerError, first_line
from .profile.model import Row, account_of

if TYPE_CHECKING:
    from .session import Session

logger = get_logger(__name__)


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


def get_token(
    session: Session,
    row: Row,
    request: TokenRequest,
    *,
    clock: Callable[[], float] = time.time,
    environ: Mapping[str, str] = os.environ,
) -> AccessToken:
    """Return a token of the account that a row belongs to.

    Of several processes that miss the same token at the same time, one asks for it. Where the service cannot be
    reached, or something else answers in its place, a cached token is used that lives for as long as was asked.

    :raises NotSignedInError: the account's tokens are gone.
    :raises SignInError: the sign-in service refused, or its tokens do not live as long as was asked.
    :raises ServiceUnreachableError: it did not answer, and no cached token will do.
    :raises UnexpectedAnswerError: the same, and something else answered.
    """
    began = clock()
    query = _query_of(session, row, request)
    if query is None or request.claims_challenge is not None:
        return _long_enough(_ask(session, row, request, query, began), request, clock())
    if query.username is None:
        # An application of which nothing is stored has signed out; damage is found here, as in every other command.
        session.services.service_principals.require(query.client_id, query.tenant)
    cache = session.services.token_cache
    # Where that is not so, only MSAL knows which entry of the cache is the right one.
    is_plain = _is_plain(session, row, environ)

    def find(
        *, validity: float = max(request.validity, FRESH), cached_since: float | None = None
    ) -> AccessToken | None:
        if not is_plain:
            return None
        return find_token(cache.usable(), query, now=clock(), validity=validity, cached_since=cached_since)

    # An encrypted cache is opened with what MSAL brings, so MSAL may as well look into it.
    if not request.force and not session.settings.encrypt_token_cache:
        token = find()
        if token is not None:
            return token
    from .auth.single_flight import SingleFlight

    with SingleFlight(session.settings.config_dir, _key_of(query, request)) as turn:
        # Somebody else may have asked meanwhile. Where a new token is wanted, theirs is one.
        token = find(cached_since=began if request.force else None)
        if token is not None:
            return token
        turn.raise_failure_since(began)
        with turn.noting_failure(clock):
            try:
                token = _ask(session, row, request, query, began)
            except (ServiceUnreachableError, UnexpectedAnswerError) as error:
                kept = None if request.force else find(validity=max(request.validity, 1.0))
                if kept is None:
                    raise
                token = kept
                _tell_that_it_is_old(token, error, clock())
    return _long_enough(token, request, clock())


def _ask(session: Session, row: Row, request: TokenRequest, query: TokenQuery | None, began: float) -> AccessToken:
    """Let MSAL find a token, or ask for one."""

    def is_of_no_use(entry: Mapping[str, Any]) -> bool:
        if query is None or not is_candidate(entry, query):
            return False
        if request.force:
            return (seconds(entry.get("cached_at")) or 0) < began
        return (seconds(entry.get("expires_on")) or 0) - began < request.validity

    with session.services.stored_tokens(leave_out=is_of_no_use) as applications:
        credential = session.services.credential_of(row, applications, tenant=request.tenant)
        return credential.token(
            request.scopes,
            tenant=request.tenant or row["tenantId"],
            claims_challenge=request.claims_challenge,
            advised_scopes=request.advised_scopes,
        )


def _tell_that_it_is_old(token: AccessToken, error: Exception, now: float) -> None:
    logger.warning(
        "The token could not be renewed and is used as it is, for the %d seconds that it still has: %s",
        token.expires_on - now,
        first_line(error),
    )


def _long_enough(token: AccessToken, request: TokenRequest, now: float) -> AccessToken:
    left = token.expires_on - now
    if left >= request.validity - 1:
        return token
    raise SignInError(
        f"The token would have to live for {request.validity:.0f} seconds, and a new one lives for {left:.0f} at most.",
        next_step="Ask for less with --min-validity, and again when the token ends. Lifetimes are the tenant's policy.",
    )


def _query_of(session: Session, row: Row, request: TokenRequest) -> TokenQuery | None:
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


def _is_plain(session: Session, row: Row, environ: Mapping[str, str]) -> bool:
    """Tell whether nothing but the cache decides which token an account gets."""
    settings = session.settings
    uses_broker = (sys.platform == "win32" and settings.broker_on_windows) or (
        sys.platform == "darwin" and settings.broker_on_mac
    )
    return not (settings.is_adfs or (account_of(row).is_user and uses_broker) or environ.get(AGENT_SESSION_VARIABLE))


def _key_of(query: TokenQuery, request: TokenRequest) -> str:
    """Return what two requests have in common if one answer serves both."""
    parts = [query.environment, query.client_id, query.tenant, query.username or "", *sorted(query.scopes)]
    return json.dumps([part.casefold() for part in parts] + [request.claims_challenge])
