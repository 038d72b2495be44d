"""`az account context use` without a name: the user chooses one."""

from __future__ import annotations

from collections.abc import Sequence

from azext_login.cli.collector import resume
from azext_login.cli.picker.choices import CONTEXTS, Choice
from azext_login.cli.picker.pick import choose
from azext_login.errors import AccountError
from azext_login.profile.model import SubscriptionRow
from azext_login.usecases.contexts import ContextStatus


def pick_context(contexts: Sequence[ContextStatus]) -> str:
    """Let the user choose a context, and return its name. A single one is returned without a question.

    :raises AccountError: there is no context, or the user chose none.
    :raises KeyboardInterrupt: the user pressed Ctrl-C. Nothing was changed.
    """
    resume()
    if not contexts:
        raise AccountError("There are no contexts.", "To create one, run:\naz account context create --name NAME")
    if len(contexts) == 1:
        return contexts[0].context.name
    try:
        return str(choose([_choice_of(status) for status in contexts], CONTEXTS).row["name"])
    except EOFError as cancelled:
        raise AccountError(
            "No context was chosen. Nothing was changed.",
            "To choose one without the list, run:\naz account context use --name NAME",
        ) from cancelled


def _choice_of(status: ContextStatus) -> Choice:
    context, row = status.context, status.row
    shown: SubscriptionRow = {
        **(row or {"state": "subscription not listed" if status.is_signed_in else "not signed in"}),
        "name": context.name,
        "id": context.subscription if row is None else row["name"],
        "tenantId": context.tenant,
        "user": {"name": context.account.label},
        "isDefault": status.reason is not None,
    }
    return Choice.of(shown)
