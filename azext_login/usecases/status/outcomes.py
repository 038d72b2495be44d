"""What the error of a token request means for the account: which exit code, and which text may be shown to others."""

from __future__ import annotations

import re
from collections.abc import Collection

from azext_login.errors import (
    NotSignedInError,
    RefusalKind,
    ServiceUnreachableError,
    SignInError,
    StoreError,
    UnexpectedAnswerError,
    first_line,
)
from azext_login.host_errors import AzCLIError
from azext_login.system.text import printable, without_tokens
from azext_login.usecases.status.records import Outcome

_OUTCOMES = {
    RefusalKind.EXPIRED: Outcome.EXPIRED,
    RefusalKind.ACTION_NEEDED: Outcome.ACTION_NEEDED,
    RefusalKind.CONSENT_MISSING: Outcome.CONSENT_MISSING,
    RefusalKind.DISABLED: Outcome.ACCOUNT_DISABLED,
    RefusalKind.UNAVAILABLE: Outcome.OFFLINE,
    RefusalKind.CLOCK_WRONG: Outcome.CLOCK_WRONG,
}

_CODE = re.compile(r"\bAADSTS[0-9]{1,9}\b")
# The last sentence before a command: "Ask its administrators. To sign in, run:".
_LEADING = re.compile(r"(?:(?<=\. )|^)(?:[^.]|\.(?! ))*:$")
_GUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


def outcome_of(error: AzCLIError) -> Outcome:
    """Return what an error of a token request means."""
    if isinstance(error, StoreError):
        return Outcome.STORE_UNUSABLE
    if isinstance(error, (ServiceUnreachableError, UnexpectedAnswerError)):
        return Outcome.OFFLINE
    if isinstance(error, NotSignedInError):
        return Outcome.NOT_SIGNED_IN
    return _OUTCOMES.get(error.kind, Outcome.REFUSED) if isinstance(error, SignInError) else Outcome.REFUSED


def message_of(error: AzCLIError, known: Collection[str]) -> str:
    """Return what happened and what to do, as text to paste into an issue: without tokens, and without unknown GUIDs.

    The code of a refusal follows its first sentence, so that it can be looked up. The advice that `command_of` returns
    is left out.

    :param known: what `account list` shows, in lower case.
    """
    text = without_tokens(printable(" ".join((_with_code(first_line(error), str(error)), *_advice_of(error)))))
    return _GUID.sub(lambda found: found[0] if found[0].lower() in known else "***", text)


def _with_code(line: str, message: str) -> str:
    """Return the first line of a refusal with its code, which begins a later line of the message."""
    found = _CODE.search(message)
    if found is None or found[0] in line:
        return line
    sentence, dot, kept = line.removesuffix(".").partition(". ")
    return f"{sentence} ({found[0]}){dot}{kept}."


def _advice_of(error: AzCLIError) -> list[str]:
    """Return the advice of an error without the command at its end, and without what leads to that command."""
    lines = [line for advice in error.recommendations for line in str(advice).splitlines()]
    if command_of(error) is None:
        return lines
    *others, before = ["", *lines[:-1]]
    advised = [*others, _LEADING.sub("", before).rstrip()]
    return [f"`{line}`" if line.startswith("az ") else line for line in advised if line]


def command_of(error: AzCLIError) -> str | None:
    """Return the command that an error advises, the last line of its advice; None if that is not a command."""
    lines = [line for advice in error.recommendations for line in str(advice).splitlines()]
    last = printable(lines[-1]) if lines else ""
    return last if last.startswith("az ") else None
