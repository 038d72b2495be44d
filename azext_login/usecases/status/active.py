"""Which subscription a command without --subscription uses in this process, and why; contexts that stand for none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azext_login.errors import AccountError, NotSignedInError, first_line
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import account_of
from azext_login.system.text import printable
from azext_login.usecases.contexts import BY_STORED_DEFAULT, BY_VARIABLE, reason_of
from azext_login.usecases.status.outcomes import command_of
from azext_login.usecases.status.records import FIX, ActiveSubscription, Finding, Outcome

if TYPE_CHECKING:
    from azext_login.usecases.session import Session


def find_active(session: Session) -> tuple[ActiveSubscription | None, list[Finding]]:
    """Return the active subscription, and what is wrong with the choice of this process."""
    cloud = session.settings.cloud
    try:
        rows = session.rows()
    except (AccountError, NotSignedInError) as error:
        outcome = Outcome.NOT_SIGNED_IN if isinstance(error, NotSignedInError) else Outcome.BUILT_IN_FAILS
        return None, [Finding("choice", printable(first_line(error)), outcome, command_of(error))]
    row = rules.active_row(rows)
    if row is None:
        if not rows:
            return None, []
        what = "No subscription is active."
        return None, [Finding("noSubscription", what, command="az account set --subscription ID")]
    choice = session.choice
    chosen = choice.chosen
    reason, origin = BY_STORED_DEFAULT, None
    if chosen is not None and chosen.context is not None and chosen.context.stands_for(row):
        reason, origin = reason_of(chosen), chosen.origin
    elif choice.variables:
        reason, origin = BY_VARIABLE, " and ".join(choice.variables)
    context = None if chosen is None else chosen.name
    account = account_of(row)
    return (
        ActiveSubscription(
            account, str(row["id"]), str(row["name"]), str(row["tenantId"]), cloud, reason, origin, context
        ),
        [],
    )


STALE_CONTEXT = "context"
"""The code of a finding about a context. --fix fixes it if the account of the context is signed in."""


def check_contexts(session: Session, *, is_offline: bool) -> list[Finding]:
    """Return the contexts whose account is not signed in, or does not have the subscription any more."""
    from azext_login.profile.context_rows import login_of, not_listed
    from azext_login.usecases.contexts import read_statuses
    from azext_login.usecases.status.stale_contexts import can_be_read_again

    findings = []
    for status in read_statuses(session):
        context = status.context
        name = f"The context '{context.name}'"
        if not status.is_signed_in:
            what = f"{name} cannot be used: its account '{printable(context.account.label)}' is not signed in."
            findings.append(Finding(STALE_CONTEXT, what, command=str(login_of(context)), context=context.name))
        elif status.row is None:
            error = not_listed(f"{name} is stored", context)
            can_be_read = not is_offline and can_be_read_again(session, context)
            command = FIX if can_be_read else command_of(error)
            what = printable(first_line(error))
            findings.append(Finding(STALE_CONTEXT, what, command=command, context=context.name, is_fixable=can_be_read))
    return findings
