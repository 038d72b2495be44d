"""The IDs and the time of a refusal, by which administrators find it in Entra's sign-in logs, and Microsoft's support.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes#handling-error-codes-in-your-application
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from azext_login.system.http.json_answers import object_in

_ID = r"[0-9A-F][0-9A-F-]{0,35}"
_TIME = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?"

# Label -> form of the value, members of an answer that have it
_PARTS = {
    "Trace ID": (_ID, ("trace_id", "traceId")),
    "Correlation ID": (_ID, ("correlation_id", "correlationId")),
    "Timestamp": (_TIME, ("timestamp",)),
}

# A value that was cut short, and ends in dots, is none.
_VALUES = {
    label: re.compile(rf"\b{label}:\s*(?P<value>{form})(?=[.,;)]?(?:\s|\Z))", re.ASCII | re.IGNORECASE)
    for label, (form, _) in _PARTS.items()
}
_FORMS = {label: re.compile(form, re.ASCII | re.IGNORECASE) for label, (form, _) in _PARTS.items()}
_LABELLED = re.compile(
    "(?:" + "|".join(rf"\s*\b{label}:\s*{form}[.,;]?(?=\s|\Z)" for label, (form, _) in _PARTS.items()) + r")+\s*\Z",
    re.ASCII | re.IGNORECASE,
)
_TEXTS = ("error_description", "message", "Message")

# Characters. The texts of services are shorter; ours are cut to fewer.
_LONGEST_TEXT = 4000


def with_trace(message: str, body: Mapping[str, Any]) -> str:
    """Return the message of an error, with the IDs and the time of a refusal on a last line if its body has any."""
    line = _line(body)
    return f"{message}\n{line}" if line else message


def trace_of(response: requests.Response) -> str:
    """Return that line for an answer of which nothing else is read; "" if it has none."""
    return _line(object_in(response.content)) if response.status_code >= 400 else ""


def without_trace(text: str) -> str:
    """Return the first line of a service's text, without the IDs and the time at its end."""
    line = text.strip().partition("\n")[0].partition(" Trace ID:")[0]
    return _LABELLED.sub("", line[:_LONGEST_TEXT]).strip()


def _line(body: Mapping[str, Any]) -> str:
    found = ((label, _find(label, body)) for label in _PARTS)
    return " ".join(f"{label}: {value}" for label, value in found if value)


def _find(label: str, body: Mapping[str, Any]) -> str | None:
    for part in _parts_of(body):
        for name in _PARTS[label][1]:
            value = part.get(name)
            if isinstance(value, str) and _FORMS[label].fullmatch(value):
                return value
    texts = [part.get(name) for part in _parts_of(body) for name in _TEXTS]
    matches = (_VALUES[label].search(text) for text in texts if isinstance(text, str))
    return next((match["value"] for match in matches if match), None)


def _parts_of(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the body, and its error object: some services for managed identities have one."""
    yield body
    if isinstance(error := body.get("error"), Mapping):
        yield error
