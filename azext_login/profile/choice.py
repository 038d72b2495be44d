"""The choice of an account and a subscription for one process: two environment variables. Nothing of it is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azext_login.profile.model import SubscriptionRow
    from azext_login.profile.state import ProfileState

ACCOUNT_VARIABLE = "AZURE_LOGIN_ACCOUNT"
SUBSCRIPTION_VARIABLE = "AZURE_LOGIN_SUBSCRIPTION"


@dataclass(frozen=True)
class Choice:
    """What this process uses in place of the stored default. The rules are in `chosen_view`."""

    account: str | None = None
    """A user name, an application ID, or the label of a managed identity: the only account that is used."""
    subscription: str | None = None
    """ID or name of the default subscription."""

    def __bool__(self) -> bool:
        """Tell whether anything is chosen."""
        return bool(self.account or self.subscription)

    @property
    def origin(self) -> str:
        """What made the choice, for messages."""
        given = ((ACCOUNT_VARIABLE, self.account), (SUBSCRIPTION_VARIABLE, self.subscription))
        return " and ".join(name for name, value in given if value)

    def without_subscription(self) -> Choice:
        """Return the choice of the account alone, for a command that names its subscription itself."""
        return Choice(account=self.account)


@dataclass(frozen=True)
class View:
    """The stored rows as one process sees them."""

    state: ProfileState
    """Every row. Those that the choice shows are in the active view, in place of the rows that shadow them."""
    rows: Sequence[SubscriptionRow]
    """The active view; without the rows of other accounts in the cloud if the choice names an account."""
    account: str | None = None
    """The only account (its key) that is used; None for all."""


def choice_from(environ: Mapping[str, str]) -> Choice:
    """Return the choice of these environment variables. A blank variable counts as not set."""
    return Choice(_value(environ, ACCOUNT_VARIABLE), _value(environ, SUBSCRIPTION_VARIABLE))


def _value(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name, "").strip() or None
