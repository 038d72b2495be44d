"""Signing a user in: authenticate, find the subscriptions, and only then store tokens and rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from azext_login.errors import (
    AccountError,
    InteractionRequiredError,
    ServiceUnreachableError,
    SignInError,
    StoreError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.host import send_telemetry
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import Account, SubscriptionRow, account_of
from azext_login.profile.state import slot_of
from azext_login.profile.words import with_subscription
from azext_login.resource_manager.ask_tenants import discover, find_tenants
from azext_login.resource_manager.discovery import Discovery, Progress, TenantReport
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.text import is_utf_8, without_controls
from azext_login.usecases.events import signed_in
from azext_login.usecases.excluded_tenants import ExcludedTenants
from azext_login.usecases.rows import row_of, tenant_level_subscription

if TYPE_CHECKING:
    from azext_login.auth.credential import Credential
    from azext_login.auth.entra.application import ApplicationFactory
    from azext_login.system.command_line import Command
    from azext_login.usecases.session import Session

Authenticate = Callable[["ApplicationFactory", Any, Sequence[str]], dict[str, Any]]
"""A sign-in flow: receives the applications, the application of the tenant and the scopes; returns MSAL's result."""


@dataclass(frozen=True)
class SignInRequest:
    """What a sign-in has to do. Names are those of the options of `az login`."""

    tenant: str | None = None
    """GUID, as it is stored; None to search every tenant."""
    scopes: Sequence[str] | None = None
    allow_no_subscriptions: bool = False
    skip_subscription_discovery: bool = False
    subscription: str | None = None
    password_user: str | None = None
    """The name of the user who signs in with a password."""
    again: Command | None = None
    """The command that repeats the sign-in, without a secret; None for a plain `az login`."""
    nothing_found: str = ""
    """The message for an account without subscriptions; "" for the default message."""
    excluded_tenants: ExcludedTenants | None = None
    default_subscription: str | None = None
    """The subscription (ID or name) that is configured as the default."""
    keeps_default: bool = False
    """Whether the active subscription stays active, whoever signs in."""
    on_progress: Callable[[Progress], None] = lambda progress: None

    @property
    def is_tenant_only(self) -> bool:
        """Whether subscriptions are not searched at all."""
        return self.skip_subscription_discovery and not self.subscription


@dataclass(frozen=True)
class SignInOutcome:
    """What a sign-in stored: the rows to show, and what the tenants answered."""

    account: Account
    rows: list[SubscriptionRow]
    discovery: Discovery
    unmatched_subscription: str | None = None
    """The requested subscription, if it was not found. The sign-in itself is stored."""
    ambiguous_subscription: str | None = None
    """The requested subscription, if it is the name of all `rows`, which are several. The sign-in itself is stored."""
    guessed: SubscriptionRow | None = None
    """The default, if it was chosen only because it is the first of several."""
    unusable_default: str | None = None
    """With `guessed`: the configured default, which was not found or is not enabled."""


def sign_in_user(session: Session, request: SignInRequest, authenticate: Authenticate) -> SignInOutcome:
    """Sign a user in, find the subscriptions, and store tokens and rows.

    Tokens are kept in memory until the subscriptions are known, so a sign-in that fails stores nothing and changes
    nothing.

    :raises SignInError: the sign-in failed, or no subscriptions were found.
    """
    staged = session.clients.staged_tokens()
    session.clients.prepare(for_code=request.password_user is None)
    account = authenticate_user(session, request, authenticate, staged.applications)
    credential = session.clients.user_credential(account, staged.applications, command=request.again)
    find_home = partial(credential.share_with_home, session.settings.arm_scopes)
    return complete(session, request, account, credential, lambda found: staged.keep(), find_home=find_home)


def complete(
    session: Session,
    request: SignInRequest,
    account: Account,
    credential: Credential,
    keep: Callable[[Sequence[Subscription]], None],
    *,
    find_home: Callable[[], str | None] = lambda: None,
) -> SignInOutcome:
    """Find the subscriptions of an account that has just authenticated, and store everything.

    :param keep: stores tokens and secrets. Called with the subscriptions, if there are any to store.
    :param find_home: returns the account's home tenant (GUID) if there is a token for it, so that it can be asked
        without waiting for the list of tenants.
    :raises SignInError: no subscriptions were found.
    :raises AccountError: every tenant is excluded, or Ctrl-C was pressed before anything was found.
    """
    with suppress(StoreError):  # storing the rows reports it
        others = [row for row in session.rows(all_clouds=True, all_identities=True) if account_of(row) != account]
        session.clients.subscription_budget.reserve(len(others))
    try:
        discovery = Discovery(()) if request.is_tenant_only else _discover(session, request, credential, find_home)
    except KeyboardInterrupt:
        # The list of tenants had not arrived.
        discovery = Discovery((), interrupted=True)
    if discovery.interrupted and not discovery.subscriptions:
        from azext_login.auth.entra.errors import Attempt, login_command

        raise AccountError(
            "Ctrl-C ended the search for subscriptions. Nothing was found before, and nothing was stored.",
            f"To sign in, run:\n{login_command(Attempt(tenant=request.tenant, command=request.again))}",
        )
    found = _subscriptions_to_store(request, account, discovery)
    return _store(session, request, account, found, discovery, lambda: keep(found))


def authenticate_user(
    session: Session, request: SignInRequest, authenticate: Authenticate, applications: ApplicationFactory
) -> Account:
    """Run a sign-in flow, and return the user who signed in. The tokens are in the cache of the applications.

    :raises SignInError: the sign-in failed.
    :raises ServiceUnreachableError: the sign-in service did not answer.
    """
    from azext_login.auth.entra.application import authority_errors
    from azext_login.auth.entra.errors import Attempt, explain

    if request.password_user:
        applications.ask_for_realm(request.password_user)
    application = applications.build(request.tenant, is_named_by_user=request.tenant is not None)
    with authority_errors(session.settings.authority, request.tenant, request.again):
        result = authenticate(applications, application, list(request.scopes or session.settings.arm_scopes))
    if "msal_telemetry" in result:
        send_telemetry("set_msal_telemetry", result["msal_telemetry"])
    if "error" in result:
        raise explain(result, Attempt(tenant=request.tenant, scopes=request.scopes, command=request.again))
    claims = result.get("id_token_claims") or {}
    # Entra ID names the user in `preferred_username`, AD FS in `upn`.
    name = claims.get("preferred_username") or claims.get("upn")
    return Account(user_name(name))


def user_name(claim: object) -> str:
    """Return the name of a user, as a token has it. It goes into files, and to the terminal.

    :raises SignInError: it is none, or a terminal would obey it.
    """
    if not isinstance(claim, str) or not claim or without_controls(claim) != claim or not is_utf_8(claim):
        raise SignInError(
            "The sign-in service did not name the user who signed in. Nothing was stored.",
            next_step="Check its address with `az cloud show`; then run the command again.",
        )
    return claim


def _discover(
    session: Session, request: SignInRequest, credential: Credential, find_home: Callable[[], str | None]
) -> Discovery:
    manager = session.clients.resource_manager_of(credential, home=request.tenant)
    if request.tenant is None:
        # Before the list has arrived, it is unknown which tenant has an excluded domain.
        home = None if request.excluded_tenants and request.excluded_tenants.has_names else find_home()
        if home is not None:
            manager.read_ahead(Tenant(home))
        listed = tenants = find_tenants(manager.tenants, on_progress=request.on_progress)
        if request.excluded_tenants is not None:
            tenants = request.excluded_tenants.leave_out(listed)
            request.excluded_tenants.warn_of_unused()
        if listed and not tenants:
            raise AccountError(
                "Every tenant of this account is excluded from the search for subscriptions. Nothing was stored.",
                "To see which tenants are always excluded, run:\naz config get login.exclude_tenants",
            )
        return discover(tenants, partial(manager.subscriptions, described=True), on_progress=request.on_progress)
    tenant = Tenant(request.tenant)
    if request.skip_subscription_discovery and request.subscription:
        try:
            found = [manager.subscription(request.subscription, tenant)]
        except (SignInError, ServiceUnreachableError, UnexpectedAnswerError) as error:
            return Discovery((TenantReport(tenant, failure=error),))
        return Discovery((TenantReport(tenant, tuple(found)),))
    discovery = discover([tenant], manager.subscriptions, on_progress=request.on_progress)
    for report in discovery.failed:
        if report.failure is not None and not discovery.interrupted and not report.subscriptions:
            raise report.failure
    return discovery


def _subscriptions_to_store(request: SignInRequest, account: Account, discovery: Discovery) -> list[Subscription]:
    found = discovery.subscriptions
    if request.allow_no_subscriptions or request.is_tenant_only:
        with_rows = {subscription.tenant_key for subscription in found}
        answered = [report.tenant for report in discovery.reports if report.failure is None]
        if request.tenant is not None:
            answered = [Tenant(request.tenant)]
        found += [tenant_level_subscription(tenant.id) for tenant in answered if tenant.key not in with_rows]
    elif not found:
        raise _nothing_found(request, account, discovery)
    return found


def _command_for(report: TenantReport, account: Account, again: Command | None) -> Command:
    """Return the `az login` for a tenant that has refused."""
    from azext_login.auth.entra.errors import Attempt, login_command

    command = login_command(Attempt(tenant=report.tenant.id, command=again))
    if account.is_user and isinstance(report.failure, InteractionRequiredError):
        # A password alone does not provide what the tenant asks for.
        return command.without("--username", "--password")
    return command


def _said(report: TenantReport, discovery: Discovery) -> str:
    """Return why a tenant failed: one line for each of several tenants, and the whole message for the only one."""
    return first_line(report.failure) if len(discovery.failed) > 1 else str(report.failure)


def _nothing_found(request: SignInRequest, account: Account, discovery: Discovery) -> SignInError:
    from azext_login.auth.entra.errors import Attempt, login_command

    if request.skip_subscription_discovery:
        reasons = "".join(f"\n{_said(report, discovery)}" for report in discovery.failed)
        return SignInError(
            f"The subscription '{request.subscription}' could not be retrieved for '{account.name}'. "
            f"Ensure the subscription exists and that you have access to it. Nothing was stored.{reasons}"
        )
    message = f"{request.nothing_found or f'No subscriptions found for {account.name}.'} Nothing was stored."
    if discovery.failed:
        failures = (f"Tenant {report.tenant.label}: {_said(report, discovery)}" for report in discovery.failed)
        refused = [report for report in discovery.failed if isinstance(report.failure, SignInError)]
        commands = (str(_command_for(report, account, request.again)) for report in refused)
        return SignInError(
            "\n".join([message, *failures]),
            next_step="\n".join(["To sign in to one tenant, run:", *commands])
            if refused
            else "Run the command again in a minute.",
        )
    command = login_command(Attempt(tenant=request.tenant, command=request.again))
    return SignInError(
        message,
        next_step=f"To use a tenant without subscriptions, run:\n{command.with_option('--allow-no-subscriptions')}",
    )


def _store(
    session: Session,
    request: SignInRequest,
    account: Account,
    subscriptions: Sequence[Subscription],
    discovery: Discovery,
    keep: Callable[[], None],
) -> SignInOutcome:
    cloud = session.settings.cloud
    new = [row_of(subscription, account, cloud) for subscription in subscriptions]
    # A subscription that a second tenant shows is kept for that tenant as well.
    further = [row_of(duplicate.subscription, account, cloud) for duplicate in discovery.duplicates]
    guesses: list[SubscriptionRow] = []
    # Tokens first: rows without tokens would be useless. If one of them cannot be stored, neither is.
    with session.change(mirror=True, first=keep) as state:
        rules.sign_in(
            state,
            new + further,
            preferred=request.subscription,
            fallback=request.default_subscription,
            keeps_default=request.keeps_default,
            on_guess=guesses.append,
        )
        rules.record_answers(state, cloud, account, discovery.failures())
        in_use = {slot_of(row): row for row in state.rows}
        shown = [in_use[slot_of(row)] for row in new]
    session.notify(signed_in(account, shown, cloud))
    if not request.subscription:
        if not guesses:
            return SignInOutcome(account, shown, discovery)
        return SignInOutcome(
            account, shown, discovery, guessed=guesses[0], unusable_default=request.default_subscription
        )
    matches = with_subscription(shown, request.subscription)
    return SignInOutcome(
        account,
        matches or shown,
        discovery,
        unmatched_subscription=None if matches else request.subscription,
        ambiguous_subscription=request.subscription if len(matches) > 1 else None,
    )
