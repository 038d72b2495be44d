"""The table of `az account status`: one line for each account and tenant, then what was found."""

from __future__ import annotations

import textwrap
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from azext_login.system.text import printable, shorten
from azext_login.usecases.status.records import AccountStatus, Finding, Outcome, StatusReport, TenantStatus

WIDTH = 100
"""Characters of a line, where the width of the terminal is not known."""

_LEAST_WIDTH = 60
_GAP = "  "

_TITLES = ("Account", "Tenant", "Token from", "Token for", "Status", "To do")

_COLUMNS = range(len(_TITLES))
_SOURCE, _STATUS = _TITLES.index("Token from"), _TITLES.index("Status")

# The columns that become narrower in a narrow terminal, and their least width.
_SHRINKING = {0: 12, 1: 10, _SOURCE: 8}

# Names that are cut off at this width can be told apart, usually.
_READABLE = 18

_WORDS = {
    Outcome.GOOD: "good",
    Outcome.NOT_SIGNED_IN: "not signed in",
    Outcome.EXPIRED: "expired",
    Outcome.ACTION_NEEDED: "action needed",
    Outcome.CONSENT_MISSING: "consent missing",
    Outcome.ACCOUNT_DISABLED: "disabled",
    Outcome.OFFLINE: "offline",
    Outcome.CLOCK_WRONG: "clock wrong",
    Outcome.STORE_UNUSABLE: "store unusable",
    Outcome.BUILT_IN_FAILS: "built-in fails",
    Outcome.REFUSED: "refused",
}

Paint = Callable[[str, str], str]
"""Returns text in a colour: its arguments are the text and `red`, `yellow` or `green`."""


def plain(text: str, colour: str) -> str:
    """Return text without a colour."""
    return text


_CODES = {"red": "31", "yellow": "33", "green": "32"}


def coloured(text: str, colour: str) -> str:
    """Return text in a colour of the terminal."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def table_of(
    report: StatusReport, *, width: int = WIDTH, paint: Paint = plain, clock: Callable[[], float] = time.time
) -> str:
    """Return the table, whose lines are not longer than `width`, except for commands to paste."""
    width = max(width, _LEAST_WIDTH)
    numbers = {about: number for number, finding in enumerate(report.findings, 1) for about in finding.about}
    lines = [
        _cells(account, tenant, numbers.get((account.account.key, tenant.tenant)), clock())
        for account in report.accounts
        for tenant in account.tenants
    ]
    shown = [*_table(lines, width, paint), *([""] if lines else [])]
    if report.active is not None:
        active = report.active
        why = f"{active.reason}: {active.origin}" if active.origin else active.reason
        who = printable(active.account.label)
        shown += _wrapped(f"Active subscription: {printable(active.name)}, as {who} ({printable(why)})", width)
    for number, finding in enumerate(report.findings, 1):
        shown += _finding(number, finding, width, paint)
    word = _WORDS[report.outcome]
    summary = f"Status: {word} (exit code {int(report.outcome)})" if report.outcome else _praise(report)
    shown.append(paint(summary, "red" if report.outcome else "green"))
    return "\n".join(shown) + "\n"


def _praise(report: StatusReport) -> str:
    """Return the last line if nothing is wrong, which promises no more than what was checked."""
    if report.is_offline:
        return "Everything that was checked works. No request was sent."
    return "Everything works." if report.is_complete else "Everything that was checked works."


def _cells(account: AccountStatus, tenant: TenantStatus, number: int | None, now: float) -> tuple[str, ...]:
    """Return the cells of a line.

    :param number: that of the finding about this tenant, if there is one.
    """
    return (
        printable(account.account.label),
        printable(tenant.domain or tenant.tenant),
        tenant.token_source or account.sign_in or "-",
        _left(tenant.cached_until, now),
        "not checked" if tenant.outcome is None else _WORDS[tenant.outcome],
        f"[{number}]" if number else "",
    )


def _left(until: int | None, now: float) -> str:
    """Return for how long a token is valid."""
    if until is None:
        return "-"
    minutes = max(0, int(until - now) // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def _table(lines: Sequence[tuple[str, ...]], width: int, paint: Paint) -> list[str]:
    if not lines:
        return []
    widths = _fitting({column: max(_width(line[column]) for line in (_TITLES, *lines)) for column in _COLUMNS}, width)

    def row(cells: Sequence[str], colour: str | None = None) -> str:
        padded = []
        for column, size in widths.items():
            shown = _cut(cells[column], size)
            gap = " " * (size - _width(shown))
            padded.append((paint(shown, colour) if colour and column == _STATUS else shown) + gap)
        return _GAP.join(padded).rstrip()

    return [
        row(_TITLES),
        row(["-" * widths.get(column, 0) for column in _COLUMNS]),
        *(row(line, _colour_of(line[_STATUS])) for line in lines),
    ]


def _fitting(widths: Mapping[int, int], width: int) -> dict[int, int]:
    """Return the columns that fit, with their widths: the source of tokens is left out before names are unreadable."""
    fitting = dict(widths)
    while sum(fitting.values()) + len(_GAP) * (len(fitting) - 1) > width:
        wide = [column for column, least in _SHRINKING.items() if fitting.get(column, 0) > least]
        if not wide:
            break
        if _SOURCE in fitting and all(fitting[column] <= _READABLE for column in _SHRINKING):
            del fitting[_SOURCE]
            fitting |= {column: widths[column] for column in _SHRINKING if column != _SOURCE}
            continue
        fitting[max(wide, key=lambda column: fitting[column])] -= 1
    return fitting


def _width(text: str) -> int:
    """Return the columns of a terminal that a text takes: letters of East Asian scripts take two."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)


def _cut(text: str, width: int) -> str:
    """Return text that takes at most so many columns, with dots in place of the rest."""
    if _width(text) <= width:
        return text
    longest = len(text)
    while _width(shown := shorten(text, longest)) > width:
        longest -= 1
    return shown


def _colour_of(word: str) -> str:
    if word == "not checked":
        return "yellow"
    return "green" if word == _WORDS[Outcome.GOOD] else "red"


def _finding(number: int, finding: Finding, width: int, paint: Paint) -> list[str]:
    colour = "yellow" if finding.is_warning else "red"
    mark = f"[{number}]"
    first, *others = _wrapped(f"{mark} {printable(finding.what)}", width, indent=len(mark) + 1)
    lines = [paint(mark, colour) + first[len(mark) :], *others]
    if finding.command:
        # In one line, to be pasted.
        lines.append(" " * (len(mark) + 1) + printable(finding.command))
    return lines


def _wrapped(text: str, width: int, indent: int = 0) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ) or [""]
