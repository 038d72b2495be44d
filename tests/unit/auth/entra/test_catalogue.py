"""The catalogue of refusals: each code has an error with its parts in order, and docs/errors.rst shows all of them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.auth.entra.refusals import OF_SERVICE_PRINCIPALS, OF_THE_SERVICE, OF_USERS, PERSONAL_ACCOUNT, Refusal
from azext_login.errors import InteractionRequiredError, RefusalKind, ServiceBusyError, SignInError
from azext_login.system.command_line import AZ_LOGIN
from tests import errors
from tests.network_failures import NETWORK
from tests.users import ALICE

_TRACE_LINE = "Trace ID: 1b2c3d4e-1 Correlation ID: 5b2c3d4e-2 Timestamp: 2026-01-01 10:11:12Z"

#: Of every kind a few, and what users ask about most in the issues of the Azure CLI, MSAL and the Azure SDKs.
WANTED = (
    50034, 50053, 50055, 50057, 50058, 50059, 50074, 50076, 50079, 50105, 50126, 50128, 50173, 53000, 53001, 53003,
    530003, 530033, 65001, 65004, 700016, 700024, 700027, 70008, 70011, 700082, 70043, 700213, 7000215, 7000222, 70020,
    90002, 90072, 90094, 500011, 500212, 900561, 50012, 50013, 50020, 50056, 50072, 50097, 50131, 50144, 50155, 50158,
    50194, 51004, 65005, 70000, 70002, 70003, 70044, 700003, 7000014, 7000112, 7000218, 75011, 81004, 90009, 90014,
    90019, 90033, 90092, 90100, 120000, 135010, 140000, 500014, 500121, 500133, 500341, 501241, 501461, 530032, 530034,
    5000224, 7000012, 7000216, 50196,
)  # fmt: skip

_ROWS = [
    *(pytest.param(row, False, id=f"user {min(row.codes, default=0)}") for row in (*OF_USERS, *OF_THE_SERVICE)),
    *(pytest.param(row, True, id=f"application {min(row.codes)}") for row in (*OF_SERVICE_PRINCIPALS, *OF_THE_SERVICE)),
]


def _refused(code: int | None, *, word: str = "invalid_grant", is_application: bool = False) -> Any:
    prefix = f"AADSTS{code}" if code else "No code"
    answer = {"error": word, "error_description": f"{prefix}: Some text. {_TRACE_LINE}"}
    if code:
        answer["error_codes"] = [code]  # type: ignore[assignment]
    command = AZ_LOGIN.with_option("--service-principal").with_option("--username", "an-app")
    if is_application:
        return explain(answer, Attempt(tenant="t-1", username="an-app", service_principal=True, command=command))
    return explain(answer, Attempt(tenant="t-1", username=ALICE))


def test_every_code_that_users_ask_about_is_in_the_catalogue() -> None:
    known = {code for row in (*OF_USERS, *OF_SERVICE_PRINCIPALS, *OF_THE_SERVICE) for code in row.codes}
    assert set(WANTED) <= known


@pytest.mark.parametrize(("row", "is_application"), _ROWS)
def test_each_code_has_our_sentence_that_of_entra_and_the_ids_in_this_order(row: Refusal, is_application: bool) -> None:
    for code in row.codes:
        error = _refused(code, is_application=is_application)
        first, second, *rest = str(error).splitlines()
        assert re.fullmatch(r"['A-Z].*\.", first)
        assert second == f"AADSTS{code}: Some text."
        assert rest == [_TRACE_LINE]


@pytest.mark.parametrize(("row", "is_application"), _ROWS)
def test_each_code_has_a_next_step_and_the_kind_of_its_row(row: Refusal, is_application: bool) -> None:
    for code in row.codes:
        error = _refused(code, is_application=is_application)
        (step,) = error.recommendations
        assert not set("{}") & set(f"{error}{step}")
        if row in OF_THE_SERVICE:
            assert isinstance(error, ServiceBusyError)
            assert "az login" not in step
            continue
        assert isinstance(error, SignInError)
        assert error.kind is row.kind
        assert "az login" in step or "az cloud show" in step
        # Programs look for these words, and a service principal has no browser.
        is_interactive = isinstance(error, InteractionRequiredError)
        assert is_interactive == ("Interactive authentication is needed" in str(error)) or code in (65001, *_CONSENTS)
        assert not (is_interactive and is_application)


_CONSENTS = (90008, 90094, 90095, 90099)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (50126, RefusalKind.WRONG_CREDENTIAL),
        (50173, RefusalKind.EXPIRED),
        (50076, RefusalKind.ACTION_NEEDED),
        (50055, RefusalKind.ACTION_NEEDED),
        (53003, RefusalKind.ACTION_NEEDED),
        (65001, RefusalKind.CONSENT_MISSING),
        (50057, RefusalKind.DISABLED),
        (50053, RefusalKind.DISABLED),
        (80001, RefusalKind.UNAVAILABLE),
        (90002, RefusalKind.UNKNOWN_NAME),
        (700016, RefusalKind.UNKNOWN_NAME),
        (70011, RefusalKind.OTHER),
        (1, RefusalKind.OTHER),
    ],
)
def test_a_script_can_tell_apart_why_a_user_was_refused(code: int, kind: RefusalKind) -> None:
    assert _refused(code).kind is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (7000215, RefusalKind.WRONG_CREDENTIAL),
        (700213, RefusalKind.WRONG_CREDENTIAL),
        (7000222, RefusalKind.EXPIRED),
        (700024, RefusalKind.EXPIRED),
        (7000112, RefusalKind.DISABLED),
        (53003, RefusalKind.ACTION_NEEDED),
        (7000229, RefusalKind.UNKNOWN_NAME),
    ],
)
def test_a_script_can_tell_apart_why_a_service_principal_was_refused(code: int, kind: RefusalKind) -> None:
    assert _refused(code, is_application=True).kind is kind


@pytest.mark.parametrize(
    ("word", "kind", "part"),
    [
        ("interaction_required", RefusalKind.ACTION_NEEDED, "Interactive authentication is needed."),
        ("access_denied", RefusalKind.OTHER, "declined"),
        ("expired_token", RefusalKind.EXPIRED, "The device code expired"),
        ("invalid_resource", RefusalKind.OTHER, "does not exist in this tenant"),
    ],
)
def test_an_answer_without_a_code_is_known_by_its_error(word: str, kind: RefusalKind, part: str) -> None:
    error = _refused(None, word=word)
    assert part in str(error)
    assert error.kind is kind


def test_a_code_counts_more_than_the_error_beside_it() -> None:
    assert "deleted" in str(_refused(500341, word="interaction_required"))
    assert "Consent is missing" in str(_refused(90094, word="access_denied"))


@pytest.mark.parametrize(
    ("codes", "is_application", "part"),
    [([70002, 50012], True, "signature"), ([70002, 50126], False, "password"), ([70002, 70008], False, "expired")],
)
def test_of_two_codes_the_precise_one_counts(codes: list[int], is_application: bool, part: str) -> None:
    answer = {"error": "invalid_client", "error_codes": codes}
    assert part in str(explain(answer, Attempt(username="a-user", service_principal=is_application)))


def test_a_personal_account_is_told_apart_only_where_a_password_was_sent() -> None:
    for code in PERSONAL_ACCOUNT.codes:
        answer = {"error": "invalid_request", "error_codes": [code]}
        assert "personal" in str(explain(answer, Attempt(username=ALICE, with_password=True)))
        assert "personal" not in str(explain(answer, Attempt(username=ALICE)))


# The page


def test_the_page_of_errors_is_up_to_date() -> None:
    page = errors.page()
    assert errors.PAGE.read_text(encoding="utf-8") == page, "run `python -m tests.errors`"
    assert max(map(len, page.splitlines())) <= 120


def test_the_page_of_errors_has_each_code_and_each_failure_of_the_network() -> None:
    flat = " ".join(errors.PAGE.read_text(encoding="utf-8").split())
    for row in (*OF_USERS, *OF_SERVICE_PRINCIPALS, *OF_THE_SERVICE):
        assert all(f"``AADSTS{code}`` {cause}" in flat for code, cause in row.causes.items())
    for failures in NETWORK.values():
        assert all(str(failure.error()).split("\n")[0] in flat for failure in failures)
    assert "password@" not in flat
