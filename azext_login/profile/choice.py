"""The choice of an account and a subscription for one process, and what made it: variables or a context.

In this order: AZURE_LOGIN_ACCOUNT and AZURE_LOGIN_SUBSCRIPTION, the context in AZURE_LOGIN_CONTEXT, the context of the
directory. Nothing of the choice is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from azext_login.profile.choosers import ACCOUNT_VARIABLE as ACCOUNT_VARIABLE
from azext_login.profile.choosers import CONTEXT_VARIABLE as CONTEXT_VARIABLE
from azext_login.profile.choosers import SUBSCRIPTION_VARIABLE as SUBSCRIPTION_VARIABLE
from azext_login.profile.choosers import value_of

if TYPE_CHECKING:
    from azext_login.profile.context_file import ContextFile
    from azext_login.profile.contexts import Context
    from azext_login.profile.model import SubscriptionRow
    from azext_login.profile.state import ProfileState


class ChosenContext(NamedTuple):
    """The context that a process is in."""

    name: str
    """As it was chosen. From outside: it may be no valid name."""
    context: Context | None
    """None if no context has this name."""
    file: ContextFile | None = None
    """The file that chose it; None for the environment variable."""

    @property
    def origin(self) -> str:
        """What chose it, for messages: the variable, or the path of the file."""
        return CONTEXT_VARIABLE if self.file is None else self.file.path


class Choice(NamedTuple):
    """What this process uses in place of the stored default. The rules are in `chosen_view`."""

    account: str | None = None
    """A user name, an application ID, or the label of a managed identity: the only account that is used."""
    subscription: str | None = None
    """ID or name of the default subscription."""
    chosen: ChosenContext | None = None
    """The context, if no variable takes precedence over all of it."""
    is_default_given: bool = False
    """Whether the command names its subscription itself, so that nothing but the account of the choice counts."""
    refused: ContextFile | None = None
    """The file of the directory, if it does not count: it is not allowed, or cannot be used."""

    def __bool__(self) -> bool:
        """Tell whether anything is chosen."""
        return bool(self.account or self.subscription or self.chosen)

    @property
    def names_account(self) -> bool:
        """Whether one account is chosen."""
        return bool(self.account or self.chosen)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that take precedence over a context."""
        given = ((ACCOUNT_VARIABLE, self.account), (SUBSCRIPTION_VARIABLE, self.subscription))
        return tuple(name for name, value in given if value)

    @property
    def origin(self) -> str:
        """What made the choice, for messages: variables, or the path of a file."""
        return " and ".join(self.variables) or (self.chosen.origin if self.chosen else "")

    @property
    def cloud(self) -> str | None:
        """Name of the cloud of the context; None for the stored one."""
        return self.chosen.context.cloud if self.chosen and self.chosen.context else None

    def without_subscription(self) -> Choice:
        """Return the choice of the account alone, for a command that names its subscription itself."""
        return self._replace(subscription=None, is_default_given=True)


class View(NamedTuple):
    """The stored rows as one process sees them."""

    state: ProfileState
    """Every row. Those that the choice shows are in the active view, in place of the rows that shadow them."""
    rows: Sequence[SubscriptionRow]
    """The active view; without the rows of other accounts in the cloud if the choice names an account."""
    account: str | None = None
    """The only account (its key) that is used; None for all."""


def choice_from(environ: Mapping[str, str]) -> Choice:
    """Return the choice of these environment variables without contexts. A blank variable counts as not set."""
    return Choice(value_of(environ, ACCOUNT_VARIABLE), value_of(environ, SUBSCRIPTION_VARIABLE))


def find_choice(
    environ: Mapping[str, str],
    stored: Callable[[], tuple[Sequence[Any], Mapping[str, Any]]],
    find_file: Callable[[], ContextFile | None],
) -> Choice:
    """Return the choice of a process.

    :param stored: returns `ProfileState.contexts` and `ProfileState.allowed`. Called if a context is named.
    :param find_file: returns the file of the working directory (`find_context_file`). Called if no variable names a
        context.
    """
    choice = choice_from(environ)
    name = value_of(environ, CONTEXT_VARIABLE)
    file = find_file() if name is None else None
    if name is None and file is None:
        return choice
    contexts, allowed = stored()
    if file is not None:
        if not file.is_allowed(allowed):
            return choice if choice.account else choice._replace(refused=file)
        name = file.name
    from azext_login.profile.contexts import find_context

    context = find_context(contexts, str(name))
    if choice.account and (context is None or not context.account.matches(choice.account)):
        return choice
    return choice._replace(chosen=ChosenContext(str(name), context, file))
