"""The choice of a subscription by a person: in a list to search, or by its number where the terminal can do no more."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from knack.log import get_logger

from azext_login.cli.picker.choices import Choice, ChoiceList, SubscriptionRow, choices_of
from azext_login.system.terminal.terminal import StandardTerminal, can_draw, screen
from azext_login.system.text import shorten

if TYPE_CHECKING:
    from typing import TextIO

logger = get_logger(__name__)

_LONGEST_NAME = 36


def pick_subscription(
    rows: Sequence[SubscriptionRow],
    *,
    stdin: TextIO | None = None,
    output: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> SubscriptionRow:
    """Let the person choose one of `rows`, at least one; Enter takes the current default.

    To be called where both standard input and output are terminals (`can_choose`).

    :param stdin: standard input unless given.
    :param output: the terminal to write to; `_terminal.screen()` unless given.
    :raises EOFError: the person chose nothing: Escape, Ctrl-D, or the input has ended.
    :raises KeyboardInterrupt: the person pressed Ctrl-C.
    """
    from azext_login.cli.picker.screen import NoScreenError, choose_on_screen

    choices = choices_of(rows)
    output = output or screen()
    if can_draw(environ):
        try:
            return choose_on_screen(ChoiceList(choices), stdin=stdin or sys.stdin, screen=output).row
        except NoScreenError as error:
            logger.info("Subscriptions are chosen by number: %s", error)
    return _choose_by_number(choices, StandardTerminal(output)).row


def announce(row: SubscriptionRow, terminal: StandardTerminal) -> None:
    """Show what was chosen."""
    choice = Choice.of(row)
    terminal.say(f"\nTenant: {choice.tenant}\nSubscription: {choice.name} ({choice.subscription_id})\n")


def _choose_by_number(choices: Sequence[Choice], terminal: StandardTerminal) -> Choice:
    default = next((choice for choice in choices if choice.is_default), None)
    terminal.say(f"\n[Tenant and subscription selection]\n\n{_table(choices)}\n")
    if default is not None:
        terminal.say(
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
        terminal.say(f"'{answer}' is not a number between 1 and {len(choices)}.")


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
