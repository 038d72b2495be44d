"""Sign-in with a code that the user enters in a browser on any device (RFC 8628)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from azext_login.auth.entra.errors import Attempt, explain
from azext_login.system.text import printable


def sign_in_with_device_code(
    application: Any,
    *,
    scopes: Sequence[str],
    claims_challenge: str | None,
    show_message: Callable[[str], None],
    attempt: Attempt,
) -> dict[str, Any]:
    """Show the code, wait until the user has entered it, and return MSAL's result.

    :param show_message: receives Entra's message, which contains the address and the code.
    :raises SignInError: Entra refused, the user declined, or the code expired.
    """
    flow = application.initiate_device_flow(list(scopes), claims_challenge=claims_challenge)
    if "user_code" not in flow:
        raise explain(flow, attempt)
    # The terminal must show the control characters of a message, and not obey them.
    show_message("\n".join(printable(line) for line in str(flow["message"]).splitlines()))
    result: dict[str, Any] = application.acquire_token_by_device_flow(flow, claims_challenge=claims_challenge)
    return result
