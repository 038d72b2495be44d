"""`account renew`: obtains a new federated token, and new access tokens for those in use, before they expire."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID
from azext_login.auth.entra.errors import Attempt, login_command
from azext_login.auth.jwt import expiry_of, issue_time_of
from azext_login.auth.sources.federated_tokens import FileAssertion
from azext_login.auth.workload.service_principal import FEDERATED_TOKEN
from azext_login.errors import AccountError, NotSignedInError
from azext_login.host_errors import AzCLIError
from azext_login.profile.model import Account, SubscriptionRow, account_of

if TYPE_CHECKING:
    from azext_login.auth.credential import Credential
    from azext_login.auth.workload.service_principal import ServicePrincipal, ServicePrincipalCredential
    from azext_login.usecases.session import Session

# Seconds between two rounds while watching. A file may be written again at any time.
_SHORTEST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
_FILE_PAUSE = 30.0

# Seconds before the next round after one that failed. Each further failure doubles them.
_FIRST_RETRY = 5.0
_LAST_RETRY = 60.0

# MSAL, and so every built-in command, treats a token as expired five minutes before it expires. We renew it five
# minutes earlier.
_RENEW_BEFORE = 600.0

# Seconds after its expiry for which an access token counts as in use.
_IN_USE = 3600.0

Scopes = tuple[str, ...]


@dataclass(frozen=True)
class RenewedToken:
    """An access token that is cached now. `expires_on` is POSIX time in seconds."""

    scopes: Scopes
    expires_on: int


@dataclass(frozen=True)
class RenewalFailure:
    """An access token that could not be obtained; the old one stays cached."""

    scopes: Scopes
    error: AzCLIError


@dataclass(frozen=True)
class Renewal:
    """What one round of renewing did."""

    account: Account
    tenant: str
    assertion_expires_on: float | None = None
    """POSIX time in seconds; None without a federated token, or if the token does not contain it."""
    reads_file: bool = False
    """Whether the federated token comes from a file."""
    has_source: bool = True
    """Whether another federated token can be obtained after this one."""
    tokens: tuple[RenewedToken, ...] = ()
    failures: tuple[RenewalFailure, ...] = ()

    def pause(self, now: float) -> float:
        """Return the seconds to wait before the next round: half of the time until the first token expires."""
        expiries = [float(token.expires_on) for token in self.tokens]
        if self.assertion_expires_on is not None:
            expiries.append(self.assertion_expires_on)
        longest = _FILE_PAUSE if self.reads_file else _LONGEST_PAUSE
        shortest = min((expiry - now for expiry in expiries), default=2 * longest)
        return max(_SHORTEST_PAUSE, min(shortest / 2, longest))


def renew(
    session: Session, row: SubscriptionRow, *, only_due: bool = False, clock: Callable[[], float] = time.time
) -> Renewal:
    """Renew the federated token, and the access tokens in use, of the account and tenant of a row.

    Access tokens for which that fails stay as they are.

    :param only_due: renew only tokens that have less than half of their lifetime left.
    :raises AccountError: the account's tokens come from the computer.
    :raises NotSignedInError: the account has no stored credential, or only a federated token that has expired.
    :raises SignInError: no valid federated token can be obtained.
    """
    account, tenant = account_of(row), str(row["tenantId"])
    if account.keeps_to_its_tenant:
        raise AccountError(
            f"The tokens of '{account.label}' come from this computer on every request: there is nothing to renew.",
            "Run `az account get-access-token`, or any other command, without renewing.",
        )
    clients, now = session.clients, clock()
    # Tokens of an application of the user's own are renewed when they are requested: no built-in command reads them.
    client_id = AZURE_CLI_CLIENT_ID if account.is_user else account.name
    cached = clients.token_cache.access_tokens(account.name, tenant, client_id=client_id)
    in_use = [entry for entry in cached if _is_in_use(entry, now)]

    def is_due(entry: Mapping[str, Any]) -> bool:
        return entry in in_use and (not only_due or _is_due(int(entry["expires_on"]), _cached_at(entry), now))

    with clients.stored_tokens(leave_out=is_due) as applications:
        credential: Credential
        if account.is_user:
            credential = clients.user_credential(account, applications)
            assertion = None
            reads_file, has_source = False, True
        else:
            principal = clients.stored_principal(row)
            credential = clients.service_principal_credential(principal, applications)
            assertion = _current_assertion(principal, credential, only_due, now)
            has_source = principal.source is not None
            reads_file = isinstance(principal.source, FileAssertion)
        tokens: list[RenewedToken] = []
        failures: list[RenewalFailure] = []
        for scopes in _scopes_of(in_use) or [tuple(session.settings.arm_scopes)]:
            try:
                tokens.append(RenewedToken(scopes, credential.token(scopes, tenant=tenant).expires_on))
            except NotSignedInError:
                raise
            except AzCLIError as error:
                failures.append(RenewalFailure(scopes, error))
    expires_on = expiry_of(assertion) if assertion else None
    return Renewal(account, tenant, expires_on, reads_file, has_source, tuple(tokens), tuple(failures))


def watch(
    session: Session,
    row: SubscriptionRow,
    *,
    report: Callable[[Renewal], None],
    report_failure: Callable[[AzCLIError, float], None],
    is_stopped: Callable[[], bool],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Renewal | None:
    """Renew again and again, each time before a token expires, until `is_stopped` returns True.

    A round that fails is repeated soon, and then less and less often; what is stored stays as it is.

    :param report: receives what each round did.
    :param report_failure: receives the error of a round that failed, and the seconds until the next round.
    :return: what the last round did; None if no round succeeded.
    :raises NotSignedInError: the account signed out.
    :raises AccountError: there is nothing to renew.
    """
    last: Renewal | None = None
    retry = _FIRST_RETRY
    while not is_stopped():
        try:
            last = renew(session, row, only_due=last is not None, clock=clock)
        except (NotSignedInError, AccountError):
            raise
        except AzCLIError as error:
            pause, failed = retry, True
            report_failure(error, pause)
        else:
            pause, failed = last.pause(clock()), bool(last.failures)
            pause = min(pause, retry) if failed else pause
            report(last)
        retry = min(2 * retry, _LAST_RETRY) if failed else _FIRST_RETRY
        for slice_of_pause in _slices(pause):
            if is_stopped():
                break
            sleep(slice_of_pause)
    return last


def _current_assertion(
    principal: ServicePrincipal, credential: ServicePrincipalCredential, only_due: bool, now: float
) -> str | None:
    """Return the federated token to use from now on: a new one if it has a source and is due, or the stored one."""
    if principal.kind != FEDERATED_TOKEN:
        return None
    stored = principal.assertion
    expires_on = expiry_of(stored) if stored else None
    if principal.source is None:
        if expires_on is not None and expires_on <= now:
            attempt = Attempt(tenant=principal.tenant, service_principal=True, command=principal.login_command())
            raise NotSignedInError(
                f"The federated token of service principal '{principal.client_id}' has expired. It was given with "
                "--federated-token, so its source is not known. Nothing was renewed.",
                next_step="Sign in with --federated-token-file or --federated-token-source, or with another token:\n"
                f"{login_command(attempt)}",
            )
        return stored
    # Reading a file is cheap, so a file is always read.
    is_checked = only_due and not isinstance(principal.source, FileAssertion)
    if is_checked and stored and expires_on is not None and not _is_due(expires_on, issue_time_of(stored), now):
        return stored
    return credential.assertion()


def _is_due(expires_on: float, issued_at: float | None, now: float) -> bool:
    """Tell whether less than half of the lifetime is left, or less than `_RENEW_BEFORE` seconds."""
    return expires_on - now < max(_RENEW_BEFORE, (expires_on - (issued_at or now)) / 2)


def _is_in_use(entry: Mapping[str, Any], now: float) -> bool:
    return int(entry["expires_on"]) > now - _IN_USE


def _cached_at(entry: Mapping[str, Any]) -> float | None:
    cached_at = str(entry.get("cached_at", ""))
    return float(cached_at) if cached_at.isdigit() else None


def _scopes_of(entries: Sequence[Mapping[str, Any]]) -> list[Scopes]:
    """Return the scopes to request, each once. A user's token lists all permissions; `/.default` represents them."""
    found: dict[Scopes, None] = {}
    for entry in entries:
        scopes = str(entry.get("target", "")).split()
        default = tuple(scope for scope in scopes if scope.endswith("/.default"))
        requested = default or tuple(scope for scope in scopes if scope not in _OPENID_SCOPES)
        if requested:
            found[requested] = None
    return list(found)


# They are part of every sign-in and cannot be requested (OpenID Connect Core 1.0 sections 5.4 and 11).
_OPENID_SCOPES = ("openid", "profile", "offline_access", "email")


def _slices(pause: float) -> Iterator[float]:
    """Divide a pause, so that `is_stopped` is checked twice a second."""
    while pause > 0:
        yield min(0.5, pause)
        pause -= 0.5
