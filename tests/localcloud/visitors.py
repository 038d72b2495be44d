"""Browsers and their cookie: who is at the other end, and that a form came from a page of ours."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from flask import request

from tests.localcloud.errors import EntraError
from tests.localcloud.interaction import Browser, Interaction
from tests.localcloud.routes import ENTRA
from tests.localcloud.state import State


class Visitors:
    """Finds the browser of the current request."""

    def __init__(self, state: State, cookie: str = ENTRA.cookie) -> None:
        self._state = state
        self._cookie = cookie

    def current(self) -> tuple[str, Browser]:
        """(cookie value, browser); a new pair for a browser without a cookie of ours."""
        known = request.cookies.get(self._cookie, "")
        browser = self._state.browsers.get(known)
        if browser is None:
            known = secrets.token_urlsafe(24)
            browser = self._state.browsers.setdefault(known, Browser())
        return known, browser

    def remember(self, response: Any, browser_id: str) -> Any:
        """Set the cookie on a response."""
        response.set_cookie(self._cookie, browser_id, secure=True, httponly=True, samesite="Lax", path="/")
        return response

    def check_form(self) -> Browser:
        """The browser, if the posted form carries its token; EntraError otherwise (cross-site request forgery)."""
        _, browser = self.current()
        if not hmac.compare_digest(request.form.get("csrf", "").encode(), browser.csrf.encode()):
            raise EntraError(
                "invalid_request",
                165000,
                "The request tokens do not match the user context. Open the sign-in page again.",
            )
        return browser

    def interaction(self, interaction_id: str) -> tuple[Interaction, Browser]:
        """The sign-in under way, if it is this browser's; EntraError otherwise."""
        browser_id, browser = self.current()
        found = self._state.interactions.get(interaction_id)
        if found is None or found.browser_id != browser_id:
            raise EntraError(
                "invalid_request",
                165000,
                "This sign-in is over, or it was started in another browser. "
                "Go back to the application and start again.",
            )
        return found, browser
