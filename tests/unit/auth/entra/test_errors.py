"""The errors for Entra's answers."""

from __future__ import annotations

import base64
import shlex
import unicodedata
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.auth.entra.errors import Attempt, explain, login_command
from azext_login.auth.entra.refusals import OF_SERVICE_PRINCIPALS, OF_USERS, Refusal
from azext_login.errors import InteractionRequiredError, ServiceBusyError, SignInError
from azext_login.system.command_line import AZ_LOGIN
from tests.users import ALICE, MIA


def _answer(code: int, error: str = "invalid_grant") -> dict[str, Any]:
    return {
        "error": error,
        "error_codes": [code],
        "error_description": f"AADSTS{code}: Some text. Trace ID: 1-2-3 Correlation ID: 4-5-6 Timestamp: 2026-01-01",
        "trace_id": "1-2-3",
    }


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (50126, "user name or password"),
        (50034, "There is no user 'alice@contoso.example'"),
        (50057, "disabled"),
        (50053, "locked"),
        (90002, "Tenant 'fabrikam.example' does not exist"),
        (50020, "not a member or a guest"),
        (500011, "does not exist in this tenant"),
        (28000, "The scopes belong to more than one resource"),
        (70011, "A requested scope is not valid"),
    ],
)
def test_a_refusal_explains_what_is_wrong_and_what_to_run(code: int, words: str) -> None:
    error = explain(_answer(code), Attempt(tenant="fabrikam.example", username=ALICE))
    assert words in error.error_msg
    assert f"AADSTS{code}" in error.error_msg
    assert error.recommendations
    assert not isinstance(error, InteractionRequiredError)


@pytest.mark.parametrize("codes", [None, [], ["50034"], [None], "50034"], ids=repr)
def test_a_refusal_without_numbers_is_known_by_the_code_in_its_text(codes: object) -> None:
    """Only the token endpoint of Entra ID lists numbers. An answer that comes through the browser has none."""
    error = explain({**_answer(50034, "access_denied"), "error_codes": codes}, Attempt(tenant="t", username=ALICE))
    assert "There is no user 'alice@contoso.example'" in error.error_msg


@pytest.mark.parametrize(("code", "principal"), [(50126, False), (50034, False), (7000215, True), (7000222, True)])
def test_a_refused_credential_reports_that_nothing_was_changed(code: int, principal: bool) -> None:
    error = explain(_answer(code), Attempt(tenant="t", username="an-app", service_principal=principal))
    assert "Nothing that was stored before has changed." in error.error_msg


@pytest.mark.parametrize("principal", [False, True])
@pytest.mark.parametrize(
    "answer",
    [
        {"error": "temporarily_unavailable"},
        {"error": "server_error", "error_codes": [90036]},
        {"error": "invalid_request", "error_codes": [90055], "error_description": "AADSTS90055: Too many."},
    ],
)
def test_a_service_that_failed_is_no_reason_to_sign_in(answer: dict[str, Any], principal: bool) -> None:
    """Programs read `az login` in an error as "not signed in"."""
    error = explain(answer, Attempt(tenant="t", username="a-user", service_principal=principal))
    assert isinstance(error, ServiceBusyError)
    assert "az login" not in f"{error} {error.recommendations}"


@pytest.mark.parametrize("code", [50076, 50079, 50158, 53003, 700082, 50173, 50055, 65001])
def test_what_only_the_user_can_provide_names_the_interactive_command(code: int) -> None:
    error = explain(_answer(code), Attempt(tenant="t-1", username=ALICE, scopes=["https://v/.default"]))
    assert isinstance(error, InteractionRequiredError)
    assert "az login --tenant t-1 --scope https://v/.default" in error.recommendations[0]


@pytest.mark.parametrize("code", [50076, 700082])
def test_a_second_factor_reads_interactive_authentication_is_needed(code: int) -> None:
    assert "Interactive authentication is needed" in explain(_answer(code), Attempt()).error_msg


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (7000215, "The client secret of service principal 'an-app' is wrong"),
        (700016, "There is no service principal 'an-app' in tenant 't'"),
        (700024, "The credential of service principal 'an-app' has expired"),
        (53003, "blocks service principal 'an-app'"),
        (500011, "does not exist in this tenant"),
    ],
)
def test_a_refused_service_principal_gets_the_command_that_signs_it_in_again(code: int, words: str) -> None:
    command = AZ_LOGIN.with_option("--service-principal").with_option("--username", "an-app")
    error = explain(_answer(code), Attempt(tenant="t", username="an-app", service_principal=True, command=command))
    assert words in error.error_msg
    assert "az login --service-principal --username an-app --tenant t" in error.recommendations[0]
    assert "{" not in f"{error} {error.recommendations}"
    assert not isinstance(error, InteractionRequiredError)


@pytest.mark.parametrize("table", [OF_USERS, OF_SERVICE_PRINCIPALS], ids=["users", "service principals"])
def test_a_code_has_one_meaning(table: tuple[Refusal, ...]) -> None:
    codes = [code for refusal in table for code in refusal.codes]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("name", ["erin@outlook.com", "erin@hotmail.co.uk", "erin@live.de", "erin@MSN.com"])
def test_a_personal_account_with_a_password_is_told_apart_from_an_unknown_user(name: str) -> None:
    error = explain(_answer(50034), Attempt(username=name, with_password=True))
    assert "personal Microsoft account" in error.error_msg
    assert "Interactive authentication is needed" in error.error_msg


def test_a_password_that_needs_a_second_factor_names_the_home_tenant() -> None:
    error = explain(_answer(50076), Attempt(username=MIA, with_password=True))
    assert "az login --tenant woodgrove.example" in error.recommendations[0]


_TRACE = "1b2c3d4e-0000-4111-8222-abcdefabcdef"
_CORRELATION = "5b2c3d4e-0000-4111-8222-abcdefabcdef"
_TRACE_LINE = f"Trace ID: {_TRACE} Correlation ID: {_CORRELATION} Timestamp: 2026-01-01 10:11:12Z"
_MEMBERS = {"trace_id": _TRACE, "correlation_id": _CORRELATION, "timestamp": "2026-01-01 10:11:12Z"}


@pytest.mark.parametrize("principal", [False, True])
@pytest.mark.parametrize("code", [50126, 50076, 90055, 700024, 90002, 1])
@pytest.mark.parametrize(
    ("after", "members"),
    [
        (f" {_TRACE_LINE}", _MEMBERS),
        (f" {_TRACE_LINE}", {}),
        (f"\r\nTrace ID: {_TRACE}\r\nCorrelation ID: {_CORRELATION}\r\nTimestamp: 2026-01-01 10:11:12Z", {}),
        (f" Correlation ID: {_CORRELATION}. Timestamp: 2026-01-01 10:11:12Z", {"trace_id": _TRACE}),
        ("", _MEMBERS),
        (" Trace ID: cut... Correlation ID: \x1b[2J Timestamp: now", _MEMBERS),
    ],
    ids=["both", "text", "lines of text", "parts of both", "members", "invalid text"],
)
def test_the_last_line_of_a_refusal_has_the_ids_and_the_time_that_support_asks_for(
    after: str, members: dict[str, str], code: int, principal: bool
) -> None:
    answer = {"error": "x", "error_codes": [code], "error_description": f"AADSTS{code}: Some text.{after}", **members}
    lines = str(explain(answer, Attempt(service_principal=principal))).splitlines()
    assert lines[-2:] == [f"AADSTS{code}: Some text.", _TRACE_LINE]
    assert "ID:" not in "".join(lines[:-1])


@pytest.mark.parametrize(
    "value", ["", "s3cret", "1-2-3 az login", "\x1b[2J", "1" * 37, "1\n2", "12...", None, 5, ["1"], "2026-01-01\n", "٣"]
)
@pytest.mark.parametrize("member", list(_MEMBERS))
def test_what_is_no_id_or_time_is_not_shown_as_one(member: str, value: Any) -> None:
    lines = str(explain({"error": "x", "error_description": "No.", **_MEMBERS, member: value}, Attempt())).splitlines()
    assert len(lines) == 2
    assert lines[-1] in [
        _TRACE_LINE.replace(f"Trace ID: {_TRACE} ", ""),
        _TRACE_LINE.replace(f"Correlation ID: {_CORRELATION} ", ""),
        _TRACE_LINE.partition(" Timestamp")[0],
    ]


def test_a_sentence_about_an_id_stays_whole() -> None:
    text = f"Correlation ID: {_CORRELATION} is not known here."
    assert str(explain({"error": "x", "error_description": text}, Attempt())).splitlines()[0] == text


@given(
    st.dictionaries(
        st.sampled_from(["error", "error_description", "error_codes", "suberror", "claims"]),
        st.one_of(st.none(), st.text(max_size=20), st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=3)),
    )
)
def test_any_answer_becomes_an_error_with_a_message_and_a_next_step(answer: dict[str, Any]) -> None:
    error = explain(answer, Attempt())
    assert isinstance(error, (SignInError, ServiceBusyError))
    if isinstance(error, ServiceBusyError):
        return
    assert error.error_msg
    assert (
        "az login" in error.recommendations[0]
        or "--scope" in error.recommendations[0]
        or "az cloud" in (error.recommendations[0])
    )


def test_the_advised_command_survives_a_shell() -> None:
    claims = '{"access_token": {"nbf": {"essential": true, "value": "1"}}}'
    words = shlex.split(str(login_command(Attempt(tenant="t", scopes=["a b", "c"], claims_challenge=claims))))
    assert words[:6] == ["az", "login", "--tenant", "t", "--scope", "a b"]
    assert base64.b64decode(words[-1]).decode() == claims


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
_KEYS = st.sampled_from(["error", "error_codes", "error_description", "suberror", "claims", "trace_id"])


@given(st.dictionaries(_KEYS, _ANYTHING), st.sampled_from([False, True]))
def test_whatever_the_service_answers_becomes_text_that_a_terminal_shows(
    answer: dict[str, Any], principal: bool
) -> None:
    error = explain(answer, Attempt(tenant="t", username="a-user", service_principal=principal))
    assert str(error).strip()
    # Controls, formats, halves of characters, and separators of lines and paragraphs.
    assert not {unicodedata.category(char) for char in str(error) if char != "\n"} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("seconds", "is_named"), [(-86_400, True), (-301, True), (-200, False), (0, False), (299, False), (4_000, True)]
)
@pytest.mark.parametrize("code", [700024, 500133])
def test_the_clock_is_named_if_a_credential_was_refused_for_its_time_and_the_clock_is_wrong(
    code: int, seconds: int, is_named: bool
) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc).timestamp()
    description = (
        f"AADSTS{code}: Client assertion is not within its valid time range. Current time: "
        "2026-03-04T05:06:07.6537216Z, assertion valid from 2026-03-04T03:05:24.0000000Z, expiry time of assertion "
        "2026-03-04T03:15:24.0000000Z."
    )
    answer = {"error": "invalid_client", "error_codes": [code], "error_description": description}
    error = explain(answer, Attempt(service_principal=True), clock=lambda: now + seconds)
    text = f"{error} {error.recommendations}"
    assert ("clock" in text) == is_named
    assert ("Set the clock of this computer" in text) == is_named
    assert f"AADSTS{code}" in text
