"""A person without a browser: answer the local cloud's sign-in pages with HTTP requests alone.

Fast, and it works where there is no Chromium. It fills in the same forms, but runs no script.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

MAX_PAGES = 12


@dataclass
class Form:
    """A form on a page: `fields` are name to value, `ids` are element id to name (or to a button's text)."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Collect the forms and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.ids: set[str] = set()
        self.words: list[str] = []
        self.code = ""
        self._silent = False
        self._in_authenticator = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        self._silent = tag in ("script", "style")
        self._in_authenticator = have.get("id") == "authenticator-code"
        if identity := have.get("id"):
            self.ids.add(identity)
        if tag == "form":
            self.forms.append(Form(have.get("action", ""), have.get("method", "get").lower()))
        elif tag in ("input", "button") and self.forms:
            form = self.forms[-1]
            is_button = tag == "button" or have.get("type") == "submit"
            name = have.get("name", "")
            if is_button:
                for label in filter(None, (have.get("id"), have.get("data-account"), "any")):
                    form.buttons.setdefault(label, (name, have.get("value", "")))
            elif name:
                form.fields[name] = have.get("value", "")
                form.ids[have.get("id", name)] = name

    def handle_endtag(self, tag: str) -> None:
        self._silent = self._in_authenticator = False

    def handle_data(self, data: str) -> None:
        if self._in_authenticator:
            self.code = data.strip()
        if data.strip() and not self._silent:
            self.words.append(data.strip())


@dataclass(frozen=True)
class Answer:
    """What the sign-in service sends to the application through the browser: the parameters for `address`."""

    address: str
    parameters: dict[str, str]


@dataclass(frozen=True)
class LastPage:
    """Where the person stopped. `status` is the HTTP status of the page; `answer` was held back there."""

    url: str
    status: int
    text: str
    answer: Answer | None = None


class FormPerson:
    """Somebody with a password, cookies and patience, but no browser. One is one browser session.

    cancel_at: the id of an element; on the page that has it the person presses Cancel.
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
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca_bundle)
        self._answers = {
            "username": username,
            "password": password,
            "mfa-code": mfa_code,
            "user-code": user_code,
        }
        self._username = username
        self._cancel_at = cancel_at

    def visit(self, url: str, *, deliver: bool = True) -> LastPage:
        """Open `url` and answer every page until one asks for nothing more, or is on another server.

        deliver: False stops before the browser would hand the answer to the application (form_post only).

        Raises:
            AssertionError: the pages never came to an end.
        """
        response = self._session.get(url, timeout=60)
        cloud = urlsplit(url).netloc
        for _ in range(MAX_PAGES):
            page = _Reader()
            page.feed(response.text)
            over = urlsplit(response.url).netloc != cloud or page.ids & {"done", "error", "problem"}
            answered = None if over else self._answer(page)
            if not answered:
                return LastPage(response.url, response.status_code, " ".join(page.words))
            form, data = answered
            address = urljoin(response.url, form.action)
            if not deliver and urlsplit(address).netloc != cloud:
                text = " ".join(page.words)
                return LastPage(response.url, response.status_code, text, Answer(address, data))
            if form.method == "get":
                response = self._session.get(address, params=data, timeout=60)
            else:
                response = self._session.post(address, data=data, timeout=60)
        raise AssertionError(f"the sign-in pages did not end: {response.url}\n{' '.join(page.words)}")

    def _answer(self, page: _Reader) -> tuple[Form, dict[str, str]] | None:
        for form in page.forms:
            button = self._button(form, page)
            asked = [identity for identity in form.ids if identity in self._answers]
            if not button:
                continue
            data = dict(form.fields)
            if button == "submit":
                data.update({form.ids[identity]: self._answer_to(identity, page) for identity in asked})
            if form.buttons[button][0]:
                name, value = form.buttons[button]
                data[name] = value
            return form, data
        return None

    def _button(self, form: Form, page: _Reader) -> str | None:
        if self._cancel_at and self._cancel_at in page.ids:
            return "cancel" if "cancel" in form.buttons else None
        choices = (self._username, "other-account", "submit", "accept", "cancel")
        # The page that hands the answer to the application has one button, for browsers that run no script.
        return next((label for label in (*choices, *form.buttons) if label in form.buttons), None)

    def _answer_to(self, identity: str, page: _Reader) -> str:
        # The local cloud's authenticator is on the page itself.
        return self._answers[identity] or (page.code if identity == "mfa-code" else "")
