"""A tenant that is not the account's: the account is asked first, and then the one that is signed in to the tenant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from azext_login.errors import AccountError
from azext_login.hooks.one_warning import work_of_hook
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.log import get_logger
from azext_login.system.text import printable
from azext_login.usecases.choose_account import AccountChoice, is_not_in_tenant, other_accounts
from azext_login.usecases.session import Session

logger = get_logger(__name__)


class TenantCredential:
    """The credential of an account in another tenant, until Entra ID refuses it because the account is not in there."""

    def __init__(self, credential: Any, find_other: Callable[[], Any]):
        """:param credential: the account's credential, as the host made it or as ours.
        :param find_other: returns that of the other account; None if no account can be chosen.
        """
        self._credential = credential
        self._find_other: Callable[[], Any] | None = find_other
        self._turn = threading.Lock()

    def acquire_token(self, scopes: Any, **options: Any) -> Any:
        """Return MSAL's result for the first account that gets a token, or raise the error of the first one."""
        credential = self._credential
        try:
            return credential.acquire_token(scopes, **options)
        except Exception as error:
            if not is_not_in_tenant(error) or self._choose_other(credential) is credential:
                raise
        return self._credential.acquire_token(scopes, **options)

    def _choose_other(self, refused: Any) -> Any:
        """Return the credential to use in place of the refused one: the same if there is no other."""
        with self._turn:
            find_other, self._find_other = self._find_other, None
            if find_other is not None:
                self._credential = find_other() or refused
            return self._credential


def find_other_account(session: Session, row: SubscriptionRow, tenant: str, reason: str) -> SubscriptionRow | None:
    """Return a row of the one other account that is signed in to a tenant, and report that it is used.

    None if there is no such account, if the environment names the account, or if there are several. The commands that
    choose one of several are a warning.

    :param reason: why the account of the row is not used.
    """
    choice = AccountChoice(row, None, other_accounts(session, row, tenant), tenant)
    if not choice.others:
        return None
    try:
        return choice.only_other(reason)
    except AccountError as error:
        with work_of_hook():
            logger.warning("%s", "\n".join([str(error), *error.recommendations]))
        return None


def not_in_tenant(row: SubscriptionRow) -> str:
    """Return the reason for another account than that of the row, after Entra ID has refused it."""
    return f"'{printable(account_of(row).label)}' is not in this tenant"
