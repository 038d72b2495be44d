"""What the user is told about tenants after a search for subscriptions."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from azure.cli.core.azclierror import AzCLIError

from azext_login.cli.reports import report_discovery, report_guess, report_refresh, report_selection
from azext_login.errors import (
    AccountError,
    InteractionRequiredError,
    InterruptedDiscoveryError,
    MalformedAnswerError,
    ServiceUnreachableError,
    SignInError,
)
from azext_login.profile.model import Account
from azext_login.resource_manager.discovery import Discovery, DuplicateView, TenantReport
from azext_login.resource_manager.resources import Subscription, Tenant
from azext_login.system.command_line import AZ_LOGIN, Command
from azext_login.usecases.refresh_subscriptions import RefreshFailure, RefreshOutcome
from azext_login.usecases.sign_in import SignInOutcome
from tests import users

ALICE, BOB = Account(users.ALICE), Account(users.BOB)
_REFRESH = Command(("az", "account", "list")).with_option("--refresh")
PRINCIPAL = Account("11111111-aaaa", "servicePrincipal")
MANAGED_IDENTITY = Account("systemAssignedIdentity", "servicePrincipal", {"assignedIdentityInfo": "MSI"})


def _report(tenant: str, failure: AzCLIError | None = None, subscriptions: Sequence[str] = ()) -> TenantReport:
    found = tuple(Subscription(one, one, "Enabled", tenant) for one in subscriptions)
    return TenantReport(Tenant(tenant, f"Name of {tenant}"), found, failure)


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [" ".join(line.split()) for record in caplog.records for line in record.getMessage().splitlines()]


def _lines_after_sign_in(caplog: pytest.LogCaptureFixture, *reports: TenantReport) -> list[str]:
    with caplog.at_level(logging.WARNING):
        report_discovery(ALICE, Discovery(reports))
    return _lines(caplog)


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (None, "no subscriptions az login --tenant t --allow-no-subscriptions"),
        (InteractionRequiredError("x"), "asks for more, such as a second factor az login --tenant t"),
        (InterruptedDiscoveryError("x"), "was not waited for (Ctrl-C) az account list --refresh --tenant t"),
        (ServiceUnreachableError("x"), "did not answer az account list --refresh --tenant t"),
        (MalformedAnswerError("x"), "did not answer az account list --refresh --tenant t"),
        (SignInError("You are\nout."), "You are az login --tenant t"),
    ],
)
def test_each_tenant_has_one_line_with_what_happened_and_what_to_run(
    caplog: pytest.LogCaptureFixture, failure: AzCLIError | None, line: str
) -> None:
    lines = _lines_after_sign_in(caplog, _report("fine", subscriptions=["a"]), _report("t", failure))
    assert lines == ["1 of 2 tenants did not show subscriptions:", "Tenant What happened To do", f"Name of t {line}"]


@pytest.mark.parametrize(
    ("failure", "command"),
    [
        (InteractionRequiredError("x"), "az login --allow-no-subscriptions --tenant t"),
        (SignInError("No."), "az login --username a --password=@- --allow-no-subscriptions --tenant t"),
    ],
)
def test_a_tenant_that_asks_for_more_is_not_signed_in_to_with_the_password(
    caplog: pytest.LogCaptureFixture, failure: AzCLIError, command: str
) -> None:
    again = AZ_LOGIN.with_option("--username", "a").with_option("--password", "@-")
    with caplog.at_level(logging.WARNING):
        report_discovery(
            ALICE, Discovery((_report("t", failure),)), again=again.with_option("--allow-no-subscriptions")
        )
    assert _lines(caplog)[-1].endswith(command)


_REFUSED = SignInError(
    "The secret has expired.",
    next_step='Make a new one: `az ad app`. To sign in again, run:\naz login --service-principal --password=@- -t "t"',
)


@pytest.mark.parametrize(
    ("account", "failure", "line"),
    [
        (PRINCIPAL, _REFUSED, 'The secret has expired. az login --service-principal --password=@- -t "t"'),
        (PRINCIPAL, SignInError("No role."), "No role. az account list --refresh --tenant t"),
        (PRINCIPAL, None, "no subscriptions az account list --refresh --tenant t"),
        (MANAGED_IDENTITY, SignInError("No role."), "No role. az account list --refresh --tenant t"),
        (MANAGED_IDENTITY, ServiceUnreachableError("x"), "did not answer az account list --refresh --tenant t"),
    ],
)
def test_a_workload_is_not_advised_to_sign_in_like_a_user(
    caplog: pytest.LogCaptureFixture, account: Account, failure: AzCLIError | None, line: str
) -> None:
    with caplog.at_level(logging.WARNING):
        report_discovery(account, Discovery((_report("t", failure),)))
    assert _lines(caplog)[-1] == f"Name of t {line}"


def test_the_account_is_named_where_several_were_asked(caplog: pytest.LogCaptureFixture) -> None:
    bad, good = Discovery((_report("t", SignInError("No.")),)), Discovery((_report("t", subscriptions=["a"]),))
    with caplog.at_level(logging.WARNING):
        report_refresh(RefreshOutcome((), ((ALICE, bad), (PRINCIPAL, good), (BOB, bad))), again=_REFRESH)
    assert _lines(caplog)[1:] == [
        "Account Tenant What happened To do",
        "alice@contoso.example Name of t No. az login --tenant t",
        "bob@fabrikam.example Name of t No. az login --tenant t",
    ]


@pytest.mark.parametrize(
    ("account", "error", "command"),
    [
        (ALICE, SignInError("It expired."), "az login"),
        (ALICE, ServiceUnreachableError("It expired."), "az account list --refresh"),
        (PRINCIPAL, _REFUSED, 'az login --service-principal --password=@- -t "t"'),
    ],
)
def test_an_account_that_could_not_be_refreshed_gets_the_fitting_command(
    caplog: pytest.LogCaptureFixture, account: Account, error: AzCLIError, command: str
) -> None:
    with caplog.at_level(logging.WARNING):
        report_refresh(RefreshOutcome((RefreshFailure(account, error),), ()), again=_REFRESH)
    (line,) = _lines(caplog)
    assert line.endswith(f". To continue, run {command}")


def test_nothing_is_reported_where_every_tenant_shows_something(caplog: pytest.LogCaptureFixture) -> None:
    assert not _lines_after_sign_in(caplog, _report("one", subscriptions=["a"]), _report("two", subscriptions=["b"]))


def test_fifty_tenants_are_one_message(caplog: pytest.LogCaptureFixture) -> None:
    _lines_after_sign_in(caplog, *(_report(f"t-{number}", InteractionRequiredError("x")) for number in range(50)))
    assert len(caplog.records) == 1
    assert len(_lines(caplog)) == 52


def test_a_name_or_an_answer_cannot_move_the_cursor_or_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant("t", "\x1b[2JEvil\r\nWARNING: run this")
    with caplog.at_level(logging.WARNING):
        report_discovery(ALICE, Discovery((TenantReport(tenant, (), SignInError("\x1b]0;title\x07 no")),)))
        report_refresh(RefreshOutcome((RefreshFailure(ALICE, SignInError("\x1b]0;title\x07 no")),), ()), again=_REFRESH)
    table, line = (record.getMessage() for record in caplog.records)
    assert table.count("\n") == 2
    assert not set(table + line) & set("\x1b\r\x07")


def test_a_subscription_name_cannot_either(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "\x1b[2JEvil\r\nWARNING: run this"
    shared = Subscription("a", evil, "Enabled", "two")
    row = {"id": "a", "name": evil, "user": {"name": users.ALICE, "type": "user"}}
    outcome = SignInOutcome(Account(users.ALICE), [row], Discovery(()), guessed=row)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with caplog.at_level(logging.WARNING):
        report_discovery(ALICE, Discovery((), (DuplicateView(shared, "one"),)))
        report_refresh(RefreshOutcome((), (), newly_active=row), again=_REFRESH)
        report_selection(row)
        report_guess(outcome)
    lines = [record.getMessage() for record in caplog.records]
    assert [text.count("Evil") for text in lines] == [1, 1, 1, 1]
    assert not set("".join(lines)) & set("\x1b\r\n")


def test_a_long_name_and_a_long_answer_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    tenant = Tenant("t", "N" * 500)
    with caplog.at_level(logging.WARNING):
        report_discovery(ALICE, Discovery((TenantReport(tenant, (), SignInError("x" * 500)),)))
    assert max(map(len, _lines(caplog))) < 160


def test_a_tenant_whose_subscriptions_another_one_shows_is_not_called_empty(caplog: pytest.LogCaptureFixture) -> None:
    shared = Subscription("a", "Shared", "Enabled", "two")
    found = Discovery((_report("one", subscriptions=["a"]), _report("two")), (DuplicateView(shared, "one"),))
    with caplog.at_level(logging.WARNING):
        report_discovery(ALICE, found)
    (line,) = _lines(caplog)
    assert "from tenants one (used) and two" in line
    assert "az account set --subscription a --tenant two" in line


def test_many_shared_subscriptions_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    shared = tuple(DuplicateView(Subscription(str(n), "S", "Enabled", "two"), "one") for n in range(40))
    with caplog.at_level(logging.WARNING):
        report_discovery(ALICE, Discovery((_report("one", subscriptions=["a"]), _report("two")), shared))
    (line,) = _lines(caplog)
    assert line.startswith("40 subscriptions")


def test_a_refresh_reports_that_rows_are_kept_and_does_not_report_empty_tenants(
    caplog: pytest.LogCaptureFixture,
) -> None:
    discovery = Discovery((_report("empty"), _report("t", ServiceUnreachableError("x"))))
    with caplog.at_level(logging.WARNING):
        report_refresh(RefreshOutcome((), ((ALICE, discovery),)), again=_REFRESH)
    lines = _lines(caplog)
    assert lines[0] == "1 of 2 tenants did not show subscriptions; their known subscriptions are still listed:"
    assert len(lines) == 3


def test_an_interrupted_refresh_fails_and_names_accounts_that_were_not_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    late = RefreshFailure(Account(users.BOB), InterruptedDiscoveryError("x"))
    with caplog.at_level(logging.WARNING), pytest.raises(AccountError, match="Ctrl-C"):
        report_refresh(RefreshOutcome((late,), (), interrupted=True), again=_REFRESH)
    assert _lines(caplog) == ["The subscriptions of 'bob@fabrikam.example' stay as they were. It was not asked."]
