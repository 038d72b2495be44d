"""The table of `az account status`: it fits the terminal, and everything in it can be found."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from azext_login.cli.status_table import coloured, plain, table_of
from azext_login.profile.model import Account
from azext_login.usecases.status.records import (
    AccountStatus,
    CloudStatus,
    Finding,
    Outcome,
    Refresh,
    StatusReport,
    TenantStatus,
)

_NOW = 1_800_000_000.0
_CLOUD = CloudStatus("AzureCloud", "https://login.example", None)
_NAMES = st.text(min_size=1, max_size=80)


def _report(*tenants: TenantStatus, account: str = "alice@contoso.example") -> StatusReport:
    user = Account(account)
    found = [finding for tenant in tenants if (finding := tenant.finding(user))]
    accounts = (AccountStatus(user, "AzureCloud", "user", tenants),) if tenants else ()
    return StatusReport(_NOW, False, _CLOUD, accounts=accounts, findings=tuple(found))


def _tenant(
    outcome: Outcome | None, *, domain: str | None = "contoso.example", until: int | None = None
) -> TenantStatus:
    command = "az login --tenant contoso.example" if outcome else None
    # Its ID differs for each outcome.
    return TenantStatus(
        str(outcome),
        domain,
        "refresh token",
        until,
        Refresh.WORKS,
        outcome,
        "It is wrong." if outcome else None,
        command,
    )


def _shown(report: StatusReport, width: int = 100) -> list[str]:
    return table_of(report, width=width, clock=lambda: _NOW).splitlines()


def test_a_narrow_table_leaves_out_where_tokens_come_from_before_names_cannot_be_told_apart() -> None:
    names = ("maximiliane.von.hohenstein", "maximiliane.van.hohenstein")
    shown = {}
    for width in (80, 100, 200):
        reports = [
            _report(_tenant(Outcome.ACTION_NEEDED, domain="subsidiary.woodgrove.example"), account=name)
            for name in names
        ]
        shown[width] = [_shown(report, width) for report in reports]
        assert shown[width][0][2] != shown[width][1][2]
        assert all(len(line) <= width for lines in shown[width] for line in lines)
    assert "Token from" not in shown[80][0][0]
    assert shown[80][0][2].startswith("maximiliane.von.ho")
    assert "Token from" in shown[100][0][0]
    assert names[0] in shown[200][0][2]


def test_a_short_table_is_whole_in_80_columns() -> None:
    lines = _shown(_report(_tenant(Outcome.EXPIRED), account="al@a.example"), 80)
    assert lines[0].split("  ")[0].strip() == "Account"
    assert "Token from" in lines[0]
    assert "refresh token" in lines[2]


def test_a_line_names_the_account_the_tenant_and_the_finding() -> None:
    lines = _shown(_report(_tenant(Outcome.GOOD, until=int(_NOW) + 3600), _tenant(Outcome.EXPIRED)))
    assert lines[2].split() == ["alice@contoso.example", "contoso.example", "refresh", "token", "60", "min", "good"]
    assert lines[3].split()[-2:] == ["expired", "[1]"]
    assert lines[-3] == "[1] alice@contoso.example in contoso.example: It is wrong."
    assert lines[-2].strip() == "az login --tenant contoso.example"
    assert lines[-1] == "Status: expired (exit code 11)"


def test_each_outcome_has_a_word() -> None:
    for outcome in Outcome:
        assert _shown(_report(_tenant(outcome)))


def test_what_was_not_checked_is_not_good() -> None:
    assert "not checked" in _shown(_report(_tenant(None)))[2]


def test_without_an_account_the_finding_is_shown() -> None:
    report = StatusReport(_NOW, False, _CLOUD, findings=(Finding("x", "Nobody.", Outcome.NOT_SIGNED_IN, "az login"),))
    assert _shown(report) == ["[1] Nobody.", "    az login", "Status: not signed in (exit code 10)"]


@given(_NAMES, _NAMES, st.sampled_from([None, *Outcome]), st.integers(60, 250))
def test_the_lines_fit_whatever_the_names_are(account: str, domain: str, outcome: Outcome | None, width: int) -> None:
    report = _report(_tenant(outcome, domain=domain), account=account)
    table = _shown(report, width)[:3]
    assert all(len(line) <= max(width, 75) for line in table)
    assert len(_shown(report, width)[0].split()) >= 5


@given(_NAMES)
def test_colours_change_nothing_but_the_colours(account: str) -> None:
    report = _report(_tenant(Outcome.EXPIRED), _tenant(Outcome.GOOD), account=account)
    painted = table_of(report, paint=coloured, clock=lambda: _NOW)
    assert re.sub("\x1b\\[[0-9]+m", "", painted) == table_of(report, paint=plain, clock=lambda: _NOW).replace(
        "\x1b", ""
    )
    assert painted != table_of(report, paint=plain, clock=lambda: _NOW)


def test_letters_that_take_two_columns_are_counted() -> None:
    report = _report(_tenant(Outcome.GOOD, domain="測試" * 20), _tenant(Outcome.GOOD), account="Zürich" * 10)
    lines = _shown(report, 80)[:4]
    ends = {get_cwidth(line[: line.index(mark)]) for line, mark in zip(lines[2:], ["refresh"] * 2, strict=True)}
    assert len(ends) == 1
    assert max(map(get_cwidth, lines)) <= 80
