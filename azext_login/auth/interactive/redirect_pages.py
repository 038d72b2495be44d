"""The pages that the redirect receiver shows in the browser, and the HTTP responses that carry them.

A page is complete: it loads no script, image or font, and names no other address. The style sheet is allowed by its
hash (CSP level 3, section 8.4), so that markup that got past the escaping could neither run nor look like ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from azext_login.system.http_server.response import Response, make_response

_APPLICATION = "Azure CLI"
_MAX_REFLECTED = 1000
_CSP = (
    "default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_STYLE = """
:root { color-scheme: light dark; --page: #f3f4f6; --card: #ffffff; --text: #1b1f24; --quiet: #57606a;
  --line: #d8dee4; --good: #1a7f37; --bad: #b42318; --calm: #0b62c4; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1318; --card: #181d24; --text: #e8ecf1;
  --quiet: #9aa5b1; --line: #2d343d; --good: #4ac26b; --bad: #ff8a7d; --calm: #6cb2ff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.25rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { width: 100%; max-width: 34rem; padding: 2rem; background: var(--card); border: 1px solid var(--line);
  border-top: 4px solid var(--accent); border-radius: .6rem; }
.good { --accent: var(--good); } .bad { --accent: var(--bad); } .calm { --accent: var(--calm); }
.application { margin: 0 0 .75rem; color: var(--quiet); font-size: .875rem; letter-spacing: .02em; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; font-weight: 600; color: var(--accent); }
p { margin: 0 0 .75rem; } main > :last-child { margin-bottom: 0; }
.detail { padding: .75rem 1rem; border-left: 3px solid var(--line); background: var(--page);
  color: var(--text); font-size: .925rem; white-space: pre-line; overflow-wrap: anywhere;
  unicode-bidi: isolate; }
@media (max-width: 30rem) { main { padding: 1.25rem; } h1 { font-size: 1.3rem; } }
"""


def success() -> str:
    """Return the page for a sign-in that succeeded."""
    return _page("good", "Signed in", "You are signed in. You can close this window and go back to the terminal.")


def failure(error: str) -> str:
    """Return the page for a refusal by the authority, or for a code that could not be redeemed.

    :param error: what failed; may contain what the authority sent.
    """
    hint = "The terminal shows the next step. You can close this window."
    return _page("bad", "Sign-in failed", "You were not signed in.", error, hint)


def neutral() -> str:
    """Return the page for an answer while the outcome is unknown."""
    return _page(
        "calm",
        "Continue in the terminal",
        "Your answer was received. The terminal shows the result. You can close this window.",
    )


def foreign() -> str:
    """Return the page for an answer with an unexpected state."""
    return _page(
        "bad",
        "This is another sign-in",
        "This is not the sign-in that the terminal is waiting for, so nothing was recorded. "
        "Use the window that was opened last, or start again in the terminal.",
    )


def repeated() -> str:
    """Return the page for an answer after the first one."""
    return _page(
        "calm",
        "Already answered",
        "This sign-in was answered before. Continue in the terminal. You can close this window.",
    )


def refused(reason: str = "") -> str:
    """Return the page for a request that is not an answer.

    :param reason: fixed text, never what the client sent.
    """
    text = "The terminal is waiting for the answer to a sign-in here. This request is not an answer."
    return _page("bad", "Request refused", text, reason)


def _page(mood: str, title: str, text: str, detail: str = "", hint: str = "") -> str:
    """Return an HTML document. The arguments are plain text."""
    quoted = f'<p class="detail">{_escape(detail)}</p>\n' if detail else ""
    closing = f"<p>{_escape(hint)}</p>\n" if hint else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        # With this empty icon the browser does not request /favicon.ico.
        '<link rel="icon" href="data:,">\n'
        f"<title>{_escape(title)} - {_APPLICATION}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f'<body>\n<main class="{mood}">\n<p class="application">{_APPLICATION}</p>\n'
        f"<h1>{_escape(title)}</h1>\n<p>{_escape(text)}</p>\n{quoted}{closing}</main>\n</body>\n</html>\n"
    )


def _escape(text: str) -> str:
    """Return text for HTML: at most 1000 characters, markup escaped, invisible characters replaced."""
    from html import escape

    if len(text) > _MAX_REFLECTED:
        text = text[:_MAX_REFLECTED] + "..."
    text = text.replace("\r\n", "\n").replace("\t", " ")
    visible = (char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
    return escape("".join(visible), quote=True)


def page_response(
    status: int, html: str, *, awaited: bool = False, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a page as a response.

    :param awaited: see `Response`.
    :param headers: additional ones, fixed text only.
    """
    import base64
    import hashlib

    style_hash = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    fields = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _CSP.format(style_hash=style_hash),
        **(headers or {}),
    }
    return make_response(status, fields, html.encode("utf-8"), awaited=awaited)


def bare_response(status: int, text: str = "") -> Response:
    """Return a short plain-text response, for requests whose response no user sees."""
    fields = {"Content-Type": "text/plain; charset=utf-8"}
    return make_response(status, fields, text.encode("utf-8"))


def redirect_response(path: str) -> Response:
    """Return 303 See Other to a path of this server (RFC 9110 section 15.4.4)."""
    return make_response(303, {"Location": path}, leads_to_page=True)
