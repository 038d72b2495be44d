"""Draws the list of subscriptions for a terminal of a given size. Returns text and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from azext_login.cli.picker.choices import Choice, ChoiceList

Cells = Callable[[str], int]
"""Returns how many columns of the terminal a text occupies."""

Fragment = tuple[str, str]
"""A style (`bold`, `reverse`, both or none) and its text. Without colours, because a terminal may have any."""

_SEARCH = "Search: "
_NOTHING = "   Nothing matches. Press Backspace or Ctrl-U."
_HELP = (
    "Enter: choose   Esc: cancel   Type to search by name, ID, tenant   Up, Down, PgUp, PgDn, Home, End: move",
    "Enter: choose  Esc: cancel  Type to search  Up/Down/PgUp/PgDn: move",
    "Enter: choose  Esc: cancel",
)
_TENANT, _ACCOUNT = "Tenant", "Account"
_CUT = "..."
_GAP = 2
_MARKS = 3
_ID = 36
# The least widths, in columns of the terminal, with which a further column is added.
_NAME_AND_TENANT = (20, 12)
_WITH_ACCOUNT = (22, 12, 16)
_WITH_ID = (32, 20, 20)


@dataclass(frozen=True)
class Drawing:
    """The lines of the screen, top down, and the position of the text cursor: line and column, both from 0."""

    lines: tuple[tuple[Fragment, ...], ...]
    cursor: tuple[int, int]


@dataclass(frozen=True)
class _Column:
    title: str
    text: Callable[[Choice], str]
    width: int


class Drawer:
    """Draws one list of choices, in any size."""

    def __init__(self, choices: ChoiceList, cells: Cells) -> None:
        self._choices = choices
        self._cells = cells

    def draw(self, width: int, height: int) -> Drawing:
        """Return at most `height` lines of at most `width` columns each.

        The search text and one choice are always among them. A short terminal lacks the rest, the least useful part
        first.
        """
        choices = self._choices
        details = [((("", self._cut(line, width))),) for line in self._details()] if height >= 7 else []
        columns = self._columns(width)
        above: list[tuple[Fragment, ...]] = []
        if height >= 14:
            above += [(("bold", self._cut(choices.wording.title, width)),), ()]
        cursor_line = len(above)
        searching, cursor_column = self._search_line(width)
        above.append(searching)
        if height >= 12:
            above.append((("", self._cells_of([column.title for column in columns], columns, "   ", width)),))
        below = [(), *details] if height >= 16 else details
        if height >= 5:
            below = [*below, (("", self._help(width)),)]
        room = height - len(above) - len(below)
        shown = choices.window(room)
        listed = [self._choice_line(choice, columns, width) for choice in shown]
        if not shown:
            listed = [(("", self._cut(_NOTHING, width)),)]
        listed += [()] * (room - len(listed))
        return Drawing(tuple([*above, *listed, *below][:height]), (cursor_line, cursor_column))

    def _search_line(self, width: int) -> tuple[tuple[Fragment, ...], int]:
        choices = self._choices
        count = f"{len(choices.matches)} of {len(choices.choices)}"
        room = max(1, width - len(_SEARCH) - 1)
        text = choices.search
        while self._cells(text) > room:
            text = text[1:]
        column = len(_SEARCH) + self._cells(text)
        free = width - column - 1 - len(count)
        line: tuple[Fragment, ...] = (("bold", self._cut(_SEARCH, width)), ("", self._cut(text, width - len(_SEARCH))))
        if free > 0:
            line = (*line, ("", " " * free + " " + count))
        return line, min(column, max(0, width - 1))

    def _choice_line(self, choice: Choice, columns: Sequence[_Column], width: int) -> tuple[Fragment, ...]:
        is_current = choice is self._choices.current
        marks = (">" if is_current else " ") + ("*" if choice.is_default else " ") + " "
        text = self._cells_of([column.text(choice) for column in columns], columns, marks, width)
        style = " ".join(filter(None, ("bold" if choice.is_default else "", "reverse" if is_current else "")))
        return ((style, self._padded(text, width) if is_current else text),)

    def _cells_of(self, texts: Sequence[str], columns: Sequence[_Column], marks: str, width: int) -> str:
        cells = [
            self._padded(self._cut(text, column.width), column.width)
            for text, column in zip(texts, columns, strict=True)
        ]
        return self._cut(marks + (" " * _GAP).join(cells).rstrip(), width)

    def _details(self) -> Iterator[str]:
        """Yield all facts about the current choice, since columns may be cut or missing."""
        choice = self._choices.current
        if choice is None:
            yield from [""] * (4 if self._has_several_accounts else 3)
            return
        yield choice.name + ("" if choice.is_enabled else f" ({choice.row.get('state') or 'not enabled'})")
        yield f"{self._choices.wording.detail} {choice.subscription_id}"
        yield f"Tenant {choice.tenant_details}"
        if self._has_several_accounts:
            yield f"Account {choice.account}"

    def _help(self, width: int) -> str:
        return next((text for text in _HELP if len(text) <= width), self._cut(_HELP[-1], width))

    # Columns

    @cached_property
    def _has_several_accounts(self) -> bool:
        return len({choice.account for choice in self._choices.choices}) > 1

    @cached_property
    def _widest(self) -> tuple[int, int, int]:
        choices = self._choices.choices
        return (
            max(len(self._choices.wording.name), *(self._cells(choice.name) for choice in choices)),
            max(len(_TENANT), *(self._cells(choice.tenant) for choice in choices)),
            max(len(_ACCOUNT), *(self._cells(choice.account) for choice in choices)),
        )

    def _columns(self, width: int) -> list[_Column]:
        """Return the columns that fit: the name, then the tenant, the account if there are several, and the ID."""
        available = max(1, width - _MARKS)
        widest = self._widest if self._has_several_accounts else self._widest[:2]
        for least, with_id in ((_WITH_ID, True), (_WITH_ACCOUNT, False), (_NAME_AND_TENANT, False)):
            narrowest = [min(*pair) for pair in zip(widest, least, strict=False)]
            fixed = _ID + _GAP if with_id else 0
            if sum(narrowest) + _GAP * (len(narrowest) - 1) + fixed <= available:
                widths = _grown(narrowest, widest, available - fixed - _GAP * (len(narrowest) - 1))
                break
        else:
            widths, with_id = [available], False
        columns = [
            _Column(self._choices.wording.name, lambda choice: choice.name, widths[0]),
            *(_Column(_TENANT, lambda choice: choice.tenant, wide) for wide in widths[1:2]),
            *(_Column(_ACCOUNT, lambda choice: choice.account, wide) for wide in widths[2:3]),
        ]
        if with_id:
            columns.append(_Column(self._choices.wording.subscription, lambda choice: choice.subscription_id, _ID))
        return columns

    # Text

    def _cut(self, text: str, width: int) -> str:
        if self._cells(text) <= width:
            return text
        mark = _CUT[: max(0, width)]
        kept, room = [], width - len(mark)
        for char in text:
            room -= self._cells(char)
            if room < 0:
                break
            kept.append(char)
        return "".join(kept) + mark

    def _padded(self, text: str, width: int) -> str:
        return text + " " * (width - self._cells(text))


def _grown(narrowest: Sequence[int], widest: Sequence[int], available: int) -> list[int]:
    """Share the remaining width equally among the columns: one long name is no reason to cut every tenant."""
    widths = list(narrowest)
    left = available - sum(widths)
    while left > 0:
        growing = [index for index, width in enumerate(widths) if width < widest[index]][:left]
        if not growing:
            break
        for index in growing:
            widths[index] += 1
        left -= len(growing)
    return widths
