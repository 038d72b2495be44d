"""The subscriptions to choose from: which of them match the search text, and which one is current."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from azext_login.profile.model import SubscriptionRow, account_of, is_enabled
from azext_login.system.text import printable

_LONGEST_SEARCH = 200


@dataclass(frozen=True)
class Wording:
    """What the list calls the things to choose from."""

    title: str
    """The heading of the list, and the question on a simple terminal."""
    heading: str
    """The heading on a simple terminal."""
    name: str
    """The title of the first column."""
    subscription: str
    """The title of the column that tells which subscription it is."""
    detail: str
    """What is before that in the details."""
    plural: str


SUBSCRIPTIONS = Wording(
    title="Select a subscription and tenant",
    heading="Tenant and subscription selection",
    name="Subscription name",
    subscription="Subscription ID",
    detail="ID",
    plural="subscriptions",
)

CONTEXTS = Wording(
    title="Select a context",
    heading="Context selection",
    name="Context",
    subscription="Subscription",
    detail="Subscription",
    plural="contexts",
)


@dataclass(frozen=True)
class Choice:
    """A subscription, or a context that stands for one, and its texts for the terminal."""

    row: SubscriptionRow
    name: str
    subscription_id: str
    tenant: str
    """The tenant's display name, or its ID if the name is unknown."""
    tenant_details: str
    """All known names of the tenant, and its ID."""
    account: str
    is_default: bool
    is_enabled: bool
    searched: str
    """The fields that the search looks at, in the form of `normalised`, one per line."""

    @classmethod
    def of(cls, row: SubscriptionRow) -> Choice:
        """Return the choice for a row."""
        tenant_id = printable(row["tenantId"])
        domain, display_name = (printable(row.get(key) or "") for key in ("tenantDefaultDomain", "tenantDisplayName"))
        name, subscription_id, account = map(printable, (row["name"], row["id"], account_of(row).label))
        return cls(
            row=row,
            name=name,
            subscription_id=subscription_id,
            tenant=display_name or tenant_id,
            tenant_details=", ".join(filter(None, (display_name, domain, tenant_id))),
            account=account,
            is_default=bool(row.get("isDefault")),
            is_enabled=is_enabled(row),
            searched=normalised("\n".join((name, subscription_id, display_name, domain, tenant_id, account))),
        )


def choices_of(rows: Sequence[SubscriptionRow]) -> tuple[Choice, ...]:
    """Return a choice for each row, in the order of the built-in's list: by name, without regard to case."""
    return tuple(Choice.of(row) for row in sorted(rows, key=lambda row: str(row["name"]).lower()))


class ChoiceList:
    """A list of choices with a search text and a current choice: the default one, until the user types.

    A choice matches if its name, ID, tenant or account contains every word of the search text. A choice whose name or
    ID is the search text comes first, then those whose name starts with it, then the others. Otherwise the order stays.
    """

    def __init__(self, choices: Sequence[Choice], wording: Wording = SUBSCRIPTIONS) -> None:
        """:param choices: at least one."""
        self.wording = wording
        self.choices = tuple(choices)
        self.search = ""
        self.matches: Sequence[Choice] = self.choices
        self.position = self._default
        self._top: int | None = None
        self._page = 1

    @property
    def current(self) -> Choice | None:
        """The current choice; None if nothing matches."""
        return self.matches[self.position] if self.matches else None

    def type(self, text: str) -> None:
        """Add typed or pasted text to the search text. Line breaks become blanks."""
        added = printable(text)
        if added:
            self._search_for((self.search + added).lstrip()[:_LONGEST_SEARCH])

    def erase(self) -> None:
        """Delete the last character."""
        self._search_for(self.search[:-1])

    def erase_word(self) -> None:
        """Delete the last word."""
        kept = self.search.rstrip()
        self._search_for(kept[: kept.rfind(" ") + 1])

    def erase_all(self) -> None:
        """Delete the search text."""
        self._search_for("")

    def move(self, lines: int) -> None:
        """Move down, or up by negative `lines`, to the last or the first choice at most."""
        self.position = max(0, min(self.position + lines, len(self.matches) - 1))

    def move_pages(self, pages: int) -> None:
        """Move by the number of choices that the screen shows."""
        self.move(pages * max(1, self._page - 1))

    def move_to_start(self) -> None:
        """Move to the first choice."""
        self.move(-len(self.matches))

    def move_to_end(self) -> None:
        """Move to the last choice."""
        self.move(len(self.matches))

    def window(self, height: int) -> Sequence[Choice]:
        """Return the choices to show in `height` lines, the current one among them.

        The window moves no further than necessary. At first, the default choice is in the middle.
        """
        self._page = height
        top = self.position - height // 2 if self._top is None else self._top
        lowest = max(0, min(self.position, len(self.matches) - height))
        self._top = max(0, min(top, lowest), self.position - height + 1)
        return self.matches[self._top : self._top + height]

    @property
    def _default(self) -> int:
        return next((index for index, choice in enumerate(self.choices) if choice.is_default), 0)

    def _search_for(self, text: str) -> None:
        if text == self.search:
            return
        self.search = text
        words = normalised(text).split()
        if not words:
            self.matches, self.position, self._top = self.choices, self._default, None
            return
        wanted = " ".join(words)
        found = [choice for choice in self.choices if all(word in choice.searched for word in words)]
        self.matches = sorted(found, key=lambda choice: _distance(choice.searched, wanted))
        self.position = self._top = 0


def _distance(searched: str, wanted: str) -> int:
    name, subscription_id, _ = searched.split("\n", 2)
    if wanted in (name, subscription_id):
        return 0
    return 1 if name.startswith(wanted) else 2


def normalised(text: str) -> str:
    """Return text in a form in which equal-looking texts are equal: compatibility forms composed, case folded."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
