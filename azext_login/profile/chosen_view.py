"""What a process shows of the stored rows if it chooses an account or a subscription for itself.

The stored state does not change: the rows that are shown are the stored ones, or copies with another `isDefault`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from azext_login.errors import AccountError, NotSignedInError
from azext_login.profile import subscriptions as rules
from azext_login.profile import words
from azext_login.profile.choice import ACCOUNT_VARIABLE, SUBSCRIPTION_VARIABLE, Choice, View
from azext_login.profile.context_rows import row_of_context, rows_of_context
from azext_login.profile.model import SubscriptionRow, account_of, tenant_key, tenant_of
from azext_login.profile.state import ProfileState, RowKey, Slot, key_of, slot_of
from azext_login.system.text import printable


def apply_choice(state: ProfileState, choice: Choice, cloud: str) -> View:
    """Return what a process with this choice sees. Exactly one row is the default.

    An account hides the others in the cloud, and so does that of a context. Its default is the first of: the chosen
    subscription, that of the context, the stored default, its last choice, its first enabled subscription. A
    subscription without an account becomes the default, through the account that the active view has it with, or else
    through another one; every other row stays visible. It takes precedence over a context whose account does not have
    it.

    Rows of other clouds stay as they are, except that none is the default.

    :param choice: not an empty one.
    :raises NotSignedInError: the account is not signed in to the cloud, or none is.
    :raises AccountError: there is no such subscription, or there are several accounts or subscriptions.
    """
    everything = rules.in_cloud(state.all_rows(), cloud)
    own, is_one_account = _rows_to_choose_from(everything, choice, cloud)
    leaders = _one_per_slot(state, own) if is_one_account else {}
    if choice.subscription:
        default = _one_subscription(state, own, choice, cloud)
    else:
        default = _of_context(own, choice) or _usual_default(state, own, list(leaders.values()))
    leaders[slot_of(default)] = default
    shown = with_leaders(state, leaders, default)
    if not is_one_account:
        return View(shown, shown.rows)
    account = account_of(default).key
    rows = [row for row in shown.rows if row["environmentName"] != cloud or account_of(row).key == account]
    return View(shown, rows, account)


def _rows_to_choose_from(
    everything: Sequence[SubscriptionRow], choice: Choice, cloud: str
) -> tuple[Sequence[SubscriptionRow], bool]:
    """Return the rows that can become the default, and whether they are those of one account."""
    if choice.account:
        return _of_account(everything, choice, cloud), True
    if choice.chosen is None:
        return everything, False
    own = rows_of_context(everything, choice.chosen, cloud)
    has_subscription = not choice.subscription or words.with_subscription(own, choice.subscription)
    return (own, True) if has_subscription else (everything, False)


def _of_context(own: Sequence[SubscriptionRow], choice: Choice) -> SubscriptionRow | None:
    """Return the row of the context of this process; None if the command or a variable decides."""
    if choice.chosen is None or choice.is_default_given:
        return None
    return row_of_context(own, choice.chosen, is_needed=not choice.account)


def find_subscription(state: ProfileState, rows: Sequence[SubscriptionRow], word: str) -> list[SubscriptionRow]:
    """Return the rows that a word (ID or name) names: one, or those between which nothing decides.

    Rows of the active view take precedence. Of several rows of one subscription, it is one of the account that is
    active; of several tenants, the one that the account chose last, or the subscription's own.

    :param rows: some of the rows of `state`, all of one cloud.
    """
    in_view = {id(row) for row in state.rows}
    visible = [row for row in rows if id(row) in in_view]
    found = words.with_subscription(visible, word) or words.with_subscription(rows, word)
    if len({slot_of(row) for row in found}) != 1:
        return found
    active = rules.active_row(state.rows)
    of_active = [row for row in found if active is not None and account_of(row).key == account_of(active).key]
    found = [row for row in found if id(row) in in_view] or of_active or found
    if len({account_of(row).key for row in found}) > 1:
        return found
    preferred = _of_preferred_tenant(state, found)
    return found if preferred is None else [preferred]


def _one_per_slot(state: ProfileState, own: Sequence[SubscriptionRow]) -> dict[Slot, SubscriptionRow]:
    """Return the row of each subscription of an account: that of the active view, or of the preferred tenant."""
    in_view = {id(row) for row in state.rows}
    by_slot: dict[Slot, list[SubscriptionRow]] = {}
    for row in own:
        by_slot.setdefault(slot_of(row), []).append(row)
    return {
        slot: rows[0] if len(rows) == 1 or id(rows[0]) in in_view else _of_preferred_tenant(state, rows) or rows[0]
        for slot, rows in by_slot.items()
    }


def _of_preferred_tenant(state: ProfileState, rows: Sequence[SubscriptionRow]) -> SubscriptionRow | None:
    """Return the row of one of the tenants through which an account has a subscription, or None if nothing decides."""
    if len(rows) == 1:
        return rows[0]
    own_tenant = [row for row in rows if tenant_key(str(row.get("homeTenantId"))) == tenant_of(row)]
    return rules.last_choice(state, rows) or (own_tenant[0] if len(own_tenant) == 1 else None)


def find_shadowed(view: View, word: str, cloud: str) -> SubscriptionRow | None:
    """Return the row of a subscription (ID or name) that only a shadowed row of the cloud has; None without one.

    :raises AccountError: several have the name, and nothing decides.
    """
    rows = rules.in_cloud(view.state.shadowed, cloud)
    found = find_subscription(view.state, [row for row in rows if view.account in (None, account_of(row).key)], word)
    if len(found) > 1:
        raise _several(f"The subscription is given as '{printable(word)}'", found)
    return found[0] if found else None


def not_found(subscription: str, choice: Choice) -> AccountError:
    """Return the error about a subscription that the process cannot use, in the words of the built-in."""
    next_step = "List the subscriptions with `az account list --all --output table`."
    if choice.account:
        next_step += f" {ACCOUNT_VARIABLE} is set, so only subscriptions of this account count."
    elif choice.chosen is not None:
        next_step += (
            f" {printable(choice.chosen.origin)} chooses the context '{printable(choice.chosen.name)}', so only "
            "subscriptions of its account count."
        )
    return AccountError(
        f"Subscription '{printable(subscription)}' not found. Check the spelling and casing and try again.", next_step
    )


def with_leaders(
    state: ProfileState, leaders: dict[Slot, SubscriptionRow], default: SubscriptionRow | None
) -> ProfileState:
    """Return a state whose active view has these rows, in place of those of the same subscriptions or at the end.

    :param leaders: rows of `state`, by their slots.
    :param default: the only default; None for the stored one, or the row that takes its place.
    """
    left = dict(leaders)
    rows = [left.pop(slot_of(row), row) for row in state.rows] + list(left.values())
    in_view = {id(row) for row in rows}
    shadowed = [row for row in state.all_rows() if id(row) not in in_view]
    if default is None:
        stored = rules.active_row(state.rows)
        default = leaders.get(slot_of(stored), stored) if stored is not None else None
    key = key_of(default) if default is not None else None
    return replace(state, rows=_with_default(rows, key), shadowed=_with_default(shadowed, None))


def _with_default(rows: Sequence[SubscriptionRow], default: RowKey | None) -> list[SubscriptionRow]:
    """Return the rows, with copies of those whose `isDefault` has to change."""
    shown = []
    for row in rows:
        is_default = key_of(row) == default
        shown.append(row if row.get("isDefault") is is_default else {**row, "isDefault": is_default})
    return shown


def _of_account(rows: Sequence[SubscriptionRow], choice: Choice, cloud: str) -> list[SubscriptionRow]:
    found = words.of_account(rows, str(choice.account))
    if not found:
        raise NotSignedInError(
            f"{ACCOUNT_VARIABLE} is '{printable(choice.account)}', but this account is not signed in to cloud "
            f"'{printable(cloud)}'.",
            next_step=f"List the accounts with `az account list --all-identities`, sign in with `az login`, or unset "
            f"{ACCOUNT_VARIABLE}.",
            # Application IDs and the labels of managed identities have no `@`.
            login=() if "@" in str(choice.account) else None,
        )
    labels = sorted({account_of(row).label for row in found})
    if len({account_of(row).key for row in found}) > 1:
        raise AccountError(
            f"{ACCOUNT_VARIABLE} is '{printable(choice.account)}', and several accounts with this name are signed in.",
            "\n".join(
                [
                    f"Set {ACCOUNT_VARIABLE} to one of these, or unset it and use `az account set`:",
                    *map(printable, labels),
                ]
            ),
        )
    return found


def _one_subscription(
    state: ProfileState, own: Sequence[SubscriptionRow], choice: Choice, cloud: str
) -> SubscriptionRow:
    word = str(choice.subscription)
    found = find_subscription(state, own, word)
    if len(found) == 1:
        return found[0]
    given = f"{SUBSCRIPTION_VARIABLE} is '{printable(word)}'"
    if not own:
        raise NotSignedInError(
            f"{given}, but no account is signed in to cloud '{printable(cloud)}'.",
            next_step="Please run 'az login' to setup account.",
        )
    if not found:
        where = f"of account '{printable(account_of(own[0]).label)}'" if choice.account else "of the signed-in accounts"
        raise AccountError(
            f"{given}, but no subscription {where} in cloud '{printable(cloud)}' has this ID or name.",
            "List the subscriptions with `az account list --all --all-identities --output table`. If it is missing "
            f"there, run `az account list --refresh` or `az login`. Otherwise set or unset {SUBSCRIPTION_VARIABLE}.",
        )
    raise _several(given, found)


def _several(given: str, found: Sequence[SubscriptionRow]) -> AccountError:
    """Return the error about several rows; they are different subscriptions, or one through several accounts."""
    from azext_login.profile.ambiguity import ambiguous, label_of, set_command

    if len({slot_of(row) for row in found}) > 1:
        advice = f"Set {SUBSCRIPTION_VARIABLE} to an ID. To choose for every process, unset it and run one of:"
        message = f"{given}, and several subscriptions have this name."
    else:
        advice = f"Set {ACCOUNT_VARIABLE} if their accounts differ. To choose for every process, run one of:"
        message = f"{given}. Several accounts or tenants have this subscription."
    return ambiguous(message, ((label_of(row), set_command(row)) for row in found), advice=advice)


def _usual_default(
    state: ProfileState, own: Sequence[SubscriptionRow], shown: Sequence[SubscriptionRow]
) -> SubscriptionRow:
    return rules.active_row(own) or rules.last_choice(state, own) or rules.first_usable(shown) or own[0]
