"""Reports on tenants and accounts after a command, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from azext_login.errors import (
    AccountError,
    IncompleteListError,
    InteractionRequiredError,
    InterruptedDiscoveryError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.profile.model import account_of
from azext_login.system.command_line import AZ_LOGIN, Command, quote_command
from azext_login.system.log import get_logger
from azext_login.system.login_command import one_tenant
from azext_login.system.terminal.streams import is_terminal
from azext_login.system.text import printable, shorten

if TYPE_CHECKING:
    from azext_login.profile.model import Account, SubscriptionRow
    from azext_login.resource_manager.discovery import Discovery, TenantReport
    from azext_login.usecases.refresh_subscriptions import RefreshOutcome
    from azext_login.usecases.session import Session
    from azext_login.usecases.sign_in import SignInOutcome
    from azext_login.usecases.sign_out import SignOutOutcome

logger = get_logger(__name__)


# Characters of a tenant's name, and of what happened there; --verbose shows all of it.
_LONGEST_NAME, _LONGEST_FINDING = 36, 70

# More duplicates than these are counted, not listed.
_LISTED_DUPLICATES = 3


def report_discovery(
    account: Account,
    discovery: Discovery,
    *,
    again: Command = AZ_LOGIN,
    keeps_empty_tenants: bool = False,
    is_stored_cloud: bool = True,
) -> None:
    """Report which tenants did not show their subscriptions, and which subscriptions several tenants show.

    :param again: the `az login` that ran.
    :param keeps_empty_tenants: whether tenants without subscriptions were stored, as requested. They are not reported.
    :param is_stored_cloud: as for `choosing`.
    """
    _report_duplicates(discovery, choosing(account.label, is_stored_cloud=is_stored_cloud))
    _report_tenants(
        [(account, discovery)],
        kept=False,
        again=again,
        refresh=refresh_command(again),
        keeps_empty_tenants=keeps_empty_tenants,
    )


def choosing(account: str, *, is_stored_cloud: bool) -> Command:
    """Return the command that chooses a subscription of an account; the caller adds the subscription.

    :param is_stored_cloud: whether the account signed in to the stored cloud. `az account set` works on that one only,
        so in a context of another cloud, a context for the subscription is how to use it.
    """
    if is_stored_cloud:
        return Command(("az", "account", "set"))
    create = Command(("az", "account", "context", "create")).with_option("--name", "NAME")
    return create.with_option("--username", account)


def refresh_command(again: Command) -> Command:
    """Return the `az account list --refresh` that asks the tenants of an `az login`."""
    command = Command(("az", "account", "list")).with_option("--refresh")
    where = tuple(option for option in again.options if option[0] in ("--tenant", "--exclude-tenant"))
    return Command(command.words, command.options + where)


def report_guess(outcome: SignInOutcome) -> None:
    """Report which subscription became the default because the user has chosen none, and how to choose."""
    if outcome.unusable_default is not None:
        _report_unusable_default(outcome, outcome.unusable_default)
    if outcome.guessed is not None:
        logger.warning(
            "'%s' is the default subscription now, the first of %d. To choose another one, run az account set "
            '--subscription ID. To choose it for every sign-in, run az config set login.default_subscription="ID"',
            printable(outcome.guessed["name"]), len(outcome.rows),
        )  # fmt: skip


def _report_unusable_default(outcome: SignInOutcome, word: str) -> None:
    """Report that the configured default names no enabled subscription, or several."""
    from azext_login.profile.ambiguity import label_of
    from azext_login.profile.model import is_enabled
    from azext_login.profile.words import with_subscription
    from azext_login.system.command_line import quote_command

    found = with_subscription(filter(is_enabled, outcome.rows), word)
    if not found:
        logger.warning(
            "login.default_subscription is '%s', but no enabled subscription of %s has this ID or name.",
            printable(word),
            outcome.account.label,
        )
        return
    lines = [
        f"{printable(label_of(row))}:\n"
        + quote_command("az", "config", "set", f"login.default_subscription={row['id']}")
        for row in found
    ]
    logger.warning(
        "login.default_subscription is '%s', but several enabled subscriptions of %s have this name, so none of them "
        "was chosen. To choose one for every sign-in, run one of:\n%s",
        printable(word), outcome.account.label, "\n".join(lines),
    )  # fmt: skip


def report_choice(session: Session, shown: SubscriptionRow, *, is_for_all: bool) -> None:
    """Report where the subscription comes from that this process uses, if it is not the stored default.

    A context is reported in any case: it decides also when the stored default is another one tomorrow.

    :param is_for_all: whether commands that are not ours follow the choice too.
    """
    from azext_login.profile.state import key_of
    from azext_login.profile.subscriptions import active_row, in_cloud

    choice = session.choice
    stored = active_row(in_cloud(session.state().rows, session.stored_cloud))
    if stored is not None and key_of(stored) == key_of(shown) and choice.chosen is None:
        return
    default = "No subscription is stored as the default."
    if stored is not None:
        default = f"The stored default is '{printable(stored['name'])}' ({printable(stored['id'])})."
    if not is_for_all:
        default += " Only `az login` and `az account` follow the choice, because login.every_command is off."
    if choice.chosen is None or choice.variables:
        logger.warning("%s chose this subscription. %s", choice.origin, default)
        return
    logger.warning(
        "The context '%s' (%s) chose this subscription. %s",
        printable(choice.chosen.name), printable(choice.origin), default,
    )  # fmt: skip


def report_overriding_choice(session: Session, stored: SubscriptionRow) -> bool:
    """Warn that this shell does not use the subscription that became the stored default; tell whether that is so."""
    from azext_login.profile.choice import CONTEXT_VARIABLE

    if session.uses(stored):
        return False
    choice = session.choice
    if choice.chosen is None or choice.variables:
        logger.warning(
            "The default is stored, but this shell follows %s. To use the stored default, unset %s.",
            choice.origin, choice.origin,
        )  # fmt: skip
        return True
    stop = f"unset {CONTEXT_VARIABLE}" if choice.chosen.file is None else "remove the file"
    if choice.chosen.context is None:
        # There is nothing to update.
        logger.warning(
            "The default is stored, but %s still chooses the context '%s' here, which does not exist. To use the "
            "stored default, %s.",
            printable(choice.chosen.origin), shorten(printable(choice.chosen.name), 64), stop,
        )  # fmt: skip
        return True
    if choice.chosen.context.cloud != stored["environmentName"]:
        # A context keeps its cloud.
        logger.warning(
            "The default of cloud '%s' is stored, but %s still chooses the context '%s' here, which is for cloud '%s'. "
            "To use the stored default, %s.",
            printable(stored["environmentName"]), printable(choice.chosen.origin), printable(choice.chosen.name),
            printable(choice.chosen.context.cloud), stop,
        )  # fmt: skip
        return True
    update = Command(("az", "account", "context", "update")).with_option("--name", choice.chosen.name)
    update = update.with_option("--subscription", str(stored["id"])).with_option("--username", account_of(stored).label)
    logger.warning(
        "The default is stored, but the context '%s' still decides here, because %s chooses it. To change the "
        "context, run:\n%s",
        printable(choice.chosen.name), printable(choice.origin), update,
    )  # fmt: skip
    return True


def report_refresh(outcome: RefreshOutcome, *, again: Command) -> None:
    """Report which accounts and tenants could not be read again.

    :param again: the `az account list` that ran.
    :raises AccountError: Ctrl-C ended the refresh. What was read until then is stored.
    """
    for failure in outcome.failures:
        if isinstance(failure.error, InterruptedDiscoveryError):
            logger.warning("The subscriptions of '%s' stay as they were. It was not asked.", failure.account.name)
            continue
        logger.warning(
            "The subscriptions of '%s' could not be refreshed and stay as they were. %s To continue, run %s",
            failure.account.name,
            printable(first_line(failure.error)),
            _to_do(failure.account, failure.error, None, AZ_LOGIN, again),
        )
    for account, discovery in outcome.discoveries:
        if not discovery.reports:
            logger.warning(
                "Every tenant of '%s' is excluded, so no tenant was asked, and its subscriptions stay as they were. To "
                "see which tenants are excluded every time, run az config get login.exclude_tenants",
                account.label,
            )
    _report_tenants(outcome.discoveries, kept=True, refresh=again)
    if outcome.newly_active is not None:
        logger.warning(
            "Subscription '%s' (%s) is active now. To choose another one, run az account set --subscription ID",
            printable(outcome.newly_active["name"]),
            printable(outcome.newly_active["id"]),
        )
    if outcome.interrupted:
        raise AccountError(
            "Ctrl-C ended the search for subscriptions. What was found until then was stored. The other subscriptions "
            "stay as they were.",
            f"To look for the others, run:\n{again}",
        )


def _report_duplicates(discovery: Discovery, choose: Command) -> None:
    if len(discovery.duplicates) > _LISTED_DUPLICATES:
        logger.warning(
            "%d subscriptions can be used through several tenants. To list them, run az account list --all-identities; "
            "to use another tenant, %s",
            len(discovery.duplicates),
            choose.with_option("--subscription", "ID").with_option("--tenant", "TENANT"),
        )
        return
    for duplicate in discovery.duplicates:
        subscription = duplicate.subscription
        logger.warning(
            "Subscription %s '%s' can be accessed from tenants %s (used) and %s. To use the other one, run "
            "%s",
            subscription.id, printable(subscription.name), duplicate.kept_tenant_id, subscription.tenant_id,
            choose.with_option("--subscription", subscription.id).with_option("--tenant", subscription.tenant_id),
        )  # fmt: skip


def _report_tenants(
    discoveries: Sequence[tuple[Account, Discovery]],
    *,
    kept: bool,
    refresh: Command,
    again: Command = AZ_LOGIN,
    keeps_empty_tenants: bool = False,
) -> None:
    """Print a table of the tenants that did not answer, or have no subscriptions: name, what happened, what to run.

    :param discoveries: each account that was asked. If there are several, the table names the account.
    :param kept: whether the subscriptions from before are still listed.
    :param refresh: the `az account list --refresh` that ran, or looks for the same subscriptions as the `az login`.
    :param again: the `az login` that ran, if one did.
    :param keeps_empty_tenants: as for `report_discovery`.
    """

    def is_silent(discovery: Discovery, report: TenantReport) -> bool:
        if report.failure is not None:
            return False
        is_expected = kept or keeps_empty_tenants or _is_seen_elsewhere(discovery, report)
        return bool(report.subscriptions or is_expected)

    asked = sum(len(discovery.reports) for _, discovery in discoveries)
    lines = [
        (
            shorten(printable(account.label), _LONGEST_NAME),
            shorten(printable(report.tenant.display_name or report.tenant.id), _LONGEST_NAME),
            *_finding(account, report, again, refresh),
        )
        for account, discovery in discoveries
        for report in discovery.reports
        if not is_silent(discovery, report)
    ]
    if not lines:
        return
    failed = [report for _, discovery in discoveries for report in discovery.failed]
    for report in failed:
        logger.info("Tenant %s: %s", report.tenant.label, report.failure)
    from tabulate import tabulate

    headers = ("Account", "Tenant", "What happened", "To do")
    first = 0 if len({account.key for account, _ in discoveries}) > 1 else 1
    table = tabulate([line[first:] for line in lines], headers=headers[first:], tablefmt="plain", disable_numparse=True)
    consequence = f"; {'their' if asked > 1 else 'its'} known subscriptions are still listed" if kept else ""
    what = "all subscriptions" if any(report.subscriptions for report in failed) else "subscriptions"
    tenants = f"{len(lines)} of {asked} tenants" if asked > 1 else "The tenant"
    logger.warning("%s did not show %s%s:\n%s", tenants, what, consequence, table)


def _is_seen_elsewhere(discovery: Discovery, report: TenantReport) -> bool:
    """Tell whether another tenant shows all subscriptions of a tenant too."""
    return any(duplicate.subscription.tenant_id == report.tenant.id for duplicate in discovery.duplicates)


def _finding(account: Account, report: TenantReport, again: Command, refresh: Command) -> tuple[str, str]:
    """Return what happened at a tenant, and the command to run."""
    failure = report.failure
    to_do = _to_do(account, failure, report.tenant.id, again, refresh)
    if failure is None:
        return "no subscriptions", to_do
    if isinstance(failure, InteractionRequiredError):
        return "asks for more, such as a second factor", to_do
    if isinstance(failure, InterruptedDiscoveryError):
        return f"was not {'read to the end' if report.subscriptions else 'waited for'} (Ctrl-C)", to_do
    if isinstance(failure, IncompleteListError):
        return "was not read to the end: its list is too long", to_do
    if isinstance(failure, (ServiceUnreachableError, UnexpectedAnswerError)):
        return "did not answer", to_do
    return shorten(printable(first_line(failure)), _LONGEST_FINDING), to_do


def _to_do(account: Account, failure: Exception | None, tenant: str | None, again: Command, refresh: Command) -> str:
    """Return the command to run after a failure of an account, for one tenant or for all.

    A user signs in again. For a workload, a refused sign-in has the command. Other causes, such as a missing role, are
    fixed elsewhere, and then a refresh is enough.

    :param again: the `az login` that ran, or a plain one.
    :param refresh: the `az account list --refresh` for all tenants.
    """
    shown = str(one_tenant(refresh, tenant) if tenant else refresh)
    if isinstance(failure, (ServiceUnreachableError, UnexpectedAnswerError)):
        return shown
    if account.is_user and not account.keeps_to_its_tenant:
        if isinstance(failure, InteractionRequiredError):
            # A password alone does not provide what the tenant asks for.
            again = again.without("--username", "--password")
        command = one_tenant(again, tenant) if tenant else again
        return str(command if failure else command.with_option("--allow-no-subscriptions"))
    advice = [line for text in getattr(failure, "recommendations", None) or () for line in text.splitlines()]
    return next((line for line in advice if line.startswith("az login")), shown)


def report_selection(row: SubscriptionRow) -> None:
    """Report, on a terminal, which subscription is active now, and for which account."""
    if is_terminal(sys.stderr):
        name, user = (printable(text) for text in (row["name"], row["user"]["name"]))
        logger.warning("Active now: '%s' (%s), as %s.", name, row["id"], user)


def report_sign_out(name: str, outcome: SignOutOutcome) -> None:
    """Report that the account was not signed in, or that no account is active afterwards."""
    if not outcome.known:
        logger.warning("'%s' is not signed in, so no account was signed out. See `az account list`.", name)
    elif outcome.was_active and outcome.remaining:
        logger.warning(
            "No subscription is active now. Choose one with `%s`, or another from `az account list --output table`.",
            quote_command("az", "account", "set", "--subscription", str(outcome.remaining[0]["id"])),
        )
