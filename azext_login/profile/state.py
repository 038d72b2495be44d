"""Everything in the profile file as one value: the rows, the rows of other identities, and past choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from azext_login.profile.model import SubscriptionRow, account_of, tenant_of

Document = dict[str, Any]
"""The whole file: `installationId`, `subscriptions`, and the keys of other programs."""

SUBSCRIPTIONS = "subscriptions"
INSTALLATION_ID = "installationId"

OWN_KEY = "azextLogin"
"""Our top-level key. Built-in code and other tools leave unknown keys unchanged."""

GENERATION = "generation"
_SHADOWED = "otherIdentities"
UNUSABLE = "unusable"
_PREVIOUS = "previous"
_CHOICES = "choices"
_REFRESH_FAILURES = "refreshFailures"
CONTEXTS = "contexts"
ALLOWED = "allowedDirectories"

# Ten thousand commands a second reach this number after three hundred years.
_NEVER_REACHED = 10**14

# The keys without which built-in code fails.
_NEEDED_KEYS = ("id", "name", "tenantId", "environmentName")

_CONTEXT_KEYS = ("name", "cloud", "tenant", "subscription")

RowKey = tuple[str, str, str, str]
"""Cloud, account (its key), tenant and subscription: what identifies a row."""

Owner = tuple[str, str, str]
"""Cloud, account (its key) and tenant: a row key without the subscription."""

Slot = tuple[str, str]
"""Cloud and subscription: built-in code allows one row for each."""


@dataclass(repr=False)
class ProfileState:
    """The content of azureProfile.json while it is worked on.

    `rows` is the active view: what built-in commands see, with at most one row per cloud and subscription. `shadowed`
    are the rows of further identities for subscriptions that are in `rows` already.
    """

    rows: list[SubscriptionRow] = field(default_factory=list)
    shadowed: list[SubscriptionRow] = field(default_factory=list)
    previous: dict[str, list[str]] = field(default_factory=dict)
    """Cloud -> key of the previously active row, for `account set --subscription -`."""
    choices: dict[str, str] = field(default_factory=dict)
    """Owner (`choice_key`) -> the subscription that was last chosen there."""
    refresh_failures: dict[str, dict[str, str]] = field(default_factory=dict)
    """Owner (`choice_key`) -> when (`on`, UTC) and why (`reason`) its subscriptions could last not be read."""
    unusable: list[Any] = field(default_factory=list)
    """Elements of the list of rows with which built-in code would fail."""
    contexts: list[Any] = field(default_factory=list)
    """The contexts as they are stored (`profile.contexts` reads them). A sign-out does not remove them."""
    allowed: dict[str, Any] = field(default_factory=dict)
    """Directory (`ContextFile.key`) -> the name of the context that its file may choose."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> ProfileState:
        """Read a document. Its rows are not copied: changing them changes the document."""
        own = document.get(OWN_KEY)
        own = own if isinstance(own, dict) else {}
        rows, shadowed = _one_per_slot(usable_rows(document.get(SUBSCRIPTIONS)), usable_rows(own.get(_SHADOWED)))
        return cls(
            rows=rows,
            shadowed=shadowed,
            previous={
                str(cloud): [str(part) for part in key]
                for cloud, key in _mapping(own.get(_PREVIOUS)).items()
                if isinstance(key, list) and len(key) == len(RowKey.__args__)  # type: ignore[attr-defined]
            },
            choices={str(key): str(value) for key, value in _mapping(own.get(_CHOICES)).items()},
            refresh_failures={
                str(key): {str(name): str(text) for name, text in value.items()}
                for key, value in _mapping(own.get(_REFRESH_FAILURES)).items()
                if isinstance(value, dict)
            },
            unusable=[
                *_list(own.get(UNUSABLE)),
                *_unusable_rows(document.get(SUBSCRIPTIONS)),
                *_unusable_rows(own.get(_SHADOWED)),
            ],
            contexts=[value for value in _list(own.get(CONTEXTS)) if is_usable_context(value)],
            allowed=dict(_mapping(own.get(ALLOWED))),
        )

    def write_to(self, document: Document, generation: int) -> None:
        """Put this state into a document, beside the keys of other programs.

        Rows with which built-in code would fail are moved to our own key, so that they are kept and commands work.
        """
        self._forget_absent_accounts()
        own = dict(_mapping(document.get(OWN_KEY)))
        document[SUBSCRIPTIONS] = self.rows
        own[GENERATION] = generation
        parts: tuple[tuple[str, Any], ...] = (
            (_SHADOWED, self.shadowed),
            (_PREVIOUS, self.previous),
            (_CHOICES, self.choices),
            (_REFRESH_FAILURES, self.refresh_failures),
            (UNUSABLE, self.unusable),
            (CONTEXTS, self.contexts),
            (ALLOWED, self.allowed),
        )
        for name, value in parts:
            if value:
                own[name] = value
            else:
                own.pop(name, None)
        document[OWN_KEY] = own

    def _forget_absent_accounts(self) -> None:
        """Remove the choices of accounts without a row: built-in commands that sign them out do not change our key."""
        present = {account_of(row).key for row in self.all_rows()}
        self.previous = {cloud: key for cloud, key in self.previous.items() if key[1] in present}
        self.choices = {key: chosen for key, chosen in self.choices.items() if account_of_choice(key) in present}
        self.refresh_failures = {
            key: failure for key, failure in self.refresh_failures.items() if account_of_choice(key) in present
        }

    def forget_everything(self) -> None:
        """Remove every row, and everything about every account, except the contexts: they are settings of the user."""
        self.rows, self.shadowed, self.unusable = [], [], []
        self.previous, self.choices, self.refresh_failures = {}, {}, {}

    def all_rows(self) -> list[SubscriptionRow]:
        """Return the rows of every identity."""
        return self.rows + self.shadowed


def is_sound(document: Mapping[str, Any]) -> bool:
    """Tell whether built-in code can use the rows of a document, and we our own key."""
    rows = document.get(SUBSCRIPTIONS)
    if rows is None and OWN_KEY not in document:
        # A new profile, or one that the host has reset.
        rows = []
    own = document.get(OWN_KEY, {})
    return (
        isinstance(rows, list)
        and all(map(_is_usable, rows))
        and sum(bool(row.get("isDefault")) for row in rows) <= 1
        and isinstance(own, dict)
        and isinstance(own.get(_SHADOWED, []), list)
        and all(map(_is_usable, own.get(_SHADOWED, [])))
        and isinstance(own.get(CONTEXTS, []), list)
        and all(map(is_usable_context, own.get(CONTEXTS, [])))
        and all(isinstance(own.get(name, {}), dict) for name in (_PREVIOUS, _CHOICES, _REFRESH_FAILURES, ALLOWED))
    )


def is_current(document: object, last_good_generation: int | None) -> bool:
    """Tell whether a document can be used as it is.

    :param last_good_generation: generation of the last good copy; None without a copy.
    """
    if not isinstance(document, dict) or not is_sound(document) or _is_out_of_step(document):
        return False
    if last_good_generation is None:
        return True
    generation = generation_of(document)
    return generation is not None and generation >= last_good_generation


def _is_out_of_step(document: Document) -> bool:
    """Tell whether built-in code, which does not know the shadowed rows, has changed the active view.

    It removes a row that shadows another one, or puts the shadowed row in its place as well.
    """
    if not _mapping(document.get(OWN_KEY)).get(_SHADOWED):
        return False
    state = ProfileState.of(document)
    active_view = {slot_of(row): row for row in state.rows}
    return any(
        slot_of(row) not in active_view or key_of(active_view[slot_of(row)]) == key_of(row) for row in state.shadowed
    )


def generation_of(document: Mapping[str, Any]) -> int | None:
    """Return how often we have written this document, or None if we never have."""
    own = document.get(OWN_KEY)
    generation = own.get(GENERATION) if isinstance(own, dict) else None
    return generation if is_generation(generation) else None


def is_generation(value: object) -> TypeGuard[int]:
    """Tell whether a value can be a generation."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _NEVER_REACHED


def own_part(document: object, name: str) -> Any:
    """Return a part of our key of a document as it is stored; None without one."""
    own = document.get(OWN_KEY) if isinstance(document, dict) else None
    return own.get(name) if isinstance(own, dict) else None


def owner_of(row: Mapping[str, Any]) -> Owner:
    """Return the cloud, account and tenant of a row."""
    return str(row.get("environmentName")), account_of(row).key, tenant_of(row)


def key_of(row: Mapping[str, Any]) -> RowKey:
    """Return what identifies a row among all rows."""
    return *owner_of(row), slot_of(row)[1]


def slot_of(row: Mapping[str, Any]) -> Slot:
    """Return what identifies a row in the active view."""
    return str(row.get("environmentName")), str(row.get("id")).lower()


def _one_per_slot(
    rows: list[SubscriptionRow], shadowed: list[SubscriptionRow]
) -> tuple[list[SubscriptionRow], list[SubscriptionRow]]:
    """Where another tool wrote several rows of a subscription, shadow all but one: the default or the first."""
    if len({(row["environmentName"], row["id"].lower()) for row in rows}) == len(rows):
        return rows, shadowed
    active_view: dict[Slot, SubscriptionRow] = {}
    for row in rows:
        first = active_view.setdefault(slot_of(row), row)
        if row.get("isDefault") and not first.get("isDefault"):
            active_view[slot_of(row)] = row
    known = {key_of(row) for row in active_view.values()}
    further = [row for row in rows if active_view[slot_of(row)] is not row and key_of(row) not in known]
    return list(active_view.values()), without_duplicates([*further, *shadowed])


def has_rows(document: Mapping[str, Any]) -> bool:
    """Tell whether a document has a row of any identity that can be used. Reads no further than the first one."""
    lists = (document.get(SUBSCRIPTIONS), _mapping(document.get(OWN_KEY)).get(_SHADOWED))
    return any(_is_usable(row) for rows in lists for row in _list(rows))


def usable_rows(value: object) -> list[SubscriptionRow]:
    """Return those elements of a list that built-in code and we can use as rows."""
    return [row for row in value if _is_usable(row)] if isinstance(value, list) else []


def _unusable_rows(value: object) -> list[Any]:
    return [row for row in value if not _is_usable(row)] if isinstance(value, list) else []


def is_usable_context(value: object) -> bool:
    """Tell whether a stored context has all its parts. Its name may still be no valid one."""
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(key), str) for key in _CONTEXT_KEYS)
        and isinstance(value.get("user"), dict)
        and isinstance(value["user"].get("name"), str)
    )


def _is_usable(row: object) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in _NEEDED_KEYS)
        and isinstance(row.get("user"), dict)
        and isinstance(row["user"].get("name"), str)
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def choice_key(owner: Owner) -> str:
    """Return the key of `ProfileState.choices` and `ProfileState.refresh_failures`."""
    return "|".join(owner)


def account_of_choice(key: str) -> str:
    """Return the account (its key) in a key of `ProfileState.choices`."""
    return key.partition("|")[2].rpartition("|")[0]


def without_duplicates(rows: Iterable[SubscriptionRow]) -> list[SubscriptionRow]:
    """Return the rows, each key once: the last row with a key, in the place of the first."""
    return list({key_of(row): row for row in rows}.values())
