"""Answers of the authorization endpoint: to the application in the asked response mode, or a page of refusal.

Response modes: "OAuth 2.0 Multiple Response Type Encoding Practices" and "OAuth 2.0 Form Post Response Mode".
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode, urlsplit

from flask import Response, make_response, redirect, render_template

from tests.localcloud.errors import EntraError


def page(template: str, *, form_targets: str = "", status: int = 200, **values: object) -> Response:
    """Render a page. `form_targets` are origins, beside this one, that its forms may lead to.

    Browsers apply form-action to redirects after the post as well, so the page that is followed by a redirect to the
    application has to name the application's origin.
    """
    nonce = secrets.token_urlsafe(12)
    response = make_response(render_template(template, nonce=nonce, **values), status)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:; "
        f"form-action 'self' {form_targets}; frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response


def origin(uri: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def deliver(redirect_uri: str, response_mode: str, values: dict[str, str]) -> Response:
    """Send `values` to the application through the browser."""
    if response_mode == "form_post":
        return page("form_post.html", form_targets=origin(redirect_uri), action=redirect_uri, values=values)
    mark = "#" if response_mode == "fragment" else "?"
    return redirect(redirect_uri + mark + urlencode(values), 302)  # type: ignore[return-value]


def deliver_error(
    redirect_uri: str, response_mode: str, state: str | None, error: EntraError, now: float, base_url: str
) -> Response:
    """RFC 6749 4.1.2.1: the refusal goes to the application."""
    body = error.body(now, None, base_url)
    values: dict[str, str] = {key: str(body[key]) for key in ("error", "error_description", "error_uri") if key in body}
    if error.code == 65004:
        # Entra tells "the user pressed cancel" from other denials with this parameter.
        values["error_subcode"] = "cancel"
    if state is not None:
        values["state"] = state
    return deliver(redirect_uri, response_mode, values)


def error_page(error: EntraError, now: float, base_url: str) -> Response:
    """A refusal that stays in the browser, because it must not or cannot go to the application."""
    return page("error.html", status=400, error=error.body(now, None, base_url), title=error.title)
