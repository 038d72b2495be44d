"""Everything that `account status` checks, put together: what is asked for, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from azext_login.errors import AccountError, StoreError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.command_line import AZ_LOGIN
from azext_login.system.threads import BackgroundCall
from azext_login.usecases.status.accounts import check_accounts, unchecked_accounts
from azext_login.usecases.status.active import check_contexts, find_active
from azext_login.usecases.status.files import check_files
from azext_login.usecases.status.host import check_built_in, check_encryption, versions
from azext_login.usecases.status.network import Probe, describe_network, findings_of, no_answer, probe
from azext_login.usecases.status.outcomes import message_of
from azext_login.usecases.status.records import (
    BUILT_IN,
    CLOCK,
    NETWORK,
    SIGN_IN,
    STORE,
    TOKEN,
    AccountStatus,
    CloudStatus,
    Finding,
    Outcome,
    StatusReport,
    StorageStatus,
)
from azext_login.usecases.status.stored import Target, find_targets

if TYPE_CHECKING:
    from azext_login.usecases.session import Session

# What --check can be limited to, and the outcomes that count then.
_COUNTING = {
    SIGN_IN: frozenset({Outcome.NOT_SIGNED_IN, Outcome.STORE_UNUSABLE}),
    TOKEN: frozenset(Outcome) - {Outcome.BUILT_IN_FAILS},
    STORE: frozenset({Outcome.STORE_UNUSABLE}),
    NETWORK: frozenset({Outcome.OFFLINE}),
    CLOCK: frozenset({Outcome.CLOCK_WRONG, Outcome.OFFLINE}),
    BUILT_IN: frozenset({Outcome.BUILT_IN_FAILS}),
}

# Seconds for the one request that shows whether the sign-in service answers, and its time.
_PROBE_LIMIT = 20.0
_TICK = 0.2


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What to check."""

    private_files: tuple[str, ...] = ()
    """The beginnings of the names of files that name accounts or hold their secrets."""
    username: str | None = None
    """User name or application ID; None for every account of the active cloud."""
    tenant: str | None = None
    """ID or domain name; None for every tenant."""
    scopes: Sequence[str] | None = None
    """What the tokens are for; None for Azure Resource Manager."""
    only: str | None = None
    """One of CHECKS; None for all of them."""
    is_offline: bool = False
    """Whether nothing is asked over the network."""
    all_identities: bool = False
    """Whether accounts of other clouds are listed too."""

    def wants(self, *checks: str) -> bool:
        """Tell whether one of these checks is to be done."""
        return self.only is None or self.only in checks


def check(
    session: Session, cli_ctx: Any, options: CheckOptions, *, clock: Callable[[], float] = time.time
) -> StatusReport:
    """Check what the options ask for. Nothing that is stored changes, except that new tokens are stored as usual."""
    settings = session.settings
    report = StatusReport(
        clock(),
        options.is_offline,
        CloudStatus(settings.cloud, settings.authority, _resource_manager(session)),
    )
    findings: list[Finding] = []
    can_read = True
    if options.wants(STORE, SIGN_IN, TOKEN):
        storage, found = _check_storage(session, options)
        report, can_read = replace(report, storage=storage), not any(each.outcome for each in found)
        findings += found
    rows = session.rows(all_clouds=True, all_identities=True)
    own = rules.in_cloud(rows, settings.cloud)
    targets = find_targets(own, username=options.username, tenant=options.tenant)
    if options.only is None:
        active, found = find_active(session)
        report = replace(report, active=active, versions=versions())
        findings += [*found, *check_contexts(session, is_offline=options.is_offline)]
    asks = not options.is_offline
    call, deadline = None, time.monotonic() + _PROBE_LIMIT
    if asks and options.wants(NETWORK, CLOCK, TOKEN):
        call = BackgroundCall(partial(probe, session))
    if options.wants(SIGN_IN, TOKEN):
        findings += _check_signed_in(own, targets, options)
        accounts, found = _check_accounts(session, targets, options, can_read=can_read, known_ids=_ids_in(rows))
        report = replace(report, accounts=(*accounts, *_of_other_clouds(session, rows, options)))
        findings += found
    probed = _result_of(session, call, deadline, findings, _ids_in(rows), targets, options)
    if options.wants(NETWORK, CLOCK, TOKEN):
        report = replace(report, network=describe_network(session, probed))
    if options.wants(BUILT_IN):
        built_in, found = check_built_in(cli_ctx, session, targets)
        report = replace(report, built_in=built_in)
        findings += found
    return replace(report, findings=tuple(_counting(findings, options)))


def _resource_manager(session: Session) -> str | None:
    from azure.cli.core.cloud import CloudEndpointNotSetException

    try:
        return str(session.settings.endpoints.resource_manager)
    except CloudEndpointNotSetException:
        return None


def _check_storage(session: Session, options: CheckOptions) -> tuple[StorageStatus, list[Finding]]:
    checked = check_files(session.config_dir, options.private_files)
    is_encrypted, secrets_in, findings = check_encryption(session)
    storage = StorageStatus(str(session.config_dir.path), is_encrypted, secrets_in, checked.files, checked.locks)
    return storage, [*checked.findings, *findings]


def _check_signed_in(own: Sequence[SubscriptionRow], targets: Sequence[Target], options: CheckOptions) -> list[Finding]:
    if targets:
        return []
    if options.username and own:
        what = f"The account '{options.username}' is not signed in."
    elif options.tenant and own:
        what = f"No account that is signed in can be used in tenant '{options.tenant}'."
    else:
        what = "No account is signed in."
    command = AZ_LOGIN.with_option("--tenant", options.tenant) if options.tenant else AZ_LOGIN
    return [Finding(Outcome.NOT_SIGNED_IN.word, what, Outcome.NOT_SIGNED_IN, str(command))]


def _check_accounts(
    session: Session, targets: Sequence[Target], options: CheckOptions, *, can_read: bool, known_ids: frozenset[str]
) -> tuple[list[AccountStatus], list[Finding]]:
    cloud = session.settings.cloud
    if not (can_read and targets):
        return unchecked_accounts(session, targets, cloud), []
    scopes = options.scopes or session.settings.arm_scopes
    asks = not options.is_offline and options.wants(TOKEN)
    try:
        accounts = check_accounts(session, targets, scopes, asks=asks, known_ids=known_ids)
    except (StoreError, AccountError) as error:
        what = message_of(error, known_ids)
        finding = Finding("storeUnreadable", what, Outcome.STORE_UNUSABLE)
        return unchecked_accounts(session, targets, cloud), [finding]
    if options.only == SIGN_IN:
        accounts = [_about_sign_in(account) for account in accounts]
    return accounts, _findings_of_accounts(accounts)


def _about_sign_in(account: AccountStatus) -> AccountStatus:
    """Return an account without what was found about its tokens."""
    return replace(
        account,
        tenants=tuple(
            tenant
            if not tenant.outcome or tenant.outcome in _COUNTING[SIGN_IN]
            else replace(tenant, outcome=None, message=None, command=None)
            for tenant in account.tenants
        ),
    )


def _findings_of_accounts(accounts: Iterable[AccountStatus]) -> list[Finding]:
    """Return the findings about accounts. Tenants for which the same applies are one finding, so that it is read."""
    grouped: dict[object, list[Finding]] = {}
    for account in accounts:
        for tenant in account.tenants:
            finding = tenant.finding(account.account)
            if finding is not None:
                # Without the network, each account and tenant has the same problem.
                is_everywhere = finding.outcome is Outcome.OFFLINE
                key = finding.outcome if is_everywhere else (account.account.key, finding.outcome, tenant.message)
                grouped.setdefault(key, []).append(finding)
    return [_merged(each) for each in grouped.values()]


def _merged(findings: Sequence[Finding]) -> Finding:
    """Return one finding for several of the same kind."""
    first, *others = findings
    if not others:
        return first
    about = frozenset().union(*(finding.about for finding in findings))
    more = "1 more tenant" if len(others) == 1 else f"{len(others)} more tenants"
    return replace(first, what=f"{first.what} The same applies to {more}.", about=about)


def _of_other_clouds(session: Session, rows: Sequence[SubscriptionRow], options: CheckOptions) -> list[AccountStatus]:
    if not options.all_identities:
        return []
    clouds = dict.fromkeys(str(row["environmentName"]) for row in rows)
    found: list[AccountStatus] = []
    for cloud in clouds:
        if cloud != session.settings.cloud:
            found += unchecked_accounts(session, find_targets(rules.in_cloud(rows, cloud)), cloud)
    return found


def _result_of(
    session: Session,
    call: BackgroundCall[Probe] | None,
    deadline: float,
    findings: list[Finding],
    known_ids: frozenset[str],
    targets: Sequence[Target],
    options: CheckOptions,
) -> Probe | None:
    """Wait for the request to the sign-in service, and add what it found to `findings`.

    :param deadline: when it has taken too long (monotonic time).
    """
    if call is None:
        return None
    while not call.wait(_TICK) and time.monotonic() < deadline:
        pass
    probed = call.result() if call.wait(0) else Probe(failure=no_answer(session))
    if probed.failure is not None:
        is_known = any(finding.outcome is Outcome.OFFLINE for finding in findings)
        # The tokens of managed identities come from this computer.
        is_needed = options.wants(NETWORK) and not all(target.account.keeps_to_its_tenant for target in targets)
        if is_known or not (is_needed or options.only in (NETWORK, CLOCK)):
            return probed
    findings += findings_of(probed, known_ids, now=time.time())
    return probed


def _counting(findings: Iterable[Finding], options: CheckOptions) -> list[Finding]:
    if options.only is None:
        return list(findings)
    return [finding for finding in findings if finding.outcome in _COUNTING[options.only]]


def _ids_in(rows: Iterable[SubscriptionRow]) -> frozenset[str]:
    """Return the GUIDs that `account list` shows, in lower case."""
    found: set[str] = set()
    for row in rows:
        account = account_of(row)
        found |= {str(value).lower() for value in (row.get("id"), row.get("tenantId"), account.name)}
    return frozenset(found)
