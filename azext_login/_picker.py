"""The choice of a subscription after an interactive sign-in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._terminal import StandardTerminal

Row = Mapping[str, Any]

_LONGEST_NAME = 36


def pick_subscription(rows: Sequence[Row], terminal: StandardTerminal) -> Row:
    """Let the person choose one of `rows` by its number; Enter keeps the current default.

    :raises EOFError: the input has ended.
    """
    ordered = sorted(rows, key=lambda row: str(row["name"]).lower())
    current = next((row for row in ordered if row["isDefault"]), ordered[0])
    terminal.say(f"\n[Tenant and subscription selection]\n\n{_table(ordered)}\n")
    terminal.say(
        f"The default is marked with an *; the default tenant is '{tenant_label(current)}' and subscription is "
        f"'{current['name']}' ({current['id']}).\n"
    )
    chosen = _ask(ordered, current, terminal)
    terminal.say(f"\nTenant: {tenant_label(chosen)}\nSubscription: {chosen['name']} ({chosen['id']})\n")
    return chosen


def tenant_label(row: Row) -> str:
    """Return the tenant's name where it is known, otherwise its ID."""
    return str(row.get("tenantDisplayName") or row["tenantId"])


def _ask(ordered: Sequence[Row], current: Row, terminal: StandardTerminal) -> Row:
    while True:
        answer = terminal.ask("Select a subscription and tenant (Type a number or Enter for no changes): ")
        if not answer:
            return current
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= len(ordered):
            return ordered[int(answer) - 1]
        terminal.say(f"'{answer}' is not a number between 1 and {len(ordered)}.")


def _table(ordered: Sequence[Row]) -> str:
    from tabulate import tabulate

    table = [
        {
            "No": f"[{number}]" + (" *" if row["isDefault"] else ""),
            "Subscription name": _shortened(str(row["name"])),
            "Subscription ID": row["id"],
            "Tenant": tenant_label(row),
        }
        for number, row in enumerate(ordered, start=1)
    ]
    return str(tabulate(table, headers="keys", tablefmt="simple", disable_numparse=True))


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3] + "..."
