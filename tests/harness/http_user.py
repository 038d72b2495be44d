"""A user without a browser: read the local cloud's sign-in pages and answer them with HTTP requests alone.

It is fast and needs no Chromium. It fills in the same forms as a browser, but runs no script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

MAX_PAGES = 12


@dataclass
class Page:
    """A page with at most one form, parsed.

    text: what a browser shows, without scripts and styles.
    ids: the ids of all elements.
    action: the absolute address of the form, or empty.
    fields: the names and values of the form's inputs.
    inputs: element id to name, for the inputs that users fill in.
    buttons: element id or data-account to (name, value).
    authenticator_code: the second factor, which the local cloud shows on the page that asks for it.
    """

    status: int
    url: str
    html: str = field(default="", repr=False)
    text: str = ""
    ids: set[str] = field(default_factory=set)
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    authenticator_code: str = ""

    @classmethod
    def of(cls, response: requests.Response) -> Page:
        """Parse the page of a response."""
        page = cls(response.status_code, response.url, response.text)
        _Reader(page).feed(response.text)
        return page


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self._page = page
        self._silent = False
        self._in_authenticator = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        page = self._page
        found = {name: value or "" for name, value in attrs}
        identity, name, value = found.get("id", ""), found.get("name", ""), found.get("value", "")
        self._silent = tag in ("script", "style")
        self._in_authenticator = identity == "authenticator-code"
        page.ids |= {identity} - {""}
        if tag == "form":
            page.action = urljoin(page.url, found["action"])
        elif tag == "button":
            page.buttons[found.get("data-account") or identity] = (name, value)
        elif tag == "input" and name:
            page.fields[name] = value
            if found.get("type") != "hidden":
                page.inputs[identity] = name

    def handle_endtag(self, tag: str) -> None:
        self._silent = self._in_authenticator = False

    def handle_data(self, data: str) -> None:
        words = data.strip()
        if self._in_authenticator:
            self._page.authenticator_code = words
        if words and not self._silent:
            self._page.text = f"{self._page.text} {words}".lstrip()


@dataclass(frozen=True)
class Answer:
    """What the sign-in service sends to the application through the browser.

    method: GET with `parameters` in the query or fragment of `url`, or POST with them as a form (form_post).
    """

    method: str
    url: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class LastPage:
    """The page where the user stopped. `status` is its HTTP status; `answer` was not delivered."""

    url: str
    status: int
    text: str
    answer: Answer | None = None


class HttpUser:
    """A user with a password and cookies, but no browser. One is one browser session.

    `visit` answers all pages by itself; `open`, `press` and `deliver` are its steps, for tests of single pages.

    cancel_at: the id of an element; on the page that has it the user presses Cancel.
    """

    def __init__(
        self,
        ca_bundle: Path,
        username: str,
        password: str,
        *,
        mfa_code: str = "",
        user_code: str = "",
        cancel_at: str = "",
    ) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = str(ca_bundle)
        self.page = Page(0, "")
        #: The answer that waits for `deliver`.
        self.answer: Answer | None = None
        self._answers = {
            "username": username,
            "password": password,
            "mfa-code": mfa_code,
            "user-code": user_code,
        }
        self._username = username
        self._cancel_at = cancel_at

    def open(self, url: str) -> Page:
        """Open an address of the sign-in service, and return the page where its redirects end."""
        return self._follow("GET", url, None)

    def press(self, button: str, **typed: str) -> Page:
        """Fill in inputs (by element id, `-` written `_`) and press a button (element id or data-account)."""
        name, value = self.page.buttons[button]
        data = dict(self.page.fields)
        data.update({self.page.inputs[key.replace("_", "-")]: text for key, text in typed.items()})
        if name:
            data[name] = value
        return self._follow("POST", self.page.action, data)

    def deliver(self) -> requests.Response:
        """Call the application that waits at its redirect address, as the browser does at the end."""
        assert self.answer is not None, self.page.html
        data = self.answer.parameters if self.answer.method == "POST" else None
        # The application is not the sign-in service: it gets neither its cookies nor its CA.
        session = requests.Session()
        session.trust_env = False
        return session.request(self.answer.method, self.answer.url, data=data, timeout=60)

    def visit(self, url: str, *, deliver: bool = True) -> LastPage:
        """Open `url` and answer every page until one asks for nothing more, or the application is called.

        deliver: False stops before the application receives the answer.

        Raises:
            AssertionError: there was always one more page.
        """
        self.open(url)
        for _ in range(MAX_PAGES):
            if self.answer and deliver:
                page = Page.of(self.deliver())
                return LastPage(page.url, page.status, page.text)
            button = self._choose_button()
            if self.answer or not button:
                return LastPage(self.page.url, self.page.status, self.page.text, self.answer)
            self.press(button, **(self._type_answers() if button == "submit" else {}))
        raise AssertionError(f"the sign-in pages did not end: {self.page.url}\n{self.page.text}")

    def _follow(self, method: str, url: str, data: dict[str, str] | None) -> Page:
        cloud = urlsplit(url).netloc
        self.answer = None
        while True:
            response = self.session.request(method, url, data=data, allow_redirects=False, timeout=60)
            if response.status_code not in (302, 303):
                break
            method, url, data = "GET", urljoin(url, response.headers["Location"]), None
            parts = urlsplit(url)
            if parts.netloc != cloud:
                self.answer = Answer("GET", url, dict(parse_qsl(parts.query or parts.fragment)))
                return self.page
        self.page = Page.of(response)
        if self.page.action and urlsplit(self.page.action).netloc != cloud:
            # What the script of the form_post page would do.
            self.answer = Answer("POST", self.page.action, dict(self.page.fields))
        return self.page

    def _choose_button(self) -> str | None:
        page = self.page
        if page.ids & {"done", "error", "problem"}:
            return None
        if self._cancel_at and self._cancel_at in page.ids:
            return "cancel" if "cancel" in page.buttons else None
        choices = (self._username, "other-account", "submit", "accept", "cancel")
        return next((label for label in choices if label in page.buttons), None)

    def _type_answers(self) -> dict[str, str]:
        known = {**self._answers, "mfa-code": self._answers["mfa-code"] or self.page.authenticator_code}
        return {key.replace("-", "_"): known[key] for key in self.page.inputs if key in known}
