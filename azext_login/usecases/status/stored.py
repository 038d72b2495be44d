"""The accounts to check, and what is stored about each of them before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from azext_login.auth.credential import AccessToken
from azext_login.auth.jwt import expiry_of
from azext_login.auth.sources.federated_tokens import BuildAssertion, CommandAssertion, FileAssertion
from azext_login.auth.storage.cached_token import TokenQuery, find_stale_token
from azext_login.auth.workload.service_principal import ACCESS_TOKEN, FEDERATED_TOKEN, ServicePrincipal
from azext_login.errors import NotSignedInError, StoreError
from azext_login.host_errors import AzCLIError
from azext_login.profile import words
from azext_login.profile.model import CLOUD_SHELL, Account, SubscriptionRow, account_of, tenant_of
from azext_login.usecases.get_token import TokenRequest, query_of

if TYPE_CHECKING:
    from azext_login.auth.storage.token_cache import Sections
    from azext_login.usecases.session import Session

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
class Known:
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


def look_up(session: Session, target: Target, request: TokenRequest, cache: Sections, now: float) -> Known:
    """Return what is stored about a target. Asks nothing."""
    query = query_of(session, target.row, request._replace(tenant=target.tenant))
    cached = find_stale_token(cache, query, now=now, validity=1.0) if query else None
    known = Known(target, query, cached)
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


def _look_up_user(session: Session, known: Known, cache: Sections) -> Known:
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
