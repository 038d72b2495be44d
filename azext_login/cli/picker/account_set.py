"""What `az account set` does without a subscription: it lets the person choose one."""

from __future__ import annotations

from azext_login.cli.picker.pick import pick_subscription
from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile.model import SubscriptionRow, account_of, is_in_tenant
from azext_login.system.text import printable
from azext_login.usecases.select_subscription import select_subscription
from azext_login.usecases.session import Session


def select_by_person(session: Session, *, username: str | None = None, tenant: str | None = None) -> SubscriptionRow:
    """Make the subscription the active one that the person chooses: of this cloud, and of every account and tenant.

    :param username: offer only what this account has.
    :param tenant: offer only what is in this tenant (GUID, domain or display name).
    :raises NotSignedInError: nobody is signed in to this cloud.
    :raises AccountError: there is nothing to choose from, or the person chose nothing.
    :raises KeyboardInterrupt: the person pressed Ctrl-C. Nothing was changed.
    """
    everything = session.rows(all_identities=True)
    if not everything:
        raise NotSignedInError("Please run 'az login' to setup account.")
    rows = [row for row in everything if _is_offered(row, username, tenant)]
    if not rows:
        given = " ".join(
            f"{name} '{value}'" for name, value in (("--username", username), ("--tenant", tenant)) if value
        )
        raise AccountError(
            f"There is no subscription to choose from with {given}.",
            "List what there is with `az account list --all-identities --output table`.",
        )
    try:
        chosen = pick_subscription(rows)
    except EOFError as cancelled:
        active = next((row for row in everything if row.get("isDefault")), None)
        still = f"'{printable(active['name'])}' is still the active one" if active else "None is active"
        raise AccountError(
            f"No subscription was chosen. {still}.",
            "To choose one without being asked, run `az account set --subscription NAME_OR_ID`.",
        ) from cancelled
    return select_subscription(session, chosen["id"], username=account_of(chosen).label, tenant=chosen["tenantId"])


def _is_offered(row: SubscriptionRow, username: str | None, tenant: str | None) -> bool:
    if username and not account_of(row).matches(username):
        return False
    return not tenant or is_in_tenant(row, tenant)
