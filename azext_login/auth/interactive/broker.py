"""Sign-in through the operating system's account broker, for example Web Account Manager or Company Portal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def sign_in_with_broker(
    application: Any, *, scopes: Sequence[str], claims_challenge: str | None, show_notice: Callable[[str], None]
) -> dict[str, Any]:
    """Let the user sign in with the broker's window, and return MSAL's result. Microsoft accounts are allowed."""

    def announce(ui: str | None = None, **_: Any) -> None:
        show_notice(
            "Select the account you want to log in with. For more information on login with Azure CLI, see "
            "https://go.microsoft.com/fwlink/?linkid=2271136"
        )

    result: dict[str, Any] = application.acquire_token_interactive(
        list(scopes),
        prompt="select_account",
        parent_window_handle=application.CONSOLE_WINDOW_HANDLE,
        on_before_launching_ui=announce,
        enable_msa_passthrough=True,
        claims_challenge=claims_challenge,
    )
    return result
