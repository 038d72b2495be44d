"""What the error of a token request means for the account: which exit code, and which text may be shown to others."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from typing import Any

from azure.cli.core.azclierror import AzCLIError

from azext_login.auth.entra.clocks import clock_problem
from azext_login.auth.token_answers import as_integer
from azext_login.errors import (
    InteractionRequiredError,
    NotSignedInError,
    ServiceUnreachableError,
    StoreError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.system.text import printable, without_tokens
from azext_login.usecases.status.records import Outcome

# AADSTS codes: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_OUTCOMES = {
    Outcome.ACCOUNT_DISABLED: frozenset({50053, 50057, 7000112}),
    Outcome.CONSENT_MISSING: frozenset({65001, 65004, 90094, 90095}),
    Outcome.EXPIRED: frozenset(
        {50089, 50132, 50133, 50173, 70008, 70043, 700024, 700081, 700082, 700084, 7000222},
    ),
    # Conditional access stops service principals too, and then an administrator has to act.
    Outcome.ACTION_NEEDED: frozenset(
        {50005, 50055, 50058, 50072, 50074, 50076, 50078, 50079, 50097, 50158}
        | {53000, 53001, 53003, 530003, 530034, 530035}
    ),
}

_CODE = re.compile(r"\bAADSTS([0-9]{1,9})\b")
_GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


def outcome_of(error: AzCLIError) -> Outcome:
    """Return what an error of a token request means."""
    if isinstance(error, StoreError):
        return Outcome.STORE_UNUSABLE
    if isinstance(error, (ServiceUnreachableError, UnexpectedAnswerError)):
        return Outcome.OFFLINE
    if isinstance(error, NotSignedInError):
        return Outcome.NOT_SIGNED_IN
    answer = getattr(error, "msal_error", None)
    answer = answer if isinstance(answer, Mapping) else {}
    if clock_problem(answer.get("error_description"), time.time()):
        return Outcome.CLOCK_WRONG
    codes = _codes_in(answer)
    found = next((outcome for outcome, known in _OUTCOMES.items() if codes & known), None)
    if found is not None:
        return found
    return Outcome.ACTION_NEEDED if isinstance(error, InteractionRequiredError) else Outcome.REFUSED


def _codes_in(answer: Mapping[str, Any]) -> frozenset[int]:
    listed, text = answer.get("error_codes"), answer.get("error_description")
    numbers = [as_integer(code) for code in listed] if isinstance(listed, list) else []
    if not numbers and isinstance(text, str):
        numbers = [int(code) for code in _CODE.findall(text)]
    return frozenset(number for number in numbers if number is not None)


def message_of(error: AzCLIError, known: Collection[str]) -> str:
    """Return what happened, in a form that can be pasted into an issue: without tokens, and without unknown GUIDs.

    :param known: what `account list` shows, in lower case.
    """
    text = without_tokens(printable(first_line(error)))
    return _GUID.sub(lambda found: found[0] if found[0].lower() in known else "***", text)


def command_of(error: AzCLIError) -> str | None:
    """Return the command that an error advises, the last line of its advice; None if that is not a command."""
    lines = [line for advice in error.recommendations for line in str(advice).splitlines()]
    last = printable(lines[-1]) if lines else ""
    return last if last.startswith("az ") else None
