"""Whose token: the account that the options of a command name, or the one that is signed in to the tenant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from azext_login.errors import AccountError, ServiceUnreachableError, SignInError, UnexpectedAnswerError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.model import SubscriptionRow, account_of, tenant_key, tenant_of
from azext_login.profile.state import slot_of
from azext_login.system.log import get_logger
from azext_login.system.text import printable

if TYPE_CHECKING:
    from azext_login.system.command_line import Command
    from azext_login.usecases.session import Session

logger = get_logger(__name__)

Result = TypeVar("Result")

_CODE = re.compile(r"\bAADSTS(\d+)\b")


def is_not_in_tenant(error: Exception) -> bool:
    """Tell whether an error, ours or of the host, is that Entra ID does not know the account in its tenant."""
    from azext_login.auth.entra.refusals import NOT_IN_TENANT

    return not NOT_IN_TENANT.isdisjoint(map(int, _CODE.findall(str(error))))


@dataclass(frozen=True)
class AccountChoice:
    """The account to ask for a token first, and those to use if its tenant does not know it."""

    row: SubscriptionRow
    again: Callable[[], Command] | None
    """Returns the running command; None if it has no option --username."""
    others: tuple[SubscriptionRow, ...] = ()
    """A row of each other account that is signed in to the tenant."""
    tenant: str = ""
    """The tenant as the command line gives it."""
    find_others: Callable[[], tuple[SubscriptionRow, ...]] = tuple
    """Finds the other accounts when they are needed."""

    def use(self, attempt: Callable[[SubscriptionRow], Result]) -> tuple[SubscriptionRow, Result]:
        """Return the row that was used, and what `attempt` returned for it.

        An account can be a guest of a tenant without a trace in the list of subscriptions, and the sign-in service
        alone knows. So the active account is asked first, as built in, and another one only after it was refused
        because it is not in the tenant.

        :raises AccountError: it was refused, and several others are signed in to the tenant.
        """
        try:
            return self.row, attempt(self.row)
        except SignInError as error:
            if not is_not_in_tenant(error):
                raise
            choice = replace(self, others=self.find_others())
            if not choice.others:
                raise
            other = choice.only_other(f"'{printable(account_of(self.row).label)}' is not in this tenant")
        return other, attempt(other)

    def only_other(self, reason: str) -> SubscriptionRow:
        """Return the row of the one other account, and report that it is used.

        :param reason: why the active account is not.
        :raises AccountError: there are several.
        """
        tenant = printable(self.tenant)
        if len(self.others) > 1:
            raise _several(reason, self)
        used = printable(account_of(self.others[0]).label)
        logger.warning("Tenant '%s': using '%s', which is signed in to it, because %s.", tenant, used, reason)
        return self.others[0]


def choose_for_token(
    session: Session,
    *,
    again: Callable[[], Command],
    username: str | None = None,
    tenant: str | None = None,
    subscription: str | None = None,
) -> AccountChoice:
    """Return the account whose token a command gets.

    :param username: the account, if the command names it. Then no other one is used.
    The other parameters and the errors are those of `choose_account`.
    """
    if not username:
        return choose_account(session, tenant=tenant, subscription=subscription, again=again)
    row = find_account(session, username=username, subscription=subscription, again=again)
    check_tenant(row, tenant, again=again)
    return AccountChoice(row, again)


def choose_account(
    session: Session, *, again: Callable[[], Command], tenant: str | None = None, subscription: str | None = None
) -> AccountChoice:
    """Return the account whose token a command gets, if it names none.

    It is the account of the subscription, or the active one. In another tenant, it is still asked first, unless its
    tokens are all of one tenant. If the process chose an account, no other one is used.

    :param again: returns the running command, for the advice.
    :param tenant: GUID or domain, as given.
    :param subscription: ID or name.
    :raises NotSignedInError: no account is signed in to this cloud.
    :raises AccountError: there is no such subscription, there are several, or no account of the tenant can be chosen.
    """
    if not tenant:
        return AccountChoice(session.find(subscription, again=again), again)
    everything = session.rows(all_identities=True)
    is_given = bool(subscription)
    rows = session.of_chosen_account(everything, without_subscription=is_given)
    in_tenant = session.of_chosen_account(words.of_tenant(everything, tenant), without_subscription=is_given)
    first = rules.active_row(rows)
    if subscription or (first is None and not in_tenant):
        first = session.find(subscription, again=again)
    if first is None:
        choice = AccountChoice(in_tenant[0], again, _one_of_each_account(in_tenant), tenant)
        return AccountChoice(choice.only_other("no account is active"), again)
    if _of_account(in_tenant, first):
        return AccountChoice(first, again)

    def find_others() -> tuple[SubscriptionRow, ...]:
        return other_accounts(session, first, tenant, only_its_subscription=bool(subscription))

    if not account_of(first).keeps_to_its_tenant:
        return AccountChoice(first, again, (), tenant, find_others)
    choice = AccountChoice(first, again, find_others(), tenant)
    if choice.others:
        return AccountChoice(choice.only_other(f"'{account_of(first).label}' has tokens of its own tenant only"), again)
    check_tenant(first, tenant, again=again)
    return choice


def other_accounts(
    session: Session, row: SubscriptionRow, tenant: str, *, only_its_subscription: bool = False
) -> tuple[SubscriptionRow, ...]:
    """Return a row of each other account that is signed in to a tenant.

    There is none if the row's account is signed in to it as well, or if the process chose an account.

    None either if the process chose the account: no other one is used then.

    :param tenant: GUID, domain or display name. The sign-in service may be asked for the ID of a domain.
    :param only_its_subscription: whether only accounts count that have the row's subscription.
    """
    if session.choice.names_account:
        return ()
    rows = session.rows(all_identities=True)
    found = words.of_tenant(rows, tenant) or _of_domain(session, rows, tenant)
    usable = [other for other in found if not only_its_subscription or slot_of(other) == slot_of(row)]
    return () if _of_account(found, row) else _one_of_each_account(usable)


def _of_account(rows: Iterable[SubscriptionRow], row: SubscriptionRow) -> list[SubscriptionRow]:
    """Return the rows that belong to the account of a row."""
    key = account_of(row).key
    return [other for other in rows if account_of(other).key == key]


def _one_of_each_account(rows: Sequence[SubscriptionRow]) -> tuple[SubscriptionRow, ...]:
    """Return the first row of each account, in the order of the rows."""
    found: dict[str, SubscriptionRow] = {}
    for row in rows:
        found.setdefault(account_of(row).key, row)
    return tuple(found.values())


def _of_domain(session: Session, rows: Sequence[SubscriptionRow], domain: str) -> list[SubscriptionRow]:
    """Return the rows of the tenant that has a domain, after asking the sign-in service for its ID.

    Rows that were found in one tenant, such as those of service principals, do not contain its domain, and no row
    contains a second domain.
    """
    if "." not in domain:
        return []
    try:
        return words.of_tenant(rows, session.resolve_tenant(domain))
    except (SignInError, ServiceUnreachableError, UnexpectedAnswerError):
        return []


def check_tenant(row: SubscriptionRow, tenant: str | None, *, again: Callable[[], Command]) -> None:
    """Refuse a tenant of which an account cannot obtain tokens.

    :param again: returns the running command, for the advice.
    :raises AccountError: the account is bound to the tenant of the row.
    """
    account = account_of(row)
    if not tenant or tenant_key(tenant) == tenant_of(row) or not account.keeps_to_its_tenant:
        return
    kind = "managed identity" if account.is_managed_identity else "Cloud Shell"
    raise AccountError(
        f"For {kind} account, getting access token for non-current tenants is not supported. The specified tenant "
        f"must be the current tenant {row['tenantId']}",
        f"Remove --tenant, or sign in with an account of that tenant:\n{_login_for(again(), tenant)}",
    )


def find_account(
    session: Session,
    *,
    again: Callable[[], Command],
    username: str | None = None,
    tenant: str | None = None,
    subscription: str | None = None,
) -> SubscriptionRow:
    """Return a row of an account that is signed in; in a tenant and with a subscription, if they are given.

    Without a user name, it is the active account, or else the only one that is signed in to the tenant. If the process
    chose an account, it is that one.

    :param again: returns the running command, for the advice.
    :param tenant: GUID, domain or display name.
    :param subscription: ID or name.
    :raises NotSignedInError: no account is signed in to this cloud.
    :raises AccountError: there is no such account, there are several, or it has no such tenant or subscription.
    """
    if username is None and tenant is None:
        return session.find(subscription, again=again)
    from azext_login.profile import ambiguity

    rows = session.rows(all_identities=True)
    active = rules.active_row(rows)
    in_tenant = (words.of_tenant(rows, tenant) or _of_domain(session, rows, tenant)) if tenant else rows
    if not username:
        in_tenant = session.of_chosen_account(in_tenant, without_subscription=bool(subscription))
    if username:
        found = words.of_account(in_tenant, username)
        if len({account_of(row).key for row in found}) > 1:
            message = f"Several accounts with the name '{printable(username)}' are signed in."
            raise ambiguity.several_accounts(message, found, again())
    else:
        found = (active and _of_account(in_tenant, active)) or list(in_tenant)
    if tenant and len({tenant_of(row) for row in found}) > 1:
        raise ambiguity.several_tenants(tenant, found, again())
    if not username and found and not (active and _of_account(found, active)):
        reason = "the active account is not signed in to it" if active else "no account is active"
        choice = AccountChoice(found[0], again, _one_of_each_account(found), str(tenant))
        found = [choice.only_other(reason)]
    if subscription:
        found = words.with_subscription(found, subscription)
        if len({slot_of(row) for row in found}) > 1:
            raise ambiguity.several_subscriptions(subscription, found, again())
    if not found:
        raise _not_signed_in(username or (account_of(active).label if active else ""), tenant, subscription, again())
    return next((row for row in found if row is active), found[0])


def _login_for(again: Command, tenant: str | None) -> Command:
    """Return the `az login` after which a user gets the token that the running command asks for."""
    from azext_login.system.command_line import AZ_LOGIN

    command = AZ_LOGIN.with_option("--tenant", tenant) if tenant else AZ_LOGIN
    for name, values in again.options:
        if name in ("--scope", "--claims-challenge"):
            command = command.with_option(name, *values)
    return command


def _not_signed_in(name: str, tenant: str | None, subscription: str | None, again: Command) -> AccountError:
    where = f" in tenant '{printable(tenant)}'" if tenant else ""
    where += f" with a subscription '{printable(subscription)}'" if subscription else ""
    return AccountError(
        f"'{printable(name)}' is not signed in{where}.",
        f"List the accounts with `az account list --all-identities`, or sign in:\n{_login_for(again, tenant)}",
    )


def _several(reason: str, choice: AccountChoice) -> AccountError:
    """Return the error about several accounts of a tenant. Programs find `az account set` in it."""
    from azext_login.profile.ambiguity import set_command, several_accounts

    message = f"Tenant '{printable(choice.tenant)}': {reason}, and several other accounts are signed in to it."
    error = several_accounts(message, choice.others, choice.again()) if choice.again else AccountError(message)
    commands = (str(set_command(row)) for row in choice.others)
    error.set_recommendation("\n".join(["To make one of them the active account, for programs too, run:", *commands]))
    return error
