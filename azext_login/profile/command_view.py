"""What a command that is not ours sees of the stored rows, and what of its changes to them is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.choice import Choice, View
from azext_login.profile.chosen_view import apply_choice, find_shadowed, not_found, with_leaders
from azext_login.profile.model import SubscriptionRow, account_of
from azext_login.profile.state import ProfileState, Slot, slot_of


def rows_of_command(
    state: ProfileState, choice: Choice, cloud: str, subscription: str | None = None
) -> list[SubscriptionRow]:
    """Return the rows of every cloud that a command sees, at most one for each subscription.

    :param subscription: what the command gives as --subscription (ID or name). A shadowed row is shown if no other row
        has it. The command does not need the chosen subscription then.
    :raises NotSignedInError: the chosen account is not signed in.
    :raises AccountError: the choice names nothing, or several rows, or it hides the subscription that is given.
    """
    view = _with_choice(state, choice, cloud, is_given=bool(subscription))
    leaders: dict[Slot, SubscriptionRow] = {}
    in_view = {slot_of(row) for row in view.state.rows}
    if in_view:
        # A built-in command has removed the rows that shadowed these.
        for row in view.state.shadowed:
            if slot_of(row) not in in_view:
                leaders.setdefault(slot_of(row), row)
    if subscription and not words.with_subscription(rules.in_cloud(view.rows, cloud), subscription):
        row_given = _shadowed(view, subscription, cloud)
        if row_given is not None:
            leaders[slot_of(row_given)] = row_given
        elif view.account is not None and words.with_subscription(_of_others(view, cloud), subscription):
            # The host's error would not tell why.
            raise not_found(subscription, choice)
    if not leaders:
        return list(view.rows)
    rows = with_leaders(view.state, leaders, None).rows
    return [row for row in rows if row["environmentName"] != cloud or view.account in (None, account_of(row).key)]


def rows_to_store(
    written: Sequence[SubscriptionRow], shown: Sequence[SubscriptionRow], stored: Sequence[SubscriptionRow]
) -> list[SubscriptionRow]:
    """Return the rows to store after a command has changed the rows that it sees, and writes them.

    A row that it did not change stays as it is stored, and a row that it did not see stays. The stored default stays
    unless the command chose another one than it saw.
    """
    seen = {slot_of(row): row for row in shown}
    new = {slot_of(row): row for row in written}
    before, after = rules.active_row(shown), rules.active_row(written)
    default = slot_of(after) if after is not None and (before is None or slot_of(before) != slot_of(after)) else None
    rows = []
    for row in stored:
        slot = slot_of(row)
        if slot not in new:
            if slot not in seen or not _is_same(row, seen[slot]):
                rows.append(row)
        elif slot in seen and _is_same(new[slot], seen[slot]) and slot != default:
            rows.append(row)
        else:
            rows.append({**new[slot], "isDefault": bool(row.get("isDefault"))})
    known = set(map(slot_of, stored))
    for slot, row in new.items():
        is_unchanged = slot in seen and _is_same(row, seen[slot])
        if slot not in known and (not is_unchanged or slot == default):
            rows.append({**row, "isDefault": False})
    if default is None:
        return rows
    return [{**row, "isDefault": slot_of(row) == default} for row in rows]


def _with_choice(state: ProfileState, choice: Choice, cloud: str, *, is_given: bool) -> View:
    if not choice:
        return View(state, state.rows)
    if is_given and choice.chosen is not None:
        # A subscription in a variable would take precedence over the context, and with it over the context's account.
        choice = choice.without_subscription()
    try:
        return apply_choice(state, choice, cloud)
    except (AccountError, NotSignedInError):
        if not is_given or not choice.subscription:
            raise
    return _with_choice(state, choice.without_subscription(), cloud, is_given=is_given)


def _shadowed(view: View, subscription: str, cloud: str) -> SubscriptionRow | None:
    try:
        return find_shadowed(view, subscription, cloud)
    except AccountError:
        # The host reports that the subscription is not found.
        return None


def _of_others(view: View, cloud: str) -> list[SubscriptionRow]:
    return [row for row in rules.in_cloud(view.state.all_rows(), cloud) if account_of(row).key != view.account]


def _is_same(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return {**row, "isDefault": None} == {**other, "isDefault": None}
