"""The rules of the subscription list: how rows are merged, chosen, shadowed and removed. No file and no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from azext_login.profile.model import (
    Account,
    SubscriptionRow,
    account_of,
    is_enabled,
    is_tenant_level,
    keep_foreign_keys,
    tenant_key,
    tenant_of,
)
from azext_login.profile.state import (
    Owner,
    ProfileState,
    RowKey,
    Slot,
    account_of_choice,
    choice_key,
    key_of,
    owner_of,
    slot_of,
    without_duplicates,
)
from azext_login.profile.words import with_subscription

_TENANT_NAMES = ("tenantDefaultDomain", "tenantDisplayName")


def in_cloud(rows: Iterable[SubscriptionRow], cloud: str) -> list[SubscriptionRow]:
    """Return the rows of one cloud."""
    return [row for row in rows if row.get("environmentName") == cloud]


def active_row(rows: Iterable[SubscriptionRow]) -> SubscriptionRow | None:
    """Return the default row, or None."""
    return next((row for row in rows if row.get("isDefault")), None)


def _only_named(rows: Iterable[SubscriptionRow], word: str | None) -> SubscriptionRow | None:
    """Return the row of the one subscription with this ID or name, or None. A name that several have chooses none."""
    found = with_subscription(rows, word) if word else []
    return found[0] if len(found) == 1 else None


def _first_enabled(rows: Iterable[SubscriptionRow]) -> SubscriptionRow | None:
    return next((row for row in rows if is_enabled(row)), None)


def first_usable(rows: Sequence[SubscriptionRow]) -> SubscriptionRow | None:
    """Return the first enabled row, or the first one, or None."""
    return _first_enabled(rows) or (rows[0] if rows else None)


def make_active(state: ProfileState, chosen: SubscriptionRow | None, *, deliberate: bool = True) -> None:
    """Make `chosen` the only default of the whole file, move it to the active view, and record the previous default.

    :param deliberate: the user chose it, so the next sign-in of its account to its tenant chooses it again.
    """
    before = active_row(state.rows)
    if chosen is not None:
        move_to_active_view(state, chosen)
        if deliberate:
            _record_choice(state, chosen)
        if before is not None and before is not chosen and slot_of(before)[0] == slot_of(chosen)[0]:
            state.previous[slot_of(chosen)[0]] = list(key_of(before))
    for row in state.all_rows():
        row["isDefault"] = row is chosen


def previous_row(state: ProfileState, cloud: str) -> SubscriptionRow | None:
    """Return the row that was active before the current one."""
    key = state.previous.get(cloud)
    return next((row for row in state.all_rows() if key is not None and list(key_of(row)) == key), None)


def sign_in(
    state: ProfileState,
    new: Sequence[SubscriptionRow],
    *,
    preferred: str | None = None,
    fallback: str | None = None,
    keeps_default: bool = False,
    on_guess: Callable[[SubscriptionRow], None] = lambda row: None,
) -> SubscriptionRow | None:
    """Add the rows of a sign-in and choose the default among them.

    The rows of other identities stay; a new row shadows those of the same subscription. A tenant-level row of the same
    account and tenant is removed when the tenant shows subscriptions.

    The default is the first of: the requested subscription, the active one, the last choice of this account, the
    configured default, the first enabled one.

    :param preferred: the subscription (ID or name) that the user requested, if any.
    :param fallback: the subscription (ID or name) that is configured as the default.
    :param keeps_default: the active row of this cloud stays active, if it is still listed, and the new rows keep the
        names of their tenant.
    :param on_guess: receives the first enabled one if it was chosen among several without any other reason.
    :return: the default, or None without new rows.
    """
    if not new:
        return None
    was_active = active_row(state.rows)
    if keeps_default:
        _keep_tenant_names(state, new)
    real = {owner_of(row) for row in new if not is_tenant_level(row)}
    _keep(state, lambda row: not (is_tenant_level(row) and owner_of(row) in real))
    _add(state, new, shadow_others=True)
    if was_active is not None:
        # Of two tenants with the same subscription, the active one stays active.
        again = next((row for row in new if key_of(row) == key_of(was_active)), None)
        if again is not None:
            move_to_active_view(state, again)
    if keeps_default and was_active is not None and slot_of(was_active)[0] == slot_of(new[0])[0]:
        kept = next((row for row in state.all_rows() if key_of(row) == key_of(was_active)), None)
        if kept is not None:
            make_active(state, kept, deliberate=False)
            return kept
    new_rows = {id(row) for row in new}
    fresh = [row for row in state.rows if id(row) in new_rows]
    wanted = _only_named(fresh, preferred)
    chosen = wanted
    if chosen is None and was_active is not None:
        chosen = next((row for row in fresh if slot_of(row) == slot_of(was_active)), None)
    chosen = chosen or last_choice(state, fresh) or _only_named(filter(is_enabled, fresh), fallback)
    if chosen is None:
        chosen = first_usable(_in_order_of(new, fresh))
        if chosen is not None and sum(map(is_enabled, fresh)) > 1:
            on_guess(chosen)
    make_active(state, chosen, deliberate=wanted is not None)
    return chosen


def refresh(
    state: ProfileState,
    refreshed: Sequence[SubscriptionRow],
    is_outdated: Callable[[SubscriptionRow], bool],
    *,
    fallback: str | None = None,
) -> SubscriptionRow | None:
    """Replace outdated rows by fresh ones, and keep the rest, the default included.

    :param is_outdated: tells which existing rows the refresh replaces.
    :param fallback: the subscription (ID or name) that is configured as the default.
    :return: the default. It stays if its subscription is still listed; otherwise it is the first of: the last choice of
        its account among the fresh rows, the configured default, the first usable fresh row; or None.
    """
    was_active = active_row(state.rows)
    fresh = {key_of(row): row for row in refreshed}
    _keep(state, lambda row: not is_outdated(row) or key_of(row) in fresh)
    _add(state, list(fresh.values()), shadow_others=False)
    chosen = None
    if was_active is not None:
        chosen = next((row for row in state.rows if slot_of(row) == slot_of(was_active)), None)
    if chosen is None:
        usable = [row for row in state.rows if key_of(row) in fresh]
        own = [row for row in usable if was_active is None or account_of(row).key == account_of(was_active).key]
        chosen = last_choice(state, own) or _only_named(filter(is_enabled, usable), fallback)
        chosen = chosen or first_usable(usable)
    for row in state.all_rows():
        row["isDefault"] = row is chosen
    return chosen


def record_answers(state: ProfileState, cloud: str, account: Account, failures: Mapping[str, str | None]) -> None:
    """Record which tenants could not be read again, to distinguish the rows that stay from fresh ones.

    :param failures: tenant (GUID) -> why it did not answer; None if it answered.
    """
    own = [row for row in in_cloud(state.all_rows(), cloud) if account_of(row).key == account.key]
    with_rows = set(map(tenant_of, own))
    for tenant, reason in failures.items():
        key = choice_key((cloud, account.key, tenant_key(tenant)))
        if reason is None or tenant_key(tenant) not in with_rows:
            state.refresh_failures.pop(key, None)
        else:
            state.refresh_failures[key] = {"on": _now(), "reason": reason}


def refresh_failure_of(state: ProfileState, row: SubscriptionRow) -> dict[str, str] | None:
    """Return when and why the tenant of a row could last not be read (`on`, UTC, and `reason`); None if it could."""
    return state.refresh_failures.get(choice_key(owner_of(row)))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def remove_account(state: ProfileState, name: str) -> list[SubscriptionRow]:
    """Remove everything of an account. A subscription that another identity has as well stays with that identity.

    :return: the removed rows.
    """
    removed = [row for row in state.all_rows() if account_of(row).matches(name)]
    _keep(state, lambda row: not account_of(row).matches(name))
    state.unusable = [row for row in state.unusable if not _names(row, name)]
    gone = {account_of(row).key for row in removed} | {name.casefold()}
    state.previous = {cloud: key for cloud, key in state.previous.items() if key[1] not in gone}
    state.choices = {key: value for key, value in state.choices.items() if account_of_choice(key) not in gone}
    state.refresh_failures = {
        key: value for key, value in state.refresh_failures.items() if account_of_choice(key) not in gone
    }
    return removed


def _names(value: object, name: str) -> bool:
    """Tell whether a JSON value contains a name, without regard to case."""
    if isinstance(value, str):
        return value.casefold() == name.casefold()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_names(part, name) for part in parts)


def _keep_tenant_names(state: ProfileState, new: Sequence[SubscriptionRow]) -> None:
    """Add the names of its tenant to each new row, if the account has them: only a search of all tenants finds them."""
    names: dict[Owner, SubscriptionRow] = {}
    for row in state.all_rows():
        names.setdefault(owner_of(row), {}).update({key: row[key] for key in _TENANT_NAMES if row.get(key)})
    for row in new:
        if is_tenant_level(row):
            continue
        for key, name in names.get(owner_of(row), {}).items():
            if row.get(key) is None:
                row[key] = name


def _add(state: ProfileState, new: Sequence[SubscriptionRow], *, shadow_others: bool) -> None:
    """Add rows, each in place of the row with the same key, or at the end. The keys of other tools stay.

    :param shadow_others: move the new rows to the active view; of several for one subscription, the first.
    """
    fresh: dict[RowKey, SubscriptionRow] = {key_of(row): row for row in new}
    for row in state.all_rows():
        if key_of(row) in fresh:
            keep_foreign_keys(fresh[key_of(row)], row)
    leaders: dict[Slot, SubscriptionRow] = {}
    for row in fresh.values():
        leaders.setdefault(slot_of(row), row)
    state.rows = [fresh.pop(key_of(row), row) for row in state.rows]
    state.shadowed = [fresh.pop(key_of(row), row) for row in state.shadowed]
    place = {slot_of(row): index for index, row in enumerate(state.rows)}
    for row in fresh.values():
        if slot_of(row) in place:
            state.shadowed.append(row)
        else:
            place[slot_of(row)] = len(state.rows)
            state.rows.append(row)
    if shadow_others:
        shadowed = []
        for slot, leader in leaders.items():
            index = place[slot]
            if state.rows[index] is not leader:
                shadowed.append(state.rows[index])
                state.rows[index] = leader
        leading = {id(leader) for leader in leaders.values()}
        state.shadowed = [row for row in state.shadowed if id(row) not in leading] + shadowed
    state.shadowed = without_duplicates(state.shadowed)


def move_to_active_view(state: ProfileState, chosen: SubscriptionRow) -> None:
    """Put `chosen` into the active view, where it shadows the other row of its subscription."""
    for index, row in enumerate(state.rows):
        if row is chosen:
            return
        if slot_of(row) == slot_of(chosen):
            state.shadowed = [other for other in state.shadowed if other is not chosen] + [row]
            state.rows[index] = chosen
            return
    state.shadowed = [other for other in state.shadowed if other is not chosen]
    state.rows.append(chosen)


def _keep(state: ProfileState, wanted: Callable[[SubscriptionRow], bool]) -> None:
    """Remove rows. A shadowed row takes the place of one that is removed from the active view."""
    state.shadowed = [row for row in state.shadowed if wanted(row)]
    rows = []
    for row in state.rows:
        if wanted(row):
            rows.append(row)
            continue
        successor = next((other for other in state.shadowed if slot_of(other) == slot_of(row)), None)
        if successor is not None:
            state.shadowed = [other for other in state.shadowed if other is not successor]
            successor["isDefault"] = False
            rows.append(successor)
    state.rows = rows


def _record_choice(state: ProfileState, chosen: SubscriptionRow) -> None:
    key = choice_key(owner_of(chosen))
    # The newest choice is the last one.
    state.choices.pop(key, None)
    state.choices[key] = chosen["id"]


def last_choice(state: ProfileState, rows: Sequence[SubscriptionRow]) -> SubscriptionRow | None:
    """Return the row that its account chose last; of several tenants, the newest choice."""
    age = {key: place for place, key in enumerate(reversed(state.choices))}

    def is_chosen(row: SubscriptionRow) -> bool:
        key = choice_key(owner_of(row))
        return key in age and state.choices[key].lower() == slot_of(row)[1]

    chosen = [row for row in rows if is_enabled(row) and is_chosen(row)]
    return min(chosen, key=lambda row: age[choice_key(owner_of(row))], default=None)


def _in_order_of(order: Sequence[SubscriptionRow], rows: Sequence[SubscriptionRow]) -> list[SubscriptionRow]:
    wanted = {id(row) for row in rows}
    return [row for row in order if id(row) in wanted]
