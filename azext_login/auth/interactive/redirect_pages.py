"""The pages that the redirect receiver shows in the browser, and the HTTP responses that carry them.

Everything a page needs is in it: no script, no image, no font, no address of anybody else. The style sheet is
allowed by its hash (CSP level 3, section 8.4), so that markup which got past the escaping could neither run
nor look like ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MAX_REFLECTED = 1000
_CSP = (
    "default-src 'none'; style-src 'sha256-{style_hash}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}

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
.who { margin: 0 0 .75rem; color: var(--quiet); font-size: .875rem; letter-spacing: .02em; }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; font-weight: 600; color: var(--accent); }
p { margin: 0 0 .75rem; } main > :last-child { margin-bottom: 0; }
.detail { padding: .75rem 1rem; border-left: 3px solid var(--line); background: var(--page);
  color: var(--text); font-size: .925rem; white-space: pre-line; overflow-wrap: anywhere;
  unicode-bidi: isolate; }
@media (max-width: 30rem) { main { padding: 1.25rem; } h1 { font-size: 1.3rem; } }
"""


@dataclass(frozen=True)
class Response:
    """The bytes of one HTTP response, and what closing the receiver has to wait (a moment) for.

    `awaited`: the person is looking at this page. `leads_to_page`: the browser will come back for the page at
    once.
    """

    status: int
    payload: bytes
    awaited: bool = False
    leads_to_page: bool = False


@dataclass(frozen=True)
class Pages:
    """The words on the pages. Plain text: every field is escaped when it is shown."""

    application: str = "Azure CLI"
    language: str = "en"
    success_title: str = "Signed in"
    success_text: str = "You are signed in. You can close this window and go back to the terminal."
    failure_title: str = "Sign-in failed"
    failure_text: str = "You were not signed in."
    failure_hint: str = "The terminal has the next step. You can close this window."
    neutral_title: str = "Continue in the terminal"
    neutral_text: str = "Your answer has arrived. You can close this window; the terminal goes on."
    foreign_title: str = "Not the sign-in that was expected"
    foreign_text: str = (
        "This is not the sign-in that the terminal is waiting for, so nothing was recorded. "
        "Use the window that was opened last, or start again in the terminal."
    )
    repeated_title: str = "Already answered"
    repeated_text: str = "This sign-in was answered before. Go on in the terminal; you can close this window."
    refused_title: str = "Request refused"
    refused_text: str = "The terminal is waiting for a sign-in here, and this request is not one."

    def success(self, detail: str = "") -> str:
        """HTML after tokens were received. `detail`: for instance who signed in."""
        return self._page("good", self.success_title, self.success_text, detail)

    def failure(self, error: str = "", detail: str = "") -> str:
        """HTML after a refusal by the authority or a failure to redeem the code."""
        shown = "\n".join(part for part in (error, detail) if part)
        return self._page("bad", self.failure_title, self.failure_text, shown, self.failure_hint)

    def neutral(self) -> str:
        """HTML while the outcome is not known."""
        return self._page("calm", self.neutral_title, self.neutral_text)

    def foreign(self) -> str:
        """HTML for an answer to a sign-in that nobody here is waiting for."""
        return self._page("bad", self.foreign_title, self.foreign_text)

    def repeated(self) -> str:
        """HTML for an answer after the first one."""
        return self._page("calm", self.repeated_title, self.repeated_text)

    def refused(self, reason: str = "") -> str:
        """HTML for a request that is no answer at all. `reason` is fixed text, never the client's."""
        return self._page("bad", self.refused_title, self.refused_text, reason)

    def _page(self, mood: str, title: str, text: str, detail: str = "", hint: str = "") -> str:
        quoted = f'<p class="detail">{_shown(detail)}</p>\n' if detail else ""
        closing = f"<p>{_shown(hint)}</p>\n" if hint else ""
        return (
            f'<!DOCTYPE html>\n<html lang="{_shown(self.language)}">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="robots" content="noindex">\n'
            # An empty icon of our own saves the browser the question for /favicon.ico.
            '<link rel="icon" href="data:,">\n'
            f"<title>{_shown(title)} - {_shown(self.application)}</title>\n<style>{_STYLE}</style>\n</head>\n"
            f'<body>\n<main class="{mood}">\n<p class="who">{_shown(self.application)}</p>\n'
            f"<h1>{_shown(title)}</h1>\n<p>{_shown(text)}</p>\n{quoted}{closing}</main>\n</body>\n</html>\n"
        )


DEFAULT_PAGES = Pages()


def _shown(text: str) -> str:
    """Text for HTML: at most 1000 characters, markup escaped, invisible and direction-changing characters
    replaced."""
    from html import escape

    if len(text) > _MAX_REFLECTED:
        text = text[:_MAX_REFLECTED] + "..."
    text = text.replace("\r\n", "\n").replace("\t", " ")
    visible = (char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
    return escape("".join(visible), quote=True)


def page_response(
    status: int, html: str, *, awaited: bool = False, headers: Mapping[str, str] | None = None
) -> Response:
    """A page as a response. `headers` are additional ones, fixed text only."""
    import base64
    import hashlib

    style_hash = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")
    fields = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": _CSP.format(style_hash=style_hash),
        **(headers or {}),
    }
    return Response(status, _payload(status, fields, html.encode("utf-8")), awaited=awaited)


def bare_response(status: int, text: str = "") -> Response:
    """A short plain-text response, for requests that no person looks at."""
    fields = {"Content-Type": "text/plain; charset=utf-8"}
    return Response(status, _payload(status, fields, text.encode("utf-8")))


def redirect_response(path: str) -> Response:
    """303 See Other to a path of this server (RFC 9110 section 15.4.4)."""
    return Response(303, _payload(303, {"Location": path}, b""), leads_to_page=True)


def without_body(response: Response) -> Response:
    """The same response to a HEAD request, which has headers only (RFC 9110 section 9.3.2)."""
    head, separator, _ = response.payload.partition(b"\r\n\r\n")
    return Response(response.status, head + separator)


def _payload(status: int, fields: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    everywhere = {
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        # The address of the first answer holds the code; it must not travel on as a Referer.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
    }
    lines += [f"{name}: {value}" for name, value in {**fields, **everywhere}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body
