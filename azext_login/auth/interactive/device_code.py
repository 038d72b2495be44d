"""Sign-in with a code that the user enters in a browser on any device (RFC 8628)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    :param show_message: receives the service's message, or ours if it has none. It contains the address and the code.
    :raises SignInError: Entra refused, the user declined, or the code expired.
    """
    flow = application.initiate_device_flow(list(scopes), claims_challenge=claims_challenge)
    if "user_code" not in flow:
        raise explain(flow, attempt)
    message = flow.get("message") or _message(flow)
    # The terminal must show the control characters of a message, and not obey them.
    show_message("\n".join(printable(line) for line in str(message).splitlines()))
    result: dict[str, Any] = application.acquire_token_by_device_flow(flow, claims_challenge=claims_challenge)
    return result


def _message(flow: Mapping[str, Any]) -> str:
    """Return the message for an answer without one: it is Entra's addition to RFC 8628 section 3.2."""
    message = (
        f"To sign in, use a web browser to open the page {flow['verification_uri']} and enter the code "
        f"{flow['user_code']} to authenticate."
    )
    complete = flow.get("verification_uri_complete")
    return f"{message}\nOr open this page, which contains the code: {complete}" if complete else message
