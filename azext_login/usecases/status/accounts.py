"""Whether every account can obtain a token in each of its tenants now: all of them are tried at the same time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.handed_over import LOGIN_WITH_TOKEN
from azext_login.auth.storage.cached_token import is_candidate
from azext_login.errors import ServiceUnreachableError
from azext_login.host_errors import AzCLIError
from azext_login.system.command_line import AZ_LOGIN
from azext_login.usecases.get_token import TokenRequest
from azext_login.usecases.status.network import no_answer
from azext_login.usecases.status.outcomes import command_of, message_of, outcome_of
from azext_login.usecases.status.parallel import run_all
from azext_login.usecases.status.records import AccountStatus, Outcome, Refresh, TenantStatus
from azext_login.usecases.status.stored import Known, Target, look_up

if TYPE_CHECKING:
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.usecases.session import Session

# Seconds for one tenant, and for all of them.
_LIMIT = 20.0
_LIMIT_OF_ALL = 40.0


def check_accounts(
    session: Session,
    targets: Sequence[Target],
    scopes: Sequence[str],
    *,
    asks: bool = True,
    known_ids: Collection[str] = (),
    clock: Callable[[], float] = time.time,
) -> list[AccountStatus]:
    """Return the status of each account, with its tenants.

    A new token is stored as usual. After a failure, everything that is stored stays as it was.

    :param scopes: what the tokens are for.
    :param asks: whether the services are asked. Without that, a token counts that is valid now.
    :param known_ids: the GUIDs that may be shown, in lower case.
    :raises StoreError: the stored tokens cannot be read.
    """
    now = clock()
    request = TokenRequest(scopes=tuple(scopes))
    cache = session.clients.token_cache.usable()
    known = [look_up(session, target, request, cache, now) for target in targets]
    outcomes = _ask(session, known, request) if asks else [None for _ in known]
    statuses = [
        _offline_status(each) if not asks else _status(session, each, outcome, known_ids)
        for each, outcome in zip(known, outcomes, strict=True)
    ]
    return _by_account(session.settings.cloud, known, statuses)


def unchecked_accounts(session: Session, targets: Sequence[Target], cloud: str) -> list[AccountStatus]:
    """Return accounts that are listed only, because their cloud is not active or nothing can be read."""
    statuses = [TenantStatus(each.tenant, each.domain, None, None, Refresh.NOT_TRIED, None) for each in targets]
    return _by_account(cloud, [Known(target, None) for target in targets], statuses)


def _ask(session: Session, known: Sequence[Known], request: TokenRequest) -> list[AccessToken | AzCLIError | None]:
    """Request a new token for each target, and store those that arrive. None for a target that did not answer."""

    def is_to_be_renewed(entry: Any) -> bool:
        return any(each.query is not None and is_candidate(entry, each.query) for each in known)

    with session.clients.stored_tokens(leave_out=is_to_be_renewed) as applications:
        results = run_all(
            [partial(_request, session, each, request, applications) for each in known],
            limit=_LIMIT,
            limit_of_all=_LIMIT_OF_ALL,
        )
    for each, result in zip(known, results, strict=True):
        if isinstance(result, AccessToken):
            _notify(session, each.target, request, result)
    return results


def _request(
    session: Session, known: Known, request: TokenRequest, applications: ApplicationFactory
) -> AccessToken | AzCLIError:
    target = known.target
    if known.problem is not None:
        return known.problem
    if known.is_handed_over and known.cached is not None:
        return known.cached
    try:
        credential = session.clients.credential_of(target.row, applications, tenant=target.tenant)
        return credential.token(request.scopes, tenant=target.tenant)
    except AzCLIError as error:
        return error


def _notify(session: Session, target: Target, request: TokenRequest, token: AccessToken) -> None:
    from azext_login.auth.credential import TokenOrigin
    from azext_login.usecases.events import token_refreshed

    if token.origin is TokenOrigin.CACHE:
        return
    session.notify(
        token_refreshed(
            target.row,
            session.settings.cloud,
            token,
            scopes=request.scopes,
            tenant=target.tenant,
            client_id=None,
        )
    )


def _status(
    session: Session, known: Known, result: AccessToken | AzCLIError | None, known_ids: Collection[str]
) -> TenantStatus:
    target = known.target
    until = known.cached.expires_on if known.cached else None
    status = TenantStatus(target.tenant, target.domain, known.source, until, Refresh.FAILED, Outcome.OFFLINE)
    if result is None:
        return replace(status, message=message_of(_no_answer(session, target), known_ids))
    if isinstance(result, AccessToken):
        refresh = Refresh.NOT_TRIED if known.is_handed_over else Refresh.WORKS
        # The tokens of a managed identity are not in a cache of ours.
        return replace(status, refresh=refresh, outcome=Outcome.GOOD, cached_until=result.expires_on)
    outcome = Outcome.EXPIRED if known.is_handed_over or known.has_expired else outcome_of(result)
    login = known.login if outcome in (Outcome.EXPIRED, Outcome.NOT_SIGNED_IN) else None
    # An account that is disabled or locked cannot sign in either.
    command = None if outcome is Outcome.ACCOUNT_DISABLED else command_of(result) or login
    return replace(status, outcome=outcome, message=message_of(result, known_ids), command=command)


def _no_answer(session: Session, target: Target) -> ServiceUnreachableError:
    """Return the error for a target whose token took too long: it names the service and its address."""
    if not target.account.keeps_to_its_tenant:
        return no_answer(session)
    from azext_login.auth.managed_identity.missing_service import unreachable_error
    from azext_login.auth.managed_identity.sources import find_cloud_shell_source, find_source

    find = find_source if target.account.is_managed_identity else find_cloud_shell_source
    return unreachable_error(find(os.environ), "did not answer in time")


def _offline_status(known: Known) -> TenantStatus:
    target = known.target
    until = known.cached.expires_on if known.cached else None
    status = TenantStatus(target.tenant, target.domain, known.source, until, Refresh.NOT_TRIED, Outcome.GOOD)
    if until is not None or known.query is None:
        return status
    if known.problem is not None or (known.source is None and not known.is_handed_over):
        message = "No token and no credential is stored."
        return replace(status, outcome=Outcome.NOT_SIGNED_IN, message=message, command=known.login or _login(target))
    if known.is_handed_over:
        message = "The access token that was handed over has expired, and nothing renews it."
        return replace(status, outcome=Outcome.EXPIRED, message=message, command=str(LOGIN_WITH_TOKEN))
    message = "No valid token is cached. With the network, a new one may be obtained."
    return replace(status, outcome=Outcome.EXPIRED, message=message, command="az account status")


def _login(target: Target) -> str:
    return str(AZ_LOGIN.with_option("--tenant", target.tenant))


def _by_account(cloud: str, known: Sequence[Known], statuses: Sequence[TenantStatus]) -> list[AccountStatus]:
    """Group the tenants by account, both in their order."""
    grouped: dict[tuple[str, str], list[int]] = {}
    for index, each in enumerate(known):
        account = each.target.account
        grouped.setdefault((account.key, account.kind), []).append(index)
    return [
        AccountStatus(
            known[indices[0]].target.account,
            cloud,
            known[indices[0]].sign_in,
            tuple(statuses[index] for index in indices),
        )
        for indices in grouped.values()
    ]
