"""The rules of the subscription list: how rows are merged, chosen and removed. Pure functions on rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from .model import Row, answers_to, is_enabled, is_tenant_level


def in_cloud(rows: Iterable[Row], cloud: str) -> list[Row]:
    """Return the rows of one cloud."""
    return [row for row in rows if row.get("environmentName") == cloud]


def active_row(rows: Iterable[Row]) -> Row | None:
    """Return the default row, if there is one."""
    return next((row for row in rows if row.get("isDefault")), None)


def matching(rows: Iterable[Row], wanted: str) -> list[Row]:
    """Return the rows whose subscription ID or name is `wanted`."""
    return [row for row in rows if answers_to(row, wanted)]


def make_active(rows: Sequence[Row], chosen: Row | None) -> None:
    """Make `chosen` (one of `rows`, or None for none) the only default of the whole file."""
    for row in rows:
        row["isDefault"] = row is chosen


def merge(existing: Sequence[Row], new: Sequence[Row], *, preferred: str | None = None) -> tuple[list[Row], Row | None]:
    """Add the rows of a sign-in to the list and choose the default.

    A new row takes the place of the row with the same subscription ID, because built-in code finds
    subscriptions by ID and allows one row each. A tenant-level row of the same account and tenant goes when the
    tenant's real subscriptions come.

    :param preferred: the subscription (ID or name) that the person asked for, if any.
    :return: all rows, and the default among the new ones (None without new rows).
    """
    was_active = active_row(existing)
    rows = _place(_without_replaced_tenant_rows(existing, new), new)
    if not new:
        return rows, None
    chosen = None
    if preferred:
        chosen = next(iter(matching(new, preferred)), None)
    if chosen is None and was_active is not None:
        chosen = next((row for row in new if row["id"] == was_active["id"]), None)
    if chosen is None:
        chosen = first_usable(new)
    make_active(rows, chosen)
    return rows, chosen


def replace(
    existing: Sequence[Row], refreshed: Sequence[Row], is_outdated: Callable[[Row], bool]
) -> tuple[list[Row], Row | None]:
    """Put fresh rows in place of the outdated ones, and keep the rest, the default included.

    :param is_outdated: tells which existing rows the refresh speaks for.
    :return: all rows, and the default. It stays if its subscription is still there; otherwise it is the first usable
        one of the fresh rows, if there is any.
    """
    was_active = active_row(existing)
    fresh: dict[str, list[Row]] = {}
    for row in refreshed:
        fresh.setdefault(row["id"], []).append(row)
    rows = []
    # A subscription keeps its place in the list and its owner, so that a refresh without news changes nothing.
    for row in existing:
        candidates = fresh.pop(row["id"], [])
        if not is_outdated(row):
            rows.append(row)
        elif candidates:
            rows.append(
                next((fresh_row for fresh_row in candidates if _owner(fresh_row) == _owner(row)), candidates[0])
            )
    rows += [candidates[0] for candidates in fresh.values()]
    chosen = next((row for row in rows if was_active is not None and row["id"] == was_active["id"]), None)
    if chosen is None:
        fresh_ids = {row["id"] for row in refreshed}
        chosen = first_usable([row for row in rows if row["id"] in fresh_ids])
    make_active(rows, chosen)
    return rows, chosen


def first_usable(rows: Sequence[Row]) -> Row | None:
    """Return the first enabled row, or the first one, or None."""
    return next((row for row in rows if is_enabled(row)), rows[0] if rows else None)


def _place(existing: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    by_id: dict[str, Row] = {row["id"]: row for row in existing}
    by_id.update((row["id"], row) for row in new)
    return list(by_id.values())


def _without_replaced_tenant_rows(existing: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Drop tenant-level rows whose account now has real subscriptions in that tenant."""
    real = {_owner(row) for row in new if not is_tenant_level(row)}
    return [row for row in existing if not (is_tenant_level(row) and _owner(row) in real)]


def _owner(row: Row) -> tuple[object, str, object]:
    user = row.get("user") or {}
    return row.get("environmentName"), str(user.get("name", "")).casefold(), row.get("tenantId")
