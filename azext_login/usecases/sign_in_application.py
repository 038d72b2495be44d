"""Signs a user in to an application of their own, beside the Azure CLI. Tokens are stored, and rows stay as they are.

The tokens belong to an account that is signed in to the Azure CLI. Rows of a user who signed in to another application
only would be useless to built-in commands, which ask for tokens of the Azure CLI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azext_login.errors import NotSignedInError, SignInError
from azext_login.profile import subscriptions as rules
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.resource_manager.discovery import Discovery
from azext_login.system.command_line import AZ_LOGIN
from azext_login.usecases.sign_in import Authenticate, SignInOutcome, SignInRequest, authenticate_user

if TYPE_CHECKING:
    from azext_login.usecases.session import Session


def tenant_for_application(session: Session, *, username: str | None = None) -> str | None:
    """Return the tenant to sign in to if the user names none; called before the user has to do anything.

    It is that of the active subscription: `az account get-access-token` asks for tokens of this tenant, and an
    application of an organization is often registered for its own tenant only.

    :param username: the user who will sign in, if that is known.
    :return: GUID; None for the user's home tenant.
    :raises NotSignedInError: no user is signed in to the active cloud, or not this one.
    """
    users = [row for row in session.rows(all_identities=True) if account_of(row).has_session]
    if username:
        users = [row for row in users if account_of(row).matches(username)]
    if not users:
        who = f"User '{username}' is not" if username else "No user is"
        raise NotSignedInError(
            f"{who} signed in to the Azure CLI. Tokens of an application are stored for a user who is.",
            next_step=f"Sign in to the Azure CLI first:\n{AZ_LOGIN}",
        )
    active = rules.active_row(session.rows())
    if active is None or account_of(active).key not in {account_of(row).key for row in users}:
        return None
    return str(active["tenantId"])


def sign_in_to_application(
    session: Session, request: SignInRequest, client_id: str, authenticate: Authenticate
) -> SignInOutcome:
    """Sign a user in to another public client than the Azure CLI, and store its tokens beside those of the Azure CLI.

    :param client_id: application ID (GUID, in lower case).
    :return: the user's rows, as they were before.
    :raises SignInError: the sign-in failed, or another user signed in, who is not signed in to the Azure CLI.
    :raises StoreError: the tokens cannot be stored.
    """
    staged = session.clients.staged_tokens(client_id=client_id)
    account = authenticate_user(session, request, authenticate, staged.applications)
    rows: list[SubscriptionRow] = []
    with session.change(first=staged.keep) as state:
        in_cloud = rules.in_cloud(state.all_rows(), session.settings.cloud)
        rows += [row for row in in_cloud if account_of(row).key == account.key]
        if not rows:
            raise SignInError(
                f"'{account.label}' is not signed in to the Azure CLI, so the sign-in to the application was not "
                "stored.",
                next_step=f"Sign in as another user, or sign this one in to the Azure CLI first:\n{AZ_LOGIN}",
            )
    return SignInOutcome(account, rows, Discovery(()))
