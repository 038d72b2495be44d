"""The error about a word that names several subscriptions, accounts or tenants, with the commands that choose one."""

from __future__ import annotations

from collections.abc import Iterable

from azext_login.errors import AccountError
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.command_line import Command
from azext_login.system.text import printable

# More choices than these are not listed.
_MOST_CHOICES = 20


def ambiguous(
    message: str, choices: Iterable[tuple[str, Command]], *, advice: str = "To choose one, run one of:"
) -> AccountError:
    """Return the error.

    :param choices: what each command chooses, and the command. It contains IDs, so that it chooses one.
    :param advice: what the user does with the commands.
    """
    listed = list(dict.fromkeys((label, str(command)) for label, command in choices))
    lines = [f"{printable(label)}:\n{command}" for label, command in listed[:_MOST_CHOICES]]
    if len(listed) > _MOST_CHOICES:
        lines.append("For the others, see:\naz account list --all-identities --output table")
    return AccountError(message, "\n".join([advice, *lines]))


def several_subscriptions(word: str, rows: Iterable[SubscriptionRow], again: Command) -> AccountError:
    """Return the error about a name that several subscriptions have, in the words of the built-in.

    :param again: the command that failed.
    """
    return ambiguous(
        f"Multiple subscriptions with the name '{printable(word)}' found. Specify the subscription ID.",
        ((label_of(row), again.with_option("--subscription", str(row["id"]))) for row in rows),
    )


def several_accounts(message: str, rows: Iterable[SubscriptionRow], again: Command) -> AccountError:
    """Return the error about accounts between which --username decides.

    :param again: the command that failed.
    """
    names = dict.fromkeys(account_of(row).label for row in rows)
    return ambiguous(message, ((name, again.with_option("--username", name)) for name in names))


def several_tenants(word: str, rows: Iterable[SubscriptionRow], again: Command) -> AccountError:
    """Return the error about a display name that several tenants have.

    :param again: the command that failed.
    """
    tenants = {str(row["tenantId"]): tenant_label(row) for row in rows}
    return ambiguous(
        f"Multiple tenants with the name '{printable(word)}' found. Specify the tenant ID.",
        ((label, again.with_option("--tenant", tenant)) for tenant, label in tenants.items()),
    )


def label_of(row: SubscriptionRow) -> str:
    """Return what distinguishes a subscription from others with its name."""
    return f"{row['name']} in tenant {tenant_label(row)}, as {account_of(row).label}"


def tenant_label(row: SubscriptionRow) -> str:
    """Return the best known name of a row's tenant."""
    return str(row.get("tenantDefaultDomain") or row.get("tenantDisplayName") or row["tenantId"])


def set_command(row: SubscriptionRow) -> Command:
    """Return the command that makes exactly this row the active one."""
    command = Command(("az", "account", "set")).with_option("--subscription", str(row["id"]))
    return command.with_option("--username", account_of(row).label).with_option("--tenant", str(row["tenantId"]))
