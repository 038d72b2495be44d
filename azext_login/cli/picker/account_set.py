"""`az account set` without a subscription: the user chooses one."""

from __future__ import annotations

from collections.abc import Callable

from azext_login.cli.collector import resume
from azext_login.cli.picker.pick import pick_subscription
from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.command_line import Command
from azext_login.system.text import printable
from azext_login.usecases.select_subscription import select_subscription
from azext_login.usecases.session import Session


def select_interactively(
    session: Session, *, again: Callable[[], Command], username: str | None = None, tenant: str | None = None
) -> SubscriptionRow:
    """Let the user choose a subscription of this cloud, of any account and tenant, and make it the active one.

    :param again: returns the running command, for the advice.
    :param username: offer only the subscriptions of this account.
    :param tenant: offer only the subscriptions in this tenant (GUID, domain or display name).
    :raises NotSignedInError: no account is signed in to this cloud.
    :raises AccountError: no subscription matches, or the user chose none.
    :raises KeyboardInterrupt: the user pressed Ctrl-C. Nothing was changed.
    """
    resume()
    # Those that are stored: the choice of this process is not changed here.
    everything = rules.in_cloud(session.state().all_rows(), session.settings.cloud)
    if not everything:
        raise NotSignedInError("Please run 'az login' to setup account.", login=())
    rows = words.of_tenant(everything, tenant) if tenant else everything
    rows = words.of_account(rows, username) if username else rows
    if not rows:
        given = " ".join(
            f"{name} '{value}'" for name, value in (("--username", username), ("--tenant", tenant)) if value
        )
        raise AccountError(
            f"No subscription matches {given}.",
            "List all subscriptions with `az account list --all-identities --output table`.",
        )
    try:
        chosen = pick_subscription(rows)
    except EOFError as cancelled:
        active = next((row for row in everything if row.get("isDefault")), None)
        kept = f"'{printable(active['name'])}' is still the active one" if active else "None is active"
        raise AccountError(
            f"No subscription was chosen. {kept}.",
            f"To choose one without the list, run:\n{again().with_option('--subscription', 'NAME_OR_ID')}",
        ) from cancelled
    return select_subscription(session, chosen["id"], username=account_of(chosen).label, tenant=chosen["tenantId"])
