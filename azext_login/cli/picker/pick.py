"""Lets the user choose a subscription: from a list with a search, or by its number on a simple terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from azext_login.cli.picker.choices import SUBSCRIPTIONS, Choice, ChoiceList, Wording, choices_of
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
    return rows[0] if len(rows) == 1 else choose(choices_of(rows), SUBSCRIPTIONS).row


def choose(choices: Sequence[Choice], wording: Wording) -> Choice:
    """Let the user choose from a list; the same applies as for `pick_subscription`."""
    from azext_login.cli.picker.screen import NoScreenError, choose_on_screen

    output = screen()
    if can_draw(os.environ):
        try:
            return choose_on_screen(ChoiceList(choices, wording), stdin=sys.stdin, screen=output)
        except NoScreenError as error:
            logger.warning("The list of %s cannot be shown: %s. Choose by number.", wording.plural, error)
    return _choose_by_number(choices, StandardTerminal(output), wording)


def announce(row: SubscriptionRow, terminal: StandardTerminal) -> None:
    """Show the chosen subscription."""
    choice = Choice.of(row)
    terminal.show(f"\nTenant: {choice.tenant}\nSubscription: {choice.name} ({choice.subscription_id})\n")


def _choose_by_number(choices: Sequence[Choice], terminal: StandardTerminal, wording: Wording) -> Choice:
    default = next((choice for choice in choices if choice.is_default), None)
    terminal.show(f"\n[{wording.heading}]\n\n{_table(choices, wording)}\n")
    if default is not None and wording is not SUBSCRIPTIONS:
        terminal.show(f"The active one, '{default.name}', is marked with an *.\n")
    elif default is not None:
        terminal.show(
            f"The default is marked with an *; the default tenant is '{default.tenant}' and subscription is "
            f"'{default.name}' ({default.subscription_id}).\n"
        )
    or_enter = " or Enter for no changes" if default is not None else ""
    while True:
        answer = terminal.ask(f"{wording.title} (Type a number{or_enter}): ")
        if default is not None and not answer:
            return default
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        terminal.show(f"'{answer}' is not a number between 1 and {len(choices)}.")


def _table(choices: Sequence[Choice], wording: Wording) -> str:
    from tabulate import tabulate

    several_accounts = len({choice.account for choice in choices}) > 1
    table = [
        {
            "No": f"[{number}]" + (" *" if choice.is_default else ""),
            wording.name: shorten(choice.name, _LONGEST_NAME),
            wording.subscription: choice.subscription_id,
            "Tenant": choice.tenant,
            **({"Account": choice.account} if several_accounts else {}),
        }
        for number, choice in enumerate(choices, start=1)
    ]
    return str(tabulate(table, headers="keys", tablefmt="simple", disable_numparse=True))
