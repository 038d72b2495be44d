"""Lets the user choose a subscription: from a list with a search, or by its number on a simple terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from azext_login.cli.picker.choices import Choice, ChoiceList, choices_of
from azext_login.profile.model import SubscriptionRow
from azext_login.system.log import get_logger
from azext_login.system.terminal.streams import can_draw, screen
from azext_login.system.terminal.terminal import StandardTerminal
from azext_login.system.text import shorten

logger = get_logger(__name__)

_LONGEST_NAME = 36


def pick_subscription(rows: Sequence[SubscriptionRow]) -> SubscriptionRow:
    """Let the user choose one of `rows`; Enter takes the current default. A single row is returned without a question.

    Both standard input and output must be terminals (`can_choose`).

    :param rows: at least one.
    :raises EOFError: the user chose none: Escape, Ctrl-D, or the input has ended.
    :raises KeyboardInterrupt: the user pressed Ctrl-C.
    """
    if len(rows) == 1:
        return rows[0]
    from azext_login.cli.picker.screen import NoScreenError, choose_on_screen

    choices = choices_of(rows)
    output = screen()
    if can_draw(os.environ):
        try:
            return choose_on_screen(ChoiceList(choices), stdin=sys.stdin, screen=output).row
        except NoScreenError as error:
            logger.warning("The list of subscriptions cannot be shown: %s. Choose by number.", error)
    return _choose_by_number(choices, StandardTerminal(output)).row


def announce(row: SubscriptionRow, terminal: StandardTerminal) -> None:
    """Show the chosen subscription."""
    choice = Choice.of(row)
    terminal.show(f"\nTenant: {choice.tenant}\nSubscription: {choice.name} ({choice.subscription_id})\n")


def _choose_by_number(choices: Sequence[Choice], terminal: StandardTerminal) -> Choice:
    default = next((choice for choice in choices if choice.is_default), None)
    terminal.show(f"\n[Tenant and subscription selection]\n\n{_table(choices)}\n")
    if default is not None:
        terminal.show(
            f"The default is marked with an *; the default tenant is '{default.tenant}' and subscription is "
            f"'{default.name}' ({default.subscription_id}).\n"
        )
    or_enter = " or Enter for no changes" if default is not None else ""
    while True:
        answer = terminal.ask(f"Select a subscription and tenant (Type a number{or_enter}): ")
        if default is not None and not answer:
            return default
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        terminal.show(f"'{answer}' is not a number between 1 and {len(choices)}.")


def _table(choices: Sequence[Choice]) -> str:
    from tabulate import tabulate

    several_accounts = len({choice.account for choice in choices}) > 1
    table = [
        {
            "No": f"[{number}]" + (" *" if choice.is_default else ""),
            "Subscription name": shorten(choice.name, _LONGEST_NAME),
            "Subscription ID": choice.subscription_id,
            "Tenant": choice.tenant,
            **({"Account": choice.account} if several_accounts else {}),
        }
        for number, choice in enumerate(choices, start=1)
    ]
    return str(tabulate(table, headers="keys", tablefmt="simple", disable_numparse=True))
