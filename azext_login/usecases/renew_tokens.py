"""`account renew`: a fresh federated token, and fresh access tokens for what is in use, before the old ones end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.entra.errors import Attempt, login_command
from azext_login.auth.jwt import claims_of, expiry_of
from azext_login.auth.workload.federated_tokens import FileAssertion
from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile.model import Account, SubscriptionRow, account_of

if TYPE_CHECKING:
    from azext_login.auth.credential import Credential
    from azext_login.auth.workload.service_principal import ServicePrincipal, ServicePrincipalCredential
    from azext_login.usecases.session import Session

# Seconds between two rounds while watching. A file may be written again at any time.
_SHORTEST_PAUSE = 5.0
_LONGEST_PAUSE = 300.0
_FILE_PAUSE = 30.0

# Seconds between two rounds of which the first one failed; each failure after another doubles them.
_FIRST_RETRY = 5.0
_LAST_RETRY = 60.0

# Built-in commands take a token for expired that has less than five minutes left (MSAL). Twice that is ahead of them.
_AHEAD = 600.0

# An access token that ended longer ago than this, in seconds, is not in use any more.
_IN_USE = 3600.0

Scopes = tuple[str, ...]


@dataclass(frozen=True)
class RenewedToken:
    """An access token that is cached now. `expires_on` is POSIX time in seconds."""

    scopes: Scopes
    expires_on: int


@dataclass(frozen=True)
class RenewalFailure:
    """An access token that could not be had; the old one stays cached."""

    scopes: Scopes
    error: AzCLIError


@dataclass(frozen=True)
class Renewal:
    """What one round of renewing did."""

    account: Account
    tenant: str
    assertion_expires_on: float | None = None
    """POSIX time in seconds; None without a federated token, or if it does not say."""
    reads_file: bool = False
    """Whether the federated token comes from a file."""
    has_source: bool = True
    """Whether there can be another federated token after this one."""
    tokens: tuple[RenewedToken, ...] = ()
    failures: tuple[RenewalFailure, ...] = ()

    def pause(self, now: float) -> float:
        """Return the seconds to wait before the next round: half of what the shortest lifetime still has."""
        ends = [float(token.expires_on) for token in self.tokens]
        if self.assertion_expires_on is not None:
            ends.append(self.assertion_expires_on)
        longest = _FILE_PAUSE if self.reads_file else _LONGEST_PAUSE
        shortest = min((end - now for end in ends), default=2 * longest)
        return max(_SHORTEST_PAUSE, min(shortest / 2, longest))


def renew(
    session: Session, row: SubscriptionRow, *, only_due: bool = False, clock: Callable[[], float] = time.time
) -> Renewal:
    """Renew the federated token, and the access tokens in use, of the account and tenant of a row.

    Access tokens for which that fails stay as they are.

    :param only_due: leave alone what still has most of its lifetime.
    :raises AccountError: the account's tokens come from the machine.
    :raises NotSignedInError: nothing is stored of the account.
    :raises SignInError: there is no valid federated token to be had.
    """
    account, tenant = account_of(row), str(row["tenantId"])
    if account.keeps_to_its_tenant:
        raise AccountError(
            f"The tokens of '{account.label}' come from this machine whenever one is asked for: there is nothing to "
            "renew.",
            "Use `az account get-access-token`, or any other command, as it is.",
        )
    clients, now = session.clients, clock()
    in_use = [entry for entry in clients.token_cache.access_tokens(account.name, tenant) if _is_in_use(entry, now)]

    def is_due(entry: Mapping[str, Any]) -> bool:
        return entry in in_use and (not only_due or _is_due(int(entry["expires_on"]), _began(entry), now))

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
    ends = expiry_of(assertion) if assertion else None
    return Renewal(account, tenant, ends, reads_file, has_source, tuple(tokens), tuple(failures))


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
    """Renew again and again, always before something ends, until somebody stops it.

    A round that fails is tried again soon, and then less and less often; what is stored stays as it is.

    :param report: gets what each round did.
    :param report_failure: gets why a round failed, and the seconds until the next one.
    :return: what the last round did; None if none succeeded.
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
    """Return the federated token to use from now on; a fresh one where there is a source and it is time."""
    stored = principal.assertion
    if principal.source is None:
        ends = expiry_of(stored) if stored else None
        if ends is not None and ends <= now:
            attempt = Attempt(tenant=principal.tenant, service_principal=principal.login_options())
            raise NotSignedInError(
                f"The federated token of service principal '{principal.client_id}' has ended, and it was given with "
                "--federated-token: nobody knows where the next one comes from. Nothing was renewed.",
                next_step="Sign in with --federated-token-file or --federated-token-source, or with another token:\n"
                f"{login_command(attempt)}",
            )
        return stored
    ends = expiry_of(stored) if stored else None
    # Reading a file costs nothing.
    if only_due and stored and ends is not None and not isinstance(principal.source, FileAssertion):
        issued_at = claims_of(stored).get("iat")
        if not _is_due(ends, float(issued_at) if isinstance(issued_at, (int, float)) else None, now):
            return stored
    return credential.assertion()


def _is_due(ends: float, began: float | None, now: float) -> bool:
    """Tell whether less than half of a lifetime is left, or less than what built-in commands want of a token."""
    return ends - now < max(_AHEAD, (ends - (began or now)) / 2)


def _is_in_use(entry: Mapping[str, Any], now: float) -> bool:
    return int(entry["expires_on"]) > now - _IN_USE


def _began(entry: Mapping[str, Any]) -> float | None:
    cached_at = str(entry.get("cached_at", ""))
    return float(cached_at) if cached_at.isdigit() else None


def _scopes_of(entries: Sequence[Mapping[str, Any]]) -> list[Scopes]:
    """Return what to ask for, each once. A person's token lists all permissions; `/.default` stands for them."""
    found: dict[Scopes, None] = {}
    for entry in entries:
        scopes = str(entry.get("target", "")).split()
        default = tuple(scope for scope in scopes if scope.endswith("/.default"))
        asked = default or tuple(scope for scope in scopes if scope not in _OPENID_SCOPES)
        if asked:
            found[asked] = None
    return list(found)


# They come with every sign-in and cannot be asked for (OpenID Connect Core 1.0 sections 5.4 and 11).
_OPENID_SCOPES = ("openid", "profile", "offline_access", "email")


def _slices(pause: float) -> Iterator[float]:
    """Divide a pause, so that a signal does not have to wait for its end."""
    while pause > 0:
        yield min(0.5, pause)
        pause -= 0.5
