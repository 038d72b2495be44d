"""Which subscription a command without --subscription uses in this process, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azext_login.errors import AccountError, NotSignedInError, first_line
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import account_of
from azext_login.system.text import printable
from azext_login.usecases.status.outcomes import command_of
from azext_login.usecases.status.records import ActiveSubscription, Finding, Outcome

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
    reason, origin, context = "stored", None, None
    if choice.variables:
        reason, origin = "variable", choice.origin
    elif choice.chosen is not None:
        reason = "context" if choice.chosen.file is None else "directory"
        origin = choice.origin
    if choice.chosen is not None:
        context = choice.chosen.name
    account = account_of(row)
    return (
        ActiveSubscription(
            account, str(row["id"]), str(row["name"]), str(row["tenantId"]), cloud, reason, origin, context
        ),
        [],
    )
