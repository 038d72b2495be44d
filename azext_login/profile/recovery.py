"""What to restore when azureProfile.json is not the one that we wrote last. Decides; does not read or write a file.

A process of the host writes the file from a copy that it read earlier, without a lock. So the file may be older than
ours with something added, or an empty one that replaced a damaged one. Each of our writes increments a generation in a
key of our own, which the host copies along, and the last written document is kept beside the file:

* The file has the generation of the copy: all differences were made on purpose, for example by `az account clear`. Only
  rows that a built-in sign-in of a shadowed identity has removed from the active view are restored.
* The file has an older generation: an old copy was written over ours. Missing rows, newer content of the other rows,
  and choices are restored.
* The file has no generation: the host has reset the file, or it comes from elsewhere. Missing rows are restored.

A row is restored only if its account can still be used, so an account that has signed out does not return. For a
managed identity, only rows are stored. Its rows count as usable if they are in the copy, or in a file that is not
older; but not after `az account clear`, which leaves an empty list.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from azext_login.profile.model import SubscriptionRow, account_of, bring_up_to_date
from azext_login.profile.state import (
    ALLOWED,
    CONTEXTS,
    OWN_KEY,
    SUBSCRIPTIONS,
    UNUSABLE,
    Document,
    ProfileState,
    RowKey,
    Slot,
    generation_of,
    is_sound,
    key_of,
    slot_of,
)
from azext_login.profile.subscriptions import active_row, move_to_active_view
from azext_login.system.text import printable

HasCredentials = Callable[[SubscriptionRow], bool]
"""Tells whether tokens or a secret of a row's account are still stored here."""


@dataclass(frozen=True)
class Recovery:
    """A repaired document, and what to tell the user ("" for nothing)."""

    document: Document
    note: str


def recover(
    document: object, last_good: Document, has_credentials: HasCredentials, active_cloud: str | None = None
) -> Recovery:
    """Restore what an outdated or damaged document has lost.

    :param active_cloud: the default in an outdated file is kept only if it is of this cloud and ours is not.
    """
    found: Document = dict(document) if isinstance(document, dict) else {}
    generation = generation_of(found)
    good = ProfileState.of(deepcopy(last_good))
    state = ProfileState.of(found)
    repairs = _repairs(found, state)
    known = {key_of(row) for row in state.all_rows()}
    good_keys = {key_of(row) for row in good.all_rows()}

    is_older = generation is not None and generation < (generation_of(last_good) or 0)
    is_cleared = generation is not None and found.get(SUBSCRIPTIONS) == []

    def is_signed_in(row: SubscriptionRow) -> bool:
        if account_of(row).keeps_to_its_tenant:
            return not is_cleared and (key_of(row) in good_keys or not is_older)
        return has_credentials(row)

    if generation is not None:
        # An old copy also contains accounts that have signed out since.
        state.rows = [row for row in state.rows if key_of(row) in good_keys or is_signed_in(row)]
    # A built-in sign-in of a shadowed identity adds its row to the active view and leaves it among the shadowed ones.
    active_view = {key_of(row) for row in state.rows}
    repeated = {slot_of(row) for row in state.shadowed if key_of(row) in active_view}
    state.shadowed = [row for row in state.shadowed if key_of(row) not in active_view]
    # Built-in commands that sign out or clear accounts leave the shadowed rows in our key.
    orphans, state.shadowed = _split(state.shadowed, {slot_of(row) for row in state.rows})
    missing = [row for row in good.all_rows() if key_of(row) not in known and is_signed_in(row)]
    is_stale = (
        generation is None
        or is_older
        # No command removes the list itself: `az account clear` leaves an empty one.
        or not isinstance(found.get(SUBSCRIPTIONS), list)
    )
    outdated = 0
    if is_stale and generation is not None:
        newer = {key_of(row): row for row in good.all_rows()}
        both = [row for row in state.all_rows() if key_of(row) in newer]
        outdated = sum([bring_up_to_date(row, newer[key_of(row)]) for row in both])
    if not is_stale:
        # The other missing rows were removed on purpose, unless our own key is damaged.
        damaged = set() if is_sound(found) else {key_of(row) for row in good.shadowed}
        missing = [row for row in missing if key_of(row) in damaged or slot_of(row) in repeated]
    found_default = active_row(state.rows)
    # A file from elsewhere keeps its default. A file that the host has reset has no default.
    ours = active_row(good.rows) if is_stale and (generation is not None or found_default is None) else None
    state.shadowed = [row for row in state.shadowed if is_signed_in(row)]
    left = [row for row in orphans if is_signed_in(row)]
    _place(state, left + missing)
    default = _default(found_default, ours, state, active_cloud)
    chosen_again = False
    if is_stale and generation is not None:
        chosen_again = _choose_again(state, good, default, known)
    if default is not None:
        move_to_active_view(state, default)
        chosen_again = chosen_again or (found_default is not None and key_of(default) != key_of(found_default))
    for row in state.all_rows():
        row["isDefault"] = row is default
    _restore_contexts(state, good, found, is_stale=is_stale)
    if is_stale:
        state.previous, state.choices = good.previous, good.choices
        state.refresh_failures = good.refresh_failures
        lost = (row for row in good.unusable if row not in state.unusable)
        state.unusable += [row for row in lost if not _has_account(row) or has_credentials(row)]

    for name, value in last_good.items():
        if name != OWN_KEY:
            found.setdefault(name, deepcopy(value))
    state.write_to(found, max(generation or 0, generation_of(last_good) or 0))
    if generation is None:
        cause = "had been damaged or reset by another process"
    elif is_stale:
        cause = "had been overwritten with an older copy by another process"
    else:
        cause = "had been changed by another program" if repairs else "had been changed by a built-in command"
    if is_cleared and left:
        # A built-in `az account clear` that did not finish was meant to remove these rows too.
        repairs.append(
            f"{len(left)} subscription(s) were kept, because the tokens or secrets of their accounts are still stored "
            "(`az account clear` removes them)"
        )
    return Recovery(found, _note(cause, len(missing), outdated, chosen_again, repairs, default))


def _restore_contexts(state: ProfileState, good: ProfileState, found: Document, *, is_stale: bool) -> None:
    """Restore contexts and allowed directories: no command of the host changes them.

    A file of the copy's generation, or a newer one, has the right ones unless they are damaged.
    """
    own = found.get(OWN_KEY)
    if not isinstance(own, dict) or generation_of(found) is None:
        state.contexts = _with_missing(good.contexts, state.contexts)
        state.allowed = {**state.allowed, **good.allowed}
    elif is_stale:
        state.contexts, state.allowed = good.contexts, good.allowed
    else:
        if state.contexts != own.get(CONTEXTS, []):
            state.contexts = _with_missing(state.contexts, good.contexts)
        if state.allowed != own.get(ALLOWED, {}):
            state.allowed = good.allowed


def _with_missing(contexts: list[Any], others: list[Any]) -> list[Any]:
    """Return contexts, and those of the others that have another name."""
    names = {context["name"].lower() for context in contexts}
    return contexts + [context for context in others if context["name"].lower() not in names]


def _repairs(found: Document, state: ProfileState) -> list[str]:
    """Return what is repaired in a document, for the user."""
    repairs = []
    own = found.get(OWN_KEY)
    already = own.get(UNUSABLE) if isinstance(own, dict) else None
    unusable = len(state.unusable) - (len(already) if isinstance(already, list) else 0)
    if unusable:
        repairs.append(f"{unusable} row(s) with which built-in commands fail were moved to {OWN_KEY}.{UNUSABLE} in it")
    if sum(bool(row.get("isDefault")) for row in state.rows) > 1:
        repairs.append("several subscriptions were active, and one was kept")
    return repairs


def _split(shadowed: list[SubscriptionRow], slots: set[Slot]) -> tuple[list[SubscriptionRow], list[SubscriptionRow]]:
    """Return the rows that no row of the active view shadows any more, and those that one shadows.

    :param slots: those of the active view.
    """
    return [row for row in shadowed if slot_of(row) not in slots], [row for row in shadowed if slot_of(row) in slots]


def _place(state: ProfileState, missing: list[SubscriptionRow]) -> None:
    taken = {slot_of(row) for row in state.rows}
    for row in missing:
        if slot_of(row) in taken:
            state.shadowed.append(row)
        else:
            taken.add(slot_of(row))
            state.rows.append(row)


def _choose_again(state: ProfileState, good: ProfileState, default: SubscriptionRow | None, known: set[RowKey]) -> bool:
    """Move the rows of our copy's active view back to the active view, where other rows shadow them.

    :param default: the row of its subscription stays.
    :return: whether that changes the active view of the file.
    """
    shadowed = {key_of(row): row for row in state.shadowed}
    again = [shadowed[key_of(row)] for row in good.rows if key_of(row) in shadowed]
    again = [row for row in again if default is None or slot_of(row) != slot_of(default)]
    for row in again:
        move_to_active_view(state, row)
    return any(key_of(row) in known for row in again)


def _default(
    found: SubscriptionRow | None, good: SubscriptionRow | None, state: ProfileState, active_cloud: str | None
) -> SubscriptionRow | None:
    """Return the default: the newer choice of our copy, unless that is one of a cloud that is not active."""
    if good is None:
        return found
    ours = next((row for row in state.all_rows() if key_of(row) == key_of(good)), None)
    ours = ours or next((row for row in state.rows if slot_of(row) == slot_of(good)), None)
    if ours is None:
        return found
    if found is not None and active_cloud is not None and slot_of(found)[0] == active_cloud != slot_of(ours)[0]:
        return found
    return ours


def _has_account(row: object) -> bool:
    return isinstance(row, dict) and isinstance(row.get("user"), dict) and bool(row["user"].get("name"))


def _note(
    cause: str, missing: int, outdated: int, chosen_again: bool, repairs: list[str], default: SubscriptionRow | None
) -> str:
    restored = []
    if missing:
        restored.append(f"{missing} missing subscription(s) were restored")
    if outdated:
        restored.append(f"newer details of {outdated} subscription(s) were restored")
    if chosen_again:
        restored.append("your last choice was restored")
    restored += repairs
    if not restored:
        return ""
    active = ""
    if default is not None:
        active = f" Active now: '{printable(default['name'])}' of {printable(account_of(default).label)}."
    return f"azureProfile.json {cause}; {', '.join(restored)}.{active}"
