"""Lists of Azure Resource Manager, page by page: how they continue, and the limits of their size and duration."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azext_login.errors import IncompleteListError, UnexpectedAnswerError
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.system.http.json_answers import read_list
from azext_login.system.login_command import one_tenant
from azext_login.system.text import printable

PAGE_LIMIT = 64 << 20
"""Bytes of a page. Ten thousand subscriptions have about 6 MB. Only one row at a time is parsed."""

MOST_ROWS = 20_000
"""Subscriptions that a command reads, of all tenants together."""

# A command is to need less than 300 MB, and prints rows as YAML with 28 bytes of memory for each character of their
# JSON text, and 9 KB for a row that has nearly none. So each row counts as its text and some more.
MOST_TEXT = 8_000_000
_ROW_OVERHEAD = 250

# Subscriptions that a command reads however many others are stored.
_LEAST_ROWS = 2_000

MOST_TENANTS, MOST_TENANTS_TEXT = 5_000, 5_000_000
"""A user can be in 500 tenants: https://learn.microsoft.com/entra/identity/users/directory-service-limits-restrictions"""

# Resource Manager has up to 1,000 subscriptions on a page, so more pages than these do not end.
_MOST_PAGES = 1_000
LONGEST_LIST = 600.0
"""Seconds for one list."""

LONGEST_TENANT_LIST = 90.0
"""Seconds for the list of tenants. The search waits longer for it, so the error is that the list has no end."""

# Seconds in which pages may arrive without a row. The search waits longer for a tenant, for the same reason.
_LONGEST_WITHOUT_ROWS = 45.0

_LONGEST_LINK = 16_384  # characters
_LONGEST_QUOTE = 1000  # characters

NEXT_STEP = "Check the address of Azure Resource Manager with `az cloud show`; then run the command again."

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A page of a list: what is kept of its rows, and the address of the next page."""

    rows: list[Row]
    next_link: str | None
    cut_off: IncompleteListError | None = None
    """Why the page was not read to its end."""


class RowBudget:
    """How many rows lists may still have, so that a command does not run out of memory. Lists share it."""

    def __init__(self, what: str, next_step: str, *, rows: int, text: int):
        """:param what: the rows in the plural, for an error message.
        :param text: characters of the JSON text of all rows.
        """
        self._lock = threading.Lock()
        self._what = what
        self._next_step = next_step
        self._most = self._rows = rows
        self._text = text

    def reserve(self, rows: int) -> None:
        """Leave room for rows that are stored already and are not read again. Some room always remains."""
        with self._lock:
            left = max(min(self._rows, _LEAST_ROWS), self._rows - rows)
            self._text = self._text * left // self._rows
            self._most = self._rows = left

    def take(self, length: int) -> None:
        """Take the place of a row that counts as `length` characters.

        :raises IncompleteListError: nothing is left.
        """
        self._take(1, length)

    def take_text(self, length: int) -> None:
        """Take the place of text that is added to a row.

        :raises IncompleteListError: nothing is left.
        """
        self._take(0, length)

    def _take(self, rows: int, length: int) -> None:
        with self._lock:
            if self._rows < rows or self._text < length:
                raise IncompleteListError(
                    f"Azure Resource Manager lists more {self._what} than a command can keep in memory. The first "
                    f"{self._most - self._rows:,} are kept.",
                    self._next_step,
                )
            self._rows -= rows
            self._text -= length

    def give_back(self, lengths: Sequence[int]) -> None:
        """Give back the places of rows that are not kept."""
        with self._lock:
            self._rows += len(lengths)
            self._text += sum(lengths)


def subscription_budget(again: Command | None = None) -> RowBudget:
    """Return the budget for all subscriptions that a command reads.

    :param again: the `az login` that runs, for the advice; None for another command.
    """
    next_step = f"To see all subscriptions of one tenant, run:\n{one_tenant(again or AZ_LOGIN)}"
    return RowBudget("subscriptions", next_step, rows=MOST_ROWS, text=MOST_TEXT)


def tenant_budget(again: Command | None = None) -> RowBudget:
    """Return the budget for the tenants of an account. The parameter is that of `subscription_budget`."""
    next_step = f"To use another tenant, run:\n{one_tenant(again or AZ_LOGIN)}"
    return RowBudget("tenants", next_step, rows=MOST_TENANTS, text=MOST_TENANTS_TEXT)


class Share:
    """What one list has taken from a budget."""

    def __init__(self, budget: RowBudget, further: str = ""):
        """:param further: text that is stored with each row as well, such as the name of the tenant."""
        self._budget = budget
        self._overhead = _ROW_OVERHEAD + len(json.dumps(further))
        self._lengths: list[int] = []

    def give_back(self, keep: int = 0) -> None:
        """Give back the places of all rows but the first `keep`."""
        self._budget.give_back(self._lengths[keep:])
        del self._lengths[keep:]

    def read_page(self, pieces: Iterable[bytes], trim: Callable[[Any], Row]) -> Page | None:
        """Return a page; None if the object has no list.

        :param trim: returns what is kept of a row.
        :raises ValueError: it is not a JSON object.
        """
        rows: list[Row] = []
        before = len(self._lengths)

        def keep(item: Any) -> None:
            row = trim(item)
            length = len(json.dumps(row)) + self._overhead
            self._budget.take(length)
            self._lengths.append(length)
            rows.append(row)

        try:
            members = read_list(pieces, "value", keep, others=("nextLink",))
        except IncompleteListError as error:
            return Page(rows, None, cut_off=error)
        except BaseException:
            self.give_back(keep=before)
            raise
        if not isinstance(members.get("value"), list):
            return None
        link = members.get("nextLink")
        return Page(rows, str(link) if link else None)


def follow_pages(
    first: str,
    read: Callable[[str], Page],
    what: str,
    *,
    longest: float = LONGEST_LIST,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Row]:
    """Yield the rows of all pages of a list.

    :param first: the address of the first page.
    :param read: returns the page at an address.
    :param what: the path of the list, for an error message.
    :param longest: seconds for the whole list.
    :raises IncompleteListError: the list does not end, or it continues with a page that was read before.
    :raises UnexpectedAnswerError: it continues at another service.
    """
    url: str | None = first
    seen: set[str] = set()
    began = with_rows = clock()
    while url:
        now = clock()
        if len(seen) >= _MOST_PAGES or now - began > longest or now - with_rows > _LONGEST_WITHOUT_ROWS:
            raise IncompleteListError(
                f"Azure Resource Manager has no end of {what}: {len(seen):,} pages were read within "
                f"{now - began:.0f} seconds.",
                NEXT_STEP,
            )
        seen.add(url)
        page = read(url)
        if page.rows:
            with_rows = clock()
        yield from page.rows
        if page.cut_off:
            raise page.cut_off
        url = page.next_link
        if url in seen:
            raise IncompleteListError(
                f"Azure Resource Manager continued {what} with a page that it had sent before.", NEXT_STEP
            )
        if url and (len(url) > _LONGEST_LINK or _service_of(url) != _service_of(first)):
            # The token is sent with every request, so it must not follow a link to another service.
            raise UnexpectedAnswerError(
                f"Azure Resource Manager continued a list at another address ('{printable(url)[:_LONGEST_QUOTE]}').",
                NEXT_STEP,
            )


def _service_of(url: str) -> tuple[str, str]:
    """Return what identifies a service: scheme and host. Resource Manager may write the default port.

    :raises UnexpectedAnswerError: the URL is not valid.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnexpectedAnswerError(
            "Azure Resource Manager continued a list at an address that is not valid.", NEXT_STEP
        ) from error
    return parts.scheme, parts.netloc.lower().removesuffix(":443")
