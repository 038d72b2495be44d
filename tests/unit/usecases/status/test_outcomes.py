"""Which exit code an error leads to, and what of its message may be shown to others."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.errors import (
    EncryptionError,
    InteractionRequiredError,
    LockHeldError,
    MalformedAnswerError,
    NotSignedInError,
    ServiceUnreachableError,
    SignInError,
    StoreError,
)
from azext_login.usecases.status.outcomes import command_of, message_of, outcome_of
from azext_login.usecases.status.records import Outcome, worst

_KNOWN, _UNKNOWN = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


_OF_USERS = {
    50057: Outcome.ACCOUNT_DISABLED,
    50053: Outcome.ACCOUNT_DISABLED,
    50173: Outcome.EXPIRED,
    70008: Outcome.EXPIRED,
    70043: Outcome.EXPIRED,
    700082: Outcome.EXPIRED,
    50055: Outcome.ACTION_NEEDED,
    50074: Outcome.ACTION_NEEDED,
    50076: Outcome.ACTION_NEEDED,
    53003: Outcome.ACTION_NEEDED,
    65001: Outcome.CONSENT_MISSING,
    90094: Outcome.CONSENT_MISSING,
    500011: Outcome.REFUSED,
    999999: Outcome.REFUSED,
}
_OF_SERVICE_PRINCIPALS = {
    7000222: Outcome.EXPIRED,
    53003: Outcome.ACTION_NEEDED,
    7000215: Outcome.REFUSED,
    500011: Outcome.REFUSED,
    999999: Outcome.REFUSED,
}


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize(
    ("service_principal", "code", "outcome"),
    [
        *((False, code, outcome) for code, outcome in _OF_USERS.items()),
        *((True, code, outcome) for code, outcome in _OF_SERVICE_PRINCIPALS.items()),
    ],
)
def test_a_code_of_the_service_leads_to_an_exit_code(
    code: int, outcome: Outcome, is_listed: bool, service_principal: bool
) -> None:
    answer: dict[str, Any] = {"error": "invalid_grant", "error_description": f"AADSTS{code}: Refused."}
    if is_listed:
        answer["error_codes"] = [code]
    assert outcome_of(explain(answer, Attempt(service_principal=service_principal))) is outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (StoreError("x"), Outcome.STORE_UNUSABLE),
        (EncryptionError("x"), Outcome.STORE_UNUSABLE),
        (LockHeldError("x"), Outcome.STORE_UNUSABLE),
        (ServiceUnreachableError("x"), Outcome.OFFLINE),
        (MalformedAnswerError("x"), Outcome.OFFLINE),
        (NotSignedInError("x"), Outcome.NOT_SIGNED_IN),
        (InteractionRequiredError("x"), Outcome.ACTION_NEEDED),
        (SignInError("x"), Outcome.REFUSED),
        (AzCLIError("x"), Outcome.REFUSED),
        (SignInError("x", entra_error={"error_codes": "none", "error_description": 5}), Outcome.REFUSED),
    ],
)
def test_an_error_without_a_code_leads_to_an_exit_code(error: AzCLIError, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


def test_a_credential_that_is_refused_for_its_time_is_about_the_clock() -> None:
    answer = {
        "error": "invalid_client",
        "error_codes": [700024],
        "error_description": "AADSTS700024: Not within its time range. Current time: 2001-01-02T03:04:05.1234567Z, ...",
    }
    assert outcome_of(explain(answer, Attempt(service_principal=True))) is Outcome.CLOCK_WRONG


def test_the_worst_outcome_is_what_prevents_most() -> None:
    in_order = [17, 16, 15, 14, 12, 13, 11, 10, 19, 18, 0]
    for first, second in itertools.combinations(map(Outcome, in_order), 2):
        assert worst([second, first]) is first
    assert worst([]) is Outcome.GOOD


def test_a_message_has_no_token_and_no_unknown_id() -> None:
    error = SignInError(
        f"The tenant '{_KNOWN}' of {_UNKNOWN} refused eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.\nTrace ID: x"
    )
    assert message_of(error, {_KNOWN}) == f"The tenant '{_KNOWN}' of *** refused ***"


def test_a_message_has_the_code_of_the_refusal_and_the_advice_but_not_the_command() -> None:
    def refused(code: int, **attempt: Any) -> str:
        answer = {"error": "invalid_grant", "error_codes": [code], "error_description": f"AADSTS{code}: Some text."}
        return message_of(explain(answer, Attempt(tenant="t", username="u", **attempt)), ())

    assert refused(50173).endswith("has expired or was revoked (AADSTS50173).")
    assert refused(50126) == (
        "The user name or password of 'u' is wrong (AADSTS50126). Nothing that was stored before has changed."
    )
    assert refused(50105).endswith("under 'Enterprise applications'.")
    assert refused(700027, service_principal=True) == (
        "The signature of the credential of service principal 'u' was refused (AADSTS700027). Check that the "
        "certificate is registered: `az ad app credential list --cert --id u`. For a federated token, check its issuer."
    )
    assert refused(90033).endswith("Run the command again in a minute.")
    assert refused(1).startswith("AADSTS1: Some text.")


def test_only_a_command_is_shown_as_one() -> None:
    assert command_of(SignInError("x", next_step="To sign in, run:\naz login --tenant a")) == "az login --tenant a"
    assert command_of(SignInError("x", next_step="Ask an administrator.")) is None
    assert command_of(SignInError("x")) is None
