"""Refusals of a credential for its time: whether the clock of this computer is the cause."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

from azext_login.system.text import format_time

# Seconds. Entra accepts a difference of five minutes
# (https://learn.microsoft.com/entra/identity-platform/access-tokens#token-lifetime).
_TOLERANCE = 300.0

# The service's clock in the messages of AADSTS700024 and AADSTS500133: "Current time: 2026-01-02T03:04:05.1234567Z".
_TIME = re.compile(r"Current time: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)")


def clock_problem(description: Any, now: float) -> str | None:
    """Return a sentence with both clocks if this computer's one is wrong; None otherwise.

    :param description: the `error_description` of a refusal.
    :param now: POSIX time in seconds.
    """
    found = _TIME.search(description) if isinstance(description, str) else None
    if found is None:
        return None
    try:
        service = datetime.fromisoformat(found[1]).replace(tzinfo=timezone.utc).timestamp()
    except (ValueError, OverflowError):
        return None
    if abs(service - now) <= _TOLERANCE:
        return None
    here, there = (format_time(each, "%Y-%m-%d %H:%M:%S UTC", timezone.utc) for each in (now, service))
    return f"The clock of this computer shows {here}, and the clock of the sign-in service shows {there}."
