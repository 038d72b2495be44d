"""What to do when azureProfile.json is not the one that we wrote last. Decides; reads and writes nothing.

A process of the host writes the file from a copy that it read earlier, without a lock. So the file may be an older one
than ours with something added, or an empty one that replaced a damaged one. Each of our writes counts up a generation
in a key of our own, which the host copies along, and the last written document is kept beside the file:

* the file has the generation of the copy: whatever differs was done on purpose by somebody, such as `az account clear`;
  only what a built-in sign-in has pushed out of the place of an identity that stood behind it comes back;
* it has an older one: an old copy was written over ours, and what it is behind with comes back: rows that are missing,
  newer content of others, and choices;
* it has none: the host has reset the file, or it comes from elsewhere, and the rows that are missing come back.

A row comes back only if its account can still be used: nobody who has logged out is offered again. Of an identity of
the machine nothing but its rows is stored, so they count: those of the copy, and those of a file that is not older. An
empty list, which is what `az account clear` leaves, speaks against them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from azext_login.profile.model import SubscriptionRow, account_of, bring_up_to_date
from azext_login.profile.state import (
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
from azext_login.profile.subscriptions import active_row, put_in_front
from azext_login.system.text import printable

HasCredentials = Callable[[SubscriptionRow], bool]
"""Tells whether tokens or a secret of a row's account are still stored here."""


@dataclass(frozen=True)
class Recovery:
    """A document that was put together again, and what to tell the person ("" for nothing)."""

    document: Document
    note: str


def recover(
    document: object, last_good: Document, has_credentials: HasCredentials, active_cloud: str | None = None
) -> Recovery:
    """Bring back what a document that is not current has lost.

    :param active_cloud: the choice of a stale file counts only if it is one for this cloud and ours is not.
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
        # An old copy also brings back accounts that have logged out since.
        state.rows = [row for row in state.rows if key_of(row) in good_keys or is_signed_in(row)]
    # A built-in sign-in of somebody whose row stood behind another one puts it in front as well.
    front = {key_of(row) for row in state.rows}
    repeated = {slot_of(row) for row in state.others if key_of(row) in front}
    state.others = [row for row in state.others if key_of(row) not in front]
    # Whoever signs out or clears with built-in commands leaves our own rows behind.
    orphans, state.others = _split(state.others, {slot_of(row) for row in state.rows})
    missing = [row for row in good.all_rows() if key_of(row) not in known and is_signed_in(row)]
    is_stale = (
        generation is None
        or is_older
        # Nobody removes the list itself on purpose: an empty one is what is left by `az account clear`.
        or not isinstance(found.get(SUBSCRIPTIONS), list)
    )
    outdated = 0
    if is_stale and generation is not None:
        newer = {key_of(row): row for row in good.all_rows()}
        both = [row for row in state.all_rows() if key_of(row) in newer]
        outdated = sum([bring_up_to_date(row, newer[key_of(row)]) for row in both])
    if not is_stale:
        # Whatever else is missing was removed on purpose, unless our own key is what is damaged.
        damaged = set() if is_sound(found) else {key_of(row) for row in good.others}
        missing = [row for row in missing if key_of(row) in damaged or slot_of(row) in repeated]
    found_default = active_row(state.rows)
    # A file from elsewhere keeps its choice. One that the host has reset has none.
    ours = active_row(good.rows) if is_stale and (generation is not None or found_default is None) else None
    state.others = [row for row in state.others if is_signed_in(row)]
    left = [row for row in orphans if is_signed_in(row)]
    _place(state, left + missing)
    default = _default(found_default, ours, state, active_cloud)
    chosen_again = False
    if is_stale and generation is not None:
        chosen_again = _choose_again(state, good, default, known)
    if default is not None:
        put_in_front(state, default)
        chosen_again = chosen_again or (found_default is not None and key_of(default) != key_of(found_default))
    for row in state.all_rows():
        row["isDefault"] = row is default
    if is_stale:
        state.previous, state.choices = good.previous, good.choices
        state.refresh_failures = good.refresh_failures
        lost = (row for row in good.unusable if row not in state.unusable)
        state.unusable += [row for row in lost if not _is_of_somebody(row) or has_credentials(row)]

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
        # Whoever cleared the list, with a built-in command that did not come to its end, wanted these to go as well.
        repairs.append(
            f"{len(left)} subscription(s) are left, of accounts whose tokens or secrets are still stored "
            "(`az account clear` signs them out)"
        )
    return Recovery(found, _note(cause, len(missing), outdated, chosen_again, repairs, default))


def _repairs(found: Document, state: ProfileState) -> list[str]:
    """Return what is about to be put right of a document, for the person."""
    repairs = []
    own = found.get(OWN_KEY)
    already = own.get(UNUSABLE) if isinstance(own, dict) else None
    unusable = len(state.unusable) - (len(already) if isinstance(already, list) else 0)
    if unusable:
        repairs.append(
            f"{unusable} row(s) over which built-in commands fail were put aside in it, under {OWN_KEY}.{UNUSABLE}"
        )
    if sum(bool(row.get("isDefault")) for row in state.rows) > 1:
        repairs.append("of several active subscriptions one was kept")
    return repairs


def _split(others: list[SubscriptionRow], front: set[Slot]) -> tuple[list[SubscriptionRow], list[SubscriptionRow]]:
    """Return the rows that have no row in front of them, and those that have."""
    return [row for row in others if slot_of(row) not in front], [row for row in others if slot_of(row) in front]


def _place(state: ProfileState, missing: list[SubscriptionRow]) -> None:
    taken = {slot_of(row) for row in state.rows}
    for row in missing:
        if slot_of(row) in taken:
            state.others.append(row)
        else:
            taken.add(slot_of(row))
            state.rows.append(row)


def _choose_again(state: ProfileState, good: ProfileState, default: SubscriptionRow | None, known: set[RowKey]) -> bool:
    """Put those rows in front that stood in front in our copy, for the subscriptions that several identities have.

    :param default: its subscription has been decided.
    :return: whether that undoes what was in the file.
    """
    behind = {key_of(row): row for row in state.others}
    again = [behind[key_of(row)] for row in good.rows if key_of(row) in behind]
    again = [row for row in again if default is None or slot_of(row) != slot_of(default)]
    for row in again:
        put_in_front(state, row)
    return any(key_of(row) in known for row in again)


def _default(
    found: SubscriptionRow | None, good: SubscriptionRow | None, state: ProfileState, active_cloud: str | None
) -> SubscriptionRow | None:
    """Return the default: ours is the newer choice, unless it is one for another cloud than the active one."""
    if good is None:
        return found
    ours = next((row for row in state.all_rows() if key_of(row) == key_of(good)), None)
    ours = ours or next((row for row in state.rows if slot_of(row) == slot_of(good)), None)
    if ours is None:
        return found
    if found is not None and active_cloud is not None and slot_of(found)[0] == active_cloud != slot_of(ours)[0]:
        return found
    return ours


def _is_of_somebody(row: object) -> bool:
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
