"""For tests against the local cloud: an HTTP session that trusts it, and a person at a browser without a browser."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from tests.localcloud.people import AZURE_CLI
from tests.localcloud.server import LocalCloud

ARM_SCOPE = "https://management.core.windows.net//.default"
USUAL_SCOPES = f"{ARM_SCOPE} openid offline_access profile"


def trusting_session(cloud: LocalCloud) -> requests.Session:
    """A session that trusts the cloud's CA and nothing else, whatever the environment says."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(cloud.ca_bundle)
    return session


def pkce_pair() -> tuple[str, str]:
    """(verifier, S256 challenge) of RFC 7636."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorize_url(cloud: LocalCloud, challenge: str, tenant: str = "organizations", **changes: str | None) -> str:
    """An authorization request as MSAL makes it; `changes` replace parameters, None removes one."""
    values: dict[str, str | None] = {
        "client_id": AZURE_CLI,
        "response_type": "code",
        "redirect_uri": "http://localhost:8400",
        "state": "st&te",
        "scope": USUAL_SCOPES,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": "n0nce",
        "client_info": "1",
        "prompt": "select_account",
        **changes,
    }
    query = urlencode({key: value for key, value in values.items() if value is not None})
    return f"{cloud.url}/{tenant}/oauth2/v2.0/authorize?{query}"


@dataclass(frozen=True)
class Landed:
    """Where the application was called back. `method` is GET (query, fragment) or POST (form_post)."""

    method: str
    url: str
    values: dict[str, str]


@dataclass
class Page:
    """A page of the cloud, parsed: text, one form, buttons by id."""

    status: int
    url: str
    html: str = field(repr=False)
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    text: str = ""


class _Reader(HTMLParser):
    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def handle_data(self, data: str) -> None:
        self.page.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if tag == "form":
            self.page.action = urljoin(self.page.url, found["action"])
        elif tag == "input" and found.get("type") == "hidden":
            self.page.fields[found["name"]] = found["value"]
        elif tag == "input" and "name" in found:
            self.page.inputs[found["id"]] = found["name"]
        elif tag == "button":
            key = found.get("data-account") or found.get("id", "")
            self.page.buttons[key] = (found.get("name", ""), found.get("value", ""))


class Visitor:
    """A person at a browser: keeps cookies, reads pages, fills in forms, notices when the application is called.

    visitor = Visitor(cloud)
    landed = visitor.sign_in(authorize_url(cloud, challenge), "alice@contoso.example")
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.session = trusting_session(cloud)
        self.page = Page(0, "", "")
        self.landed: Landed | None = None

    def open(self, url: str) -> Page:
        """Go to an address."""
        return self._follow("GET", url, None)

    def press(self, button: str, **typed: str) -> Page:
        """Fill in inputs (by element id, `-` written `_`) and press a button (element id or data-account)."""
        name, value = self.page.buttons[button]
        data = dict(self.page.fields)
        data.update({self.page.inputs[key.replace("_", "-")]: text for key, text in typed.items()})
        if name:
            data[name] = value
        return self._follow("POST", self.page.action, data)

    def _follow(self, method: str, url: str, data: dict[str, str] | None) -> Page:
        self.landed = None
        while True:
            answer = self.session.request(method, url, data=data, allow_redirects=False, timeout=30)
            if answer.status_code not in (302, 303):
                break
            method, url, data = "GET", urljoin(url, answer.headers["Location"]), None
            if not url.startswith(self.cloud.url):
                parts = urlsplit(url)
                self.landed = Landed("GET", url, dict(parse_qsl(parts.query or parts.fragment)))
                return self.page
        self.page = Page(answer.status_code, url, answer.text)
        _Reader(self.page).feed(answer.text)
        if self.page.action and not self.page.action.startswith(self.cloud.url):
            # What the script of the form_post page would do.
            self.landed = Landed("POST", self.page.action, dict(self.page.fields))
        return self.page

    def call_application(self) -> requests.Response:
        """Do what the browser does at the end: call the application that waits at its redirect address."""
        assert self.landed is not None, self.page.html
        data = self.landed.values if self.landed.method == "POST" else None
        plain = requests.Session()
        plain.trust_env = False
        return plain.request(self.landed.method, self.landed.url, data=data, timeout=30)

    def identify(self, username: str) -> Page:
        """On the picker or sign-in page: say who one is, type the password and the second factor when asked."""
        if "other-account" in self.page.buttons:
            self.press("other-account")
        self.press("submit", username=username)
        self.press("submit", password=self.cloud.directory.person(username).password)
        if "mfa-code" in self.page.inputs:
            shown = self.page.html.partition('id="authenticator-code">')[2].partition("<")[0]
            self.press("submit", mfa_code=shown)
        return self.page

    def sign_in(self, url: str, username: str) -> Landed:
        """Open an authorization request and sign in; AssertionError when that doesn't end at the application."""
        self.open(url)
        self.identify(username)
        assert self.landed is not None, self.page.html
        return self.landed

    def enter_device_code(self, user_code: str, username: str, accept: bool = True) -> Page:
        """Sign in with a device code at /device and accept, or cancel."""
        self.open(f"{self.cloud.url}/device")
        self.press("submit", user_code=user_code)
        self.identify(username)
        if "accept" in self.page.buttons:
            self.press("accept" if accept else "cancel")
        return self.page


class TokenClient:
    """Sends requests to the token endpoint and ARM without any library in between."""

    def __init__(self, cloud: LocalCloud, client_id: str = AZURE_CLI) -> None:
        self.cloud = cloud
        self.client_id = client_id
        self.session = trusting_session(cloud)

    def token(self, tenant: str = "organizations", **form: str) -> requests.Response:
        """POST to the token endpoint."""
        url = f"{self.cloud.url}/{tenant}/oauth2/v2.0/token"
        return self.session.post(url, data={"client_id": self.client_id, **form}, timeout=30)

    def password(self, username: str, tenant: str = "organizations", **form: str) -> requests.Response:
        """User name and password; the right password unless `form` has another."""
        person = self.cloud.directory.find_person(username)
        values = {
            "grant_type": "password",
            "username": username,
            "password": person.password if person else "x",
            "scope": USUAL_SCOPES,
            "client_info": "1",
            **form,
        }
        return self.token(tenant, **values)

    def refresh(self, refresh_token: str, tenant: str = "organizations", **form: str) -> requests.Response:
        """Redeem a refresh token."""
        return self.token(
            tenant,
            **{
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "scope": USUAL_SCOPES,
                "client_info": "1",
                **form,
            },
        )

    def device_code(self, tenant: str = "organizations", **form: str) -> dict[str, Any]:
        """Start a device code sign-in."""
        url = f"{self.cloud.url}/{tenant}/oauth2/v2.0/devicecode"
        answer = self.session.post(url, data={"client_id": self.client_id, "scope": USUAL_SCOPES, **form}, timeout=30)
        found: dict[str, Any] = answer.json()
        return found

    def poll(self, device_code: str, tenant: str = "organizations") -> requests.Response:
        """Ask whether the person at the other device is done."""
        return self.token(
            tenant,
            grant_type="urn:ietf:params:oauth:grant-type:device_code",
            device_code=device_code,
            scope=USUAL_SCOPES,
            client_info="1",
        )

    def arm(
        self, path: str, access_token: str | None, api_version: str | None = "2022-12-01", method: str = "GET"
    ) -> requests.Response:
        """Call ARM."""
        url = path if path.startswith("https:") else self.cloud.url + path
        if api_version and "api-version" not in url:
            url += f"?api-version={api_version}"
        headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
        return self.session.request(method, url, headers=headers, timeout=30)
