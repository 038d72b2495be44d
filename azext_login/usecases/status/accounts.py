"""Whether every account can obtain a token in each of its tenants now: all of them are tried at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.credential import AccessToken
from azext_login.auth.entra.handed_over import LOGIN_WITH_TOKEN
from azext_login.auth.jwt import expiry_of
from azext_login.auth.sources.federated_tokens import BuildAssertion, CommandAssertion, FileAssertion
from azext_login.auth.storage.cached_token import TokenQuery, find_stale_token, is_candidate
from azext_login.auth.workload.service_principal import ACCESS_TOKEN, FEDERATED_TOKEN, ServicePrincipal
from azext_login.errors import NotSignedInError, StoreError
from azext_login.profile import words
from azext_login.profile.model import CLOUD_SHELL, Account, SubscriptionRow, account_of, tenant_of
from azext_login.system.command_line import AZ_LOGIN
from azext_login.usecases.get_token import TokenRequest, query_of
from azext_login.usecases.status.outcomes import command_of, message_of, outcome_of
from azext_login.usecases.status.parallel import run_all
from azext_login.usecases.status.records import AccountStatus, Outcome, Refresh, TenantStatus

if TYPE_CHECKING:
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.auth.storage.token_cache import Sections
    from azext_login.usecases.session import Session

# Seconds for one tenant, and for all of them.
_LIMIT = 20.0
_LIMIT_OF_ALL = 40.0

_REFRESH_TOKEN = "refresh token"
_HANDED_OVER = "access token"
# What MSAL records about the sign-in of a user (msal/token_cache.py).
_GRANTS = {
    "authorization_code": "browser",
    "password": "password",
    "urn:ietf:params:oauth:grant-type:device_code": "device code",
    "device_code": "device code",
    "broker": "account broker",
}

_THIS_COMPUTER = "managed identity"
_CLOUD_SHELL = "Cloud Shell"


@dataclass(frozen=True)
class Target:
    """An account in a tenant, by one of its rows."""

    row: SubscriptionRow
    tenant: str
    """GUID, or as the command line gives it."""
    domain: str | None = None
    """The default domain of the tenant, if any account's row has it."""

    @property
    def account(self) -> Account:
        return account_of(self.row)


@dataclass(frozen=True)
class _Known:
    """What is stored about a target, before anything is asked."""

    target: Target
    query: TokenQuery | None
    cached: AccessToken | None = None
    sign_in: str | None = None
    source: str | None = None
    problem: AzCLIError | None = None
    """Why nothing can be asked."""
    is_handed_over: bool = False
    """Whether the account has an access token that nothing renews."""
    has_expired: bool = False
    """Whether the stored federated token has expired, and nothing gives another one."""
    login: str | None = None
    """The command that signs a service principal in again."""


def find_targets(
    rows: Sequence[SubscriptionRow], *, username: str | None = None, tenant: str | None = None
) -> list[Target]:
    """Return the accounts and tenants of rows, each once.

    :param rows: those of one cloud, of all identities.
    :param tenant: ID or domain. A user who has no row of it may be a guest there, and is asked for it all the same.
    """
    own = words.of_account(rows, username) if username else list(rows)
    if tenant:
        of_tenant = words.of_tenant(own, tenant)
        if not of_tenant:
            users = {account_of(row).key: row for row in reversed(own) if account_of(row).has_session}
            return [Target(row, tenant) for row in reversed(users.values())]
        own = of_tenant
    found = {(account_of(row).key, account_of(row).kind, tenant_of(row)): row for row in reversed(own)}
    domains = {tenant_of(row): str(row["tenantDefaultDomain"]) for row in rows if row.get("tenantDefaultDomain")}
    return [Target(row, str(row["tenantId"]), domains.get(tenant_of(row))) for row in reversed(found.values())]


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
    known = [_look_up(session, target, request, cache, now) for target in targets]
    outcomes = _ask(session, known, request) if asks else [None for _ in known]
    statuses = [
        _offline_status(each) if not asks else _status(each, outcome, known_ids)
        for each, outcome in zip(known, outcomes, strict=True)
    ]
    return _by_account(session.settings.cloud, known, statuses)


def unchecked_accounts(session: Session, targets: Sequence[Target], cloud: str) -> list[AccountStatus]:
    """Return accounts that are listed only, because their cloud is not active or nothing can be read."""
    statuses = [TenantStatus(each.tenant, each.domain, None, None, Refresh.NOT_TRIED, None) for each in targets]
    return _by_account(cloud, [_Known(target, None) for target in targets], statuses)


def _look_up(session: Session, target: Target, request: TokenRequest, cache: Sections, now: float) -> _Known:
    """Return what is stored about a target. Asks nothing."""
    query = query_of(session, target.row, replace(request, tenant=target.tenant))
    cached = find_stale_token(cache, query, now=now, validity=1.0) if query else None
    known = _Known(target, query, cached)
    account = target.account
    if account.details.get(CLOUD_SHELL):
        return replace(known, sign_in=_CLOUD_SHELL, source=_CLOUD_SHELL)
    if account.is_managed_identity:
        return replace(known, sign_in=_THIS_COMPUTER, source=_THIS_COMPUTER)
    if account.is_user:
        return _look_up_user(session, known, cache)
    try:
        principal = session.clients.stored_principal(target.row, target.tenant)
    except (NotSignedInError, StoreError) as error:
        return replace(known, problem=error)
    source = _source_of(principal)
    is_handed_over = principal.kind == ACCESS_TOKEN and principal.source is None
    expires_on = expiry_of(principal.assertion) if principal.assertion and principal.source is None else None
    has_expired = expires_on is not None and expires_on <= now
    login = principal.login_command()
    return replace(
        known,
        sign_in=principal.kind,
        source=source,
        is_handed_over=is_handed_over,
        has_expired=has_expired,
        login=str(login if is_handed_over else login.with_option("--tenant", target.tenant)),
    )


def _look_up_user(session: Session, known: _Known, cache: Sections) -> _Known:
    from azext_login.auth.entra.application import HANDED_OVER

    if session.settings.may_use_broker:
        return replace(known, sign_in="account broker", source="account broker")
    name = known.target.account.name.casefold()
    entries = [each for each in cache.get("Account", {}).values() if str(each.get("username")).casefold() == name]
    if any(isinstance(entry.get(HANDED_OVER), int) for entry in entries):
        return replace(known, sign_in=_HANDED_OVER, is_handed_over=True)
    sources = [str(entry["account_source"]) for entry in entries if entry.get("account_source")]
    sign_in = next((_GRANTS[source] for source in sources if source in _GRANTS), None)
    return replace(known, sign_in=sign_in, source=_REFRESH_TOKEN if entries else None)


def _source_of(principal: ServicePrincipal) -> str | None:
    """Return where the next token of a service principal comes from."""
    match principal.source:
        case None:
            return principal.kind if principal.kind != ACCESS_TOKEN else None
        case FileAssertion():
            return f"{FEDERATED_TOKEN} of a file"
        case CommandAssertion():
            return f"{FEDERATED_TOKEN} of a command"
        case BuildAssertion():
            return f"{FEDERATED_TOKEN} of the build system"
    return "credential source"


def _ask(session: Session, known: Sequence[_Known], request: TokenRequest) -> list[AccessToken | AzCLIError | None]:
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
    session: Session, known: _Known, request: TokenRequest, applications: ApplicationFactory
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


def _status(known: _Known, result: AccessToken | AzCLIError | None, known_ids: Collection[str]) -> TenantStatus:
    target = known.target
    until = known.cached.expires_on if known.cached else None
    status = TenantStatus(target.tenant, target.domain, known.source, until, Refresh.FAILED, Outcome.OFFLINE)
    if result is None:
        return replace(status, message="The sign-in service did not answer in time.")
    if isinstance(result, AccessToken):
        refresh = Refresh.NOT_TRIED if known.is_handed_over else Refresh.WORKS
        # The tokens of a managed identity are not in a cache of ours.
        return replace(status, refresh=refresh, outcome=Outcome.GOOD, cached_until=result.expires_on)
    outcome = Outcome.EXPIRED if known.is_handed_over or known.has_expired else outcome_of(result)
    login = known.login if outcome in (Outcome.EXPIRED, Outcome.NOT_SIGNED_IN) else None
    return replace(status, outcome=outcome, message=message_of(result, known_ids), command=command_of(result) or login)


def _offline_status(known: _Known) -> TenantStatus:
    target = known.target
    until = known.cached.expires_on if known.cached else None
    status = TenantStatus(target.tenant, target.domain, known.source, until, Refresh.NOT_TRIED, Outcome.GOOD)
    if until is not None or known.query is None:
        return status
    if known.problem is not None or (known.source is None and not known.is_handed_over):
        message = "No token and no credential is stored."
        return replace(status, outcome=Outcome.NOT_SIGNED_IN, message=message, command=_login(target))
    if known.is_handed_over:
        message = "The access token that was handed over has expired, and nothing renews it."
        return replace(status, outcome=Outcome.EXPIRED, message=message, command=str(LOGIN_WITH_TOKEN))
    message = "No valid token is cached. With the network, a new one may be obtained."
    return replace(status, outcome=Outcome.EXPIRED, message=message, command="az account status")


def _login(target: Target) -> str:
    return str(AZ_LOGIN.with_option("--tenant", target.tenant))


def _by_account(cloud: str, known: Sequence[_Known], statuses: Sequence[TenantStatus]) -> list[AccountStatus]:
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
