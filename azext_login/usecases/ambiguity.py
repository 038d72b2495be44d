"""The error about a word that names several subscriptions, accounts or tenants, with the commands that choose one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from azext_login.errors import AccountError
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.system.command_line import option_words, quote_command
from azext_login.system.text import printable

# More choices than these are not listed.
_MOST_CHOICES = 20

Words = Sequence[str]
"""The words of a command."""


def ambiguous(message: str, choices: Iterable[tuple[str, Words]]) -> AccountError:
    """Return the error.

    :param choices: what each command chooses, and its words. The words contain IDs, so that they choose one.
    """
    listed = list(dict.fromkeys((label, quote_command(*words)) for label, words in choices))
    lines = [f"{printable(label)}:\n{command}" for label, command in listed[:_MOST_CHOICES]]
    if len(listed) > _MOST_CHOICES:
        lines.append("For the others, see:\naz account list --all-identities --output table")
    return AccountError(message, "\n".join(["To choose one, run one of:", *lines]))


def several_subscriptions(word: str, rows: Iterable[SubscriptionRow], command: Words) -> AccountError:
    """Return the error about a name that several subscriptions have, in the words of the built-in.

    :param command: the command that failed, without its subscription.
    """
    return ambiguous(
        f"Multiple subscriptions with the name '{printable(word)}' found. Specify the subscription ID.",
        ((label_of(row), [*command, *option_words("--subscription", str(row["id"]))]) for row in rows),
    )


def several_accounts(message: str, rows: Iterable[SubscriptionRow], command: Words) -> AccountError:
    """Return the error about accounts between which --username decides.

    :param command: the command that failed, without its account.
    """
    names = dict.fromkeys(account_of(row).label for row in rows)
    return ambiguous(message, ((name, [*command, *option_words("--username", name)]) for name in names))


def several_tenants(word: str, rows: Iterable[SubscriptionRow], command: Words) -> AccountError:
    """Return the error about a display name that several tenants have.

    :param command: the command that failed, without its tenant.
    """
    tenants = {str(row["tenantId"]): tenant_label(row) for row in rows}
    return ambiguous(
        f"Multiple tenants with the name '{printable(word)}' found. Specify the tenant ID.",
        ((label, [*command, *option_words("--tenant", tenant)]) for tenant, label in tenants.items()),
    )


def label_of(row: SubscriptionRow) -> str:
    """Return what distinguishes a subscription from others with its name."""
    return f"{row['name']} in tenant {tenant_label(row)}, as {account_of(row).label}"


def tenant_label(row: SubscriptionRow) -> str:
    """Return the best known name of a row's tenant."""
    return str(row.get("tenantDefaultDomain") or row.get("tenantDisplayName") or row["tenantId"])


def set_command(row: SubscriptionRow) -> str:
    """Return the command that makes exactly this row the active one."""
    account = option_words("--username", account_of(row).label)
    return quote_command(
        "az", "account", "set", "--subscription", str(row["id"]), *account, "--tenant", str(row["tenantId"])
    )
