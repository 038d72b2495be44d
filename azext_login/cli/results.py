"""Passes long lists of plain rows to the host without its conversion of SDK models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azext_login.profile.model import SubscriptionRow


class PlainRows:
    """Rows in a form that the host does not convert.

    The host converts every result into dictionaries and lists and then looks for resource IDs in it, value by value.
    Rows are dictionaries already, and with ten thousand rows the conversion takes longer than everything else. It skips
    an object without attributes of its own (azure.cli.core.util.todict), and for one that cannot be iterated over it
    does not load the SDKs' pages (azure.cli.core.commands, `_is_paged`). `register_result_hook` turns the object into a
    list before a query or an output format sees it.
    """

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[SubscriptionRow]):
        self.rows = rows


def share_equal_strings(rows: Sequence[SubscriptionRow]) -> None:
    """Let rows share equal values, such as the tenant's name. No value changes.

    The parser creates a new string for each value. In a long list, these take most of the memory, which the output
    needs.
    """
    known: dict[str, str] = {}
    for row in rows:
        for part in (row, row["user"]):
            for key, value in part.items():
                if type(value) is str:
                    part[key] = known.setdefault(value, value)


def register_result_hook(cli_ctx: Any) -> None:
    """Turn `PlainRows` into lists, after the host's transformations and before its filters."""
    from knack.events import EVENT_INVOKER_TRANSFORM_RESULT

    def to_list(_: Any, event_data: dict[str, Any], **__: Any) -> None:
        if isinstance(event_data["result"], PlainRows):
            event_data["result"] = list(event_data["result"].rows)

    cli_ctx.register_event(EVENT_INVOKER_TRANSFORM_RESULT, to_list)


def with_cloud_name(row: SubscriptionRow) -> SubscriptionRow:
    """Return the row as it is shown: `environmentName` reads `cloudName` and comes last."""
    # Built key by key: a copy that a key is removed from keeps the memory for it, ten thousand times.
    shown = {key: value for key, value in row.items() if key != "environmentName"}
    shown["cloudName"] = row.get("environmentName")
    return shown
